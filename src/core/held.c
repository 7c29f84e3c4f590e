/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Deliveries of QoS 2 publications that are not true yet (exchange.c).
 *
 * Those of stored sessions stand in the queues, which makes their rows, and block the output when their turn comes
 * before the word of the publisher's shard. Other sessions get theirs with that word, and go on meanwhile: a slow disk
 * holds up nobody who keeps nothing on it.
 *
 * Here is what the word finds: by publication, the messages of this shard and who has them. One that a queue's limit
 * has dropped meanwhile is simply not there any more.
 */
#include "core_private.h"

struct held {
    struct held *next; /* of the same publication */
    uint64_t identity;
    struct message *msg;
    handle session;
    struct delivery d; /* as it is made then; or what it was made of: row is what its session gave it as, at its end */
    bool queued;
};

static bool same(const void *entry, struct bytes key)
{
    uint64_t identity;
    memcpy(&identity, key.p, sizeof(identity));
    return ((const struct held *)entry)->identity == identity;
}

static struct held *find(struct shard *s, uint64_t identity)
{
    return hmap_get(&s->held, identity, bytes_of(&identity, sizeof(identity)), same);
}

RARE bool held_add(struct session *n, const struct pub *p, struct message *m, const struct delivery *d, bool queued)
{
    struct shard *s = n->shard;
    struct held *h = mem_try_alloc(sizeof(*h)), *first = find(s, p->held_as);
    if (h == NULL)
        return false;
    *h = (struct held){.identity = p->held_as, .session = n->h, .d = *d, .queued = queued};
    if (first == NULL && !hmap_add(&s->held, p->held_as, h)) {
        mem_free(h);
        return false;
    }
    if (first != NULL) {
        h->next = first->next;
        first->next = h;
    }
    h->msg = message_ref(m);
    m->qos |= MESSAGE_HELD;
    if (p->promise->origin != s->number)
        atomic_fetch_or_explicit(&p->promise->holders, promise_holder(s->number), memory_order_relaxed);
    return true;
}

void held_leave(struct session *n, const struct delivery *d, uint64_t given)
{
    struct held *h = find(n->shard, d->msg->identity);
    while (h != NULL && (h->session != n->h || !h->queued || h->d.group != d->group))
        h = h->next;
    if (h != NULL)
        h->d.row = given;
}

/* Its session is gone. */
static void settle_left(struct shard *s, const struct held *h, bool kept)
{
    if (kept && h->d.shared)
        share_hand_on(s, h->session, h->d.group, h->msg, h->d.row);
    else if (h->d.row != 0)
        share_over(s, h->d.row);
}

static void settle_one(struct shard *s, const struct held *h, bool kept)
{
    struct session *n = slots_get(&s->sessions, h->session);
    if (n == NULL) {
        settle_left(s, h, kept);
        return;
    }
    if (kept && !h->queued)
        session_deliver_held(n, h->msg, &h->d);
    if (!kept && h->queued)
        session_withdraw(n, h->msg);
    if (n->client != NULL)
        client_wake(n->client);
}

static void free_all(struct shard *s, struct held *h)
{
    for (struct held *next; h != NULL; h = next) {
        next = h->next;
        message_unref(s, h->msg);
        mem_free(h);
    }
}

void held_settle(struct shard *s, uint64_t identity, bool kept)
{
    struct held *first = find(s, identity);
    if (first == NULL)
        return;
    hmap_remove(&s->held, identity, first);
    for (struct held *h = first; h != NULL; h = h->next)
        h->msg->qos &= (uint8_t)~MESSAGE_HELD;
    for (const struct held *h = first; h != NULL; h = h->next)
        settle_one(s, h, kept);
    free_all(s, first);
}

void held_fini(struct shard *s)
{
    size_t pos = 0;
    struct held *h;
    while ((h = hmap_next(&s->held, &pos)) != NULL)
        free_all(s, h);
    hmap_fini(&s->held);
}
