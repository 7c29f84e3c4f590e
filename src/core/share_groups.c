/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "share_groups.h"

#include <assert.h>

#include "sotto/base/cursor.h"
#include "sotto/base/mem.h"
#include "edge.h"
#include "index_matches.h"
#include "share_members.h"

#define ROW_FIRST 1

/* The groups of one filter. */
struct row {
    const struct index_node *node;
    struct share_group **v;
    uint32_t n, cap;
};

void share_groups_init(struct share_groups *s, const struct hash_key *key)
{
    *s = (struct share_groups){.key = key};
    hmap_init(&s->by_name);
    hmap_init(&s->by_number);
    hmap_init(&s->by_node);
}

static void row_free(struct row *r)
{
    mem_free(r->v);
    mem_free(r);
}

void share_groups_fini(struct share_groups *s)
{
    size_t pos = 0;
    struct share_group *g;
    while ((g = hmap_next(&s->by_number, &pos)) != NULL) {
        share_members_unref(g->now);
        share_group_unref(g);
    }
    pos = 0;
    struct row *r;
    while ((r = hmap_next(&s->by_node, &pos)) != NULL)
        row_free(r);
    hmap_fini(&s->by_name);
    hmap_fini(&s->by_number);
    hmap_fini(&s->by_node);
}

static uint64_t name_hash(const struct share_groups *s, const struct index_node *node, struct bytes name)
{
    return edge_hash(node, hash_bytes(s->key, name));
}

static bool name_equal(const void *entry, struct bytes key)
{
    const struct share_group *g = entry;
    const struct edge_key *k = edge_key_of(key);
    return g->node == k->parent && bytes_equal(share_name(g), k->level);
}

/* The hash is the number itself, or the address: both are unique, there is no more to compare. */
static bool any(const void *entry, struct bytes key)
{
    (void)entry;
    (void)key;
    return true;
}

static struct row *row_find(const struct share_groups *s, const struct index_node *node)
{
    return hmap_get(&s->by_node, (uintptr_t)node, bytes_of(NULL, 0), any);
}

struct share_group *share_groups_find(const struct share_groups *s, const struct index_node *node, struct bytes name)
{
    struct edge_key k = {node, name};
    return hmap_get(&s->by_name, name_hash(s, node, name), edge_key_bytes(&k), name_equal);
}

struct share_group *share_groups_numbered(const struct share_groups *s, uint32_t number)
{
    return hmap_get(&s->by_number, number, bytes_of(NULL, 0), any);
}

bool share_groups_any(const struct share_groups *s, const struct index_node *node)
{
    return row_find(s, node) != NULL;
}

static void row_drop(struct share_groups *s, struct row *r)
{
    bool there = hmap_remove(&s->by_node, (uintptr_t)r->node, r);
    assert(there);
    (void)there;
    row_free(r);
}

/* The row of the node, with room for one more. */
static struct row *row_make(struct share_groups *s, const struct index_node *node)
{
    struct row *r = row_find(s, node);
    bool fresh = r == NULL;
    if (fresh) {
        r = mem_try_alloc(sizeof(*r));
        if (r == NULL)
            return NULL;
        r->node = node;
        if (!hmap_add(&s->by_node, (uintptr_t)node, r)) {
            mem_free(r);
            return NULL;
        }
    }
    if (r->n < r->cap)
        return r;
    uint32_t cap = r->cap > 0 ? 2 * r->cap : ROW_FIRST;
    struct share_group **v = mem_try_realloc(r->v, cap * sizeof(struct share_group *));
    if (v == NULL) {
        if (fresh)
            row_drop(s, r);
        return NULL;
    }
    r->v = v;
    r->cap = cap;
    return r;
}

static void row_remove(struct share_groups *s, struct share_group *g)
{
    struct row *r = row_find(s, g->node);
    assert(r != NULL && r->v[g->place] == g);
    r->v[g->place] = r->v[--r->n];
    r->v[g->place]->place = g->place;
    if (r->n == 0)
        row_drop(s, r);
}

/* Running numbers, so that a message that looks for a group that is no more doesn't find another one. 0 is none. */
static uint32_t next_number(struct share_groups *s)
{
    do
        s->number++;
    while (s->number == 0 || share_groups_numbered(s, s->number) != NULL);
    return s->number;
}

static struct share_group *group_new(struct share_groups *s, struct index_node *node, struct bytes name)
{
    struct bytes filter = index_node_filter(node);
    size_t n = SHARE_NAME_AT + name.n + 1 + filter.n;
    struct share_group *g = mem_try_alloc(sizeof(*g) + n);
    if (g == NULL)
        return NULL;
    atomic_init(&g->refs, 1);
    atomic_init(&g->cursor, 0);
    g->number = next_number(s);
    g->node = node;
    g->name_n = (uint32_t)name.n;
    g->text_n = (uint32_t)n;
    struct wr w = wr_of(g->text, n);
    wr_bytes(&w, "$share/", SHARE_NAME_AT);
    wr_bytes(&w, name.p, name.n);
    wr_bytes(&w, "/", 1);
    wr_bytes(&w, filter.p, filter.n);
    assert(!w.bad);
    g->now = share_members_new(g);
    if (g->now == NULL) {
        share_group_unref(g);
        return NULL;
    }
    return g;
}

/* The last step: where it succeeds, all readers of the index see the group. */
static bool group_enter(struct share_groups *s, struct share_group *g)
{
    uint64_t hash = name_hash(s, g->node, share_name(g));
    if (!hmap_add(&s->by_name, hash, g))
        return false;
    if (!hmap_add(&s->by_number, g->number, g)) {
        hmap_remove(&s->by_name, hash, g);
        return false;
    }
    struct row *r = row_make(s, g->node);
    if (r == NULL) {
        hmap_remove(&s->by_name, hash, g);
        hmap_remove(&s->by_number, g->number, g);
        return false;
    }
    g->place = r->n;
    r->v[r->n++] = g;
    return true;
}

enum index_result share_groups_put(struct share_groups *s, struct index_node *node, struct bytes name,
                                   struct match match, struct share_hint *hint, struct share_group **group)
{
    struct share_group *g = share_groups_find(s, node, name);
    bool fresh = g == NULL;
    if (fresh)
        g = group_new(s, node, name);
    if (g == NULL)
        return INDEX_NO_MEMORY;
    enum index_result r = share_members_put(&g->now, match, hint);
    if (fresh && (r == INDEX_NO_MEMORY || !group_enter(s, g))) {
        share_members_unref(g->now);
        share_group_unref(g);
        return INDEX_NO_MEMORY;
    }
    if (r != INDEX_NO_MEMORY)
        *group = g;
    return r;
}

bool share_groups_remove(struct share_groups *s, struct share_group *g, handle h)
{
    if (!share_members_remove(&g->now, h))
        return false;
    if (g->now->n > g->now->gone)
        return true;
    bool there =
        hmap_remove(&s->by_name, name_hash(s, g->node, share_name(g)), g) && hmap_remove(&s->by_number, g->number, g);
    assert(there);
    (void)there;
    row_remove(s, g);
    share_members_unref(g->now);
    share_group_unref(g);
    return true;
}

bool share_groups_copy(const struct share_groups *s, const struct index_node *node, struct matches *m)
{
    const struct row *r = row_find(s, node);
    if (r == NULL)
        return true;
    if (!matches_reserve_shared(m, r->n))
        return false;
    for (uint32_t i = 0; i < r->n; i++)
        m->shared[m->shared_n++] = share_members_ref(r->v[i]->now);
    return true;
}
