/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "durable_harness.h"

#include <dirent.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static _Atomic int64_t wall_clock;
static _Atomic msec core_clock, passed;

void clock_set(int64_t wall, msec now)
{
    atomic_store(&wall_clock, wall);
    atomic_store(&core_clock, now);
    atomic_store(&passed, 0);
}

void clock_pass(msec ms)
{
    atomic_fetch_add(&passed, ms);
}

static int64_t wall(void)
{
    return atomic_load(&wall_clock);
}

static msec now(void)
{
    struct timespec t;
    msec fixed = atomic_load(&core_clock);
    if (fixed != 0)
        return fixed;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (msec)t.tv_sec * 1000 + (msec)t.tv_nsec / 1000000 + atomic_load(&passed);
}

/* The core's: the store calls it with what we gave to turn_end. */
void shard_committed(struct shard *s, uint64_t number, bool failed)
{
    struct told *t = (struct told *)s;
    assert_true(number >= t->upto || (!failed && t->failures_n > 0));
    if (!failed && number > t->safe)
        t->safe = number;
    if (number < t->upto)
        return;
    if (failed) {
        assert_true(t->failures_n < FAILURES);
        t->failures[t->failures_n].from = t->upto + 1;
        t->failures[t->failures_n++].to = number;
        t->failed_upto = number;
    }
    t->upto = number;
}

/* ---------------------------------------------------------------- life */

void harness_init(struct harness *h)
{
    memset(h, 0, sizeof(*h));
    strcpy(h->dir, "/tmp/sotto-durable-XXXXXX");
    assert_non_null(mkdtemp(h->dir));
    clock_set(INT64_C(1700000000000), 0);
    h->c = (struct durable_config){.dir = h->dir,
                                   .shards = SHARDS,
                                   .flush_interval = 50,
                                   .retained_flush = 100000,
                                   .built = INT64_C(1600000000000),
                                   .now = now,
                                   .wall = wall};
}

void harness_fini(struct harness *h)
{
    harness_close(h);
    DIR *dir = opendir(h->dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char path[512];
        snprintf(path, sizeof(path), "%s/%s", h->dir, e->d_name);
        unlink(path);
    }
    closedir(dir);
    rmdir(h->dir);
    free(h->dump);
}

static void add(struct harness *h, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct harness *h, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    assert_true(n >= 0 && (size_t)n < sizeof(line));
    while (h->dump_n + (size_t)n + 1 > h->dump_cap) {
        h->dump_cap = h->dump_cap > 0 ? 2 * h->dump_cap : 4096;
        h->dump = realloc(h->dump, h->dump_cap);
    }
    memcpy(h->dump + h->dump_n, line, (size_t)n + 1);
    h->dump_n += (size_t)n;
}

#define TEXT(b) (int)((b).n < 40 ? (b).n : 40), (const char *)(b).p

static void add_expiry(struct harness *h, msec expires)
{
    if (expires != MSEC_NEVER)
        add(h, " expires=%lld", (long long)((int64_t)expires - (int64_t)now()));
}

static bool on_session(void *ctx, const struct durable_session *s)
{
    struct harness *h = ctx;
    unsigned shard = 0, n = 0;
    char id[32];
    snprintf(id, sizeof(id), "%.*s", TEXT(s->client_id));
    if (sscanf(id, "c%u.%u", &shard, &n) != 2)
        return false;
    durable_bind(h->d, session_handle(shard, n), s->id);
    add(h, "session %s user=%.*s expiry=%u", id, TEXT(s->user), s->expiry);
    add_expiry(h, s->expires);
    if (s->has_will)
        add(h, " will=%.*s:%.*s:%.*s qos=%u retain=%u", TEXT(s->will_topic), TEXT(s->will_props), TEXT(s->will_payload),
            s->will_qos, s->will_retain);
    if (s->has_will && s->will_expiry != UINT32_MAX)
        add(h, " will_expiry=%u", s->will_expiry);
    if (s->has_will)
        add(h, " due=%lld", (long long)((int64_t)s->will_due - (int64_t)now()));
    add(h, "\n");
    return true;
}

static void on_filter(void *ctx, const struct durable_filter *f)
{
    add(ctx, "  filter %.*s qos=%u flags=%u id=%u\n", TEXT(f->filter), f->qos, f->flags, f->sub_id);
}

