/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A connection's protocol machine: bytes in, packets to handlers, output out, and the one place
 * that says goodbye.
 *
 *   NEW ── CONNECT ──► AUTH ──► [MOVING] ──► UP ──► CLOSING ──► client_gone
 *
 * What may come in which state is a table: in NEW only CONNECT, in UP what a client may send. In AUTH and MOVING
 * nothing is read. Handlers change state and enqueue; they never free a client. A client that is done is CLOSING until
 * its owner has sent the rest of the output and calls client_gone.
 */
#include "core_private.h"

#include <assert.h>

void client_wake(struct client *c)
{
    if (c->woken && c->out.bytes < OUTPUT_HOT)
        return;
    c->woken = true;
    c->shard->woke = true;
    c->shard->env.wake(c->shard->env.ctx, c->link);
}

struct client *client_new(struct shard *s, void *link, const struct client_origin *origin, const char *peer, msec now)
{
    size_t peer_n = strlen(peer) + 1;
    struct client *c = mem_alloc(sizeof(*c) + peer_n);
    c->shard = s;
    c->link = link;
    c->origin = origin;
    memcpy(c->peer, peer, peer_n);
    outq_init(&c->out);
    list_init(&c->gate);
    list_init(&c->replays);
    hmap_init(&c->replays_of);
    list_init(&c->waiting_link);
    list_init(&c->paused_link);
    c->timer.tag = TIMER_CLIENT;
    c->state = CLIENT_NEW;
    c->last_packet = now;
    c->h = slots_add(&s->clients, c);
    heap_set(&s->timers, &c->timer, now + s->b->limits.connect_timeout);
    count_add(&s->count.clients, 1);
    return c;
}

static void free_v5(struct client *c)
{
    if (c->v5 == NULL)
        return;
    auth_free(c);
    alias_in_free(c->v5->alias_in);
    alias_out_free(c->v5->alias_out);
    mem_free(c->v5);
    c->v5 = NULL;
}

void client_free(struct client *c)
{
    struct shard *s = c->shard;
    assert(c->session == NULL);
    heap_cancel(&s->timers, &c->timer);
    list_remove(&c->waiting_link);
    list_remove(&c->paused_link);
    client_give_large(c);
    client_drop_answers(c);
    replay_free_all(c);
    outq_fini(&c->out, &s->pool);
    if (c->h != HANDLE_NONE)
        slots_remove(&s->clients, c->h);
    will_free(c->will);
    free_v5(c);
    mem_free(c->wait);
    rights_unref(c->rights);
    count_add(&s->count.clients, -1);
    mem_free(c);
}

const struct proto_traits *proto_traits(enum proto proto)
{
    static const struct proto_traits v31 = {.name = "3.1"};
    static const struct proto_traits v311 = {.name = "3.1.1", .session_flag = true, .empty_clean = true};
    static const struct proto_traits v5 = {
        .name = "5.0", .session_flag = true, .filter_codes = true, .goodbye = true, .own_terms = true, .any_id = true};
    return proto == PROTO_5 ? &v5 : proto == PROTO_311 ? &v311 : &v31;
}

/* ------------------------------------------------------------------ input */

static void on_pingreq(struct client *c, const struct packet *p)
{
    (void)p;
    client_reply(c, &(struct packet){.type = PACKET_PINGRESP});
}

/* Nothing more is given to it, by groups neither. */
static void begin_closing(struct client *c)
{
    c->state = CLIENT_CLOSING;
    if (c->session != NULL)
        session_show(c->session);
    client_wake(c);
}

/* A session that was to end with its connection can't be kept after all [MQTT-3.14.2.2.2]. False: refused. */
static bool change_expiry(struct client *c, uint32_t expiry)
{
    struct session *n = c->session;
    uint64_t max = c->shard->b->limits.max_session_expiry;
    if ((!session_durable(n) || n->ends) && expiry > 0) {
        client_refuse(c, REASON_PROTOCOL_ERROR, "DISCONNECT with an expiry for a session that has none");
        return false;
    }
    uint32_t before = n->expiry;
    n->ends = expiry == 0;
    if (expiry > 0)
        n->expiry = expiry < max ? expiry : (uint32_t)max;
    if (n->expiry != before)
        n->settled = false;
    return true;
}

