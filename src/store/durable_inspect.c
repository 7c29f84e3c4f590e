/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What `sotto store` tells, on a running or a stopped broker: the database is opened for reading only, and a reader of
 * a write-ahead log stops nobody.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "durable_private.h"
#include "sotto/base/file_why.h"
#include "sotto/base/mem.h"

#define SESSIONS_SQL                                                                                                   \
    "SELECT s.client, s.user, s.connected, s.expires, s.expiry,"                                                       \
    " (SELECT count(*) FROM subscription WHERE session = s.id), count(q.row),"                                         \
    " total(length(m.topic) + length(m.props) + length(m.payload)), min(m.stored)"                                     \
    " FROM session s LEFT JOIN queue q ON q.session = s.id LEFT JOIN message m ON m.id = q.message"                    \
    " GROUP BY s.id ORDER BY s.client"

struct inspect {
    sqlite3 *c;
    char *path;
    void (*put)(void *ctx, const char *line);
    void *ctx;
    int64_t now; /* store time */
    int rc;
    bool empty; /* no broker has made its tables yet */
};

static int fail(const struct inspect *x, int rc, char *err, size_t cap)
{
    int error = x->c != NULL ? sqlite3_system_errno(x->c) : 0;
    char why[DURABLE_TEXT];
    if (access(x->path, R_OK) != 0) {
        error = errno;
        file_why_read(x->path, error, why, sizeof(why));
        snprintf(err, cap, "%s %s", x->path, why);
    } else if ((rc & 0xff) == SQLITE_BUSY) {
        snprintf(err, cap,
                 "%s can't be read: the broker has it for itself; it does where its disk has no room: make some",
                 x->path);
    } else if (rc == SQLITE_CANTOPEN || rc == SQLITE_READONLY_CANTINIT || rc == SQLITE_READONLY_DIRECTORY) {
        snprintf(err, cap, "%s can't be opened: %s; run this as the broker's user or as root", x->path,
                 error != 0 ? strerror(error) : sqlite3_errstr(rc));
    } else {
        snprintf(err, cap, "%s can't be read: %s", x->path, x->c != NULL ? sqlite3_errmsg(x->c) : sqlite3_errstr(rc));
    }
    return -1;
}

static int open_it(struct inspect *x, const char *dir, char *err, size_t cap)
{
    x->path = durable_path(dir, DURABLE_FILE);
    int rc = sqlite3_open_v2(x->path, &x->c, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_extended_result_codes(x->c, 1);
        sqlite3_busy_timeout(x->c, 2000);
        rc = sqlite3_exec(x->c, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
    }
    if (rc != SQLITE_OK)
        return fail(x, rc, err, cap);
    struct durable_made made;
    rc = durable_db_whose(&(struct durable_db){.c = x->c}, x->path, &made, err, cap);
    x->empty = made.empty;
    return rc == SQLITE_OK ? 0 : rc == SQLITE_MISMATCH ? -1 : fail(x, rc, err, cap);
}

/* Somebody may be writing: what is damaged is so twice. It is not opened then: SQLite takes the log as it is,
 * and deletes that of an empty file. */
static bool log_damaged(const char *dir, char *why, size_t cap)
{
    char *path = durable_path(dir, DURABLE_FILE);
    char again[DURABLE_TEXT];
    bool damaged = durable_log_damaged(path, why, cap) && durable_log_damaged(path, again, sizeof(again)) &&
                   strcmp(why, again) == 0;
    mem_free(path);
    return damaged;
}

static void close_it(struct inspect *x)
{
    sqlite3_close(x->c);
    mem_free(x->path);
}

static void say(struct inspect *x, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct inspect *x, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    x->put(x->ctx, line);
}

/* Client ids come from peers: what could confuse a terminal is shown as \xNN, and long ones are cut. */
static void print_name(struct bytes b, char *out, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < b.n && n + 8 < cap; i++) {
        bool plain = b.p[i] > ' ' && b.p[i] != '\\' && b.p[i] != 0x7f && b.p[i] < 0x80;
        n += (size_t)snprintf(out + n, cap - n, plain ? "%c" : "\\x%02x", b.p[i]);
    }
    if (b.n == 0)
        n = (size_t)snprintf(out, cap, "-");
    out[n] = '\0';
}

