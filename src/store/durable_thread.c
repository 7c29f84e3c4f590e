/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The store thread. It takes all that waits, in one go, writes it in one transaction, and says so to the shards; what
 * has gathered meanwhile is the next batch. So nobody waits for a delay of ours, and the more there is to do,
 * the more goes into one fsync.
 *
 * When a transaction fails (a full disk, an I/O error), nothing of it is there, and the shards hear that their numbers
 * failed, of what came meanwhile too. Messages that were refused thereby are forgotten here, too; but what says of
 * stored state that it has changed or is over (DONE, UNSUBSCRIBE, ...) is kept and written before anything else, until
 * it succeeds: else a restart would bring back what is long gone. Where acknowledgements don't wait for the disk,
 * everything is kept. Attempts go on every second at least, with whatever has come meanwhile.
 */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "durable_private.h"
#include "sotto/base/log.h"
#include "sotto/base/mem.h"

#define STAMP_EVERY 60000
#define CHORES_EVERY 60000
#define CHORES_PAUSE 20 /* between slices */
#define RETRY_FIRST 20
#define RETRY_MOST 1000
#define TELL_EVERY 60000
#define STOP_TRIES 5
#define SALVAGE_MORE 1048576 /* bytes of room, beside what was not enough */
#define VACUUM_FROM 2048     /* free pages, 8 MiB */

/* ---------------------------------------------------------------- failures */

void durable_failed(struct durable *d, int rc, const char *why)
{
    msec now = d->c.now();
    bool first = d->failing_since == MSEC_NEVER;
    d->retry_after = first ? RETRY_FIRST : d->retry_after * 2 < RETRY_MOST ? d->retry_after * 2 : RETRY_MOST;
    d->retry_at = now + d->retry_after;
    if (first)
        d->failing_since = now;
    if (!first && now - d->told_failing < TELL_EVERY)
        return;
    d->told_failing = now;
    bool full = (rc & 0xff) == SQLITE_FULL;
    log_event(LOG_ERROR, "store.failed", LF_STR("file", d->path), LF_STR("reason", why),
              LF_STR("effect", d->c.durability == DURABILITY_COMMIT
                                   ? "what has to be stored is refused until it works again"
                                   : "what was acknowledged since is in memory only until it works again"),
              LF_STR("hint", full ? "make room on the disk of data_dir" : "see to the disk of data_dir"));
}

static void works(struct durable *d)
{
    if (d->failing_since == MSEC_NEVER)
        return;
    log_event(LOG_WARN, "store.works", LF_STR("file", d->path),
              LF_INT("seconds", (d->c.now() - d->failing_since + 500) / 1000),
              LF_STR("reason", "the store can be written again"));
    d->failing_since = MSEC_NEVER;
    d->retry_at = 0;
}

/* ---------------------------------------------------------------- writing */

static int write_list(struct durable *d, struct list *entries)
{
    int rc = SQLITE_OK;
    for (struct list *l = entries->next; rc == SQLITE_OK && l != entries; l = l->next, d->records++)
        rc = durable_write_entry(d, container_of(l, struct durable_entry, link));
    return rc;
}

static int write_values(struct durable *d, struct list *values)
{
    int rc = SQLITE_OK;
    for (struct list *l = values->next; rc == SQLITE_OK && l != values; l = l->next, d->records++)
        rc = durable_write_value(d, container_of(l, struct durable_value, link));
    return rc;
}

static int write_transaction(struct durable *d, struct list *entries, struct list *values)
{
    int rc = durable_db_run(&d->db, SQL_BEGIN);
    if (rc != SQLITE_OK)
        return rc;
    d->attempt++;
    uint64_t records = d->records;
    msec now = d->c.now();
    bool stamp = d->stamped == MSEC_NEVER || now - d->stamped >= STAMP_EVERY;
    d->unrefs.n = 0;
    rc = write_list(d, &d->kept);
    if (rc == SQLITE_OK)
        rc = write_list(d, entries);
    if (rc == SQLITE_OK)
        rc = durable_write_unrefs(d);
    if (rc == SQLITE_OK)
        rc = write_values(d, values);
    if (rc == SQLITE_OK && stamp)
        rc = durable_write_clock(d);
    if (rc == SQLITE_OK)
        rc = durable_db_run(&d->db, SQL_COMMIT);
    if (rc == SQLITE_OK && stamp)
        d->stamped = now;
    d->batches += rc == SQLITE_OK;
    if (rc != SQLITE_OK)
        d->records = records;
    return rc;
}

