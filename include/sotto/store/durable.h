/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The durable store: behind core/store.h, one SQLite database, sotto.db in the data directory (docs/store.md).
 *
 *   shard 0 ─ put ─► this turn ─┐ turn_end
 *   shard 1 ─ put ─► this turn ─┴────────► one FIFO ─► store thread: one transaction for all that
 *        ▲                                              gathered during the last one, fsync
 *        └── shard_committed ◄── turn_end ◄── ring ◄────┘
 *
 * Life: durable_open, durable_restore, durable_start, the shards' turns, durable_close.
 */
#pragma once

#include "sotto/core/store.h"

/* What an acknowledgement of ours means: it is on disk; it will be within flush_interval; the same, but the system
 * decides when it writes (nothing is ever synced). */
enum durability { DURABILITY_COMMIT, DURABILITY_INTERVAL, DURABILITY_OFF };

struct durable_config {
    const char *dir; /* the data directory: there, and writable */
    unsigned shards;
    enum durability durability;
    uint32_t flush_interval; /* ms; with DURABILITY_INTERVAL and DURABILITY_OFF */
    uint32_t retained_flush; /* ms; retained messages of QoS 0 are written so often */
    int64_t built;           /* when the program was built, ms since 1970: a clock before it is wrong */
    msec (*now)(void);       /* the clock that the core is given */
    int64_t (*wall)(void);   /* ms since 1970 */
    /* Any thread: have turn_end called on that shard's thread soon. */
    void (*ring)(void *ctx, unsigned shard);
    void *ctx;
    const char *vfs; /* SQLite's interface to files; NULL: the usual one */
};

struct durable;

/*
 * Takes the lock file, opens the database or makes it, brings it to the present schema, and looks it over: a damaged
 * one is moved aside, and what can be read of it is taken over (both are logged). Everything is copied from c but the
 * strings. NULL with one line in err: another broker has it, a newer version made it, the folder can't be written.
 */
struct durable *durable_open(const struct durable_config *c, char *err, size_t cap);
/* Starts the store thread. 0 or an errno value. */
int durable_start(struct durable *d);
/* After the shards' threads have ended: writes all that was put, and ends the thread. What is put from now on is not
 * written. */
void durable_stop(struct durable *d);
/* The same, closes and frees. After the shards are freed. NULL is fine. */
void durable_close(struct durable *d);

extern const struct store_ops durable_ops;
/* The context of durable_ops for that shard. */
void *durable_shard(struct durable *d, unsigned shard);

/* ---------------------------------------------------------------- restore */

/* Views that are valid during the call only. */
struct durable_session {
    uint64_t id; /* for durable_bind */
    struct bytes client_id, user;
    uint32_t expiry; /* seconds */
    msec expires;    /* when it ends, if nobody connects */
    bool has_will;   /* not yet published */
    struct bytes will_topic, will_props, will_payload;
    uint8_t will_qos;
    bool will_retain;
    uint32_t will_expiry; /* seconds; UINT32_MAX: none */
    msec will_due;
};

struct durable_message {
    struct bytes topic, props, payload;
    msec expires;
    uint8_t qos;
    bool retain;
};

enum durable_state { DURABLE_WAITING, DURABLE_SENT, DURABLE_RELEASED };

struct durable_row {
    uint64_t row;
    uint64_t message; /* rows with the same number have the same message */
    bool shared;      /* there may be other rows with it */
    enum durable_state state;
    uint16_t packet_id; /* but for DURABLE_WAITING */
    uint8_t qos;
    bool retain;
    uint32_t sub_id;
    struct bytes share; /* the shared subscription that it came through, or empty */
    struct durable_message m;
};

struct durable_filter {
    struct bytes filter;
    uint32_t sub_id;
    uint8_t qos;
    uint8_t flags; /* as in store_record.sub_flags */
};

/* Called session by session: session, then what belongs to it (rows in order), then session_over; then what was given
 * and not taken (STORE_GIVE; row: its number), in order; retained messages at the end. A session that is refused
 * (false) is deleted, with all that belongs to it; and so is a retained message. */
struct durable_visitor {
    void *ctx;
    bool (*session)(void *ctx, const struct durable_session *s);
    void (*filter)(void *ctx, const struct durable_filter *f);
    void (*received)(void *ctx, uint16_t packet_id);
    void (*row)(void *ctx, const struct durable_row *r);
    void (*session_over)(void *ctx);
    void (*given)(void *ctx, const struct durable_row *r);
    bool (*retained)(void *ctx, const struct durable_message *m);
    /* Last: so many rows are there and could not be given, their message or their place is damaged. Not called for 0.
     */
    void (*lost)(void *ctx, uint64_t rows);
};

/* Before durable_start. Gives all that is stored; progress goes to the log. 0, or -1 with one line in err. */
int durable_restore(struct durable *d, const struct durable_visitor *v, char *err, size_t cap);
/* The session `id` of the database is `h` from now on; from inside `session` or later, before durable_start. */
void durable_bind(struct durable *d, handle h, uint64_t id);

/* The version of SQLite in use. */
const char *durable_library(void);

/* ---------------------------------------------------------------- tools: on a running or a stopped broker */

/* `sotto store show`: lines about sessions, queues, retained messages. -1 with one line in err. */
int durable_show(const char *dir, int64_t wall, void (*put)(void *ctx, const char *line), void *ctx, char *err,
                 size_t cap);
/* `sotto store check`: 0 when all is well; 1: each trouble was put; -1 with one line in err. */
int durable_check(const char *dir, void (*put)(void *ctx, const char *line), void *ctx, char *err, size_t cap);
