/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The subscribers of one filter, sorted by handle. Private to the subscription index (index.h), whose lock guards it.
 *
 *   0 or 1:   the one stands in the struct itself
 *   more:     dir -> [ chunk | chunk | chunk ]     each up to SUBS_CHUNK entries, none empty, all in order
 *
 * Most filters have one subscriber and pay no allocation for it. A filter with 100,000 is never moved as a
 * whole: adding or removing touches one chunk of 4 KiB and, when that is full or empty, a directory of 16 bytes a
 * chunk.
 */
#pragma once

#include "sotto/core/index.h"

#define SUBS_CHUNK 256

struct subs_chunk {
    struct match *v;
    uint32_t n, cap;
};

struct subs {
    uint32_t n;      /* subscribers */
    uint32_t chunks; /* 0: n <= 1 */
    union {
        struct match one;
        struct subs_chunk *dir; /* has room for the next power of two of chunks */
    } u;
};

/* Zeroed memory is an empty one as well. */
static inline void subs_init(struct subs *s)
{
    *s = (struct subs){0};
}

void subs_fini(struct subs *s);
/* Adds m.h, or replaces its options. Without memory nothing is changed. */
enum index_result subs_put(struct subs *s, struct match m);
/* False if h isn't there. */
bool subs_remove(struct subs *s, handle h);
bool subs_has(const struct subs *s, handle h);
/* Copies all, in order, behind what m holds. False without memory. */
bool subs_copy(const struct subs *s, struct matches *m);
