/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The way of a message through a group of shared subscriptions. Who chooses a member goes by its hint; the member's own
 * shard finds out whether it can take the message, and passes it on where not: once round the group at most, after
 * which it is dealt with as the limits of the last one say.
 *
 *   route ──► share_pick ──► share_give ──► session_offer ──► taken
 *                               ▲  │ full or gone
 *             mail, where the   │  ▼
 *             member is not here└─ share_forward
 */
#include "core_private.h"

void share_give(struct shard *s, struct pub *p, struct share_turn *t)
{
    enum offer r;
    do {
        unsigned owner = handle_owner(t->to.h);
        if (owner != s->number) {
            if (p->awaited && p->group_stored)
                promise_make(s, p);
            mail_add(s, owner, p, &t->to, 1, t);
            return;
        }
        struct session *n = slots_get(&s->sessions, t->to.h);
        r = n != NULL ? session_offer(n, p, t) : OFFER_GONE;
        if (r == OFFER_TAKEN)
            return;
        if (share_forward(s->b->index, p->qos, r == OFFER_GONE, t))
            continue;
        t->last = true; /* there is no better one: by the limits of this one, if it is there */
        if (r == OFFER_FULL)
            r = session_offer(n, p, t);
        if (r != OFFER_TAKEN)
            count_add(&s->count.dropped, 1);
        return;
    } while (true);
}

/* Another member gets what was not sent yet, and QoS 1 that was not acknowledged [MQTT-4.8.2-4] to [MQTT-4.8.2-6]. */
void share_hand_on(struct shard *s, handle from, uint32_t group, struct message *m)
{
    struct pub p;
    struct share_turn t = {.to = {.h = from}, .group = group};
    message_pub(m, &p);
    p.from = HANDLE_NONE;
    if (share_forward(s->b->index, p.qos, true, &t))
        share_give(s, &p, &t);
    else
        count_add(&s->count.dropped, 1);
    pub_fini(s, &p);
}

static void leave_groups(struct session *n)
{
    uint32_t before = n->subs_n;
    for (uint32_t i = n->subs_n; i-- > 0;) {
        struct subscription sub = session_sub(n, i);
        if (sub.group == NULL)
            continue;
        session_forget_sub(n, i);
        index_remove_shared(n->shard->b->index, sub.group, n->h);
    }
    count_add(&n->shard->count.subscriptions, (int64_t)n->subs_n - before);
}

void share_leave(struct session *n)
{
    if (n->hint == NULL)
        return;
    leave_groups(n);
    for (uint32_t i = 0; i < n->deliveries.n; i++) {
        const struct delivery *d = ring_at(&n->deliveries, i);
        if (d->shared && d->qos > 0 && !message_held(d->msg)) /* one that is held goes when that is over */
            share_hand_on(n->shard, n->h, d->group, d->msg);
    }
}
