/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The properties of 5.0. One table says everything about them (section 2.2.2.2 and the text of each packet); reading,
 * checking and writing walk it. User properties, and subscription identifiers in PUBLISH, may repeat: they are
 * left where they are, in raw, and only counted.
 */
#include "codec_internal.h"

#include <assert.h>

#include "sotto/codec/topic.h"

enum wire { WIRE_U8 = 1, WIRE_U16, WIRE_U32, WIRE_VARINT, WIRE_STRING, WIRE_BINARY, WIRE_PAIR };

#define IN(type) (1u << PACKET_##type)
#define WILL (1u << IN_WILL)
#define ACKS (IN(PUBACK) | IN(PUBREC) | IN(PUBREL) | IN(PUBCOMP) | IN(SUBACK) | IN(UNSUBACK))
#define ALL                                                                                                            \
    (IN(CONNECT) | IN(CONNACK) | IN(PUBLISH) | WILL | ACKS | IN(SUBSCRIBE) | IN(UNSUBSCRIBE) | IN(DISCONNECT) |        \
     IN(AUTH))
#define CONNECTS (IN(CONNECT) | IN(CONNACK))
#define U32 UINT32_MAX
#define AT(field) offsetof(struct props, field)
#define PROTOCOL REASON_PROTOCOL_ERROR

static const struct prop_row {
    const char *name; /* NULL: no such property */
    enum wire wire;
    uint16_t in;     /* 1 << packet type, or WILL */
    uint16_t repeat; /* where it may stand more than once */
    uint32_t min, max;
    enum reason bad; /* what a number outside of min..max is */
    size_t at;       /* its field in struct props */
} rows[] = {
    [0x01] = {"Payload Format Indicator", WIRE_U8, IN(PUBLISH) | WILL, 0, 0, 1, PROTOCOL, AT(payload_format)},
    [0x02] = {"Message Expiry Interval", WIRE_U32, IN(PUBLISH) | WILL, 0, 0, U32, PROTOCOL, AT(message_expiry)},
    [0x03] = {"Content Type", WIRE_STRING, IN(PUBLISH) | WILL, 0, 0, 0, PROTOCOL, AT(content_type)},
    [0x08] = {"Response Topic", WIRE_STRING, IN(PUBLISH) | WILL, 0, 0, 0, PROTOCOL, AT(response_topic)},
    [0x09] = {"Correlation Data", WIRE_BINARY, IN(PUBLISH) | WILL, 0, 0, 0, PROTOCOL, AT(correlation_data)},
    [0x0b] = {"Subscription Identifier", WIRE_VARINT, IN(PUBLISH) | IN(SUBSCRIBE), IN(PUBLISH), 1, VARINT_MAX, PROTOCOL,
              AT(sub_id)},
    [0x11] = {"Session Expiry Interval", WIRE_U32, CONNECTS | IN(DISCONNECT), 0, 0, U32, PROTOCOL, AT(session_expiry)},
    [0x12] = {"Assigned Client Identifier", WIRE_STRING, IN(CONNACK), 0, 0, 0, PROTOCOL, AT(assigned_client_id)},
    [0x13] = {"Server Keep Alive", WIRE_U16, IN(CONNACK), 0, 0, 65535, PROTOCOL, AT(server_keep_alive)},
    [0x15] = {"Authentication Method", WIRE_STRING, CONNECTS | IN(AUTH), 0, 0, 0, PROTOCOL, AT(auth_method)},
    [0x16] = {"Authentication Data", WIRE_BINARY, CONNECTS | IN(AUTH), 0, 0, 0, PROTOCOL, AT(auth_data)},
    [0x17] = {"Request Problem Information", WIRE_U8, IN(CONNECT), 0, 0, 1, PROTOCOL, AT(request_problem_info)},
    [0x18] = {"Will Delay Interval", WIRE_U32, WILL, 0, 0, U32, PROTOCOL, AT(will_delay)},
    [0x19] = {"Request Response Information", WIRE_U8, IN(CONNECT), 0, 0, 1, PROTOCOL, AT(request_response_info)},
    [0x1a] = {"Response Information", WIRE_STRING, IN(CONNACK), 0, 0, 0, PROTOCOL, AT(response_info)},
    [0x1c] = {"Server Reference", WIRE_STRING, IN(CONNACK) | IN(DISCONNECT), 0, 0, 0, PROTOCOL, AT(server_reference)},
    [0x1f] = {"Reason String", WIRE_STRING, IN(CONNACK) | ACKS | IN(DISCONNECT) | IN(AUTH), 0, 0, 0, PROTOCOL,
              AT(reason_string)},
    [0x21] = {"Receive Maximum", WIRE_U16, CONNECTS, 0, 1, 65535, PROTOCOL, AT(receive_maximum)},
    [0x22] = {"Topic Alias Maximum", WIRE_U16, CONNECTS, 0, 0, 65535, PROTOCOL, AT(topic_alias_maximum)},
    [0x23] = {"Topic Alias", WIRE_U16, IN(PUBLISH), 0, 1, 65535, REASON_TOPIC_ALIAS_INVALID, AT(topic_alias)},
    [0x24] = {"Maximum QoS", WIRE_U8, IN(CONNACK), 0, 0, 1, PROTOCOL, AT(maximum_qos)},
    [0x25] = {"Retain Available", WIRE_U8, IN(CONNACK), 0, 0, 1, PROTOCOL, AT(retain_available)},
    [0x26] = {"User Property", WIRE_PAIR, ALL, ALL, 0, 0, PROTOCOL, 0},
    [0x27] = {"Maximum Packet Size", WIRE_U32, CONNECTS, 0, 1, U32, PROTOCOL, AT(maximum_packet_size)},
    [0x28] = {"Wildcard Subscription Available", WIRE_U8, IN(CONNACK), 0, 0, 1, PROTOCOL, AT(wildcard_available)},
    [0x29] = {"Subscription Identifier Available", WIRE_U8, IN(CONNACK), 0, 0, 1, PROTOCOL, AT(sub_id_available)},
    [0x2a] = {"Shared Subscription Available", WIRE_U8, IN(CONNACK), 0, 0, 1, PROTOCOL, AT(shared_available)},
};

