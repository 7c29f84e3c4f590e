/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Topic aliases of one connection, in both directions.
 *
 * Those of the client are a table that it fills; each entry is a copy of a topic, and all together have a bound.
 *
 * Ours are chosen for the topics that are used most: a topic may stand in any of four neighboring places. One that is
 * used gains, one that is in a newcomer's way loses, and who has nothing left to lose makes room.
 *
 * Each keeps its topic's hash: so a message that came by an alias is not hashed again, and one that goes out by an
 * alias finds it without looking at other topics. When a client is sent what it was sent last, the number that the
 * cache of matches has for the topic says so at once.
 */
#include "core_private.h"

#include <assert.h>

#define WAYS 4u
#define USES_MAX 8u
/* Below this, an alias costs as much as the topic that it stands for. */
#define WORTH 4u

struct alias {
    uint8_t *topic;
    uint64_t hash;
    uint16_t n;
    uint8_t uses;
};

struct alias_in {
    size_t bytes;
    struct alias v[ALIAS_IN_MAX];
};

struct alias_out {
    uint64_t number; /* of the topic of v[last], in the shard's cache; 0: unknown */
    uint16_t n, last;
    struct alias v[];
};

static struct bytes topic_of(const struct alias *a)
{
    return bytes_of(a->topic, a->n);
}

static bool is(const struct alias *a, struct bytes topic, uint64_t hash)
{
    return a->hash == hash && a->topic != NULL && bytes_equal(topic_of(a), topic);
}

static bool set(struct alias *a, struct bytes topic, uint64_t hash)
{
    uint8_t *copy = mem_try_alloc(topic.n);
    if (copy == NULL)
        return false;
    memcpy(copy, topic.p, topic.n);
    mem_free(a->topic);
    a->topic = copy;
    a->n = (uint16_t)topic.n;
    a->hash = hash;
    return true;
}

enum reason alias_in_set(struct alias_in **table, uint16_t alias, struct bytes topic, uint64_t hash)
{
    if (alias == 0 || alias > ALIAS_IN_MAX)
        return REASON_TOPIC_ALIAS_INVALID;
    if (*table == NULL)
        *table = mem_try_alloc(sizeof(**table));
    if (*table == NULL)
        return REASON_SERVER_UNAVAILABLE;
    struct alias *a = &(*table)->v[alias - 1];
    if (is(a, topic, hash))
        return REASON_SUCCESS;
    size_t bytes = (*table)->bytes - a->n + topic.n;
    if (bytes > ALIAS_IN_BYTES)
        return REASON_QUOTA_EXCEEDED;
    if (!set(a, topic, hash))
        return REASON_SERVER_UNAVAILABLE;
    (*table)->bytes = bytes;
    return REASON_SUCCESS;
}

bool alias_in_get(const struct alias_in *table, uint16_t alias, struct bytes *topic, uint64_t *hash)
{
    if (table == NULL || alias == 0 || alias > ALIAS_IN_MAX || table->v[alias - 1].topic == NULL)
        return false;
    const struct alias *a = &table->v[alias - 1];
    *topic = topic_of(a);
    *hash = a->hash;
    return true;
}

void alias_in_free(struct alias_in *table)
{
    for (unsigned i = 0; table != NULL && i < ALIAS_IN_MAX; i++)
        mem_free(table->v[i].topic);
    mem_free(table);
}

struct alias_out *alias_out_new(uint16_t client_maximum)
{
    uint16_t n = client_maximum < ALIAS_OUT_MAX ? client_maximum : ALIAS_OUT_MAX;
    struct alias_out *t = mem_try_alloc(sizeof(*t) + n * sizeof(*t->v));
    if (t != NULL)
        t->n = n;
    return t;
}

/* A topic that none of these places has: the place that is free for it, or 0. */
static RARE uint16_t admit(struct alias_out *t, struct alias *places, unsigned n)
{
    struct alias *least = places;
    for (unsigned i = 1; i < n; i++)
        if (places[i].uses < least->uses)
            least = &places[i];
    if (least->uses == 0)
        return (uint16_t)(least - t->v + 1);
    least->uses--;
    return 0;
}

static inline struct alias_choice use(struct alias_out *t, unsigned i)
{
    struct alias *a = &t->v[i];
    a->uses = a->uses < USES_MAX ? (uint8_t)(a->uses + 1) : a->uses;
    return (struct alias_choice){(uint16_t)(i + 1), true};
}

static RARE struct alias_choice look_up(struct alias_out *t, struct bytes topic, uint64_t hash, uint64_t number)
{
    unsigned n = t->n < WAYS ? t->n : WAYS;
    unsigned first = (unsigned)((hash >> 32) * (t->n - n + 1) >> 32);
    for (unsigned i = first; i < first + n; i++) {
        if (!is(&t->v[i], topic, hash))
            continue;
        t->number = number;
        t->last = (uint16_t)i;
        return use(t, i);
    }
    if (n == 0 || topic.n < WORTH || topic.n > ALIAS_OUT_TOPIC)
        return (struct alias_choice){0};
    return (struct alias_choice){admit(t, &t->v[first], n), false};
}

struct alias_choice alias_out_choose(struct alias_out *t, struct bytes topic, uint64_t hash, uint64_t number)
{
    return number != 0 && t->number == number ? use(t, t->last) : look_up(t, topic, hash, number);
}

bool alias_out_set(struct alias_out *t, uint16_t alias, struct bytes topic, uint64_t hash)
{
    assert(alias > 0 && alias <= t->n);
    struct alias *a = &t->v[alias - 1];
    if (!set(a, topic, hash))
        return false;
    a->uses = 1;
    t->number = 0; /* it may have been that topic which made room */
    return true;
}

void alias_out_free(struct alias_out *t)
{
    for (unsigned i = 0; t != NULL && i < t->n; i++)
        mem_free(t->v[i].topic);
    mem_free(t);
}
