/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Do two decoded packets say the same? Here and not in the codec, because only tests (and the fuzz target) want to
 * know. Views are compared by their bytes; the order of properties is none of their meaning, except among user
 * properties and among subscription identifiers.
 */
#pragma once

#include "sotto/codec/packet.h"

static inline bool props_fields_equal(const struct props *a, const struct props *b)
{
#define SAME(id, field) (!props_has(a, PROP_##id) || a->field == b->field)
#define SAME_BYTES(id, field) (!props_has(a, PROP_##id) || bytes_equal(a->field, b->field))
    return a->has == b->has && SAME(PAYLOAD_FORMAT, payload_format) && SAME(MESSAGE_EXPIRY, message_expiry) &&
           SAME_BYTES(CONTENT_TYPE, content_type) && SAME_BYTES(RESPONSE_TOPIC, response_topic) &&
           SAME_BYTES(CORRELATION_DATA, correlation_data) && SAME(SUBSCRIPTION_ID, sub_id) &&
           SAME(SESSION_EXPIRY, session_expiry) && SAME_BYTES(ASSIGNED_CLIENT_ID, assigned_client_id) &&
           SAME(SERVER_KEEP_ALIVE, server_keep_alive) && SAME_BYTES(AUTH_METHOD, auth_method) &&
           SAME_BYTES(AUTH_DATA, auth_data) && SAME(REQUEST_PROBLEM_INFO, request_problem_info) &&
           SAME(WILL_DELAY, will_delay) && SAME(REQUEST_RESPONSE_INFO, request_response_info) &&
           SAME_BYTES(RESPONSE_INFO, response_info) && SAME_BYTES(SERVER_REFERENCE, server_reference) &&
           SAME_BYTES(REASON_STRING, reason_string) && SAME(RECEIVE_MAXIMUM, receive_maximum) &&
           SAME(TOPIC_ALIAS_MAXIMUM, topic_alias_maximum) && SAME(TOPIC_ALIAS, topic_alias) &&
           SAME(MAXIMUM_QOS, maximum_qos) && SAME(RETAIN_AVAILABLE, retain_available) &&
           SAME(MAXIMUM_PACKET_SIZE, maximum_packet_size) && SAME(WILDCARD_AVAILABLE, wildcard_available) &&
           SAME(SUBSCRIPTION_ID_AVAILABLE, sub_id_available) && SAME(SHARED_AVAILABLE, shared_available);
#undef SAME
#undef SAME_BYTES
}

/* The next property of this id. */
static inline bool prop_next_of(struct rd *r, enum prop id, struct prop_item *item)
{
    while (prop_next(r, item))
        if (item->id == id)
            return true;
    return false;
}

static inline bool props_lists_equal(const struct props *a, const struct props *b, enum prop id)
{
    struct rd ra = rd_of(a->raw), rb = rd_of(b->raw);
    struct prop_item x, y;

    while (prop_next_of(&ra, id, &x))
        if (!prop_next_of(&rb, id, &y) || x.num != y.num || !bytes_equal(x.name, y.name) ||
            !bytes_equal(x.text, y.text))
            return false;
    return !prop_next_of(&rb, id, &y);
}

static inline bool props_equal(const struct props *a, const struct props *b)
{
    return props_fields_equal(a, b) && a->user_count == b->user_count && a->sub_id_count == b->sub_id_count &&
           props_lists_equal(a, b, PROP_USER_PROPERTY) && props_lists_equal(a, b, PROP_SUBSCRIPTION_ID);
}

static inline bool will_equal(const struct will *a, const struct will *b)
{
    return bytes_equal(a->topic, b->topic) && bytes_equal(a->payload, b->payload) && a->qos == b->qos &&
           a->retain == b->retain && props_equal(&a->props, &b->props);
}

static inline bool connect_equal(const struct packet_connect *a, const struct packet_connect *b)
{
    return a->proto == b->proto && a->level == b->level && a->clean == b->clean && a->has_will == b->has_will &&
           a->has_user == b->has_user && a->has_password == b->has_password && a->keep_alive == b->keep_alive &&
           bytes_equal(a->client_id, b->client_id) && (!a->has_user || bytes_equal(a->user, b->user)) &&
           (!a->has_password || bytes_equal(a->password, b->password)) &&
           (!a->has_will || will_equal(&a->will, &b->will)) && props_equal(&a->props, &b->props);
}

static inline bool publish_equal(const struct packet_publish *a, const struct packet_publish *b)
{
    return bytes_equal(a->topic, b->topic) && bytes_equal(a->payload, b->payload) && a->id == b->id &&
           a->qos == b->qos && a->retain == b->retain && a->dup == b->dup && props_equal(&a->props, &b->props);
}

static inline bool packet_equal(const struct packet *a, const struct packet *b)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case PACKET_CONNECT:
        return connect_equal(&a->connect, &b->connect);
    case PACKET_CONNACK:
        return a->connack.session_present == b->connack.session_present && a->connack.reason == b->connack.reason &&
               props_equal(&a->connack.props, &b->connack.props);
    case PACKET_PUBLISH:
        return publish_equal(&a->publish, &b->publish);
    case PACKET_PUBACK:
    case PACKET_PUBREC:
    case PACKET_PUBREL:
    case PACKET_PUBCOMP:
        return a->ack.id == b->ack.id && a->ack.reason == b->ack.reason && props_equal(&a->ack.props, &b->ack.props);
    case PACKET_SUBSCRIBE:
    case PACKET_UNSUBSCRIBE:
        return a->subscribe.id == b->subscribe.id && a->subscribe.count == b->subscribe.count &&
               bytes_equal(a->subscribe.filters, b->subscribe.filters) &&
               props_equal(&a->subscribe.props, &b->subscribe.props);
    case PACKET_SUBACK:
    case PACKET_UNSUBACK:
        return a->suback.id == b->suback.id && bytes_equal(a->suback.codes, b->suback.codes) &&
               props_equal(&a->suback.props, &b->suback.props);
    case PACKET_DISCONNECT:
    case PACKET_AUTH:
        return a->end.reason == b->end.reason && props_equal(&a->end.props, &b->end.props);
    case PACKET_PINGREQ:
    case PACKET_PINGRESP:
        return true;
    }
    return false;
}
