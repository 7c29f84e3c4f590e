/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the operator allows: each bound has a row in the configuration's table, with the default and the unit. */
#pragma once

#include <stdint.h>

enum queue_policy { QUEUE_DROP_OLDEST, QUEUE_DROP_NEWEST, QUEUE_DISCONNECT };

struct limits {
    uint32_t max_connections;             /* 0: as the open-file limit allows */
    uint32_t max_connections_per_address; /* 0: off */
    uint64_t connect_timeout;             /* ms, from accept to a CONNECT that was read whole */
    uint32_t max_handshakes;              /* TLS handshakes in progress, all loops */
    uint32_t max_packet_size;             /* bytes, whole packet */
    uint32_t max_inflight;                /* QoS 1 and 2 messages a session may have unacknowledged */
    uint32_t max_queued_messages;         /* a session */
    uint64_t max_queued_bytes;            /* a session */
    enum queue_policy queue_policy;
    uint64_t max_retained_messages;
    uint64_t max_retained_bytes;
    uint32_t max_subscriptions; /* a session */
    uint32_t max_topic_levels;
    uint32_t max_user_properties; /* a packet */
    uint32_t max_keepalive;       /* seconds, 0: off */
    uint64_t max_session_expiry;  /* seconds */
    uint64_t max_memory;          /* bytes of all that is held; 0: as the machine allows */
};
