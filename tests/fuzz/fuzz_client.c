/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Two clients on two shards, of any version each, driven by the input: bytes of any kind, packets that are well-formed,
 * packets whose properties are not, breaks, take-overs, time, commits that come late or fail, memory that fails, shards
 * that have turns one without the other. The rig checks the core's invariants after each turn, among them that nobody
 * is sent more at once than its receive maximum; that all that comes out are whole packets, which 5.0 allows where the
 * client speaks it; and that nothing is left at the end.
 *
 *   input: [ options ] [ versions ] [ op args.. ] ...      op: kind << 1 | client
 */
#include <stdlib.h>

#include "../support/rig/rig.h"

#include "sotto/base/log.h"
#include "sotto/base/mem.h"

enum {
    SEND,
    SEND_LONG,
    SUBSCRIBE,
    UNSUBSCRIBE,
    PUBLISH,
    ACK,
    BREAK,
    CONNECT,
    RUN,
    TURN,
    TIME,
    COMMIT,
    STALL,
    PUBLISH_5,
    REFUSE,
    AUTH,
    DISCONNECT,
    SECTION,
    STRANGER,
    END,
    ANSWER,
    FAIL,
    KINDS
};

struct input {
    const uint8_t *p, *end;
};

struct run {
    struct rig *r;
    struct peer *c[2];
    struct input in;
};

static const char *const topics[] = {"a", "a/b", "a/b/c", "$d/x", "/", "a//b", "b", "$SYS/x"};
static const char *const filters[] = {"a:0",
                                      "a/+:1",
                                      "#:2",
                                      "a/#:1",
                                      "+/b:2",
                                      "$d/#:0",
                                      "a:2 b:1 +:0",
                                      "/:1",
                                      "a/b:2",
                                      "+/+:0",
                                      "+/#:1",
                                      "a/+/c:2",
                                      "b:0",
                                      "b:2",
                                      "#:0",
                                      "$SYS/#:1",
                                      "$share/g/a:1",
                                      "$share/g/#:2",
                                      "$share/h/a:0p",
                                      "$share/g/a/+:1 a:1",
                                      "$share/h/b:2",
                                      "a:1n",
                                      "a:21p #:11 +:02",
                                      "$share/g/a:1n",
                                      "$share/g:0",
                                      "$share//a:1",
                                      "a:1 +:1 #:1",
                                      "$share/h/#:1",
                                      "#:2np2",
                                      "$share/g/$SYS/#:1",
                                      "a:1p",
                                      "$share/g/a:2p"};
static const char *const names[] = {"a",
                                    "a/+",
                                    "#",
                                    "a/#",
                                    "+/b",
                                    "$d/#",
                                    "a b +",
                                    "/",
                                    "a/b",
                                    "+/+",
                                    "+/#",
                                    "a/+/c",
                                    "b",
                                    "none",
                                    "a a",
                                    "$SYS/#",
                                    "$share/g/a",
                                    "$share/g/#",
                                    "$share/h/a",
                                    "$share/h/b $share/g",
                                    "$share/h/#",
                                    "$share/g/a/+ a",
                                    "$share/g/$SYS/#",
                                    "$share/x/a"};

static unsigned next(struct input *in)
{
    return in->p < in->end ? *in->p++ : 0;
}

static enum proto proto_of(unsigned two_bits)
{
    static const enum proto protos[] = {PROTO_311, PROTO_5, PROTO_31, PROTO_5};
    return protos[two_bits & 3];
}

static void send_bytes(struct run *u, struct peer *c, unsigned n)
{
    size_t left = (size_t)(u->in.end - u->in.p);
    n = n < left ? n : (unsigned)left;
    rig_send_bytes(c, u->in.p, n);
    u->in.p += n;
}

/* -------------------------------------------------- packets that are well-formed */

static size_t payload_size(unsigned more)
{
    return more & 0x80 ? (more & 0x7f) * 15 : more & 7;
}

static const char payload[2000] = "payload";

