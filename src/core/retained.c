/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "retained_private.h"

#include <assert.h>

#include "sotto/base/list.h"
#include "sotto/base/mem.h"

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

static struct bytes first_level(struct bytes path)
{
    const uint8_t *slash = path.n > 0 ? memchr(path.p, '/', path.n) : NULL;
    return slash != NULL ? bytes_of(path.p, (size_t)(slash - path.p)) : path;
}

/* What follows the first n bytes and their slash. */
static struct bytes behind(struct bytes path, size_t n)
{
    return bytes_of(path.p + n + 1, path.n - n - 1);
}

/* How many bytes two paths have in common in whole levels; their first levels are known to be equal. */
static size_t common(struct bytes a, struct bytes b)
{
    size_t same = 0;
    for (size_t i = 0;; i++) {
        bool a_ends = i == a.n || a.p[i] == '/';
        bool b_ends = i == b.n || b.p[i] == '/';
        if (a_ends && b_ends)
            same = i;
        if (a_ends != b_ends || i == a.n || i == b.n || a.p[i] != b.p[i])
            return same;
    }
}

static bool edge_equal(const void *entry, struct bytes key)
{
    const struct retained_node *n = entry;
    const struct edge_key *k = edge_key_of(key);
    return n->parent == k->parent && bytes_equal(first_level(retained_label(n)), k->level);
}

/* Of the edge to a child whose label begins so. */
static uint64_t way_hash(const struct retained *r, const struct retained_node *parent, struct bytes label)
{
    return edge_hash(parent, hash_bytes(&r->key, first_level(label)));
}

struct retained_node *retained_child(const struct retained *r, const struct retained_node *parent, struct bytes level)
{
    if (parent->children == NULL)
        return NULL;
    struct edge_key k = {parent, level};
    return hmap_get(&r->edges, way_hash(r, parent, level), edge_key_bytes(&k), edge_equal);
}

static struct retained_node *find(const struct retained *r, struct bytes topic)
{
    const struct retained_node *n = r->root;
    for (struct bytes rest = topic;; rest = behind(rest, n->label_n)) {
        struct retained_node *child = retained_child(r, n, first_level(rest));
        if (child == NULL || common(retained_label(child), rest) < child->label_n)
            return NULL;
        if (child->label_n == rest.n)
            return child;
        n = child;
    }
}

static struct retained_node *node_new(struct retained_node *parent, struct bytes label)
{
    struct retained_node *n = mem_try_alloc(sizeof(*n) + label.n);
    if (n == NULL)
        return NULL;
    atomic_init(&n->pins, 0);
    n->parent = parent;
    n->label_n = (uint32_t)label.n;
    if (label.n > 0)
        memcpy(n->label, label.p, label.n);
    return n;
}

static struct retained_node *leaf_new(struct retained *r, struct retained_node *parent, struct bytes label)
{
    struct retained_node *n = node_new(parent, label);
    if (n == NULL)
        return NULL;
    if (!hmap_add(&r->edges, way_hash(r, parent, label), n)) {
        mem_free(n);
        return NULL;
    }
    n->next = parent->children;
    if (n->next != NULL)
        n->next->prev = n;
    parent->children = n;
    return n;
}

/* Puts entry b where a was in the map: nothing grows, so it can't fail. */
static void replace_edge(struct retained *r, uint64_t hash, struct retained_node *a, struct retained_node *b)
{
    bool done = hmap_remove(&r->edges, hash, a) && hmap_add(&r->edges, hash, b);
    assert(done);
    (void)done;
}

/* n gets a new parent for the first n_upper bytes of its label, which is returned. NULL without memory. */
static struct retained_node *split(struct retained *r, struct retained_node *n, size_t n_upper)
{
    struct retained_node *parent = n->parent;
    struct bytes lower = behind(retained_label(n), n_upper);
    struct retained_node *upper = node_new(parent, bytes_of(n->label, n_upper));
    if (upper == NULL)
        return NULL;
    uint64_t hash = way_hash(r, parent, retained_label(n));
    replace_edge(r, hash, n, upper);
    if (!hmap_add(&r->edges, way_hash(r, upper, lower), n)) {
        replace_edge(r, hash, upper, n);
        mem_free(upper);
        return NULL;
    }
    upper->next = n->next;
    upper->prev = n->prev;
    if (n->next != NULL)
        n->next->prev = upper;
    if (n->prev != NULL)
        n->prev->next = upper;
    else
        parent->children = upper;
    upper->children = n;
    n->parent = upper;
    n->next = n->prev = NULL;
    n->label_n = (uint32_t)lower.n;
    memmove(n->label, lower.p, lower.n);
    return upper;
}

void retained_prune(struct retained *r, struct retained_node *n)
{
    while (retained_node_dead(n) && atomic_load_explicit(&n->pins, memory_order_relaxed) == 0) {
        struct retained_node *parent = n->parent;
        bool there = hmap_remove(&r->edges, way_hash(r, parent, retained_label(n)), n);
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

/* The node of a topic, made where it isn't there. NULL without memory: then no topic was added, at most a label split.
 */
static struct retained_node *make(struct retained *r, struct bytes topic)
{
    struct retained_node *n = r->root;
    for (struct bytes rest = topic;; rest = behind(rest, n->label_n)) {
        struct retained_node *child = retained_child(r, n, first_level(rest));
        if (child == NULL)
            return leaf_new(r, n, rest);
        size_t same = common(retained_label(child), rest);
        if (same < child->label_n)
            child = split(r, child, same);
        if (child == NULL || same == rest.n)
            return child;
        n = child;
    }
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
    bool grows = n == NULL || n->entry == NULL || bytes > entry_size(n->entry);
    struct retained_entry *e = grows && mem_short() ? NULL : entry_new(m);
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
