/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The database: how it is opened, its schema, and the statements that the store thread runs. docs/store.md explains the
 * tables to those who want to read them.
 *
 * The schema has a number (user_version); a database with a lower one is brought up step by step, each step in a
 * transaction of its own. One with a higher number was made by a newer program, and is refused.
 */
#include "durable_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "sotto/base/file_why.h"
#include "sotto/base/mem.h"

/* Somebody may look into the database with a tool that takes a lock for a moment. */
#define BUSY_MS 2000
/* Bytes that have to be free for an index of the write-ahead log in a file: many times what it takes. */
#define ROOM ((uint64_t)1 << 20)

/* Step n brings the schema from n to n + 1. */
static const char *const steps[DURABLE_SCHEMA] = {
    "CREATE TABLE session(id INTEGER PRIMARY KEY, client BLOB NOT NULL, user BLOB NOT NULL, expiry INTEGER NOT NULL,"
    " connected INTEGER NOT NULL, expires INTEGER NOT NULL, will_delay INTEGER, will_due INTEGER, will_expiry INTEGER,"
    " will_qos INTEGER, will_retain INTEGER, will_topic BLOB, will_props BLOB, will_payload BLOB);"
    "CREATE TABLE subscription(session INTEGER NOT NULL, filter BLOB NOT NULL, qos INTEGER NOT NULL,"
    " flags INTEGER NOT NULL, sub_id INTEGER NOT NULL, PRIMARY KEY(session, filter)) WITHOUT ROWID;"
    "CREATE TABLE message(id INTEGER PRIMARY KEY, refs INTEGER NOT NULL, held INTEGER NOT NULL, qos INTEGER NOT NULL,"
    " retain INTEGER NOT NULL, stored INTEGER NOT NULL, expires INTEGER, topic BLOB NOT NULL, props BLOB NOT NULL,"
    " payload BLOB NOT NULL);"
    "CREATE INDEX message_held ON message(held) WHERE held;"
    "CREATE TABLE queue(session INTEGER NOT NULL, row INTEGER NOT NULL, message INTEGER NOT NULL,"
    " qos INTEGER NOT NULL, retain INTEGER NOT NULL, sub_id INTEGER NOT NULL, state INTEGER NOT NULL,"
    " packet INTEGER NOT NULL, PRIMARY KEY(session, row)) WITHOUT ROWID;"
    "CREATE TABLE received(session INTEGER NOT NULL, packet INTEGER NOT NULL,"
    " PRIMARY KEY(session, packet)) WITHOUT ROWID;"
    "CREATE TABLE retained(id INTEGER PRIMARY KEY, topic BLOB NOT NULL UNIQUE, qos INTEGER NOT NULL, expires INTEGER,"
    " props BLOB NOT NULL, payload BLOB NOT NULL);"
    "CREATE INDEX retained_expires ON retained(expires) WHERE expires IS NOT NULL;"
    "CREATE TABLE ended(session INTEGER PRIMARY KEY);"
    "CREATE TABLE clock(id INTEGER PRIMARY KEY CHECK(id = 1), store INTEGER NOT NULL, wall INTEGER NOT NULL);",
    "ALTER TABLE queue ADD COLUMN share BLOB;",
};

