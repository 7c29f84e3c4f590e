/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Hints, and the choice by them. See share.h. */
#include "sotto/core/share.h"

#include <assert.h>

#include "sotto/base/mem.h"
#include "share_members.h"

/* Hints lie scattered in memory: with one at hand that is online and has room, no more than these are asked for one
 * that is ready. */
#define LOOK_FOR_READY 32

/* How well a member would serve. */
enum rank { RANK_READY, RANK_ONLINE_ROOM, RANK_DURABLE_ROOM, RANK_ONLINE, RANK_DURABLE, RANK_NONE };

struct share_hint *share_hint_new(void)
{
    struct share_hint *h = mem_try_alloc(sizeof(*h));
    if (h == NULL)
        return NULL;
    atomic_init(&h->refs, 1);
    atomic_init(&h->flags, 0);
    return h;
}

struct share_hint *share_hint_ref(struct share_hint *h)
{
    atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
    return h;
}

void share_hint_unref(struct share_hint *h)
{
    if (h != NULL && atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) == 1)
        mem_free(h);
}

struct bytes share_name(const struct share_group *g)
{
    return bytes_of(g->text + SHARE_NAME_AT, g->name_n);
}

struct bytes share_filter(const struct share_group *g)
{
    size_t at = SHARE_NAME_AT + g->name_n + 1;
    return bytes_of(g->text + at, g->text_n - at);
}

struct bytes share_text(const struct share_members *m)
{
    return bytes_of(m->group->text, m->group->text_n);
}

static enum rank rank_of(const struct share_member *m, uint8_t qos)
{
    if (atomic_load_explicit(&m->gone, memory_order_relaxed))
        return RANK_NONE;
    unsigned flags = atomic_load_explicit(&m->hint->flags, memory_order_relaxed);
    bool keeps = qos > 0 && m->qos > 0 && (flags & SHARE_DURABLE) != 0;
    if ((flags & SHARE_READY) != 0)
        return RANK_READY;
    if ((flags & SHARE_ROOM) != 0 && ((flags & SHARE_ONLINE) != 0 || keeps))
        return (flags & SHARE_ONLINE) != 0 ? RANK_ONLINE_ROOM : RANK_DURABLE_ROOM;
    if ((flags & SHARE_ONLINE) != 0)
        return RANK_ONLINE;
    return keeps ? RANK_DURABLE : RANK_NONE;
}

struct choice {
    enum rank rank;
    uint32_t place;
    uint32_t steps; /* from where it began */
};

/* The best of n from start on, once round the list; enough: no better one is looked for; worst: what is worse than this
 * is none. */
static struct choice choose(const struct share_members *m, uint32_t start, uint32_t n, uint8_t qos, enum rank enough,
                            enum rank worst)
{
    struct choice best = {RANK_NONE, 0, 0};
    for (uint32_t k = 0, i = start; k < n; k++, i++) {
        if (i == m->n)
            i = 0;
        enum rank r = rank_of(&m->v[i], qos);
        if (r < best.rank && r <= worst)
            best = (struct choice){r, i, k};
        if (best.rank <= enough || (best.rank == RANK_ONLINE_ROOM && k >= LOOK_FOR_READY))
            break;
    }
    return best;
}

static void take(const struct share_members *m, const struct choice *c, struct share_turn *t)
{
    const struct share_member *v = &m->v[c->place];
    t->to = (struct match){v->h, {.id = v->id, .qos = v->qos, .retain_as_published = v->retain_as_published}};
    t->group = m->group->number;
    t->text_n = (uint16_t)m->group->text_n;
    t->tried++;
    t->rank = (uint8_t)c->rank;
    t->last = c->rank > RANK_DURABLE_ROOM;
}

bool share_pick(const struct share_members *m, uint8_t qos, struct share_turn *t)
{
    if (m->n == 0)
        return false;
    /* Added to, never stored: with several loops at it, none takes back what another one has passed. */
    uint32_t start = atomic_fetch_add_explicit(&m->group->cursor, 1, memory_order_relaxed) % m->n;
    struct choice c = choose(m, start, m->n, qos, RANK_READY, RANK_DURABLE);
    if (c.rank == RANK_NONE)
        return false;
    if (c.steps > 0)
        atomic_fetch_add_explicit(&m->group->cursor, c.steps, memory_order_relaxed);
    t->tried = 0;
    t->given = 0;
    take(m, &c, t);
    return true;
}

bool share_next(const struct share_members *m, uint8_t qos, bool gone, struct share_turn *t)
{
    /* Those that are gone have changed the list, which may have grown since: they get a second round, no more. */
    if (t->tried / 2 >= m->n || (!gone && (t->last || t->tried >= m->n)))
        return false;
    uint32_t start = share_members_place(m, t->to.h);
    uint32_t n = m->n;
    if (start < m->n && m->v[start].h == t->to.h) {
        start++;
        n--;
    }
    enum rank worst = gone ? RANK_DURABLE : RANK_DURABLE_ROOM;
    struct choice c = choose(m, start == m->n ? 0 : start, n, qos, (enum rank)t->rank, worst);
    if (c.rank == RANK_NONE)
        return false;
    take(m, &c, t);
    return true;
}

bool share_forward(struct index *x, uint8_t qos, bool gone, struct share_turn *t)
{
    struct share_members *m = index_share(x, t->group);
    bool chosen = m != NULL && share_next(m, qos, gone, t);
    share_members_unref(m);
    return chosen;
}
