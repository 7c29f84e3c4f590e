/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the core asks of durable storage. Asynchronous: a record is put, the
 * store answers with a number, and later says (shard_committed) up to which number everything is safe. What
 * tells a peer of
 * stored state waits for that. Numbers rise per shard. Put calls come on the shard's thread and return at once.
 */
#pragma once

#include "sotto/base/slots.h"
#include "sotto/core/shard.h"

enum store_kind {
    STORE_SESSION, /* a session that outlives its connection: made or changed (user, expiry, connected or not, will) */
    STORE_SESSION_END,   /* it ends, with all that belongs to it */
    STORE_SUBSCRIBE,     /* filter, options */
    STORE_UNSUBSCRIBE,   /* filter */
    STORE_QUEUE,         /* a message for it is kept: `row` names it from now on */
    STORE_SENT,          /* row was sent with packet id and QoS */
    STORE_RELEASED,      /* QoS 2 out: PUBREC came, PUBREL goes */
    STORE_DONE,          /* row is acknowledged or dropped; with session HANDLE_NONE: of what was given */
    STORE_RECEIVED,      /* QoS 2 in: packet id is taken */
    STORE_RECEIVED_DONE, /* QoS 2 in: PUBREL came */
    STORE_RETAIN,        /* retained message set (payload empty: deleted) */
    STORE_GIVE, /* row leaves its session, which a shared subscription gave it: it is nobody's, and has the number
                   `given`, until it is somebody's again or is done */
    STORE_TAKE, /* what was given is a row of this session: QoS, retain and subscription identifier are new, all else
                   is as it was put */
};

struct store_record {
    enum store_kind kind;
    handle session;
    struct bytes client_id; /* always set but for STORE_RETAIN, and where there is no session */
    struct bytes user;      /* STORE_SESSION */
    uint64_t row;           /* of a message: the session's running number, or what it was given as */
    uint64_t given;         /* STORE_GIVE, TAKE: unique over all shards, and what was restored as given */
    uint16_t packet_id;
    uint8_t qos;
    bool retain, connected;
    bool has_will;        /* STORE_SESSION: topic, props, payload, qos, retain are those of a will that is due later */
    uint32_t will_delay;  /* seconds from the end of the connection, or from now */
    uint32_t will_expiry; /* seconds; UINT32_MAX: none */
    uint32_t expiry;      /* STORE_SESSION: seconds */
    uint32_t sub_id;
    uint8_t sub_flags;                  /* STORE_SUBSCRIBE: no local 1, retain as published 2 */
    struct bytes topic, props, payload; /* message, will or filter (topic) */
    struct bytes share;                 /* STORE_QUEUE: $share/NAME/FILTER that it came through, or empty */
    msec expires;                       /* message expiry, MSEC_NEVER; STORE_SESSION, not connected: when it ends */
    /*
     * STORE_QUEUE: records with the same number are of one message (topic, properties, payload, expiry are
     * equal), which is stored once, whichever shards put them; all of one shard within one turn. Below 2^60, never used
     * again while the broker runs. 0: a message of its own.
     * STORE_RECEIVED: what the rows were put with as `held` that become true with this packet id; 0: none.
     */
    uint64_t message;
    /*
     * STORE_QUEUE: not 0: the row counts for nothing after a crash until a STORE_RECEIVED of that number is on disk;
     * the same for all rows of a message. So the rows of a QoS 2 publication on all shards and its packet id become
     * true in one step: rows first, and STORE_RECEIVED when those of all other shards are committed.
     */
    uint64_t held;
};

struct store_ops {
    /* Takes note; copies what it needs. Returns the number to wait for; 0: nothing to wait for. */
    uint64_t (*put)(void *ctx, unsigned shard, const struct store_record *r);
    /* The turn is over: what was put may be committed as one batch. May call shard_committed. */
    void (*turn_end)(void *ctx, struct shard *s);
    /* True: more waits to be written, on whatever shard, than should: publishers are not read then. Asked again at each
     * turn's end. NULL: never. */
    bool (*full)(void *ctx);
};

/*
 * Everything up to number is on disk; or, failed: messages (STORE_QUEUE, STORE_RECEIVED) are not, and will not be,
 * while what changes or ends stored state will be with the next good news, which comes as soon as the store works, if
 * need be with the same number again, or a lower one. A failure covers all that was put on this shard until it is told.
 * On the shard's thread, not from inside put.
 */
void shard_committed(struct shard *s, uint64_t number, bool failed);

/* The store that keeps nothing beyond memory: it commits at the end of each turn. One context a shard. */
struct memory_store {
    uint64_t last, told;
};
extern const struct store_ops memory_store_ops;
