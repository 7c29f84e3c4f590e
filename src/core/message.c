/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Publications in memory. Most are never kept: a QoS 0 message goes from the
 * publisher's packet straight into its subscribers' outputs. Who must keep one (a queue, an acknowledgement to wait
 * for) asks pub_message, which makes one block for all keepers of this shard.
 */
#include "core_private.h"

#include <assert.h>

static size_t block_size(size_t topic, size_t props, size_t payload)
{
    return sizeof(struct message) + topic + props + payload;
}

static struct message *message_new(struct shard *s, const struct pub *p)
{
    size_t inline_n = p->blob != NULL ? 0 : p->payload.n;
    struct message *m = pool_get(&s->pool, block_size(p->topic.n, p->props.n, inline_n));
    if (m == NULL)
        return NULL;
    m->blob = p->blob != NULL ? blob_ref(p->blob) : NULL;
    m->expires = p->expires;
    m->identity = p->identity;
    m->refs = 1;
    m->payload_n = (uint32_t)p->payload.n;
    m->props_n = (uint32_t)p->props.n;
    m->topic_n = (uint16_t)p->topic.n;
    m->qos = p->qos;
    m->retain = p->retain;
    uint8_t *to = m->data;
    bytes_copy(to, p->topic.p, p->topic.n);
    to += p->topic.n;
    if (p->props.n > 0)
        memcpy(to, p->props.p, p->props.n);
    to += p->props.n;
    if (inline_n > 0)
        memcpy(to, p->payload.p, inline_n);
    return m;
}

struct message *pub_message(struct shard *s, struct pub *p)
{
    if (p->msg == NULL)
        p->msg = message_new(s, p);
    return p->msg;
}

void pub_identify(struct shard *s, struct pub *p)
{
    if (p->identity == 0)
        p->identity = ++s->identities * s->b->n + s->number;
    if (p->msg != NULL)
        p->msg->identity = p->identity;
}

struct blob *pub_blob(struct pub *p)
{
    if (p->blob != NULL)
        return p->blob;
    p->blob = blob_new(p->payload.n);
    if (p->blob != NULL && p->payload.n > 0)
        memcpy(p->blob->p, p->payload.p, p->payload.n);
    return p->blob;
}

void pub_fini(struct shard *s, struct pub *p)
{
    if (p->msg != NULL)
        message_unref(s, p->msg);
    blob_unref(p->blob);
}

struct message *message_ref(struct message *m)
{
    m->refs++;
    return m;
}

static RARE void free_with_blob(struct shard *s, struct message *m)
{
    blob_unref(m->blob);
    pool_put(&s->pool, m, block_size(m->topic_n, m->props_n, 0));
}

void message_free(struct shard *s, struct message *m)
{
    if (m->blob != NULL)
        free_with_blob(s, m);
    else
        pool_put(&s->pool, m, block_size(m->topic_n, m->props_n, m->payload_n));
}

void message_pub(struct message *m, struct pub *p)
{
    *p = (struct pub){.topic = message_topic(m),
                      .props = message_props(m),
                      .payload = message_payload(m),
                      .qos = m->qos & 3,
                      .retain = m->retain,
                      .expires = m->expires,
                      .identity = m->identity,
                      .msg = message_ref(m),
                      .blob = m->blob != NULL ? blob_ref(m->blob) : NULL};
}
