/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The parts of the durable store:
 *
 *   durable.c           opening and closing; the store's own clock
 *   durable_shard.c     the shards' side: put, cancellation, turn_end
 *   durable_behind.c    retained messages that wait to be written: the last value of each topic
 *   durable_thread.c    the store thread: batches, answers, failures, chores
 *   durable_write.c     records -> statements
 *   durable_db.c        the database: connection, schema, prepared statements
 *   durable_read.c      restore
 *   durable_log.c       the write-ahead log, looked over
 *   durable_salvage.c   what can be read of a damaged database
 *   durable_replace.c   how what was salvaged takes its place
 *   durable_inspect.c   show and check
 *   durable_lock.c      the lock file
 */
#pragma once

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "sotto/base/hash.h"
#include "sotto/base/hmap.h"
#include "sotto/base/list.h"
#include "sotto/base/pool.h"
#include "sotto/store/durable.h"

#define DURABLE_FILE "sotto.db"
#define DURABLE_LOCK "sotto.lock"
#define DURABLE_SCHEMA 2
#define DURABLE_PLAUSIBLE 1000         /* a schema beyond this is damage, and not a newer program's */
#define DURABLE_APPLICATION 0x536f7474 /* "Sott" */
/* What of one shard waits to be written before its publishers are held back; half of it ends an interval early. */
#define DURABLE_FULL ((size_t)8 * 1024 * 1024)
#define DURABLE_TEXT 512
/* Pages of the write-ahead log, 4 MiB, from which it is copied back. */
#define DURABLE_CHECKPOINT 1000
/* In `queue`, what belongs to no session, but goes from one to another. Sessions begin at 1. */
#define DURABLE_GIVEN 0
#define DURABLE_PAGE 4096 /* bytes of a page, SQLite's default */
/* No expiry. */
#define DURABLE_NEVER INT64_MAX

/* ---------------------------------------------------------------- database */

enum durable_statement {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_SESSION,
    SQL_SESSION_END,
    SQL_SESSION_FILTERS_END,
    SQL_SESSION_RECEIVED_END,
    SQL_SESSION_ROWS_LEFT,
    SQL_SUBSCRIBE,
    SQL_UNSUBSCRIBE,
    SQL_MESSAGE,
    SQL_MESSAGE_CONFIRM,
    SQL_MESSAGE_LAST,
    SQL_MESSAGE_LESS,
    SQL_QUEUE,
    SQL_STATE,
    SQL_ROW_MESSAGE,
    SQL_DONE,
    SQL_GIVE,
    SQL_TAKE,
    SQL_RECEIVED,
    SQL_RECEIVED_DONE,
    SQL_RETAIN,
    SQL_RETAIN_DELETE,
    SQL_CLOCK,
    SQL_ENDED,
    SQL_ENDED_ROWS,
    SQL_ENDED_OVER,
    SQL_EXPIRED,
    SQL_STATEMENTS,
};

struct durable_db {
    sqlite3 *c;
    sqlite3_stmt *st[SQL_STATEMENTS];
    int wal_pages;     /* in the write-ahead log */
    int checkpoint_at; /* when it has so many */
    bool cramped;      /* opened without room on the disk: the log's index is in memory, and nobody else can read */
};

/*
 * Opens (makes) the database and brings it to the present schema. SQLITE_OK; or an error code with a line in err:
 * SQLITE_CORRUPT or SQLITE_NOTADB mean damage, see durable_db_damaged. Nothing is open then. A database that is there
 * is opened without any room on the disk, too, see `cramped`.
 */
int durable_db_open(struct durable_db *db, const char *path, const char *vfs, enum durability durability, char *err,
                    size_t cap);
