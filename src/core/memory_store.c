/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The store that keeps nothing beyond memory: sessions live in the core anyway. It numbers what it is given and says at
 * the end of the turn that all of it is committed, so that the paths which wait for a commit are the same as with a
 * real one.
 */
#include "sotto/core/store.h"

static uint64_t put(void *ctx, unsigned shard, const struct store_record *r)
{
    struct memory_store *m = ctx;
    (void)shard;
    (void)r;
    return ++m->last;
}

static void turn_end(void *ctx, struct shard *s)
{
    struct memory_store *m = ctx;
    if (m->told == m->last)
        return;
    m->told = m->last;
    shard_committed(s, m->last, false);
}

const struct store_ops memory_store_ops = {.put = put, .turn_end = turn_end};
