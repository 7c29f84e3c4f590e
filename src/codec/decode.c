/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One small function for each packet type, in a table. The larger ones are in files of their own.
 */
#include "codec_internal.h"

/* A connection's reason codes in CONNACK of 3.x, as those of 5.0. */
static const uint8_t connack3_reasons[] = {
    REASON_SUCCESS,
    REASON_UNSUPPORTED_PROTOCOL_VERSION,
    REASON_CLIENT_ID_NOT_VALID,
    REASON_SERVER_UNAVAILABLE,
    REASON_BAD_USER_NAME_OR_PASSWORD,
    REASON_NOT_AUTHORIZED,
};

/* A method is needed for what is said in its terms. */
static bool auth_props_valid(const struct props *p)
{
    return props_has(p, PROP_AUTH_METHOD) || !props_has(p, PROP_AUTH_DATA);
}

static enum reason connack5(struct rd *r, struct packet_connack *c)
{
    enum reason why = props_decode(r, PACKET_CONNACK, &c->props);
    if (why != REASON_SUCCESS)
        return why;
    if (rd_left(r) > 0)
        return REASON_MALFORMED_PACKET;
    if (!reason_allowed(c->reason, PACKET_CONNACK) || !auth_props_valid(&c->props))
        return REASON_PROTOCOL_ERROR;
    return REASON_SUCCESS;
}

static enum reason decode_connack(const struct frame *f, enum proto proto, struct packet *p)
{
    struct packet_connack *c = &p->connack;
    struct rd r = rd_of(f->body);
    unsigned flags = rd_u8(&r);
    unsigned code = rd_u8(&r);

    props_none(&c->props);
    if (proto == PROTO_31)
        flags = 0; /* that byte is not used in 3.1 */
    if (r.bad || flags > 1)
        return REASON_MALFORMED_PACKET;
    c->session_present = flags == 1;
    if (c->session_present && code != 0)
        return broken_rule(proto);
    c->reason = (enum reason)code;
    if (proto == PROTO_5)
        return connack5(&r, c);
    if (code >= sizeof connack3_reasons || rd_left(&r) > 0)
        return REASON_MALFORMED_PACKET;
    c->reason = (enum reason)connack3_reasons[code];
    return REASON_SUCCESS;
}

static enum reason decode_publish(const struct frame *f, enum proto proto, struct packet *p)
{
    return publish_decode(f, proto, &p->publish);
}

/* What may be left out at the end of an acknowledgement, DISCONNECT and AUTH of 5.0: the reason, then the properties.
 */
static enum reason read_tail(struct rd *r, unsigned type, enum reason *reason, struct props *props)
{
    props_none(props);
    *reason = REASON_SUCCESS;
    if (rd_left(r) == 0)
        return REASON_SUCCESS;
    *reason = (enum reason)rd_u8(r);
    if (!reason_allowed(*reason, type))
        return REASON_PROTOCOL_ERROR;
    if (rd_left(r) == 0 && type != PACKET_AUTH)
        return REASON_SUCCESS;
    enum reason why = props_decode(r, type, props);
    if (why != REASON_SUCCESS)
        return why;
    return rd_left(r) == 0 ? REASON_SUCCESS : REASON_MALFORMED_PACKET;
}

static enum reason decode_ack(const struct frame *f, enum proto proto, struct packet *p)
{
    struct packet_ack *a = &p->ack;
    struct rd r = rd_of(f->body);

    props_none(&a->props);
    a->reason = REASON_SUCCESS;
    a->id = rd_u16(&r);
    if (r.bad || (proto != PROTO_5 && rd_left(&r) > 0))
        return REASON_MALFORMED_PACKET;
    if (a->id == 0)
        return broken_rule(proto);
    return read_tail(&r, f->type, &a->reason, &a->props);
}

static enum reason decode_empty(const struct frame *f, enum proto proto, struct packet *p)
{
    (void)proto;
    (void)p;
    return f->body.n == 0 ? REASON_SUCCESS : REASON_MALFORMED_PACKET;
}

static enum reason decode_disconnect(const struct frame *f, enum proto proto, struct packet *p)
{
    struct rd r = rd_of(f->body);

    if (proto != PROTO_5 && f->body.n > 0)
        return REASON_MALFORMED_PACKET;
    return read_tail(&r, f->type, &p->end.reason, &p->end.props);
}

/* The short form is success without properties; every other AUTH names its method. */
static enum reason decode_auth(const struct frame *f, enum proto proto, struct packet *p)
{
    struct rd r = rd_of(f->body);

    if (proto != PROTO_5)
        return REASON_MALFORMED_PACKET;
    enum reason why = read_tail(&r, f->type, &p->end.reason, &p->end.props);
    if (why != REASON_SUCCESS)
        return why;
    bool plain = p->end.reason == REASON_SUCCESS && p->end.props.raw.n == 0;
    return plain || props_has(&p->end.props, PROP_AUTH_METHOD) ? REASON_SUCCESS : REASON_PROTOCOL_ERROR;
}

typedef enum reason (*decoder)(const struct frame *f, enum proto proto, struct packet *p);

static const decoder decoders[16] = {
    [PACKET_CONNECT] = decode_connect, [PACKET_CONNACK] = decode_connack,
    [PACKET_PUBLISH] = decode_publish, [PACKET_PUBACK] = decode_ack,
    [PACKET_PUBREC] = decode_ack,      [PACKET_PUBREL] = decode_ack,
    [PACKET_PUBCOMP] = decode_ack,     [PACKET_SUBSCRIBE] = decode_subscribe,
    [PACKET_SUBACK] = decode_suback,   [PACKET_UNSUBSCRIBE] = decode_subscribe,
    [PACKET_UNSUBACK] = decode_suback, [PACKET_PINGREQ] = decode_empty,
    [PACKET_PINGRESP] = decode_empty,  [PACKET_DISCONNECT] = decode_disconnect,
    [PACKET_AUTH] = decode_auth,
};

enum reason packet_decode(const struct frame *f, enum proto proto, struct packet *p)
{
    p->type = (enum packet_type)f->type;
    if (f->type >= sizeof decoders / sizeof *decoders || decoders[f->type] == NULL)
        return REASON_MALFORMED_PACKET;
    if (proto == PROTO_NONE && f->type != PACKET_CONNECT)
        return REASON_PROTOCOL_ERROR;
    return decoders[f->type](f, proto, p);
}
