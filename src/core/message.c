/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Publications in memory. Most are never kept: a QoS 0 message goes from the
 * publisher's packet straight into its subscribers' outputs. Who must keep one (a queue, an acknowledgement to wait
 * for) asks pub_message, which makes one block for all keepers of this shard.
 */
#include "core_private.h"

#include <assert.h>

static struct message *message_new(struct shard *s, const struct pub *p)
{
    size_t inline_n = p->blob != NULL ? 0 : p->payload.n;
    size_t size = sizeof(struct message) + p->topic.n + p->props.n + inline_n;
    struct message *m = size <= UINT32_MAX ? pool_get(&s->pool, size) : NULL;
    if (m == NULL)
        return NULL;
    uint8_t *data = (uint8_t *)(m + 1);
    *m = (struct message){.refs = 1, .size = (uint32_t)size, .expires = p->expires, .qos = p->qos, .retain = p->retain};
    m->topic = bytes_of(memcpy(data, p->topic.p, p->topic.n), p->topic.n);
    data += p->topic.n;
    if (p->props.n > 0)
        m->props = bytes_of(memcpy(data, p->props.p, p->props.n), p->props.n);
    data += p->props.n;
    m->payload = p->payload;
    if (p->blob != NULL) {
        m->blob = blob_ref(p->blob);
        m->payload.p = p->blob->p;
    } else if (inline_n > 0) {
        m->payload.p = memcpy(data, p->payload.p, inline_n);
    }
    return m;
}

struct message *pub_message(struct shard *s, struct pub *p)
{
    if (p->msg == NULL)
        p->msg = message_new(s, p);
    return p->msg;
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

void message_unref(struct shard *s, struct message *m)
{
    assert(m->refs > 0);
    if (--m->refs > 0)
        return;
    blob_unref(m->blob);
    pool_put(&s->pool, m, m->size);
}

void message_pub(struct message *m, struct pub *p)
{
    *p = (struct pub){.topic = m->topic,
                      .props = m->props,
                      .payload = m->payload,
                      .qos = m->qos,
                      .retain = m->retain,
                      .expires = m->expires,
                      .msg = message_ref(m),
                      .blob = m->blob != NULL ? blob_ref(m->blob) : NULL};
}
