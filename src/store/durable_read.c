/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Restore: everything that is stored, session by session. Four cursors walk side by side, all in the order of the
 * session's number: sessions, filters, received packet ids, rows with their messages. What belongs to no session
 * (one that has ended, whose rows are not deleted yet) is stepped over. What goes from one session to another comes
 * when all are there.
 *
 * Before that the database is told that nobody is connected: sessions whose connection was there when the broker ended
 * begin to expire now, and their wills' delays begin. And rows that were held for a publication that never became true
 * (see store_record.held) go.
 */
#include <stdio.h>

#include "durable_private.h"
#include "sotto/base/log.h"
#include "sotto/base/mem.h"

#define PROGRESS_MS 1000
#define PROGRESS_STEP 4096 /* items between looks at the clock */

#define ROWS_SQL(which)                                                                                                \
    "SELECT q.session, q.row, q.message, q.qos, q.retain, q.sub_id, q.state, q.packet, m.refs,"                        \
    " m.qos, m.retain, m.expires, m.topic, m.props, m.payload, q.share"                                                \
    " FROM queue q CROSS JOIN message m ON m.id = q.message WHERE " which " ORDER BY q.session, q.row"

struct cursor {
    sqlite3_stmt *st;
    int rc; /* SQLITE_ROW: at a row; SQLITE_DONE: over */
};

struct reader {
    struct durable *d;
    const struct durable_visitor *v;
    struct cursor sessions, filters, received, rows, given, retained;
    sqlite3_stmt *refuse_session, *refuse_retained;
    uint64_t sessions_n, rows_n, retained_n, filters_n, items;
    msec began, told;
};

static int cursor_open(struct reader *r, struct cursor *c, const char *sql)
{
    int rc = sqlite3_prepare_v2(r->d->db.c, sql, -1, &c->st, NULL);
    c->rc = rc == SQLITE_OK ? sqlite3_step(c->st) : rc;
    return c->rc == SQLITE_ROW || c->rc == SQLITE_DONE ? SQLITE_OK : c->rc;
}

static void cursor_next(struct cursor *c)
{
    c->rc = sqlite3_step(c->st);
}

static int64_t number(const struct cursor *c, int i)
{
    return sqlite3_column_int64(c->st, i);
}

static msec when(const struct reader *r, const struct cursor *c, int i)
{
    return sqlite3_column_type(c->st, i) == SQLITE_NULL ? MSEC_NEVER : durable_core_time(r->d, number(c, i));
}

/* At a row of this session? Rows of earlier ones belong to nobody. */
static bool at_session(struct cursor *c, int64_t session)
{
    while (c->rc == SQLITE_ROW && number(c, 0) < session)
        cursor_next(c);
    return c->rc == SQLITE_ROW && number(c, 0) == session;
}

static void progress(struct reader *r)
{
    if (++r->items % PROGRESS_STEP != 0)
        return;
    msec now = r->d->c.now();
    if (now - r->told < PROGRESS_MS)
        return;
    r->told = now;
    log_event(LOG_INFO, "store.restoring", LF_INT("sessions", r->sessions_n), LF_INT("subscriptions", r->filters_n),
              LF_INT("queued", r->rows_n), LF_INT("retained", r->retained_n));
}

/* ---------------------------------------------------------------- what belongs to a session */

static void give_filters(struct reader *r, int64_t session, bool wanted)
{
    for (; at_session(&r->filters, session); cursor_next(&r->filters)) {
        struct durable_filter f = {.filter = durable_column_blob(r->filters.st, 1),
                                   .qos = (uint8_t)number(&r->filters, 2),
                                   .flags = (uint8_t)number(&r->filters, 3),
                                   .sub_id = (uint32_t)number(&r->filters, 4)};
        if (wanted)
            r->v->filter(r->v->ctx, &f);
        r->filters_n++;
        progress(r);
    }
}

static void give_received(struct reader *r, int64_t session, bool wanted)
{
    for (; at_session(&r->received, session); cursor_next(&r->received))
        if (wanted)
            r->v->received(r->v->ctx, (uint16_t)number(&r->received, 1));
}

static struct durable_row row_at(const struct reader *r, const struct cursor *c)
{
    return (struct durable_row){.row = (uint64_t)number(c, 1),
                                .message = (uint64_t)number(c, 2),
                                .qos = (uint8_t)number(c, 3),
                                .retain = number(c, 4) != 0,
                                .sub_id = (uint32_t)number(c, 5),
                                .state = (enum durable_state)number(c, 6),
                                .packet_id = (uint16_t)number(c, 7),
                                .shared = number(c, 8) > 1,
                                .m.qos = (uint8_t)number(c, 9),
                                .m.retain = number(c, 10) != 0,
                                .m.expires = when(r, c, 11),
                                .m.topic = durable_column_blob(c->st, 12),
                                .m.props = durable_column_blob(c->st, 13),
                                .m.payload = durable_column_blob(c->st, 14),
                                .share = durable_column_blob(c->st, 15)};
}

