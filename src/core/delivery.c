/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From a session to its connection.
 *
 *   session_deliver ──► straight into the output         (nothing waits before it, and there is room)
 *                  └──► waiting ──► in flight ──► output  (session_output, as window, output and store allow)
 *
 *   deliveries: [ in flight, sent | in flight, unsent | waiting ]
 *                                  ^ unsent            ^ inflight
 *
 * Those that wait were not sent yet, QoS 0 too, so that order is kept. Those in flight, QoS 1 and 2, stand in order of
 * sending until they are acknowledged; the part from `unsent` on has not been sent on this connection: after a
 * reconnect that is all of it, to be sent again with DUP and the same packet ids [MQTT-4.4.0-1].
 *
 * What is not on the straight way of a message at QoS 0 is kept out of the functions that are: they then need few
 * registers and no frame on the stack.
 */
#include "core_private.h"

#include <assert.h>

/* So many messages are between the one that is sent and the one that is asked for from memory. */
#define MESSAGES_AHEAD 3
/* A packet that goes out with another alias lies in one piece, so what is left of a chunk of output may stay unused. */
#define ALIAS_RAW_MAX 512u

/* May another one go into flight? A client of 5.0 names their number; in bytes, the queue's limit is theirs too. */
static bool window_open(const struct session *n)
{
    return n->inflight < n->window && n->inflight_bytes < n->shard->b->limits.max_queued_bytes;
}

static inline bool may_send(const struct session *n, uint8_t qos)
{
    const struct client *c = n->client;
    if (c == NULL || c->state != CLIENT_UP || c->connack_waits || c->out.bytes >= OUTPUT_HIGH)
        return false;
    if (n->unsent < n->deliveries.n)
        return false;
    return qos == 0 || (window_open(n) && !(qos == 2 && session_durable(n)));
}

static inline bool may_receive(const struct session *n, struct bytes topic)
{
    return rights_unlimited(n->rights, RIGHT_RECEIVE) || rights_allow(n->rights, RIGHT_RECEIVE, session_id(n), topic);
}

/* What waits may have been right when it came, and is not to be sent now: it has expired, or a deny rule is there. */
static inline bool out_of_date(const struct session *n, const struct message *m)
{
    return m->expires <= n->shard->now || !may_receive(n, message_topic(m));
}

/*
 * What a waiting message counts for in max_queued_bytes: topic, properties, payload, and the name of the group that is
 * stored with it. QoS 0, which max_queued_messages does not count (it says how much may be promised), counts with all
 * the memory that it takes.
 */
static size_t waiting_bytes(const struct message *m, const struct delivery *d)
{
    size_t own = d->qos == 0 ? sizeof(*m) + sizeof(*d) : 0;
    return own + m->topic_n + m->props_n + m->payload_n + (d->shared ? d->text_n : 0u);
}

/* d, which waits, leaves the queue: for good or into flight. */
static void uncount(struct session *n, const struct delivery *d)
{
    n->queue_bytes -= waiting_bytes(d->msg, d);
    n->queued -= d->qos > 0;
}

/* It was another session's, and is in the store. */
static RARE void store_taken(struct session *n, struct delivery *d)
{
    uint64_t given = d->row;
    d->row = n->next_row++;
    d->given = false;
    session_store(n, &(struct store_record){.kind = STORE_TAKE,
                                            .row = d->row,
                                            .given = given,
                                            .qos = d->qos,
                                            .retain = d->retain,
                                            .sub_id = d->sub_id});
}

/* A row of an exchange that is stored counts with the publisher's packet id. */
static void store_message(struct session *n, struct delivery *d, const struct pub *p)
{
    if (d->given) {
        store_taken(n, d);
        return;
    }
    struct share_members *group = d->shared ? index_share(n->shard->b->index, d->group) : NULL;
    d->row = n->next_row++;
    session_store(n, &(struct store_record){.kind = STORE_QUEUE,
                                            .row = d->row,
                                            .message = d->msg->identity,
                                            .held = p->held_as != 0 && p->from_stored ? p->held_as : 0,
                                            .qos = d->qos,
                                            .retain = d->retain,
                                            .sub_id = d->sub_id,
                                            .topic = message_topic(d->msg),
                                            .props = message_props(d->msg),
                                            .payload = message_payload(d->msg),
                                            .share = group != NULL ? share_text(group) : (struct bytes){NULL, 0},
                                            .expires = d->msg->expires});
    share_members_unref(group);
}

