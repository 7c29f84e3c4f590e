/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From records to statements. The store thread keeps nothing in memory about what is in the database, so a transaction
 * that fails leaves nothing behind that would have to be put right. */
#include <stdlib.h>

#include "durable_private.h"
#include "sotto/base/mem.h"

static void bind2(sqlite3_stmt *st, uint64_t a, uint64_t b)
{
    sqlite3_bind_int64(st, 1, (int64_t)a);
    sqlite3_bind_int64(st, 2, (int64_t)b);
}

static int run1(struct durable *d, enum durable_statement s, uint64_t a)
{
    sqlite3_bind_int64(d->db.st[s], 1, (int64_t)a);
    return durable_db_run(&d->db, s);
}

static int run2(struct durable *d, enum durable_statement s, uint64_t a, uint64_t b)
{
    bind2(d->db.st[s], a, b);
    return durable_db_run(&d->db, s);
}

/* ---------------------------------------------------------------- sessions */

static void bind_will(sqlite3_stmt *st, const struct durable_entry *e)
{
    const struct durable_will *w = &e->will;
    const uint8_t *at = e->data + e->text_n + e->user_n;
    for (int i = 7; i <= 14; i++)
        sqlite3_bind_null(st, i);
    if (!e->has_will)
        return;
    sqlite3_bind_int64(st, 7, w->delay);
    if (!e->connected)
        sqlite3_bind_int64(st, 8, e->put + (int64_t)w->delay * 1000);
    if (w->expiry != UINT32_MAX)
        sqlite3_bind_int64(st, 9, w->expiry);
    sqlite3_bind_int64(st, 10, w->qos);
    sqlite3_bind_int64(st, 11, w->retain);
    durable_bind_blob(st, 12, bytes_of(at, w->topic_n));
    durable_bind_blob(st, 13, bytes_of(at + w->topic_n, w->props_n));
    durable_bind_blob(st, 14, bytes_of(at + w->topic_n + w->props_n, w->payload_n));
}

static int write_session(struct durable *d, const struct durable_entry *e)
{
    sqlite3_stmt *st = d->db.st[SQL_SESSION];
    sqlite3_bind_int64(st, 1, (int64_t)e->session);
    durable_bind_blob(st, 2, bytes_of(e->data, e->text_n));
    durable_bind_blob(st, 3, bytes_of(e->data + e->text_n, e->user_n));
    sqlite3_bind_int64(st, 4, e->expiry);
    sqlite3_bind_int64(st, 5, e->connected);
    sqlite3_bind_int64(st, 6, e->expires);
    bind_will(st, e);
    return durable_db_run(&d->db, SQL_SESSION);
}

/* Its rows may be many: they go in slices, later. */
static int write_session_end(struct durable *d, uint64_t session)
{
    int rc = run1(d, SQL_SESSION_END, session);
    if (rc == SQLITE_OK)
        rc = run1(d, SQL_SESSION_FILTERS_END, session);
    if (rc == SQLITE_OK)
        rc = run1(d, SQL_SESSION_RECEIVED_END, session);
    if (rc == SQLITE_OK)
        rc = run1(d, SQL_SESSION_ROWS_LEFT, session);
    if (rc == SQLITE_OK && sqlite3_changes(d->db.c) > 0)
        d->ended_left = true;
    return rc;
}

static int write_filter(struct durable *d, const struct durable_entry *e)
{
    enum durable_statement s = e->kind == STORE_SUBSCRIBE ? SQL_SUBSCRIBE : SQL_UNSUBSCRIBE;
    sqlite3_stmt *st = d->db.st[s];
    sqlite3_bind_int64(st, 1, (int64_t)e->session);
    durable_bind_blob(st, 2, bytes_of(e->data, e->text_n));
    if (e->kind == STORE_SUBSCRIBE) {
        sqlite3_bind_int64(st, 3, e->qos);
        sqlite3_bind_int64(st, 4, e->flags);
        sqlite3_bind_int64(st, 5, e->sub_id);
    }
    return durable_db_run(&d->db, s);
}

/* ---------------------------------------------------------------- messages */

/* Once a transaction, with the count of all rows that this one brings: none of them can be taken back any more. */
static int write_message(struct durable *d, struct durable_body *b)
{
    sqlite3_stmt *st = d->db.st[SQL_MESSAGE];
    sqlite3_bind_int64(st, 1, (int64_t)b->id);
    sqlite3_bind_int64(st, 2, b->refs);
    sqlite3_bind_int64(st, 3, (int64_t)b->held);
    sqlite3_bind_int64(st, 4, b->qos);
    sqlite3_bind_int64(st, 5, b->retain);
    sqlite3_bind_int64(st, 6, durable_now(d));
    durable_bind_time(st, 7, b->expires);
    durable_bind_blob(st, 8, durable_body_topic(b));
    durable_bind_blob(st, 9, durable_body_props(b));
    durable_bind_blob(st, 10, durable_body_payload(b));
    b->attempt = d->attempt;
    return durable_db_run(&d->db, SQL_MESSAGE);
}

