/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From a publication to the sessions that want it. Neither writes nor frees anything but the
 * publication's own references: sessions take what they are given into outputs and queues.
 */
#include "core_private.h"

#include <assert.h>

/* Under the write lock: from here on, newcomers find it by their walk, and those who are in the index get it live. */
static RARE void keep_retained(struct shard *s, struct pub *p)
{
    struct retained *r = s->b->retained;
    struct store_record record = {.kind = STORE_RETAIN,
                                  .topic = p->topic,
                                  .payload = p->payload,
                                  .props = p->props,
                                  .qos = p->qos,
                                  .expires = p->expires};
    if (p->payload.n == 0) {
        if (retained_delete(r, p->topic))
            s->need = s->store->put(s->store_ctx, s->number, &record);
        s->note |= NOTE_TAKEN;
        return;
    }
    struct blob *props = NULL;
    if (p->props.n > 0) {
        props = blob_new(p->props.n);
        if (props != NULL)
            memcpy(props->p, p->props.p, p->props.n);
    }
    struct retained_message m = {
        .topic = p->topic, .payload = pub_blob(p), .props = props, .expires = p->expires, .qos = p->qos};
    enum retained_result result = m.payload == NULL ? RETAINED_NO_MEMORY : retained_put(r, &m);
    blob_unref(props);
    if (result == RETAINED_STORED) {
        shard_expect_expiry(s, p->expires);
        s->note |= NOTE_TAKEN;
        uint64_t number = s->store->put(s->store_ctx, s->number, &record);
        if (p->qos > 0)
            s->need = number;
        return;
    }
    log_event(LOG_WARN, "retained.refused", LF_BYTES("topic", p->topic),
              LF_STR("reason", result == RETAINED_FULL ? "the limit on retained messages is reached" : "no memory"),
              LF_STR("hint",
                     "raise max_retained_messages, max_retained_bytes or max_memory in [limits], or delete what is not "
                     "needed"));
}

/* One member of each group. */
static RARE void route_shared(struct shard *s, struct pub *p, const struct matches *all)
{
    for (uint32_t i = 0; i < all->shared_n; i++) {
        struct share_turn t;
        p->group_stored = share_members_durable(all->shared[i]);
        if (share_pick(all->shared[i], p->qos, &t))
            share_give(s, p, &t);
        else
            count_add(&s->count.dropped, 1);
    }
}

static RARE const struct matches *match_retained(struct shard *s, struct pub *p)
{
    retained_write_lock(s->b->retained);
    keep_retained(s, p);
    const struct matches *all = match_cache_find(s->cache, p->topic, pub_hash(s, p));
    retained_unlock(s->b->retained);
    return all;
}

static RARE void not_routed(struct shard *s, const struct pub *p)
{
    count_add(&s->count.dropped, 1);
    s->note |= NOTE_LOST;
    log_event(LOG_ERROR, "memory.exhausted", LF_STR("what", "a message was not routed"), LF_BYTES("topic", p->topic));
}

bool route(struct shard *s, struct pub *p)
{
    const struct matches *all = p->retain ? match_retained(s, p) : match_cache_find(s->cache, p->topic, pub_hash(s, p));
    if (all == NULL) {
        not_routed(s, p);
        return false;
    }
    p->number = all->topic;
    const struct match *m = all->v;
    if (p->qos > 0 && all->n + all->shared_n > 1)
        pub_identify(s, p);
    if (p->qos == 2 && p->awaited && !exchange_make(s, p, all))
        return true;
    if (all->n + all->shared_n > 1 && p->payload.n >= SHARE_FROM)
        (void)pub_blob(p); /* without memory for it, each receiver gets a copy */
    for (uint32_t i = 0, n; i < all->n; i += n) {
        unsigned owner = handle_owner(m[i].h);
        if (owner != s->number) {
            for (n = 1; i + n < all->n && handle_owner(m[i + n].h) == owner;)
                n++;
            if (p->awaited)
                promise_for(s, p, m + i, n);
            mail_add(s, owner, p, m + i, n, NULL);
            continue;
        }
        for (n = 1; i + n < all->n && m[i + n].h == m[i].h;)
            n++;
        struct session *session = slots_get(&s->sessions, m[i].h);
        if (session != NULL)
            session_deliver(session, p, m + i, n);
    }
    if (all->shared_n > 0)
        route_shared(s, p, all);
    return all->n + all->shared_n > 0;
}