static void on_disconnect(struct client *c, const struct packet *p)
{
    if (c->session != NULL && props_has(&p->end.props, PROP_SESSION_EXPIRY) &&
        !change_expiry(c, p->end.props.session_expiry))
        return;
    if (p->end.reason == REASON_SUCCESS) {
        will_free(c->will);
        c->will = NULL;
    }
    c->end_why = p->end.reason == REASON_SUCCESS ? "disconnected by the client" : reason_name(p->end.reason);
    begin_closing(c);
}

typedef void (*handler)(struct client *c, const struct packet *p);

/* What a client may send once it is connected; anything else is a protocol error. PUBLISH has a path of its own. */
static const handler handlers[16] = {
    [PACKET_PUBACK] = on_puback,   [PACKET_PUBREC] = on_pubrec,         [PACKET_PUBREL] = on_pubrel,
    [PACKET_PUBCOMP] = on_pubcomp, [PACKET_SUBSCRIBE] = on_subscribe,   [PACKET_UNSUBSCRIBE] = on_unsubscribe,
    [PACKET_PINGREQ] = on_pingreq, [PACKET_DISCONNECT] = on_disconnect, [PACKET_AUTH] = on_auth,
};

/* While it shows who it is. */
static handler handler_of(const struct client *c, unsigned type)
{
    if (c->state == CLIENT_EXCHANGE && type != PACKET_AUTH && type != PACKET_DISCONNECT)
        return NULL;
    return handlers[type & 15];
}

/* All packets but those that make a message's usual way. */
static RARE void handle_other(struct client *c, const struct frame *f)
{
    if (c->state == CLIENT_NEW) {
        on_connect(c, f);
        return;
    }
    handler h = handler_of(c, f->type);
    if (h == NULL) {
        client_refuse(c, REASON_PROTOCOL_ERROR,
                      c->state == CLIENT_EXCHANGE ? "a packet that may not come before CONNACK"
                      : f->type == PACKET_CONNECT ? "a second CONNECT"
                                                  : "a packet that only a server may send");
        return;
    }
    struct packet p;
    enum reason r = packet_decode(f, c->proto, &p);
    if (r != REASON_SUCCESS)
        client_refuse(c, r, "a packet that breaks the rules of MQTT");
    else
        h(c, &p);
}

static void handle_packet(struct client *c, const struct frame *f)
{
    if (c->state != CLIENT_UP)
        handle_other(c, f);
    else if (f->type == PACKET_PUBLISH)
        on_publish(c, f);
    else if (f->type == PACKET_PUBACK && f->body.n == 2)
        on_short_puback(c, f);
    else
        handle_other(c, f);
}

static RARE void refuse_frame(struct client *c, enum reason why)
{
    if (why != REASON_PACKET_TOO_LARGE)
        client_refuse(c, why, "a packet that breaks the rules of MQTT");
    else if (c->state == CLIENT_NEW)
        client_refuse(c, why, "a CONNECT that is too large");
    else
        client_refuse_hint(c, why, "a packet over max_packet_size",
                           "raise max_packet_size in [limits], or let the client send smaller messages");
}

void client_give_large(struct client *c)
{
    if (c->large)
        c->shard->large--;
    c->large = false;
}

/*
 * Who has not shown who he is gets a few kilobytes. A CONNECT may need more: there are places for a few of them per
 * shard, so that nobody can have us keep many.
 */
static bool may_be_large(struct client *c, size_t total)
{
    if ((c->state != CLIENT_NEW && c->state != CLIENT_EXCHANGE) || total <= CONNECT_SMALL || c->large)
        return true;
    if (c->shard->large >= CONNECT_LARGE_AT_ONCE)
        return false;
    c->shard->large++;
    c->large = true;
    return true;
}

/* The largest packet that is taken now. */
static size_t packet_limit(const struct client *c)
{
    size_t max = c->shard->b->limits.max_packet_size;
    return c->state == CLIENT_UP || max < CONNECT_MAX ? max : CONNECT_MAX;
}

static bool upper(uint8_t b)
{
    return b >= 'A' && b <= 'Z';
}

