/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Hash map: pointers in an open-addressing table (linear probing, backward
 * shift on removal), each with its full 64-bit hash beside it. The map doesn't
 * own what it points to and doesn't know keys: the caller gives a hash (see
 * hash.h) and a function that says whether an entry is the wanted one.
 */
#pragma once

#include "sotto/base/bytes.h"

struct hmap_slot {
    uint64_t hash;
    void *entry; /* NULL: free */
};

struct hmap {
    struct hmap_slot *slots;
    size_t cap; /* power of two, or 0 */
    size_t count;
};

typedef bool (*hmap_equal)(const void *entry, struct bytes key);

void hmap_init(struct hmap *m);
/* Frees the table, not the entries. */
void hmap_fini(struct hmap *m);

/* Where the search for a hash starts; the multiplication spreads hashes that share their low bits or are just numbers.
 */
static inline size_t hmap_home(const struct hmap *m, uint64_t hash)
{
    return (size_t)(hash * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (m->cap - 1);
}

/* The entry with this hash that equal accepts, or NULL. Inline, so that a static equal can be compiled into it. */
static inline void *hmap_get(const struct hmap *m, uint64_t hash, struct bytes key, hmap_equal equal)
{
    if (m->count == 0)
        return NULL;
    size_t i = hmap_home(m, hash);
    for (const struct hmap_slot *s; (s = &m->slots[i])->entry != NULL; i = (i + 1) & (m->cap - 1)) {
        if (s->hash == hash && equal(s->entry, key))
            return s->entry;
    }
    return NULL;
}

/* Adds an entry that is not in the map yet. False when there is no memory. entry != NULL. */
bool hmap_add(struct hmap *m, uint64_t hash, void *entry);
/* Takes this very entry out; false if it isn't there. */
bool hmap_remove(struct hmap *m, uint64_t hash, const void *entry);
/* Walks all entries: *pos starts at 0; NULL at the end. The map must not change meanwhile. */
void *hmap_next(const struct hmap *m, size_t *pos);
