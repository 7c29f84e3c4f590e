/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The promise of an acknowledgement, over shards.
 *
 * PUBACK and PUBREC say that nothing can lose the message any more: so they wait for the rows of all stored receivers,
 * wherever those live. The publisher's own shard waits for its numbers of the store (client_answer). For the others a
 * publication carries a promise, made when it meets the first stored receiver of another shard:
 *
 *   publisher's shard ── mail, with a count each ──► shard ── count back when its rows are committed,
 *          ▲                                           │      or at once where it had none to write
 *          └──────────── who brings the last one ◄─────┘
 *
 * A shard that hands the publication on (a shared subscription's member is full, or gone) takes another count for
 * that, before it gives its own back. Counts need no memory to come home, so every promise ends: kept, or broken (a
 * commit failed, somebody had no memory), which the publisher is told as far as its version can say it.
 *
 * Messages without a stored receiver on another shard have no promise, and pay nothing.
 */
#include "core_private.h"

/* A count that is to be given back when the store has committed so far. */
struct owed {
    struct promise *promise;
    uint64_t need;
};

void promise_init(struct shard *s)
{
    ring_init(&s->owed, sizeof(struct owed));
}

void promise_start(struct shard *s, struct promise *p)
{
    list_init(&p->link);
    atomic_init(&p->left, 1);
    atomic_init(&p->notes, 0);
    atomic_init(&p->holders, 0);
    p->origin = s->number;
    p->refs = 1;
}

RARE void promise_make(struct shard *s, struct pub *p)
{
    if (p->promise != NULL)
        return;
    struct promise *n = mem_try_alloc(sizeof(*n));
    if (n == NULL) {
        s->note |= NOTE_LOST;
        return;
    }
    promise_start(s, n);
    p->promise = n;
    s->note |= NOTE_PROMISED;
}

RARE void promise_for(struct shard *s, struct pub *p, const struct match *m, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (!m[i].o.durable || m[i].o.qos == 0)
            continue;
        promise_make(s, p);
        return;
    }
}

struct promise *promise_share(struct promise *p)
{
    atomic_fetch_add_explicit(&p->left, 1, memory_order_relaxed);
    return p;
}

void promise_unref(struct promise *p)
{
    if (--p->refs == 0)
        mem_free(p);
}

bool promise_full(const struct promise *p)
{
    unsigned notes = atomic_load_explicit(&p->notes, memory_order_relaxed);
    return p->told_full && (notes & (NOTE_LOST | NOTE_FULL | NOTE_TAKEN)) == NOTE_FULL;
}

bool promise_broken(const struct promise *p)
{
    return (atomic_load_explicit(&p->notes, memory_order_relaxed) & NOTE_LOST) != 0 || promise_full(p);
}

void promise_settle(struct shard *s, struct promise *p, bool kept)
{
    p->settled = true;
    if (!kept && !promise_broken(p))
        atomic_fetch_or_explicit(&p->notes, NOTE_LOST, memory_order_relaxed);
    struct client *c = slots_get(&s->clients, p->client);
    if (c != NULL && promise_broken(p))
        client_not_stored(c);
    if (c != NULL)
        client_release(c);
    promise_unref(p);
}

/* On its own shard: all counts are back. */
static void come_home(struct shard *s, struct promise *p)
{
    p->home = true;
    if (p->exchange)
        exchange_step(s, p);
    else
        promise_settle(s, p, true);
}

void promise_return(struct shard *s, struct promise *p, unsigned notes)
{
    if (notes != 0)
        atomic_fetch_or_explicit(&p->notes, notes, memory_order_relaxed);
    if (atomic_fetch_sub_explicit(&p->left, 1, memory_order_acq_rel) > 1)
        return;
    if (p->origin == s->number && !s->ends) {
        come_home(s, p);
        return;
    }
    list_push_back(&s->out[p->origin].home, &p->link);
    s->has_mail = true;
}

void promise_owe(struct shard *s, struct promise *p)
{
    unsigned notes = s->note & (NOTE_TAKEN | NOTE_FULL | NOTE_LOST);
    if (s->need <= s->committed) {
        promise_return(s, p, notes);
        return;
    }
    struct owed *o = ring_push_back(&s->owed);
    if (o == NULL) {
        promise_return(s, p, notes | NOTE_LOST);
        return;
    }
    *o = (struct owed){p, s->need};
    atomic_fetch_or_explicit(&p->notes, notes, memory_order_relaxed);
}

void promise_committed(struct shard *s, uint64_t from, uint64_t number, bool failed)
{
    while (s->owed.n > 0) {
        struct owed o = *(struct owed *)ring_at(&s->owed, 0);
        if (o.need > number)
            return;
        ring_pop_front(&s->owed);
        promise_return(s, o.promise, failed && o.need >= from ? NOTE_LOST : 0);
    }
}

void promise_take(struct shard *s)
{
    struct list items, *l;
    list_init(&items);
    inbox_take(&s->b->home[s->number], &items);
    while ((l = list_pop_front(&items)) != NULL)
        come_home(s, container_of(l, struct promise, link));
}

void promise_fini(struct shard *s)
{
    s->ends = true;
    while (s->owed.n > 0) {
        struct owed o = *(struct owed *)ring_at(&s->owed, 0);
        ring_pop_front(&s->owed);
        promise_return(s, o.promise, NOTE_LOST);
    }
    ring_fini(&s->owed);
}

void promise_free_all(struct broker *b)
{
    for (unsigned i = 0; i < b->n; i++) {
        struct list items, *l;
        list_init(&items);
        inbox_take(&b->home[i], &items);
        while ((l = list_pop_front(&items)) != NULL)
            mem_free(container_of(l, struct promise, link));
    }
}
