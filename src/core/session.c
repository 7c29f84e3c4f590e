/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What outlives a connection: subscriptions, messages in flight and waiting, ids of QoS 2 messages on their way in. A
 * session is owned by the shard that its client id hashes to, for all its life.
 */
#include "core_private.h"

#include <assert.h>

static bool same_id(const void *entry, struct bytes key)
{
    return bytes_equal(session_id(entry), key);
}

struct session *session_find(struct shard *s, struct bytes id)
{
    return hmap_get(&s->by_id, hash_bytes(&s->b->key, id), id, same_id);
}

struct session *session_new(struct shard *s, struct bytes id, struct rights *rights)
{
    size_t size = offsetof(struct session, id) + id.n; /* the id begins in what would be padding */
    struct session *n = mem_try_alloc(size > sizeof(*n) ? size : sizeof(*n));
    if (n == NULL)
        return NULL;
    n->shard = s;
    n->id_n = (uint16_t)id.n;
    if (id.n > 0)
        memcpy(n->id, id.p, id.n);
    ring_init(&n->deliveries, sizeof(struct delivery));
    n->timer.tag = TIMER_SESSION;
    n->next_id = 1;
    n->ids_free = UINT16_MAX;
    n->next_row = 1;
    n->window = shard_window(s);
    n->h = slots_add(&s->sessions, n);
    if (n->h == HANDLE_NONE || !hmap_add(&s->by_id, hash_bytes(&s->b->key, id), n)) {
        if (n->h != HANDLE_NONE)
            slots_remove(&s->sessions, n->h);
        mem_free(n);
        return NULL;
    }
    n->rights = rights_ref(rights);
    count_add(&s->count.sessions, 1);
    return n;
}

void session_show_now(struct session *n)
{
    unsigned flags = session_takes(n);
    flags |= n->client != NULL && n->client->state == CLIENT_UP ? SHARE_ONLINE : 0;
    flags |= session_durable(n) && !n->ends ? SHARE_DURABLE : 0;
    share_hint_set(n->hint, flags);
}

void session_end(struct session *n)
{
    will_due(n);
    share_leave(n);
    if (session_durable(n))
        session_store(n, &(struct store_record){.kind = STORE_SESSION_END});
    session_free(n);
}

static void remove_from_index(const struct session *n, struct subscription sub)
{
    if (sub.node != NULL)
        index_remove(n->shard->b->index, sub.node, n->h);
    else
        index_remove_shared(n->shard->b->index, sub.group, n->h);
}

void session_free(struct session *n)
{
    struct shard *s = n->shard;
    assert(n->client == NULL);
    for (uint32_t i = 0; i < n->subs_n; i++)
        remove_from_index(n, session_sub(n, i));
    share_hint_unref(n->hint);
    count_add(&s->count.subscriptions, -(int64_t)n->subs_n);
    if (n->subs_n > 1)
        mem_free(n->subs.many);
    will_cancel(n);
    session_clear_queues(n);
    id_set_fini(&n->received);
    heap_cancel(&s->timers, &n->timer);
    hmap_remove(&s->by_id, hash_bytes(&s->b->key, session_id(n)), n);
    slots_remove(&s->sessions, n->h);
    rights_unref(n->rights);
    count_add(&s->count.sessions, -1);
    mem_free(n);
}

void session_store_away(struct session *n)
{
    const struct client_will *w = n->will;
    struct store_record r = {
        .kind = STORE_SESSION, .expiry = n->expiry, .expires = n->timer.due, .user = rights_user(n->rights)};
    if (w != NULL) {
        msec now = n->shard->now;
        r.has_will = true;
        r.topic = w->topic;
        r.props = w->props;
        r.payload = w->payload;
        r.qos = w->qos;
        r.retain = w->retain;
        r.will_delay = w->timer.due > now ? (uint32_t)((w->timer.due - now + 999) / 1000) : 0;
        r.will_expiry = w->has_expiry ? w->expiry : UINT32_MAX;
    }
    session_store(n, &r);
}

void session_detach(struct session *n)
{
    /* For the store a connection that a stop ends is one that was lost at the next start, and its will due then. */
    bool stop = n->client != NULL && n->client->end_reason == REASON_SERVER_SHUTTING_DOWN;
    n->client = NULL;
    ring_trim(&n->deliveries);
    if (!session_durable(n) || n->ends) {
        session_end(n);
        return;
    }
    session_show(n);
    heap_set(&n->shard->timers, &n->timer, n->shard->now + (msec)n->expiry * 1000);
    if (!stop)
        session_store_away(n);
}

