/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Four children a node: half the depth of a binary heap, and the children share a cache line. */
#include "sotto/base/heap.h"

#include <assert.h>

#include "sotto/base/mem.h"

static void place(struct heap *h, uint32_t i, struct timer *t)
{
    h->v[i] = t;
    t->pos = i + 1;
}

static void sift_up(struct heap *h, uint32_t i, struct timer *t)
{
    while (i > 0) {
        uint32_t parent = (i - 1) / 4;
        if (h->v[parent]->due <= t->due)
            break;
        place(h, i, h->v[parent]);
        i = parent;
    }
    place(h, i, t);
}

static uint32_t least_child(const struct heap *h, uint32_t first)
{
    uint32_t best = first;
    uint32_t end = h->n - first < 4 ? h->n : first + 4;
    for (uint32_t c = first + 1; c < end; c++) {
        if (h->v[c]->due < h->v[best]->due)
            best = c;
    }
    return best;
}

static void sift_down(struct heap *h, uint32_t i, struct timer *t)
{
    for (;;) {
        uint64_t first = 4 * (uint64_t)i + 1;
        if (first >= h->n)
            break;
        uint32_t c = least_child(h, (uint32_t)first);
        if (h->v[c]->due >= t->due)
            break;
        place(h, i, h->v[c]);
        i = c;
    }
    place(h, i, t);
}

/* Puts t where it belongs, starting from the free place i. */
static void settle(struct heap *h, uint32_t i, struct timer *t)
{
    if (i > 0 && h->v[(i - 1) / 4]->due > t->due)
        sift_up(h, i, t);
    else
        sift_down(h, i, t);
}

void heap_init(struct heap *h)
{
    *h = (struct heap){0};
}

void heap_fini(struct heap *h)
{
    for (uint32_t i = 0; i < h->n; i++)
        h->v[i]->pos = 0;
    mem_free(h->v);
    *h = (struct heap){0};
}

void heap_set(struct heap *h, struct timer *t, msec due)
{
    t->due = due;
    if (t->pos != 0) {
        assert(t->pos <= h->n && h->v[t->pos - 1] == t);
        settle(h, t->pos - 1, t);
        return;
    }
    if (h->n == h->cap) {
        assert(h->cap < UINT32_MAX / 2);
        h->cap = h->cap > 0 ? 2 * h->cap : 16;
        h->v = mem_realloc(h->v, h->cap * sizeof(struct timer *));
    }
    h->n++;
    sift_up(h, h->n - 1, t);
}

void heap_cancel(struct heap *h, struct timer *t)
{
    if (t->pos == 0)
        return;
    uint32_t i = t->pos - 1;
    assert(i < h->n && h->v[i] == t);
    struct timer *moved = h->v[--h->n];
    t->pos = 0;
    if (moved != t)
        settle(h, i, moved);
}

msec heap_next(const struct heap *h)
{
    return h->n > 0 ? h->v[0]->due : MSEC_NEVER;
}

struct timer *heap_pop(struct heap *h, msec now)
{
    if (h->n == 0 || h->v[0]->due > now)
        return NULL;
    struct timer *t = h->v[0];
    heap_cancel(h, t);
    return t;
}
