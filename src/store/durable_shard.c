/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The shards' side of the durable store.
 *
 * What is put lies in the turn's list; turn_end moves it behind the one FIFO of all shards, before the core sends mail
 * to other shards: so whatever another shard makes of it is committed with it or after it.
 *
 * Rows that are queued and acknowledged within a commit's time are the usual case with subscribers that are online, and
 * they are never written: as long as the store thread has not taken a row (under the lock it takes all there is),
 * its shard may take it back, or note in it that it was sent. The same with a note that a row was sent: acknowledged in
 * time, it becomes the one that the row is done.
 */
#include "durable_private.h"

#include <assert.h>

#include "sotto/base/log.h"
#include "sotto/base/mem.h"

/* A packet id that was received stands in the same table as rows. */
#define RECEIVED_ROW (UINT64_C(1) << 63)

struct key {
    uint64_t session, row;
};

static bool same_row(const void *entry, struct bytes key)
{
    const struct durable_entry *e = entry;
    struct key k;
    memcpy(&k, key.p, sizeof(k));
    return e->session == k.session && e->row == k.row;
}

/* Both numbers are ours and rise: nobody outside chooses them. */
static uint64_t row_hash(uint64_t session, uint64_t row)
{
    uint64_t x = (session ^ (row << 32 | row >> 32)) * UINT64_C(0x9e3779b97f4a7c15);
    return x ^ x >> 29;
}

static struct durable_entry *find_row(struct durable_shard *sh, uint64_t session, uint64_t row)
{
    struct key k = {session, row};
    return hmap_get(&sh->rows, row_hash(session, row), bytes_of(&k, sizeof(k)), same_row);
}

void durable_shard_init(struct durable_shard *sh, struct durable *d, unsigned number)
{
    *sh = (struct durable_shard){.d = d, .number = number, .push = 1};
    pool_init(&sh->pool);
    hmap_init(&sh->rows);
    list_init(&sh->turn);
    list_init(&sh->home);
    list_init(&sh->reports);
}

/* ---------------------------------------------------------------- memory */

static void take_room(struct durable_shard *sh, size_t n)
{
    sh->bytes += n;
    if (sh->over || sh->bytes <= DURABLE_FULL)
        return;
    sh->over = true;
    atomic_fetch_add(&sh->d->full, 1);
}

/* Publishers were held back on all shards: all are to look again. */
static void give_room(struct durable_shard *sh, size_t n)
{
    struct durable *d = sh->d;
    sh->bytes -= n;
    if (!sh->over || sh->bytes > DURABLE_FULL / 2)
        return;
    sh->over = false;
    if (atomic_fetch_sub(&d->full, 1) > 1 || d->c.ring == NULL)
        return;
    for (unsigned i = 0; i < d->c.shards; i++)
        d->c.ring(d->c.ctx, i);
}

static void body_free(struct durable_shard *sh, struct durable_body *b)
{
    if (sh->body == b)
        sh->body = NULL;
    give_room(sh, b->size);
    pool_put(&sh->pool, b, b->size);
}

static void entry_free(struct durable_shard *sh, struct durable_entry *e)
{
    if (e->named)
        hmap_remove(&sh->rows, row_hash(e->session, e->row), e);
    if (e->body != NULL && --e->body->refs == 0)
        body_free(sh, e->body);
    give_room(sh, e->size);
    pool_put(&sh->pool, e, e->size);
}

void durable_shard_free_entries(struct durable_shard *sh, struct list *entries)
{
    struct list *l;
    while ((l = list_pop_front(entries)) != NULL)
        entry_free(sh, container_of(l, struct durable_entry, link));
}

void durable_shard_fini(struct durable_shard *sh)
{
    durable_shard_free_entries(sh, &sh->turn);
    durable_shard_free_entries(sh, &sh->home);
    struct list *l;
    while ((l = list_pop_front(&sh->reports)) != NULL)
        mem_free(container_of(l, struct durable_report, link));
    assert(sh->bytes == 0);
    hmap_fini(&sh->rows);
    mem_free(sh->ids);
    pool_fini(&sh->pool);
}