static uint32_t filter_units(struct bytes filter)
{
    return (uint32_t)((filter.n + FILTER_UNIT - 1) / FILTER_UNIT + topic_levels(filter));
}

static uint32_t subscription_units(struct subscription sub)
{
    return sub.node != NULL ? filter_units(index_node_filter(sub.node))
                            : filter_units(share_filter(sub.group)) + (uint32_t)(share_name(sub.group).n / FILTER_UNIT);
}

bool session_may_add_sub(const struct session *n, struct bytes filter)
{
    uint64_t max = n->shard->b->limits.max_subscriptions;
    uint64_t most = max * FILTER_UNITS + FILTERS_BESIDE;
    return n->subs_n < max && (uint64_t)n->subs_units + filter_units(filter) <= (most < UINT32_MAX ? most : UINT32_MAX);
}

static sub_ref ref_of(struct subscription sub)
{
    return sub.node != NULL ? (sub_ref)sub.node : (sub_ref)sub.group | SUB_SHARED;
}

static sub_ref *refs(struct session *n)
{
    return n->subs_n > 1 ? n->subs.many : &n->subs.one;
}

struct subscription session_sub(const struct session *n, uint32_t i)
{
    assert(i < n->subs_n);
    sub_ref r = n->subs_n > 1 ? n->subs.many[i] : n->subs.one;
    return (r & SUB_SHARED) != 0 ? (struct subscription){.group = (struct share_group *)(r & ~SUB_SHARED)}
                                 : (struct subscription){.node = (struct index_node *)r};
}

/* Room for another one beside subs_n > 0 of them. */
static bool more_room(struct session *n)
{
    uint32_t k = n->subs_n;
    if ((k & (k - 1)) != 0)
        return true;
    sub_ref *v = mem_try_realloc(k > 1 ? n->subs.many : NULL, (size_t)k * 2 * sizeof(*v));
    if (v == NULL)
        return false;
    if (k == 1)
        v[0] = n->subs.one;
    n->subs.many = v;
    return true;
}

bool session_add_sub(struct session *n, struct subscription sub)
{
    uint32_t units = subscription_units(sub);
    if (units > UINT32_MAX - n->subs_units || (n->subs_n > 0 && !more_room(n)))
        return false;
    n->subs_n++;
    refs(n)[n->subs_n - 1] = ref_of(sub);
    n->subs_units += units;
    count_add(&n->shard->count.subscriptions, 1);
    return true;
}

void session_forget_sub(struct session *n, uint32_t i)
{
    n->subs_units -= subscription_units(session_sub(n, i));
    sub_ref *v = refs(n);
    v[i] = v[n->subs_n - 1];
    if (--n->subs_n != 1)
        return;
    n->subs.one = v[0];
    mem_free(v);
}

void session_drop_sub(struct session *n, struct subscription sub)
{
    sub_ref wanted = ref_of(sub), *v = refs(n);
    uint32_t i = 0;
    while (i < n->subs_n && v[i] != wanted)
        i++;
    assert(i < n->subs_n);
    session_forget_sub(n, i);
    count_add(&n->shard->count.subscriptions, -1);
}

/* How many ids from next_id on are surely free: the distance to the nearest one in use. */
static uint16_t free_run(const struct session *n)
{
    uint32_t best = UINT16_MAX;
    for (uint32_t i = 0; i < n->inflight; i++) {
        const struct delivery *d = ring_at(&n->deliveries, i);
        if (d->id == 0) /* the one that the id is for */
            continue;
        uint32_t distance = d->id >= n->next_id ? (uint32_t)(d->id - n->next_id)
                                                : (uint32_t)(UINT16_MAX - n->next_id + d->id); /* 0 is no id */
        if (distance < best)
            best = distance;
    }
    return (uint16_t)best;
}

/* Goes on to an id that is free. */
static RARE void find_free_ids(struct session *n)
{
    while (n->ids_free == 0) {
        n->ids_free = free_run(n);
        if (n->ids_free == 0)
            n->next_id = n->next_id == UINT16_MAX ? 1 : (uint16_t)(n->next_id + 1);
    }
}

uint16_t session_take_id(struct session *n)
{
    if (n->ids_free == 0)
        find_free_ids(n);
    uint16_t id = n->next_id;
    n->ids_free--;
    n->next_id = id == UINT16_MAX ? 1 : (uint16_t)(id + 1);
    return id;
}

uint64_t session_store(struct session *n, struct store_record *r)
{
    struct shard *s = n->shard;
    assert(session_durable(n));
    r->session = n->h;
    r->client_id = session_id(n);
    uint64_t number = s->store->put(s->store_ctx, s->number, r);
    if (number > s->need)
        s->need = number;
    return number;
}
