/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Packets of MQTT 3.1, 3.1.1 and 5.0 as structures: the same structure for
 * all versions. A decoded packet holds views into the bytes that it was decoded from
 * and allocates nothing. Decoding is in two steps: frame_parse finds a whole packet in a
 * stream (and refuses what is too large before anybody buffers it); packet_decode checks
 * and takes apart that one packet, all of it, before anyone acts on it.
 *
 * 3.x is read up into the terms of 5.0: no properties (props.has == 0), reason codes
 * derived. Encoding writes down: what a version can't carry is left out.
 */
#pragma once

#include "sotto/base/cursor.h"
#include "sotto/codec/plain.h"
#include "sotto/codec/reason.h"

enum packet_type {
    PACKET_CONNECT = 1,
    PACKET_CONNACK,
    PACKET_PUBLISH,
    PACKET_PUBACK,
    PACKET_PUBREC,
    PACKET_PUBREL,
    PACKET_PUBCOMP,
    PACKET_SUBSCRIBE,
    PACKET_SUBACK,
    PACKET_UNSUBSCRIBE,
    PACKET_UNSUBACK,
    PACKET_PINGREQ,
    PACKET_PINGRESP,
    PACKET_DISCONNECT,
    PACKET_AUTH,
};

/* The protocol level as it stands in CONNECT. PROTO_NONE: before CONNECT. */
enum proto { PROTO_NONE = 0, PROTO_31 = 3, PROTO_311 = 4, PROTO_5 = 5 };

/* "PUBLISH"; "?" for what is none. */
const char *packet_name(unsigned type);
/* The low four bits of the first byte that a packet of this type has; PUBLISH chooses its own (0 here). */
uint8_t packet_flags(enum packet_type type);

/* ------------------------------------------------------------------ frame */

struct frame {
    uint8_t type;      /* enum packet_type; 0 is refused */
    uint8_t flags;     /* low four bits of the first byte */
    struct bytes body; /* behind the fixed header: the remaining length */
    struct bytes raw;  /* the whole packet, fixed header included */
    size_t total;      /* bytes of the whole packet; known from FRAME_MORE on once the length is read, else 0 */
};

enum frame_result { FRAME_MORE = 0, FRAME_WHOLE = 1, FRAME_BAD = -1 };

/*
 * Looks for one packet at the front of b. FRAME_MORE: not all there yet (total says how much is needed, when known).
 * FRAME_BAD: *why says the reason: malformed (type 0, a fifth length byte, non-minimal length when proto is PROTO_5
 * [MQTT-1.5.5-1]; 3.x and PROTO_NONE accept it), or REASON_PACKET_TOO_LARGE when the whole packet is over max bytes:
 * said as soon as the length is known. Flags are checked here too, for every type (reserved flags, PUBLISH QoS 3, DUP
 * with QoS 0 in all versions [MQTT-3.3.1-2]; 3.1's SUBSCRIBE, UNSUBSCRIBE and PUBREL may carry DUP when proto is
 * PROTO_31).
 */
static inline enum frame_result frame_parse(struct bytes b, size_t max, enum proto proto, struct frame *f,
                                            enum reason *why);

/* By type: bit n, where the flags n are good in every version. */
extern const uint16_t frame_flags[16];

/* The general half of frame_parse; not for others. */
enum frame_result frame_parse_any(struct bytes b, size_t max, enum proto proto, struct frame *f, enum reason *why);

/* Nearly all packets are short, all there, and have flags that need no second thought. */
static inline enum frame_result frame_parse(struct bytes b, size_t max, enum proto proto, struct frame *f,
                                            enum reason *why)
{
    if (b.n < 2 || b.p[1] > 0x7f || b.p[1] + 2u > b.n || b.p[1] + 2u > max)
        return frame_parse_any(b, max, proto, f, why);
    f->type = b.p[0] >> 4;
    f->flags = b.p[0] & 0x0f;
    if ((frame_flags[f->type] >> f->flags & 1) == 0)
        return frame_parse_any(b, max, proto, f, why);
    f->total = b.p[1] + 2u;
    f->body = bytes_of(b.p + 2, b.p[1]);
    f->raw = bytes_of(b.p, f->total);
    return FRAME_WHOLE;
}

