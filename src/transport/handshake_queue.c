/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "handshake_queue_private.h"

#define BEGUN_IN_A_ROW 3

void handshake_queue_init(struct handshake_queue *q)
{
    list_init(&q->begun);
    list_init(&q->fresh);
    q->in_a_row = 0;
    q->blocked = false;
}

void handshake_queue_add(struct handshake_queue *q, struct list *node, bool begun)
{
    list_push_back(begun ? &q->begun : &q->fresh, node);
}

bool handshake_queue_empty(const struct handshake_queue *q)
{
    return list_empty(&q->begun) && list_empty(&q->fresh);
}

bool handshake_queue_idle(const struct handshake_queue *q)
{
    return list_empty(&q->begun) && (q->blocked || list_empty(&q->fresh));
}

void handshake_queue_unblock(struct handshake_queue *q)
{
    q->blocked = false;
}

static struct list *take(struct handshake_queue *q)
{
    if (q->blocked || list_empty(&q->fresh)) {
        q->in_a_row = 0;
        return list_pop_front(&q->begun);
    }
    if (list_empty(&q->begun) || q->in_a_row == BEGUN_IN_A_ROW) {
        q->in_a_row = 0;
        return list_pop_front(&q->fresh);
    }
    q->in_a_row++;
    return list_pop_front(&q->begun);
}

void handshake_queue_run(struct handshake_queue *q, uint64_t (*clock)(void), bool (*step)(struct list *node))
{
    uint64_t start = clock();
    struct list *n;
    while ((n = take(q)) != NULL) {
        if (!step(n)) {
            list_push_back(q->fresh.next, n); /* the front */
            q->blocked = true;
        }
        if (clock() - start >= HANDSHAKE_BUDGET_NS)
            return;
    }
}