/* The session is not stored, but the message is, as given: QoS 1 until it is acknowledged, QoS 2 until it is sent,
 * since it may not be sent to anybody else then. */
static RARE void sent_given(struct session *n, struct delivery *d)
{
    if (d->qos != 2)
        return;
    d->need = share_over(n->shard, d->row);
    d->row = 0;
    d->given = false;
}

static RARE void store_sent(struct session *n, struct delivery *d)
{
    if (d->given) {
        sent_given(n, d);
        return;
    }
    uint64_t number =
        session_store(n, &(struct store_record){.kind = STORE_SENT, .row = d->row, .packet_id = d->id, .qos = d->qos});
    if (d->qos == 2)
        d->need = number;
}

static RARE void store_over(struct session *n, const struct delivery *d)
{
    if (d->given)
        share_over(n->shard, d->row);
    else
        session_store(n, &(struct store_record){.kind = STORE_DONE, .row = d->row});
}

static void store_done(struct session *n, const struct delivery *d)
{
    if (d->row != 0)
        store_over(n, d);
}

/* Takes the first that waits into flight: it gets its packet id; what the store says of it is noted in d->need. */
static void take_off(struct session *n, struct delivery *d)
{
    n->inflight++;
    d->id = session_take_id(n);
    if (d->qos == 2) { /* it stays with its session from here on [MQTT-4.8.2-4] */
        d->shared = false;
        d->need = 0;
    }
    n->inflight_bytes += waiting_bytes(d->msg, d);
    if (d->row != 0)
        store_sent(n, d);
}

static void say_expiry(struct publish_out *o, msec expires, msec now)
{
    o->has_expiry = expires != MSEC_NEVER;
    o->expiry = o->has_expiry ? expiry_left(expires, now) : 0;
}

static bool has_aliases(const struct client *c)
{
    return c->v5 != NULL && c->v5->alias_out != NULL;
}

/* With all that 5.0 can say, and of any size. */
static RARE enum publish_result send_general(struct session *n, const struct delivery *d)
{
    const struct message *m = d->msg;
    const struct client *c = n->client;
    struct alias_choice by = {0};
    if (has_aliases(c) && d->qos < 2) /* mqtt.js 4 forgets the topic of a QoS 2 message until PUBREL */
        by = alias_out_choose(c->v5->alias_out, message_topic(m), hash_bytes(&n->shard->b->key, message_topic(m)), 0);
    struct publish_out o;
    o.topic = message_topic(m);
    o.forward = message_props(m);
    o.payload_n = m->payload_n;
    o.sub_id = d->sub_id;
    o.alias = by.alias;
    o.alias_known = by.known;
    o.id = d->id;
    o.qos = d->qos;
    o.retain = d->retain;
    o.dup = d->sent && d->qos > 0;
    say_expiry(&o, m->expires, n->shard->now);
    return client_publish(n->client, &o, message_payload(m).p, m->blob);
}

static enum publish_result send_publish(struct session *n, const struct delivery *d)
{
    const struct message *m = d->msg;
    struct client *c = n->client;
    size_t bound = PUBLISH_OUT_FIXED + m->topic_n + m->payload_n;
    if (c->v5 != NULL || m->blob != NULL || bound > outq_room(&c->out))
        return send_general(n, d);
    unsigned flags = (unsigned)d->qos << 1 | d->retain | (d->sent && d->qos > 0 ? 8u : 0);
    size_t size = publish_out3(message_topic(m), message_payload(m), flags, d->id, outq_end(c->out.last));
    outq_commit(&c->out, size);
    count_add(&n->shard->count.bytes_out, (int64_t)size);
    count_add(&n->shard->count.sent, 1);
    client_wake(c);
    return PUBLISH_SENT;
}

/* Sends p at QoS 0 in a packet of its own. */
static RARE void send_anew(struct session *n, const struct pub *p, const struct delivery *d, struct alias_choice by)
{
    struct publish_out o;
    o.topic = p->topic;
    o.forward = p->props;
    o.payload_n = p->payload.n;
    o.sub_id = d->sub_id;
    o.alias = by.alias;
    o.alias_known = by.known;
    o.id = 0;
    o.qos = 0;
    o.retain = d->retain;
    o.dup = false;
    say_expiry(&o, p->expires, n->shard->now);
    client_publish(n->client, &o, p->payload.p, p->blob);
}

