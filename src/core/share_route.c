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
 *
 * When a session ends, what it has goes on to another member. Where it is stored, the store has it the whole time: in
 * the commit that ends the session the row becomes nobody's and gets a number (STORE_GIVE), which the message carries
 * on its way; whoever gets it takes that row over (STORE_TAKE), or names it when the message is done with, if its own
 * session is not stored. What a crash finds as nobody's is given to a member at the start.
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
        if (r == OFFER_TAKEN)
            return;
        count_add(&s->count.dropped, 1);
        if (t->given != 0)
            share_over(s, t->given);
        return;
    } while (true);
}

/* Another member gets what was not sent yet, and QoS 1 that was not acknowledged [MQTT-4.8.2-4] to [MQTT-4.8.2-6]. */
void share_hand_on(struct shard *s, handle from, uint32_t group, struct message *m, uint64_t given)
{
    struct pub p;
    struct share_turn t = {.to = {.h = from}, .group = group, .given = given};
    message_pub(m, &p);
    p.from = HANDLE_NONE;
    if (share_forward(s->b->index, p.qos, true, &t)) {
        share_give(s, &p, &t);
    } else {
        count_add(&s->count.dropped, 1);
        if (given != 0)
            share_over(s, given);
    }
    pub_fini(s, &p);
}

uint64_t share_over(struct shard *s, uint64_t given)
{
    uint64_t number = s->store->put(s->store_ctx, s->number, &(struct store_record){.kind = STORE_DONE, .row = given});
    if (number > s->need)
        s->need = number;
    return number;
}

/* The session lets go of d, which the store keeps: the number that it has there meanwhile; 0: it is not stored. */
static uint64_t give_away(struct session *n, const struct delivery *d)
{
    struct shard *s = n->shard;
    if (d->row == 0 || d->given)
        return d->row;
    uint64_t given = ++s->given * s->b->n + s->number;
    session_store(n, &(struct store_record){.kind = STORE_GIVE, .row = d->row, .given = given});
    return given;
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
        if (!d->shared || d->qos == 0)
            continue;
        uint64_t given = give_away(n, d);
        if (message_held(d->msg)) /* it goes when that is over */
            held_leave(n, d, given);
        else
            share_hand_on(n->shard, n->h, d->group, d->msg, given);
    }
}