static void publish(struct run *u, struct peer *c)
{
    unsigned what = next(&u->in), more = next(&u->in);
    uint8_t qos = (uint8_t)(what & 3) % 3;
    rig_send_publish_bytes(c, bytes_str(topics[what >> 2 & 7]), bytes_of(payload, payload_size(more)), qos,
                           (what & 0x20) != 0, qos > 0 ? (uint16_t)(1 + (what >> 6)) : 0);
}

static void publish_5(struct run *u, struct peer *c)
{
    unsigned what = next(&u->in), more = next(&u->in), with = next(&u->in);
    uint8_t qos = (uint8_t)(what & 3) % 3;
    struct packet p = {.type = PACKET_PUBLISH};
    struct props *props = &p.publish.props;
    p.publish.topic = bytes_str(with & 1 && with & 2 ? "" : topics[what >> 2 & 7]);
    p.publish.payload = bytes_of(payload, payload_size(more));
    p.publish.qos = qos;
    p.publish.retain = (what & 0x20) != 0;
    p.publish.id = qos > 0 ? (uint16_t)(1 + (what >> 6)) : 0;
    props->has |= with & 1 ? RIG_HAS(TOPIC_ALIAS) : 0;
    props->topic_alias = (uint16_t)(with & 0x40 ? 1000 : 1 + (with >> 2 & 1));
    props->has |= with & 8 ? RIG_HAS(MESSAGE_EXPIRY) : 0;
    props->message_expiry = with >> 4 & 3;
    props->has |= with & 0x40 ? RIG_HAS(RESPONSE_TOPIC) | RIG_HAS(CORRELATION_DATA) : 0;
    props->response_topic = bytes_str("answer");
    props->correlation_data = bytes_str("12");
    if (with & 0x80)
        props->raw = rig_user_props("a=1 b=22 a=333");
    rig_send(c, &p);
}

static enum packet_type ack_type(unsigned what)
{
    static const enum packet_type types[] = {PACKET_PUBACK, PACKET_PUBREC, PACKET_PUBREL, PACKET_PUBCOMP};
    return types[what & 3];
}

static void acknowledge(struct run *u, struct peer *c)
{
    unsigned what = next(&u->in);
    rig_send_ack(c, ack_type(what), (uint16_t)(1 + (what >> 2)));
}

static void refuse(struct run *u, struct peer *c)
{
    unsigned what = next(&u->in);
    enum packet_type type = ack_type(what);
    rig_send_ack_reason(c, type, (uint16_t)(1 + (what >> 2)),
                        type == PACKET_PUBACK || type == PACKET_PUBREC ? REASON_QUOTA_EXCEEDED
                                                                       : REASON_PACKET_ID_NOT_FOUND);
}

static void authenticate(struct run *u, struct peer *c)
{
    static const enum reason reasons[] = {REASON_CONTINUE_AUTHENTICATION, REASON_REAUTHENTICATE,
                                          REASON_CONTINUE_AUTHENTICATION, REASON_SUCCESS};
    static const char *const data[] = {"yes", "ann", "more", "bob", "no", NULL, "yes", "ann"};
    unsigned what = next(&u->in);
    if (c->proto == PROTO_5)
        rig_send_auth(c, reasons[what & 3], what & 0x40 ? what & 0x80 ? "tax" : NULL : "toy", data[what >> 2 & 7]);
}

static void disconnect(struct run *u, struct peer *c)
{
    unsigned what = next(&u->in);
    struct props p = {.has = what & 1 ? RIG_HAS(SESSION_EXPIRY) : 0, .session_expiry = what >> 2 & 7};
    rig_send_disconnect(c, what & 2 ? REASON_DISCONNECT_WITH_WILL : REASON_SUCCESS, c->proto == PROTO_5 ? &p : NULL);
}