static const struct prop_row *row_of(unsigned id)
{
    return id < sizeof rows / sizeof *rows && rows[id].name != NULL ? &rows[id] : NULL;
}

const char *prop_name(unsigned id)
{
    const struct prop_row *row = row_of(id);
    return row != NULL ? row->name : "?";
}

/* ---------------------------------------------------------------- reading */

/* One property; r->bad when it is none or not all there. */
static void item_read(struct rd *r, struct prop_item *item)
{
    unsigned id = rd_u8(r);
    const struct prop_row *row = row_of(id);

    *item = (struct prop_item){.id = (enum prop)id};
    if (row == NULL) {
        r->bad = true;
        return;
    }
    switch (row->wire) {
    case WIRE_U8:
        item->num = rd_u8(r);
        break;
    case WIRE_U16:
        item->num = rd_u16(r);
        break;
    case WIRE_U32:
        item->num = rd_u32(r);
        break;
    case WIRE_VARINT:
        item->num = varint_read(r);
        break;
    case WIRE_PAIR:
        item->name = rd_lp(r);
        item->text = rd_lp(r);
        break;
    case WIRE_STRING:
    case WIRE_BINARY:
        item->text = rd_lp(r);
        break;
    }
}

bool prop_next(struct rd *r, struct prop_item *item)
{
    if (rd_left(r) == 0)
        return false;
    item_read(r, item);
    return !r->bad;
}

/* Is this property right by itself? */
static enum reason item_check(const struct prop_row *row, const struct prop_item *item)
{
    switch (row->wire) {
    case WIRE_U8:
    case WIRE_U16:
    case WIRE_U32:
    case WIRE_VARINT:
        return item->num < row->min || item->num > row->max ? row->bad : REASON_SUCCESS;
    case WIRE_BINARY:
        return REASON_SUCCESS;
    case WIRE_STRING:
    case WIRE_PAIR:
        break;
    }
    if (!utf8_valid(item->name) || !utf8_valid(item->text))
        return REASON_MALFORMED_PACKET;
    if (item->id == PROP_RESPONSE_TOPIC && !topic_name_valid(item->text))
        return REASON_PROTOCOL_ERROR;
    return REASON_SUCCESS;
}

static void count_up(uint16_t *n)
{
    if (*n < UINT16_MAX)
        ++*n;
}

static void item_store(struct props *p, const struct prop_row *row, const struct prop_item *item)
{
    void *field = (uint8_t *)p + row->at;

    p->has |= (uint64_t)1 << item->id;
    switch (row->wire) {
    case WIRE_U8:
        *(uint8_t *)field = (uint8_t)item->num;
        break;
    case WIRE_U16:
        *(uint16_t *)field = (uint16_t)item->num;
        break;
    case WIRE_U32:
    case WIRE_VARINT:
        *(uint32_t *)field = item->num;
        break;
    case WIRE_STRING:
    case WIRE_BINARY:
        *(struct bytes *)field = item->text;
        break;
    case WIRE_PAIR:
        count_up(&p->user_count);
        break;
    }
    if (item->id == PROP_SUBSCRIPTION_ID)
        count_up(&p->sub_id_count);
}