/* An entry with n bytes behind it; at the end of the turn's list. NULL without memory. */
static struct durable_entry *entry_new(struct durable_shard *sh, const struct store_record *r, uint64_t session,
                                       size_t n)
{
    size_t size = sizeof(struct durable_entry) + n;
    struct durable_entry *e = size <= UINT32_MAX ? pool_get(&sh->pool, size) : NULL;
    if (e == NULL)
        return NULL;
    *e = (struct durable_entry){.kind = (uint8_t)r->kind,
                                .session = session,
                                .row = r->row,
                                .packet_id = r->packet_id,
                                .qos = r->qos,
                                .retain = r->retain,
                                .sub_id = r->sub_id,
                                .flags = r->sub_flags,
                                .size = (uint32_t)size,
                                .shard = (uint16_t)sh->number,
                                .push = sh->push};
    take_room(sh, size);
    list_init(&e->link);
    list_push_back(&sh->turn, &e->link);
    return e;
}

/* The newest entry of a row is found by it. */
static void name_row(struct durable_shard *sh, struct durable_entry *e, uint64_t row)
{
    struct durable_entry *older = find_row(sh, e->session, row);
    if (older != NULL) {
        hmap_remove(&sh->rows, row_hash(older->session, older->row), older);
        older->named = false;
    }
    e->row = row;
    e->named = hmap_add(&sh->rows, row_hash(e->session, row), e);
}

/* ---------------------------------------------------------------- sessions by their handles */

static bool ids_grow(struct durable_shard *sh, uint32_t slot)
{
    uint32_t n = sh->ids_n > 0 ? sh->ids_n : 64;
    while (n <= slot)
        n *= 2;
    struct durable_id *v = mem_try_realloc(sh->ids, n * sizeof(*v));
    if (v == NULL)
        return false;
    memset(v + sh->ids_n, 0, (n - sh->ids_n) * sizeof(*v));
    sh->ids = v;
    sh->ids_n = n;
    return true;
}

/* Where the number of a session stands; NULL without memory. */
static struct durable_id *id_slot(struct durable_shard *sh, handle h)
{
    uint32_t slot = (uint32_t)(h >> 24) & 0xffffff;
    return slot < sh->ids_n || ids_grow(sh, slot) ? &sh->ids[slot] : NULL;
}

/* The session's number in the database: a new one for a handle that was not seen before. 0 without memory. */
static uint64_t session_id(struct durable_shard *sh, handle h)
{
    struct durable_id *id = id_slot(sh, h);
    uint32_t generation = (uint32_t)h & 0xffffff;
    if (id == NULL)
        return 0;
    if (id->generation != generation) {
        id->generation = generation;
        id->id = sh->d->session_base + sh->sessions++ * sh->d->c.shards + sh->number;
    }
    return id->id;
}

void durable_bind(struct durable *d, handle h, uint64_t id)
{
    struct durable_id *slot = id_slot(&d->shards[handle_owner(h)], h);
    if (slot != NULL)
        *slot = (struct durable_id){.generation = (uint32_t)h & 0xffffff, .id = id};
}

/* ---------------------------------------------------------------- put */

/* Numbers that the core gives are even in the database, our own are odd. */
static uint64_t message_id(const struct durable_shard *sh, uint64_t number)
{
    return sh->d->message_base + 2 * number;
}

static struct durable_body *body_new(struct durable_shard *sh, const struct store_record *r)
{
    size_t size = sizeof(struct durable_body) + r->topic.n + r->props.n + r->payload.n;
    struct durable_body *b = size <= UINT32_MAX ? pool_get(&sh->pool, size) : NULL;
    if (b == NULL)
        return NULL;
    uint64_t own = sh->messages * sh->d->c.shards + sh->number;
    sh->messages += r->message == 0;
    *b = (struct durable_body){.size = (uint32_t)size,
                               .id = message_id(sh, r->message != 0 ? r->message : own) + (r->message == 0),
                               .expires = durable_time(sh->d, r->expires),
                               .topic_n = (uint32_t)r->topic.n,
                               .props_n = (uint32_t)r->props.n,
                               .payload_n = (uint32_t)r->payload.n,
                               .qos = r->qos,
                               .retain = r->retain,
                               .held = r->held != 0 ? message_id(sh, r->held) : 0};
    struct wr w = wr_of(b->data, size - sizeof(*b));
    wr_bytes(&w, r->topic.p, r->topic.n);
    wr_bytes(&w, r->props.p, r->props.n);
    wr_bytes(&w, r->payload.p, r->payload.n);
    take_room(sh, size);
    return b;
}