/* ------------------------------------------------------------- properties */

enum prop {
    PROP_PAYLOAD_FORMAT = 0x01,
    PROP_MESSAGE_EXPIRY = 0x02,
    PROP_CONTENT_TYPE = 0x03,
    PROP_RESPONSE_TOPIC = 0x08,
    PROP_CORRELATION_DATA = 0x09,
    PROP_SUBSCRIPTION_ID = 0x0b,
    PROP_SESSION_EXPIRY = 0x11,
    PROP_ASSIGNED_CLIENT_ID = 0x12,
    PROP_SERVER_KEEP_ALIVE = 0x13,
    PROP_AUTH_METHOD = 0x15,
    PROP_AUTH_DATA = 0x16,
    PROP_REQUEST_PROBLEM_INFO = 0x17,
    PROP_WILL_DELAY = 0x18,
    PROP_REQUEST_RESPONSE_INFO = 0x19,
    PROP_RESPONSE_INFO = 0x1a,
    PROP_SERVER_REFERENCE = 0x1c,
    PROP_REASON_STRING = 0x1f,
    PROP_RECEIVE_MAXIMUM = 0x21,
    PROP_TOPIC_ALIAS_MAXIMUM = 0x22,
    PROP_TOPIC_ALIAS = 0x23,
    PROP_MAXIMUM_QOS = 0x24,
    PROP_RETAIN_AVAILABLE = 0x25,
    PROP_USER_PROPERTY = 0x26,
    PROP_MAXIMUM_PACKET_SIZE = 0x27,
    PROP_WILDCARD_AVAILABLE = 0x28,
    PROP_SUBSCRIPTION_ID_AVAILABLE = 0x29,
    PROP_SHARED_AVAILABLE = 0x2a,
};

/*
 * A property section, decoded. Only what props_has() says is valid; the other fields may hold anything (decoding
 * 3.x packets sets only has, raw and the counts). Repeatable ones (user properties; subscription identifiers in
 * PUBLISH) are counted (up to 65,535) and walked from raw with prop_next. When encoding, raw is a ready property
 * section (without its length; n may be 0) whose user properties, and subscription identifiers in PUBLISH, are copied
 * in order; other properties come from the fields, and so does the subscription identifier of SUBSCRIBE, and that of a
 * PUBLISH whose raw has none. What may not stand in the packet is left out: the properties of a will or of a PUBLISH
 * that came in can be passed on as they are.
 */
struct props {
    uint64_t has; /* 1 << enum prop */
    struct bytes raw;
    uint16_t user_count, sub_id_count;
    uint8_t payload_format, request_problem_info, request_response_info;
    uint8_t maximum_qos, retain_available, wildcard_available, sub_id_available, shared_available;
    uint16_t receive_maximum, topic_alias_maximum, topic_alias, server_keep_alive;
    uint32_t message_expiry, session_expiry, will_delay, maximum_packet_size, sub_id;
    struct bytes content_type, response_topic, correlation_data, assigned_client_id, auth_method, auth_data;
    struct bytes response_info, server_reference, reason_string;
};

static inline bool props_has(const struct props *p, enum prop id)
{
    return (p->has >> id & 1) != 0;
}

struct prop_item {
    enum prop id;
    uint32_t num;            /* numeric kinds */
    struct bytes name, text; /* text: string and binary kinds; name: user property */
};

/* "Message Expiry Interval"; "?" for what is none. */
const char *prop_name(unsigned id);

/* The next property of a section that decoded well (rd_of(props.raw)); false at the end. */
bool prop_next(struct rd *r, struct prop_item *item);

/* Is this a section (without its length) that may be passed on in a PUBLISH? All of it is well-formed and belongs
 * there, and nothing is of one hop only: alias, expiry, subscription identifier. */
bool props_may_pass(struct bytes raw);

/* ---------------------------------------------------------------- packets */