/* The commonest mistake is the wrong port, so it is named. False: it may be MQTT. */
static RARE bool refuse_stranger(struct client *c, const uint8_t *p, size_t n)
{
    if (p[0] >> 4 == PACKET_CONNECT && (p[0] & 0x0f) == 0)
        return false;
    if (p[0] == 0x16 && (n < 2 || p[1] == 3))
        client_refuse_hint(c, REASON_PROTOCOL_ERROR, "the client spoke TLS on a port without TLS",
                           "let it use the port with TLS (usually 8883), or turn TLS off in the client");
    else if (upper(p[0]) && (n < 2 || upper(p[1])))
        client_refuse_hint(c, REASON_PROTOCOL_ERROR, "the client spoke HTTP, or another text protocol",
                           "this port is for MQTT: check what uses it; in an MQTT client, turn WebSocket off");
    else
        client_refuse_hint(c, REASON_PROTOCOL_ERROR, "the first packet is not CONNECT",
                           "this is not MQTT, or a client that does not work: check which program uses this port");
    return true;
}

/* What is looked at before a packet is even read, while nobody knows who speaks. False: refused. */
static bool may_begin(struct client *c, const uint8_t *p, size_t n)
{
    return c->state != CLIENT_NEW || !refuse_stranger(c, p, n);
}

/* The packet at the front is unfinished: how much of it is still missing? */
static void note_unfinished(struct client *c, const struct frame *f, size_t n)
{
    c->needs = (uint32_t)f->total;
    if (f->total > n + SLOW_PACKET) /* a large packet over a slow link is a sign of life, too */
        c->last_packet = c->shard->now;
}

/* One packet from the front. Returns its size, 0 when there is none (yet, or because it was refused). */
static size_t take_packet(struct client *c, const uint8_t *p, size_t n, size_t max)
{
    struct frame f;
    enum reason why;
    enum frame_result r = frame_parse(bytes_of(p, n), max, c->proto, &f, &why);
    if (r == FRAME_BAD) {
        refuse_frame(c, why);
        return 0;
    }
    if (c->state != CLIENT_UP && !may_be_large(c, f.total)) {
        client_refuse(c, REASON_SERVER_BUSY, "too many large CONNECT packets at once");
        return 0;
    }
    if (r == FRAME_MORE) {
        note_unfinished(c, &f, n);
        return 0;
    }
    handle_packet(c, &f);
    return f.total;
}

size_t client_input(struct client *c, const uint8_t *p, size_t n, msec now)
{
    struct shard *s = c->shard;
    size_t used = 0, size;
    s->now = now;
    c->needs = 0;
    while (used < n && c->state != CLIENT_CLOSING && !client_paused(c) && may_begin(c, p + used, n - used)) {
        size = take_packet(c, p + used, n - used, packet_limit(c));
        if (size == 0)
            break;
        used += size;
    }
    if (used > 0)
        c->last_packet = now;
    count_add(&s->count.bytes_in, (int64_t)used);
    return used;
}

size_t client_needs(const struct client *c)
{
    return c->needs;
}

/* A peer that asks and does not take our answers is not read either, or they would pile up without end. */
bool client_paused(const struct client *c)
{
    return c->paused || c->out.bytes >= OUTPUT_STOP || c->gate_bytes >= GATE_STOP ||
           (c->state != CLIENT_UP && (c->state == CLIENT_AUTH || c->state == CLIENT_MOVING));
}

/* ----------------------------------------------------------------- output */

/* Nothing follows what was cut off when memory failed: a client that is closing is sent nothing new. */
void client_append(struct client *c, const void *p, size_t n)
{
    if (c->state == CLIENT_CLOSING)
        return;
    if (!outq_append(&c->out, &c->shard->pool, p, n)) {
        client_cut(c, "no memory for its output");
        return;
    }
    count_add(&c->shard->count.bytes_out, (int64_t)n);
}

void client_append_alias(struct client *c, struct bytes packet, size_t at, uint16_t alias)
{
    uint8_t *room = outq_reserve(&c->out, &c->shard->pool, packet.n);
    if (room == NULL) {
        client_cut(c, "no memory for its output");
        return;
    }
    memcpy(room, packet.p, packet.n);
    room[at] = (uint8_t)(alias >> 8);
    room[at + 1] = (uint8_t)alias;
    outq_commit(&c->out, packet.n);
    count_add(&c->shard->count.bytes_out, (int64_t)packet.n);
}

