/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of delivery share: delivery.c has the picture. */
#pragma once

#include "core_private.h"

/* ---- delivery_store.c */

/* d has come to a session that is stored. A row of an exchange that is stored counts with the publisher's packet id. */
void delivery_store(struct session *n, struct delivery *d, const struct pub *p);
/* d, which the store has, goes into flight; QoS 2: d->need says when it may be sent. */
void delivery_store_sent(struct session *n, struct delivery *d);
/* d, which the store has, is over. */
void delivery_store_over(struct session *n, const struct delivery *d);

/* ---- delivery_send.c */

/* d as a PUBLISH, from its message. */
enum publish_result delivery_send(struct session *n, const struct delivery *d);
/* Sends p in the turn of its arrival, at QoS 0: from the publisher's packet into the output. */
void delivery_send_view(struct session *n, struct pub *p, const struct delivery *d);

/* ---- delivery_queue.c */

/* Would one more of this size stay within both limits: messages (QoS 1 and 2, as everywhere) and bytes (all)? */
bool delivery_has_room(const struct session *n, uint8_t qos, size_t size);
/* p waits, as the limits allow. */
void delivery_enqueue(struct session *n, struct pub *p, const struct delivery *like);
/* d, new, is of m, and else like that; m gets a reference. */
void delivery_fill(struct delivery *d, const struct delivery *like, struct message *m);
/* The first that waits goes. */
void delivery_drop_waiting(struct session *n);
/* What was promised, too: the publisher must not be told that it is safe. */
void delivery_lose_for_memory(struct session *n);

/* ---- what is asked for each message */

/* May another one go into flight? A client of 5.0 names their number; in bytes, the queue's limit is theirs too. */
static inline bool delivery_window_open(const struct session *n)
{
    return n->inflight < n->window && n->inflight_bytes < n->shard->b->limits.max_queued_bytes;
}

static inline bool delivery_may_send(const struct session *n, uint8_t qos)
{
    const struct client *c = n->client;
    if (c == NULL || c->state != CLIENT_UP || c->connack_waits || c->out.bytes >= OUTPUT_HIGH)
        return false;
    if (n->unsent < n->deliveries.n)
        return false;
    return qos == 0 || (delivery_window_open(n) && !(qos == 2 && session_durable(n)));
}

static inline bool delivery_may_receive(const struct session *n, struct bytes topic)
{
    return rights_unlimited(n->rights, RIGHT_RECEIVE) || rights_allow(n->rights, RIGHT_RECEIVE, session_id(n), topic);
}

/* What waits may have been right when it came, and is not to be sent now: it has expired, or a deny rule is there. */
static inline bool delivery_out_of_date(const struct session *n, const struct message *m)
{
    return m->expires <= n->shard->now || !delivery_may_receive(n, message_topic(m));
}

/*
 * What a waiting message counts for in max_queued_bytes: topic, properties, payload, and the name of the group that is
 * stored with it. QoS 0, which max_queued_messages does not count (it says how much may be promised), counts with all
 * the memory that it takes.
 */
static inline size_t delivery_bytes(const struct message *m, const struct delivery *d)
{
    size_t own = d->qos == 0 ? sizeof(*m) + sizeof(*d) : 0;
    return own + m->topic_n + m->props_n + m->payload_n + (d->shared ? d->text_n : 0u);
}

/* d, which waits, leaves the queue: for good or into flight. */
static inline void delivery_uncount(struct session *n, const struct delivery *d)
{
    n->queue_bytes -= delivery_bytes(d->msg, d);
    n->queued -= d->qos > 0;
}

static inline void delivery_store_done(struct session *n, const struct delivery *d)
{
    if (d->row != 0)
        delivery_store_over(n, d);
}

/* Takes the first that waits into flight: it gets its packet id; what the store says of it is noted in d->need. */
static inline void delivery_take_off(struct session *n, struct delivery *d)
{
    n->inflight++;
    d->id = session_take_id(n);
    if (d->qos == 2) { /* it stays with its session from here on [MQTT-4.8.2-4] */
        d->shared = false;
        d->need = 0;
    }
    n->inflight_bytes += delivery_bytes(d->msg, d);
    if (d->row != 0)
        delivery_store_sent(n, d);
}

/*
 * It is with the client. A session that ends with its connection never sends it again: its message goes at once, while
 * it is in the processor's cache, and not with the acknowledgement. But a group would give it to another member.
 */
static inline void delivery_mark_sent(struct session *n, struct delivery *d)
{
    d->sent = true;
    if (!session_durable(n) && !d->shared)
        session_forget_message(n, d);
}
