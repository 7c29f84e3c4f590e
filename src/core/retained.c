/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "retained_private.h"

#include <assert.h>

#include "sotto/base/list.h"
#include "sotto/base/mem.h"
#include "sotto/codec/topic.h"

#include "edge.h"

struct retained *retained_new(const struct hash_key *key, uint64_t max_messages, uint64_t max_bytes)
{
    struct retained *r = mem_alloc(sizeof(*r));
    rwlock_init(&r->lock);
    r->key = *key;
    hmap_init(&r->edges);
    heap_init(&r->expiries);
    r->root = mem_alloc(sizeof(*r->root));
    r->max_messages = max_messages;
    r->max_bytes = max_bytes;
    return r;
}

static void entry_free(struct retained_entry *e)
{
    if (e == NULL)
        return;
    blob_unref(e->payload);
    blob_unref(e->props);
    mem_free(e);
}

void retained_free(struct retained *r)
{
    if (r == NULL)
        return;
    heap_fini(&r->expiries);
    size_t pos = 0;
    struct retained_node *n;
    while ((n = hmap_next(&r->edges, &pos)) != NULL) {
        entry_free(n->entry);
        mem_free(n);
    }
    hmap_fini(&r->edges);
    mem_free(r->root);
    rwlock_fini(&r->lock);
    mem_free(r);
}

void retained_read_lock(struct retained *r)
{
    rwlock_read(&r->lock);
}

void retained_write_lock(struct retained *r)
{
    rwlock_write(&r->lock);
}

void retained_unlock(struct retained *r)
{
    rwlock_unlock(&r->lock);
}

uint64_t retained_number(const struct retained *r)
{
    return r->number;
}

static bool edge_equal(const void *entry, struct bytes key)
{
    const struct retained_node *n = entry;
    const struct edge_key *k = edge_key_of(key);
    return n->parent == k->parent && bytes_equal(retained_level(n), k->level);
}

static uint64_t level_hash(const struct retained *r, const struct retained_node *parent, struct bytes level)
{
    return edge_hash(parent, hash_bytes(&r->key, level));
}

struct retained_node *retained_child(const struct retained *r, const struct retained_node *parent, struct bytes level)
{
    if (parent->children == NULL)
        return NULL;
    struct edge_key k = {parent, level};
    return hmap_get(&r->edges, level_hash(r, parent, level), edge_key_bytes(&k), edge_equal);
}

static struct retained_node *find(const struct retained *r, struct bytes topic)
{
    struct retained_node *n = r->root;
    struct bytes rest = topic, level;
    bool more = true;
    while (n != NULL && level_next(&rest, &more, &level))
        n = retained_child(r, n, level);
    return n;
}

static struct retained_node *child_make(struct retained *r, struct retained_node *parent, struct bytes level)
{
    struct retained_node *n = retained_child(r, parent, level);
    if (n != NULL)
        return n;
    n = mem_try_alloc(sizeof(*n) + level.n);
    if (n == NULL)
        return NULL;
    if (!hmap_add(&r->edges, level_hash(r, parent, level), n)) {
        mem_free(n);
        return NULL;
    }
    atomic_init(&n->pins, 0);
    n->level_n = (uint32_t)level.n;
    if (level.n > 0)
        memcpy(n->level, level.p, level.n);
    n->parent = parent;
    n->next = parent->children;
    if (n->next != NULL)
        n->next->prev = n;
    parent->children = n;
    return n;
}

void retained_prune(struct retained *r, struct retained_node *n)
{
    while (retained_node_dead(n) && atomic_load_explicit(&n->pins, memory_order_relaxed) == 0) {
        struct retained_node *parent = n->parent;
        bool there = hmap_remove(&r->edges, level_hash(r, parent, retained_level(n)), n);
        assert(there);
        (void)there;
        if (n->prev != NULL)
            n->prev->next = n->next;
        else
            parent->children = n->next;
        if (n->next != NULL)
            n->next->prev = n->prev;
        mem_free(n);
        n = parent;
    }
}

