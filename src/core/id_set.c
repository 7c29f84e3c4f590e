/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core_private.h"

static uint32_t lower_bound(const struct id_set *s, uint16_t id)
{
    uint32_t lo = 0, hi = s->n;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (s->v[mid] < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

bool id_set_has(const struct id_set *s, uint16_t id)
{
    uint32_t i = lower_bound(s, id);
    return i < s->n && s->v[i] == id;
}

bool id_set_add(struct id_set *s, uint16_t id)
{
    assert(id != 0);
    uint32_t i = lower_bound(s, id);
    if (i < s->n && s->v[i] == id)
        return true;
    if (s->n == s->cap) {
        uint32_t cap = s->cap > 0 ? s->cap * 2u : 8;
        cap = cap < UINT16_MAX ? cap : UINT16_MAX; /* all ids that there are */
        uint16_t *v = mem_try_realloc(s->v, cap * sizeof(*v));
        if (v == NULL)
            return false;
        s->v = v;
        s->cap = (uint16_t)cap;
    }
    memmove(s->v + i + 1, s->v + i, (s->n - i) * sizeof(*s->v));
    s->v[i] = id;
    s->n++;
    return true;
}

bool id_set_remove(struct id_set *s, uint16_t id)
{
    uint32_t i = lower_bound(s, id);
    if (i == s->n || s->v[i] != id)
        return false;
    s->n--;
    memmove(s->v + i, s->v + i + 1, (s->n - i) * sizeof(*s->v));
    if (s->n == 0 && s->cap > 64)
        id_set_fini(s);
    return true;
}

void id_set_fini(struct id_set *s)
{
    mem_free(s->v);
    *s = (struct id_set){0};
}