/* What a client of 5.0 may name, by the bits of two bytes. */
static struct props terms(struct input *in)
{
    static const uint32_t expiry[] = {0, 3, 10, RIG_FOREVER}, size[] = {0, 17, 40, 120};
    unsigned what = next(in), more = next(in);
    struct props p = {.has = 0};
    p.has |= what & 3 ? RIG_HAS(SESSION_EXPIRY) : 0;
    p.session_expiry = expiry[what & 3];
    p.has |= what & 0x0c ? RIG_HAS(RECEIVE_MAXIMUM) : 0;
    p.receive_maximum = what >> 2 & 3;
    p.has |= what & 0x30 ? RIG_HAS(MAXIMUM_PACKET_SIZE) : 0;
    p.maximum_packet_size = size[what >> 4 & 3];
    p.has |= what & 0xc0 ? RIG_HAS(TOPIC_ALIAS_MAXIMUM) : 0;
    p.topic_alias_maximum = what & 0x80 ? 3 : 1;
    p.has |= more & 1 ? RIG_HAS(REQUEST_PROBLEM_INFO) : 0;
    p.has |= more & 2 ? RIG_HAS(AUTH_METHOD) : 0;
    p.auth_method = bytes_str(more & 0x10 ? "tax" : "toy");
    p.has |= more & 4 ? RIG_HAS(AUTH_DATA) : 0;
    p.auth_data = bytes_str("ann");
    if ((p.has & RIG_HAS(AUTH_METHOD)) == 0)
        p.has &= ~RIG_HAS(AUTH_DATA);
    if (more & 8)
        p.raw = rig_user_props("who=me");
    return p;
}

static void reconnect(struct run *u, unsigned i)
{
    unsigned what = next(&u->in), more = next(&u->in);
    struct rig_connect how = {.id = what & 0x80 ? "x"
                                    : i == 0    ? "a"
                                                : "b",
                              .clean = (what & 1) != 0,
                              .keep_alive = what & 2 ? 2 : 0,
                              .proto = proto_of(more),
                              .at = 1 + (int)(what >> 6 & 1)};
    struct props props, will = {.has = more & 4 ? RIG_HAS(WILL_DELAY) | RIG_HAS(MESSAGE_EXPIRY) : 0};
    will.will_delay = more >> 3 & 7;
    will.message_expiry = 1;
    if (what & 4) {
        how.will_topic = topics[what >> 3 & 3];
        how.will = what & 0x20 ? "" : "gone";
        how.will_qos = (uint8_t)(what >> 3 & 3) % 3;
        how.will_retain = (what & 0x20) != 0;
        how.will_props = &will;
    }
    if (how.proto == PROTO_5 && more & 0x40) {
        props = terms(&u->in);
        how.props = &props;
    }
    if (more & 0x80)
        how.id = NULL;
    u->c[i] = rig_start(u->r, &how);
}

/* ------------------------------------------------------------ properties of any kind */

/* One of the right form, for any id, in any packet. */
static void write_prop(struct input *in, struct wr *w)
{
    static const uint8_t ids[] = {0x01, 0x02, 0x03, 0x08, 0x09, 0x0b, 0x11, 0x12, 0x13, 0x15, 0x16, 0x17, 0x18, 0x19,
                                  0x1a, 0x1c, 0x1f, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x26};
    static const char *const texts[] = {"", "a", "toy", "a/+"};
    unsigned what = next(in), id = what % sizeof(ids), value = next(in);
    struct prop_item item = {.id = (enum prop)ids[id], .num = value & 0x80 ? value << 13 : value & 0x7f};
    item.text = bytes_str(texts[value & 3]);
    item.name = bytes_str(texts[value >> 2 & 3]);
    prop_write(w, &item);
}

/* Some properties, and perhaps bytes that are none. */
static struct bytes section(struct run *u, uint8_t *out, size_t cap)
{
    struct wr w = wr_of(out, cap);
    unsigned how = next(&u->in);
    for (unsigned i = 0; i < (how & 7); i++)
        write_prop(&u->in, &w);
    for (unsigned i = 0; i < (how >> 3 & 3); i++) {
        uint8_t b = (uint8_t)next(&u->in);
        wr_bytes(&w, &b, 1);
    }
    return bytes_of(out, w.bad ? 0 : (size_t)(w.p - out));
}

/* Its length may be wrong by a little. */
static void put_section(struct wr *w, struct bytes s, unsigned how)
{
    uint8_t n = (uint8_t)(s.n + (how & 0x40 ? 1 : 0) - (how & 0x80 && s.n > 0 ? 1 : 0));
    if (n >= 0x80)
        n = 0x7f;
    wr_bytes(w, &n, 1);
    wr_bytes(w, s.p, s.n);
}