static int open_again(struct durable *d, char *why, size_t cap)
{
    if (!durable_replace_finish(d->path, why, cap))
        return SQLITE_CANTOPEN;
    int rc = durable_db_open(&d->db, d->path, d->c.vfs, d->c.durability, why, cap);
    durable_db_settle_in(&d->db);
    return rc;
}

/* It is damaged, and closed. A salvage that had no room isn't tried again and again: it copies all that there is. */
static int mend(struct durable *d, char *why, size_t cap)
{
    uint64_t room = durable_db_free(d->path);
    msec now = d->c.now();
    if (now < d->salvage_at && room < d->salvage_room)
        return SQLITE_CORRUPT;
    int rc = durable_salvage(&d->db, d->c.dir, d->c.vfs, d->c.durability, d->c.wall(), why, why, cap);
    d->salvage_at = rc == SQLITE_OK ? 0 : now + TELL_EVERY;
    d->salvage_room = room + SALVAGE_MORE;
    durable_db_settle_in(&d->db);
    return rc;
}

/* SQLITE_OK, or what went wrong, in words too. Damage is met by salvage, and one more attempt. */
static int write_batch(struct durable *d, struct list *entries, struct list *values, char *why, size_t cap)
{
    if (d->db.cramped && durable_db_room(d->path))
        durable_db_close(&d->db, true);
    int rc = d->db.c == NULL ? open_again(d, why, cap) : SQLITE_OK;
    for (int i = 0;; i++) {
        if (d->db.c != NULL)
            rc = write_transaction(d, entries, values);
        if (rc == SQLITE_OK)
            return rc;
        if (d->db.c != NULL) {
            durable_db_why(&d->db, rc, why, cap);
            durable_db_run(&d->db, SQL_ROLLBACK);
        }
        if (!durable_db_damaged(rc) || i > 0)
            return rc;
        durable_db_close(&d->db, true);
        rc = mend(d, why, cap);
        if (rc != SQLITE_OK)
            return rc;
    }
}

/* ---------------------------------------------------------------- answers */

static bool must_be_written(const struct durable *d, const struct durable_entry *e)
{
    return d->c.durability != DURABILITY_COMMIT || (e->kind != STORE_QUEUE && e->kind != STORE_RECEIVED);
}

static bool same_session(const void *entry, struct bytes key)
{
    uint64_t id;
    memcpy(&id, key.p, sizeof(id));
    return ((const struct durable_entry *)entry)->session == id;
}

/* Of what is kept about a session itself the last is enough: clients that come again and again don't add up. */
static void forget_older_sessions(struct durable *d, struct list *home)
{
    struct hmap seen;
    hmap_init(&seen);
    for (struct list *l = d->kept.prev, *before; l != &d->kept; l = before) {
        struct durable_entry *e = container_of(l, struct durable_entry, link);
        before = l->prev;
        if (e->kind != STORE_SESSION)
            continue;
        if (hmap_get(&seen, e->session, bytes_of(&e->session, sizeof(e->session)), same_session) != NULL) {
            list_remove(l);
            list_push_back(home, l);
        } else {
            (void)hmap_add(&seen, e->session, e);
        }
    }
    hmap_fini(&seen);
}

static void keep(struct durable *d, struct list *entries, struct list *home)
{
    struct list *l;
    while ((l = list_pop_front(entries)) != NULL)
        list_push_back(must_be_written(d, container_of(l, struct durable_entry, link)) ? &d->kept : home, l);
    forget_older_sessions(d, home);
}

static void report(struct durable_shard *sh, bool failed)
{
    struct durable_report *r =
        list_empty(&sh->reports) ? NULL : container_of(sh->reports.prev, struct durable_report, link);
    if (r == NULL || r->failed != failed) {
        r = mem_alloc(sizeof(*r));
        r->failed = failed;
        list_push_back(&sh->reports, &r->link);
    }
    r->upto = sh->batch_last;
}

/* Under the lock. */
static void answer(struct durable *d, struct durable_shard *sh, bool failed)
{
    if (sh->batch_last <= sh->answered && (failed || !sh->failing))
        return;
    sh->answered = sh->batch_last;
    if (d->c.durability != DURABILITY_COMMIT)
        return;
    sh->failing = failed; /* that what was kept is written now is said, too */
    if (sh->batch_unlucky && !failed)
        report(sh, true);
    report(sh, failed);
}

