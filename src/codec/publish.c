/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * PUBLISH in and out: the path of every message, so it is apart from the other packets and goes straight.
 */
#include "codec_internal.h"

#include "sotto/base/rare.h"
#include "sotto/codec/topic.h"

/* A topic name that name_is_plain does not speak for. */
static enum reason check_topic(const struct packet_publish *p, enum proto proto)
{
    if (p->topic.n == 0 && proto == PROTO_5)
        return props_has(&p->props, PROP_TOPIC_ALIAS) ? REASON_SUCCESS : REASON_PROTOCOL_ERROR;
    if (p->topic.n == 0 || !utf8_valid(p->topic))
        return REASON_MALFORMED_PACKET;
    return topic_name_valid(p->topic) ? REASON_SUCCESS : REASON_TOPIC_NAME_INVALID;
}

/* What 5.0 has behind the packet id. */
static enum reason decode_rest5(struct rd *r, struct packet_publish *p)
{
    enum reason why = props_decode(r, PACKET_PUBLISH, &p->props);
    p->payload = bytes_of(r->p, (size_t)(r->end - r->p));
    if (why != REASON_SUCCESS || name_is_plain(p->topic))
        return why;
    return check_topic(p, PROTO_5);
}

enum reason publish_decode(const struct frame *f, enum proto proto, struct packet_publish *p)
{
    struct rd r = rd_of(f->body);
    struct bytes topic = rd_lp(&r);

    p->retain = (f->flags & 1) != 0;
    p->qos = f->flags >> 1 & 3;
    p->dup = (f->flags & 8) != 0;
    p->id = p->qos > 0 ? rd_u16(&r) : 0;
    if (r.bad)
        return REASON_MALFORMED_PACKET;
    if (p->qos > 0 && p->id == 0)
        return broken_rule(proto);
    p->topic = topic;
    p->payload = bytes_of(r.p, (size_t)(r.end - r.p));
    props_none(&p->props);
    if (proto == PROTO_5)
        return decode_rest5(&r, p);
    return name_is_plain(topic) ? REASON_SUCCESS : check_topic(p, proto);
}

static size_t out_props_size(const struct publish_out *p)
{
    size_t n = p->forward.n;
    n += p->has_expiry ? 5 : 0;
    n += p->alias > 0 ? 3 : 0;
    return n + (p->sub_id > 0 ? 1 + varint_size(p->sub_id) : 0);
}

static uint8_t *put_varint(uint8_t *at, uint32_t v)
{
    for (; v > 0x7f; v >>= 7)
        *at++ = (uint8_t)(v | 0x80);
    *at++ = (uint8_t)v;
    return at;
}

static uint8_t *put_bytes(uint8_t *at, struct bytes b)
{
    bytes_copy(at, b.p, b.n);
    return at + b.n;
}

static uint8_t *put_u16(uint8_t *at, unsigned v)
{
    *at++ = (uint8_t)(v >> 8);
    *at++ = (uint8_t)v;
    return at;
}

/* What every PUBLISH begins with; behind it stand, in 5.0, the properties. */
static inline uint8_t *put_start(uint8_t *at, unsigned flags, size_t remaining, struct bytes topic, uint16_t id)
{
    *at++ = (uint8_t)(PACKET_PUBLISH << 4 | flags);
    at = put_varint(at, (uint32_t)remaining);
    at = put_bytes(put_u16(at, (unsigned)topic.n), topic);
    return (flags & 6) != 0 ? put_u16(at, id) : at;
}

size_t publish_encode(const struct packet_publish *p, enum proto proto, uint8_t *out, size_t cap)
{
    struct sink props = {0};
    size_t remaining = 2 + p->topic.n + (p->qos > 0 ? 2 : 0);

    if (proto == PROTO_5) {
        sink_props_items(&props, &p->props, PACKET_PUBLISH);
        if (props.bad || props.n > VARINT_MAX)
            return 0;
        remaining += varint_size((uint32_t)props.n) + props.n;
    }
    if (p->topic.n > UINT16_MAX || p->payload.n > VARINT_MAX || remaining + p->payload.n > VARINT_MAX)
        return 0;
    remaining += p->payload.n;
    size_t size = 1 + varint_size((uint32_t)remaining) + remaining;
    if (size > cap)
        return size;
    uint8_t *at =
        put_start(out, (p->dup ? 8u : 0) | (unsigned)p->qos << 1 | (p->retain ? 1u : 0), remaining, p->topic, p->id);
    if (proto == PROTO_5) {
        at = put_varint(at, (uint32_t)props.n);
        props = (struct sink){.p = at};
        sink_props_items(&props, &p->props, PACKET_PUBLISH);
        at += props.n;
    }
    put_bytes(at, p->payload);
    return size;
}

static uint8_t *put_out_props(uint8_t *at, const struct publish_out *p, size_t n)
{
    at = put_varint(at, (uint32_t)n);
    if (p->has_expiry) {
        *at++ = PROP_MESSAGE_EXPIRY;
        at = put_u16(at, p->expiry >> 16);
        at = put_u16(at, p->expiry);
    }
    if (p->alias > 0) {
        *at++ = PROP_TOPIC_ALIAS;
        at = put_u16(at, p->alias);
    }
    if (p->sub_id > 0) {
        *at++ = PROP_SUBSCRIPTION_ID;
        at = put_varint(at, p->sub_id);
    }
    return put_bytes(at, p->forward);
}

size_t publish_out_head(const struct publish_out *p, enum proto proto, uint8_t *out)
{
    struct bytes topic = p->alias_known ? (struct bytes){NULL, 0} : p->topic;
    size_t remaining = 2 + topic.n + (p->qos > 0 ? 2 : 0) + p->payload_n;
    size_t props = 0;
    if (proto == PROTO_5) {
        props = out_props_size(p);
        if (props > VARINT_MAX)
            return 0;
        remaining += varint_size((uint32_t)props) + props;
    }
    if (remaining > VARINT_MAX)
        return 0;
    uint8_t *at =
        put_start(out, (p->dup ? 8u : 0) | (unsigned)p->qos << 1 | (p->retain ? 1u : 0), remaining, topic, p->id);
    if (proto == PROTO_5)
        at = put_out_props(at, p, props);
    return (size_t)(at - out);
}

size_t publish_out3(struct bytes topic, struct bytes payload, unsigned flags, uint16_t id, uint8_t *out)
{
    bool qos = (flags & 6) != 0;
    uint8_t *at = out;
    *at++ = (uint8_t)(PACKET_PUBLISH << 4 | flags);
    at = put_varint(at, (uint32_t)(2 + topic.n + (qos ? 2 : 0) + payload.n));
    at = put_bytes(put_u16(at, (unsigned)topic.n), topic);
    if (qos)
        at = put_u16(at, id);
    return (size_t)(put_bytes(at, payload) - out);
}