void client_send(struct client *c, const struct packet *p)
{
    uint8_t small[256];
    size_t n = packet_encode(p, c->proto, small, sizeof(small));
    if (client_too_large(c, n))
        return;
    if (n <= sizeof(small)) {
        client_append(c, small, n);
    } else {
        uint8_t *large = mem_try_alloc(n);
        if (large == NULL) {
            client_refuse(c, REASON_SERVER_UNAVAILABLE, "no memory for its output");
            return;
        }
        packet_encode(p, c->proto, large, n);
        client_append(c, large, n);
        mem_free(large);
    }
    client_wake(c);
}

/* A packet that this client does not take: dropped for it alone [MQTT-3.1.2-25]. */
static enum publish_result too_large(struct client *c, struct bytes topic, size_t n)
{
    count_add(&c->shard->count.dropped, 1);
    log_event(LOG_WARN, "message.too_large", LF_PEER("peer", c->peer), LF_BYTES("client", client_id(c)),
              LF_BYTES("topic", topic), LF_INT("bytes", (int64_t)n), LF_INT("maximum", c->v5->max_packet),
              LF_STR("reason", "the client said that it takes no packet of this size; it does not get this one"));
    return PUBLISH_TOO_LARGE;
}

/* Writes the head of p into room; its size, or 0 when the packet is more than the client takes. */
static size_t write_head(struct client *c, struct publish_out *p, uint8_t *room)
{
    size_t n = publish_out_head(p, c->proto, room);
    if (n == 0 || client_too_large(c, n + p->payload_n))
        return 0;
    if (p->alias == 0 || p->alias_known)
        return n;
    if (alias_out_set(c->v5->alias_out, p->alias, p->topic, hash_bytes(&c->shard->b->key, p->topic)))
        return n;
    p->alias = 0;
    return publish_out_head(p, c->proto, room);
}

static bool append_payload(struct client *c, const struct publish_out *p, const uint8_t *payload, struct blob *blob)
{
    struct pool *pool = &c->shard->pool;
    return blob != NULL && p->payload_n >= SHARE_FROM ? outq_append_blob(&c->out, pool, blob, 0, p->payload_n)
                                                      : outq_append(&c->out, pool, payload, p->payload_n);
}

/* The rare long head: topic and properties that don't fit a chunk of output. 0: see *result. */
static size_t append_long_head(struct client *c, struct publish_out *p, size_t bound, enum publish_result *result)
{
    uint8_t *head = mem_try_alloc(bound);
    size_t n = 0;
    *result = PUBLISH_CLOSING;
    if (head == NULL)
        client_cut(c, "no memory for its output");
    else if ((n = write_head(c, p, head)) == 0)
        *result = too_large(c, p->topic, bound + p->payload_n);
    else
        client_append(c, head, n);
    mem_free(head);
    return c->state == CLIENT_CLOSING ? 0 : n;
}

enum publish_result client_publish(struct client *c, struct publish_out *p, const uint8_t *payload, struct blob *blob)
{
    size_t bound = PUBLISH_OUT_FIXED + p->topic.n + p->forward.n, n;
    uint8_t *room = bound <= OUTQ_ROOM ? outq_reserve(&c->out, &c->shard->pool, bound) : NULL;
    if (room != NULL) {
        n = write_head(c, p, room);
        if (n == 0)
            return too_large(c, p->topic, bound + p->payload_n);
        outq_commit(&c->out, n);
        count_add(&c->shard->count.bytes_out, (int64_t)n);
    } else {
        enum publish_result result;
        n = append_long_head(c, p, bound, &result);
        if (n == 0)
            return result;
    }
    if (!append_payload(c, p, payload, blob)) {
        client_cut(c, "no memory for its output");
        return PUBLISH_CLOSING;
    }
    count_add(&c->shard->count.bytes_out, (int64_t)p->payload_n);
    count_add(&c->shard->count.sent, 1);
    client_wake(c);
    return c->state == CLIENT_UP ? PUBLISH_SENT : PUBLISH_CLOSING;
}

