/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A QoS 2 publication on its way in, until PUBREC may leave: exactly once, over crashes, failures and shards.
 *
 *   ROWS       it is routed: every receiver has a delivery that is held (held.c), stored ones with rows that count for
 *     │        nothing yet. Its promise comes home when the rows of all shards are committed
 *     ▼
 *   RECEIVED   the packet id is put, which makes the rows count, in one step
 *     │
 *     ▼
 *   over       PUBREC may leave, all shards are told to deliver; or something failed: all shards are told to forget it,
 *              the packet id is free, and the publisher is refused
 *
 * With all rows on the publisher's own shard (always, where there is one) the rows and the packet id are one commit. A
 * publisher whose session isn't stored has no packet id to put, and its rows count at once: it is over when they are
 * committed. Without a stored receiver, it has no exchange at all.
 *
 * Those of one publisher stand in a row, so that they end in order; when one fails, so do those behind it whose rows
 * don't count yet: else what is sent again would come behind them. One that has put its packet id is never given up but
 * for a commit that failed, since its rows, on several shards, could not be taken back in one step.
 *
 * An exchange goes on without its connection: what the client then sends again finds it, and waits for it, too.
 */
#include "core_private.h"

struct key {
    handle session;
    uint16_t packet_id;
};

static uint64_t hash(struct key k)
{
    return k.session ^ (uint64_t)k.packet_id << 32;
}

static bool same(const void *entry, struct bytes key)
{
    const struct exchange *e = entry;
    const struct key *k = (const void *)key.p;
    return e->session == k->session && e->packet_id == k->packet_id;
}

struct exchange *exchange_find(struct shard *s, handle session, uint16_t packet_id)
{
    struct key k = {session, packet_id};
    return hmap_get(&s->exchanges, hash(k), bytes_of(&k, sizeof(k)), same);
}

static bool needs_one(const struct pub *p, const struct matches *all)
{
    if (p->from_stored || p->retain)
        return true;
    for (uint32_t i = 0; i < all->n; i++)
        if (all->v[i].o.durable)
            return true;
    for (uint32_t i = 0; i < all->shared_n; i++)
        if (share_members_durable(all->shared[i]))
            return true;
    return false;
}

bool exchange_make(struct shard *s, struct pub *p, const struct matches *all)
{
    if (!needs_one(p, all))
        return true;
    struct exchange *e = mem_try_alloc(sizeof(*e));
    if (e == NULL) {
        s->note |= NOTE_LOST;
        return false;
    }
    promise_start(s, &e->promise);
    e->promise.exchange = true;
    list_init(&e->settling);
    pub_identify(s, p);
    p->promise = &e->promise;
    p->held_as = p->identity;
    s->note |= NOTE_PROMISED;
    return true;
}

static bool is_lost(const struct exchange *e)
{
    return (atomic_load_explicit(&e->promise.notes, memory_order_relaxed) & NOTE_LOST) != 0;
}

/* One before it has failed: it will, when it is home. */
static void doom(struct exchange *e)
{
    atomic_fetch_or_explicit(&e->promise.notes, NOTE_LOST, memory_order_relaxed);
    e->doomed = true;
}

/* The last in its session's row. */
static void join(struct session *n, struct exchange *e)
{
    e->before = n->exchanges_last;
    if (e->before != NULL)
        e->before->after = e;
    n->exchanges_last = e;
    if (e->before != NULL && is_lost(e->before))
        doom(e);
}

static void leave(struct session *n, struct exchange *e)
{
    if (e->before != NULL)
        e->before->after = e->after;
    if (e->after != NULL)
        e->after->before = e->before;
    if (n != NULL && n->exchanges_last == e)
        n->exchanges_last = e->before;
}

/* Is it its turn to put the packet id? */
static bool next_in_row(const struct exchange *e)
{
    return e->before == NULL || e->before->stage == EXCHANGE_RECEIVED;
}

void exchange_begin(struct client *c, const struct pub *p, uint16_t id, enum reason reason)
{
    struct shard *s = c->shard;
    struct exchange *e = container_of(p->promise, struct exchange, promise);
    bool alone = atomic_load_explicit(&e->promise.left, memory_order_relaxed) == 1;
    e->session = c->session->h;
    e->packet_id = id;
    e->identity = p->held_as;
    e->need = s->need;
    e->stored = p->from_stored;
    e->rows = e->need > 0 || !alone;
    e->promise.client = c->h;
    e->promise.told_full = c->v5 != NULL;
    if (!hmap_add(&s->exchanges, hash((struct key){e->session, id}), e)) {
        s->note |= NOTE_LOST;
        id_set_remove(&c->session->received, id); /* nobody could find it: what comes again is another one */
        e->packet_id = 0;
    }
    join(c->session, e);
    e->in_one = alone && e->stored && next_in_row(e);
    client_answer_promised(c, PACKET_PUBREC, id, reason, 0, &e->promise);
    if (!e->in_one && e->need > s->committed) /* it may fail before the promise is home */
        list_push_back(&s->settling, &e->settling);
    promise_return(s, &e->promise, s->note & (NOTE_TAKEN | NOTE_FULL | NOTE_LOST));
}

