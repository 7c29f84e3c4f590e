/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Filters without wildcards are most of what there is, and they need no tree: one
 * hash of the whole topic finds them, however many there are. Filters with wildcards form a trie:
 *
 *                 root
 *               /   |   \
 *           "home"  +    #          text edges: one hash map for the whole trie (edge.h)
 *            /  \    \              + and #: fields of the node
 *           #   "a"  "door"
 *                |
 *                +
 *
 * Matching goes down level by level with the set of nodes that are still alive (the
 * frontier). Each node of the trie has one way from the root, so it is in the frontier at most once: the
 * work is bounded by the nodes that exist, whatever the topic looks like, and nothing recurses.
 *
 * Shared subscriptions end at the same nodes. A node has one flag for them; the groups themselves stand aside
 * (share_groups.h), so that matching costs those who share nothing a test of that flag.
 *
 * A filter's whole text is kept once, at the node that has subscribers; a trie node keeps its own level besides.
 */
#include "sotto/core/index.h"

#include <assert.h>

#include "sotto/base/mem.h"
#include "sotto/base/rwlock.h"
#include "sotto/codec/topic.h"
#include "edge.h"
#include "index_matches.h"
#include "index_subs.h"
#include "share_groups.h"
#include "share_members.h"

struct index_node {
    struct subs subs;
    uint8_t
        *text; /* the whole filter; NULL in a trie node without subscribers. Behind the node itself where it is exact */
    uint32_t text_n;
    bool in_trie;
    bool groups; /* shared subscriptions: share_groups knows them */
};

struct trie_node {
    struct index_node end; /* who subscribed to the filter that ends here; first, so that one is the other */
    struct trie_node *parent, *plus, *hash;
    uint32_t edges; /* children by text */
    uint32_t level_n;
    uint8_t level[];
};

struct index {
    struct rwlock lock;
    struct hash_key key;
    struct hmap exact; /* text -> index_node */
    struct hmap edges; /* (parent, level) -> trie_node */
    struct trie_node *root;
    struct share_groups groups;
    size_t count;
    _Atomic uint64_t generation; /* changed under the write lock only */
};

#define FRONTIER_FIRST 48 /* nodes on the stack; more come from the heap */

struct frontier {
    struct trie_node **v; /* n of this level, then next of the following one */
    size_t n, next, cap;
    struct trie_node *first[FRONTIER_FIRST];
};

struct index *index_new(const struct hash_key *key)
{
    struct index *x = mem_alloc(sizeof(*x));
    rwlock_init(&x->lock);
    x->key = *key;
    hmap_init(&x->exact);
    hmap_init(&x->edges);
    x->root = mem_alloc(sizeof(*x->root));
    x->root->end.in_trie = true;
    share_groups_init(&x->groups, &x->key);
    atomic_init(&x->generation, 1);
    return x;
}

static void node_free(struct index_node *n)
{
    subs_fini(&n->subs);
    if (n->in_trie)
        mem_free(n->text);
    mem_free(n);
}

/* Frees a node and what hangs on it by + and #; children by text are found through the edges. */
static void chain_free(struct trie_node *n)
{
    while (n != NULL) {
        struct trie_node *plus = n->plus;
        if (n->hash != NULL)
            node_free(&n->hash->end);
        node_free(&n->end);
        n = plus;
    }
}

void index_free(struct index *x)
{
    if (x == NULL)
        return;
    size_t pos = 0;
    struct index_node *n;
    while ((n = hmap_next(&x->exact, &pos)) != NULL)
        node_free(n);
    pos = 0;
    struct trie_node *t;
    while ((t = hmap_next(&x->edges, &pos)) != NULL)
        chain_free(t);
    chain_free(x->root);
    share_groups_fini(&x->groups);
    hmap_fini(&x->exact);
    hmap_fini(&x->edges);
    rwlock_fini(&x->lock);
    mem_free(x);
}

static bool exact_equal(const void *entry, struct bytes key)
{
    const struct index_node *n = entry;
    return n->text_n == key.n && memcmp(n->text, key.p, key.n) == 0;
}

static bool edge_equal(const void *entry, struct bytes key)
{
    const struct trie_node *n = entry;
    const struct edge_key *k = edge_key_of(key);
    return n->parent == k->parent && bytes_equal(bytes_of(n->level, n->level_n), k->level);
}

static struct index_node *exact_find(const struct index *x, uint64_t hash, struct bytes text)
{
    return hmap_get(&x->exact, hash, text, exact_equal);
}

