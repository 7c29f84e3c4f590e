/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What several filters match is a row of sorted runs. They are merged pairwise, natural
 * runs first, into the spare half of the list and back: n entries in r runs cost n log r, no
 * choice of handles costs more, and nothing recurses.
 */
#include "index_matches.h"

#include "sotto/base/mem.h"
#include "share_members.h"

#define FIRST_CAP 8

void matches_init(struct matches *m)
{
    *m = (struct matches){0};
}

void matches_fini(struct matches *m)
{
    matches_clear(m);
    mem_free(m->v);
    mem_free(m->shared);
    matches_init(m);
}

void matches_clear(struct matches *m)
{
    for (uint32_t i = 0; i < m->shared_n; i++)
        share_members_unref(m->shared[i]);
    m->n = m->shared_n = 0;
}

bool matches_reserve(struct matches *m, uint32_t n)
{
    if (m->cap - m->n >= n)
        return true;
    uint64_t want = (uint64_t)m->n + n;
    uint64_t cap = m->cap > 0 ? m->cap : FIRST_CAP;
    while (cap < want)
        cap *= 2;
    if (cap > UINT32_MAX)
        return false;
    struct match *v = mem_try_realloc(m->v, cap * sizeof(*v));
    if (v == NULL)
        return false;
    m->v = v;
    m->cap = (uint32_t)cap;
    return true;
}

bool matches_reserve_shared(struct matches *m, uint32_t n)
{
    if (m->shared_cap - m->shared_n >= n)
        return true;
    uint64_t cap = (uint64_t)m->shared_n + n;
    cap += m->shared_cap > 0 ? cap / 2 : 0; /* the first filter with groups mostly is the only one */
    if (cap > UINT32_MAX)
        return false;
    struct share_members **v = mem_try_realloc(m->shared, cap * sizeof(struct share_members *));
    if (v == NULL)
        return false;
    m->shared = v;
    m->shared_cap = (uint32_t)cap;
    return true;
}

bool matches_copy(struct matches *to, const struct matches *from)
{
    if (from->n > 0)
        to->v = mem_try_alloc(from->n * sizeof(*to->v));
    if (from->shared_n > 0)
        to->shared = mem_try_alloc(from->shared_n * sizeof(struct share_members *));
    if ((from->n > 0 && to->v == NULL) || (from->shared_n > 0 && to->shared == NULL)) {
        matches_fini(to);
        return false;
    }
    if (from->n > 0)
        memcpy(to->v, from->v, from->n * sizeof(*to->v));
    for (uint32_t i = 0; i < from->shared_n; i++)
        to->shared[i] = share_members_ref(from->shared[i]);
    to->n = to->cap = from->n;
    to->shared_n = to->shared_cap = from->shared_n;
    return true;
}

size_t matches_bytes(const struct matches *m)
{
    size_t n = m->cap * sizeof(*m->v) + m->shared_cap * sizeof(struct share_members *);
    for (uint32_t i = 0; i < m->shared_n; i++)
        n += share_members_bytes(m->shared[i]);
    return n;
}

/* The end of the sorted run that begins at from. */
static uint32_t run_end(const struct match *v, uint32_t n, uint32_t from)
{
    uint32_t i = from < n ? from + 1 : n;
    while (i < n && v[i - 1].h <= v[i].h)
        i++;
    return i;
}

/* Merges v[a, b) and v[b, c) to out[a, c). */
static void merge(const struct match *v, struct match *out, uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t i = a, j = b;
    for (uint32_t k = a; k < c; k++) {
        bool left = i < b && (j == c || v[i].h <= v[j].h);
        out[k] = left ? v[i++] : v[j++];
    }
}

bool matches_sort(struct matches *m)
{
    uint32_t n = m->n;
    if (run_end(m->v, n, 0) == n)
        return true;
    if (!matches_reserve(m, n))
        return false;
    struct match *from = m->v, *to = m->v + n;
    while (run_end(from, n, 0) < n) {
        for (uint32_t a = 0; a < n;) {
            uint32_t b = run_end(from, n, a);
            uint32_t c = run_end(from, n, b);
            merge(from, to, a, b, c);
            a = c;
        }
        struct match *spare = from;
        from = to;
        to = spare;
    }
    if (from != m->v)
        memcpy(m->v, from, n * sizeof(*from));
    return true;
}