/* The message of a row: the one that the row before has, where it is the same. */
static struct durable_body *body_of(struct durable_shard *sh, const struct store_record *r)
{
    struct durable_body *b = sh->body;
    if (r->message != 0 && b != NULL && sh->body_message == r->message) {
        assert(b->topic_n == r->topic.n && b->props_n == r->props.n && b->payload_n == r->payload.n);
        return b;
    }
    b = body_new(sh, r);
    if (b != NULL && r->message != 0) {
        sh->body = b;
        sh->body_message = r->message;
    }
    return b;
}

static bool put_row(struct durable_shard *sh, const struct store_record *r, uint64_t session)
{
    struct durable_entry *e = entry_new(sh, r, session, r->share.n);
    if (e == NULL)
        return false;
    e->text_n = (uint32_t)r->share.n;
    bytes_copy(e->data, r->share.p, r->share.n);
    e->body = body_of(sh, r);
    if (e->body != NULL)
        e->body->refs++;
    if (e->body == NULL) {
        list_remove(&e->link);
        entry_free(sh, e);
        return false;
    }
    name_row(sh, e, r->row);
    return true;
}

static bool put_session(struct durable_shard *sh, const struct store_record *r, uint64_t session)
{
    size_t will = r->has_will ? r->topic.n + r->props.n + r->payload.n : 0;
    struct durable_entry *e = entry_new(sh, r, session, r->client_id.n + r->user.n + will);
    if (e == NULL)
        return false;
    e->expiry = r->expiry;
    e->connected = r->connected;
    e->expires = r->connected ? 0 : durable_time(sh->d, r->expires);
    e->put = durable_now(sh->d);
    e->text_n = (uint32_t)r->client_id.n;
    e->user_n = (uint32_t)r->user.n;
    e->has_will = r->has_will;
    struct wr w = wr_of(e->data, e->size - sizeof(*e));
    wr_bytes(&w, r->client_id.p, r->client_id.n);
    wr_bytes(&w, r->user.p, r->user.n);
    if (!r->has_will)
        return true;
    e->will = (struct durable_will){.topic_n = (uint32_t)r->topic.n,
                                    .props_n = (uint32_t)r->props.n,
                                    .payload_n = (uint32_t)r->payload.n,
                                    .delay = r->will_delay,
                                    .expiry = r->will_expiry,
                                    .qos = r->qos,
                                    .retain = r->retain};
    wr_bytes(&w, r->topic.p, r->topic.n);
    wr_bytes(&w, r->props.p, r->props.n);
    wr_bytes(&w, r->payload.p, r->payload.n);
    return true;
}

static bool put_filter(struct durable_shard *sh, const struct store_record *r, uint64_t session)
{
    struct durable_entry *e = entry_new(sh, r, session, r->topic.n);
    if (e == NULL)
        return false;
    e->text_n = (uint32_t)r->topic.n;
    if (r->topic.n > 0)
        memcpy(e->data, r->topic.p, r->topic.n);
    return true;
}

static bool put_small(struct durable_shard *sh, const struct store_record *r, uint64_t session)
{
    struct durable_entry *e = entry_new(sh, r, session, 0);
    if (e == NULL)
        return false;
    if (r->kind == STORE_GIVE || r->kind == STORE_TAKE)
        e->given = r->given; /* not named: what is to be taken back stays a record of its own behind it */
    if (r->kind == STORE_SENT || r->kind == STORE_RELEASED)
        name_row(sh, e, r->row);
    if (r->kind == STORE_RECEIVED) {
        e->message = r->message != 0 ? message_id(sh, r->message) : 0;
        name_row(sh, e, RECEIVED_ROW | r->packet_id);
    }
    return true;
}

