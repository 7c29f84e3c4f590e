/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "index_subs.h"

#include <assert.h>

#include "sotto/base/mem.h"
#include "index_matches.h"

#define CHUNK_FIRST 4 /* entries of a new chunk */

void subs_fini(struct subs *s)
{
    for (uint32_t i = 0; i < s->chunks; i++)
        mem_free(s->u.dir[i].v);
    if (s->chunks > 0)
        mem_free(s->u.dir);
    subs_init(s);
}

/* The chunk in which h stands or belongs: the last one that doesn't begin behind it. */
static uint32_t find_chunk(const struct subs *s, handle h)
{
    uint32_t low = 0, high = s->chunks;
    while (high - low > 1) {
        uint32_t mid = low + (high - low) / 2;
        if (s->u.dir[mid].v[0].h <= h)
            low = mid;
        else
            high = mid;
    }
    return low;
}

/* The first entry of a chunk that is not before h. */
static uint32_t find_entry(const struct subs_chunk *c, handle h)
{
    if (c->v[c->n - 1].h < h)
        return c->n;
    uint32_t low = 0, high = c->n - 1;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (c->v[mid].h < h)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* From the one in the struct to a directory with one chunk. */
static bool spread(struct subs *s)
{
    struct subs_chunk *dir = mem_try_alloc(sizeof(*dir));
    struct match *v = dir != NULL ? mem_try_alloc(CHUNK_FIRST * sizeof(*v)) : NULL;
    if (v == NULL) {
        mem_free(dir);
        return false;
    }
    v[0] = s->u.one;
    *dir = (struct subs_chunk){v, 1, CHUNK_FIRST};
    s->u.dir = dir;
    s->chunks = 1;
    return true;
}

/* And back, when one is left. */
static void gather(struct subs *s)
{
    assert(s->n == 1 && s->chunks == 1);
    struct subs_chunk *dir = s->u.dir;
    s->u.one = dir[0].v[0];
    s->chunks = 0;
    mem_free(dir[0].v);
    mem_free(dir);
}

/* Moves the entries of full chunk i from keep on into a new chunk behind it. */
static bool split(struct subs *s, uint32_t i, uint32_t keep)
{
    if ((s->chunks & (s->chunks - 1)) == 0) {
        struct subs_chunk *dir = mem_try_realloc(s->u.dir, 2 * (size_t)s->chunks * sizeof(*dir));
        if (dir == NULL)
            return false;
        s->u.dir = dir;
    }
    struct match *v = mem_try_alloc(SUBS_CHUNK * sizeof(*v));
    if (v == NULL)
        return false;
    struct subs_chunk *c = &s->u.dir[i];
    uint32_t moved = c->n - keep;
    memcpy(v, c->v + keep, moved * sizeof(*v));
    c->n = keep;
    memmove(c + 2, c + 1, (s->chunks - i - 1) * sizeof(*c));
    c[1] = (struct subs_chunk){v, moved, SUBS_CHUNK};
    s->chunks++;
    return true;
}

static bool resize(struct subs_chunk *c, uint32_t cap)
{
    struct match *v = mem_try_realloc(c->v, cap * sizeof(*v));
    if (v == NULL)
        return false;
    c->v = v;
    c->cap = cap;
    return true;
}

enum index_result subs_put(struct subs *s, struct match m)
{
    if (s->n == 0 || (s->n == 1 && s->chunks == 0 && s->u.one.h == m.h)) {
        enum index_result r = s->n == 0 ? INDEX_NEW : INDEX_REPLACED;
        s->u.one = m;
        s->n = 1;
        return r;
    }
    if (s->chunks == 0 && !spread(s))
        return INDEX_NO_MEMORY;
    uint32_t i = find_chunk(s, m.h);
    uint32_t k = find_entry(&s->u.dir[i], m.h);
    if (k < s->u.dir[i].n && s->u.dir[i].v[k].h == m.h) {
        s->u.dir[i].v[k].o = m.o;
        return INDEX_REPLACED;
    }
    if (s->u.dir[i].n == SUBS_CHUNK) {
        /* Handles mostly come in rising order: at the end, leave the full chunk full. */
        bool at_end = i == s->chunks - 1 && k == SUBS_CHUNK;
        if (!split(s, i, at_end ? SUBS_CHUNK - 1 : SUBS_CHUNK / 2))
            return INDEX_NO_MEMORY;
        i = find_chunk(s, m.h);
        k = find_entry(&s->u.dir[i], m.h);
    }
    struct subs_chunk *c = &s->u.dir[i];
    if (c->n == c->cap && !resize(c, 2 * c->cap))
        return INDEX_NO_MEMORY;
    memmove(c->v + k + 1, c->v + k, (c->n - k) * sizeof(*c->v));
    c->v[k] = m;
    c->n++;
    s->n++;
    return INDEX_NEW;
}

bool subs_remove(struct subs *s, handle h)
{
    if (!subs_has(s, h))
        return false;
    s->n--;
    if (s->chunks == 0)
        return true;
    uint32_t i = find_chunk(s, h);
    struct subs_chunk *c = &s->u.dir[i];
    uint32_t k = find_entry(c, h);
    c->n--;
    memmove(c->v + k, c->v + k + 1, (c->n - k) * sizeof(*c->v));
    if (c->n == 0) {
        mem_free(c->v);
        s->chunks--;
        memmove(c, c + 1, (s->chunks - i) * sizeof(*c));
    } else if (c->cap > CHUNK_FIRST && c->n <= c->cap / 4) {
        (void)resize(c, c->cap / 2); /* without memory it stays as large as it is */
    }
    if (s->n == 1)
        gather(s);
    return true;
}

bool subs_has(const struct subs *s, handle h)
{
    if (s->chunks == 0)
        return s->n == 1 && s->u.one.h == h;
    const struct subs_chunk *c = &s->u.dir[find_chunk(s, h)];
    uint32_t k = find_entry(c, h);
    return k < c->n && c->v[k].h == h;
}

bool subs_copy(const struct subs *s, struct matches *m)
{
    if (!matches_reserve(m, s->n))
        return false;
    struct match *to = m->v + m->n;
    if (s->chunks == 0 && s->n == 1)
        *to = s->u.one;
    for (uint32_t i = 0; i < s->chunks; i++) {
        memcpy(to, s->u.dir[i].v, s->u.dir[i].n * sizeof(*to));
        to += s->u.dir[i].n;
    }
    m->n += s->n;
    return true;
}
