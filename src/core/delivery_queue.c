/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What waits: its limits, in messages and in bytes, what happens at them, and what is said of it. With little memory
 * left for all (base/mem), no queue grows, whatever its own limits allow.
 */
#include "delivery_private.h"

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
void delivery_lose_for_memory(struct session *n)
{
    n->shard->note |= NOTE_LOST;
    lose(n, "no memory");
}

/* The i-th of all, which waits. */
static void drop_at(struct session *n, uint32_t i)
{
    struct delivery *d = ring_at(&n->deliveries, i);
    delivery_uncount(n, d);
    delivery_store_done(n, d);
    message_unref(n->shard, d->msg);
    ring_remove(&n->deliveries, i);
}

void delivery_drop_waiting(struct session *n)
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

bool delivery_has_room(const struct session *n, uint8_t qos, size_t size)
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
        delivery_drop_waiting(n);
    }
    return true;
}

/* Field by field: a copy of the whole would wait for the narrow writes that *like was just made of. */
void delivery_fill(struct delivery *d, const struct delivery *like, struct message *m)
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

void delivery_enqueue(struct session *n, struct pub *p, const struct delivery *like)
{
    struct shard *s = n->shard;
    struct message *m = pub_message(s, p);
    if (m == NULL) {
        delivery_lose_for_memory(n);
        return;
    }
    size_t size = delivery_bytes(m, like);
    if ((!delivery_has_room(n, like->qos, size) || s->short_of_memory) && !make_room(n, like->qos, size))
        return;
    bool held = p->held_as != 0;
    struct delivery *d = !held || held_add(n, p, m, like, true) ? ring_push_back_raw(&n->deliveries) : NULL;
    if (d == NULL) {
        delivery_lose_for_memory(n);
        return;
    }
    s->note |= NOTE_TAKEN;
    delivery_fill(d, like, m);
    n->queue_bytes += size;
    n->queued += d->qos > 0;
    if (d->qos > 0 && session_durable(n))
        delivery_store(n, d, p);
    if (n->client != NULL)
        client_wake(n->client);
}
