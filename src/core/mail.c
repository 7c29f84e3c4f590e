/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Publications for sessions of other shards.
 *
 * They are written one behind the other into chunks, and pushed once per turn and target:
 *
 *   chunk: [ head | matches .. | topic | props | payload ] [ head | ... ] ...
 *
 * so a small message costs one copy and no allocation, and the other side routes it from the chunk as if it
 * came from a packet. A large payload travels as a reference to a blob instead. Nothing is ever dropped here; a shard
 * whose mail is not taken quickly enough holds back the publishers that write to it (mail_congested).
 */
#include "core_private.h"

#include <assert.h>

#define CHUNK 8192u

struct chunk {
    struct list link;
    uint32_t size; /* of the block */
    uint32_t used; /* of data */
    uint64_t data[];
};

struct head {
    uint32_t size; /* of the record, a multiple of 8 */
    uint32_t matches;
    uint32_t topic, props, payload; /* bytes; payload: inline ones */
    uint8_t qos;
    bool retain;
    struct blob *blob;
    struct promise *promise; /* a count of it goes with the record; NULL: none */
    msec expires;
    handle from;
    uint64_t identity;
    uint8_t verdict; /* enum verdict: on the publication `identity`, and nothing else is there */
    bool held;       /* what is made of it is held */
    bool from_stored;
    /* A shared subscription: its turn, and one match. */
    uint64_t given;
    uint32_t group, tried;
    uint16_t text_n;
    uint8_t rank;
    bool last;
};

enum verdict { VERDICT_NONE, VERDICT_KEPT, VERDICT_WITHDRAWN };

static size_t record_size(const struct pub *p, uint32_t n)
{
    size_t payload = p->blob != NULL ? 0 : p->payload.n;
    size_t size = sizeof(struct head) + n * sizeof(struct match) + p->topic.n + p->props.n + payload;
    return (size + 7) & ~(size_t)7;
}

static struct chunk *chunk_for(struct shard *s, struct outgoing *out, size_t need)
{
    if (!list_empty(&out->items)) {
        struct chunk *c = container_of(out->items.prev, struct chunk, link);
        if (c->size - sizeof(*c) - c->used >= need)
            return c;
    }
    size_t size = sizeof(struct chunk) + need > CHUNK ? sizeof(struct chunk) + need : CHUNK;
    struct chunk *c = size <= UINT32_MAX ? pool_get(&s->pool, size) : NULL;
    if (c == NULL)
        return NULL;
    c->size = (uint32_t)size;
    c->used = 0;
    list_init(&c->link);
    list_push_back(&out->items, &c->link);
    return c;
}

void mail_add(struct shard *s, unsigned to, const struct pub *p, const struct match *m, uint32_t n,
              const struct share_turn *t)
{
    assert(to < s->b->n && to != s->number);
    struct outgoing *out = &s->out[to];
    size_t size = record_size(p, n);
    struct chunk *c = chunk_for(s, out, size);
    if (c == NULL) {
        count_add(&s->count.dropped, n);
        s->note |= NOTE_LOST;
        log_event(LOG_ERROR, "memory.exhausted", LF_STR("what", "a message for another loop was dropped"));
        return;
    }
    uint8_t *at = (uint8_t *)c->data + c->used;
    struct head h = {.size = (uint32_t)size,
                     .matches = n,
                     .topic = (uint32_t)p->topic.n,
                     .props = (uint32_t)p->props.n,
                     .payload = p->blob != NULL ? 0 : (uint32_t)p->payload.n,
                     .qos = p->qos,
                     .retain = p->retain,
                     .blob = p->blob != NULL ? blob_ref(p->blob) : NULL,
                     .promise = p->promise != NULL ? promise_share(p->promise) : NULL,
                     .expires = p->expires,
                     .from = p->from,
                     .identity = p->identity,
                     .held = p->held_as != 0,
                     .from_stored = p->held_as != 0 && p->from_stored};
    if (t != NULL) {
        h.given = t->given;
        h.group = t->group;
        h.tried = t->tried;
        h.text_n = t->text_n;
        h.rank = t->rank;
        h.last = t->last;
    }
    struct wr w = wr_of(at, size);
    wr_bytes(&w, &h, sizeof(h));
    wr_bytes(&w, m, n * sizeof(*m));
    wr_bytes(&w, p->topic.p, p->topic.n);
    wr_bytes(&w, p->props.p, p->props.n);
    if (p->blob == NULL)
        wr_bytes(&w, p->payload.p, p->payload.n);
    assert(!w.bad);
    s->note |= p->promise == NULL ? NOTE_TAKEN : 0;
    c->used += (uint32_t)size;
    out->bytes += size + (p->blob != NULL ? p->payload.n : 0);
    s->has_mail = true;
}

bool mail_verdict(struct shard *s, unsigned to, uint64_t identity, bool kept)
{
    struct head h = {
        .size = sizeof(h), .identity = identity, .verdict = (uint8_t)(kept ? VERDICT_KEPT : VERDICT_WITHDRAWN)};
    struct outgoing *out = &s->out[to];
    struct chunk *c = chunk_for(s, out, sizeof(h));
    if (c == NULL)
        return false;
    memcpy((uint8_t *)c->data + c->used, &h, sizeof(h));
    c->used += (uint32_t)sizeof(h);
    out->bytes += sizeof(h);
    return true;
}

