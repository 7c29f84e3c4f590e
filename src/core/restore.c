/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sessions and retained messages as they were stored. Nothing of it is put to the store again, and no limit of a
 * session is applied: it was within them when it was stored. Messages that several sessions of a shard have are made
 * once. What was on its way from one member of a group to another when the broker ended goes on that way.
 */
#include "sotto/core/restore.h"

#include "core_private.h"
#include "sotto/codec/plain.h"

#include <assert.h>

/*
 * A group that rows name and that has no member yet: their session has left it, and other members are still to come.
 * Its rows bear this number meanwhile.
 */
struct late {
    uint32_t number;
    uint32_t text_n;
    uint8_t text[];
};

/* A message that more rows may come for, by its number. */
struct shared {
    uint64_t number;
    struct message *m;
};

struct restore {
    struct broker *b;
    struct shard *const *shards;
    msec now;
    struct session *session;  /* in hand */
    bool ids_behind;          /* its next packet id follows those in flight */
    struct hmap *shared;      /* [shard] number -> struct shared */
    struct hmap late;         /* text -> struct late */
    struct ring late_numbers; /* by number, from 1 on: struct late * */
    struct ring late_handles; /* the sessions with such rows */
};

struct restore *restore_new(struct broker *b, struct shard *const *shards, msec now)
{
    struct restore *r = mem_alloc(sizeof(*r));
    *r = (struct restore){.b = b, .shards = shards, .now = now};
    hmap_init(&r->late);
    ring_init(&r->late_numbers, sizeof(struct late *));
    ring_init(&r->late_handles, sizeof(handle));
    r->shared = mem_alloc(b->n * sizeof(*r->shared));
    for (unsigned i = 0; i < b->n; i++) {
        hmap_init(&r->shared[i]);
        shards[i]->now = now;
    }
    return r;
}

void restore_free(struct restore *r)
{
    if (r == NULL)
        return;
    for (unsigned i = 0; i < r->b->n; i++) {
        size_t pos = 0;
        struct shared *s;
        while ((s = hmap_next(&r->shared[i], &pos)) != NULL) {
            message_unref(r->shards[i], s->m);
            mem_free(s);
        }
        hmap_fini(&r->shared[i]);
    }
    for (uint32_t i = 0; i < r->late_numbers.n; i++)
        mem_free(*(struct late **)ring_at(&r->late_numbers, i));
    ring_fini(&r->late_numbers);
    ring_fini(&r->late_handles);
    hmap_fini(&r->late);
    mem_free(r->shared);
    mem_free(r);
}

bool restore_message_valid(struct bytes topic, struct bytes props, uint8_t qos)
{
    bool named = topic.n <= UINT16_MAX && (name_is_plain(topic) || (utf8_valid(topic) && topic_name_valid(topic)));
    return named && qos <= 2 && (props.n == 0 || props_may_pass(props));
}

/* ---------------------------------------------------------------- sessions */

static struct client_will *make_will(const struct restore_session *s)
{
    struct client_will *w = mem_try_alloc(sizeof(*w) + s->topic.n + s->props.n + s->payload.n);
    if (w == NULL)
        return NULL;
    uint8_t *at = (uint8_t *)(w + 1);
    struct wr out = wr_of(at, s->topic.n + s->props.n + s->payload.n);
    wr_bytes(&out, s->topic.p, s->topic.n);
    wr_bytes(&out, s->props.p, s->props.n);
    wr_bytes(&out, s->payload.p, s->payload.n);
    w->topic = bytes_of(at, s->topic.n);
    w->props = bytes_of(at + s->topic.n, s->props.n);
    w->payload = bytes_of(at + s->topic.n + s->props.n, s->payload.n);
    w->qos = s->qos;
    w->retain = s->retain;
    w->has_expiry = s->will_expiry != UINT32_MAX;
    w->expiry = w->has_expiry ? s->will_expiry : 0;
    w->timer.tag = TIMER_WILL;
    return w;
}

handle restore_session(struct restore *r, const struct restore_session *s)
{
    struct shard *shard = r->shards[hash_bytes(&r->b->key, s->client_id) % r->b->n];
    r->session = NULL;
    if (session_find(shard, s->client_id) != NULL)
        return HANDLE_NONE;
    struct client_will *will = s->has_will ? make_will(s) : NULL;
    struct session *n = !s->has_will || will != NULL ? session_new(shard, s->client_id, s->rights) : NULL;
    if (n == NULL) {
        will_free(will);
        return HANDLE_NONE;
    }
    /* One that was to end with its connection is still stored, and ends at once. */
    n->ends = s->expiry == 0;
    n->expiry = n->ends ? 1 : s->expiry;
    heap_set(&shard->timers, &n->timer, s->expires);
    n->settled = !n->ends && will == NULL;
    n->will = will;
    if (will != NULL) {
        will->session = n;
        heap_set(&shard->timers, &will->timer, s->will_due);
    }
    r->session = n;
    r->ids_behind = s->first_id == 0;
    if (!r->ids_behind)
        n->next_id = s->first_id;
    return n->h;
}