static const char *const statements[SQL_STATEMENTS] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_SESSION] =
        "INSERT OR REPLACE INTO session(id, client, user, expiry, connected, expires, will_delay, will_due,"
        " will_expiry, will_qos, will_retain, will_topic, will_props, will_payload)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    [SQL_SESSION_END] = "DELETE FROM session WHERE id = ?1",
    [SQL_SESSION_FILTERS_END] = "DELETE FROM subscription WHERE session = ?1",
    [SQL_SESSION_RECEIVED_END] = "DELETE FROM received WHERE session = ?1",
    [SQL_SESSION_ROWS_LEFT] =
        "INSERT OR IGNORE INTO ended(session) SELECT ?1 WHERE EXISTS"
        " (SELECT 1 FROM queue WHERE session = ?1)",
    [SQL_SUBSCRIBE] =
        "INSERT OR REPLACE INTO subscription(session, filter, qos, flags, sub_id)"
        " VALUES(?1, ?2, ?3, ?4, ?5)",
    [SQL_UNSUBSCRIBE] = "DELETE FROM subscription WHERE session = ?1 AND filter = ?2",
    [SQL_MESSAGE] =
        "INSERT INTO message(id, refs, held, qos, retain, stored, expires, topic, props, payload)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
        " ON CONFLICT(id) DO UPDATE SET refs = refs + excluded.refs",
    [SQL_MESSAGE_CONFIRM] = "UPDATE message SET held = 0 WHERE held = ?1 AND held",
    [SQL_MESSAGE_LAST] = "DELETE FROM message WHERE id = ?1 AND refs <= ?2",
    [SQL_MESSAGE_LESS] = "UPDATE message SET refs = refs - ?2 WHERE id = ?1",
    [SQL_QUEUE] =
        "INSERT OR REPLACE INTO queue(session, row, message, qos, retain, sub_id, state, packet, share)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [SQL_STATE] = "UPDATE queue SET state = ?3, packet = ?4 WHERE session = ?1 AND row = ?2",
    [SQL_ROW_MESSAGE] = "SELECT message FROM queue WHERE session = ?1 AND row = ?2",
    [SQL_DONE] = "DELETE FROM queue WHERE session = ?1 AND row = ?2",
    [SQL_GIVE] =
        "UPDATE OR REPLACE queue SET session = 0, row = ?3, state = 0, packet = 0 WHERE session = ?1 AND row = ?2",
    [SQL_TAKE] =
        "UPDATE OR REPLACE queue SET session = ?1, row = ?2, qos = ?4, retain = ?5, sub_id = ?6"
        " WHERE session = 0 AND row = ?3",
    [SQL_RECEIVED] = "INSERT OR REPLACE INTO received(session, packet) VALUES(?1, ?2)",
    [SQL_RECEIVED_DONE] = "DELETE FROM received WHERE session = ?1 AND packet = ?2",
    [SQL_RETAIN] =
        "INSERT INTO retained(topic, qos, expires, props, payload) VALUES(?1, ?2, ?3, ?4, ?5)"
        " ON CONFLICT(topic) DO UPDATE SET qos = excluded.qos, expires = excluded.expires,"
        " props = excluded.props, payload = excluded.payload",
    [SQL_RETAIN_DELETE] = "DELETE FROM retained WHERE topic = ?1",
    [SQL_CLOCK] = "INSERT OR REPLACE INTO clock(id, store, wall) VALUES(1, ?1, ?2)",
    [SQL_ENDED] = "SELECT session FROM ended LIMIT 1",
    [SQL_ENDED_ROWS] =
        "DELETE FROM queue WHERE session = ?1 AND row IN"
        " (SELECT row FROM queue WHERE session = ?1 ORDER BY row LIMIT 500) RETURNING message",
    [SQL_ENDED_OVER] = "DELETE FROM ended WHERE session = ?1",
    [SQL_EXPIRED] = "DELETE FROM retained WHERE id IN (SELECT id FROM retained WHERE expires <= ?1 LIMIT 500)",
};

const char *durable_library(void)
{
    return sqlite3_libversion();
}

