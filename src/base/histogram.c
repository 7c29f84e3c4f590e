/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Buckets: 0 to 3 hold that value alone; then the two bits behind the highest one choose among the four of its power.
 */
#include "sotto/base/histogram.h"

#define QUARTERS 4u
#define QUARTER_BITS 2u

static unsigned bucket_of(uint64_t value)
{
    if (value < QUARTERS)
        return (unsigned)value;
    unsigned power = 63u - (unsigned)__builtin_clzll(value);
    unsigned i = (power - 1) * QUARTERS + (unsigned)(value >> (power - QUARTER_BITS)) % QUARTERS;
    return i < HISTOGRAM_BUCKETS ? i : HISTOGRAM_BUCKETS - 1;
}

/* The largest value in it. */
static uint64_t end_of(unsigned bucket)
{
    if (bucket < QUARTERS)
        return bucket;
    unsigned power = bucket / QUARTERS + 1;
    return ((uint64_t)(QUARTERS + bucket % QUARTERS + 1) << (power - QUARTER_BITS)) - 1;
}

void histogram_add(struct histogram *h, uint64_t value, uint64_t weight)
{
    _Atomic uint64_t *w = &h->weight[bucket_of(value)];
    atomic_store_explicit(w, atomic_load_explicit(w, memory_order_relaxed) + weight, memory_order_relaxed);
}

static uint64_t weight_of(const struct histogram *h, const struct histogram *past, unsigned i)
{
    uint64_t w = atomic_load_explicit(&h->weight[i], memory_order_relaxed);
    return past != NULL ? w - atomic_load_explicit(&past->weight[i], memory_order_relaxed) : w;
}

uint64_t histogram_weight(const struct histogram *h, const struct histogram *past)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        sum += weight_of(h, past, i);
    return sum;
}

uint64_t histogram_quantile(const struct histogram *h, const struct histogram *past, unsigned permille)
{
    uint64_t all = histogram_weight(h, past), sum = 0;
    /* all * permille / 1000, rounded up, without overflow. */
    uint64_t wanted = all / 1000 * permille + (all % 1000 * permille + 999) / 1000;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS && all > 0; i++) {
        sum += weight_of(h, past, i);
        if (sum > 0 && sum >= wanted)
            return end_of(i);
    }
    return 0;
}

void histogram_copy(struct histogram *to, const struct histogram *from)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        atomic_store_explicit(&to->weight[i], atomic_load_explicit(&from->weight[i], memory_order_relaxed),
                              memory_order_relaxed);
}
