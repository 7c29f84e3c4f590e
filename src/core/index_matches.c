/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What several filters match is a row of sorted runs. They are merged pairwise, natural
 * runs first, into the spare half of the list and back: n entries in r runs cost n log r, no
 * choice of handles costs more, and nothing recurses.
 */
#include "index_matches.h"

#include "sotto/base/mem.h"

#define FIRST_CAP 8

void matches_init(struct matches *m)
{
    *m = (struct matches){0};
}

void matches_fini(struct matches *m)
{
    mem_free(m->v);
    matches_init(m);
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
