/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sotto/base/hmap.h"

#include <assert.h>

#include "sotto/base/mem.h"

#define CAP_MIN 8

void hmap_init(struct hmap *m)
{
    *m = (struct hmap){0};
}

void hmap_fini(struct hmap *m)
{
    mem_free(m->slots);
    hmap_init(m);
}

/* The first free slot on the way of this hash; there always is one. */
static void put(struct hmap *m, uint64_t hash, void *entry)
{
    size_t i = hmap_home(m, hash);
    while (m->slots[i].entry != NULL)
        i = (i + 1) & (m->cap - 1);
    m->slots[i] = (struct hmap_slot){hash, entry};
}

static bool resize(struct hmap *m, size_t cap)
{
    struct hmap_slot *slots = mem_try_alloc(cap * sizeof(*slots));
    if (slots == NULL)
        return false;
    struct hmap old = *m;
    m->slots = slots;
    m->cap = cap;
    for (size_t i = 0; i < old.cap; i++) {
        if (old.slots[i].entry != NULL)
            put(m, old.slots[i].hash, old.slots[i].entry);
    }
    mem_free(old.slots);
    return true;
}

bool hmap_add(struct hmap *m, uint64_t hash, void *entry)
{
    assert(entry != NULL);
    /* At most two thirds full: a hit looks at 2 slots on average, a miss at 5. */
    if (3 * (m->count + 1) > 2 * m->cap && !resize(m, m->cap > 0 ? 2 * m->cap : CAP_MIN))
        return false;
    put(m, hash, entry);
    m->count++;
    return true;
}

/* Closes the gap at i: whatever follows without a break and may stand there moves up. */
static void shift_back(struct hmap *m, size_t i)
{
    size_t mask = m->cap - 1;
    for (size_t j = (i + 1) & mask; m->slots[j].entry != NULL; j = (j + 1) & mask) {
        size_t home = hmap_home(m, m->slots[j].hash);
        if (((j - home) & mask) < ((j - i) & mask))
            continue;
        m->slots[i] = m->slots[j];
        i = j;
    }
    m->slots[i] = (struct hmap_slot){0};
}

bool hmap_remove(struct hmap *m, uint64_t hash, const void *entry)
{
    if (m->count == 0)
        return false;
    size_t i = hmap_home(m, hash);
    while (m->slots[i].entry != entry) {
        if (m->slots[i].entry == NULL)
            return false;
        i = (i + 1) & (m->cap - 1);
    }
    shift_back(m, i);
    m->count--;
    if (m->cap > 2 * CAP_MIN && m->count < m->cap / 8)
        (void)resize(m, m->cap / 4); /* without memory it stays as large as it is */
    return true;
}

void *hmap_next(const struct hmap *m, size_t *pos)
{
    while (*pos < m->cap) {
        void *entry = m->slots[(*pos)++].entry;
        if (entry != NULL)
            return entry;
    }
    return NULL;
}