/* The form that a packet must have to go out as it came in to a client which knows its topic so. */
static enum raw_form form_for(const struct client *c, struct alias_choice by)
{
    if (c->v5 == NULL)
        return RAW_3;
    return by.alias == 0 ? RAW_5 : by.known ? RAW_ALIAS : RAW_NONE;
}

/* Sends p in the turn of its arrival, at QoS 0: from the publisher's packet into the output. */
static void send_view(struct session *n, struct pub *p, const struct delivery *d)
{
    struct client *c = n->client;
    struct alias_choice by = {0};
    n->shard->note |= NOTE_TAKEN;
    if (has_aliases(c))
        by = alias_out_choose(c->v5->alias_out, p->topic, pub_hash(n->shard, p), p->number);
    enum raw_form form = p->raw_form;
    if (form == RAW_NONE || form != form_for(c, by) || d->sub_id > 0 || client_too_large(c, p->raw.n) ||
        (form == RAW_ALIAS && p->raw.n > ALIAS_RAW_MAX)) {
        send_anew(n, p, d, by);
        return;
    }
    if (form == RAW_ALIAS)
        client_append_alias(c, p->raw, p->raw.n - p->payload.n - 2, by.alias);
    else
        client_append(c, p->raw.p, p->raw.n);
    count_add(&c->shard->count.sent, 1);
    client_wake(c);
}

static RARE void lose(struct session *n, const char *why)
{
    struct shard *s = n->shard;
    count_add(&s->count.dropped, 1);
    n->dropped++;
    uint32_t seconds = (uint32_t)(s->now / 1000) + 1;
    if (n->told_full != 0 && seconds - n->told_full < 10)
        return;
    n->told_full = seconds;
    log_event(
        LOG_WARN, "queue.full", LF_BYTES("client", session_id(n)), LF_INT("queued", session_waiting(n)),
        LF_INT("bytes", n->queue_bytes), LF_INT("dropped", n->dropped), LF_STR("reason", why),
        LF_STR("hint", n->client != NULL
                           ? "the client reads too slowly; see [limits]: max_queued_messages, max_queued_bytes and "
                             "max_memory"
                           : "the client has been away; see [limits]: max_queued_messages, max_queued_bytes and "
                             "max_memory"));
}

/* What was promised, too: the publisher must not be told that it is safe. */
static RARE void lose_for_memory(struct session *n)
{
    n->shard->note |= NOTE_LOST;
    lose(n, "no memory");
}

/* The i-th of all, which waits. */
static void drop_at(struct session *n, uint32_t i)
{
    struct delivery *d = ring_at(&n->deliveries, i);
    uncount(n, d);
    store_done(n, d);
    message_unref(n->shard, d->msg);
    ring_remove(&n->deliveries, i);
}

static void drop_waiting(struct session *n)
{
    drop_at(n, n->inflight);
}

void session_withdraw(struct session *n, const struct message *m)
{
    for (uint32_t i = n->deliveries.n; i-- > n->inflight;) {
        if (((const struct delivery *)ring_at(&n->deliveries, i))->msg != m)
            continue;
        drop_at(n, i);
        session_show(n);
        return;
    }
}

/* Both limits: in messages (QoS 1 and 2, as everywhere) and in bytes (all), of which there may be `most`. */
static bool fits(const struct session *n, uint8_t qos, size_t size, uint64_t most)
{
    return (qos == 0 || n->queued < n->shard->b->limits.max_queued_messages) && n->queue_bytes + size <= most;
}

static bool has_room(const struct session *n, uint8_t qos, size_t size)
{
    return fits(n, qos, size, n->shard->b->limits.max_queued_bytes);
}

/* Its client could have taken what waits: not one whose CONNACK has not left yet. */
static bool has_reader(const struct session *n)
{
    return n->client != NULL && !n->client->connack_waits;
}

static const char *full_in_words(bool memory, bool oldest)
{
    if (memory)
        return oldest ? "max_memory is reached, the queue's oldest message is dropped"
                      : "max_memory is reached, the new message is dropped";
    return oldest ? "the queue is full, its oldest message is dropped"
                  : "the queue is full, the new message is dropped";
}