/* What the section p->raw consists of. */
static enum reason items_decode(unsigned where, struct props *p)
{
    struct rd items = rd_of(p->raw);
    while (rd_left(&items) > 0) {
        struct prop_item item;
        item_read(&items, &item);
        const struct prop_row *row = row_of(item.id);
        if (items.bad || row == NULL || (row->in >> where & 1) == 0)
            return REASON_MALFORMED_PACKET;
        if (props_has(p, item.id) && (row->repeat >> where & 1) == 0)
            return REASON_PROTOCOL_ERROR;
        enum reason why = item_check(row, &item);
        if (why != REASON_SUCCESS)
            return why;
        item_store(p, row, &item);
    }
    return REASON_SUCCESS;
}

enum reason props_decode(struct rd *r, unsigned where, struct props *p)
{
    props_none(p);
    struct bytes raw = rd_bytes(r, varint_read(r));
    if (r->bad)
        return REASON_MALFORMED_PACKET;
    p->raw = raw;
    return items_decode(where, p);
}

bool props_may_pass(struct bytes raw)
{
    const uint64_t hop = 1ull << PROP_TOPIC_ALIAS | 1ull << PROP_MESSAGE_EXPIRY | 1ull << PROP_SUBSCRIPTION_ID;
    struct props p;
    props_none(&p);
    p.raw = raw;
    return items_decode(PACKET_PUBLISH, &p) == REASON_SUCCESS && (p.has & hop) == 0;
}

/* ---------------------------------------------------------------- writing */

static void sink_item(struct sink *s, const struct prop_row *row, const struct prop_item *item)
{
    sink_u8(s, (unsigned)item->id);
    switch (row->wire) {
    case WIRE_U8:
        sink_u8(s, item->num);
        break;
    case WIRE_U16:
        sink_u16(s, item->num);
        break;
    case WIRE_U32:
        sink_u16(s, item->num >> 16);
        sink_u16(s, item->num);
        break;
    case WIRE_VARINT:
        s->bad |= item->num > VARINT_MAX;
        sink_varint(s, item->num & VARINT_MAX);
        break;
    case WIRE_PAIR:
        sink_lp(s, item->name);
        sink_lp(s, item->text);
        break;
    case WIRE_STRING:
    case WIRE_BINARY:
        sink_lp(s, item->text);
        break;
    }
}

void prop_write(struct wr *w, const struct prop_item *item)
{
    const struct prop_row *row = row_of((unsigned)item->id);
    struct sink count = {0};

    assert(row != NULL);
    sink_item(&count, row, item);
    if (w->bad || count.bad || (size_t)(w->end - w->p) < count.n) {
        w->bad = true;
        return;
    }
    sink_item(&(struct sink){.p = w->p}, row, item);
    w->p += count.n;
}

/* The property as it stands in its field. */
static struct prop_item item_load(const struct props *p, unsigned id, const struct prop_row *row)
{
    const void *field = (const uint8_t *)p + row->at;
    struct prop_item item = {.id = (enum prop)id};

    switch (row->wire) {
    case WIRE_U8:
        item.num = *(const uint8_t *)field;
        break;
    case WIRE_U16:
        item.num = *(const uint16_t *)field;
        break;
    case WIRE_U32:
    case WIRE_VARINT:
        item.num = *(const uint32_t *)field;
        break;
    case WIRE_STRING:
    case WIRE_BINARY:
        item.text = *(const struct bytes *)field;
        break;
    case WIRE_PAIR:
        break;
    }
    return item;
}

/* Copies from raw what may repeat here; returns the ids that were there, as in props.has. */
static uint64_t sink_repeated(struct sink *s, struct bytes raw, unsigned where)
{
    struct prop_item item;
    uint64_t copied = 0;

    if (raw.n == 0)
        return 0;
    struct rd r = rd_of(raw);
    while (prop_next(&r, &item)) {
        const struct prop_row *row = row_of((unsigned)item.id);
        if ((row->repeat >> where & 1) == 0)
            continue;
        sink_item(s, row, &item);
        copied |= (uint64_t)1 << item.id;
    }
    return copied;
}

void sink_props_items(struct sink *s, const struct props *p, unsigned where)
{
    if (p->has == 0 && p->raw.n == 0)
        return;
    uint64_t left = p->has & ~((uint64_t)1 << PROP_USER_PROPERTY);
    left &= ~sink_repeated(s, p->raw, where);
    for (; left != 0; left &= left - 1) {
        unsigned id = (unsigned)__builtin_ctzll(left);
        const struct prop_row *row = row_of(id);
        if (row == NULL || (row->in >> where & 1) == 0)
            continue;
        struct prop_item item = item_load(p, id, row);
        sink_item(s, row, &item);
    }
}

void sink_props(struct sink *s, const struct props *p, unsigned where)
{
    struct sink count = {0};

    sink_props_items(&count, p, where);
    if (count.bad || count.n > VARINT_MAX) {
        s->bad = true;
        return;
    }
    sink_varint(s, (uint32_t)count.n);
    sink_props_items(s, p, where);
}