static void on_received(void *ctx, uint16_t packet_id)
{
    add(ctx, "  received %u\n", packet_id);
}

static void on_row(void *ctx, const struct durable_row *r)
{
    static const char *const states[] = {"waiting", "sent", "released"};
    struct harness *h = ctx;
    add(h, "  row %llu %s", (unsigned long long)r->row, states[r->state]);
    if (r->state != DURABLE_WAITING)
        add(h, " id=%u", r->packet_id);
    add(h, " qos=%u/%u retain=%u sub=%u %.*s:%.*s:%.*s", r->qos, r->m.qos, r->retain, r->sub_id, TEXT(r->m.topic),
        TEXT(r->m.props), TEXT(r->m.payload));
    add(h, r->shared ? " shared" : "");
    if (r->share.n > 0)
        add(h, " through %.*s", TEXT(r->share));
    add_expiry(h, r->m.expires);
    add(h, "\n");
}

static void on_given(void *ctx, const struct durable_row *r)
{
    add(ctx, "given\n");
    on_row(ctx, r);
}

static void on_over(void *ctx)
{
    (void)ctx;
}

static bool on_retained(void *ctx, const struct durable_message *m)
{
    struct harness *h = ctx;
    add(h, "retained %.*s:%.*s:%.*s qos=%u", TEXT(m->topic), TEXT(m->props), TEXT(m->payload), m->qos);
    add_expiry(h, m->expires);
    add(h, "\n");
    return !bytes_equal(m->topic, bytes_str("unwanted"));
}

static void on_lost(void *ctx, uint64_t rows)
{
    add(ctx, "lost %llu\n", (unsigned long long)rows);
}

bool harness_open_only(struct harness *h)
{
    h->d = durable_open(&h->c, h->err, sizeof(h->err));
    memcpy(h->before, h->told, sizeof(h->before));
    memset(h->told, 0, sizeof(h->told));
    return h->d != NULL;
}

bool harness_open(struct harness *h)
{
    struct durable_visitor v = {.ctx = h,
                                .session = on_session,
                                .filter = on_filter,
                                .received = on_received,
                                .row = on_row,
                                .session_over = on_over,
                                .given = on_given,
                                .retained = on_retained,
                                .lost = on_lost};
    h->dump_n = 0;
    add(h, " ");
    h->dump_n = 0;
    h->dump[0] = '\0';
    if (!harness_open_only(h))
        return false;
    if (durable_restore(h->d, &v, h->err, sizeof(h->err)) == 0 && durable_start(h->d) == 0)
        return true;
    harness_close(h);
    return false;
}

void harness_close(struct harness *h)
{
    durable_close(h->d);
    h->d = NULL;
}

void harness_restart(struct harness *h)
{
    harness_close(h);
    if (!harness_open(h))
        fail_msg("%s", h->err);
}

/* ---------------------------------------------------------------- records */

handle session_handle(unsigned shard, unsigned n)
{
    return (handle)shard << 48 | (handle)n << 24 | 1;
}

uint64_t put(struct harness *h, unsigned shard, const struct store_record *r)
{
    uint64_t number = durable_ops.put(durable_shard(h->d, shard), shard, r);
    if (number > h->told[shard].last)
        h->told[shard].last = number;
    return number;
}

void turn(struct harness *h, unsigned shard)
{
    durable_ops.turn_end(durable_shard(h->d, shard), (struct shard *)&h->told[shard]);
}

bool answered(const struct harness *h)
{
    for (unsigned i = 0; i < SHARDS; i++)
        if (h->told[i].upto < h->told[i].last)
            return false;
    return true;
}

void settle(struct harness *h)
{
    for (unsigned i = 0; i < 20000; i++) {
        for (unsigned k = 0; k < SHARDS; k++)
            turn(h, k);
        if (answered(h))
            return;
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    }
    fail_msg("the store does not answer");
}

uint64_t put_session(struct harness *h, unsigned shard, unsigned n, bool connected)
{
    char id[32], user[32];
    snprintf(id, sizeof(id), "c%u.%u", shard, n);
    snprintf(user, sizeof(user), "u%u", n);
    return put(h, shard,
               &(struct store_record){.kind = STORE_SESSION,
                                      .session = session_handle(shard, n),
                                      .client_id = bytes_str(id),
                                      .user = bytes_str(user),
                                      .expiry = 3600,
                                      .expires = now() + 3600 * 1000,
                                      .connected = connected});
}

