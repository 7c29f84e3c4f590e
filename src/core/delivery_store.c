/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the store is told of a delivery: when it comes, when it has been sent, and when it is over. */
#include "delivery_private.h"

/* It was another session's, and is in the store. */
static RARE void store_taken(struct session *n, struct delivery *d)
{
    uint64_t given = d->row;
    d->row = n->next_row++;
    d->given = false;
    session_store(n, &(struct store_record){.kind = STORE_TAKE,
                                            .row = d->row,
                                            .given = given,
                                            .qos = d->qos,
                                            .retain = d->retain,
                                            .sub_id = d->sub_id});
}

/* A row of an exchange that is stored counts with the publisher's packet id. */
void delivery_store(struct session *n, struct delivery *d, const struct pub *p)
{
    if (d->given) {
        store_taken(n, d);
        return;
    }
    struct share_members *group = d->shared ? index_share(n->shard->b->index, d->group) : NULL;
    d->row = n->next_row++;
    session_store(n, &(struct store_record){.kind = STORE_QUEUE,
                                            .row = d->row,
                                            .message = d->msg->identity,
                                            .held = p->held_as != 0 && p->from_stored ? p->held_as : 0,
                                            .qos = d->qos,
                                            .retain = d->retain,
                                            .sub_id = d->sub_id,
                                            .topic = message_topic(d->msg),
                                            .props = message_props(d->msg),
                                            .payload = message_payload(d->msg),
                                            .share = group != NULL ? share_text(group) : (struct bytes){NULL, 0},
                                            .expires = d->msg->expires});
    share_members_unref(group);
}

/* The session is not stored, but the message is, as given: QoS 1 until it is acknowledged, QoS 2 until it is sent,
 * since it may not be sent to anybody else then. */
static RARE void sent_given(struct session *n, struct delivery *d)
{
    if (d->qos != 2)
        return;
    d->need = share_over(n->shard, d->row);
    d->row = 0;
    d->given = false;
}

void delivery_store_sent(struct session *n, struct delivery *d)
{
    if (d->given) {
        sent_given(n, d);
        return;
    }
    uint64_t number =
        session_store(n, &(struct store_record){.kind = STORE_SENT, .row = d->row, .packet_id = d->id, .qos = d->qos});
    if (d->qos == 2)
        d->need = number;
}

void delivery_store_over(struct session *n, const struct delivery *d)
{
    if (d->given)
        share_over(n->shard, d->row);
    else
        session_store(n, &(struct store_record){.kind = STORE_DONE, .row = d->row});
}
