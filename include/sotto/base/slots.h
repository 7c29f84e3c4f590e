/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Slots with generations: a small number stands for an object that may be gone.
 * A handle is 64 bits: owner 16 (a loop, one day another broker), slot 24,
 * generation 24. A stale handle finds nothing, because freeing a slot raises its
 * generation. One thread owns a table; other threads only carry the numbers.
 */
#pragma once

#include "sotto/base/bytes.h"

typedef uint64_t handle;
#define HANDLE_NONE 0

static inline unsigned handle_owner(handle h)
{
    return (unsigned)(h >> 48);
}

struct slot {
    void *object;
    uint32_t generation; /* 1..2^24-1 */
    uint32_t next_free;
};

struct slots {
    struct slot *v;
    uint32_t n, cap, free;
    unsigned owner;
};

void slots_init(struct slots *s, unsigned owner);
void slots_fini(struct slots *s);
/* HANDLE_NONE when all 2^24 slots are taken or there is no memory. */
handle slots_add(struct slots *s, void *object);
void slots_remove(struct slots *s, handle h);
static inline void *slots_get(const struct slots *s, handle h)
{
    uint32_t i = (uint32_t)(h >> 24) & 0xffffff;
    return i < s->n && s->v[i].generation == (h & 0xffffff) ? s->v[i].object : NULL;
}
