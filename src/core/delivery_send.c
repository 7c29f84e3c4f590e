/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A delivery becomes a PUBLISH in its client's output: from a kept message, or from the packet that it came in. */
#include "delivery_private.h"

/* A packet that goes out with another alias lies in one piece, so what is left of a chunk of output may stay unused. */
#define ALIAS_RAW_MAX 512u

static void say_expiry(struct publish_out *o, msec expires, msec now)
{
    o->has_expiry = expires != MSEC_NEVER;
    o->expiry = o->has_expiry ? expiry_left(expires, now) : 0;
}

static bool has_aliases(const struct client *c)
{
    return c->v5 != NULL && c->v5->alias_out != NULL;
}

/* With all that 5.0 can say, and of any size. */
static RARE enum publish_result send_general(struct session *n, const struct delivery *d)
{
    const struct message *m = d->msg;
    const struct client *c = n->client;
    struct alias_choice by = {0};
    if (has_aliases(c) && d->qos < 2) /* mqtt.js 4 forgets the topic of a QoS 2 message until PUBREL */
        by = alias_out_choose(c->v5->alias_out, message_topic(m), hash_bytes(&n->shard->b->key, message_topic(m)), 0);
    struct publish_out o;
    o.topic = message_topic(m);
    o.forward = message_props(m);
    o.payload_n = m->payload_n;
    o.sub_id = d->sub_id;
    o.alias = by.alias;
    o.alias_known = by.known;
    o.id = d->id;
    o.qos = d->qos;
    o.retain = d->retain;
    o.dup = d->sent && d->qos > 0;
    say_expiry(&o, m->expires, n->shard->now);
    return client_publish(n->client, &o, message_payload(m).p, m->blob);
}

enum publish_result delivery_send(struct session *n, const struct delivery *d)
{
    const struct message *m = d->msg;
    struct client *c = n->client;
    size_t bound = PUBLISH_OUT_FIXED + m->topic_n + m->payload_n;
    if (c->v5 != NULL || m->blob != NULL || bound > outq_room(&c->out))
        return send_general(n, d);
    unsigned flags = (unsigned)d->qos << 1 | d->retain | (d->sent && d->qos > 0 ? 8u : 0);
    size_t size = publish_out3(message_topic(m), message_payload(m), flags, d->id, outq_end(c->out.last));
    outq_commit(&c->out, size);
    count_add(&n->shard->count.bytes_out, (int64_t)size);
    count_add(&n->shard->count.sent, 1);
    client_wake(c);
    return PUBLISH_SENT;
}

/* Sends p at QoS 0 in a packet of its own. */
static RARE void send_anew(struct session *n, const struct pub *p, const struct delivery *d, struct alias_choice by)
{
    struct publish_out o;
    o.topic = p->topic;
    o.forward = p->props;
    o.payload_n = p->payload.n;
    o.sub_id = d->sub_id;
    o.alias = by.alias;
    o.alias_known = by.known;
    o.id = 0;
    o.qos = 0;
    o.retain = d->retain;
    o.dup = false;
    say_expiry(&o, p->expires, n->shard->now);
    client_publish(n->client, &o, p->payload.p, p->blob);
}

/* The form that a packet must have to go out as it came in to a client which knows its topic so. */
static enum raw_form form_for(const struct client *c, struct alias_choice by)
{
    if (c->v5 == NULL)
        return RAW_3;
    return by.alias == 0 ? RAW_5 : by.known ? RAW_ALIAS : RAW_NONE;
}

/* Sends p in the turn of its arrival, at QoS 0: from the publisher's packet into the output. */
void delivery_send_view(struct session *n, struct pub *p, const struct delivery *d)
{
    struct client *c = n->client;
    struct alias_choice by = {0};
    n->shard->note |= NOTE_TAKEN;
    if (has_aliases(c))
        by = alias_out_choose(c->v5->alias_out, p->topic, pub_hash(n->shard, p), p->number);
    enum raw_form form = p->raw_form;
    if (form == RAW_NONE || form != form_for(c, by) || d->sub_id > 0 || client_too_large(c, p->raw.n) ||
        (form == RAW_ALIAS && p->raw.n > ALIAS_RAW_MAX)) {
        send_anew(n, p, d, by);
        return;
    }
    if (form == RAW_ALIAS)
        client_append_alias(c, p->raw, p->raw.n - p->payload.n - 2, by.alias);
    else
        client_append(c, p->raw.p, p->raw.n);
    count_add(&c->shard->count.sent, 1);
    client_wake(c);
}
