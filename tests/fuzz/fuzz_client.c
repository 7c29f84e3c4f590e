/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Two clients on two shards, driven by the input: bytes of any kind, packets that are well-formed, breaks, take-overs,
 * time, commits that come late or fail, shards that have turns one without the other. The rig checks the core's
 * invariants after each turn, that all that comes out are whole packets, and that nothing is left at the end.
 *
 *   input: [ options ] [ op args.. ] ...      op: kind << 1 | client
 */
#include <stdlib.h>

#include "../support/rig/rig.h"

#include "sotto/base/log.h"

enum { SEND, SEND_LONG, SUBSCRIBE, UNSUBSCRIBE, PUBLISH, ACK, BREAK, CONNECT, RUN, TURN, TIME, COMMIT, STALL, KINDS };

struct input {
    const uint8_t *p, *end;
};

struct run {
    struct rig *r;
    struct peer *c[2];
    struct input in;
};

static const char *const topics[] = {"a", "a/b", "a/b/c", "$d/x", "/", "a//b", "b", "$SYS/x"};
static const char *const filters[] = {"a:0",         "a/+:1", "#:2",   "a/#:1",   "+/b:2", "$d/#:0",
                                      "a:2 b:1 +:0", "/:1",   "a/b:2", "+/+:0",   "+/#:1", "a/+/c:2",
                                      "b:0",         "b:2",   "#:0",   "$SYS/#:1"};
static const char *const names[] = {"a",   "a/+", "#",   "a/#",   "+/b", "$d/#", "a b +", "/",
                                    "a/b", "+/+", "+/#", "a/+/c", "b",   "none", "a a",   "$SYS/#"};

static unsigned next(struct input *in)
{
    return in->p < in->end ? *in->p++ : 0;
}

static void send_bytes(struct run *u, struct peer *c, unsigned n)
{
    size_t left = (size_t)(u->in.end - u->in.p);
    n = n < left ? n : (unsigned)left;
    rig_send_bytes(c, u->in.p, n);
    u->in.p += n;
}

static void publish(struct run *u, struct peer *c)
{
    static const char payload[2000] = "payload";
    unsigned what = next(&u->in), more = next(&u->in);
    uint8_t qos = (uint8_t)(what & 3) % 3;
    size_t n = more & 0x80 ? (more & 0x7f) * 15 : more & 7;
    rig_send_publish_bytes(c, bytes_str(topics[what >> 2 & 7]), bytes_of(payload, n), qos, (what & 0x20) != 0,
                           qos > 0 ? (uint16_t)(1 + (what >> 6)) : 0);
}

static void acknowledge(struct run *u, struct peer *c)
{
    static const enum packet_type types[] = {PACKET_PUBACK, PACKET_PUBREC, PACKET_PUBREL, PACKET_PUBCOMP};
    unsigned what = next(&u->in);
    rig_send_ack(c, types[what & 3], (uint16_t)(1 + (what >> 2)));
}

static void reconnect(struct run *u, unsigned i)
{
    unsigned what = next(&u->in);
    struct rig_connect how = {.id = what & 0x80 ? "x"
                                    : i == 0    ? "a"
                                                : "b",
                              .clean = (what & 1) != 0,
                              .keep_alive = what & 2 ? 2 : 0,
                              .at = 1 + (what >> 6 & 1)};
    if (what & 4) {
        how.will_topic = topics[what >> 3 & 3];
        how.will = what & 0x20 ? "" : "gone";
        how.will_qos = (uint8_t)(what >> 3 & 3) % 3;
        how.will_retain = (what & 0x20) != 0;
    }
    u->c[i] = rig_start(u->r, &how);
}

static void commit(struct run *u)
{
    unsigned what = next(&u->in);
    rig_commit_on(u->r, what & 1, 1 + (what >> 2 & 15), (what & 0xc2) == 2);
}

static void do_one(struct run *u)
{
    unsigned op = next(&u->in), i = op & 1;
    struct peer *c = u->c[i];
    switch ((op >> 1) % KINDS) {
    case SEND:
        send_bytes(u, c, 1 + next(&u->in) % 32);
        break;
    case SEND_LONG:
        send_bytes(u, c, next(&u->in) * 16u);
        break;
    case SUBSCRIBE:
        rig_send_subscribe(c, 1, filters[next(&u->in) & 15]);
        break;
    case UNSUBSCRIBE:
        rig_send_unsubscribe(c, 2, names[next(&u->in) & 15]);
        break;
    case PUBLISH:
        publish(u, c);
        break;
    case ACK:
        acknowledge(u, c);
        break;
    case BREAK:
        c->dropped = true;
        break;
    case CONNECT:
        reconnect(u, i);
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
    }
}

/* Whole packets of the kinds that a server sends; on a connection that is over, the last may be cut off. */
static void look(struct rig *r)
{
    for (struct list *l = r->peers.next; l != &r->peers; l = l->next) {
        struct peer *c = container_of(l, struct peer, link);
        for (size_t at = 0; at < c->got_n;) {
            struct frame f;
            struct packet p;
            enum reason why;
            /* Bytes of its own may have made the client speak 3.1 or 3.1.1: both read alike what a server sends. */
            enum frame_result result = frame_parse(bytes_of(c->got + at, c->got_n - at), SIZE_MAX, PROTO_311, &f, &why);
            if (result == FRAME_MORE && c->client == NULL)
                break;
            if (c->got[0] == 0x20 && c->got[1] > 2)
                break; /* a refusal in the words of 5.0 */
            if (result != FRAME_WHOLE || packet_decode(&f, PROTO_311, &p) != REASON_SUCCESS)
                abort();
            if (p.type == PACKET_CONNECT || p.type == PACKET_SUBSCRIBE || p.type == PACKET_UNSUBSCRIBE ||
                p.type == PACKET_PINGREQ || p.type == PACKET_DISCONNECT)
                abort();
            at += f.total;
        }
    }
}

static void begin(struct run *u)
{
    struct limits l = rig_limits();
    unsigned options = next(&u->in);
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
    u->r = rig_new(2, &l, (enum rig_commits)(options >> 4 & 3));
    u->r->chunk = options & 0x40 ? 3 : 0;
    u->c[0] = rig_start(u->r, &(struct rig_connect){.id = "a", .clean = (options & 0x80) != 0});
    u->c[1] = rig_start(u->r, &(struct rig_connect){.id = "b"});
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    struct log_config quiet = {.level = LOG_ERROR, .target = LOG_TO_FILE, .path = "/dev/null"};
    return log_start(&quiet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run u = {.in = {data, data + size}};
    begin(&u);
    for (unsigned ops = 0; u.in.p < u.in.end && ops < 400; ops++)
        do_one(&u);
    for (unsigned i = 0; i < 2; i++)
        rig_stall(u.c[i], false);
    rig_commit(u.r, SIZE_MAX);
    look(u.r);
    rig_free(u.r);
    return 0;
}
