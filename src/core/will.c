/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The will of a connection: kept in one block, published when the connection ends without DISCONNECT. One with a delay
 * goes over to the session, and is published when the delay has passed or the session ends, whichever is first, unless
 * the client comes back [MQTT-3.1.3-9].
 */
#include "core_private.h"

#include <assert.h>

struct client_will *will_new(struct shard *s, const struct will *w)
{
    struct bytes props;
    uint64_t drop = 1ull << PROP_WILL_DELAY | 1ull << PROP_MESSAGE_EXPIRY;
    if (!props_without(s, w->props.raw, w->props.has, drop, &props))
        return NULL;
    struct client_will *n = mem_try_alloc(sizeof(*n) + w->topic.n + props.n + w->payload.n);
    if (n == NULL)
        return NULL;
    uint8_t *at = (uint8_t *)(n + 1);
    n->topic = bytes_of(memcpy(at, w->topic.p, w->topic.n), w->topic.n);
    at += w->topic.n;
    if (props.n > 0)
        n->props = bytes_of(memcpy(at, props.p, props.n), props.n);
    at += props.n;
    if (w->payload.n > 0)
        n->payload = bytes_of(memcpy(at, w->payload.p, w->payload.n), w->payload.n);
    n->qos = w->qos;
    n->retain = w->retain;
    n->delay = props_has(&w->props, PROP_WILL_DELAY) ? w->props.will_delay : 0;
    n->has_expiry = props_has(&w->props, PROP_MESSAGE_EXPIRY);
    n->expiry = n->has_expiry ? w->props.message_expiry : 0;
    n->timer.tag = TIMER_WILL;
    return n;
}

void will_free(struct client_will *w)
{
    mem_free(w);
}

static void publish(struct session *n, const struct client_will *w, const char *peer)
{
    struct shard *s = n->shard;
    if (!rights_allow(n->rights, RIGHT_PUBLISH, session_id(n), w->topic)) {
        log_event(LOG_INFO, "publish.denied", peer != NULL ? LF_PEER("peer", peer) : LF_STR(NULL, NULL),
                  LF_BYTES("client", session_id(n)), LF_BYTES("user", rights_user(n->rights)),
                  LF_BYTES("topic", w->topic),
                  LF_STR("reason", "it is a will, and no publish rule of the user grants it, or a deny rule takes it"),
                  LF_STR("hint", "for what is meant to be allowed: a line 'publish = FILTER' in the users file"));
        return;
    }
    struct pub p = {.topic = w->topic,
                    .props = w->props,
                    .payload = w->payload,
                    .qos = w->qos,
                    .retain = w->retain,
                    .expires = w->has_expiry ? s->now + (msec)w->expiry * 1000 : MSEC_NEVER,
                    .from = n->h};
    route(s, &p);
    pub_fini(s, &p);
}

void will_leave(struct client *c)
{
    struct client_will *w = c->will;
    struct session *n = c->session;
    c->will = NULL;
    if (w == NULL || c->end_reason == REASON_SERVER_SHUTTING_DOWN) {
        will_free(w);
        return;
    }
    if (w->delay == 0 || !session_durable(n) || n->ends) {
        publish(n, w, c->peer);
        will_free(w);
        return;
    }
    assert(n->will == NULL);
    n->will = w;
    w->session = n;
    heap_set(&n->shard->timers, &w->timer, n->shard->now + (msec)w->delay * 1000);
}

void will_cancel(struct session *n)
{
    if (n->will == NULL)
        return;
    heap_cancel(&n->shard->timers, &n->will->timer);
    will_free(n->will);
    n->will = NULL;
}

void will_due(struct session *n)
{
    if (n->will == NULL)
        return;
    struct client_will *w = n->will;
    n->will = NULL;
    heap_cancel(&n->shard->timers, &w->timer);
    publish(n, w, NULL);
    will_free(w);
}