static void put(struct wr *w, const char *bytes, size_t n)
{
    wr_bytes(w, bytes, n);
}

/* The bytes before and behind the properties of a packet of this kind. */
static void put_body(struct wr *w, enum packet_type type, struct bytes s, unsigned how)
{
    switch (type) {
    case PACKET_CONNECT:
        put(w, "\0\4MQTT\5\2\0\0", 10);
        put_section(w, s, how);
        put(w, "\0\1a", 3);
        break;
    case PACKET_PUBLISH:
        put(w, "\0\1a\0\7", 5);
        put_section(w, s, how);
        put(w, "text", 4);
        break;
    case PACKET_SUBSCRIBE:
        put(w, "\0\7", 2);
        put_section(w, s, how);
        put(w, "\0\1a\1", 4);
        break;
    case PACKET_UNSUBSCRIBE:
        put(w, "\0\7", 2);
        put_section(w, s, how);
        put(w, "\0\1a", 3);
        break;
    case PACKET_DISCONNECT:
    case PACKET_AUTH:
        put(w, how & 0x20 ? "\0" : "\x18", 1);
        put_section(w, s, how);
        break;
    default:
        put(w, "\0\1\0", 3);
        put_section(w, s, how);
    }
}

static void send_section(struct run *u, struct peer *c, bool connect)
{
    static const uint8_t first[] = {0x32, 0x40, 0x50, 0x62, 0x70, 0x82, 0xa2, 0xe0, 0xf0, 0x34, 0x33, 0x32};
    uint8_t props[400], body[500], head[3];
    unsigned how = next(&u->in);
    head[0] = connect ? 0x10 : first[(how & 0x0f) % sizeof(first)];
    struct bytes s = section(u, props, sizeof(props));
    struct wr w = wr_of(body, sizeof(body));
    put_body(&w, (enum packet_type)(head[0] >> 4), s, how);
    size_t n = (size_t)(w.p - body);
    if (w.bad || n > 0x3fff)
        return;
    head[1] = (uint8_t)(n & 0x7f) | 0x80;
    head[2] = (uint8_t)(n >> 7);
    rig_send_bytes(c, head, n < 0x80 ? 1 : 3);
    if (n < 0x80)
        rig_send_bytes(c, &(uint8_t){(uint8_t)n}, 1);
    rig_send_bytes(c, body, n);
}

/* A CONNECT of 5.0 with such properties: the rig doesn't know what was agreed upon. */
static void stranger(struct run *u, unsigned i)
{
    u->c[i] = rig_open(u->r);
    u->c[i]->proto = PROTO_5;
    u->c[i]->terms.alias_maximum = UINT16_MAX;
    send_section(u, u->c[i], true);
}

/* ------------------------------------------------------------------------- */

static void commit(struct run *u)
{
    unsigned what = next(&u->in);
    rig_commit_on(u->r, what & 1, 1 + (what >> 2 & 15), (what & 0xc2) == 2);
}

static void subscribe(struct run *u, struct peer *c)
{
    unsigned what = next(&u->in);
    rig_send_subscribe_id(c, 1, filters[what & 31], what >> 5);
}

/* What a client sends. */
static void do_packet(struct run *u, unsigned kind, struct peer *c)
{
    switch (kind) {
    case SEND:
        send_bytes(u, c, 1 + next(&u->in) % 32);
        break;
    case SEND_LONG:
        send_bytes(u, c, next(&u->in) * 16u);
        break;
    case SUBSCRIBE:
        subscribe(u, c);
        break;
    case UNSUBSCRIBE:
        rig_send_unsubscribe(c, 2, names[next(&u->in) % (sizeof(names) / sizeof(*names))]);
        break;
    case PUBLISH:
        publish(u, c);
        break;
    case PUBLISH_5:
        publish_5(u, c);
        break;
    case ACK:
        acknowledge(u, c);
        break;
    case REFUSE:
        refuse(u, c);
        break;
    case AUTH:
        authenticate(u, c);
        break;
    case DISCONNECT:
        disconnect(u, c);
        break;
    case SECTION:
        send_section(u, c, false);
        break;
    }
}

