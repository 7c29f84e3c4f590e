/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How large values are, counted in buckets: each power of two is divided into four, so a quantile is told to within a
 * quarter, in 800 bytes and without an allocation.
 *
 * One thread adds; any thread may look (relaxed atomics, so a look in the middle may miss the last values).
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BUCKETS 100 /* up to 2^26 - 1; larger values count as the largest */

struct histogram {
    _Atomic uint64_t weight[HISTOGRAM_BUCKETS];
};

/* Counts a value `weight` times. Only the histogram's own thread. */
void histogram_add(struct histogram *h, uint64_t value, uint64_t weight);
/*
 * The least bound that `permille` of the weight lies at or below, rounded up to the end of its bucket; 0 where nothing
 * was added. past: counts no more what had been added when this copy was made (histogram_copy); NULL: all.
 */
uint64_t histogram_quantile(const struct histogram *h, const struct histogram *past, unsigned permille);
/* The weight of all that was added since. */
uint64_t histogram_weight(const struct histogram *h, const struct histogram *past);
/* A copy for one thread. */
void histogram_copy(struct histogram *to, const struct histogram *from);