bool mail_push(struct shard *s)
{
    if (!s->has_mail)
        return false;
    s->has_mail = false;
    exchange_tell(s);
    for (unsigned to = 0; to < s->b->n; to++) {
        struct outgoing *out = &s->out[to];
        bool ring = false;
        if (!list_empty(&out->items))
            ring = inbox_push(&s->b->mail[s->number * s->b->n + to], &out->items, out->bytes);
        if (!list_empty(&out->home))
            ring |= inbox_push(&s->b->home[to], &out->home, 0);
        if (ring)
            s->env.ring(s->env.ctx, to);
        out->bytes = 0;
    }
    return true;
}

static void deliver_all(struct shard *s, struct pub *p, const struct match *m, uint32_t count)
{
    for (uint32_t i = 0, n; i < count; i += n) {
        for (n = 1; i + n < count && m[i + n].h == m[i].h;)
            n++;
        struct session *session = slots_get(&s->sessions, m[i].h);
        if (session != NULL)
            session_deliver(session, p, m + i, n);
    }
}

/* Gives the sessions of this shard what the record holds for them. Returns the record's size. */
static size_t take_record(struct shard *s, const uint8_t *at)
{
    struct head h;
    memcpy(&h, at, sizeof(h));
    if (h.verdict != VERDICT_NONE) {
        held_settle(s, h.identity, h.verdict == VERDICT_KEPT);
        return h.size;
    }
    const struct match *m = (const struct match *)(const void *)(at + sizeof(h));
    const uint8_t *data = (const uint8_t *)(m + h.matches);
    struct pub p = {.qos = h.qos,
                    .retain = h.retain,
                    .expires = h.expires,
                    .from = h.from,
                    .identity = h.identity,
                    .held_as = h.held ? h.identity : 0,
                    .from_stored = h.from_stored,
                    .blob = h.blob,
                    .promise = h.promise};
    s->need = 0;
    s->note = 0;
    p.topic = bytes_of(data, h.topic);
    p.props = bytes_of(data + h.topic, h.props);
    p.payload = h.blob != NULL ? bytes_of(h.blob->p, h.blob->n) : bytes_of(data + h.topic + h.props, h.payload);
    if (h.group != 0)
        share_give(s, &p, &(struct share_turn){m[0], h.given, h.group, h.tried, h.text_n, h.rank, h.last});
    else
        deliver_all(s, &p, m, h.matches);
    if (h.promise != NULL)
        promise_owe(s, h.promise);
    pub_fini(s, &p);
    return h.size;
}

static void take_from(struct shard *s, unsigned from)
{
    struct list items;
    list_init(&items);
    inbox_take(&s->b->mail[from * s->b->n + s->number], &items);
    struct list *l;
    while ((l = list_pop_front(&items)) != NULL) {
        struct chunk *c = container_of(l, struct chunk, link);
        for (uint32_t at = 0; at < c->used;)
            at += (uint32_t)take_record(s, (const uint8_t *)c->data + at);
        pool_put(&s->pool, c, c->size);
    }
    if (atomic_exchange(&s->b->mail_awaited[from * s->b->n + s->number], false))
        s->env.ring(s->env.ctx, from);
}

void mail_take(struct shard *s)
{
    for (unsigned from = 0; from < s->b->n; from++)
        if (from != s->number)
            take_from(s, from);
    promise_take(s);
}

static bool over_mark(struct shard *s, unsigned to)
{
    return s->out[to].bytes + inbox_bytes(&s->b->mail[s->number * s->b->n + to]) > MAIL_MARK;
}

bool mail_congested(struct shard *s, unsigned *to)
{
    for (unsigned i = 0; i < s->b->n; i++) {
        if (i == s->number || !over_mark(s, i))
            continue;
        /* Ask for a ring when it is taken; then look again, as it may have been taken in between. */
        atomic_store(&s->b->mail_awaited[s->number * s->b->n + i], true);
        if (over_mark(s, i)) {
            *to = i;
            return true;
        }
    }
    return false;
}

static void free_items(struct shard *s, struct list *items)
{
    struct list *l;
    while ((l = list_pop_front(items)) != NULL) {
        struct chunk *c = container_of(l, struct chunk, link);
        for (uint32_t at = 0; at < c->used;) {
            struct head h;
            memcpy(&h, (const uint8_t *)c->data + at, sizeof(h));
            blob_unref(h.blob);
            if (h.promise != NULL)
                promise_return(s, h.promise, NOTE_LOST);
            at += h.size;
        }
        pool_put(&s->pool, c, c->size);
    }
}

void mail_free_all(struct shard *s)
{
    for (unsigned i = 0; i < s->b->n; i++) {
        struct list items;
        list_init(&items);
        inbox_take(&s->b->mail[i * s->b->n + s->number], &items);
        free_items(s, &items);
        /* What this shard sent is freed here too: its receiver may be gone already. */
        inbox_take(&s->b->mail[s->number * s->b->n + i], &items);
        free_items(s, &items);
        free_items(s, &s->out[i].items);
    }
    for (unsigned i = 0; i < s->b->n; i++)
        if (!list_empty(&s->out[i].home))
            inbox_push(&s->b->home[i], &s->out[i].home, 0);
}