bool restore_filter(struct restore *r, struct bytes filter, const struct sub_options *options)
{
    struct session *n = r->session;
    struct index *x = r->b->index;
    struct subscription sub = {0};
    struct share share = {0};
    struct sub_options o = *options;
    enum index_result entered;
    o.durable = true;
    if (o.qos > 2 || !utf8_valid(filter) || !filter_valid(filter) || share_parse(filter, &share) < 0)
        return false;
    if (share.group.n > 0) {
        if (n->hint == NULL)
            n->hint = share_hint_new();
        if (n->hint == NULL)
            return false;
        entered = index_add_shared(x, share.group, share.filter, n->h, o, n->hint, &sub.group);
    } else {
        entered = index_add(x, filter, n->h, o, &sub.node);
    }
    if (entered != INDEX_NEW || session_add_sub(n, sub))
        return entered != INDEX_NO_MEMORY;
    if (sub.node != NULL)
        index_remove(x, sub.node, n->h);
    else
        index_remove_shared(x, sub.group, n->h);
    return false;
}

bool restore_received(struct restore *r, uint16_t packet_id)
{
    return packet_id != 0 && id_set_add(&r->session->received, packet_id);
}

/* ---------------------------------------------------------------- messages */

static bool same_number(const void *entry, struct bytes key)
{
    uint64_t number;
    memcpy(&number, key.p, sizeof(number));
    return ((const struct shared *)entry)->number == number;
}

/* Keeps a reference for the rows of the same message that are to come. Without memory for that, they get copies. */
static void remember(struct restore *r, struct shard *s, uint64_t number, struct message *m)
{
    struct shared *entry = mem_try_alloc(sizeof(*entry));
    if (entry == NULL)
        return;
    *entry = (struct shared){.number = number, .m = m};
    if (hmap_add(&r->shared[s->number], number, entry))
        message_ref(m);
    else
        mem_free(entry);
}

static struct pub pub_of(const struct restore_row *row)
{
    return (struct pub){.topic = row->topic,
                        .props = row->props,
                        .payload = row->payload,
                        .qos = row->qos,
                        .retain = row->retain,
                        .expires = row->expires};
}

/* A reference to the row's message; NULL without memory. */
static struct message *message_of(struct restore *r, struct shard *s, const struct restore_row *row)
{
    struct bytes key = bytes_of(&row->message, sizeof(row->message));
    struct shared *known = row->shared ? hmap_get(&r->shared[s->number], row->message, key, same_number) : NULL;
    if (known != NULL)
        return message_ref(known->m);
    struct pub p = pub_of(row);
    struct message *m = pub_message(s, &p);
    if (m != NULL && row->shared)
        remember(r, s, row->message, m);
    return m;
}

/* ---------------------------------------------------------------- groups */

static uint32_t group_number(const struct restore *r, struct bytes text)
{
    struct share share;
    return share_parse(text, &share) > 0 ? index_share_number(r->b->index, share.group, share.filter) : 0;
}

static bool same_text(const void *entry, struct bytes key)
{
    const struct late *l = entry;
    return bytes_equal(bytes_of(l->text, l->text_n), key);
}

/* NULL without memory. */
static struct late *late_group(struct restore *r, struct bytes text)
{
    uint64_t hash = hash_bytes(&r->b->key, text);
    struct late *l = hmap_get(&r->late, hash, text, same_text);
    struct late **place = l == NULL ? ring_push_back(&r->late_numbers) : NULL;
    if (place == NULL)
        return l;
    l = mem_try_alloc(sizeof(*l) + text.n);
    *place = l;
    if (l == NULL || !hmap_add(&r->late, hash, l)) {
        mem_free(l);
        ring_remove(&r->late_numbers, r->late_numbers.n - 1);
        return NULL;
    }
    l->number = r->late_numbers.n;
    l->text_n = (uint32_t)text.n;
    memcpy(l->text, text.p, text.n);
    return l;
}

/* Rows of this session bear numbers of late groups. */
static bool note_late(struct restore *r)
{
    uint32_t n = r->late_handles.n;
    if (n > 0 && *(handle *)ring_at(&r->late_handles, n - 1) == r->session->h)
        return true;
    handle *h = ring_push_back(&r->late_handles);
    if (h != NULL)
        *h = r->session->h;
    return h != NULL;
}

/* d came through that group. Without memory it stays with its session. */
static void join_group(struct restore *r, struct delivery *d, struct bytes text)
{
    struct session *n = r->session;
    if (n->hint == NULL)
        n->hint = share_hint_new();
    if (n->hint == NULL)
        return;
    d->group = group_number(r, text);
    d->text_n = (uint16_t)text.n;
    d->shared = d->group != 0;
    if (d->shared)
        return;
    const struct late *l = late_group(r, text);
    if (l == NULL || !note_late(r))
        return;
    d->group = l->number;
    d->shared = d->late = true;
}