void client_output(struct client *c, msec now)
{
    c->shard->now = now;
    c->woken = false;
    if (c->session == NULL || c->state != CLIENT_UP)
        return;
    if (session_output(c->session) && list_empty(&c->waiting_link))
        list_push_back(&c->shard->waiting, &c->waiting_link);
    if (list_empty(&c->replays))
        return;
    if (replay_output(c))
        client_wake(c);
    else if (!list_empty(&c->replays) && list_empty(&c->waiting_link) &&
             container_of(c->replays.next, struct replay, link)->need > c->shard->committed)
        list_push_back(&c->shard->waiting, &c->waiting_link);
}

bool client_patient(const struct client *c)
{
    return c->acks == c->out.bytes && c->state == CLIENT_UP;
}

struct outq *client_outq(struct client *c)
{
    return &c->out;
}

/* ---------------------------------------------------------------- the end */

bool client_closing(const struct client *c)
{
    return c->state == CLIENT_CLOSING;
}

void client_refuse(struct client *c, enum reason reason, const char *why)
{
    client_refuse_hint(c, reason, why, NULL);
}

void client_explain(const struct client *c, struct props *p, const char *why)
{
    if (why == NULL || c->v5 == NULL || c->v5->quiet)
        return;
    p->has |= 1ull << PROP_REASON_STRING;
    p->reason_string = bytes_str(why);
}

/* DISCONNECT, where the version has one for servers; or CONNACK, which must come before it [MQTT-3.14.0-1]. */
static void say_goodbye(struct client *c, enum reason reason, const char *why)
{
    if (c->state != CLIENT_UP || !proto_traits(c->proto)->goodbye)
        return;
    struct packet p = {.type = !c->greeted || c->connack_waits ? PACKET_CONNACK : PACKET_DISCONNECT};
    struct props *props = p.type == PACKET_CONNACK ? &p.connack.props : &p.end.props;
    reason = reason_allowed(reason, p.type) ? reason : REASON_UNSPECIFIED;
    if (p.type == PACKET_CONNACK)
        p.connack.reason = reason;
    else
        p.end.reason = reason;
    client_explain(c, props, why);
    if (client_too_large(c, packet_encode(&p, c->proto, NULL, 0)))
        props->has = 0;
    client_send(c, &p);
}

static void end(struct client *c, enum reason reason, const char *why, const char *hint)
{
    c->end_reason = (uint8_t)reason;
    c->end_why = why;
    c->end_hint = hint;
    begin_closing(c);
}

void client_refuse_hint(struct client *c, enum reason reason, const char *why, const char *hint)
{
    if (c->state != CLIENT_CLOSING)
        say_goodbye(c, reason, why);
    if (c->state != CLIENT_CLOSING) /* the goodbye may have failed */
        end(c, reason, why, hint);
}

void client_cut(struct client *c, const char *why)
{
    outq_fini(&c->out, &c->shard->pool); /* a part of a packet must not go out */
    if (c->state != CLIENT_CLOSING)
        end(c, REASON_SERVER_UNAVAILABLE, why, NULL);
}

void client_end(struct client *c, enum reason reason, msec now)
{
    c->shard->now = now;
    client_refuse(c, reason, reason_name(reason));
}

/* It ended by our will. What is not known is left out. */
static void log_refused(const struct client *c, const char *why)
{
    struct log_field f[6] = {LF_PEER("peer", c->peer), LF_STR("listener", c->origin->listener)};
    size_t n = 2;
    if (client_id(c).n > 0)
        f[n++] = LF_BYTES("client", client_id(c));
    if (c->rights != NULL && rights_user(c->rights).n > 0)
        f[n++] = LF_BYTES("user", rights_user(c->rights));
    else if (c->wait != NULL && c->wait->connect.has_user)
        f[n++] = LF_BYTES("user", c->wait->connect.user);
    f[n++] = LF_STR("reason", why);
    if (c->end_hint != NULL)
        f[n++] = LF_STR("hint", c->end_hint);
    log_event_fields(LOG_WARN, c->was_up ? "client.disconnected" : "connect.refused", f, n);
}

static void log_end(const struct client *c, const char *why)
{
    if (c->was_up && c->session == NULL) /* taken over: that was logged */
        log_event(LOG_DEBUG, "connection.closed", LF_PEER("peer", c->peer), LF_STR("reason", why));
    else if (c->was_up && (c->end_reason == REASON_SUCCESS || c->end_reason == REASON_SERVER_SHUTTING_DOWN))
        log_event(LOG_INFO, "client.disconnected", LF_BYTES("client", client_id(c)), LF_STR("peer", c->peer),
                  LF_STR("reason", why));
    else if (c->was_up || (c->end_reason != REASON_SUCCESS && !c->handshaking))
        log_refused(c, why);
    else
        log_event(LOG_DEBUG, "connection.closed", LF_PEER("peer", c->peer), LF_STR("listener", c->origin->listener),
                  LF_STR("reason", why));
}

