/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reason codes: what a peer is told (or would be told: 3.x has few of them).
 * Everything in the broker speaks in the codes of 5.0; they are written down to 3.x by the
 * codec, from one table {code, name, packets it may stand in, CONNACK code of 3.x}.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum reason {
    REASON_SUCCESS = 0x00, /* also: normal disconnection, granted QoS 0 */
    REASON_GRANTED_QOS1 = 0x01,
    REASON_GRANTED_QOS2 = 0x02,
    REASON_DISCONNECT_WITH_WILL = 0x04,
    REASON_NO_MATCHING_SUBSCRIBERS = 0x10,
    REASON_NO_SUBSCRIPTION_EXISTED = 0x11,
    REASON_CONTINUE_AUTHENTICATION = 0x18,
    REASON_REAUTHENTICATE = 0x19,
    REASON_UNSPECIFIED = 0x80,
    REASON_MALFORMED_PACKET = 0x81,
    REASON_PROTOCOL_ERROR = 0x82,
    REASON_IMPLEMENTATION_SPECIFIC = 0x83,
    REASON_UNSUPPORTED_PROTOCOL_VERSION = 0x84,
    REASON_CLIENT_ID_NOT_VALID = 0x85,
    REASON_BAD_USER_NAME_OR_PASSWORD = 0x86,
    REASON_NOT_AUTHORIZED = 0x87,
    REASON_SERVER_UNAVAILABLE = 0x88,
    REASON_SERVER_BUSY = 0x89,
    REASON_BANNED = 0x8a,
    REASON_SERVER_SHUTTING_DOWN = 0x8b,
    REASON_BAD_AUTHENTICATION_METHOD = 0x8c,
    REASON_KEEP_ALIVE_TIMEOUT = 0x8d,
    REASON_SESSION_TAKEN_OVER = 0x8e,
    REASON_TOPIC_FILTER_INVALID = 0x8f,
    REASON_TOPIC_NAME_INVALID = 0x90,
    REASON_PACKET_ID_IN_USE = 0x91,
    REASON_PACKET_ID_NOT_FOUND = 0x92,
    REASON_RECEIVE_MAXIMUM_EXCEEDED = 0x93,
    REASON_TOPIC_ALIAS_INVALID = 0x94,
    REASON_PACKET_TOO_LARGE = 0x95,
    REASON_MESSAGE_RATE_TOO_HIGH = 0x96,
    REASON_QUOTA_EXCEEDED = 0x97,
    REASON_ADMINISTRATIVE_ACTION = 0x98,
    REASON_PAYLOAD_FORMAT_INVALID = 0x99,
    REASON_RETAIN_NOT_SUPPORTED = 0x9a,
    REASON_QOS_NOT_SUPPORTED = 0x9b,
    REASON_USE_ANOTHER_SERVER = 0x9c,
    REASON_SERVER_MOVED = 0x9d,
    REASON_SHARED_SUBSCRIPTIONS_NOT_SUPPORTED = 0x9e,
    REASON_CONNECTION_RATE_EXCEEDED = 0x9f,
    REASON_MAXIMUM_CONNECT_TIME = 0xa0,
    REASON_SUBSCRIPTION_IDS_NOT_SUPPORTED = 0xa1,
    REASON_WILDCARDS_NOT_SUPPORTED = 0xa2,
};

/* In words, lower case, for logs; never NULL. */
const char *reason_name(enum reason r);
/* May r stand in a packet of this type (enum packet_type) in 5.0? For SUBACK and UNSUBACK: as one of their codes. */
bool reason_allowed(enum reason r, unsigned packet_type);
/* The CONNACK return code of 3.1 and 3.1.1 (0..5) for r: 0x84 is 1, 0x85 is 2, 0x86 is 4, 0x87 is 5, other errors 3. */
uint8_t reason_connack3(enum reason r);
