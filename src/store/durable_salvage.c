/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A damaged database is moved aside, with its write-ahead log, and a new one takes its place (durable_replace.c), into
 * which went what can be read: each table is walked from its first row until something can't be read, then from its
 * last row backwards to the same place. What then hangs in the air (rows without a message, filters without a session)
 * is let go.
 *
 * SQLite opens no file that is shorter than its first page says, and none whose first page is damaged. The former is
 * done away with by a setting. The first page holds the tables' names and where they begin, and the new database has
 * made the same tables in the same order: its first page takes the place of the damaged one, which is kept in a file of
 * its own. (A table of a later schema's step may begin elsewhere in a database that was brought up to it; such steps
 * have to be thought of here.)
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "durable_private.h"
#include "sotto/base/log.h"
#include "sotto/base/mem.h"

struct table {
    const char *name, *key; /* key: what it is ordered by */
    int columns;
};

/* Sessions first, what belongs to them later. */
static const struct table tables[] = {
    {"clock", "id", 3},
    {"session", "id", 14},
    {"subscription", "session %s, filter", 5},
    {"received", "session %s, packet", 2},
    {"message", "id", 10},
    {"queue", "session %s, row", 9},
    {"retained", "id", 6},
    {"ended", "session", 1},
};

struct salvage {
    sqlite3 *from, *to;
    uint64_t rows;
    unsigned torn; /* tables that could not be read to their ends */
};

static void copy_row(struct salvage *s, sqlite3_stmt *in, sqlite3_stmt *out)
{
    int n = sqlite3_column_count(in);
    for (int i = 0; i < n; i++)
        sqlite3_bind_value(out, i + 1, sqlite3_column_value(in, i));
    if (sqlite3_step(out) == SQLITE_DONE && sqlite3_changes(s->to) > 0)
        s->rows++;
    sqlite3_reset(out);
}

/* True: it was read to its end. Backwards, the end is a row that is there already. */
static bool walk(struct salvage *s, const struct table *t, sqlite3_stmt *out, bool backwards)
{
    char key[64], sql[160];
    sqlite3_stmt *in = NULL;
    const char *way = backwards ? "DESC" : "ASC";
    snprintf(key, sizeof(key), strchr(t->key, '%') != NULL ? t->key : "%s", strchr(t->key, '%') != NULL ? way : t->key);
    snprintf(sql, sizeof(sql), "SELECT * FROM %s ORDER BY %s %s", t->name, key, way);
    int rc = sqlite3_prepare_v2(s->from, sql, -1, &in, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(in)) == SQLITE_ROW) {
        copy_row(s, in, out);
        rc = SQLITE_OK;
        if (backwards && sqlite3_changes(s->to) == 0)
            break;
    }
    sqlite3_finalize(in);
    return rc == SQLITE_DONE;
}

static void copy_table(struct salvage *s, const struct table *t)
{
    char sql[160];
    sqlite3_stmt *out = NULL;
    size_t n = (size_t)snprintf(sql, sizeof(sql), "INSERT OR IGNORE INTO %s VALUES(", t->name);
    for (int i = 0; i < t->columns; i++)
        n += (size_t)snprintf(sql + n, sizeof(sql) - n, i > 0 ? ",?" : "?");
    snprintf(sql + n, sizeof(sql) - n, ")");
    if (sqlite3_prepare_v2(s->to, sql, -1, &out, NULL) == SQLITE_OK && !walk(s, t, out, false)) {
        s->torn++;
        walk(s, t, out, true);
    }
    sqlite3_finalize(out);
}

int durable_repair(struct durable_db *db)
{
    return durable_db_exec(db,
                           "DELETE FROM subscription WHERE session NOT IN (SELECT id FROM session);"
                           "DELETE FROM received WHERE session NOT IN (SELECT id FROM session);"
                           "DELETE FROM queue WHERE message NOT IN (SELECT id FROM message);"
                           "INSERT OR IGNORE INTO ended SELECT DISTINCT session FROM queue"
                           " WHERE session <> 0 AND session NOT IN (SELECT id FROM session);"
                           "CREATE TEMP TABLE used AS SELECT message AS id, count(*) AS n FROM queue GROUP BY message;"
                           "CREATE INDEX temp.used_id ON used(id);"
                           "DELETE FROM message WHERE id NOT IN (SELECT id FROM used);"
                           "UPDATE message SET refs = (SELECT n FROM used WHERE used.id = message.id);"
                           "DROP TABLE used;");
}

static sqlite3 *open_damaged(const char *damaged, const char *vfs)
{
    sqlite3 *c = NULL;
    if (sqlite3_open_v2(damaged, &c, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, vfs) == SQLITE_OK) {
        sqlite3_db_config(c, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        sqlite3_db_config(c, SQLITE_DBCONFIG_WRITABLE_SCHEMA, 1, NULL); /* a file that was cut off is opened, too */
    }
    return c;
}

/* Whether the first page is as it was, in the file or in its log. */
static bool has_head(sqlite3 *c)
{
    return sqlite3_exec(c, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL) == SQLITE_OK;
}

static void put_number(uint8_t *at, uint32_t n)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(n >> (24 - 8 * i));
}