/* Makes room for a message as the policy says; false: it is dropped. With memory short, no queue may grow. */
static RARE bool make_room(struct session *n, uint8_t qos, size_t size)
{
    const struct limits *l = &n->shard->b->limits;
    bool memory = shard_short(n->shard);
    uint64_t most = memory && n->queue_bytes < l->max_queued_bytes ? n->queue_bytes : l->max_queued_bytes;
    while (!fits(n, qos, size, most)) {
        if (l->queue_policy == QUEUE_DISCONNECT && has_reader(n)) {
            lose(n, memory ? "max_memory is reached, the client is disconnected"
                           : "the queue is full, the client is disconnected");
            client_refuse(n->client, REASON_QUOTA_EXCEEDED, "its queue is full");
            return false;
        }
        /* One that could never fit pushes out none that do. */
        bool oldest = l->queue_policy == QUEUE_DROP_OLDEST && session_waiting(n) > 0 && size <= most;
        lose(n, full_in_words(memory, oldest));
        if (!oldest) {
            if (l->queue_policy == QUEUE_DROP_NEWEST && qos > 0 && session_durable(n))
                n->shard->note |= NOTE_FULL;
            return false;
        }
        drop_waiting(n);
    }
    return true;
}

/* Field by field: a copy of the whole would wait for the narrow writes that *like was just made of. */
static void fill(struct delivery *d, const struct delivery *like, struct message *m)
{
    d->msg = message_ref(m);
    d->row = like->row;
    d->need = like->need;
    d->sub_id = like->sub_id;
    d->id = 0;
    d->qos = like->qos;
    d->retain = like->retain;
    d->sent = d->released = false;
    d->shared = like->shared;
    d->late = false;
    d->given = like->given;
}

static RARE void enqueue(struct session *n, struct pub *p, const struct delivery *like)
{
    struct shard *s = n->shard;
    struct message *m = pub_message(s, p);
    if (m == NULL) {
        lose_for_memory(n);
        return;
    }
    size_t size = waiting_bytes(m, like);
    if ((!has_room(n, like->qos, size) || s->short_of_memory) && !make_room(n, like->qos, size))
        return;
    bool held = p->held_as != 0;
    struct delivery *d = !held || held_add(n, p, m, like, true) ? ring_push_back_raw(&n->deliveries) : NULL;
    if (d == NULL) {
        lose_for_memory(n);
        return;
    }
    s->note |= NOTE_TAKEN;
    fill(d, like, m);
    n->queue_bytes += size;
    n->queued += d->qos > 0;
    if (d->qos > 0 && session_durable(n))
        store_message(n, d, p);
    if (n->client != NULL)
        client_wake(n->client);
}

/*
 * It is with the client. A session that ends with its connection never sends it again: its message goes at once, while
 * it is in the processor's cache, and not with the acknowledgement. But a group would give it to another member.
 */
static void mark_sent(struct session *n, struct delivery *d)
{
    d->sent = true;
    if (!session_durable(n) && !d->shared)
        session_forget_message(n, d);
}

/* QoS 1 and 2, with room in the window and in the output. */
static RARE void send_now(struct session *n, struct pub *p, const struct delivery *like)
{
    if (like->given && like->qos == 2) { /* not before the store knows, see sent_given */
        enqueue(n, p, like);
        return;
    }
    struct message *m = pub_message(n->shard, p);
    struct delivery *d = m != NULL ? ring_push_back_raw(&n->deliveries) : NULL;
    if (d == NULL) {
        lose_for_memory(n);
        return;
    }
    n->shard->note |= NOTE_TAKEN;
    fill(d, like, m);
    if (session_durable(n))
        store_message(n, d, p);
    take_off(n, d);
    enum publish_result result = send_publish(n, d);
    if (result == PUBLISH_TOO_LARGE)
        session_done(n, n->inflight - 1);
    if (result != PUBLISH_SENT)
        return;
    mark_sent(n, d);
    n->unsent = n->inflight;
}