static void give_rows(struct reader *r, int64_t session, bool wanted)
{
    struct cursor *c = &r->rows;
    for (; at_session(c, session); cursor_next(c)) {
        struct durable_row row = row_at(r, c);
        if (wanted)
            r->v->row(r->v->ctx, &row);
        r->rows_n++;
        progress(r);
    }
}

static void give_given(struct reader *r)
{
    struct cursor *c = &r->given;
    for (; c->rc == SQLITE_ROW; cursor_next(c)) {
        struct durable_row row = row_at(r, c);
        r->v->given(r->v->ctx, &row);
        r->rows_n++;
        progress(r);
    }
}

static bool give_session(struct reader *r, int64_t id)
{
    const struct cursor *c = &r->sessions;
    struct durable_session s = {.id = (uint64_t)id,
                                .client_id = durable_column_blob(c->st, 1),
                                .user = durable_column_blob(c->st, 2),
                                .expiry = (uint32_t)number(c, 3),
                                .expires = when(r, c, 4),
                                .has_will = sqlite3_column_type(c->st, 9) != SQLITE_NULL,
                                .will_due = when(r, c, 5),
                                .will_expiry = UINT32_MAX,
                                .will_qos = (uint8_t)number(c, 7),
                                .will_retain = number(c, 8) != 0,
                                .will_topic = durable_column_blob(c->st, 9),
                                .will_props = durable_column_blob(c->st, 10),
                                .will_payload = durable_column_blob(c->st, 11)};
    if (sqlite3_column_type(c->st, 6) != SQLITE_NULL)
        s.will_expiry = (uint32_t)number(c, 6);
    return r->v->session(r->v->ctx, &s);
}

/* Its rows go in the background, as those of one that has ended. */
static void refuse_session(struct reader *r, int64_t id)
{
    static const enum durable_statement all[] = {SQL_SESSION_ROWS_LEFT, SQL_SESSION_END, SQL_SESSION_FILTERS_END,
                                                 SQL_SESSION_RECEIVED_END};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        sqlite3_bind_int64(r->d->db.st[all[i]], 1, id);
        durable_db_run(&r->d->db, all[i]);
    }
    r->d->ended_left = true;
}

static void give_sessions(struct reader *r)
{
    for (; r->sessions.rc == SQLITE_ROW; cursor_next(&r->sessions)) {
        int64_t id = number(&r->sessions, 0);
        bool wanted = give_session(r, id);
        r->sessions_n += wanted;
        give_filters(r, id, wanted);
        give_received(r, id, wanted);
        give_rows(r, id, wanted);
        if (wanted)
            r->v->session_over(r->v->ctx);
        else
            refuse_session(r, id);
        progress(r);
    }
}

static void give_retained(struct reader *r)
{
    struct cursor *c = &r->retained;
    for (; c->rc == SQLITE_ROW; cursor_next(c)) {
        struct durable_message m = {.topic = durable_column_blob(c->st, 0),
                                    .qos = (uint8_t)number(c, 1),
                                    .retain = true,
                                    .expires = when(r, c, 2),
                                    .props = durable_column_blob(c->st, 3),
                                    .payload = durable_column_blob(c->st, 4)};
        bool wanted = r->v->retained(r->v->ctx, &m);
        r->retained_n += wanted;
        if (!wanted) {
            durable_bind_blob(r->d->db.st[SQL_RETAIN_DELETE], 1, m.topic);
            durable_db_run(&r->d->db, SQL_RETAIN_DELETE);
        }
        progress(r);
    }
}

/* ---------------------------------------------------------------- */

static int run_at(struct durable *d, const char *sql, int64_t now)
{
    sqlite3_stmt *st;
    int rc = sqlite3_prepare_v2(d->db.c, sql, -1, &st, NULL);
    if (rc != SQLITE_OK)
        return rc;
    if (sqlite3_bind_parameter_count(st) > 0)
        sqlite3_bind_int64(st, 1, now);
    rc = sqlite3_step(st);
    int end = sqlite3_finalize(st);
    return rc == SQLITE_DONE ? SQLITE_OK : end;
}

