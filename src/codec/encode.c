/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One small function for each packet type says what its body consists of; it runs twice, see struct sink. The packet
 * comes from our own code: only its sizes are judged.
 */
#include "codec_internal.h"

static void put_will(struct sink *s, const struct will *will, enum proto proto)
{
    if (proto == PROTO_5)
        sink_props(s, &will->props, IN_WILL);
    sink_lp(s, will->topic);
    sink_lp(s, will->payload);
}

static unsigned connect_flags(const struct packet_connect *c)
{
    unsigned flags = c->clean ? 0x02 : 0;

    if (c->has_will)
        flags |= 0x04u | (unsigned)c->will.qos << 3 | (c->will.retain ? 0x20u : 0);
    return flags | (c->has_password ? 0x40u : 0) | (c->has_user ? 0x80u : 0);
}

static void put_connect(struct sink *s, const struct packet *p, enum proto proto)
{
    const struct packet_connect *c = &p->connect;

    if (proto != PROTO_5 && c->has_password && !c->has_user)
        s->bad = true; /* 3.x has no such packet */
    sink_lp(s, bytes_str(proto == PROTO_31 ? "MQIsdp" : "MQTT"));
    sink_u8(s, proto);
    sink_u8(s, connect_flags(c));
    sink_u16(s, c->keep_alive);
    if (proto == PROTO_5)
        sink_props(s, &c->props, PACKET_CONNECT);
    sink_lp(s, c->client_id);
    if (c->has_will)
        put_will(s, &c->will, proto);
    if (c->has_user)
        sink_lp(s, c->user);
    if (c->has_password)
        sink_lp(s, c->password);
}

static void put_connack(struct sink *s, const struct packet *p, enum proto proto)
{
    const struct packet_connack *c = &p->connack;

    sink_u8(s, c->session_present && c->reason == REASON_SUCCESS && proto != PROTO_31);
    sink_u8(s, proto == PROTO_5 ? (unsigned)c->reason : reason_connack3(c->reason));
    if (proto == PROTO_5)
        sink_props(s, &c->props, PACKET_CONNACK);
}

/* The reason and the properties, of which the shortest form is written. Only AUTH can't leave out the properties alone.
 */
static void put_tail(struct sink *s, enum reason reason, const struct props *props, unsigned type)
{
    struct sink count = {0};

    sink_props_items(&count, props, type);
    if (count.n == 0 && reason == REASON_SUCCESS)
        return;
    sink_u8(s, (unsigned)reason);
    if (count.n > 0 || type == PACKET_AUTH)
        sink_props(s, props, type);
}

static void put_ack(struct sink *s, const struct packet *p, enum proto proto)
{
    sink_u16(s, p->ack.id);
    if (proto == PROTO_5)
        put_tail(s, p->ack.reason, &p->ack.props, p->type);
}

static void put_subscribe(struct sink *s, const struct packet *p, enum proto proto)
{
    sink_u16(s, p->subscribe.id);
    if (proto == PROTO_5)
        sink_props(s, &p->subscribe.props, p->type);
    sink_bytes(s, p->subscribe.filters);
}

static void put_suback(struct sink *s, const struct packet *p, enum proto proto)
{
    struct bytes codes = p->suback.codes;

    sink_u16(s, p->suback.id);
    if (proto == PROTO_5) {
        sink_props(s, &p->suback.props, p->type);
        sink_bytes(s, codes);
    } else if (p->type == PACKET_SUBACK) {
        for (size_t i = 0; i < codes.n; i++)
            sink_u8(s, codes.p[i] < REASON_UNSPECIFIED ? codes.p[i] : (unsigned)REASON_UNSPECIFIED);
    }
}

static void put_empty(struct sink *s, const struct packet *p, enum proto proto)
{
    (void)s;
    (void)p;
    (void)proto;
}

static void put_end(struct sink *s, const struct packet *p, enum proto proto)
{
    if (proto == PROTO_5)
        put_tail(s, p->end.reason, &p->end.props, p->type);
    else if (p->type == PACKET_AUTH)
        s->bad = true;
}

typedef void (*encoder)(struct sink *s, const struct packet *p, enum proto proto);

static const encoder encoders[16] = {
    [PACKET_CONNECT] = put_connect,     [PACKET_CONNACK] = put_connack, [PACKET_PUBACK] = put_ack,
    [PACKET_PUBREC] = put_ack,          [PACKET_PUBREL] = put_ack,      [PACKET_PUBCOMP] = put_ack,
    [PACKET_SUBSCRIBE] = put_subscribe, [PACKET_SUBACK] = put_suback,   [PACKET_UNSUBSCRIBE] = put_subscribe,
    [PACKET_UNSUBACK] = put_suback,     [PACKET_PINGREQ] = put_empty,   [PACKET_PINGRESP] = put_empty,
    [PACKET_DISCONNECT] = put_end,      [PACKET_AUTH] = put_end,
};

size_t packet_encode(const struct packet *p, enum proto proto, uint8_t *out, size_t cap)
{
    struct sink count = {0};

    if (proto == PROTO_NONE)
        return 0;
    if (p->type == PACKET_PUBLISH)
        return publish_encode(&p->publish, proto, out, cap);
    encoders[p->type](&count, p, proto);
    if (count.bad || count.n > VARINT_MAX)
        return 0;
    size_t total = 1 + varint_size((uint32_t)count.n) + count.n;
    if (total > cap)
        return total;
    struct sink s = {.p = out};
    sink_u8(&s, (unsigned)p->type << 4 | packet_flags(p->type));
    sink_varint(&s, (uint32_t)count.n);
    encoders[p->type](&s, p, proto);
    return total;
}
