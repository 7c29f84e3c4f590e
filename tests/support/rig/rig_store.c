/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A store that commits when the test wants it. It keeps the rows of messages as a database would, and holds the core to
 * the rules of core/store.h: a row is queued once, sent and released only while it stands and counts, and done exactly
 * once; what was given is taken, or done, once; held rows count when those of other shards are committed.
 */
#include "rig_private.h"

#include <stdlib.h>

#define DELAY 3u

struct rig_row {
    handle session;
    uint64_t row; /* 0: a QoS 2 packet id that was received */
    uint64_t held, number;
    uint16_t id;
    bool released;
};

static struct rig_row *find(struct rig_store *s, const struct store_record *r)
{
    for (size_t i = s->rows_n; i > 0; i--) {
        struct rig_row *row = &s->rows[i - 1];
        if (row->session == r->session && row->row == r->row && (r->row > 0 || row->id == r->packet_id))
            return row;
    }
    return NULL;
}

static void add(struct rig_store *s, const struct store_record *r)
{
    if (find(s, r) != NULL)
        rig_die("row %d, or packet id %d, is put twice", (int)r->row, r->packet_id);
    if (s->rows_n == s->rows_cap) {
        s->rows_cap = s->rows_cap > 0 ? 2 * s->rows_cap : 64;
        s->rows = rig_realloc(s->rows, s->rows_cap * sizeof(*s->rows));
    }
    s->rows[s->rows_n++] = (struct rig_row){
        .session = r->session, .row = r->row, .held = r->held, .number = s->last + 1, .id = r->packet_id};
}

/* What was given stays with the shard that gave it, under its number. */
static struct rig_store *store_of_given(struct rig_store *s, uint64_t given)
{
    struct rig *r = container_of(s, struct rig_shard, store)->rig;
    const struct store_record wanted = {.row = given};
    for (unsigned i = 0; i < r->n; i++)
        if (find(&r->s[i].store, &wanted) != NULL)
            return &r->s[i].store;
    rig_die("row %d is said to be given, and is not", (int)given);
}

static void give(struct rig_store *s, const struct store_record *r)
{
    struct rig_row *row = find(s, r);
    if (row == NULL || find(s, &(struct store_record){.row = r->given}) != NULL)
        rig_die("row %d is given, and doesn't stand, or another one is given as that", (int)r->row);
    row->session = HANDLE_NONE;
    row->row = r->given;
    row->id = 0;
}

static void given_over(struct rig_store *s, uint64_t given, bool taken)
{
    struct rig_store *of = store_of_given(s, given);
    struct rig_row *row = find(of, &(struct store_record){.row = given});
    if (taken && row->held != 0)
        rig_die("row %d is taken, and does not count yet", (int)given);
    *row = of->rows[--of->rows_n];
}

/* The rows that were held as this count from now on. */
static void let_count(struct rig_store *s, unsigned shard, uint64_t held)
{
    const struct rig *r = container_of(s, struct rig_shard, store)->rig;
    for (unsigned i = 0; i < r->n && held != 0; i++) {
        const struct rig_store *of = &r->s[i].store;
        for (size_t k = 0; k < of->rows_n; k++) {
            if (of->rows[k].held != held)
                continue;
            if (i != shard && of->rows[k].number > of->told)
                rig_die("row %d of another shard is made to count before it is committed", (int)of->rows[k].row);
            of->rows[k].held = 0;
        }
    }
}

static void drop_session(struct rig_store *s, handle session)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->rows_n; i++)
        if (s->rows[i].session != session)
            s->rows[kept++] = s->rows[i];
    s->rows_n = kept;
}

static void note_row(struct rig_store *s, const struct store_record *r)
{
    struct rig_row *row = find(s, r);
    if (row == NULL)
        rig_die("a record of kind %d names row %d, which doesn't stand", (int)r->kind, (int)r->row);
    if (r->kind == STORE_DONE || r->kind == STORE_RECEIVED_DONE) {
        *row = s->rows[--s->rows_n];
        return;
    }
    if (row->held != 0)
        rig_die("row %d is sent, and does not count yet", (int)r->row);
    if (r->packet_id == 0)
        rig_die("row %d has no packet id", (int)r->row);
    if (r->kind == STORE_RELEASED && (row->id != r->packet_id || row->released))
        rig_die("row %d is released in a wrong way", (int)r->row);
    row->id = r->packet_id;
    row->released = r->kind == STORE_RELEASED;
}