/* Nobody is connected; what was held is void; what has expired is gone. */
static int settle(struct durable *d)
{
    static const char *const all[] = {
        "UPDATE session SET connected = 0, expires = ?1 + expiry * 1000,"
        " will_due = ?1 + min(will_delay, expiry) * 1000 WHERE connected",
        "DELETE FROM queue WHERE EXISTS (SELECT 1 FROM message WHERE held)"
        " AND message IN (SELECT id FROM message WHERE held)",
        "DELETE FROM message WHERE held",
        "DELETE FROM retained WHERE expires <= ?1",
    };
    int64_t now = durable_now(d);
    int rc = durable_db_run(&d->db, SQL_BEGIN);
    for (size_t i = 0; rc == SQLITE_OK && i < sizeof(all) / sizeof(all[0]); i++)
        rc = run_at(d, all[i], now);
    if (rc == SQLITE_OK && sqlite3_total_changes(d->db.c) > 0)
        rc = durable_write_clock(d);
    if (rc == SQLITE_OK)
        rc = durable_db_run(&d->db, SQL_COMMIT);
    return rc;
}

/* Rows of `queue` that are to be given. A damage that the look over the file does not see hides them from its order, or
 * from their messages; and the database says nothing. */
static int64_t rows_to_give(struct reader *r)
{
    int64_t all = 0, over = 0;
    static const char ended[] = "SELECT count(*) FROM queue WHERE session IN (SELECT session FROM ended)";
    if (durable_db_number(&r->d->db, "SELECT count(*) FROM queue", 0, &all) != SQLITE_OK ||
        durable_db_number(&r->d->db, ended, 0, &over) != SQLITE_OK)
        return 0;
    return all - over;
}

static int open_all(struct reader *r)
{
    int rc = cursor_open(r, &r->sessions,
                         "SELECT id, client, user, expiry, expires, will_due, will_expiry, will_qos, will_retain,"
                         " will_topic, will_props, will_payload FROM session ORDER BY id");
    if (rc == SQLITE_OK)
        rc = cursor_open(r, &r->filters,
                         "SELECT session, filter, qos, flags, sub_id FROM subscription ORDER BY session");
    if (rc == SQLITE_OK)
        rc = cursor_open(r, &r->received, "SELECT session, packet FROM received ORDER BY session");
    if (rc == SQLITE_OK)
        rc = cursor_open(r, &r->rows, ROWS_SQL("q.session > 0"));
    if (rc == SQLITE_OK)
        rc = cursor_open(r, &r->given, ROWS_SQL("q.session = 0"));
    if (rc == SQLITE_OK)
        rc = cursor_open(r, &r->retained, "SELECT topic, qos, expires, props, payload FROM retained ORDER BY id");
    return rc;
}

static void close_all(struct reader *r)
{
    struct cursor *all[] = {&r->sessions, &r->filters, &r->received, &r->rows, &r->given, &r->retained};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        sqlite3_finalize(all[i]->st);
}

/* Each cursor came to its end without an error? Those of what belongs to sessions may stop earlier. */
static int result(const struct reader *r)
{
    const struct cursor *all[] = {&r->sessions, &r->filters, &r->received, &r->rows, &r->given, &r->retained};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (all[i]->rc != SQLITE_DONE && all[i]->rc != SQLITE_ROW)
            return all[i]->rc;
    return SQLITE_OK;
}

int durable_restore(struct durable *d, const struct durable_visitor *v, char *err, size_t cap)
{
    struct reader r = {.d = d, .v = v, .began = d->c.now()};
    r.told = r.began;
    int rc = settle(d);
    if (rc == SQLITE_OK)
        rc = durable_db_run(&d->db, SQL_BEGIN);
    if (rc == SQLITE_OK)
        rc = open_all(&r);
    if (rc == SQLITE_OK) {
        int64_t rows = rows_to_give(&r);
        give_sessions(&r);
        give_given(&r);
        give_retained(&r);
        if (rows > (int64_t)r.rows_n)
            v->lost(v->ctx, (uint64_t)rows - r.rows_n);
        rc = result(&r);
    }
    char why[DURABLE_TEXT];
    if (rc != SQLITE_OK)
        durable_db_why(&d->db, rc, why, sizeof(why));
    close_all(&r);
    if (rc == SQLITE_OK)
        rc = durable_db_run(&d->db, SQL_COMMIT);
    if (rc != SQLITE_OK) {
        durable_db_run(&d->db, SQL_ROLLBACK);
        durable_db_unreadable(d->path, rc, why, err, cap);
        return -1;
    }
    log_event(LOG_INFO, "store.restored", LF_STR("file", d->path), LF_INT("sessions", r.sessions_n),
              LF_INT("subscriptions", r.filters_n), LF_INT("queued", r.rows_n), LF_INT("retained", r.retained_n),
              LF_INT("ms", d->c.now() - r.began));
    return 0;
}