uint64_t put_end(struct harness *h, unsigned shard, unsigned n)
{
    return put(h, shard, &(struct store_record){.kind = STORE_SESSION_END, .session = session_handle(shard, n)});
}

uint64_t put_filter(struct harness *h, unsigned shard, unsigned n, enum store_kind kind, const char *filter)
{
    return put(h, shard,
               &(struct store_record){.kind = kind,
                                      .session = session_handle(shard, n),
                                      .topic = bytes_str(filter),
                                      .qos = 1,
                                      .sub_flags = 2,
                                      .sub_id = 7});
}

static struct store_record row_of(unsigned shard, unsigned n, uint64_t row, uint64_t message, const char *payload)
{
    return (struct store_record){.kind = STORE_QUEUE,
                                 .session = session_handle(shard, n),
                                 .row = row,
                                 .message = message,
                                 .qos = 1,
                                 .topic = bytes_str("t"),
                                 .payload = bytes_str(payload),
                                 .expires = MSEC_NEVER};
}

uint64_t put_row(struct harness *h, unsigned shard, unsigned n, uint64_t row, uint64_t message, const char *payload)
{
    struct store_record r = row_of(shard, n, row, message, payload);
    return put(h, shard, &r);
}

uint64_t put_shared_row(struct harness *h, unsigned shard, unsigned n, uint64_t row, uint64_t message,
                        const char *payload)
{
    struct store_record r = row_of(shard, n, row, message, payload);
    r.share = bytes_str("$share/g/t");
    return put(h, shard, &r);
}

uint64_t put_move(struct harness *h, unsigned shard, unsigned n, enum store_kind kind, uint64_t row, uint64_t given)
{
    return put(h, shard,
               &(struct store_record){
                   .kind = kind, .session = session_handle(shard, n), .row = row, .given = given, .qos = 1});
}

uint64_t put_given_done(struct harness *h, unsigned shard, uint64_t given)
{
    return put(h, shard, &(struct store_record){.kind = STORE_DONE, .row = given});
}

uint64_t put_held(struct harness *h, unsigned shard, unsigned n, uint64_t row, uint64_t message, const char *payload)
{
    struct store_record r = row_of(shard, n, row, message, payload);
    r.qos = 2;
    r.held = message;
    return put(h, shard, &r);
}

uint64_t put_state(struct harness *h, unsigned shard, unsigned n, enum store_kind kind, uint64_t row, uint16_t id)
{
    return put(h, shard,
               &(struct store_record){
                   .kind = kind, .session = session_handle(shard, n), .row = row, .packet_id = id, .qos = 1});
}

uint64_t put_received(struct harness *h, unsigned shard, unsigned n, enum store_kind kind, uint16_t id,
                      uint64_t message)
{
    return put(
        h, shard,
        &(struct store_record){.kind = kind, .session = session_handle(shard, n), .packet_id = id, .message = message});
}

uint64_t put_retained(struct harness *h, unsigned shard, const char *topic, const char *payload, uint8_t qos)
{
    return put(h, shard,
               &(struct store_record){.kind = STORE_RETAIN,
                                      .topic = bytes_str(topic),
                                      .payload = bytes_str(payload),
                                      .qos = qos,
                                      .expires = MSEC_NEVER});
}

/* ---------------------------------------------------------------- looking */

int64_t query(const struct harness *h, const char *sql)
{
    char path[128];
    sqlite3 *c;
    sqlite3_stmt *st;
    snprintf(path, sizeof(path), "%s/sotto.db", h->dir);
    assert_int_equal(sqlite3_open_v2(path, &c, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_busy_timeout(c, 5000); /* the store may be writing */
    assert_int_equal(sqlite3_prepare_v2(c, sql, -1, &st, NULL), SQLITE_OK);
    int64_t n = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0) : -1;
    sqlite3_finalize(st);
    sqlite3_close(c);
    return n;
}

unsigned files_like(const struct harness *h, const char *prefix)
{
    unsigned n = 0;
    DIR *dir = opendir(h->dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        n += strncmp(e->d_name, prefix, strlen(prefix)) == 0;
    closedir(dir);
    return n;
}

void expect_dump(struct harness *h, const char *text)
{
    harness_restart(h);
    assert_string_equal(h->dump, text);
}
