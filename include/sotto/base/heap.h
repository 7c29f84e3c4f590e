/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Timers: an intrusive 4-ary min-heap of deadlines. A timer is embedded in what
 * it belongs to; setting, moving and cancelling cost O(log n), the next
 * deadline O(1). Keep-alive uses it lazily: a packet stores a time stamp only, and
 * the timer looks at the stamp when it fires.
 */
#pragma once

#include "sotto/base/bytes.h"

struct timer {
    msec due;
    uint32_t pos; /* index + 1 in the heap; 0: not set */
    uint32_t tag; /* the owner's: what kind of timer it is */
};

struct heap {
    struct timer **v;
    uint32_t n, cap;
};

void heap_init(struct heap *h);
void heap_fini(struct heap *h);
/* Sets or moves t. Aborts without memory (8 bytes a timer). */
void heap_set(struct heap *h, struct timer *t, msec due);
/* Also fine when t is not set. */
void heap_cancel(struct heap *h, struct timer *t);
static inline bool timer_is_set(const struct timer *t)
{
    return t->pos != 0;
}
/* The earliest deadline, MSEC_NEVER when there is none. */
msec heap_next(const struct heap *h);
/* Takes out and returns the earliest timer that is due at now, or NULL. */
struct timer *heap_pop(struct heap *h, msec now);
