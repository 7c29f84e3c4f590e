/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What was stored comes back: sessions with all that belongs to them, one after the other, and retained messages.
 * Before the shards run, on the thread that made them.
 */
#pragma once

#include "sotto/core/index.h"
#include "sotto/core/shard.h"

struct restore;

/* shards: all of b's, by number. */
struct restore *restore_new(struct broker *b, struct shard *const *shards, msec now);
/* What was restored stays. NULL is fine. */
void restore_free(struct restore *r);

/* May this go to clients? A disk can be damaged where its database can't see it, and a client that gets a topic or
 * properties that are none has to close [MQTT-1.5.4-1]: what is stored counts as a peer's input. */
bool restore_message_valid(struct bytes topic, struct bytes props, uint8_t qos);

struct restore_session {
    struct bytes client_id;
    struct rights *rights;              /* of its user; the session takes a reference of its own */
    uint32_t expiry;                    /* seconds */
    msec expires;                       /* when it ends, if nobody comes */
    bool has_will;                      /* of a connection that is gone; published at will_due */
    struct bytes topic, props, payload; /* the will */
    uint8_t qos;
    bool retain;
    uint32_t will_expiry; /* seconds; UINT32_MAX: none */
    msec will_due;
    /* New messages get packet ids from here on; 0: behind those that are in flight. For a store that may have forgotten
     * what was sent last: a client takes a message with a QoS 2 id that it has open for one that it knows already. */
    uint16_t first_id;
};

/* The session that all calls after this one are about. Its handle; HANDLE_NONE: no memory, or there is one with this
 * client id already. */
handle restore_session(struct restore *r, const struct restore_session *s);
/* filter: as the client gave it, shared ones too. False: no memory, or not a valid filter. */
bool restore_filter(struct restore *r, struct bytes filter, const struct sub_options *o);
/* A QoS 2 packet id that was received and not released. False without memory. */
bool restore_received(struct restore *r, uint16_t packet_id);

struct restore_row {
    uint64_t row;
    uint64_t message; /* with shared: rows of the same number have the same message */
    bool shared;
    uint16_t packet_id; /* in flight; 0: waits */
    bool released;      /* in flight, QoS 2: PUBREC came */
    uint8_t qos;
    bool retain;
    uint32_t sub_id;
    struct bytes share; /* it came through this shared subscription ($share/NAME/FILTER); or empty */
    struct bytes topic, props, payload;
    msec expires;
};

/* In the order of rows. False without memory, or for a row that makes no sense. */
bool restore_row(struct restore *r, const struct restore_row *row);
/* Nothing more comes for this session. */
void restore_session_over(struct restore *r);
/* All sessions are there: who is in which group is known. Again does nothing. */
void restore_sessions_over(struct restore *r);
/*
 * What a session gave and nobody has taken (STORE_GIVE), `row` being its number: a member of its group takes it, or it
 * is done with; both are put to the store. After restore_sessions_over; in the order of those numbers.
 */
void restore_given(struct restore *r, const struct restore_row *row);

enum restore_result { RESTORED, RESTORE_FULL /* over a limit */, RESTORE_NO_MEMORY };

/* payload: not empty. */
enum restore_result restore_retained(struct restore *r, struct bytes topic, struct bytes props, struct bytes payload,
                                     uint8_t qos, msec expires);
