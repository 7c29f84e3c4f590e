/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rig/rig_walk.h"

#include <stdio.h>
#include <stdlib.h>

void rig_walk(const struct rig_walk *w)
{
    const char *from = getenv("SOTTO_RIG_SEED"), *count = getenv("SOTTO_RIG_SEEDS");
    uint64_t first = from != NULL ? strtoull(from, NULL, 0) : 1;
    uint64_t end = first + (count != NULL ? strtoull(count, NULL, 0) : 1);
    for (uint64_t seed = first; seed < end; seed++) {
        if (count != NULL)
            fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
        w->once(w->model, w->r, seed);
    }
}

unsigned rig_roll(uint64_t *seed, unsigned n)
{
    return (unsigned)(rig_random(seed) >> 20) % n;
}

const char *rig_walker(unsigned i)
{
    static const char *const ids[RIG_WALKERS] = {"ann", "bob", "cid", "dan", "eve", "fay"};
    assert_true(i < RIG_WALKERS);
    return ids[i];
}

void rig_end_session(struct rig *r, struct peer *p, const char *id)
{
    rig_drop(p);
    struct peer *last = rig_start(r, &(struct rig_connect){.id = id, .clean = true});
    rig_commit(r, SIZE_MAX);
    rig_drop(last);
}

void rig_wide(struct limits *l)
{
    l->max_queued_messages = 1000000;
    l->max_queued_bytes = 1u << 30;
}
