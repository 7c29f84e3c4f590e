/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A double-ended queue of fixed-size elements in a circular array that grows by doubling. An array of more than 2 KiB
 * goes with its last element; a smaller one stays for the next burst, until ring_trim.
 */
#pragma once

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
void ring_pop_front(struct ring *r);
void ring_pop_back(struct ring *r);
/* Takes out element i, keeping the order of the others; O(min(i, n - i)). */
void ring_remove(struct ring *r, uint32_t i);
/* Element i from the front, i < n. */
static inline void *ring_at(const struct ring *r, uint32_t i)
{
    return r->v + (size_t)((r->head + i) & (r->cap - 1)) * r->size;
}