/* What is in a database file: */
struct durable_made {
    int64_t version;  /* of its schema */
    bool ours, empty; /* made by this program; without tables yet */
};
/* SQLITE_MISMATCH: it is another program's, or has a later schema than this program knows; a line in err. */
int durable_db_whose(struct durable_db *db, const char *path, struct durable_made *made, char *err, size_t cap);
/* Has the disk room for others to read along? See durable_db.c. */
bool durable_db_room(const char *path);
/* Bytes that are free there; UINT64_MAX: nobody knows. */
uint64_t durable_db_free(const char *path);
/* Looks the whole file over. SQLITE_OK, SQLITE_CORRUPT, or another error; a line in err. */
int durable_db_verify(struct durable_db *db, char *err, size_t cap);
/* What a check of SQLite's has found, in one line, without the heading. */
void durable_db_finding(const char *text, char *out, size_t cap);
bool durable_db_damaged(int rc);
/* keep: leaves the write-ahead log as it is. */
void durable_db_close(struct durable_db *db, bool keep);
/* Runs a prepared statement to its end and resets it. SQLITE_OK or the error. */
int durable_db_run(struct durable_db *db, enum durable_statement s);
/* More memory for pages than looking over and restoring want, which see each page once: for the work that follows. */
void durable_db_settle_in(struct durable_db *db);
int durable_db_exec(struct durable_db *db, const char *sql);
/* One number of a query without parameters, `otherwise` when it has no row. */
int durable_db_number(struct durable_db *db, const char *sql, int64_t otherwise, int64_t *out);
/* "database or disk is full (No space left on device)" */
void durable_db_why(const struct durable_db *db, int rc, char *out, size_t cap);

/* The line for a person, of a database that can't be read at the start: where, why, and what to do. */
void durable_db_unreadable(const char *path, int rc, const char *why, char *err, size_t cap);
void durable_bind_blob(sqlite3_stmt *st, int i, struct bytes b);
void durable_bind_time(sqlite3_stmt *st, int i, int64_t t);
struct bytes durable_column_blob(sqlite3_stmt *st, int i);
/* The names of new files are on disk when their folder is: that of path. */
void durable_db_sync_folder(const char *path);
/* DIR/NAME, to be freed. */
char *durable_path(const char *dir, const char *name);
/* The name of a file that stands beside another: PATH-wal. To be freed. */
char *durable_beside(const char *path, const char *suffix);

/* Is something of the write-ahead log of the database at path damaged or gone that was committed? Before the database
 * is opened. Why, in words. */
bool durable_log_damaged(const char *path, char *why, size_t cap);
/* Copies what is good of a damaged log into its database, which nobody has open, and moves the log to TO-wal-applied.
 * With another log nothing is done. False with a line in err: the disk doesn't do it. May be broken off at any moment.
 */
bool durable_log_apply(const char *path, const char *to, char *err, size_t cap);
/* Moves the damaged database away and makes a new one with what can be read of it. Logs both. Then the database is
 * open; else an error with a line in err, and the damaged one is where it was, or durable_replace_finish has work. */
int durable_salvage(struct durable_db *db, const char *dir, const char *vfs, enum durability durability, int64_t wall,
                    const char *why, char *err, size_t cap);
/* Where the new database is made before it replaces the one at path; to be freed. And: it is not to be, after all. */
char *durable_replace_path(const char *path);
void durable_replace_forget(const char *path);
/* Where the damaged one goes: a name that is not taken; to be freed. */
char *durable_replace_aside(const char *path, int64_t wall);
/* The new database, closed, takes the place of the one at path, which becomes `to`. False, with errno. */
bool durable_replace(const char *path, const char *to, int64_t wall);
/* Before path is opened: finishes, or forgets, a salvage that was broken off. False with a line in err. */
bool durable_replace_finish(const char *path, char *err, size_t cap);
/* Repairs references between tables: rows without message or session go, messages without rows too. */
int durable_repair(struct durable_db *db);

/* ---------------------------------------------------------------- records on their way */

/* A message that rows of one turn and shard share. Counted by the shard's thread: once it is pushed, while held fast.
 */
struct durable_body {
    uint32_t refs;
    uint32_t size;
    uint64_t id;      /* its number in the database */
    uint64_t attempt; /* the transaction that wrote it: the store thread's */
    int64_t expires;
    uint32_t topic_n, props_n, payload_n;
    uint64_t held; /* the publication that it waits for, as numbered in the database; 0: it counts */
    uint8_t qos;
    bool retain;
    uint8_t data[];
};