bool durable_db_damaged(int rc)
{
    return (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB;
}

void durable_db_why(const struct durable_db *db, int rc, char *out, size_t cap)
{
    int error = db->c != NULL ? sqlite3_system_errno(db->c) : 0;
    bool of_system = (rc & 0xff) == SQLITE_IOERR || (rc & 0xff) == SQLITE_CANTOPEN || (rc & 0xff) == SQLITE_FULL;
    if (of_system && error != 0)
        snprintf(out, cap, "%s (%s)", sqlite3_errstr(rc), strerror(error));
    else
        snprintf(out, cap, "%s",
                 db->c != NULL && sqlite3_errcode(db->c) == (rc & 0xff) ? sqlite3_errmsg(db->c) : sqlite3_errstr(rc));
}

static void unopened(const char *path, bool full, const char *what, const char *why, char *err, size_t cap)
{
    snprintf(err, cap, "%s can't be %s: %s%s", path, what, why,
             full ? "; make room on its disk, nothing that was stored is lost" : "");
}

void durable_db_unreadable(const char *path, int rc, const char *why, char *err, size_t cap)
{
    bool full = (rc & 0xff) == SQLITE_FULL;
    unopened(path, full, full ? "opened" : "read", why, err, cap);
}

int durable_db_exec(struct durable_db *db, const char *sql)
{
    return sqlite3_exec(db->c, sql, NULL, NULL, NULL);
}

int durable_db_run(struct durable_db *db, enum durable_statement s)
{
    sqlite3_stmt *st = db->st[s];
    int rc;
    do
        rc = sqlite3_step(st);
    while (rc == SQLITE_ROW);
    int reset = sqlite3_reset(st);
    return rc == SQLITE_DONE ? SQLITE_OK : reset != SQLITE_OK ? reset : rc;
}

int durable_db_number(struct durable_db *db, const char *sql, int64_t otherwise, int64_t *out)
{
    sqlite3_stmt *st;
    int rc = sqlite3_prepare_v2(db->c, sql, -1, &st, NULL);
    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(st);
    bool has = rc == SQLITE_ROW && sqlite3_column_type(st, 0) != SQLITE_NULL;
    *out = has ? sqlite3_column_int64(st, 0) : otherwise;
    int end = sqlite3_finalize(st);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? end : rc;
}

void durable_bind_blob(sqlite3_stmt *st, int i, struct bytes b)
{
    sqlite3_bind_blob64(st, i, b.n > 0 ? (const void *)b.p : "", b.n, SQLITE_STATIC);
}

void durable_bind_time(sqlite3_stmt *st, int i, int64_t t)
{
    if (t == DURABLE_NEVER)
        sqlite3_bind_null(st, i);
    else
        sqlite3_bind_int64(st, i, t);
}

struct bytes durable_column_blob(sqlite3_stmt *st, int i)
{
    const void *p = sqlite3_column_blob(st, i);
    return bytes_of(p, (size_t)sqlite3_column_bytes(st, i));
}

char *durable_path(const char *dir, const char *name)
{
    size_t n = strlen(dir) + 1 + strlen(name) + 1;
    char *path = mem_alloc(n);
    snprintf(path, n, "%s/%s", dir, name);
    return path;
}

char *durable_beside(const char *path, const char *suffix)
{
    size_t n = strlen(path) + strlen(suffix) + 1;
    char *name = mem_alloc(n);
    snprintf(name, n, "%s%s", path, suffix);
    return name;
}

/* ---------------------------------------------------------------- opening */

static int on_commit(void *ctx, sqlite3 *c, const char *name, int pages)
{
    (void)c;
    (void)name;
    ((struct durable_db *)ctx)->wal_pages = pages;
    return SQLITE_OK;
}

/*
 * A write-ahead log that is synced at each commit, copied back by the store thread when it says so. Freed pages go back
 * to the system a few at a time (see chores); what was deleted is overwritten where that costs no writing.
 */
static int set_up(struct durable_db *db, enum durability durability)
{
    static const char always[] =
        "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 16777216;"
        " PRAGMA secure_delete = FAST; PRAGMA cache_size = -1024; PRAGMA temp_store = MEMORY;"
        " PRAGMA trusted_schema = OFF;";
    int64_t pages = 0;
    int rc = durable_db_number(db, "PRAGMA page_count", 0, &pages);
    if (rc == SQLITE_OK && pages == 0) /* else it would write, each time */
        rc = durable_db_exec(db, "PRAGMA auto_vacuum = INCREMENTAL");
    if (rc == SQLITE_OK)
        rc = durable_db_exec(db, always);
    if (rc == SQLITE_OK)
        rc = durable_db_exec(db,
                             durability == DURABILITY_OFF ? "PRAGMA synchronous = OFF" : "PRAGMA synchronous = FULL");
    sqlite3_wal_hook(db->c, on_commit, db);
    return rc;
}

static int step_up(struct durable_db *db, int64_t from)
{
    char version[64];
    snprintf(version, sizeof(version), "PRAGMA user_version = %d", (int)from + 1);
    int rc = durable_db_exec(db, "BEGIN IMMEDIATE");
    if (rc == SQLITE_OK)
        rc = durable_db_exec(db, steps[from]);
    if (rc == SQLITE_OK)
        rc = durable_db_exec(db, version);
    if (rc == SQLITE_OK)
        rc = durable_db_exec(db, "COMMIT");
    if (rc != SQLITE_OK)
        durable_db_exec(db, "ROLLBACK");
    return rc;
}

int durable_db_whose(struct durable_db *db, const char *path, struct durable_made *made, char *err, size_t cap)
{
    int64_t version = 0, application = 0, tables = 0, known = 0;
    int rc = durable_db_number(db, "PRAGMA user_version", 0, &version);
    if (rc == SQLITE_OK)
        rc = durable_db_number(db, "PRAGMA application_id", 0, &application);
    if (rc == SQLITE_OK)
        rc = durable_db_number(db, "SELECT count(*) FROM sqlite_schema", 0, &tables);
    if (rc == SQLITE_OK)
        rc = durable_db_number(db,
                               "SELECT count(*) = 8 FROM sqlite_schema WHERE name IN ('session', 'subscription',"
                               " 'message', 'queue', 'received', 'retained', 'ended', 'clock')",
                               0, &known);
    *made = (struct durable_made){.version = version, .ours = application != 0, .empty = tables == 0};
    if (rc != SQLITE_OK)
        return rc;
    bool ours = application == DURABLE_APPLICATION;
    if (!ours && known)
        return SQLITE_CORRUPT;
    if (!ours && (application != 0 || tables != 0)) {
        snprintf(err, cap, "%s is a database of another program; move it away", path);
        return SQLITE_MISMATCH;
    }
    if (version > DURABLE_PLAUSIBLE || version < 0 || (version == 0 && tables != 0))
        return SQLITE_CORRUPT;
    if (version > DURABLE_SCHEMA) {
        snprintf(err, cap, "%s was made by a newer version of sotto (schema %lld, this one knows %d); use that one",
                 path, (long long)version, DURABLE_SCHEMA);
        return SQLITE_MISMATCH;
    }
    return SQLITE_OK;
}

static int bring_up(struct durable_db *db, const char *path, char *err, size_t cap)
{
    struct durable_made made;
    int rc = durable_db_whose(db, path, &made, err, cap);
    if (rc == SQLITE_OK && !made.ours) {
        char sql[64];
        snprintf(sql, sizeof(sql), "PRAGMA application_id = %d", DURABLE_APPLICATION);
        rc = durable_db_exec(db, sql);
    }
    for (; rc == SQLITE_OK && made.version < DURABLE_SCHEMA; made.version++)
        rc = step_up(db, made.version);
    return rc == SQLITE_ERROR ? SQLITE_CORRUPT : rc; /* a table of another step */
}

static int prepare(struct durable_db *db)
{
    int rc = SQLITE_OK;
    for (int i = 0; rc == SQLITE_OK && i < SQL_STATEMENTS; i++)
        rc = sqlite3_prepare_v3(db->c, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &db->st[i], NULL);
    return rc == SQLITE_ERROR ? SQLITE_CORRUPT : rc; /* a table that is missing */
}

void durable_db_sync_folder(const char *path)
{
    char *folder = mem_strndup(path, strlen(path));
    char *slash = strrchr(folder, '/');
    if (slash != NULL)
        *slash = '\0';
    int fd = open(slash != NULL ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    mem_free(folder);
}

/* Nobody else is to read it; its log and the index of that follow its mode. */
static void make_private(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0)
        close(fd);
}

/* The database, or a file that SQLite keeps beside it, is somebody else's: who, and the command that mends it. */
static bool is_closed_to_us(const char *path, char *err, size_t cap)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char file[DURABLE_TEXT], why[DURABLE_TEXT];
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        snprintf(file, sizeof(file), "%s%s", path, ends[i]);
        if (faccessat(AT_FDCWD, file, R_OK | W_OK, AT_EACCESS) == 0 || errno == ENOENT)
            continue;
        file_why_folder(file, geteuid(), errno, why, sizeof(why));
        snprintf(err, cap, "%s %s", file, why);
        return true;
    }
    return false;
}

