/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The durable store's life, and its clock.
 *
 * Deadlines are stored in store time: milliseconds that began as the wall clock's when the database was made, and that
 * go on with the monotonic clock while the broker runs. With it stands the wall clock's time of the last stamp, a
 * minute old at most while things are written; at start that tells how much time has passed. It is believed within
 * 0..30 days, and not at all where the clock is earlier than the stamp or than the program: a machine without a clock
 * of its own starts in the past. So a clock that jumps while the broker runs changes nothing.
 */
#include "sotto/store/durable.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "durable_private.h"
#include "sotto/base/log.h"
#include "sotto/base/mem.h"

#define PASSED_MOST INT64_C(2592000000) /* 30 days, ms */

static int64_t time_passed(const struct durable *d, int64_t wall_then, int64_t wall)
{
    const char *why = wall < d->c.built  ? "the clock is earlier than this program"
                      : wall_then == 0   ? "the clock was wrong when the store was written last"
                      : wall < wall_then ? "the clock is earlier than the store"
                                         : NULL;
    if (why != NULL) {
        log_event(LOG_WARN, "store.clock", LF_STR("file", d->path), LF_STR("reason", why),
                  LF_STR("effect", "expiry of sessions and messages goes on where it stood"),
                  LF_STR("hint", "set the clock, or have it set from the network before the broker starts"));
        return 0;
    }
    return wall - wall_then < PASSED_MOST ? wall - wall_then : PASSED_MOST;
}

/* What time it is in the store. */
static int read_clock(struct durable *d)
{
    int64_t store = 0, wall_then = 0, wall = d->c.wall();
    int rc = durable_db_number(&d->db, "SELECT store FROM clock WHERE id = 1", DURABLE_NEVER, &store);
    if (rc == SQLITE_OK)
        rc = durable_db_number(&d->db, "SELECT wall FROM clock WHERE id = 1", 0, &wall_then);
    if (rc != SQLITE_OK)
        return rc;
    int64_t now = store != DURABLE_NEVER ? store + time_passed(d, wall_then, wall) : wall;
    d->skew = now - (int64_t)d->c.now();
    return SQLITE_OK;
}

/* Numbers above all that are in use. */
static int read_bases(struct durable *d)
{
    int64_t session = 0, ended = 0, row = 0, message = 0, orphan = 0;
    int rc = durable_db_number(&d->db, "SELECT max(id) FROM session", 0, &session);
    if (rc == SQLITE_OK)
        rc = durable_db_number(&d->db, "SELECT max(session) FROM ended", 0, &ended);
    if (rc == SQLITE_OK)
        rc = durable_db_number(&d->db, "SELECT max(session) FROM queue", 0, &row);
    if (rc == SQLITE_OK)
        rc = durable_db_number(&d->db, "SELECT max(id) FROM message", 0, &message);
    if (rc == SQLITE_OK)
        rc = durable_db_number(&d->db, "SELECT 1 FROM ended LIMIT 1", 0, &orphan);
    session = ended > session ? ended : session;
    session = row > session ? row : session;
    d->session_base = (uint64_t)session + 1;
    d->message_base = ((uint64_t)message | 1) + 1;
    d->ended_left = orphan != 0;
    return rc;
}

/* Opened and looked over; or the error, with a line in err and the bare reason in why. */
static int open_sound(struct durable *d, char *why, size_t why_cap, char *err, size_t cap)
{
    int rc = durable_replace_finish(d->path, err, cap) ? SQLITE_OK : SQLITE_CANTOPEN;
    if (rc == SQLITE_OK && durable_log_damaged(d->path, why, why_cap))
        return SQLITE_CORRUPT;
    if (rc == SQLITE_OK)
        rc = durable_db_open(&d->db, d->path, d->c.vfs, d->c.durability, err, cap);
    if (rc != SQLITE_OK) {
        snprintf(why, why_cap, "%s", err);
        return rc;
    }
    rc = durable_db_verify(&d->db, why, why_cap);
    if (rc == SQLITE_OK)
        return rc;
    durable_db_unreadable(d->path, rc, why, err, cap);
    durable_db_close(&d->db, true);
    return rc;
}

