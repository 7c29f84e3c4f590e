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
 * What waits and what its limits are: delivery_queue.c. Into flight and out: delivery_output.c. The packets:
 * delivery_send.c. What the store hears of it: delivery_store.c.
 *
 * What is not on the straight way of a message at QoS 0 is kept out of the functions that are: they then need few
 * registers and no frame on the stack.
 */
#include "delivery_private.h"

/* QoS 1 and 2, with room in the window and in the output. */
static RARE void send_now(struct session *n, struct pub *p, const struct delivery *like)
{
    if (like->given && like->qos == 2) { /* not before the store knows, see delivery_store_sent */
        delivery_enqueue(n, p, like);
        return;
    }
    struct message *m = pub_message(n->shard, p);
    struct delivery *d = m != NULL ? ring_push_back_raw(&n->deliveries) : NULL;
    if (d == NULL) {
        delivery_lose_for_memory(n);
        return;
    }
    n->shard->note |= NOTE_TAKEN;
    delivery_fill(d, like, m);
    if (session_durable(n))
        delivery_store(n, d, p);
    delivery_take_off(n, d);
    enum publish_result result = delivery_send(n, d);
    if (result == PUBLISH_TOO_LARGE)
        session_done(n, n->inflight - 1);
    if (result != PUBLISH_SENT)
        return;
    delivery_mark_sent(n, d);
    n->unsent = n->inflight;
}

/* It is not true yet: see held.c. */
static RARE void hold(struct session *n, struct pub *p, const struct delivery *d)
{
    struct message *m = session_durable(n) ? NULL : pub_message(n->shard, p);
    if (session_durable(n))
        delivery_enqueue(n, p, d);
    else if (m == NULL || !held_add(n, p, m, d, false))
        delivery_lose_for_memory(n);
    else
        n->shard->note |= NOTE_TAKEN;
}

static void deliver(struct session *n, struct pub *p, const struct delivery *d)
{
    if (p->held_as != 0)
        hold(n, p, d);
    else if (!delivery_may_send(n, d->qos))
        delivery_enqueue(n, p, d);
    else if (d->qos == 0)
        delivery_send_view(n, p, d);
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
    return (delivery_may_send(n, 1) ? (unsigned)SHARE_READY : 0) |
           (delivery_has_room(n, 1, 0) ? (unsigned)SHARE_ROOM : 0);
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
        delivery_lose_for_memory(n);
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
    return delivery_may_receive(n, p->topic) && (qos > 0 || (n->client != NULL && n->client->state == CLIENT_UP));
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
    if (!t->last && (p->held_as != 0 || !delivery_may_send(n, d.qos)) && !delivery_has_room(n, d.qos, size))
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
    if (d.qos > 0 && (!delivery_window_open(n) || session_waiting(n) > 0))
        return false;
    if (!delivery_may_receive(n, m->topic))
        return true;
    struct pub p = {.topic = m->topic, .qos = m->qos, .retain = true, .expires = m->expires};
    p.payload = m->payload != NULL ? bytes_of(m->payload->p, m->payload->n) : (struct bytes){NULL, 0};
    p.props = m->props != NULL ? bytes_of(m->props->p, m->props->n) : (struct bytes){NULL, 0};
    if (m->payload != NULL && m->payload->n >= SHARE_FROM)
        p.blob = blob_ref(m->payload);
    if (d.qos == 0)
        delivery_send_view(n, &p, &d);
    else
        deliver(n, &p, &d);
    pub_fini(n->shard, &p);
    return true;
}