static int open_way(struct durable_db *db, const char *path, const char *vfs, enum durability durability, char *err,
                    size_t cap)
{
    int rc = sqlite3_open_v2(path, &db->c, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, vfs);
    if (rc == SQLITE_OK)
        rc = sqlite3_extended_result_codes(db->c, 1);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(db->c, BUSY_MS);
    if (rc == SQLITE_OK && db->cramped)
        rc = durable_db_exec(db, "PRAGMA locking_mode = EXCLUSIVE");
    if (rc == SQLITE_OK)
        rc = set_up(db, durability);
    if (rc == SQLITE_OK)
        rc = bring_up(db, path, err, cap);
    if (rc == SQLITE_OK)
        rc = prepare(db);
    return rc;
}

/*
 * The index of the write-ahead log is a file, so that others can read along, and the first to open the database makes
 * it anew. Without room for it that fails; or it seems to work, and a later access to the file's memory, for which the
 * system then finds no room, ends the process (SIGBUS). So where there is next to no room, the index is made in memory.
 */
bool durable_db_room(const char *path)
{
    return durable_db_free(path) >= ROOM;
}

uint64_t durable_db_free(const char *path)
{
    struct statvfs f;
    return statvfs(path, &f) == 0 ? (uint64_t)f.f_bavail * f.f_frsize : UINT64_MAX;
}

