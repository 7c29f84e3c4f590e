/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The will of a connection: kept in one block, published when the connection ends without DISCONNECT. */
#include "core_private.h"

struct client_will *will_new(const struct will *w)
{
    struct client_will *n = mem_try_alloc(sizeof(*n) + w->topic.n + w->props.raw.n + w->payload.n);
    if (n == NULL)
        return NULL;
    uint8_t *at = (uint8_t *)(n + 1);
    n->topic = bytes_of(memcpy(at, w->topic.p, w->topic.n), w->topic.n);
    at += w->topic.n;
    if (w->props.raw.n > 0)
        n->props = bytes_of(memcpy(at, w->props.raw.p, w->props.raw.n), w->props.raw.n);
    at += w->props.raw.n;
    if (w->payload.n > 0)
        n->payload = bytes_of(memcpy(at, w->payload.p, w->payload.n), w->payload.n);
    n->qos = w->qos;
    n->retain = w->retain;
    return n;
}

void will_free(struct client_will *w)
{
    mem_free(w);
}

void will_publish(struct client *c)
{
    const struct client_will *w = c->will;
    if (!rights_allow(c->rights, RIGHT_PUBLISH, client_id(c), w->topic)) {
        log_event(LOG_INFO, "publish.denied", LF_PEER("peer", c->peer), LF_STR("listener", c->origin->listener),
                  LF_BYTES("client", client_id(c)), LF_BYTES("user", rights_user(c->rights)),
                  LF_BYTES("topic", w->topic),
                  LF_STR("reason", "it is a will, and no publish rule of the user grants it, or a deny rule takes it"),
                  LF_STR("hint", "for what is meant to be allowed: a line 'publish = FILTER' in the users file"));
        return;
    }
    struct pub p = {.topic = w->topic,
                    .payload = w->payload,
                    .qos = w->qos,
                    .retain = w->retain,
                    .expires = MSEC_NEVER,
                    .from = c->session->h};
    route(c->shard, &p);
    pub_fini(c->shard, &p);
}