static void settle_late(const struct restore *r, struct session *n)
{
    for (uint32_t i = 0; i < n->deliveries.n; i++) {
        struct delivery *d = ring_at(&n->deliveries, i);
        if (!d->late)
            continue;
        const struct late *l = *(struct late **)ring_at(&r->late_numbers, d->group - 1);
        d->group = group_number(r, bytes_of(l->text, l->text_n)); /* 0: nobody is in it any more */
        d->late = false;
    }
}

void restore_sessions_over(struct restore *r)
{
    while (r->late_handles.n > 0) {
        handle h = *(handle *)ring_at(&r->late_handles, 0);
        struct session *n = slots_get(&r->shards[handle_owner(h)]->sessions, h);
        ring_pop_front(&r->late_handles);
        if (n != NULL)
            settle_late(r, n);
    }
}

void restore_given(struct restore *r, const struct restore_row *row)
{
    struct share_members *members = index_share(r->b->index, group_number(r, row->share));
    struct share_turn t = {0};
    struct pub p = pub_of(row);
    for (unsigned i = 0; i < r->b->n; i++)
        if (r->shards[i]->given <= row->row / r->b->n)
            r->shards[i]->given = row->row / r->b->n + 1;
    if (members != NULL && share_pick(members, p.qos, &t)) {
        struct shard *s = r->shards[handle_owner(t.to.h)];
        t.given = row->row;
        share_give(s, &p, &t);
        pub_fini(s, &p);
    } else {
        count_add(&r->shards[0]->count.dropped, 1);
        share_over(r->shards[0], row->row);
    }
    share_members_unref(members);
}

/* Those in flight stand in front of those that wait, each in the order of their rows. */
static void move_forward(struct session *n)
{
    for (uint32_t i = n->deliveries.n - 1; i > n->inflight; i--) {
        struct delivery *a = ring_at(&n->deliveries, i - 1), *b = ring_at(&n->deliveries, i), t = *a;
        *a = *b;
        *b = t;
    }
    n->inflight++;
}

bool restore_row(struct restore *r, const struct restore_row *row)
{
    struct session *n = r->session;
    bool in_flight = row->packet_id != 0, released = in_flight && row->released;
    uint32_t i;
    if (row->qos == 0 || row->qos > 2 || row->topic.n == 0 || row->topic.n > UINT16_MAX)
        return false;
    if (in_flight && session_inflight(n, row->packet_id, &i) != NULL)
        return false;
    struct message *m = released ? NULL : message_of(r, n->shard, row);
    struct delivery *d = released || m != NULL ? ring_push_back(&n->deliveries) : NULL;
    if (d == NULL) {
        if (m != NULL)
            message_unref(n->shard, m);
        return false;
    }
    *d = (struct delivery){.msg = m,
                           .row = row->row,
                           .sub_id = row->sub_id,
                           .id = row->packet_id,
                           .qos = row->qos,
                           .retain = row->retain,
                           .sent = in_flight,
                           .released = released};
    if (row->share.n > 0 && !(in_flight && row->qos == 2)) /* QoS 2 stays with whom it was sent to */
        join_group(r, d, row->share);
    size_t size = m != NULL ? (size_t)m->topic_n + m->props_n + m->payload_n : 0;
    size += d->shared ? d->text_n : 0u;
    if (n->next_row <= row->row)
        n->next_row = row->row + 1;
    if (in_flight) {
        n->inflight_bytes += size;
        if (r->ids_behind)
            n->next_id = row->packet_id == UINT16_MAX ? 1 : (uint16_t)(row->packet_id + 1);
        n->ids_free = 0; /* to be found out */
        move_forward(n);
    } else {
        n->queued++;
        n->queue_bytes += size;
    }
    return true;
}

void restore_session_over(struct restore *r)
{
    session_show(r->session);
    r->session = NULL;
}

/* ---------------------------------------------------------------- retained */

enum restore_result restore_retained(struct restore *r, struct bytes topic, struct bytes props, struct bytes payload,
                                     uint8_t qos, msec expires)
{
    assert(payload.n > 0);
    struct retained_message m = {.topic = topic, .payload = blob_new(payload.n), .expires = expires, .qos = qos};
    if (m.payload == NULL)
        return RESTORE_NO_MEMORY;
    memcpy(m.payload->p, payload.p, payload.n);
    if (props.n > 0 && (m.props = blob_new(props.n)) != NULL)
        memcpy(m.props->p, props.p, props.n);
    enum retained_result put = RETAINED_NO_MEMORY;
    if (props.n == 0 || m.props != NULL) {
        retained_write_lock(r->b->retained);
        put = retained_put(r->b->retained, &m);
        retained_unlock(r->b->retained);
    }
    blob_unref(m.payload);
    blob_unref(m.props);
    if (put == RETAINED_STORED)
        shard_expect_expiry(r->shards[0], expires);
    return put == RETAINED_STORED ? RESTORED : put == RETAINED_FULL ? RESTORE_FULL : RESTORE_NO_MEMORY;
}
