/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Retained messages: topic name -> last retained message. Shared by all loops,
 * under one read-write lock; the order of locks is retained, then index.
 *
 * Entries carry a running number. A retained PUBLISH numbers, stores and matches in one write hold; SUBSCRIBE enters
 * its filters and notes the number under the read lock; the session then pulls with a cursor, at most so many nodes a
 * hold, only entries numbered at or below the noted one; younger ones come live. So: no gap, no duplicate, no older
 * after newer.
 */
#pragma once

#include "sotto/base/blob.h"
#include "sotto/base/hash.h"
#include "sotto/core/limits.h"

struct retained;

struct retained *retained_new(const struct hash_key *key, uint64_t max_messages, uint64_t max_bytes);
void retained_free(struct retained *r);

void retained_read_lock(struct retained *r);
void retained_write_lock(struct retained *r);
void retained_unlock(struct retained *r);
/* The last number given. Under a lock. */
uint64_t retained_number(const struct retained *r);

struct retained_message {
    struct bytes topic;
    struct blob *payload; /* may be NULL: empty (only within properties of 5.0; an empty payload deletes) */
    struct blob *props;   /* property section of 5.0 to pass on, or NULL */
    msec expires;         /* MSEC_NEVER: never */
    uint8_t qos;
    uint64_t number; /* out only */
};

enum retained_result { RETAINED_STORED, RETAINED_FULL, RETAINED_NO_MEMORY };

/* Under the write lock. Takes references of its own to the blobs. The topic is copied. Replaces what is there; FULL
 * only when it would grow over a limit. */
enum retained_result retained_put(struct retained *r, const struct retained_message *m);
/* Under the write lock. True if there was one. */
bool retained_delete(struct retained *r, struct bytes topic);
/* Under a lock. Bytes are those of topics, payloads and property sections. */
void retained_totals(struct retained *r, uint64_t *messages, uint64_t *bytes);

/* When the next message expires, MSEC_NEVER when none does. Under a lock. */
msec retained_next_expiry(const struct retained *r);
/* Under the write lock. Deletes at most max messages that have expired at now; returns how many. An expired message
 * is never given out; until it is deleted it counts against the limits. */
unsigned retained_expire(struct retained *r, msec now, unsigned max);

/*
 * A walk over what matches a filter, in slices, while others change the store between slices.
 * upto: the number noted at SUBSCRIBE. Each matching message with a number of at most that, and there
 * from the first slice to the last, is given exactly once; what is replaced meanwhile has a higher number and isn't.
 */
struct retained_cursor;
/* Under a lock (read is enough). The filter is copied. NULL without memory. */
struct retained_cursor *retained_cursor_new(struct retained *r, struct bytes filter, uint64_t upto);
/* Not under a lock: takes the write lock where the walk is under way. Before retained_free. NULL is fine. */
void retained_cursor_free(struct retained_cursor *c);

enum retained_visit { RETAINED_TAKEN, RETAINED_STOP /* no room: give me this one again next time */ };

/*
 * Takes the read lock, visits at most max_nodes nodes of the tree (matching or not) and gives matching, not expired
 * messages to visit, which must not call back into the store. True: there may be more; false: done.
 */
bool retained_pull(struct retained_cursor *c, unsigned max_nodes, msec now,
                   enum retained_visit (*visit)(void *ctx, const struct retained_message *m), void *ctx);