static struct index_node *exact_make(struct index *x, struct bytes filter)
{
    uint64_t hash = hash_bytes(&x->key, filter);
    struct index_node *n = exact_find(x, hash, filter);
    if (n != NULL)
        return n;
    n = mem_try_alloc(sizeof(*n) + filter.n);
    if (n == NULL)
        return NULL;
    n->text = (uint8_t *)(n + 1);
    n->text_n = (uint32_t)filter.n;
    memcpy(n->text, filter.p, filter.n);
    if (!hmap_add(&x->exact, hash, n)) {
        mem_free(n);
        return NULL;
    }
    return n;
}

static bool is_char(struct bytes level, char c)
{
    return level.n == 1 && level.p[0] == c;
}

/* The field that holds this child, or NULL: it is found by its text. */
static struct trie_node **child_field(struct trie_node *parent, struct bytes level)
{
    if (is_char(level, '+'))
        return &parent->plus;
    return is_char(level, '#') ? &parent->hash : NULL;
}

static struct trie_node *edge_find(const struct index *x, const struct trie_node *parent, uint64_t hash,
                                   struct bytes level)
{
    struct edge_key k = {parent, level};
    return hmap_get(&x->edges, hash, edge_key_bytes(&k), edge_equal);
}

static uint64_t level_hash(const struct index *x, const struct trie_node *parent, struct bytes level)
{
    return edge_hash(parent, hash_bytes(&x->key, level));
}

static struct trie_node *child_find(const struct index *x, struct trie_node *parent, struct bytes level)
{
    struct trie_node **field = child_field(parent, level);
    if (field != NULL)
        return *field;
    return parent->edges > 0 ? edge_find(x, parent, level_hash(x, parent, level), level) : NULL;
}

static struct trie_node *child_make(struct index *x, struct trie_node *parent, struct bytes level)
{
    struct trie_node *n = child_find(x, parent, level);
    if (n != NULL)
        return n;
    n = mem_try_alloc(sizeof(*n) + level.n);
    if (n == NULL)
        return NULL;
    n->end.in_trie = true;
    n->parent = parent;
    n->level_n = (uint32_t)level.n;
    memcpy(n->level, level.p, level.n);
    struct trie_node **field = child_field(parent, level);
    if (field != NULL) {
        *field = n;
    } else if (hmap_add(&x->edges, level_hash(x, parent, level), n)) {
        parent->edges++;
    } else {
        mem_free(n);
        return NULL;
    }
    return n;
}

/* Does nobody subscribe to it? */
static bool unused(const struct index_node *n)
{
    return n->subs.n == 0 && !n->groups;
}

/* Takes out nodes that nobody needs any more, from here upwards. */
static void prune(struct index *x, struct trie_node *n)
{
    while (n->parent != NULL && unused(&n->end) && n->edges == 0 && n->plus == NULL && n->hash == NULL) {
        struct trie_node *parent = n->parent;
        struct bytes level = bytes_of(n->level, n->level_n);
        struct trie_node **field = child_field(parent, level);
        if (field != NULL) {
            *field = NULL;
        } else {
            bool there = hmap_remove(&x->edges, level_hash(x, parent, level), n);
            assert(there);
            (void)there;
            parent->edges--;
        }
        node_free(&n->end);
        n = parent;
    }
}

static struct index_node *trie_make(struct index *x, struct bytes filter)
{
    struct trie_node *n = x->root;
    struct bytes rest = filter, level;
    bool more = true;
    while (level_next(&rest, &more, &level)) {
        struct trie_node *child = child_make(x, n, level);
        if (child == NULL) {
            prune(x, n);
            return NULL;
        }
        n = child;
    }
    if (n->end.text != NULL)
        return &n->end;
    n->end.text = mem_try_alloc(filter.n);
    if (n->end.text == NULL) {
        prune(x, n);
        return NULL;
    }
    memcpy(n->end.text, filter.p, filter.n);
    n->end.text_n = (uint32_t)filter.n;
    return &n->end;
}

/* The node has just lost its last subscriber (or never got one): its text goes, and it as well, where nothing hangs on
 * it. */
static void node_drop(struct index *x, struct index_node *n)
{
    if (n->in_trie) {
        mem_free(n->text);
        n->text = NULL;
        prune(x, (struct trie_node *)n);
        return;
    }
    bool there = hmap_remove(&x->exact, hash_bytes(&x->key, index_node_filter(n)), n);
    assert(there);
    (void)there;
    node_free(n);
}

