/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What waits goes into flight and out, as the window, the output and the store allow, and is over with its
 * acknowledgement. See delivery.c for the order in which deliveries stand.
 */
#include "delivery_private.h"

#include <assert.h>

/* So many messages are between the one that is sent and the one that is asked for from memory. */
#define MESSAGES_AHEAD 3

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
    enum publish_result result = delivery_send(n, d);
    if (result == PUBLISH_TOO_LARGE)
        session_done(n, n->unsent);
    if (result != PUBLISH_SENT)
        return STEP_DONE;
    delivery_mark_sent(n, d);
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
    if (!d->sent && delivery_out_of_date(n, d->msg)) {
        session_done(n, n->unsent);
        return STEP_DONE;
    }
    return send_inflight(n, d);
}

/* The next that waits: sent at QoS 0, else taken into flight and sent. */
static enum step send_waiting(struct session *n)
{
    struct delivery *d = ring_at(&n->deliveries, n->inflight);
    if (d->qos > 0 && !delivery_window_open(n))
        return STEP_FULL;
    if (message_held(d->msg))
        return STEP_BLOCKED;
    const uint8_t *ahead = message_ahead(n, n->inflight + MESSAGES_AHEAD);
    if (ahead != NULL) {
        __builtin_prefetch(ahead);
        __builtin_prefetch(ahead + 64);
    }
    if (delivery_out_of_date(n, d->msg)) {
        delivery_drop_waiting(n);
        return STEP_DONE;
    }
    if (d->qos == 0) {
        if (delivery_send(n, d) == PUBLISH_CLOSING)
            return STEP_FULL;
        delivery_drop_waiting(n);
        return STEP_DONE;
    }
    delivery_uncount(n, d);
    delivery_take_off(n, d);
    return send_inflight(n, d);
}

/*
 * What is next waits for a commit: what may go into flight behind it does so now, and waits for the same one, so that a
 * commit brings QoS 2 on by a window and not by one. But a group's may still go to another member, as long as it can.
 */
static RARE void take_ahead(struct session *n)
{
    while (session_waiting(n) > 0 && delivery_window_open(n)) {
        struct delivery *d = ring_at(&n->deliveries, n->inflight);
        if (d->qos == 0 || message_held(d->msg) || delivery_out_of_date(n, d->msg) || (d->qos == 2 && d->shared))
            return;
        delivery_uncount(n, d);
        delivery_take_off(n, d);
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
    n->inflight_bytes -= delivery_bytes(d->msg, d);
    message_unref(n->shard, d->msg);
    d->msg = NULL;
}

void session_done(struct session *n, uint32_t i)
{
    assert(i < n->inflight);
    struct delivery *d = ring_at(&n->deliveries, i);
    __builtin_prefetch(message_ahead(n, i + 1)); /* acknowledgements come in batches */
    delivery_store_done(n, d);
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
