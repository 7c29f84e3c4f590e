/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * All reason codes in one table, indexed by the code (5.0, section 2.4 and the tables of the packets).
 */
#include "sotto/codec/reason.h"

#include <stddef.h>

#include "sotto/codec/packet.h"

#define CONNACK (1u << PACKET_CONNACK)
#define PUBS (1u << PACKET_PUBACK | 1u << PACKET_PUBREC)
#define RELS (1u << PACKET_PUBREL | 1u << PACKET_PUBCOMP)
#define SUBACK (1u << PACKET_SUBACK)
#define UNSUBACK (1u << PACKET_UNSUBACK)
#define DISCONNECT (1u << PACKET_DISCONNECT)
#define AUTH (1u << PACKET_AUTH)

static const struct reason_row {
    const char *name; /* NULL: no such code */
    uint16_t in;      /* 1 << enum packet_type */
    uint8_t connack3; /* the return code of 3.x where it isn't 3 (server unavailable) */
} reasons[256] = {
    [0x00] = {"success", CONNACK | PUBS | RELS | SUBACK | UNSUBACK | DISCONNECT | AUTH, 0},
    [0x01] = {"granted QoS 1", SUBACK, 0},
    [0x02] = {"granted QoS 2", SUBACK, 0},
    [0x04] = {"disconnect with will message", DISCONNECT, 0},
    [0x10] = {"no matching subscribers", PUBS, 0},
    [0x11] = {"no subscription existed", UNSUBACK, 0},
    [0x18] = {"continue authentication", AUTH, 0},
    [0x19] = {"re-authenticate", AUTH, 0},
    [0x80] = {"unspecified error", CONNACK | PUBS | SUBACK | UNSUBACK | DISCONNECT, 3},
    [0x81] = {"malformed packet", CONNACK | DISCONNECT, 3},
    [0x82] = {"protocol error", CONNACK | DISCONNECT, 3},
    [0x83] = {"implementation specific error", CONNACK | PUBS | SUBACK | UNSUBACK | DISCONNECT, 3},
    [0x84] = {"unsupported protocol version", CONNACK, 1},
    [0x85] = {"client identifier not valid", CONNACK, 2},
    [0x86] = {"bad user name or password", CONNACK, 4},
    [0x87] = {"not authorized", CONNACK | PUBS | SUBACK | UNSUBACK | DISCONNECT, 5},
    [0x88] = {"server unavailable", CONNACK, 3},
    [0x89] = {"server busy", CONNACK | DISCONNECT, 3},
    [0x8a] = {"banned", CONNACK, 3},
    [0x8b] = {"server shutting down", DISCONNECT, 3},
    [0x8c] = {"bad authentication method", CONNACK | DISCONNECT, 3},
    [0x8d] = {"keep alive timeout", DISCONNECT, 3},
    [0x8e] = {"session taken over", DISCONNECT, 3},
    [0x8f] = {"topic filter invalid", SUBACK | UNSUBACK | DISCONNECT, 3},
    [0x90] = {"topic name invalid", CONNACK | PUBS | DISCONNECT, 3},
    [0x91] = {"packet identifier in use", PUBS | SUBACK | UNSUBACK, 3},
    [0x92] = {"packet identifier not found", RELS, 3},
    [0x93] = {"receive maximum exceeded", DISCONNECT, 3},
    [0x94] = {"topic alias invalid", DISCONNECT, 3},
    [0x95] = {"packet too large", CONNACK | DISCONNECT, 3},
    [0x96] = {"message rate too high", DISCONNECT, 3},
    [0x97] = {"quota exceeded", CONNACK | PUBS | SUBACK | DISCONNECT, 3},
    [0x98] = {"administrative action", DISCONNECT, 3},
    [0x99] = {"payload format invalid", CONNACK | PUBS | DISCONNECT, 3},
    [0x9a] = {"retain not supported", CONNACK | DISCONNECT, 3},
    [0x9b] = {"QoS not supported", CONNACK | DISCONNECT, 3},
    [0x9c] = {"use another server", CONNACK | DISCONNECT, 3},
    [0x9d] = {"server moved", CONNACK | DISCONNECT, 3},
    [0x9e] = {"shared subscriptions not supported", SUBACK | DISCONNECT, 3},
    [0x9f] = {"connection rate exceeded", CONNACK | DISCONNECT, 3},
    [0xa0] = {"maximum connect time", DISCONNECT, 3},
    [0xa1] = {"subscription identifiers not supported", SUBACK | DISCONNECT, 3},
    [0xa2] = {"wildcard subscriptions not supported", SUBACK | DISCONNECT, 3},
};

static const struct reason_row *row_of(enum reason r)
{
    static const struct reason_row none = {"unknown reason", 0, 3};
    unsigned code = (unsigned)r;
    return code < 256 && reasons[code].name != NULL ? &reasons[code] : &none;
}

const char *reason_name(enum reason r)
{
    return row_of(r)->name;
}

bool reason_allowed(enum reason r, unsigned packet_type)
{
    return packet_type < 16 && (row_of(r)->in >> packet_type & 1) != 0;
}

uint8_t reason_connack3(enum reason r)
{
    return row_of(r)->connack3;
}
