/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * CONNECT, the only packet that says itself which version it is. Where it is refused, proto and level say
 * as much as was known by then: whoever answers needs the version to answer in.
 */
#include "codec_internal.h"

#include "sotto/codec/topic.h"

#define FLAG_RESERVED 0x01u
#define FLAG_CLEAN 0x02u
#define FLAG_WILL 0x04u
#define FLAG_WILL_RETAIN 0x20u
#define FLAG_PASSWORD 0x40u
#define FLAG_USER 0x80u
#define FLAGS_OF_WILL 0x38u /* QoS and retain */

static unsigned will_qos(unsigned flags)
{
    return flags >> 3 & 3;
}

static enum reason read_protocol(struct rd *r, struct packet_connect *c)
{
    struct bytes name = rd_lp(r);
    bool mqtt = bytes_equal(name, bytes_str("MQTT"));
    bool mqisdp = bytes_equal(name, bytes_str("MQIsdp"));

    c->level = rd_u8(r);
    if (r->bad)
        return REASON_MALFORMED_PACKET;
    if (!mqtt && !mqisdp)
        return REASON_PROTOCOL_ERROR;
    if (mqtt ? c->level != PROTO_311 && c->level != PROTO_5 : c->level != PROTO_31)
        return REASON_UNSUPPORTED_PROTOCOL_VERSION;
    c->proto = (enum proto)c->level;
    return REASON_SUCCESS;
}

/* 3.1 disregards the reserved bit, and the will's bits where there is no will. */
static enum reason check_flags(unsigned flags, enum proto proto)
{
    if (proto != PROTO_31 && (flags & FLAG_RESERVED) != 0)
        return REASON_MALFORMED_PACKET;
    if ((flags & FLAG_WILL) != 0 && will_qos(flags) == 3)
        return REASON_MALFORMED_PACKET;
    if (proto != PROTO_31 && (flags & FLAG_WILL) == 0 && (flags & FLAGS_OF_WILL) != 0)
        return REASON_MALFORMED_PACKET;
    if (proto != PROTO_5 && (flags & FLAG_PASSWORD) != 0 && (flags & FLAG_USER) == 0)
        return REASON_MALFORMED_PACKET;
    return REASON_SUCCESS;
}

static enum reason read_will(struct rd *r, unsigned flags, enum proto proto, struct will *will)
{
    will->qos = (uint8_t)will_qos(flags);
    will->retain = (flags & FLAG_WILL_RETAIN) != 0;
    if (proto == PROTO_5) {
        enum reason why = props_decode(r, IN_WILL, &will->props);
        if (why != REASON_SUCCESS)
            return why;
    }
    will->topic = rd_lp(r);
    will->payload = rd_lp(r);
    if (r->bad || !utf8_valid(will->topic))
        return REASON_MALFORMED_PACKET;
    return topic_name_valid(will->topic) ? REASON_SUCCESS : REASON_TOPIC_NAME_INVALID;
}

/* In 3.1 a flag may be set for a field that doesn't come: "the payload ends" means that it is absent. */
static bool field_comes(const struct rd *r, unsigned flag, enum proto proto)
{
    return flag != 0 && !(proto == PROTO_31 && !r->bad && rd_left(r) == 0);
}

static enum reason read_credentials(struct rd *r, unsigned flags, struct packet_connect *c)
{
    c->has_user = field_comes(r, flags & FLAG_USER, c->proto);
    if (c->has_user)
        c->user = rd_lp(r);
    c->has_password = field_comes(r, flags & FLAG_PASSWORD, c->proto);
    if (c->has_password)
        c->password = rd_lp(r);
    return r->bad || !utf8_valid(c->user) ? REASON_MALFORMED_PACKET : REASON_SUCCESS;
}

static enum reason read_payload(struct rd *r, unsigned flags, struct packet_connect *c)
{
    c->client_id = rd_lp(r);
    if (r->bad || !utf8_valid(c->client_id))
        return REASON_MALFORMED_PACKET;
    if (c->has_will) {
        enum reason why = read_will(r, flags, c->proto, &c->will);
        if (why != REASON_SUCCESS)
            return why;
    }
    enum reason why = read_credentials(r, flags, c);
    if (why != REASON_SUCCESS)
        return why;
    return rd_left(r) == 0 ? REASON_SUCCESS : REASON_MALFORMED_PACKET;
}

/* 5.0 wants the shortest form; frame_parse couldn't know yet that this is 5.0. */
static bool length_is_minimal(const struct frame *f)
{
    return f->raw.n - f->body.n == 1 + varint_size((uint32_t)f->body.n);
}

static enum reason read_props(struct rd *r, struct packet_connect *c)
{
    enum reason why = props_decode(r, PACKET_CONNECT, &c->props);
    if (why == REASON_SUCCESS && props_has(&c->props, PROP_AUTH_DATA) && !props_has(&c->props, PROP_AUTH_METHOD))
        return REASON_PROTOCOL_ERROR;
    return why;
}

enum reason decode_connect(const struct frame *f, enum proto proto, struct packet *p)
{
    struct packet_connect *c = &p->connect;
    struct rd r = rd_of(f->body);

    (void)proto;
    memset(c, 0, sizeof *c);
    props_none(&c->props);
    props_none(&c->will.props);
    enum reason why = read_protocol(&r, c);
    if (why != REASON_SUCCESS)
        return why;
    if (c->proto == PROTO_5 && !length_is_minimal(f))
        return REASON_MALFORMED_PACKET;

    unsigned flags = rd_u8(&r);
    c->keep_alive = rd_u16(&r);
    if (r.bad)
        return REASON_MALFORMED_PACKET;
    why = check_flags(flags, c->proto);
    if (why != REASON_SUCCESS)
        return why;
    c->clean = (flags & FLAG_CLEAN) != 0;
    c->has_will = (flags & FLAG_WILL) != 0;
    if (c->proto == PROTO_5)
        why = read_props(&r, c);
    return why == REASON_SUCCESS ? read_payload(&r, flags, c) : why;
}
