/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "share_members.h"

#include <assert.h>

#include "sotto/base/mem.h"

#define CAP_FIRST 2

static size_t block_size(uint64_t cap)
{
    return sizeof(struct share_members) + cap * sizeof(struct share_member);
}

void share_group_unref(struct share_group *g)
{
    if (atomic_fetch_sub_explicit(&g->refs, 1, memory_order_acq_rel) == 1)
        mem_free(g);
}

static struct share_members *list_new(struct share_group *g, uint32_t cap)
{
    struct share_members *m = mem_try_alloc(block_size(cap));
    if (m == NULL)
        return NULL;
    atomic_init(&m->refs, 1);
    m->cap = cap;
    m->group = g;
    atomic_fetch_add_explicit(&g->refs, 1, memory_order_relaxed);
    return m;
}

struct share_members *share_members_new(struct share_group *g)
{
    return list_new(g, CAP_FIRST);
}

struct share_members *share_members_ref(struct share_members *m)
{
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    return m;
}

void share_members_unref(struct share_members *m)
{
    if (m == NULL || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < m->n; i++)
        share_hint_unref(m->v[i].hint);
    share_group_unref(m->group);
    mem_free(m);
}

static bool is_gone(const struct share_member *m)
{
    return atomic_load_explicit(&m->gone, memory_order_relaxed);
}

uint32_t share_members_count(const struct share_members *m)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->n; i++)
        n += !is_gone(&m->v[i]);
    return n;
}

bool share_members_durable(const struct share_members *m)
{
    return m->durable;
}

size_t share_members_bytes(const struct share_members *m)
{
    return block_size(m->cap);
}

uint32_t share_members_place(const struct share_members *m, handle h)
{
    uint32_t low = 0, high = m->n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (m->v[mid].h < h)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

bool share_members_has(const struct share_members *m, handle h)
{
    uint32_t i = share_members_place(m, h);
    return i < m->n && m->v[i].h == h && !is_gone(&m->v[i]);
}

/* The list is its group's alone, nobody reads it: the acquire sees that whoever held it is done. */
static bool alone(const struct share_members *m)
{
    return atomic_load_explicit(&m->refs, memory_order_acquire) == 1;
}

static bool resize(struct share_members **m, uint32_t cap)
{
    struct share_members *to = mem_try_realloc(*m, block_size(cap));
    if (to == NULL)
        return false;
    to->cap = cap;
    *m = to;
    return true;
}

/* Has *m be a list that nobody else holds, with room for one more and without those that are gone. */
static bool make_own(struct share_members **m)
{
    struct share_members *old = *m;
    uint32_t live = old->n - old->gone;
    if (alone(old) && old->gone == 0)
        return live < old->cap || resize(m, 2 * old->cap);
    struct share_members *to = list_new(old->group, live + live / 4 + 1);
    if (to == NULL)
        return false;
    to->durable = old->durable;
    for (uint32_t i = 0; i < old->n; i++) {
        const struct share_member *v = &old->v[i];
        if (is_gone(v))
            continue;
        to->v[to->n++] =
            (struct share_member){v->h, share_hint_ref(v->hint), v->id, v->qos, v->retain_as_published, false};
    }
    assert(to->n == live);
    share_members_unref(old);
    *m = to;
    return true;
}

enum index_result share_members_put(struct share_members **m, struct match match, struct share_hint *hint)
{
    if (!make_own(m))
        return INDEX_NO_MEMORY;
    struct share_members *to = *m;
    to->durable |= match.o.durable;
    uint32_t i = share_members_place(to, match.h);
    bool there = i < to->n && to->v[i].h == match.h;
    struct share_hint *old = there ? to->v[i].hint : NULL;
    if (!there) {
        memmove(&to->v[i + 1], &to->v[i], (to->n - i) * sizeof(*to->v));
        to->n++;
    }
    to->v[i] = (struct share_member){match.h,     share_hint_ref(hint),        match.o.id,
                                     match.o.qos, match.o.retain_as_published, false};
    share_hint_unref(old);
    return there ? INDEX_REPLACED : INDEX_NEW;
}

bool share_members_remove(struct share_members **m, handle h)
{
    if (!share_members_has(*m, h))
        return false;
    if (!alone(*m) && !make_own(m)) {
        /* It stays in the list, and is skipped, until there is memory for another change. */
        atomic_store_explicit(&(*m)->v[share_members_place(*m, h)].gone, true, memory_order_relaxed);
        (*m)->gone++;
        return true;
    }
    struct share_members *from = *m;
    uint32_t i = share_members_place(from, h);
    share_hint_unref(from->v[i].hint);
    from->n--;
    memmove(&from->v[i], &from->v[i + 1], (from->n - i) * sizeof(*from->v));
    if (from->cap > CAP_FIRST && from->n <= from->cap / 4)
        (void)resize(m, from->cap / 2); /* without memory it stays as large as it is */
    return true;
}