static bool lacks_room(const struct durable_db *db, int rc)
{
    int error = db->c != NULL ? sqlite3_system_errno(db->c) : 0;
    return (rc & 0xff) == SQLITE_FULL || ((rc & 0xff) == SQLITE_IOERR && (error == ENOSPC || error == EDQUOT));
}

int durable_db_open(struct durable_db *db, const char *path, const char *vfs, enum durability durability, char *err,
                    size_t cap)
{
    char why[DURABLE_TEXT];
    err[0] = '\0';
    make_private(path);
    *db = (struct durable_db){.checkpoint_at = DURABLE_CHECKPOINT, .cramped = !durable_db_room(path)};
    int rc = open_way(db, path, vfs, durability, err, cap);
    if (rc != SQLITE_OK && !db->cramped && err[0] == '\0' && lacks_room(db, rc)) {
        durable_db_close(db, true);
        *db = (struct durable_db){.checkpoint_at = DURABLE_CHECKPOINT, .cramped = true};
        rc = open_way(db, path, vfs, durability, err, cap);
    }
    if (rc == SQLITE_OK) {
        durable_db_sync_folder(path);
        return rc;
    }
    durable_db_why(db, rc, why, sizeof(why));
    bool full = lacks_room(db, rc);
    if (err[0] == '\0' && !is_closed_to_us(path, err, cap))
        unopened(path, full, "opened", why, err, cap);
    durable_db_close(db, durable_db_damaged(rc));
    return rc;
}

void durable_db_settle_in(struct durable_db *db)
{
    if (db->c != NULL)
        durable_db_exec(db, "PRAGMA cache_size = -8192");
}

void durable_db_finding(const char *text, char *out, size_t cap)
{
    size_t n = 0;
    if (strncmp(text, "*** ", 4) == 0 && strchr(text, '\n') != NULL)
        text = strchr(text, '\n') + 1;
    for (; *text != '\0' && n + 3 < cap; text++) {
        if (*text == '\n')
            out[n++] = ';';
        out[n++] = *text != '\n' ? *text : ' ';
    }
    out[n] = '\0';
}

int durable_db_verify(struct durable_db *db, char *err, size_t cap)
{
    sqlite3_stmt *st;
    int rc = sqlite3_prepare_v2(db->c, "PRAGMA quick_check(1)", -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    else
        st = NULL;
    const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;
    bool good = text != NULL && strcmp(text, "ok") == 0;
    if (!good && text != NULL)
        durable_db_finding(text, err, cap);
    else if (!good)
        durable_db_why(db, rc, err, cap);
    sqlite3_finalize(st);
    return good ? SQLITE_OK : rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_CORRUPT : rc;
}

void durable_db_close(struct durable_db *db, bool keep)
{
    if (db->c == NULL)
        return;
    for (int i = 0; i < SQL_STATEMENTS; i++)
        sqlite3_finalize(db->st[i]);
    if (keep)
        sqlite3_db_config(db->c, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_close(db->c);
    *db = (struct durable_db){0};
}