static bool put_retained(struct durable_shard *sh, const struct store_record *r)
{
    struct durable *d = sh->d;
    struct durable_value *v = durable_value_new(r, durable_time(d, r->expires)), *old;
    bool ok;
    if (v == NULL)
        return false;
    msec now = d->c.now();
    pthread_mutex_lock(&d->lock);
    bool wake = list_empty(&d->behind.lazy) && !v->due;
    old = durable_behind_set(&d->behind, v, now, &ok);
    if (d->behind.bytes > DURABLE_FULL)
        wake = d->urgent = true;
    if (wake)
        pthread_cond_signal(&d->work);
    pthread_mutex_unlock(&d->lock);
    mem_free(old);
    if (!ok)
        mem_free(v);
    return ok;
}

/* ---------------------------------------------------------------- what need not be written */

/* Holds e fast where it is still ours to change: it is, until the store thread takes what was pushed. */
static bool hold(struct durable_shard *sh, const struct durable_entry *e)
{
    if (e->push == sh->push)
        return true;
    pthread_mutex_lock(&sh->d->lock);
    if (e->push > sh->taken)
        return true;
    pthread_mutex_unlock(&sh->d->lock);
    return false;
}

static void let_go(struct durable_shard *sh, uint64_t push)
{
    if (push != sh->push)
        pthread_mutex_unlock(&sh->d->lock);
}

/* Takes back a row, or a received packet id, that the store thread does not have yet. */
static bool take_back(struct durable_shard *sh, struct durable_entry *e)
{
    if (!hold(sh, e))
        return false;
    struct durable_body *b = e->body;
    bool last = b != NULL && --b->refs == 0; /* held fast: the store thread writes the count of the rows it has */
    e->body = NULL;
    list_remove(&e->link);
    let_go(sh, e->push);
    if (last)
        body_free(sh, b);
    entry_free(sh, e);
    return true;
}

/* Notes in a row that is not written yet, or in what is to be written of it, what became of it. */
static bool note_state(struct durable_shard *sh, struct durable_entry *e, const struct store_record *r)
{
    if (!hold(sh, e))
        return false;
    e->packet_id = r->packet_id;
    if (e->kind == STORE_QUEUE)
        e->state = r->kind == STORE_SENT ? DURABLE_SENT : DURABLE_RELEASED;
    else
        e->kind = (uint8_t)r->kind;
    let_go(sh, e->push);
    return true;
}

/* True: the record changed one that waits, and is none of its own. *number is 0 where nothing is left to be written. */
static bool merged(struct durable_shard *sh, const struct store_record *r, uint64_t session, uint64_t *number)
{
    struct durable_entry *e;
    switch (r->kind) {
    case STORE_SENT:
    case STORE_RELEASED:
        e = find_row(sh, session, r->row);
        return e != NULL && note_state(sh, e, r);
    case STORE_DONE:
        e = find_row(sh, session, r->row);
        if (e != NULL && e->kind != STORE_QUEUE)
            return note_state(sh, e, r);
        *number = 0;
        return e != NULL && take_back(sh, e);
    case STORE_RECEIVED_DONE:
        e = find_row(sh, session, RECEIVED_ROW | r->packet_id);
        *number = 0;
        return e != NULL && e->message == 0 && take_back(sh, e);
    default:
        return false;
    }
}

static bool add(struct durable_shard *sh, const struct store_record *r, uint64_t session)
{
    switch (r->kind) {
    case STORE_QUEUE:
        return put_row(sh, r, session);
    case STORE_SESSION:
        return put_session(sh, r, session);
    case STORE_SUBSCRIBE:
    case STORE_UNSUBSCRIBE:
        return put_filter(sh, r, session);
    default:
        return put_small(sh, r, session);
    }
}

