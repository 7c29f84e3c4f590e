/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A double-ended queue of fixed-size elements in a circular array that grows by doubling. An array of more than 2 KiB
 * goes with its last element; a smaller one stays for the next burst, until ring_trim.
 */
#pragma once

#include <assert.h>

#include "sotto/base/bytes.h"

struct ring {
    uint8_t *v;
    uint32_t head, n, cap; /* in elements; cap a power of two or 0 */
    uint32_t size;         /* of an element, bytes */
};

void ring_init(struct ring *r, uint32_t element_size);
void ring_fini(struct ring *r);
/* Gives the memory of an empty ring back. */
void ring_trim(struct ring *r);
/* A new, zeroed last element, or NULL without memory. Pointers to elements are valid until the next push. */
void *ring_push_back(struct ring *r);
void *ring_push_front(struct ring *r);
void ring_pop_back(struct ring *r);

/* The slow halves of the inline functions; not for others. */
bool ring_grow(struct ring *r);
void ring_emptied(struct ring *r);
void ring_remove_inner(struct ring *r, uint32_t i);

/* Element i from the front, i < n. */
static inline void *ring_at(const struct ring *r, uint32_t i)
{
    return r->v + (size_t)((r->head + i) & (r->cap - 1)) * r->size;
}

/* ring_push_back without the zeroes, for who fills all of the element. */
static inline void *ring_push_back_raw(struct ring *r)
{
    if (r->n == r->cap && !ring_grow(r))
        return NULL;
    return ring_at(r, r->n++);
}

static inline void ring_pop_front(struct ring *r)
{
    assert(r->n > 0);
    r->head = (r->head + 1) & (r->cap - 1);
    if (--r->n == 0)
        ring_emptied(r);
}

/* Takes out element i, keeping the order of the others; O(min(i, n - i)). */
static inline void ring_remove(struct ring *r, uint32_t i)
{
    if (i == 0)
        ring_pop_front(r);
    else
        ring_remove_inner(r, i);
}