static uint64_t put(void *ctx, unsigned shard, const struct store_record *r)
{
    struct rig_store *s = ctx;
    s->put[r->kind]++;
    bool given = r->kind == STORE_DONE && r->session == HANDLE_NONE;
    if (r->kind != STORE_RETAIN && !given && (r->session == HANDLE_NONE || handle_owner(r->session) != shard))
        rig_die("a record of kind %d is put by a shard that doesn't own the session", (int)r->kind);
    if (r->kind == STORE_QUEUE || r->kind == STORE_RECEIVED || r->kind == STORE_TAKE)
        add(s, r);
    if (given || r->kind == STORE_TAKE)
        given_over(s, given ? r->row : r->given, !given);
    if (r->kind == STORE_RECEIVED)
        let_count(s, shard, r->message);
    else if (r->kind == STORE_SENT || r->kind == STORE_RELEASED || (r->kind == STORE_DONE && !given) ||
             r->kind == STORE_RECEIVED_DONE)
        note_row(s, r);
    else if (r->kind == STORE_GIVE)
        give(s, r);
    else if (r->kind == STORE_SESSION_END)
        drop_session(s, r->session);
    if (s->commits != RIG_AT_ONCE)
        return ++s->last;
    s->last = memory_store_ops.put(&s->memory, shard, r);
    return s->last;
}

static void commit(struct rig_store *s, struct shard *shard, uint64_t upto)
{
    if (upto <= s->told)
        return;
    s->told = upto;
    shard_committed(shard, upto, false);
}

static void turn_end(void *ctx, struct shard *shard)
{
    struct rig_store *s = ctx;
    s->turns++;
    switch (s->commits) {
    case RIG_AT_ONCE:
        s->told = s->last;
        memory_store_ops.turn_end(&s->memory, shard);
        break;
    case RIG_DELAYED:
        commit(s, shard, s->marks[DELAY - 1]);
        for (unsigned i = DELAY - 1; i > 0; i--)
            s->marks[i] = s->marks[i - 1];
        s->marks[0] = s->last;
        break;
    case RIG_BATCHED:
        if (s->turns % DELAY != 0)
            break;
        commit(s, shard, s->marks[0]);
        s->marks[0] = s->last;
        break;
    case RIG_ON_DEMAND:
        break;
    }
}

static bool full(void *ctx)
{
    return ((struct rig_store *)ctx)->full;
}

const struct store_ops rig_store_ops = {.put = put, .turn_end = turn_end, .full = full};

bool rig_store_busy(const struct rig_store *s)
{
    return s->commits != RIG_ON_DEMAND && s->told < s->last;
}

void rig_commit_on(struct rig *r, unsigned shard, size_t n, bool fails)
{
    struct rig_store *s = &r->s[shard].store;
    if (s->told == s->last && (fails || !s->failing))
        return;
    s->failing = fails;
    s->told = s->last - s->told > n ? s->told + n : s->last;
    shard_committed(r->s[shard].shard, s->told, fails);
}

void rig_commit(struct rig *r, size_t n)
{
    bool again;
    rig_run(r);
    do {
        again = false;
        for (unsigned i = 0; i < r->n; i++) {
            const struct rig_store *s = &r->s[i].store;
            if (s->commits != RIG_ON_DEMAND || (s->told == s->last && !s->failing))
                continue;
            rig_commit_on(r, i, n, false);
            again = n == SIZE_MAX;
        }
        rig_run(r);
    } while (again);
}

void rig_commit_fails(struct rig *r)
{
    rig_run(r);
    for (unsigned i = 0; i < r->n; i++)
        rig_commit_on(r, i, SIZE_MAX, true);
    rig_run(r);
}

unsigned rig_stored(const struct rig *r, enum store_kind kind)
{
    unsigned n = 0;
    for (unsigned i = 0; i < r->n; i++)
        n += r->s[i].store.put[kind];
    return n;
}

size_t rig_rows(const struct rig *r)
{
    size_t n = 0;
    for (unsigned i = 0; i < r->n; i++)
        for (size_t k = 0; k < r->s[i].store.rows_n; k++)
            n += r->s[i].store.rows[k].row != 0;
    return n;
}

size_t rig_given(const struct rig *r)
{
    size_t n = 0;
    for (unsigned i = 0; i < r->n; i++)
        for (size_t k = 0; k < r->s[i].store.rows_n; k++)
            n += r->s[i].store.rows[k].session == HANDLE_NONE;
    return n;
}

void rig_store_counts(const struct rig_store *s, handle session, size_t *rows, size_t *received)
{
    *rows = *received = 0;
    for (size_t i = 0; i < s->rows_n; i++) {
        if (s->rows[i].session != session)
            continue;
        *rows += s->rows[i].row != 0;
        *received += s->rows[i].row == 0;
    }
}
