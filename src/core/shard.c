/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One loop's part of the broker: who owns what, and the steps of a turn.
 */
#include "core_private.h"

#include <assert.h>

/* A turn may leave so much of its scratch memory. */
#define SCRATCH_KEEP 4096u

struct shard *shard_new(struct broker *b, unsigned number, const struct shard_env *env, const struct store_ops *store,
                        void *store_ctx)
{
    assert(number < b->n);
    struct shard *s = mem_alloc(sizeof(*s));
    s->b = b;
    s->number = number;
    s->env = *env;
    s->store = store;
    s->store_ctx = store_ctx;
    pool_init(&s->pool);
    slots_init(&s->clients, number);
    slots_init(&s->sessions, number);
    hmap_init(&s->by_id);
    heap_init(&s->timers);
    s->cache = match_cache_new(b->index, &b->key);
    s->out = mem_alloc(b->n * sizeof(*s->out));
    for (unsigned i = 0; i < b->n; i++) {
        list_init(&s->out[i].items);
        list_init(&s->out[i].home);
    }
    promise_init(s);
    hmap_init(&s->exchanges);
    list_init(&s->settling);
    list_init(&s->verdicts);
    hmap_init(&s->held);
    list_init(&s->paused);
    list_init(&s->waiting);
    s->expire.tag = TIMER_RETAINED;
    return s;
}

void shard_free(struct shard *s)
{
    if (s == NULL)
        return;
    assert(atomic_load(&s->count.clients) == 0);
    size_t pos = 0;
    struct session *session;
    while ((session = hmap_next(&s->by_id, &pos)) != NULL) {
        session_free(session);
        pos = 0;
    }
    promise_fini(s);
    exchange_fini(s);
    held_fini(s);
    mail_free_all(s);
    match_cache_free(s->cache);
    heap_fini(&s->timers);
    hmap_fini(&s->by_id);
    slots_fini(&s->sessions);
    slots_fini(&s->clients);
    pool_fini(&s->pool);
    mem_free(s->out);
    mem_free(s->scratch);
    mem_free(s);
}

bool shard_short(struct shard *s)
{
    s->short_of_memory = mem_short();
    if (!s->short_of_memory)
        return false;
    pool_trim(&s->pool);
    s->short_of_memory = mem_short();
    return s->short_of_memory;
}

bool shard_holds_back(struct shard *s)
{
    unsigned to;
    return mail_congested(s, &to) || (s->store->full != NULL && s->store->full(s->store_ctx));
}

/* Who was held back and need not be any more goes on. */
static void go_on(struct shard *s)
{
    struct list again;
    list_init(&again);
    list_splice(&again, &s->paused);
    struct list *l;
    while ((l = list_pop_front(&again)) != NULL) {
        struct client *c = container_of(l, struct client, paused_link);
        if (shard_holds_back(s)) {
            list_push_back(&s->paused, l);
            continue;
        }
        c->paused = false;
        c->last_packet = s->now;
        client_wake(c);
    }
}

void shard_mail(struct shard *s, msec now)
{
    s->now = now;
    mail_take(s);
    go_on(s);
}

/* A will's delay has passed, and its session goes on without it. */
static void will_passed(struct session *n)
{
    will_due(n);
    session_store_away(n);
}

/* Deletes what has expired; looked for in steps, since nobody is given an expired one anyway. */
static void expire_retained(struct shard *s)
{
    struct retained *r = s->b->retained;
    retained_write_lock(r);
    retained_expire(r, s->now, EXPIRE_AT_ONCE);
    msec next = retained_next_expiry(r);
    retained_unlock(r);
    shard_expect_expiry(s, next);
}

void shard_expect_expiry(struct shard *s, msec expires)
{
    if (expires == MSEC_NEVER)
        return;
    msec soonest = s->now + EXPIRE_EVERY;
    msec due = expires > soonest ? expires : soonest;
    if (!timer_is_set(&s->expire) || due < s->expire.due)
        heap_set(&s->timers, &s->expire, due);
}

void shard_tick(struct shard *s, msec now)
{
    s->now = now;
    struct timer *t;
    while ((t = heap_pop(&s->timers, now)) != NULL) {
        switch (t->tag) {
        case TIMER_CLIENT:
            client_timer(container_of(t, struct client, timer));
            break;
        case TIMER_SESSION:
            session_end(container_of(t, struct session, timer));
            break;
        case TIMER_WILL:
            will_passed(container_of(t, struct client_will, timer)->session);
            break;
        default:
            expire_retained(s);
        }
    }
}

uint8_t *shard_scratch(struct shard *s, size_t n)
{
    if (n <= s->scratch_cap)
        return s->scratch;
    uint8_t *p = mem_try_realloc(s->scratch, n);
    if (p == NULL)
        return NULL;
    s->scratch = p;
    s->scratch_cap = n;
    return p;
}

msec shard_next_deadline(const struct shard *s)
{
    return heap_next(&s->timers);
}

bool shard_turn_end(struct shard *s, msec now)
{
    shard_short(s); /* blocks for later are the first to go */
    s->now = now;
    s->woke = false;
    if (s->scratch_cap > SCRATCH_KEEP) {
        mem_free(s->scratch);
        s->scratch = NULL;
        s->scratch_cap = 0;
    }
    s->store->turn_end(s->store_ctx, s);
    if (s->store->full != NULL && !list_empty(&s->paused))
        go_on(s);
    bool mail = mail_push(s);
    return mail || s->woke;
}

void shard_committed(struct shard *s, uint64_t number, bool failed)
{
    uint64_t from = s->committed + 1;
    if (number > s->committed)
        s->committed = number;
    if (!failed && number > s->safe)
        s->safe = number;
    struct list all;
    list_init(&all);
    list_splice(&all, &s->waiting);
    struct list *l;
    while ((l = list_pop_front(&all)) != NULL) {
        struct client *c = container_of(l, struct client, waiting_link);
        if (failed)
            client_store_failed(c, from, number);
        client_release(c);
        client_wake(c); /* a delivery may have waited, too */
    }
    promise_committed(s, from, number, failed);
    exchange_committed(s, from, number, failed);
}

struct pool *shard_pool(struct shard *s)
{
    return &s->pool;
}

struct client *shard_find_client(struct shard *s, handle h)
{
    return slots_get(&s->clients, h);
}

void shard_stats(const struct shard *s, struct shard_stats *out)
{
    const struct counters *c = &s->count;
    *out = (struct shard_stats){
        .clients = atomic_load_explicit(&c->clients, memory_order_relaxed),
        .sessions = atomic_load_explicit(&c->sessions, memory_order_relaxed),
        .subscriptions = atomic_load_explicit(&c->subscriptions, memory_order_relaxed),
        .messages_received = atomic_load_explicit(&c->received, memory_order_relaxed),
        .messages_sent = atomic_load_explicit(&c->sent, memory_order_relaxed),
        .messages_dropped = atomic_load_explicit(&c->dropped, memory_order_relaxed),
        .bytes_received = atomic_load_explicit(&c->bytes_in, memory_order_relaxed),
        .bytes_sent = atomic_load_explicit(&c->bytes_out, memory_order_relaxed),
    };
}