/* "3d4h", "5m10s": two units are enough. */
static void print_span(int64_t ms, char *out, size_t cap)
{
    static const struct {
        int64_t seconds;
        char unit;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    int64_t s = ms > 0 ? ms / 1000 : 0;
    size_t n = 0;
    for (unsigned i = 0, parts = 0; i < 4 && parts < 2; i++) {
        int64_t k = s / units[i].seconds;
        s %= units[i].seconds;
        if (k == 0 && parts == 0 && i < 3)
            continue;
        n += (size_t)snprintf(out + n, cap - n, "%lld%c", (long long)k, units[i].unit);
        parts++;
    }
}

static bool first_row(struct inspect *x, const char *sql, sqlite3_stmt **st)
{
    x->rc = sqlite3_prepare_v2(x->c, sql, -1, st, NULL);
    if (x->rc == SQLITE_OK)
        x->rc = sqlite3_step(*st);
    return x->rc == SQLITE_ROW;
}

static bool finish(struct inspect *x, sqlite3_stmt *st)
{
    sqlite3_finalize(st);
    return x->rc == SQLITE_ROW || x->rc == SQLITE_DONE;
}

/* Store time now, as the broker would reckon at its start. */
static bool read_now(struct inspect *x, int64_t wall)
{
    sqlite3_stmt *st = NULL;
    x->now = wall;
    if (first_row(x, "SELECT store, wall FROM clock", &st)) {
        int64_t then = sqlite3_column_int64(st, 1);
        x->now = sqlite3_column_int64(st, 0) + (then != 0 && wall > then ? wall - then : 0);
    }
    return finish(x, st);
}

static void show_session(struct inspect *x, sqlite3_stmt *st)
{
    char client[160], user[80], ends[32] = "", oldest[32] = "-", connected[64] = "connected";
    print_name(durable_column_blob(st, 0), client, sizeof(client));
    print_name(durable_column_blob(st, 1), user, sizeof(user));
    if (sqlite3_column_int64(st, 2) == 0) {
        print_span(sqlite3_column_int64(st, 3) - x->now, ends, sizeof(ends));
        snprintf(connected, sizeof(connected), "away, ends in %s", ends);
    }
    if (sqlite3_column_type(st, 8) != SQLITE_NULL)
        print_span(x->now - sqlite3_column_int64(st, 8), oldest, sizeof(oldest));
    say(x, "%-30s %-16s %-22s %6lld %8lld %10.0f %8s", client, user, connected, (long long)sqlite3_column_int64(st, 5),
        (long long)sqlite3_column_int64(st, 6), sqlite3_column_double(st, 7), oldest);
}

static bool show_sessions(struct inspect *x)
{
    sqlite3_stmt *st = NULL;
    bool any = first_row(x, SESSIONS_SQL, &st);
    if (any)
        say(x, "%-30s %-16s %-22s %6s %8s %10s %8s", "CLIENT", "USER", "CONNECTION", "SUBS", "QUEUED", "BYTES",
            "OLDEST");
    for (; x->rc == SQLITE_ROW; x->rc = sqlite3_step(st))
        show_session(x, st);
    if (!any && x->rc == SQLITE_DONE)
        say(x, "No sessions that outlive their connection.");
    return finish(x, st);
}

static bool show_totals(struct inspect *x)
{
    sqlite3_stmt *st = NULL;
    if (first_row(x,
                  "SELECT (SELECT count(*) FROM session), (SELECT count(*) FROM queue), (SELECT count(*) FROM message),"
                  " (SELECT total(length(topic) + length(props) + length(payload)) FROM message)",
                  &st))
        say(x, "Sessions: %lld. Queued: %lld, of %lld messages with %.0f bytes.",
            (long long)sqlite3_column_int64(st, 0), (long long)sqlite3_column_int64(st, 1),
            (long long)sqlite3_column_int64(st, 2), sqlite3_column_double(st, 3));
    if (!finish(x, st))
        return false;
    bool read = first_row(x, "SELECT count(*) FROM queue WHERE session = 0", &st);
    if (read && sqlite3_column_int64(st, 0) > 0)
        say(x, "Of those, %lld are on their way from one member of a shared subscription to another.",
            (long long)sqlite3_column_int64(st, 0));
    if (!finish(x, st))
        return false;
    if (first_row(x, "SELECT count(*), total(length(topic) + length(props) + length(payload)) FROM retained", &st))
        say(x, "Retained: %lld messages with %.0f bytes.", (long long)sqlite3_column_int64(st, 0),
            sqlite3_column_double(st, 1));
    return finish(x, st);
}

int durable_show(const char *dir, int64_t wall, void (*put)(void *ctx, const char *line), void *ctx, char *err,
                 size_t cap)
{
    struct inspect x = {.put = put, .ctx = ctx};
    char why[DURABLE_TEXT];
    if (log_damaged(dir, why, sizeof(why))) {
        snprintf(err, cap, "%s/" DURABLE_FILE ": %s; start the broker, which salvages what it can", dir, why);
        return -1;
    }
    int rc = open_it(&x, dir, err, cap);
    if (rc == 0 && x.empty) {
        say(&x, "Nothing is stored yet.");
    } else if (rc == 0) {
        sqlite3_exec(x.c, "BEGIN", NULL, NULL, NULL); /* one moment for all that is shown */
        if (!read_now(&x, wall) || !show_sessions(&x) || !show_totals(&x))
            rc = fail(&x, x.rc, err, cap);
    }
    close_it(&x);
    return rc;
}

/* ---------------------------------------------------------------- check */

struct fact {
    const char *sql, *text; /* how many break it; "%lld ..." */
};

static const struct fact facts[] = {
    {"SELECT count(*) FROM queue WHERE message NOT IN (SELECT id FROM message)", "queued rows without their message"},
    {"SELECT count(*) FROM queue WHERE session <> 0"
     " AND session NOT IN (SELECT id FROM session UNION ALL SELECT session FROM ended)",
     "queued rows of no session"},
    {"SELECT count(*) FROM subscription WHERE session NOT IN (SELECT id FROM session)", "subscriptions of no session"},
    {"SELECT count(*) FROM received WHERE session NOT IN (SELECT id FROM session)",
     "received packet ids of no session"},
    {"SELECT count(*) FROM message m LEFT JOIN (SELECT message, count(*) AS n FROM queue GROUP BY message) q"
     " ON q.message = m.id WHERE m.refs <> coalesce(q.n, 0)",
     "messages with a wrong count of rows"},
    {"SELECT count(*) - count(DISTINCT client) FROM session", "client ids with more than one session"},
};

static bool check_file(struct inspect *x, unsigned *found)
{
    sqlite3_stmt *st = NULL;
    first_row(x, "PRAGMA integrity_check(20)", &st);
    for (; x->rc == SQLITE_ROW; x->rc = sqlite3_step(st)) {
        const char *text = (const char *)sqlite3_column_text(st, 0);
        if (text != NULL && strcmp(text, "ok") == 0)
            continue;
        char finding[DURABLE_TEXT];
        durable_db_finding(text != NULL ? text : "it can't be read", finding, sizeof(finding));
        say(x, "%s: %s", x->path, finding);
        ++*found;
    }
    return finish(x, st);
}

static bool check_facts(struct inspect *x, unsigned *found)
{
    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
        sqlite3_stmt *st = NULL;
        bool broken = first_row(x, facts[i].sql, &st) && sqlite3_column_int64(st, 0) > 0;
        if (broken)
            say(x, "%s: %lld %s", x->path, (long long)sqlite3_column_int64(st, 0), facts[i].text);
        *found += broken;
        if (!finish(x, st))
            return false;
    }
    return true;
}

int durable_check(const char *dir, void (*put)(void *ctx, const char *line), void *ctx, char *err, size_t cap)
{
    struct inspect x = {.put = put, .ctx = ctx};
    char why[DURABLE_TEXT];
    unsigned found = 0;
    if (log_damaged(dir, why, sizeof(why))) {
        say(&x, "%s/" DURABLE_FILE ": %s", dir, why);
        return 1;
    }
    int rc = open_it(&x, dir, err, cap);
    if (rc == 0 && !x.empty && (!check_file(&x, &found) || (found == 0 && !check_facts(&x, &found)))) {
        found += durable_db_damaged(x.rc);
        if (durable_db_damaged(x.rc))
            say(&x, "%s: %s", x.path, sqlite3_errmsg(x.c));
        else
            rc = fail(&x, x.rc, err, cap);
    }
    close_it(&x);
    return rc != 0 ? rc : found > 0 ? 1 : 0;
}