struct will {
    struct bytes topic, payload;
    struct props props;
    uint8_t qos;
    bool retain;
};

struct packet_connect {
    enum proto proto;
    uint8_t level; /* as sent; more than enum proto knows when unsupported */
    bool clean, has_will, has_user, has_password;
    uint16_t keep_alive; /* seconds, 0: none */
    struct bytes client_id, user, password;
    struct will will;
    struct props props;
};

struct packet_connack {
    bool session_present;
    enum reason reason; /* 3.x: mapped both ways (decoding 1..5 gives the code of 5.0) */
    struct props props;
};

struct packet_publish {
    struct bytes topic, payload;
    uint16_t id; /* 0 at QoS 0 */
    uint8_t qos;
    bool retain, dup;
    struct props props;
};

/* PUBACK, PUBREC, PUBREL, PUBCOMP */
struct packet_ack {
    uint16_t id;
    enum reason reason;
    struct props props;
};

/* SUBSCRIBE, UNSUBSCRIBE: the list is checked by packet_decode and walked with filter_next. */
struct packet_subscribe {
    uint16_t id;
    uint32_t count;
    struct bytes filters; /* the payload */
    struct props props;
};

struct filter_request {
    struct bytes filter;
    uint8_t qos, retain_handling;
    bool no_local, retain_as_published;
};

/* SUBACK, UNSUBACK; 3.x UNSUBACK has no codes. In 3.x SUBACK errors are 0x80. */
struct packet_suback {
    uint16_t id;
    struct bytes codes; /* one enum reason a byte */
    struct props props;
};

/* DISCONNECT, AUTH */
struct packet_end {
    enum reason reason;
    struct props props;
};

struct packet {
    enum packet_type type;
    union {
        struct packet_connect connect;
        struct packet_connack connack;
        struct packet_publish publish;
        struct packet_ack ack;
        struct packet_subscribe subscribe; /* and UNSUBSCRIBE */
        struct packet_suback suback;       /* and UNSUBACK */
        struct packet_end end;
    };
};

/*
 * Takes apart a whole frame of a connection that speaks proto (for CONNECT: ignored, the packet says it).
 * REASON_SUCCESS, or why not (malformed, protocol error, topic name invalid, unsupported protocol version, ...).
 * Everything in the packet is checked: strings (UTF-8, no U+0000, no surrogates, no overlong forms), lengths,
 * trailing bytes, reserved bits, duplicate and misplaced properties and their ranges, topic names, packet ids not 0,
 * reason codes. Topic filters are checked as strings only; whether each is a valid filter (filter_valid, topic.h) is
 * the caller's question, since 5.0 answers a bad one with a code of its own. AUTH and other things of 5.0 are malformed
 * in 3.x. A property that may not stand in the packet, or whose id is none, is malformed; one that stands there twice
 * or has a value out of range is a protocol error (topic alias 0: topic alias invalid). With PROTO_NONE everything but
 * CONNECT is a protocol error. After a failure only p->type is valid, and for CONNECT its proto and level: what was
 * known of them by then, so that the answer can be in the client's version. REASON_UNSUPPORTED_PROTOCOL_VERSION: the
 * name is ours, the level isn't (proto is PROTO_NONE then); another name is a protocol error with PROTO_NONE. Never
 * reads outside f->body. f must come from frame_parse, f->body must outlive *p.
 */
enum reason packet_decode(const struct frame *f, enum proto proto, struct packet *p);

/* Walks the filters of a SUBSCRIBE (type PACKET_SUBSCRIBE) or UNSUBSCRIBE that decoded well. False at the end. */
bool filter_next(struct rd *r, enum packet_type type, enum proto proto, struct filter_request *out);

/*
 * The usual PUBLISH of 3.x, taken apart in place. False: its topic is not plain ASCII, or it breaks a rule;
 * publish_decode says which. What was written is of no use then.
 */