/* It is not true yet: see held.c. */
static RARE void hold(struct session *n, struct pub *p, const struct delivery *d)
{
    struct message *m = session_durable(n) ? NULL : pub_message(n->shard, p);
    if (session_durable(n))
        enqueue(n, p, d);
    else if (m == NULL || !held_add(n, p, m, d, false))
        lose_for_memory(n);
    else
        n->shard->note |= NOTE_TAKEN;
}

static void deliver(struct session *n, struct pub *p, const struct delivery *d)
{
    if (p->held_as != 0)
        hold(n, p, d);
    else if (!may_send(n, d->qos))
        enqueue(n, p, d);
    else if (d->qos == 0)
        send_view(n, p, d);
    else
        send_now(n, p, d);
    session_show(n);
}

void session_deliver_held(struct session *n, struct message *m, const struct delivery *d)
{
    struct pub p;
    message_pub(m, &p);
    deliver(n, &p, d);
    pub_fini(n->shard, &p);
}

unsigned session_takes(const struct session *n)
{
    return (may_send(n, 1) ? (unsigned)SHARE_READY : 0) | (has_room(n, 1, 0) ? (unsigned)SHARE_ROOM : 0);
}

/* Which subscriptions of one client count for a message of its own: those without "no local". */
static bool counts(const struct session *n, const struct pub *p, const struct match *m)
{
    return !m->o.no_local || p->from != n->h;
}

/*
 * A message that matches several subscriptions with identifiers carries them all [MQTT-3.3.4-3]: they stand in front of
 * the properties of a copy that is for this session only.
 */
static RARE void deliver_with_ids(struct session *n, const struct pub *p, const struct delivery *d,
                                  const struct match *m, uint32_t count)
{
    size_t cap = (size_t)count * 5 + p->props.n;
    uint8_t *props = mem_try_alloc(cap);
    if (props == NULL) {
        lose_for_memory(n);
        return;
    }
    struct wr w = wr_of(props, cap);
    for (uint32_t i = 0; i < count; i++)
        if (m[i].o.id > 0 && counts(n, p, &m[i]))
            prop_write(&w, &(struct prop_item){.id = PROP_SUBSCRIPTION_ID, .num = m[i].o.id});
    wr_bytes(&w, p->props.p, p->props.n);
    assert(!w.bad);
    struct pub own = *p;
    own.raw_form = RAW_NONE;
    own.props = bytes_of(props, (size_t)(w.p - props));
    own.msg = NULL;
    own.identity = 0; /* nobody else's */
    own.blob = p->blob != NULL ? blob_ref(p->blob) : NULL;
    deliver(n, &own, d);
    pub_fini(n->shard, &own);
    mem_free(props);
}

/* By what the session's user may receive, and for QoS 0 whether there is a client. */
static inline bool may_have(const struct session *n, const struct pub *p, uint8_t qos)
{
    return may_receive(n, p->topic) && (qos > 0 || (n->client != NULL && n->client->state == CLIENT_UP));
}

static inline uint8_t lower_qos(const struct sub_options *o, const struct pub *p)
{
    return o->qos < p->qos ? o->qos : p->qos;
}

/* Several subscriptions: the highest QoS, and whatever any of them wants. */
static RARE void deliver_merged(struct session *n, struct pub *p, const struct match *m, uint32_t count)
{
    struct sub_options o = {0};
    uint32_t wanted = 0, ids = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!counts(n, p, &m[i]))
            continue;
        wanted++;
        o.qos = m[i].o.qos > o.qos ? m[i].o.qos : o.qos;
        o.retain_as_published |= m[i].o.retain_as_published;
        o.id = m[i].o.id > 0 ? m[i].o.id : o.id;
        ids += m[i].o.id > 0;
    }
    struct delivery d = {.qos = lower_qos(&o, p), .retain = o.retain_as_published && p->retain};
    if (wanted == 0 || !may_have(n, p, d.qos))
        return;
    if (ids < 2) {
        d.sub_id = o.id;
        deliver(n, p, &d);
    } else {
        deliver_with_ids(n, p, &d, m, count);
    }
}

void session_deliver(struct session *n, struct pub *p, const struct match *m, uint32_t count)
{
    if (count > 1) {
        deliver_merged(n, p, m, count);
        return;
    }
    struct delivery d = {
        .qos = lower_qos(&m->o, p), .retain = m->o.retain_as_published && p->retain, .sub_id = m->o.id};
    if (counts(n, p, m) && may_have(n, p, d.qos))
        deliver(n, p, &d);
}