/* The node of a topic, made where it isn't there. NULL without memory, and nothing is changed. */
static struct retained_node *make(struct retained *r, struct bytes topic)
{
    struct retained_node *n = r->root;
    struct bytes rest = topic, level;
    bool more = true;
    while (level_next(&rest, &more, &level)) {
        struct retained_node *child = child_make(r, n, level);
        if (child == NULL) {
            retained_prune(r, n);
            return NULL;
        }
        n = child;
    }
    return n;
}

static uint64_t size(size_t topic_n, const struct blob *payload, const struct blob *props)
{
    return (uint64_t)topic_n + (payload != NULL ? payload->n : 0) + (props != NULL ? props->n : 0);
}

static uint64_t entry_size(const struct retained_entry *e)
{
    return size(e->topic_n, e->payload, e->props);
}

static struct retained_entry *entry_new(const struct retained_message *m)
{
    struct retained_entry *e = mem_try_alloc(sizeof(*e) + m->topic.n);
    if (e == NULL)
        return NULL;
    e->topic_n = (uint32_t)m->topic.n;
    memcpy(e->topic, m->topic.p, m->topic.n);
    e->payload = m->payload != NULL ? blob_ref(m->payload) : NULL;
    e->props = m->props != NULL ? blob_ref(m->props) : NULL;
    e->qos = m->qos;
    e->expiry.due = m->expires;
    return e;
}

/* Takes the message out of a node that has one; the node is left to the caller. */
static void take_out(struct retained *r, struct retained_node *n)
{
    struct retained_entry *e = n->entry;
    n->entry = NULL;
    r->messages--;
    r->bytes -= entry_size(e);
    heap_cancel(&r->expiries, &e->expiry);
    entry_free(e);
}

/* Would it grow over a limit? What is over already (limits were lowered) may still be replaced by something smaller. */
static bool too_much(const struct retained *r, const struct retained_entry *old, uint64_t bytes)
{
    uint64_t was = old != NULL ? entry_size(old) : 0;
    if (old == NULL && r->messages >= r->max_messages)
        return true;
    return bytes > was && r->bytes - was + bytes > r->max_bytes;
}

enum retained_result retained_put(struct retained *r, const struct retained_message *m)
{
    struct retained_node *n = find(r, m->topic);
    uint64_t bytes = size(m->topic.n, m->payload, m->props);
    if (too_much(r, n != NULL ? n->entry : NULL, bytes))
        return RETAINED_FULL;
    struct retained_entry *e = entry_new(m);
    if (e == NULL)
        return RETAINED_NO_MEMORY;
    if (n == NULL)
        n = make(r, m->topic);
    if (n == NULL) {
        entry_free(e);
        return RETAINED_NO_MEMORY;
    }
    if (n->entry != NULL)
        take_out(r, n);
    n->entry = e;
    e->number = ++r->number;
    r->messages++;
    r->bytes += bytes;
    if (m->expires != MSEC_NEVER)
        heap_set(&r->expiries, &e->expiry, m->expires);
    return RETAINED_STORED;
}

bool retained_delete(struct retained *r, struct bytes topic)
{
    struct retained_node *n = find(r, topic);
    if (n == NULL || n->entry == NULL)
        return false;
    take_out(r, n);
    retained_prune(r, n);
    return true;
}

void retained_totals(struct retained *r, uint64_t *messages, uint64_t *bytes)
{
    *messages = r->messages;
    *bytes = r->bytes;
}

msec retained_next_expiry(const struct retained *r)
{
    return heap_next(&r->expiries);
}

unsigned retained_expire(struct retained *r, msec now, unsigned max)
{
    unsigned gone = 0;
    struct timer *t;
    while (gone < max && (t = heap_pop(&r->expiries, now)) != NULL) {
        const struct retained_entry *e = container_of(t, struct retained_entry, expiry);
        bool there = retained_delete(r, bytes_of(e->topic, e->topic_n));
        assert(there);
        (void)there;
        gone++;
    }
    return gone;
}