/* After a change, still under the write lock. Pairs with the acquire in index_generation. */
static void changed(struct index *x)
{
    atomic_fetch_add_explicit(&x->generation, 1, memory_order_release);
}

static struct index_node *node_make(struct index *x, struct bytes filter)
{
    return filter_has_wildcard(filter) ? trie_make(x, filter) : exact_make(x, filter);
}

enum index_result index_add(struct index *x, struct bytes filter, handle h, struct sub_options o,
                            struct index_node **node)
{
    enum index_result r = INDEX_NO_MEMORY;
    rwlock_write(&x->lock);
    struct index_node *n = node_make(x, filter);
    if (n == NULL)
        goto out;
    r = subs_put(&n->subs, (struct match){h, o});
    if (r == INDEX_NO_MEMORY) {
        if (unused(n))
            node_drop(x, n);
        goto out;
    }
    if (r == INDEX_NEW)
        x->count++;
    *node = n;
    changed(x);
out:
    rwlock_unlock(&x->lock);
    return r;
}

static struct index_node *trie_find(const struct index *x, struct bytes filter)
{
    struct trie_node *n = x->root;
    struct bytes rest = filter, level;
    bool more = true;
    while (n != NULL && level_next(&rest, &more, &level))
        n = child_find(x, n, level);
    return n != NULL ? &n->end : NULL;
}

static struct index_node *node_find(const struct index *x, struct bytes filter)
{
    return filter_has_wildcard(filter) ? trie_find(x, filter) : exact_find(x, hash_bytes(&x->key, filter), filter);
}

struct index_node *index_find(struct index *x, struct bytes filter, handle h)
{
    rwlock_read(&x->lock);
    struct index_node *n = node_find(x, filter);
    if (n != NULL && !subs_has(&n->subs, h))
        n = NULL;
    rwlock_unlock(&x->lock);
    return n;
}

bool index_remove(struct index *x, struct index_node *node, handle h)
{
    rwlock_write(&x->lock);
    bool there = subs_remove(&node->subs, h);
    if (there) {
        x->count--;
        if (unused(node))
            node_drop(x, node);
        changed(x);
    }
    rwlock_unlock(&x->lock);
    return there;
}

enum index_result index_add_shared(struct index *x, struct bytes name, struct bytes filter, handle h,
                                   struct sub_options o, struct share_hint *hint, struct share_group **group)
{
    enum index_result r = INDEX_NO_MEMORY;
    rwlock_write(&x->lock);
    struct index_node *n = node_make(x, filter);
    if (n == NULL)
        goto out;
    r = share_groups_put(&x->groups, n, name, (struct match){h, o}, hint, group);
    if (r == INDEX_NO_MEMORY) {
        if (unused(n))
            node_drop(x, n);
        goto out;
    }
    n->groups = true;
    if (r == INDEX_NEW)
        x->count++;
    changed(x);
out:
    rwlock_unlock(&x->lock);
    return r;
}

struct share_group *index_find_shared(struct index *x, struct bytes name, struct bytes filter, handle h)
{
    rwlock_read(&x->lock);
    const struct index_node *n = node_find(x, filter);
    struct share_group *g = n != NULL && n->groups ? share_groups_find(&x->groups, n, name) : NULL;
    if (g != NULL && !share_members_has(g->now, h))
        g = NULL;
    rwlock_unlock(&x->lock);
    return g;
}

bool index_remove_shared(struct index *x, struct share_group *group, handle h)
{
    rwlock_write(&x->lock);
    struct index_node *n = group->node;
    bool there = share_groups_remove(&x->groups, group, h);
    if (there) {
        x->count--;
        n->groups = share_groups_any(&x->groups, n);
        if (unused(n))
            node_drop(x, n);
        changed(x);
    }
    rwlock_unlock(&x->lock);
    return there;
}

struct share_members *index_share(struct index *x, uint32_t number)
{
    rwlock_read(&x->lock);
    const struct share_group *g = share_groups_numbered(&x->groups, number);
    struct share_members *m = g != NULL ? share_members_ref(g->now) : NULL;
    rwlock_unlock(&x->lock);
    return m;
}