static uint64_t put(void *ctx, unsigned shard, const struct store_record *r)
{
    struct durable_shard *sh = ctx;
    assert(shard == sh->number);
    bool ok;
    if (r->kind == STORE_RETAIN) {
        ok = put_retained(sh, r);
        if (r->qos == 0)
            return 0; /* promises nothing */
    } else {
        bool nobody = r->session == HANDLE_NONE;
        uint64_t session = nobody ? DURABLE_GIVEN : session_id(sh, r->session);
        bool known = nobody || session != 0;
        uint64_t number = sh->last; /* of a record in the FIFO, or later */
        if (known && merged(sh, r, session, &number))
            return number;
        ok = known && add(sh, r, session);
    }
    sh->unlucky |= !ok;
    return ++sh->last;
}

/* ---------------------------------------------------------------- the end of a turn */

bool durable_shard_push(struct durable_shard *sh)
{
    struct durable *d = sh->d;
    bool any = !list_empty(&sh->turn) || sh->last > sh->pushed_last;
    sh->body = NULL;
    if (!any)
        return false;
    list_splice(&d->fifo, &sh->turn);
    sh->pushed_last = sh->last;
    sh->pushed_unlucky |= sh->unlucky;
    sh->unlucky = false;
    sh->push++;
    d->numbers = true;
    if (d->first == MSEC_NEVER)
        d->first = d->c.now();
    d->urgent |= sh->bytes > DURABLE_FULL / 2;
    return true;
}

/*
 * A commit failed: messages that came meanwhile, and were put without knowing it, fail as well. So what a client sent
 * behind a message that fails never overtakes it.
 */
static void fail_turn(struct durable_shard *sh)
{
    for (struct list *l = sh->turn.next, *next; l != &sh->turn; l = next) {
        struct durable_entry *e = container_of(l, struct durable_entry, link);
        next = l->next;
        if (e->kind != STORE_QUEUE && e->kind != STORE_RECEIVED)
            continue;
        list_remove(l);
        entry_free(sh, e);
    }
}

/* What the store thread has to say: entries come home, numbers are answered for. */
static void take_news(struct durable_shard *sh, struct shard *s)
{
    struct list home, reports, *l;
    if (!atomic_exchange_explicit(&sh->news, false, memory_order_acq_rel))
        return;
    list_init(&home);
    list_init(&reports);
    pthread_mutex_lock(&sh->d->lock);
    list_splice(&home, &sh->home);
    list_splice(&reports, &sh->reports);
    pthread_mutex_unlock(&sh->d->lock);
    durable_shard_free_entries(sh, &home);
    while ((l = list_pop_front(&reports)) != NULL) {
        struct durable_report *r = container_of(l, struct durable_report, link);
        if (r->failed)
            fail_turn(sh);
        shard_committed(s, r->failed ? sh->last : r->upto, r->failed);
        mem_free(r);
    }
}

static void turn_end(void *ctx, struct shard *s)
{
    struct durable_shard *sh = ctx;
    struct durable *d = sh->d;
    take_news(sh, s); /* what waited for it may put more */
    if (d->c.durability != DURABILITY_COMMIT && sh->told < sh->last) {
        sh->told = sh->last;
        shard_committed(s, sh->told, false);
    }
    if (list_empty(&sh->turn) && sh->last == sh->pushed_last)
        return;
    pthread_mutex_lock(&d->lock);
    while (atomic_load_explicit(&sh->news, memory_order_relaxed)) { /* nothing goes out past a failure */
        pthread_mutex_unlock(&d->lock);
        take_news(sh, s);
        pthread_mutex_lock(&d->lock);
    }
    if (durable_shard_push(sh))
        pthread_cond_signal(&d->work);
    pthread_mutex_unlock(&d->lock);
}

static bool full(void *ctx)
{
    const struct durable_shard *sh = ctx;
    return atomic_load_explicit(&sh->d->full, memory_order_relaxed) > 0;
}

const struct store_ops durable_ops = {.put = put, .turn_end = turn_end, .full = full};

void *durable_shard(struct durable *d, unsigned shard)
{
    return &d->shards[shard];
}