void client_detach(struct client *c)
{
    struct session *session = c->session;
    if (session == NULL)
        return;
    will_leave(c);
    client_drop_answers(c);
    replay_free_all(c);
    c->session = NULL;
    session_detach(session);
}

void client_gone(struct client *c, const char *why, msec now)
{
    c->shard->now = now;
    if (c->end_why == NULL)
        c->end_why = why != NULL ? why : "closed by the peer";
    log_end(c, c->end_why);
    c->state = CLIENT_CLOSING; /* its own will, for one, must not count as sent to it */
    client_detach(c);
    client_free(c);
}

void client_leave(struct client *c)
{
    struct shard *s = c->shard;
    assert(c->state == CLIENT_MOVING || c->state == CLIENT_CLOSING);
    assert(c->out.bytes == 0 && list_empty(&c->gate));
    heap_cancel(&s->timers, &c->timer);
    client_give_large(c);
    if (c->h != HANDLE_NONE)
        slots_remove(&s->clients, c->h);
    c->h = HANDLE_NONE;
    count_add(&s->count.clients, -1);
    c->shard = NULL;
}

void client_arrived(struct client *c, struct shard *s, void *link, msec now)
{
    assert(c->shard == NULL);
    s->now = now;
    c->shard = s;
    c->link = link;
    c->woken = false;
    c->h = slots_add(&s->clients, c);
    count_add(&s->count.clients, 1);
    if (c->state == CLIENT_MOVING)
        connect_attach(c);
}

/* ------------------------------------------------------------------ clock */

void client_set_keep_alive(struct client *c)
{
    heap_cancel(&c->shard->timers, &c->timer);
    if (c->keep_alive > 0)
        heap_set(&c->shard->timers, &c->timer, c->last_packet + (msec)c->keep_alive * 1500);
}

/* What the peer could do nothing about doesn't count. */
static bool put_off(struct client *c)
{
    const struct shard_env *env = &c->shard->env;
    msec waited = env->waited != NULL ? env->waited(env->ctx, c->link) : 0;
    if (waited > 0)
        heap_set(&c->shard->timers, &c->timer, c->shard->now + waited);
    return waited > 0;
}

void client_timer(struct client *c)
{
    msec now = c->shard->now;
    if (c->state == CLIENT_NEW || c->state == CLIENT_EXCHANGE) {
        if (put_off(c))
            return;
        /* Who shakes hands knows why it took so long, and says it. */
        client_refuse_hint(c, REASON_UNSPECIFIED,
                           c->handshaking ? "the TLS handshake was not done within connect_timeout"
                                          : "no CONNECT within connect_timeout",
                           "it is connected and says nothing, or not all: check what connects here, and the way "
                           "between it and the broker");
        return;
    }
    if (c->state != CLIENT_UP)
        return;
    ring_trim(&c->session->deliveries); /* an idle connection holds no buffers */
    if (client_paused(c))               /* its clock stands still while we don't read */
        c->last_packet = now;
    if (now - c->last_packet >= (msec)c->keep_alive * 1500)
        client_refuse(c, REASON_KEEP_ALIVE_TIMEOUT, "nothing came for one and a half times its keep-alive");
    else
        client_set_keep_alive(c);
}

handle client_handle(const struct client *c)
{
    return c->h;
}

struct bytes client_id(const struct client *c)
{
    if (c->session != NULL)
        return session_id(c->session);
    return c->wait != NULL ? c->wait->id : (struct bytes){NULL, 0};
}

const char *client_peer(const struct client *c)
{
    return c->peer;
}

bool client_connected(const struct client *c)
{
    return c->state == CLIENT_UP;
}

void client_set_identified(struct client *c)
{
    c->identified = true;
}

void *client_link(const struct client *c)
{
    return c->link;
}

void client_set_handshaking(struct client *c, bool on)
{
    c->handshaking = on;
}