static inline bool publish_split3(const struct frame *f, struct bytes *topic, uint16_t *id, struct bytes *payload)
{
    struct rd r = rd_of(f->body);
    bool qos = (f->flags & 6) != 0;
    *topic = rd_lp(&r);
    *id = qos ? rd_u16(&r) : 0;
    *payload = bytes_of(r.p, (size_t)(r.end - r.p));
    return !r.bad && qos == (*id != 0) && name_is_plain(*topic);
}

/*
 * The usual PUBLISH of 5.0, likewise: without properties, or with a topic alias alone; *alias is 0 without. Only with
 * an alias the topic may be empty.
 */
static inline bool publish_split5(const struct frame *f, struct bytes *topic, uint16_t *id, struct bytes *payload,
                                  uint16_t *alias)
{
    struct rd r = rd_of(f->body);
    bool qos = (f->flags & 6) != 0;
    *topic = rd_lp(&r);
    *id = qos ? rd_u16(&r) : 0;
    uint8_t props = rd_u8(&r);
    *alias = 0;
    if (props == 3 && rd_u8(&r) == PROP_TOPIC_ALIAS)
        *alias = rd_u16(&r);
    *payload = bytes_of(r.p, (size_t)(r.end - r.p));
    return !r.bad && qos == (*id != 0) && props == (*alias != 0 ? 3 : 0) &&
           (name_is_plain(*topic) || (topic->n == 0 && *alias != 0));
}

/* The decoder of PUBLISH alone. Same result as packet_decode. */
enum reason publish_decode(const struct frame *f, enum proto proto, struct packet_publish *p);

/*
 * Encodes p for proto into out. Returns the size of the packet; nothing is written when that is more than cap (call
 * with cap 0 to learn the size). 0: this version has no such packet (e.g. DISCONNECT from a server in 3.x is the
 * caller's affair, but AUTH in 3.x gives 0), or a length is over what the format carries. Subscription lists:
 * p->subscribe.filters must be in the format of proto. In 5.0, a reason 0 without properties is left out where the
 * short form exists.
 */
size_t packet_encode(const struct packet *p, enum proto proto, uint8_t *out, size_t cap);

/*
 * A PUBLISH on its way out of a broker, for the path of a message: what is passed on as it came is one ready section,
 * and what the broker says itself stands beside it.
 */
struct publish_out {
    struct bytes topic;
    struct bytes forward; /* 5.0: properties to pass on: no expiry, no alias; subscription identifiers are fine */
    size_t payload_n;
    uint32_t sub_id; /* 0: none */
    uint32_t expiry; /* seconds left, with has_expiry */
    uint16_t alias;  /* 0: none */
    uint16_t id;     /* 0 at QoS 0 */
    uint8_t qos;
    bool retain, dup, has_expiry;
    bool alias_known; /* the alias stands for the topic, which is left out */
};

/* The most that publish_out_head writes besides the topic and the properties that are passed on. */
#define PUBLISH_OUT_FIXED 32u
/*
 * Writes everything but the payload to out, which has room for PUBLISH_OUT_FIXED, the topic and the properties. Returns
 * the size of what it wrote; 0: the packet would be longer than the format can say. 3.x: what it can't carry is left
 * out.
 */
size_t publish_out_head(const struct publish_out *p, enum proto proto, uint8_t *out);

/*
 * A whole PUBLISH of 3.x to out, which has room for PUBLISH_OUT_FIXED, topic and payload: together no more than the
 * format can say. flags: the low bits of the first byte; id: with QoS. Returns its size.
 */
size_t publish_out3(struct bytes topic, struct bytes payload, unsigned flags, uint16_t id, uint8_t *out);

/* Appends one filter in the format of proto to w: to build lists for packet_subscribe (tests, tools). */
void filter_write(struct wr *w, enum packet_type type, enum proto proto, const struct filter_request *f);

/* Appends a property to a section being built for props.raw. */
void prop_write(struct wr *w, const struct prop_item *item);

/* The variable byte integer. varint_size: 1..4, or 0 when v is over 268,435,455. */
unsigned varint_size(uint32_t v);
void varint_write(struct wr *w, uint32_t v);
/* Reads one; more than four bytes, more than needed, or an end before the last one is the reader's error. */
uint32_t varint_read(struct rd *r);
