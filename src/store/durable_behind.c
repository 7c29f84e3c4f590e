/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Retained messages on their way to the disk: the last value of each topic, in one map for all shards.
 *
 * The core puts them while it holds the retained messages' write lock, so the order of puts is the order in which
 * values replaced each other, whichever shard's turn ends first. A value that somebody waits for (QoS 1 and 2) is due
 * in the next batch; what replaces it before is written in its place. The others are lazy: they promise nothing, and
 * sensors that say something every second cost one row each in retained_flush.
 */
#include "durable_private.h"

#include "sotto/base/mem.h"

void durable_behind_init(struct durable_behind *b)
{
    *b = (struct durable_behind){.since = MSEC_NEVER};
    hash_key_draw(&b->key);
    hmap_init(&b->map);
    list_init(&b->due);
    list_init(&b->lazy);
}

void durable_values_free(struct list *values)
{
    struct list *l;
    while ((l = list_pop_front(values)) != NULL)
        mem_free(container_of(l, struct durable_value, link));
}

void durable_behind_fini(struct durable_behind *b)
{
    durable_values_free(&b->due);
    durable_values_free(&b->lazy);
    hmap_fini(&b->map);
}

static size_t value_bytes(const struct durable_value *v)
{
    return sizeof(*v) + v->topic_n + v->props_n + v->payload_n;
}

static bool same_topic(const void *entry, struct bytes topic)
{
    const struct durable_value *v = entry;
    return bytes_equal(bytes_of(v->data, v->topic_n), topic);
}

struct durable_value *durable_value_new(const struct store_record *r, int64_t expires)
{
    size_t n = r->topic.n + r->props.n + r->payload.n;
    struct durable_value *v = n <= UINT32_MAX ? mem_try_alloc(sizeof(*v) + n) : NULL;
    if (v == NULL)
        return NULL;
    v->expires = expires;
    v->topic_n = (uint32_t)r->topic.n;
    v->props_n = (uint32_t)r->props.n;
    v->payload_n = (uint32_t)r->payload.n;
    v->qos = r->qos;
    v->due = r->qos > 0;
    list_init(&v->link);
    struct wr w = wr_of(v->data, n);
    wr_bytes(&w, r->topic.p, r->topic.n);
    wr_bytes(&w, r->props.p, r->props.n);
    wr_bytes(&w, r->payload.p, r->payload.n);
    return v;
}

struct durable_value *durable_behind_set(struct durable_behind *b, struct durable_value *v, msec now, bool *ok)
{
    struct bytes topic = bytes_of(v->data, v->topic_n);
    v->hash = hash_bytes(&b->key, topic);
    struct durable_value *old = hmap_get(&b->map, v->hash, topic, same_topic);
    if (old != NULL) {
        hmap_remove(&b->map, old->hash, old);
        list_remove(&old->link);
        b->bytes -= value_bytes(old);
        v->due |= old->due; /* whoever waits for the old one waits for this one */
    }
    *ok = hmap_add(&b->map, v->hash, v);
    if (!*ok)
        return old;
    b->bytes += value_bytes(v);
    if (!v->due && list_empty(&b->lazy))
        b->since = now;
    list_push_back(v->due ? &b->due : &b->lazy, &v->link);
    return old;
}

static void take(struct durable_behind *b, struct list *from, struct list *out)
{
    for (struct list *l = from->next; l != from; l = l->next) {
        struct durable_value *v = container_of(l, struct durable_value, link);
        hmap_remove(&b->map, v->hash, v);
        b->bytes -= value_bytes(v);
    }
    list_splice(out, from);
}

void durable_behind_take(struct durable_behind *b, bool all, struct list *out)
{
    take(b, &b->due, out);
    if (!all)
        return;
    take(b, &b->lazy, out);
    b->since = MSEC_NEVER;
}

void durable_behind_return(struct durable_behind *b, struct list *values)
{
    struct list *l;
    while ((l = list_pop_front(values)) != NULL) {
        struct durable_value *v = container_of(l, struct durable_value, link);
        bool replaced = hmap_get(&b->map, v->hash, bytes_of(v->data, v->topic_n), same_topic) != NULL;
        if (replaced || !hmap_add(&b->map, v->hash, v)) {
            mem_free(v);
            continue;
        }
        v->due = true;
        b->bytes += value_bytes(v);
        list_push_back(&b->due, &v->link);
    }
}
