/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * topic -> matches, for one loop. Pairs of entries (two-way associative) hold copies; an entry is
 * good while the index's generation is what it was made at, so a hit is one hash, one
 * compare and no lock.
 *
 * A topic is copied into the table when it is missed twice in close succession: until then only 32 bits of its hash
 * are noted, and it gets the answer in a scratch list. So a flood of topics that come once each costs little more
 * than the index itself and pushes nobody out.
 *
 * All entries together hold at most CACHE_BYTES; beyond that a hand goes round and drops what
 * wasn't used since its last round.
 */
#include "sotto/core/index.h"

#include "sotto/base/mem.h"
#include "sotto/base/rare.h"
#include "index_matches.h"

#define CACHE_SETS 2048
#define CACHE_WAYS 2
#define CACHE_ENTRIES (CACHE_SETS * CACHE_WAYS)
#define CACHE_BYTES ((size_t)4 << 20)
#define ENTRY_BYTES (CACHE_BYTES / 8) /* larger answers are made anew each time: giving them out costs far more */
#define SCRATCH_KEEP 4096             /* entries that the scratch list may keep unused */

struct entry {
    uint64_t hash, generation;
    uint8_t *topic; /* NULL: free */
    uint32_t topic_n;
    bool used; /* since the hand came by */
    struct matches m;
};

struct match_cache {
    struct index *x;
    struct hash_key key;
    struct matches scratch;
    size_t bytes;
    uint64_t topics; /* numbers given out */
    uint32_t hand;
    uint32_t seen[CACHE_ENTRIES]; /* by low bits of the hash: the high half of it; 0: nothing */
    struct entry v[CACHE_ENTRIES];
};

struct match_cache *match_cache_new(struct index *x, const struct hash_key *key)
{
    struct match_cache *c = mem_alloc(sizeof(*c));
    c->x = x;
    c->key = *key;
    matches_init(&c->scratch);
    return c;
}

static size_t entry_bytes(const struct entry *e)
{
    return e->topic_n + matches_bytes(&e->m);
}

static void drop(struct match_cache *c, struct entry *e)
{
    c->bytes -= entry_bytes(e);
    mem_free(e->topic);
    matches_fini(&e->m);
    *e = (struct entry){0};
}

void match_cache_free(struct match_cache *c)
{
    if (c == NULL)
        return;
    for (uint32_t i = 0; i < CACHE_ENTRIES; i++)
        drop(c, &c->v[i]);
    matches_fini(&c->scratch);
    mem_free(c);
}

static struct entry *set_of(struct match_cache *c, uint64_t hash)
{
    return &c->v[(hash % CACHE_SETS) * CACHE_WAYS];
}

static struct entry *find(struct match_cache *c, uint64_t hash, struct bytes topic)
{
    struct entry *e = set_of(c, hash);
    for (unsigned i = 0; i < CACHE_WAYS; i++, e++) {
        if (e->hash == hash && e->topic != NULL && bytes_equal(bytes_of(e->topic, e->topic_n), topic))
            return e;
    }
    return NULL;
}

/* True if this topic was missed here before, and nobody else since; else notes it. */
static bool seen_before(struct match_cache *c, uint64_t hash)
{
    uint32_t mark = (uint32_t)(hash >> 32) | 1;
    uint32_t *slot = &c->seen[hash % CACHE_ENTRIES];
    bool before = *slot == mark;
    *slot = before ? 0 : mark;
    return before;
}

/* Makes room for n bytes, n <= ENTRY_BYTES. */
static void make_room(struct match_cache *c, size_t n)
{
    while (c->bytes + n > CACHE_BYTES) {
        struct entry *e = &c->v[c->hand];
        c->hand = (c->hand + 1) % CACHE_ENTRIES;
        if (e->used)
            e->used = false;
        else
            drop(c, e);
    }
}

/* The worse of the two: a free one, an outdated one, the one not used of late. */
static struct entry *victim(struct match_cache *c, uint64_t hash, uint64_t generation)
{
    struct entry *e = set_of(c, hash), *worst = e;
    unsigned worst_rank = 4;
    for (unsigned i = 0; i < CACHE_WAYS; i++, e++) {
        unsigned rank = e->topic == NULL ? 0 : e->generation != generation ? 1 : e->used ? 3 : 2;
        if (rank < worst_rank) {
            worst = e;
            worst_rank = rank;
        }
        e->used = false;
    }
    return worst;
}

/* Keeps a copy of what the scratch list holds. Without memory it is simply not kept. */
static void keep(struct match_cache *c, uint64_t hash, uint64_t generation, struct bytes topic)
{
    struct matches m = {0};
    size_t n = topic.n + matches_bytes(&c->scratch) - (c->scratch.cap - c->scratch.n) * sizeof(*m.v);
    if (n > ENTRY_BYTES)
        return;
    struct entry *e = victim(c, hash, generation);
    drop(c, e);
    make_room(c, n);
    uint8_t *copy = mem_try_alloc(topic.n);
    if (copy == NULL || !matches_copy(&m, &c->scratch)) {
        mem_free(copy);
        return;
    }
    memcpy(copy, topic.p, topic.n);
    m.topic = ++c->topics;
    *e = (struct entry){hash, generation, copy, (uint32_t)topic.n, true, m};
    c->bytes += entry_bytes(e);
}

static bool refill_scratch(struct match_cache *c, struct bytes topic)
{
    const struct matches *m = &c->scratch;
    if ((m->cap > SCRATCH_KEEP && m->n < m->cap / 8) ||
        (m->shared_cap > SCRATCH_KEEP && m->shared_n < m->shared_cap / 8))
        matches_fini(&c->scratch);
    return index_match(c->x, topic, &c->scratch);
}

/* An entry of an older generation: mostly its matches are the same, or as many. */
static const struct matches *refresh(struct match_cache *c, struct entry *e, uint64_t generation, struct bytes topic)
{
    e->used = true;
    if (!refill_scratch(c, topic))
        return NULL;
    bool groups = c->scratch.shared_n > 0 || e->m.shared_n > 0;
    if (groups || c->scratch.n > e->m.cap || c->scratch.n < e->m.cap / 4) {
        uint64_t hash = e->hash;
        drop(c, e);
        keep(c, hash, generation, topic);
        return &c->scratch;
    }
    if (c->scratch.n > 0)
        memcpy(e->m.v, c->scratch.v, c->scratch.n * sizeof(*e->m.v));
    e->m.n = c->scratch.n;
    e->generation = generation;
    return &e->m;
}

/* The answer that no entry holds, or only an outdated one: e. Kept out of the path of a hit. */
static RARE const struct matches *make(struct match_cache *c, struct entry *e, uint64_t hash, uint64_t generation,
                                       struct bytes topic)
{
    if (e != NULL)
        return refresh(c, e, generation, topic);
    if (!refill_scratch(c, topic))
        return NULL;
    if (seen_before(c, hash))
        keep(c, hash, generation, topic);
    return &c->scratch;
}

const struct matches *match_cache_find(struct match_cache *c, struct bytes topic, uint64_t hash)
{
    /* Loaded before the index is asked: a change in between makes the entry outdated, never wrong. */
    uint64_t generation = index_generation(c->x);
    struct entry *e = find(c, hash, topic);
    if (e == NULL || e->generation != generation)
        return make(c, e, hash, generation, topic);
    e->used = true;
    return &e->m;
}

const struct matches *match_cache_get(struct match_cache *c, struct bytes topic)
{
    return match_cache_find(c, topic, hash_bytes(&c->key, topic));
}