static int write_row(struct durable *d, const struct durable_entry *e)
{
    int rc = e->body->attempt != d->attempt ? write_message(d, e->body) : SQLITE_OK;
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_stmt *st = d->db.st[SQL_QUEUE];
    bind2(st, e->session, e->row);
    sqlite3_bind_int64(st, 3, (int64_t)e->body->id);
    sqlite3_bind_int64(st, 4, e->qos);
    sqlite3_bind_int64(st, 5, e->retain);
    sqlite3_bind_int64(st, 6, e->sub_id);
    sqlite3_bind_int64(st, 7, e->state);
    sqlite3_bind_int64(st, 8, e->packet_id);
    if (e->text_n > 0)
        durable_bind_blob(st, 9, bytes_of(e->data, e->text_n));
    else
        sqlite3_bind_null(st, 9);
    return durable_db_run(&d->db, SQL_QUEUE);
}

/* The row goes from a session to nobody, or from nobody to a session: its message has as many rows as before. */
static int write_move(struct durable *d, const struct durable_entry *e)
{
    enum durable_statement s = e->kind == STORE_GIVE ? SQL_GIVE : SQL_TAKE;
    sqlite3_stmt *st = d->db.st[s];
    bind2(st, e->session, e->row);
    sqlite3_bind_int64(st, 3, (int64_t)e->given);
    if (e->kind == STORE_TAKE) {
        sqlite3_bind_int64(st, 4, e->qos);
        sqlite3_bind_int64(st, 5, e->retain);
        sqlite3_bind_int64(st, 6, e->sub_id);
    }
    return durable_db_run(&d->db, s);
}

static int write_state(struct durable *d, const struct durable_entry *e)
{
    sqlite3_stmt *st = d->db.st[SQL_STATE];
    bind2(st, e->session, e->row);
    sqlite3_bind_int64(st, 3, e->kind == STORE_SENT ? DURABLE_SENT : DURABLE_RELEASED);
    sqlite3_bind_int64(st, 4, e->packet_id);
    return durable_db_run(&d->db, SQL_STATE);
}

/* n rows of the message are gone. */
static int unref_message(struct durable *d, uint64_t message, uint64_t n)
{
    int rc = run2(d, SQL_MESSAGE_LAST, message, n);
    if (rc == SQLITE_OK && sqlite3_changes(d->db.c) == 0)
        rc = run2(d, SQL_MESSAGE_LESS, message, n);
    return rc;
}

/* A row of the message is gone: it is counted with the others of this transaction, or at once without memory. */
static int note_unref(struct durable *d, uint64_t message)
{
    struct durable_unrefs *u = &d->unrefs;
    if (u->n == u->cap) {
        size_t cap = u->cap > 0 ? 2 * u->cap : 256;
        uint64_t *v = mem_try_realloc(u->v, cap * sizeof(*v));
        if (v == NULL)
            return unref_message(d, message, 1);
        u->v = v;
        u->cap = cap;
    }
    u->v[u->n++] = message;
    return SQLITE_OK;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

int durable_write_unrefs(struct durable *d)
{
    struct durable_unrefs *u = &d->unrefs;
    int rc = SQLITE_OK;
    if (u->n > 1)
        qsort(u->v, u->n, sizeof(*u->v), compare);
    for (size_t i = 0, n; rc == SQLITE_OK && i < u->n; i += n) {
        for (n = 1; i + n < u->n && u->v[i + n] == u->v[i];)
            n++;
        rc = unref_message(d, u->v[i], n);
    }
    u->n = 0;
    return rc;
}

/* Runs a statement that deletes rows and returns their messages, and lets go of those. */
static int delete_rows(struct durable *d, enum durable_statement s, uint64_t *deleted)
{
    sqlite3_stmt *st = d->db.st[s];
    int rc, inner = SQLITE_OK;
    *deleted = 0;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW && inner == SQLITE_OK) {
        inner = note_unref(d, (uint64_t)sqlite3_column_int64(st, 0));
        ++*deleted;
    }
    int reset = sqlite3_reset(st);
    if (inner != SQLITE_OK)
        return inner;
    return rc == SQLITE_DONE ? SQLITE_OK : reset != SQLITE_OK ? reset : rc;
}

