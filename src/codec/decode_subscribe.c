/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SUBSCRIBE, UNSUBSCRIBE and their answers. The lists stay in the packet: they are
 * checked whole here and walked again by whoever acts on them, with the same reader.
 */
#include "codec_internal.h"

#include "sotto/codec/topic.h"

#define OPTION_QOS 0x03u
#define OPTION_NO_LOCAL 0x04u
#define OPTION_RETAIN_AS_PUBLISHED 0x08u
#define OPTION_RESERVED 0xc0u /* in 3.x everything but the QoS is */

static enum reason read_filter(struct rd *r, enum packet_type type, enum proto proto, struct filter_request *out)
{
    *out = (struct filter_request){.filter = rd_lp(r)};
    unsigned options = type == PACKET_SUBSCRIBE ? rd_u8(r) : 0;
    if (r->bad || (options & (proto == PROTO_5 ? OPTION_RESERVED : ~OPTION_QOS)) != 0)
        return REASON_MALFORMED_PACKET;
    out->qos = options & OPTION_QOS;
    out->no_local = (options & OPTION_NO_LOCAL) != 0;
    out->retain_as_published = (options & OPTION_RETAIN_AS_PUBLISHED) != 0;
    out->retain_handling = options >> 4 & 3;
    return out->qos == 3 || out->retain_handling == 3 ? broken_rule(proto) : REASON_SUCCESS;
}

bool filter_next(struct rd *r, enum packet_type type, enum proto proto, struct filter_request *out)
{
    return rd_left(r) > 0 && read_filter(r, type, proto, out) == REASON_SUCCESS;
}

void filter_write(struct wr *w, enum packet_type type, enum proto proto, const struct filter_request *f)
{
    unsigned options = f->qos;

    if (proto == PROTO_5) {
        options |= f->no_local ? OPTION_NO_LOCAL : 0;
        options |= f->retain_as_published ? OPTION_RETAIN_AS_PUBLISHED : 0;
        options |= (unsigned)f->retain_handling << 4;
    }
    wr_lp(w, f->filter);
    if (type == PACKET_SUBSCRIBE)
        wr_u8(w, options);
}

static enum reason read_id_and_props(struct rd *r, const struct frame *f, enum proto proto, uint16_t *id,
                                     struct props *props)
{
    props_none(props);
    *id = rd_u16(r);
    if (r->bad)
        return REASON_MALFORMED_PACKET;
    if (*id == 0)
        return broken_rule(proto);
    return proto == PROTO_5 ? props_decode(r, f->type, props) : REASON_SUCCESS;
}

enum reason decode_subscribe(const struct frame *f, enum proto proto, struct packet *p)
{
    struct packet_subscribe *s = &p->subscribe;
    struct rd r = rd_of(f->body);

    s->count = 0;
    enum reason why = read_id_and_props(&r, f, proto, &s->id, &s->props);
    if (why != REASON_SUCCESS)
        return why;
    s->filters = bytes_of(r.p, rd_left(&r));
    while (rd_left(&r) > 0) {
        struct filter_request request;
        why = read_filter(&r, p->type, proto, &request);
        if (why == REASON_SUCCESS && !utf8_valid(request.filter))
            why = REASON_MALFORMED_PACKET;
        if (why != REASON_SUCCESS)
            return why;
        s->count++;
    }
    return s->count > 0 ? REASON_SUCCESS : broken_rule(proto);
}

static bool code_valid(uint8_t code, unsigned type, enum proto proto)
{
    if (proto == PROTO_5)
        return reason_allowed((enum reason)code, type);
    return code <= REASON_GRANTED_QOS2 || code == REASON_UNSPECIFIED;
}

enum reason decode_suback(const struct frame *f, enum proto proto, struct packet *p)
{
    struct packet_suback *s = &p->suback;
    struct rd r = rd_of(f->body);
    bool has_codes = f->type == PACKET_SUBACK || proto == PROTO_5;

    enum reason why = read_id_and_props(&r, f, proto, &s->id, &s->props);
    if (why != REASON_SUCCESS)
        return why;
    s->codes = bytes_of(r.p, rd_left(&r));
    if (!has_codes)
        return s->codes.n == 0 ? REASON_SUCCESS : REASON_MALFORMED_PACKET;
    for (size_t i = 0; i < s->codes.n; i++)
        if (!code_valid(s->codes.p[i], f->type, proto))
            return broken_rule(proto);
    return s->codes.n > 0 ? REASON_SUCCESS : broken_rule(proto);
}