/* What was given is over at once where it goes at QoS 0, or a limit drops it. For want of memory it is kept. */
static RARE void deliver_given(struct session *n, struct pub *p, struct delivery *d, uint64_t given)
{
    struct shard *s = n->shard;
    uint32_t note = s->note;
    s->note = 0;
    d->given = d->qos > 0;
    d->row = d->given ? given : 0;
    deliver(n, p, d);
    if (d->qos == 0 || (s->note & (NOTE_TAKEN | NOTE_LOST)) == 0)
        share_over(s, given);
    s->note |= note;
}

enum offer session_offer(struct session *n, struct pub *p, const struct share_turn *t)
{
    const struct sub_options *o = &t->to.o;
    struct delivery d = {.qos = lower_qos(o, p),
                         .retain = o->retain_as_published && p->retain,
                         .sub_id = o->id,
                         .group = t->group,
                         .shared = true};
    if (d.qos > 0 && session_durable(n))
        d.text_n = t->text_n;
    size_t size = p->topic.n + p->props.n + p->payload.n + d.text_n;
    if (!may_have(n, p, d.qos))
        return OFFER_GONE;
    if (!t->last && (p->held_as != 0 || !may_send(n, d.qos)) && !has_room(n, d.qos, size))
        return OFFER_FULL;
    if (t->given != 0)
        deliver_given(n, p, &d, t->given);
    else
        deliver(n, p, &d);
    return OFFER_TAKEN;
}

bool session_send_retained(struct session *n, const struct retained_message *m, const struct sub_options *o)
{
    struct delivery d = {.qos = o->qos < m->qos ? o->qos : m->qos, .retain = true, .sub_id = o->id};
    if (n->client->out.bytes >= OUTPUT_HIGH)
        return false;
    if (d.qos > 0 && (!window_open(n) || session_waiting(n) > 0))
        return false;
    if (!may_receive(n, m->topic))
        return true;
    struct pub p = {.topic = m->topic, .qos = m->qos, .retain = true, .expires = m->expires};
    p.payload = m->payload != NULL ? bytes_of(m->payload->p, m->payload->n) : (struct bytes){NULL, 0};
    p.props = m->props != NULL ? bytes_of(m->props->p, m->props->n) : (struct bytes){NULL, 0};
    if (m->payload != NULL && m->payload->n >= SHARE_FROM)
        p.blob = blob_ref(m->payload);
    if (d.qos == 0)
        send_view(n, &p, &d);
    else
        deliver(n, &p, &d);
    pub_fini(n->shard, &p);
    return true;
}

/* What a step of the output came to. */
enum step { STEP_DONE, STEP_FULL, STEP_BLOCKED /* by the store */ };

/*
 * Messages lie where their publishers' turns left them: those that will be touched soon are asked for ahead. (The
 * prefetch itself stands where this is called: gcc takes a function that does nothing else for one without effect, and
 * leaves out its calls.)
 */
static const uint8_t *message_ahead(const struct session *n, uint32_t i)
{
    if (i >= n->deliveries.n)
        return NULL;
    return (const uint8_t *)((const struct delivery *)ring_at(&n->deliveries, i))->msg;
}

/* d, the one at `unsent`: a PUBLISH in flight that has not been sent on this connection. */
static enum step send_inflight(struct session *n, struct delivery *d)
{
    if (d->qos == 2 && d->need > n->shard->safe)
        return STEP_BLOCKED;
    enum publish_result result = send_publish(n, d);
    if (result == PUBLISH_TOO_LARGE)
        session_done(n, n->unsent);
    if (result != PUBLISH_SENT)
        return STEP_DONE;
    mark_sent(n, d);
    n->unsent++;
    return STEP_DONE;
}

/*
 * The next in-flight delivery that this connection has not been sent. There may be more of them than the client now
 * takes at once: a PUBLISH waits for room then [MQTT-3.3.4-9], a PUBREL needs none.
 */
