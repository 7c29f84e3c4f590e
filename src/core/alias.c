/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Topic aliases of one connection, in both directions.
 *
 * Those of the client are a table that it fills; each entry is a copy of a topic, and all together have a bound.
 *
 * Ours are chosen for the topics that are used most: a topic may stand in any of four neighboring places. One that is
 * used gains, one that is in a newcomer's way loses, and who has nothing left to lose makes room.
 */
#include "core_private.h"

#include <assert.h>

#define WAYS 4u
#define USES_MAX 8u
/* Below this, an alias costs as much as the topic that it stands for. */
#define WORTH 4u

struct alias {
    uint8_t *topic;
    uint16_t n;
    uint8_t uses;
};

struct alias_in {
    size_t bytes;
    struct alias v[ALIAS_IN_MAX];
};

struct alias_out {
    uint16_t n;
    struct alias v[];
};

static struct bytes topic_of(const struct alias *a)
{
    return bytes_of(a->topic, a->n);
}

static bool set(struct alias *a, struct bytes topic)
{
    uint8_t *copy = mem_try_alloc(topic.n);
    if (copy == NULL)
        return false;
    memcpy(copy, topic.p, topic.n);
    mem_free(a->topic);
    a->topic = copy;
    a->n = (uint16_t)topic.n;
    return true;
}

enum reason alias_in_set(struct alias_in **table, uint16_t alias, struct bytes topic)
{
    if (alias == 0 || alias > ALIAS_IN_MAX)
        return REASON_TOPIC_ALIAS_INVALID;
    if (*table == NULL)
        *table = mem_try_alloc(sizeof(**table));
    if (*table == NULL)
        return REASON_SERVER_UNAVAILABLE;
    struct alias *a = &(*table)->v[alias - 1];
    if (a->topic != NULL && bytes_equal(topic_of(a), topic))
        return REASON_SUCCESS;
    size_t bytes = (*table)->bytes - a->n + topic.n;
    if (bytes > ALIAS_IN_BYTES)
        return REASON_QUOTA_EXCEEDED;
    if (!set(a, topic))
        return REASON_SERVER_UNAVAILABLE;
    (*table)->bytes = bytes;
    return REASON_SUCCESS;
}

struct bytes alias_in_get(const struct alias_in *table, uint16_t alias)
{
    if (table == NULL || alias == 0 || alias > ALIAS_IN_MAX || table->v[alias - 1].topic == NULL)
        return (struct bytes){NULL, 0};
    return topic_of(&table->v[alias - 1]);
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

uint16_t alias_out_choose(struct alias_out *t, const struct hash_key *key, struct bytes topic, bool *known)
{
    *known = false;
    if (t->n == 0 || topic.n < WORTH || topic.n > ALIAS_OUT_TOPIC)
        return 0;
    uint64_t start = hash_bytes(key, topic);
    struct alias *least = NULL;
    for (unsigned i = 0; i < WAYS && i < t->n; i++) {
        struct alias *a = &t->v[(start + i) % t->n];
        if (a->topic != NULL && bytes_equal(topic_of(a), topic)) {
            a->uses = a->uses < USES_MAX ? (uint8_t)(a->uses + 1) : a->uses;
            *known = true;
            return (uint16_t)(a - t->v + 1);
        }
        if (least == NULL || a->uses < least->uses)
            least = a;
    }
    if (least->uses > 0) {
        least->uses--;
        return 0;
    }
    return (uint16_t)(least - t->v + 1);
}

bool alias_out_set(struct alias_out *t, uint16_t alias, struct bytes topic)
{
    assert(alias > 0 && alias <= t->n);
    struct alias *a = &t->v[alias - 1];
    if (!set(a, topic))
        return false;
    a->uses = 1;
    return true;
}

void alias_out_free(struct alias_out *t)
{
    for (unsigned i = 0; t != NULL && i < t->n; i++)
        mem_free(t->v[i].topic);
    mem_free(t);
}
