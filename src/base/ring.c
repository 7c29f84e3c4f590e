/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sotto/base/ring.h"

#include "sotto/base/mem.h"

#define FEW 4
/* An empty array up to this size is kept for the next burst, until ring_trim. */
#define KEEP_BYTES 2048

void ring_init(struct ring *r, uint32_t element_size)
{
    assert(element_size > 0);
    *r = (struct ring){.size = element_size};
}

void ring_fini(struct ring *r)
{
    mem_free(r->v);
    ring_init(r, r->size);
}

bool ring_grow(struct ring *r)
{
    if (r->cap > UINT32_MAX / 4)
        return false;
    uint32_t cap = r->cap > 0 ? 2 * r->cap : FEW;
    uint8_t *v = mem_try_realloc(NULL, (size_t)cap * r->size);
    if (v == NULL)
        return false;
    uint32_t front = r->cap - r->head < r->n ? r->cap - r->head : r->n;
    if (front > 0)
        memcpy(v, r->v + (size_t)r->head * r->size, (size_t)front * r->size);
    if (r->n > front)
        memcpy(v + (size_t)front * r->size, r->v, (size_t)(r->n - front) * r->size);
    mem_free(r->v);
    r->v = v;
    r->cap = cap;
    r->head = 0;
    return true;
}

void *ring_push_back(struct ring *r)
{
    void *e = ring_push_back_raw(r);
    return e != NULL ? memset(e, 0, r->size) : NULL;
}

void *ring_push_front(struct ring *r)
{
    if (r->n == r->cap && !ring_grow(r))
        return NULL;
    r->n++;
    r->head = (r->head - 1) & (r->cap - 1);
    return memset(ring_at(r, 0), 0, r->size);
}

void ring_emptied(struct ring *r)
{
    r->head = 0;
    if ((size_t)r->cap * r->size > KEEP_BYTES)
        ring_fini(r);
}

void ring_trim(struct ring *r)
{
    if (r->n == 0)
        ring_fini(r);
}

void ring_pop_back(struct ring *r)
{
    assert(r->n > 0);
    if (--r->n == 0)
        ring_emptied(r);
}

void ring_remove_inner(struct ring *r, uint32_t i)
{
    assert(i < r->n);
    if (i < r->n / 2) {
        for (; i > 0; i--)
            memcpy(ring_at(r, i), ring_at(r, i - 1), r->size);
        ring_pop_front(r);
    } else {
        for (; i + 1 < r->n; i++)
            memcpy(ring_at(r, i), ring_at(r, i + 1), r->size);
        ring_pop_back(r);
    }
}