uint32_t index_share_number(struct index *x, struct bytes name, struct bytes filter)
{
    rwlock_read(&x->lock);
    const struct index_node *n = node_find(x, filter);
    const struct share_group *g = n != NULL && n->groups ? share_groups_find(&x->groups, n, name) : NULL;
    uint32_t number = g != NULL ? g->number : 0;
    rwlock_unlock(&x->lock);
    return number;
}

struct bytes index_node_filter(const struct index_node *node)
{
    return bytes_of(node->text, node->text_n);
}

size_t index_count(struct index *x)
{
    rwlock_read(&x->lock);
    size_t n = x->count;
    rwlock_unlock(&x->lock);
    return n;
}

uint64_t index_generation(const struct index *x)
{
    return atomic_load_explicit(&x->generation, memory_order_acquire);
}

static void frontier_init(struct frontier *f, struct trie_node *root)
{
    f->v = f->first;
    f->v[0] = root;
    f->n = 1;
    f->next = 0;
    f->cap = FRONTIER_FIRST;
}

static void frontier_fini(struct frontier *f)
{
    if (f->v != f->first)
        mem_free(f->v);
}

/* Room for all that a level can lead to: two nodes each. */
static bool frontier_reserve(struct frontier *f)
{
    if (3 * f->n <= f->cap)
        return true;
    size_t cap = 4 * f->n;
    struct trie_node **v = mem_try_realloc(f->v != f->first ? f->v : NULL, cap * sizeof(*v));
    if (v == NULL)
        return false;
    if (f->v == f->first)
        memcpy(v, f->first, f->n * sizeof(*v));
    f->v = v;
    f->cap = cap;
    return true;
}

/* A list of matches as it grows, by runs that are sorted each. */
struct gathered {
    const struct index *x;
    struct matches *m;
    unsigned runs;
};

static bool gather(struct gathered *g, const struct index_node *n)
{
    if (n->groups && !share_groups_copy(&g->x->groups, n, g->m))
        return false;
    if (n->subs.n == 0)
        return true;
    g->runs++;
    return subs_copy(&n->subs, g->m);
}

/* One level of the topic. wild: may + and # match it? Not at the first level of a "$" topic [MQTT-4.7.2-1]. */
static bool frontier_step(const struct index *x, struct frontier *f, struct bytes level, bool wild, struct gathered *g)
{
    if (!frontier_reserve(f))
        return false;
    uint64_t hash = hash_bytes(&x->key, level);
    for (size_t i = 0; i < f->n; i++) {
        struct trie_node *n = f->v[i];
        if (wild && n->hash != NULL && !gather(g, &n->hash->end))
            return false;
        if (wild && n->plus != NULL)
            f->v[f->n + f->next++] = n->plus;
        struct trie_node *child = n->edges > 0 ? edge_find(x, n, edge_hash(n, hash), level) : NULL;
        if (child != NULL)
            f->v[f->n + f->next++] = child;
    }
    memmove(f->v, f->v + f->n, f->next * sizeof(struct trie_node *));
    f->n = f->next;
    f->next = 0;
    return true;
}

/* Who is left when the topic ends has matched it, and "sport/#" matches "sport" as well. */
static bool frontier_end(const struct frontier *f, struct gathered *g)
{
    for (size_t i = 0; i < f->n; i++) {
        const struct trie_node *n = f->v[i];
        if (!gather(g, &n->end) || (n->hash != NULL && !gather(g, &n->hash->end)))
            return false;
    }
    return true;
}

static bool trie_match(const struct index *x, struct bytes topic, struct gathered *g)
{
    struct frontier f;
    struct bytes rest = topic, level;
    bool more = true, ok = true;
    bool wild = topic.n == 0 || topic.p[0] != '$';
    frontier_init(&f, x->root);
    while (ok && f.n > 0 && level_next(&rest, &more, &level)) {
        ok = frontier_step(x, &f, level, wild, g);
        wild = true;
    }
    ok = ok && frontier_end(&f, g);
    frontier_fini(&f);
    return ok;
}

bool index_match(struct index *x, struct bytes topic, struct matches *m)
{
    struct gathered g = {x, m, 0};
    m->n = 0;
    if (m->shared_n > 0)
        matches_clear(m);
    rwlock_read(&x->lock);
    const struct index_node *n = exact_find(x, hash_bytes(&x->key, topic), topic);
    bool ok = (n == NULL || gather(&g, n)) && trie_match(x, topic, &g);
    rwlock_unlock(&x->lock);
    ok = ok && (g.runs < 2 || matches_sort(m));
    if (!ok)
        matches_clear(m);
    return ok;
}