struct durable_will {
    uint32_t topic_n, props_n, payload_n;
    uint32_t delay, expiry;
    uint8_t qos;
    bool retain;
};

/* What is to be written. Made and freed by its shard's thread; in between in the FIFO, or with the store thread. */
struct durable_entry {
    struct list link;
    struct durable_body *body; /* STORE_QUEUE */
    uint64_t session, row;
    union {
        uint64_t
            message;    /* STORE_RECEIVED: what was held as that counts now, as numbered in the database; 0: nothing */
        uint64_t given; /* STORE_GIVE, TAKE */
    };
    uint64_t push;   /* the turn that it goes out with */
    int64_t expires; /* STORE_SESSION: when it ends; while connected: 0 */
    int64_t put;     /* STORE_SESSION: when it was put */
    uint32_t size, expiry, sub_id;
    uint32_t text_n, user_n; /* data: client id and user, or filter, or shared subscription; then the will */
    struct durable_will will;
    uint16_t packet_id, shard;
    uint8_t kind, qos, flags, state;
    bool retain, connected, has_will, named; /* named: found by row in the shard's table */
    uint8_t data[];
};

/* Numbers up to this one were dealt with. */
struct durable_report {
    struct list link;
    uint64_t upto;
    bool failed;
};

/* The number of the session that a slot has, and which of the slot's sessions it is. There is one for each session, so
 * without holes. */
struct __attribute__((packed)) durable_id {
    uint32_t generation;
    uint64_t id;
};

struct durable_shard {
    struct durable *d;
    unsigned number;
    struct pool pool;
    struct hmap rows;          /* entries with a row that are not home yet, by session and row */
    struct list turn;          /* what was put in this turn */
    uint64_t last, told;       /* numbers: given; answered at once, where nothing is waited for */
    uint64_t push;             /* the number of this turn's push */
    size_t bytes;              /* of entries that are not home */
    bool over;                 /* more of them than DURABLE_FULL */
    bool unlucky;              /* a record of this turn got no memory */
    struct durable_body *body; /* the last message of this turn, and its number in the core */
    uint64_t body_message;
    struct durable_id *ids; /* by slot of the handle */
    uint32_t ids_n;
    uint64_t sessions, messages; /* numbers that were given */
    _Atomic bool news;           /* something in home or reports */
    /* Under the store's lock: */
    uint64_t pushed_last; /* the highest number that was pushed, and the highest that was answered for */
    uint64_t answered;
    uint64_t taken; /* pushes up to this one are with the store thread, or done */
    bool pushed_unlucky;
    bool failing; /* the last answer was that it failed */
    struct list home, reports;
    /* The batch in hand, the store thread's: */
    uint64_t batch_last;
    bool batch_unlucky;
};

/* A retained message that waits. In the map, until a batch takes it. */
struct durable_value {
    struct list link; /* in due, in lazy, or in a batch */
    uint64_t hash;
    int64_t expires;
    uint32_t topic_n, props_n, payload_n;
    uint8_t qos;
    bool due;
    uint8_t data[];
};

struct durable_behind {
    struct hash_key key;
    struct hmap map;
    struct list due, lazy; /* lazy: nobody waits for them */
    size_t bytes;
    msec since; /* the first lazy one came then */
};

/* Messages of which a row is gone in the transaction in hand, as often as rows are. */
struct durable_unrefs {
    uint64_t *v;
    size_t n, cap;
};

struct durable {
    struct durable_config c;
    char *path;
    int lock_fd;
    struct durable_db db;
    struct durable_shard *shards;
    int64_t skew;          /* store time less core time */
    uint64_t session_base; /* numbers from here on are free */
    uint64_t message_base;
    pthread_t thread;
    bool running;
    atomic_uint full; /* shards that are over */