/* What its publisher sent behind it would be out of order now. Behind a doomed one all are. */
static void break_later(struct exchange *e)
{
    for (struct exchange *l = e->after; l != NULL && !e->doomed; l = l->after)
        if (l->stage == EXCHANGE_ROWS)
            doom(l);
}

static void end(struct shard *s, struct exchange *e, bool kept)
{
    struct session *n = slots_get(&s->sessions, e->session);
    if (!kept && !promise_full(&e->promise))
        break_later(e);
    leave(n, e);
    list_remove(&e->settling);
    hmap_remove(&s->exchanges, hash((struct key){e->session, e->packet_id}), e);
    if (!kept && n != NULL) {
        id_set_remove(&n->received, e->packet_id);
        if (e->stage == EXCHANGE_RECEIVED)
            session_store(n, &(struct store_record){.kind = STORE_RECEIVED_DONE, .packet_id = e->packet_id});
    }
    e->kept = kept;
    held_settle(s, e->identity, kept);
    if (atomic_load_explicit(&e->promise.holders, memory_order_relaxed) != 0) {
        e->promise.refs++;
        list_push_back(&s->verdicts, &e->promise.link);
        s->has_mail = true;
    }
    promise_settle(s, &e->promise, kept);
}

static void put_received(struct session *n, struct exchange *e)
{
    e->stage = EXCHANGE_RECEIVED;
    e->need =
        session_store(n, &(struct store_record){
                             .kind = STORE_RECEIVED, .packet_id = e->packet_id, .message = e->rows ? e->identity : 0});
    if (list_empty(&e->settling))
        list_push_back(&n->shard->settling, &e->settling);
}

/* True: it did something, and the one behind it may be able to as well. */
static bool advance(struct shard *s, struct exchange *e)
{
    bool rows = e->stage == EXCHANGE_ROWS, wait = e->need > s->committed && !(rows && e->in_one);
    if (!e->promise.home || (wait && !(rows && promise_broken(&e->promise))))
        return false;
    if (promise_broken(&e->promise)) {
        end(s, e, false);
        return true;
    }
    if (!rows || !e->stored) {
        if (e->before != NULL)
            return false;
        end(s, e, true);
        return true;
    }
    struct session *n = slots_get(&s->sessions, e->session);
    if (!next_in_row(e))
        return false;
    if (n != NULL)
        put_received(n, e);
    else
        end(s, e, false);
    return true;
}

void exchange_step(struct shard *s, struct promise *p)
{
    struct exchange *e = container_of(p, struct exchange, promise);
    for (struct exchange *after; e != NULL; e = after) {
        after = e->after;
        if (!advance(s, e))
            return;
    }
}

void exchange_committed(struct shard *s, uint64_t from, uint64_t number, bool failed)
{
    struct list all, *l;
    list_init(&all);
    for (l = s->settling.next; failed && l != &s->settling; l = l->next) {
        struct exchange *e = container_of(l, struct exchange, settling);
        if (e->need >= from && e->need <= number)
            atomic_fetch_or_explicit(&e->promise.notes, NOTE_LOST, memory_order_relaxed);
    }
    list_splice(&all, &s->settling);
    while ((l = list_pop_front(&all)) != NULL) {
        struct exchange *e = container_of(l, struct exchange, settling);
        if (e->need > number)
            list_push_back(&s->settling, l);
        else
            exchange_step(s, &e->promise);
    }
}

/* To one shard after the other that may hold deliveries. False: no memory, the rest has to be told later. */
static bool tell(struct shard *s, struct exchange *e)
{
    uint64_t holders = atomic_load_explicit(&e->promise.holders, memory_order_relaxed);
    for (; e->told < s->b->n; e->told++) {
        if (e->told == s->number || (holders & promise_holder(e->told)) == 0)
            continue;
        if (!mail_verdict(s, e->told, e->identity, e->kept))
            return false;
    }
    return true;
}

void exchange_tell(struct shard *s)
{
    while (!list_empty(&s->verdicts)) {
        struct promise *p = container_of(s->verdicts.next, struct promise, link);
        if (!tell(s, container_of(p, struct exchange, promise))) {
            s->has_mail = true;
            return;
        }
        list_remove(&p->link);
        promise_unref(p);
    }
}

void exchange_fini(struct shard *s)
{
    struct list *l;
    while ((l = list_pop_front(&s->verdicts)) != NULL)
        promise_unref(container_of(l, struct promise, link));
    while ((l = list_pop_front(&s->settling)) != NULL) {
    }
    size_t pos = 0;
    struct exchange *e;
    while ((e = hmap_next(&s->exchanges, &pos)) != NULL)
        if (e->promise.home) /* else it comes home to the broker's inbox */
            promise_unref(&e->promise);
    hmap_fini(&s->exchanges);
}