/* The page that was there is on disk, in a file of its own. */
static bool keep_head(const char *to, const uint8_t *page)
{
    char *kept = mem_alloc(strlen(to) + sizeof("-page1"));
    strcat(strcpy(kept, to), "-page1");
    int fd = open(kept, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good = fd >= 0 && write(fd, page, DURABLE_PAGE) == DURABLE_PAGE && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    durable_db_sync_folder(kept);
    mem_free(kept);
    return good;
}

/* Puts the new database's first page into the damaged one, which will be called `to`. False: the two can't be made of
 * the same pages, or the disk doesn't do it. */
static bool replace_head(sqlite3 *fresh, const char *damaged, const char *to)
{
    enum { PAGES_AT = 28, FREE_AT = 32, FREE_COUNT_AT = 36 };
    sqlite3_int64 n = 0;
    uint8_t *whole = sqlite3_serialize(fresh, "main", &n, 0), old[DURABLE_PAGE];
    struct stat st;
    int fd = open(damaged, O_RDWR | O_CLOEXEC);
    bool good = whole != NULL && n >= DURABLE_PAGE && (whole[16] << 8 | whole[17]) == DURABLE_PAGE && fd >= 0 &&
                fstat(fd, &st) == 0 && st.st_size > DURABLE_PAGE &&
                pread(fd, old, sizeof(old), 0) == (ssize_t)sizeof(old);
    if (good) {
        put_number(whole + PAGES_AT, (uint32_t)(st.st_size / DURABLE_PAGE));
        put_number(whole + FREE_AT, 0);
        put_number(whole + FREE_COUNT_AT, 0);
        good = keep_head(to, old) && pwrite(fd, whole, DURABLE_PAGE, 0) == DURABLE_PAGE;
    }
    if (fd >= 0)
        close(fd);
    sqlite3_free(whole);
    return good;
}

static int copy_all(struct durable_db *db, const char *damaged, const char *to, const char *vfs, struct salvage *s)
{
    *s = (struct salvage){.from = open_damaged(damaged, vfs), .to = db->c};
    if (!has_head(s->from) && replace_head(db->c, damaged, to)) {
        sqlite3_close(s->from);
        s->from = open_damaged(damaged, vfs);
    }
    int rc = durable_db_run(db, SQL_BEGIN);
    if (rc == SQLITE_OK) {
        for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
            copy_table(s, &tables[i]);
        rc = durable_repair(db);
    }
    if (rc == SQLITE_OK)
        rc = durable_db_run(db, SQL_COMMIT);
    if (rc != SQLITE_OK)
        durable_db_run(db, SQL_ROLLBACK);
    sqlite3_close(s->from);
    return rc;
}

/* What reading the damaged one left beside it: an index that is made anew, a log with nothing in it. */
static void tidy(const char *damaged)
{
    size_t n = strlen(damaged) + 5;
    char *path = mem_alloc(n);
    struct stat st;
    snprintf(path, n, "%s-shm", damaged);
    unlink(path);
    snprintf(path, n, "%s-wal", damaged);
    if (stat(path, &st) == 0 && st.st_size == 0)
        unlink(path);
    mem_free(path);
}

/* What can be read, in a database of its own beside the damaged one. */
static int make_new(const char *path, const char *to, const char *vfs, enum durability durability, struct salvage *s,
                    char *err, size_t cap)
{
    struct durable_db fresh;
    char *begun = durable_replace_path(path), why[DURABLE_TEXT];
    durable_replace_forget(path);
    int rc = durable_db_open(&fresh, begun, vfs, durability, err, cap);
    if (rc == SQLITE_OK) {
        /* Nothing is lost with it, and it is synced as a whole: so it needs its own room only, not that of a log, too.
         */
        rc = durable_db_exec(&fresh, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF");
        if (rc == SQLITE_OK)
            rc = copy_all(&fresh, path, to, vfs, s);
        if (rc == SQLITE_OK)
            rc = durable_db_exec(&fresh, "PRAGMA journal_mode = WAL");
        if (rc != SQLITE_OK) {
            durable_db_why(&fresh, rc, why, sizeof(why));
            snprintf(err, cap, "%s is damaged, and can't be salvaged: %s", path, why);
        }
        durable_db_close(&fresh, rc != SQLITE_OK);
    }
    mem_free(begun);
    return rc;
}

int durable_salvage(struct durable_db *db, const char *dir, const char *vfs, enum durability durability, int64_t wall,
                    const char *why, char *err, size_t cap)
{
    struct salvage s;
    char *path = durable_path(dir, DURABLE_FILE), *to = durable_replace_aside(path, wall), reason[DURABLE_TEXT];
    snprintf(reason, sizeof(reason), "%s", why); /* err may be the same */
    int rc =
        durable_log_apply(path, to, err, cap) ? make_new(path, to, vfs, durability, &s, err, cap) : SQLITE_CANTOPEN;
    if (rc != SQLITE_OK) {
        durable_replace_forget(path);
    } else if (!durable_replace(path, to, wall)) {
        snprintf(err, cap, "%s is damaged, and can't be moved to %s: %s", path, to, strerror(errno));
        rc = SQLITE_CANTOPEN;
    } else {
        tidy(to);
        log_event(LOG_ERROR, "store.damaged", LF_STR("file", path), LF_STR("reason", reason), LF_STR("moved_to", to));
        rc = durable_db_open(db, path, vfs, durability, err, cap);
    }
    if (rc == SQLITE_OK)
        log_event(LOG_WARN, "store.salvaged", LF_STR("file", path), LF_INT("rows", s.rows),
                  LF_INT("damaged_tables", s.torn),
                  LF_STR("effect", s.rows > 0 ? "what could be read is here again; devices may have to subscribe again"
                                              : "nothing could be read; devices have to subscribe again"),
                  LF_STR("hint", "check the disk; the damaged file may be deleted"));
    mem_free(path);
    mem_free(to);
    return rc;
}