static void do_one(struct run *u)
{
    unsigned op = next(&u->in), i = op & 1, kind = (op >> 1) % KINDS;
    struct peer *c = u->c[i];
    switch (kind) {
    case BREAK:
        c->dropped = true;
        break;
    case CONNECT:
        reconnect(u, i);
        break;
    case STRANGER:
        stranger(u, i);
        break;
    case RUN:
        rig_run(u->r);
        break;
    case TURN:
        rig_turn(u->r, i);
        break;
    case TIME:
        rig_advance(u->r, next(&u->in) * 37u);
        break;
    case COMMIT:
        commit(u);
        break;
    case STALL:
        c->stalled = !c->stalled;
        c->woken = true;
        break;
    case END:
        rig_end(c, i == 0 ? REASON_SERVER_SHUTTING_DOWN : REASON_ADMINISTRATIVE_ACTION);
        break;
    case ANSWER:
        rig_answer_auth(u->r);
        break;
    case FAIL:
        mem_fail_at(1 + next(&u->in));
        break;
    default:
        do_packet(u, kind, c);
    }
}

/* Whole packets of the kinds that a server sends, in the client's version; on a connection that is over, the last may
 * be cut off. */
static void look_at(struct peer *c)
{
    while (c->got_at < c->got_n) {
        struct frame f;
        struct packet p;
        enum reason why;
        struct bytes b = bytes_of(c->got + c->got_at, c->got_n - c->got_at);
        if (c->client == NULL && frame_parse(b, SIZE_MAX, c->proto, &f, &why) == FRAME_MORE)
            return;
        if (!rig_poll(c, &p))
            abort();
        if (p.type == PACKET_CONNECT || p.type == PACKET_SUBSCRIBE || p.type == PACKET_UNSUBSCRIBE ||
            p.type == PACKET_PINGREQ || (p.type == PACKET_DISCONNECT && c->proto != PROTO_5))
            abort();
    }
}

static void begin(struct run *u)
{
    struct limits l = rig_limits();
    unsigned options = next(&u->in), versions = next(&u->in);
    l.max_packet_size = 4096;
    l.max_inflight = 1 + (options & 3);
    l.max_queued_messages = 5;
    l.max_queued_bytes = 3000;
    l.queue_policy = (enum queue_policy)((options >> 2 & 3) % 3);
    l.max_retained_messages = 5;
    l.max_retained_bytes = 5000;
    l.max_subscriptions = 6;
    l.max_topic_levels = 6;
    l.max_user_properties = 4;
    l.max_session_expiry = 20;
    l.max_keepalive = versions & 0x20 ? 5 : 0;
    u->r = rig_new(2, &l, (enum rig_commits)(options >> 4 & 3));
    u->r->chunk = options & 0x40 ? 3 : 0;
    u->r->auth_later = (versions & 0x10) != 0;
    u->c[0] =
        rig_start(u->r, &(struct rig_connect){.id = "a", .clean = (options & 0x80) != 0, .proto = proto_of(versions)});
    u->c[1] = rig_start(u->r, &(struct rig_connect){.id = "b", .proto = proto_of(versions >> 2)});
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    struct log_config quiet = {.level = LOG_ERROR, .target = LOG_TO_FILE, .path = "/dev/null"};
    int failed = log_start(&quiet);
    log_event(LOG_ERROR, "fuzz.start", LF_STR("what", "the log has its memory before it is counted"));
    return failed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run u = {.in = {data, data + size}};
    begin(&u);
    for (unsigned ops = 0; u.in.p < u.in.end && ops < 400; ops++)
        do_one(&u);
    mem_fail_at(0);
    for (unsigned i = 0; i < 2; i++)
        rig_stall(u.c[i], false);
    rig_answer_auth(u.r);
    rig_commit(u.r, SIZE_MAX);
    for (struct list *l = u.r->peers.next; l != &u.r->peers; l = l->next)
        look_at(container_of(l, struct peer, link));
    rig_free(u.r);
    return 0;
}
