/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Retained messages for new subscriptions: each SUBSCRIBE leaves a cursor at its client, and
 * the output pulls from it in slices, as the window and the output's room allow, outside the queue's limits.
 */
#include "core_private.h"

static void replay_free(struct replay *r)
{
    list_remove(&r->link);
    retained_cursor_free(r->cursor);
    mem_free(r);
}

void replay_drop(struct client *c, const struct index_node *node)
{
    for (struct list *l = c->replays.next, *next; l != &c->replays; l = next) {
        next = l->next;
        struct replay *r = container_of(l, struct replay, link);
        if (r->node == node)
            replay_free(r);
    }
}

void replay_add(struct client *c, struct retained_cursor *cursor, struct index_node *node, const struct sub_options *o,
                uint64_t need)
{
    replay_drop(c, node);
    struct replay *r = mem_try_alloc(sizeof(*r));
    if (r == NULL) {
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
            replay_free(r);
        if (v.full)
            return false;
    }
    return !list_empty(&c->replays);
}

void replay_free_all(struct client *c)
{
    while (!list_empty(&c->replays))
        replay_free(container_of(c->replays.next, struct replay, link));
}