/* Looked up and deleted: half the work of a DELETE that returns what it deletes. */
static int write_done(struct durable *d, const struct durable_entry *e)
{
    sqlite3_stmt *st = d->db.st[SQL_ROW_MESSAGE];
    bind2(st, e->session, e->row);
    int rc = sqlite3_step(st);
    bool there = rc == SQLITE_ROW;
    uint64_t message = there ? (uint64_t)sqlite3_column_int64(st, 0) : 0;
    int reset = sqlite3_reset(st);
    if (!there)
        return rc == SQLITE_DONE ? SQLITE_OK : reset != SQLITE_OK ? reset : rc;
    rc = run2(d, SQL_DONE, e->session, e->row);
    return rc == SQLITE_OK ? note_unref(d, message) : rc;
}

static int write_received(struct durable *d, const struct durable_entry *e)
{
    int rc = run2(d, SQL_RECEIVED, e->session, e->packet_id);
    return rc == SQLITE_OK && e->message != 0 ? run1(d, SQL_MESSAGE_CONFIRM, e->message) : rc;
}

int durable_write_entry(struct durable *d, struct durable_entry *e)
{
    switch ((enum store_kind)e->kind) {
    case STORE_SESSION:
        return write_session(d, e);
    case STORE_SESSION_END:
        return write_session_end(d, e->session);
    case STORE_SUBSCRIBE:
    case STORE_UNSUBSCRIBE:
        return write_filter(d, e);
    case STORE_QUEUE:
        return write_row(d, e);
    case STORE_SENT:
    case STORE_RELEASED:
        return write_state(d, e);
    case STORE_DONE:
        return write_done(d, e);
    case STORE_GIVE:
    case STORE_TAKE:
        return write_move(d, e);
    case STORE_RECEIVED:
        return write_received(d, e);
    case STORE_RECEIVED_DONE:
        return run2(d, SQL_RECEIVED_DONE, e->session, e->packet_id);
    case STORE_RETAIN:
        break; /* see durable_behind.c */
    }
    return SQLITE_MISUSE;
}

int durable_write_value(struct durable *d, const struct durable_value *v)
{
    struct bytes topic = bytes_of(v->data, v->topic_n);
    bool gone = v->payload_n == 0;
    sqlite3_stmt *st = d->db.st[gone ? SQL_RETAIN_DELETE : SQL_RETAIN];
    durable_bind_blob(st, 1, topic);
    if (gone)
        return durable_db_run(&d->db, SQL_RETAIN_DELETE);
    sqlite3_bind_int64(st, 2, v->qos);
    durable_bind_time(st, 3, v->expires);
    durable_bind_blob(st, 4, bytes_of(v->data + v->topic_n, v->props_n));
    durable_bind_blob(st, 5, bytes_of(v->data + v->topic_n + v->props_n, v->payload_n));
    return durable_db_run(&d->db, SQL_RETAIN);
}

/* A wall clock from before the program was built is none. */
int durable_write_clock(struct durable *d)
{
    int64_t wall = d->c.wall();
    return run2(d, SQL_CLOCK, (uint64_t)durable_now(d), wall >= d->c.built ? (uint64_t)wall : 0);
}

/* ---------------------------------------------------------------- chores */

static int end_transaction(struct durable *d, int rc)
{
    if (rc == SQLITE_OK)
        rc = durable_db_run(&d->db, SQL_COMMIT);
    if (rc != SQLITE_OK)
        durable_db_run(&d->db, SQL_ROLLBACK);
    return rc;
}

static int ended_slice(struct durable *d, bool *more)
{
    sqlite3_stmt *st = d->db.st[SQL_ENDED];
    int rc = sqlite3_step(st);
    *more = rc == SQLITE_ROW;
    uint64_t session = *more ? (uint64_t)sqlite3_column_int64(st, 0) : 0, deleted;
    rc = sqlite3_reset(st);
    if (!*more || rc != SQLITE_OK)
        return rc;
    sqlite3_bind_int64(d->db.st[SQL_ENDED_ROWS], 1, (int64_t)session);
    d->unrefs.n = 0;
    rc = delete_rows(d, SQL_ENDED_ROWS, &deleted);
    if (rc == SQLITE_OK)
        rc = durable_write_unrefs(d);
    return rc == SQLITE_OK && deleted == 0 ? run1(d, SQL_ENDED_OVER, session) : rc;
}

int durable_write_ended(struct durable *d, bool *more)
{
    int rc = durable_db_run(&d->db, SQL_BEGIN);
    return rc == SQLITE_OK ? end_transaction(d, ended_slice(d, more)) : rc;
}

int durable_write_expired(struct durable *d, bool *more)
{
    int rc = durable_db_run(&d->db, SQL_BEGIN);
    if (rc != SQLITE_OK)
        return rc;
    rc = run1(d, SQL_EXPIRED, (uint64_t)durable_now(d));
    *more = rc == SQLITE_OK && sqlite3_changes(d->db.c) > 0;
    return end_transaction(d, rc);
}