    pthread_mutex_t lock; /* for all below, and what is said in the shards */
    pthread_cond_t work;
    struct list fifo;
    bool numbers; /* a shard asked for an answer since the last batch */
    bool stopping, urgent;
    struct durable_behind behind;
    msec first; /* when the first of what waits came; MSEC_NEVER: nothing waits */

    /* The store thread's: */
    struct list kept; /* entries of failed batches that have to be written some time */
    uint64_t attempt;
    struct durable_unrefs unrefs;
    uint64_t batches, records;                  /* that were written */
    msec retry_at, failing_since, told_failing; /* failing_since MSEC_NEVER: all is well */
    msec retry_after;                           /* the next pause */
    msec stamped, chores_at, told_checkpoint;
    msec salvage_at;       /* one that failed is tried again then, */
    uint64_t salvage_room; /* or with so much room */
    bool ended_left;
};

static inline struct bytes durable_body_topic(const struct durable_body *b)
{
    return bytes_of(b->data, b->topic_n);
}
static inline struct bytes durable_body_props(const struct durable_body *b)
{
    return bytes_of(b->data + b->topic_n, b->props_n);
}
static inline struct bytes durable_body_payload(const struct durable_body *b)
{
    return bytes_of(b->data + b->topic_n + b->props_n, b->payload_n);
}

/* Store time: it goes on over restarts, see durable.c. */
static inline int64_t durable_time(const struct durable *d, msec at)
{
    return at == MSEC_NEVER ? DURABLE_NEVER : (int64_t)at + d->skew;
}
static inline msec durable_core_time(const struct durable *d, int64_t at)
{
    return at == DURABLE_NEVER ? MSEC_NEVER : at > d->skew ? (msec)(at - d->skew) : 0;
}
static inline int64_t durable_now(const struct durable *d)
{
    return durable_time(d, d->c.now());
}

void durable_shard_init(struct durable_shard *sh, struct durable *d, unsigned number);
void durable_shard_fini(struct durable_shard *sh);
/* On the shard's thread, or after it has ended: frees entries that came home. */
void durable_shard_free_entries(struct durable_shard *sh, struct list *entries);
/* Under the lock: what was put in this turn goes into the FIFO. True: there was something. */
bool durable_shard_push(struct durable_shard *sh);

void durable_behind_init(struct durable_behind *b);
void durable_behind_fini(struct durable_behind *b);
/* NULL without memory. */
struct durable_value *durable_value_new(const struct store_record *r, int64_t expires);
/* Under the lock. The value is the topic's last one from now on; returns what it replaces (to be freed), or NULL.
 * False in *ok: no memory, nothing was done. */
struct durable_value *durable_behind_set(struct durable_behind *b, struct durable_value *v, msec now, bool *ok);
/* Under the lock: moves those that are due (all: all) to out. */
void durable_behind_take(struct durable_behind *b, bool all, struct list *out);
/* Under the lock: a batch failed; what was not replaced meanwhile waits again, as due. */
void durable_behind_return(struct durable_behind *b, struct list *values);
void durable_values_free(struct list *values);

void *durable_thread_main(void *arg);
/* Under the lock, on whatever thread has the database (it is given back meanwhile): takes all that is due and writes
 * it, once. False: it could not be written. */
bool durable_flush(struct durable *d);
/* The database can't be written: on the store thread. */
void durable_failed(struct durable *d, int rc, const char *why);

/* Inside a transaction: SQLITE_OK or the error. */
int durable_write_entry(struct durable *d, struct durable_entry *e);
/* Before the commit: counts what rows that are gone have left of their messages. */
int durable_write_unrefs(struct durable *d);
int durable_write_value(struct durable *d, const struct durable_value *v);
int durable_write_clock(struct durable *d);
/* Chores, in transactions of their own, a slice each. *more: there is more of it. */
int durable_write_ended(struct durable *d, bool *more);
int durable_write_expired(struct durable *d, bool *more);

/* The lock file. The descriptor, or -1 with one line in err. */
int durable_lock(const char *dir, char *err, size_t cap);
void durable_unlock(int fd);