/* What can't be read twice is as good as damaged: the rest is worth more than waiting for it. */
static bool needs_salvage(int rc)
{
    return durable_db_damaged(rc) || rc == SQLITE_IOERR_READ || rc == SQLITE_IOERR_DATA;
}

/* Opened, sound, known: or a line in err. */
static int open_database(struct durable *d, char *err, size_t cap)
{
    char why[DURABLE_TEXT];
    int rc = open_sound(d, why, sizeof(why), err, cap);
    if ((rc & 0xff) == SQLITE_IOERR)
        rc = open_sound(d, why, sizeof(why), err, cap);
    if (needs_salvage(rc))
        rc = durable_salvage(&d->db, d->c.dir, d->c.vfs, d->c.durability, d->c.wall(), why, err, cap);
    if (rc != SQLITE_OK)
        return rc;
    if (d->db.cramped)
        log_event(LOG_ERROR, "store.cramped", LF_STR("file", d->path),
                  LF_STR("reason", "there is no room, or next to none, on its disk"),
                  LF_STR("effect",
                         "what was stored is here; what has to be stored is refused where there is no room"
                         " for it, and `sotto store` can't look into it while the broker runs"),
                  LF_STR("hint", "make room on the disk of data_dir"));
    rc = read_clock(d);
    if (rc == SQLITE_OK)
        rc = read_bases(d);
    if (rc != SQLITE_OK) {
        durable_db_why(&d->db, rc, why, sizeof(why));
        durable_db_unreadable(d->path, rc, why, err, cap);
    }
    return rc;
}

static void init_lock(struct durable *d)
{
    pthread_condattr_t attr;
    pthread_mutex_init(&d->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&d->work, &attr);
    pthread_condattr_destroy(&attr);
}

struct durable *durable_open(const struct durable_config *c, char *err, size_t cap)
{
    /* Counting memory takes a lock at each allocation, a tenth of the store thread's time. Refused where a database was
     * opened before, which is fine. */
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    int lock = durable_lock(c->dir, err, cap);
    if (lock < 0)
        return NULL;
    struct durable *d = mem_alloc(sizeof(*d));
    d->c = *c;
    d->lock_fd = lock;
    d->path = durable_path(c->dir, DURABLE_FILE);
    d->failing_since = d->stamped = d->first = d->told_checkpoint = MSEC_NEVER;
    list_init(&d->fifo);
    list_init(&d->kept);
    init_lock(d);
    durable_behind_init(&d->behind);
    d->shards = mem_alloc(c->shards * sizeof(*d->shards));
    for (unsigned i = 0; i < c->shards; i++)
        durable_shard_init(&d->shards[i], d, i);
    if (open_database(d, err, cap) == SQLITE_OK)
        return d;
    durable_close(d);
    return NULL;
}

int durable_start(struct durable *d)
{
    int error = pthread_create(&d->thread, NULL, durable_thread_main, d);
    d->running = error == 0;
    return error;
}

void durable_stop(struct durable *d)
{
    if (!d->running)
        return;
    pthread_mutex_lock(&d->lock);
    for (unsigned i = 0; i < d->c.shards; i++)
        durable_shard_push(&d->shards[i]);
    d->stopping = true;
    d->c.ring = NULL; /* there is nobody any more */
    pthread_cond_signal(&d->work);
    pthread_mutex_unlock(&d->lock);
    pthread_join(d->thread, NULL);
    d->running = false;
}

void durable_close(struct durable *d)
{
    if (d == NULL)
        return;
    durable_stop(d);
    durable_db_close(&d->db, false);
    struct list *l;
    list_splice(&d->kept, &d->fifo);
    while ((l = list_pop_front(&d->kept)) != NULL) {
        struct durable_entry *e = container_of(l, struct durable_entry, link);
        list_push_back(&d->shards[e->shard].home, l);
    }
    for (unsigned i = 0; i < d->c.shards; i++)
        durable_shard_fini(&d->shards[i]);
    durable_behind_fini(&d->behind);
    pthread_cond_destroy(&d->work);
    pthread_mutex_destroy(&d->lock);
    durable_unlock(d->lock_fd);
    mem_free(d->shards);
    mem_free(d->unrefs.v);
    mem_free(d->path);
    mem_free(d);
}
