/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sotto/base/outq.h"

#include <assert.h>

static size_t block_size(const struct outq_seg *s)
{
    return s->blob != NULL ? sizeof(*s) : OUTQ_CHUNK;
}

static void seg_free(struct outq_seg *s, struct pool *pool)
{
    blob_unref(s->blob);
    pool_put(pool, s, block_size(s));
}

static void link_last(struct outq *q, struct outq_seg *s)
{
    s->next = NULL;
    if (q->last != NULL)
        q->last->next = s;
    else
        q->first = s;
    q->last = s;
}

static struct outq_seg *add_chunk(struct outq *q, struct pool *pool)
{
    struct outq_seg *s = pool_get(pool, OUTQ_CHUNK);
    if (s == NULL)
        return NULL;
    s->blob = NULL;
    s->p = s->data;
    s->n = 0;
    s->room = OUTQ_ROOM;
    link_last(q, s);
    return s;
}

void outq_init(struct outq *q)
{
    *q = (struct outq){0};
}

void outq_fini(struct outq *q, struct pool *pool)
{
    while (q->first != NULL) {
        struct outq_seg *s = q->first;
        q->first = s->next;
        seg_free(s, pool);
    }
    outq_init(q);
}

uint8_t *outq_reserve_slow(struct outq *q, struct pool *pool, size_t n)
{
    assert(n <= OUTQ_ROOM);
    struct outq_seg *s = add_chunk(q, pool);
    return s != NULL ? s->data : NULL;
}

bool outq_append_slow(struct outq *q, struct pool *pool, const void *p, size_t n)
{
    const uint8_t *from = p;
    while (n > 0) {
        struct outq_seg *s = q->last;
        if ((s == NULL || s->room == 0) && (s = add_chunk(q, pool)) == NULL)
            return false;
        size_t part = n < s->room ? n : s->room;
        memcpy(outq_end(s), from, part);
        outq_commit(q, part);
        from += part;
        n -= part;
    }
    return true;
}

bool outq_append_blob(struct outq *q, struct pool *pool, struct blob *b, size_t off, size_t n)
{
    assert(off <= b->n && n <= b->n - off);
    if (n == 0)
        return true;
    struct outq_seg *s = pool_get(pool, sizeof(*s));
    if (s == NULL)
        return false;
    s->blob = blob_ref(b);
    s->p = b->p + off;
    s->n = (uint32_t)n;
    s->room = 0;
    link_last(q, s);
    q->bytes += n;
    return true;
}

unsigned outq_peek(const struct outq *q, struct bytes *v, unsigned max)
{
    unsigned count = 0;
    for (const struct outq_seg *s = q->first; s != NULL && count < max; s = s->next) {
        if (s->n > 0)
            v[count++] = (struct bytes){s->p, s->n};
    }
    return count;
}

void outq_consume(struct outq *q, struct pool *pool, size_t n)
{
    assert(n <= q->bytes);
    q->bytes -= n;
    if (q->bytes == 0) {
        outq_fini(q, pool);
        return;
    }
    while (n >= q->first->n) {
        struct outq_seg *s = q->first;
        n -= s->n;
        q->first = s->next;
        seg_free(s, pool);
    }
    q->first->p += n;
    q->first->n -= (uint32_t)n;
}
