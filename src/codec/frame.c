/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The fixed header. Everything that it can be refused for is said as early as the bytes allow: a bad first
 * byte alone, a packet that is too large as soon as its length is read, so nobody buffers a packet only to drop it.
 */
#include "codec_internal.h"

#define MAX_LENGTH_BYTES 4

#define FLAG_DUP 0x08u

static const struct packet_row {
    const char *name;
    uint8_t flags; /* what encoders write */
} packets[16] = {
    [0] = {"?", 0},
    [PACKET_CONNECT] = {"CONNECT", 0},
    [PACKET_CONNACK] = {"CONNACK", 0},
    [PACKET_PUBLISH] = {"PUBLISH", 0},
    [PACKET_PUBACK] = {"PUBACK", 0},
    [PACKET_PUBREC] = {"PUBREC", 0},
    [PACKET_PUBREL] = {"PUBREL", 2},
    [PACKET_PUBCOMP] = {"PUBCOMP", 0},
    [PACKET_SUBSCRIBE] = {"SUBSCRIBE", 2},
    [PACKET_SUBACK] = {"SUBACK", 0},
    [PACKET_UNSUBSCRIBE] = {"UNSUBSCRIBE", 2},
    [PACKET_UNSUBACK] = {"UNSUBACK", 0},
    [PACKET_PINGREQ] = {"PINGREQ", 0},
    [PACKET_PINGRESP] = {"PINGRESP", 0},
    [PACKET_DISCONNECT] = {"DISCONNECT", 0},
    [PACKET_AUTH] = {"AUTH", 0},
};

/* PUBLISH: any QoS but 3, RETAIN or not, DUP where there is QoS. */
const uint16_t frame_flags[16] = {
    [PACKET_CONNECT] = 1,  [PACKET_CONNACK] = 1,          [PACKET_PUBLISH] = 0x3c3f, [PACKET_PUBACK] = 1,
    [PACKET_PUBREC] = 1,   [PACKET_PUBREL] = 1 << 2,      [PACKET_PUBCOMP] = 1,      [PACKET_SUBSCRIBE] = 1 << 2,
    [PACKET_SUBACK] = 1,   [PACKET_UNSUBSCRIBE] = 1 << 2, [PACKET_UNSUBACK] = 1,     [PACKET_PINGREQ] = 1,
    [PACKET_PINGRESP] = 1, [PACKET_DISCONNECT] = 1,
};

const char *packet_name(unsigned type)
{
    return packets[type < 16 ? type : 0].name;
}

uint8_t packet_flags(enum packet_type type)
{
    return packets[type].flags;
}

static bool first_byte_valid(unsigned type, unsigned flags, enum proto proto)
{
    if (type == PACKET_AUTH)
        return flags == 0 && proto != PROTO_31 && proto != PROTO_311;
    if (proto == PROTO_31 && packets[type].flags != 0)
        flags &= ~FLAG_DUP;
    return (frame_flags[type] >> flags & 1) != 0;
}

static enum frame_result refuse(enum reason *why, enum reason r)
{
    *why = r;
    return FRAME_BAD;
}

enum frame_result frame_parse_any(struct bytes b, size_t max, enum proto proto, struct frame *f, enum reason *why)
{
    size_t length = 0, i = 1;

    f->total = 0;
    if (b.n == 0)
        return FRAME_MORE;
    f->type = b.p[0] >> 4;
    f->flags = b.p[0] & 0x0f;
    if (!first_byte_valid(f->type, f->flags, proto))
        return refuse(why, REASON_MALFORMED_PACKET);
    for (;; i++) {
        if (i > MAX_LENGTH_BYTES)
            return refuse(why, REASON_MALFORMED_PACKET);
        if (i == b.n)
            return FRAME_MORE;
        length |= (size_t)(b.p[i] & 0x7f) << (7 * (i - 1));
        if (b.p[i] <= 0x7f)
            break;
    }
    if (proto == PROTO_5 && i > 1 && b.p[i] == 0)
        return refuse(why, REASON_MALFORMED_PACKET);
    f->total = i + 1 + length;
    if (f->total > max)
        return refuse(why, REASON_PACKET_TOO_LARGE);
    if (f->total > b.n)
        return FRAME_MORE;
    f->body = bytes_of(b.p + i + 1, length);
    f->raw = bytes_of(b.p, f->total);
    return FRAME_WHOLE;
}