/* Under the lock: entries go to their shards, which hear of it. */
static void bring_home(struct durable *d, struct list *home, bool failed)
{
    struct list *l;
    while ((l = list_pop_front(home)) != NULL) {
        struct durable_entry *e = container_of(l, struct durable_entry, link);
        list_push_back(&d->shards[e->shard].home, l);
    }
    for (unsigned i = 0; i < d->c.shards; i++) {
        struct durable_shard *sh = &d->shards[i];
        answer(d, sh, failed);
        if (list_empty(&sh->home) && list_empty(&sh->reports))
            continue;
        atomic_store_explicit(&sh->news, true, memory_order_release);
        if (d->c.ring != NULL)
            d->c.ring(d->c.ctx, i);
    }
}

/* ---------------------------------------------------------------- a batch */

static bool lazy_due(const struct durable *d, msec now)
{
    return !list_empty(&d->behind.lazy) && (d->stopping || d->urgent || now >= d->behind.since + d->c.retained_flush);
}

static void take_entries(struct durable *d, struct list *entries)
{
    list_splice(entries, &d->fifo);
    d->numbers = d->urgent = false;
    d->first = MSEC_NEVER;
    for (unsigned i = 0; i < d->c.shards; i++) {
        struct durable_shard *sh = &d->shards[i];
        sh->taken = sh->push - 1;
        sh->batch_last = sh->pushed_last;
        sh->batch_unlucky = sh->pushed_unlucky;
        sh->pushed_unlucky = false;
    }
}

static void take(struct durable *d, struct list *entries, struct list *values)
{
    durable_behind_take(&d->behind, lazy_due(d, d->c.now()), values);
    take_entries(d, entries);
}

bool durable_flush(struct durable *d)
{
    struct list entries, values, home;
    char why[DURABLE_TEXT] = "";
    int rc = SQLITE_OK;
    list_init(&entries);
    list_init(&values);
    list_init(&home);
    take(d, &entries, &values);
    bool expiring = !list_empty(&values);
    pthread_mutex_unlock(&d->lock);

    if (!list_empty(&entries) || !list_empty(&values) || !list_empty(&d->kept))
        rc = write_batch(d, &entries, &values, why, sizeof(why));
    if (rc == SQLITE_OK) {
        works(d);
        list_splice(&home, &d->kept);
        list_splice(&home, &entries);
        durable_values_free(&values);
    } else {
        durable_failed(d, rc, why);
        keep(d, &entries, &home);
    }
    if (d->ended_left)
        d->chores_at = 0;
    else if (expiring && d->chores_at == MSEC_NEVER)
        d->chores_at = d->c.now() + CHORES_EVERY;

    pthread_mutex_lock(&d->lock);
    durable_behind_return(&d->behind, &values);
    if (rc != SQLITE_OK && d->c.durability == DURABILITY_COMMIT) { /* what came meanwhile fails with it */
        take_entries(d, &entries);
        keep(d, &entries, &home);
    }
    bring_home(d, &home, rc != SQLITE_OK);
    return rc == SQLITE_OK;
}

/* ---------------------------------------------------------------- chores */

/* A log that a reader of another program holds is not emptied; it is tried again when it has grown by as much. */
static void checkpoint(struct durable *d)
{
    int log = 0, done = 0;
    if (d->db.c == NULL || d->db.wal_pages < d->db.checkpoint_at)
        return;
    int rc = sqlite3_wal_checkpoint_v2(d->db.c, NULL, SQLITE_CHECKPOINT_PASSIVE, &log, &done);
    d->db.checkpoint_at = rc == SQLITE_OK && done == log ? DURABLE_CHECKPOINT : d->db.wal_pages + DURABLE_CHECKPOINT;
    msec now = d->c.now();
    if (rc == SQLITE_OK || (d->told_checkpoint != MSEC_NEVER && now - d->told_checkpoint < TELL_EVERY))
        return;
    char why[DURABLE_TEXT];
    durable_db_why(&d->db, rc, why, sizeof(why));
    d->told_checkpoint = now;
    log_event(LOG_WARN, "store.checkpoint_failed", LF_STR("file", d->path), LF_STR("reason", why),
              LF_STR("effect", "the write-ahead log grows"), LF_STR("hint", "see to the disk of data_dir"));
}

static bool vacuum_slice(struct durable *d)
{
    int64_t unused = 0;
    if (durable_db_number(&d->db, "PRAGMA freelist_count", 0, &unused) != SQLITE_OK || unused < VACUUM_FROM)
        return false;
    return durable_db_exec(&d->db, "PRAGMA incremental_vacuum(256)") == SQLITE_OK;
}

/* When the next retained message expires; MSEC_NEVER: none does. */
static msec next_expiry(struct durable *d)
{
    int64_t at;
    int rc =
        durable_db_number(&d->db, "SELECT min(expires) FROM retained WHERE expires IS NOT NULL", DURABLE_NEVER, &at);
    return rc == SQLITE_OK ? durable_core_time(d, at) : MSEC_NEVER;
}

