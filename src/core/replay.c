/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Retained messages for new subscriptions: each SUBSCRIBE leaves a cursor at its client, and
 * the output pulls from it in slices, as the window and the output's room allow, outside the queue's limits.
 */
#include "core_private.h"

static bool is_of(const void *entry, struct bytes key)
{
    (void)entry; /* the hash is the node's address */
    (void)key;
    return true;
}

static void replay_free(struct client *c, struct replay *r)
{
    hmap_remove(&c->replays_of, (uintptr_t)r->node, r);
    list_remove(&r->link);
    retained_cursor_free(r->cursor);
    mem_free(r);
}

void replay_drop(struct client *c, const struct index_node *node)
{
    struct replay *r = hmap_get(&c->replays_of, (uintptr_t)node, (struct bytes){NULL, 0}, is_of);
    if (r != NULL)
        replay_free(c, r);
}

void replay_add(struct client *c, struct retained_cursor *cursor, struct index_node *node, const struct sub_options *o,
                uint64_t need)
{
    replay_drop(c, node);
    struct replay *r = mem_try_alloc(sizeof(*r));
    if (r == NULL || !hmap_add(&c->replays_of, (uintptr_t)node, r)) {
        mem_free(r);
        retained_cursor_free(cursor);
        client_refuse(c, REASON_SERVER_UNAVAILABLE, "no memory");
        return;
    }
    r->cursor = cursor;
    r->node = node;
    r->options = *o;
    r->need = need;
    list_init(&r->link);
    list_push_back(&c->replays, &r->link);
    client_wake(c);
}

struct visit {
    struct client *c;
    const struct sub_options *o;
    bool full;
};

static enum retained_visit visit(void *ctx, const struct retained_message *m)
{
    struct visit *v = ctx;
    if (v->c->state == CLIENT_UP && session_send_retained(v->c->session, m, v->o))
        return RETAINED_TAKEN;
    v->full = true;
    return RETAINED_STOP;
}

bool replay_output(struct client *c)
{
    for (unsigned slices = REPLAY_SLICES; slices > 0 && !list_empty(&c->replays); slices--) {
        struct replay *r = container_of(c->replays.next, struct replay, link);
        if (c->state != CLIENT_UP || r->need > c->shard->committed)
            return false;
        struct visit v = {c, &r->options, false};
        if (!retained_pull(r->cursor, REPLAY_NODES, c->shard->now, visit, &v))
            replay_free(c, r);
        if (v.full)
            return false;
    }
    return !list_empty(&c->replays);
}

void replay_free_all(struct client *c)
{
    while (!list_empty(&c->replays))
        replay_free(c, container_of(c->replays.next, struct replay, link));
    hmap_fini(&c->replays_of);
}
