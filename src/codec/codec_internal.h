/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files of the codec share and nobody else sees.
 *
 * A sink is where encoders write. With p == NULL it only counts. So each packet has one function that says what it
 * consists of; it runs once to learn the size and once to write, and the two can't disagree.
 */
#pragma once

#include "sotto/codec/packet.h"

/* The remaining length, and every other variable byte integer. */
#define VARINT_MAX 268435455u

/* Where a property section stands: a packet type, or in the will, which is part of CONNECT and has rules of its own. */
#define IN_WILL 0u

/* A rule that 3.x calls a malformed packet and 5.0 a protocol error. */
static inline enum reason broken_rule(enum proto proto)
{
    return proto == PROTO_5 ? REASON_PROTOCOL_ERROR : REASON_MALFORMED_PACKET;
}

/* ------------------------------------------------------------------- sink */

struct sink {
    uint8_t *p; /* NULL: count only; else room for all that will come (counted before) */
    size_t n;
    bool bad; /* something is longer than its length field can say */
};

static inline void sink_bytes(struct sink *s, struct bytes b)
{
    if (s->p != NULL && b.n > 0)
        memcpy(s->p + s->n, b.p, b.n);
    s->n += b.n;
}

static inline void sink_u8(struct sink *s, unsigned v)
{
    if (s->p != NULL)
        s->p[s->n] = (uint8_t)v;
    s->n++;
}

static inline void sink_u16(struct sink *s, unsigned v)
{
    sink_u8(s, v >> 8);
    sink_u8(s, v);
}

static inline void sink_lp(struct sink *s, struct bytes b)
{
    s->bad |= b.n > UINT16_MAX;
    sink_u16(s, (unsigned)b.n);
    sink_bytes(s, b);
}

/* v <= VARINT_MAX. */
static inline void sink_varint(struct sink *s, uint32_t v)
{
    while (v > 0x7f) {
        sink_u8(s, (v & 0x7f) | 0x80);
        v >>= 7;
    }
    sink_u8(s, v);
}

/* packet_encode for PUBLISH. */
size_t publish_encode(const struct packet_publish *p, enum proto proto, uint8_t *out, size_t cap);

/* ------------------------------------------------------------- properties */

/* No properties: what a packet of 3.x has, and one of 5.0 that leaves the section out. */
static inline void props_none(struct props *p)
{
    p->has = 0;
    p->raw = bytes_str("");
    p->user_count = 0;
    p->sub_id_count = 0;
}

/* A whole property section with its length. where: a packet type or IN_WILL. */
enum reason props_decode(struct rd *r, unsigned where, struct props *p);
/* The same when encoding; what may not stand there is left out. */
void sink_props(struct sink *s, const struct props *p, unsigned where);
/* The section without its length. */
void sink_props_items(struct sink *s, const struct props *p, unsigned where);

/* ---------------------------------------------------------------- decoders */

enum reason decode_connect(const struct frame *f, enum proto proto, struct packet *p);
enum reason decode_subscribe(const struct frame *f, enum proto proto, struct packet *p);
enum reason decode_suback(const struct frame *f, enum proto proto, struct packet *p);