static enum step send_unsent(struct session *n)
{
    struct delivery *d = ring_at(&n->deliveries, n->unsent);
    if (d->qos == 2 && d->need > n->shard->safe)
        return STEP_BLOCKED;
    if (d->released) {
        struct packet_ack ack = {.id = d->id};
        client_send(n->client, &(struct packet){.type = PACKET_PUBREL, .ack = ack});
        d->sent = true;
        n->unsent++;
        return STEP_DONE;
    }
    if (n->unsent >= n->window)
        return STEP_FULL;
    if (!d->sent && out_of_date(n, d->msg)) {
        session_done(n, n->unsent);
        return STEP_DONE;
    }
    return send_inflight(n, d);
}

/* The next that waits: sent at QoS 0, else taken into flight and sent. */
static enum step send_waiting(struct session *n)
{
    struct delivery *d = ring_at(&n->deliveries, n->inflight);
    if (d->qos > 0 && !window_open(n))
        return STEP_FULL;
    if (message_held(d->msg))
        return STEP_BLOCKED;
    const uint8_t *ahead = message_ahead(n, n->inflight + MESSAGES_AHEAD);
    if (ahead != NULL) {
        __builtin_prefetch(ahead);
        __builtin_prefetch(ahead + 64);
    }
    if (out_of_date(n, d->msg)) {
        drop_waiting(n);
        return STEP_DONE;
    }
    if (d->qos == 0) {
        if (send_publish(n, d) == PUBLISH_CLOSING)
            return STEP_FULL;
        drop_waiting(n);
        return STEP_DONE;
    }
    uncount(n, d);
    take_off(n, d);
    return send_inflight(n, d);
}

/*
 * What is next waits for a commit: what may go into flight behind it does so now, and waits for the same one, so that a
 * commit brings QoS 2 on by a window and not by one. But a group's may still go to another member, as long as it can.
 */
static RARE void take_ahead(struct session *n)
{
    while (session_waiting(n) > 0 && window_open(n)) {
        struct delivery *d = ring_at(&n->deliveries, n->inflight);
        if (d->qos == 0 || message_held(d->msg) || out_of_date(n, d->msg) || (d->qos == 2 && d->shared))
            return;
        uncount(n, d);
        take_off(n, d);
    }
}

static bool fill_output(struct session *n)
{
    struct client *c = n->client;
    assert(c != NULL);
    while (c->state == CLIENT_UP && c->out.bytes < OUTPUT_HIGH) {
        if (c->connack_waits)
            return true;
        if (n->unsent >= n->inflight && session_waiting(n) == 0)
            return false;
        enum step step = n->unsent < n->inflight ? send_unsent(n) : send_waiting(n);
        if (step == STEP_BLOCKED)
            take_ahead(n);
        if (step != STEP_DONE)
            return step == STEP_BLOCKED;
    }
    return false;
}

bool session_output(struct session *n)
{
    bool blocked = fill_output(n);
    session_show(n);
    return blocked;
}

void session_resume(struct session *n)
{
    n->unsent = 0;
}

struct delivery *session_inflight(struct session *n, uint16_t id, uint32_t *i)
{
    for (*i = 0; *i < n->inflight; (*i)++) {
        struct delivery *d = ring_at(&n->deliveries, *i);
        if (d->id == id)
            return d;
    }
    return NULL;
}

void session_forget_message(struct session *n, struct delivery *d)
{
    n->inflight_bytes -= waiting_bytes(d->msg, d);
    message_unref(n->shard, d->msg);
    d->msg = NULL;
}

void session_done(struct session *n, uint32_t i)
{
    assert(i < n->inflight);
    struct delivery *d = ring_at(&n->deliveries, i);
    __builtin_prefetch(message_ahead(n, i + 1)); /* acknowledgements come in batches */
    store_done(n, d);
    if (d->msg != NULL)
        session_forget_message(n, d);
    ring_remove(&n->deliveries, i);
    n->inflight--;
    if (i < n->unsent)
        n->unsent--;
    session_show(n);
    if (n->client != NULL && (n->unsent < n->deliveries.n || !list_empty(&n->client->replays)))
        client_wake(n->client);
}

void session_clear_queues(struct session *n)
{
    for (uint32_t i = 0; i < n->deliveries.n; i++) {
        struct delivery *d = ring_at(&n->deliveries, i);
        if (d->msg != NULL)
            message_unref(n->shard, d->msg);
    }
    ring_fini(&n->deliveries);
    n->queue_bytes = n->inflight_bytes = 0;
    n->queued = 0;
    n->inflight = n->unsent = 0;
}