/* One slice of what can wait. */
static void chores(struct durable *d)
{
    msec now = d->c.now();
    bool more = false, expired = false;
    int rc = SQLITE_OK;
    d->chores_at = MSEC_NEVER;
    if (d->db.c == NULL)
        return;
    if (d->ended_left)
        rc = durable_write_ended(d, &more);
    d->ended_left = more || rc != SQLITE_OK;
    if (rc == SQLITE_OK && !more)
        rc = durable_write_expired(d, &expired);
    more = more || expired || (rc == SQLITE_OK && vacuum_slice(d));
    if (rc != SQLITE_OK || more) {
        d->chores_at = now + (rc == SQLITE_OK ? CHORES_PAUSE : CHORES_EVERY);
        return;
    }
    msec expiry = next_expiry(d);
    if (expiry != MSEC_NEVER)
        d->chores_at = expiry > now + CHORES_EVERY ? expiry : now + CHORES_EVERY;
}

/* ---------------------------------------------------------------- the thread */

static msec earlier(msec a, msec b)
{
    return a < b ? a : b;
}

/* Under the lock: when the next batch is to be written. */
static msec batch_due(const struct durable *d, msec now)
{
    bool waits = d->numbers || !list_empty(&d->fifo) || !list_empty(&d->behind.due);
    bool any = waits || !list_empty(&d->kept) || !list_empty(&d->behind.lazy);
    msec due = MSEC_NEVER;
    if (d->stopping && any)
        return now;
    if (waits && (d->c.durability == DURABILITY_COMMIT || d->urgent))
        due = now;
    else if (waits)
        due = (d->first != MSEC_NEVER ? d->first : now) + d->c.flush_interval;
    if (!list_empty(&d->behind.lazy))
        due = earlier(due, d->urgent ? now : d->behind.since + d->c.retained_flush);
    if (!list_empty(&d->kept))
        due = now;
    return due != MSEC_NEVER && due < d->retry_at ? d->retry_at : due;
}

/* Under the lock, which is given back while it waits. */
static void wait_until(struct durable *d, msec due, msec now)
{
    if (due == MSEC_NEVER) {
        pthread_cond_wait(&d->work, &d->lock);
        return;
    }
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    msec ms = due - now < 3600000 ? due - now : 3600000;
    t.tv_sec += (time_t)(ms / 1000);
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&d->work, &d->lock, &t);
}

/* How it went: the more records a batch has, the fewer syncs a message costs. */
static void say_figures(const struct durable *d)
{
    log_event(LOG_INFO, "store.closed", LF_STR("file", d->path), LF_INT("batches", d->batches),
              LF_INT("records", d->records));
}

/* Under the lock: the end. What can't be written after some tries is lost, and that is said. */
static void finish(struct durable *d)
{
    bool ok = true;
    d->retry_at = 0;
    d->stamped = MSEC_NEVER;
    for (int i = 0; i < STOP_TRIES && batch_due(d, 0) != MSEC_NEVER; i++) {
        ok = durable_flush(d);
        if (ok)
            continue;
        pthread_mutex_unlock(&d->lock);
        nanosleep(&(struct timespec){.tv_nsec = RETRY_FIRST * 1000000L}, NULL);
        pthread_mutex_lock(&d->lock);
        d->retry_at = 0;
    }
    if (!ok)
        log_event(LOG_ERROR, "store.lost", LF_STR("file", d->path),
                  LF_STR("reason", "the broker stops, and what was still to be stored could not be written"),
                  LF_STR("effect", d->c.durability == DURABILITY_COMMIT
                                       ? "nothing that was acknowledged is missing; some of it may be delivered again"
                                       : "what was acknowledged last is missing"));
}

void *durable_thread_main(void *arg)
{
    struct durable *d = arg;
    pthread_setname_np(pthread_self(), "sotto-store");
    durable_db_settle_in(&d->db);
    pthread_mutex_lock(&d->lock);
    while (!d->stopping) {
        msec now = d->c.now(), due = batch_due(d, now);
        if (due <= now) {
            durable_flush(d);
            pthread_mutex_unlock(&d->lock);
            checkpoint(d);
            pthread_mutex_lock(&d->lock);
        } else if (d->chores_at <= now) {
            pthread_mutex_unlock(&d->lock);
            chores(d);
            pthread_mutex_lock(&d->lock);
        } else {
            wait_until(d, earlier(due, d->chores_at), now);
        }
    }
    finish(d);
    say_figures(d);
    pthread_mutex_unlock(&d->lock);
    return NULL;
}
