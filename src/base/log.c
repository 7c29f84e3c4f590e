/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Events go into the ring of their thread; the log thread merges the rings by
 * time, gathers, formats and writes.
 *
 * Waking: "pending" says that the log thread knows of work. A thread that turns it from 0 to 1 wakes
 * the log thread, so an event after a quiet time is written at once. After a batch the log
 * thread sleeps for 20 ms with pending still set: under load nobody makes a system call to log a
 * line. Only a ring that is half full cuts the sleep short. Before the log thread goes to
 * sleep for good it clears pending and looks once more; both sides exchange, so one of them sees the other.
 *
 * This layer has no clock but for this module: it stamps events when they happen.
 */
#include "sotto/base/log.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "sotto/base/log_gather.h"
#include "sotto/base/log_ring.h"
#include "sotto/base/log_sink.h"

#define GATHER_MS 10000
#define NAP_MS 20
#define BATCH 4096
#define STOP_MS 3000

static struct {
    pthread_once_t once;
    pthread_key_t at_exit; /* gives back the ring of a thread that ends */
    pthread_mutex_t lock;  /* only around wake */
    pthread_cond_t wake;
    pthread_t thread;
    bool started;        /* only the thread that starts and stops the log looks at it */
    bool done;           /* guarded by lock */
    atomic_bool running; /* events go to rings */
    atomic_bool stop, reopen, pending, urgent;
    atomic_int level;
    _Atomic(struct log_ring *) rings;
    _Atomic uint64_t lost; /* lines that no ring knows of */
    /* The rest belongs to the log thread while it runs. */
    struct log_sink sink;
    struct log_gather gather;
    char line[LOG_LINE_MAX];
} g = {.once = PTHREAD_ONCE_INIT, .lock = PTHREAD_MUTEX_INITIALIZER, .level = LOG_INFO};

static _Thread_local struct log_ring *own_ring;

static int64_t clock_ms(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void thread_ends(void *ring)
{
    own_ring = NULL;
    log_ring_release(ring);
}

static void init_once(void)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&g.wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_key_create(&g.at_exit, thread_ends);
}

static void wake_writer(void)
{
    pthread_mutex_lock(&g.lock);
    pthread_cond_broadcast(&g.wake);
    pthread_mutex_unlock(&g.lock);
}

/* --- the threads that have something to say --- */

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&g.level, (int)level, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&g.level, memory_order_relaxed);
}

static void write_directly(const struct log_record *r)
{
    char line[LOG_LINE_MAX + 1];
    size_t n = log_record_line(r, LOG_TEXT, 0, line);
    line[n] = '\n';
    if (!log_sink_direct(STDERR_FILENO, line, n + 1))
        atomic_fetch_add_explicit(&g.lost, 1, memory_order_relaxed);
}

void log_event_fields(enum log_level level, const char *event, const struct log_field *f, size_t n)
{
    if (!log_enabled(level))
        return;
    union log_record_room room;
    struct log_record *r = log_record_make(&room, clock_ms(CLOCK_REALTIME), level, event, f, n);
    if (!atomic_load_explicit(&g.running, memory_order_acquire)) {
        write_directly(r);
        return;
    }
    if (own_ring == NULL) {
        own_ring = log_ring_claim(&g.rings);
        pthread_setspecific(g.at_exit, own_ring);
    }
    log_ring_push(own_ring, r);
    bool first = !atomic_exchange_explicit(&g.pending, true, memory_order_acq_rel);
    if (log_ring_crowded(own_ring) && !atomic_exchange_explicit(&g.urgent, true, memory_order_acq_rel))
        first = true;
    if (first)
        wake_writer();
}

/* --- the log thread --- */

static struct log_ring *all_rings(void)
{
    return atomic_load_explicit(&g.rings, memory_order_acquire);
}

static struct log_ring *earliest_ring(void)
{
    struct log_ring *best = NULL;
    int64_t best_time = 0, t = 0;
    for (struct log_ring *r = all_rings(); r != NULL; r = r->next) {
        if (log_ring_time(r, &t) && (best == NULL || t < best_time)) {
            best = r;
            best_time = t;
        }
    }
    return best;
}

static void count_lost(uint64_t n)
{
    if (n > 0)
        atomic_fetch_add_explicit(&g.lost, n, memory_order_relaxed);
}

static void emit(const struct log_record *r, uint32_t repeated, void *ctx)
{
    (void)ctx;
    size_t n = log_record_line(r, g.sink.format, repeated, g.line);
    count_lost(log_sink_line(&g.sink, (enum log_level)r->level, g.line, n));
}

static void emit_own(enum log_level level, const char *event, struct log_field first, struct log_field second)
{
    union log_record_room room;
    struct log_field f[] = {first, second};
    emit(log_record_make(&room, clock_ms(CLOCK_REALTIME), level, event, f, 2), 0, NULL);
}

/* How many events it took out of the rings. */
static unsigned drain(void)
{
    unsigned n = 0;
    union log_record_room room;
    struct log_ring *ring;
    msec now = (msec)clock_ms(CLOCK_MONOTONIC);
    atomic_store_explicit(&g.urgent, false, memory_order_release);
    for (; n < BATCH && (ring = earliest_ring()) != NULL; n++) {
        struct log_record *r = log_ring_pop(ring, &room);
        if (log_gather_admit(&g.gather, r, now))
            emit(r, 0, NULL);
    }
    return n;
}

/* Says how much was lost, once lines go through again; what can't be said stays counted. */
static void flush_and_confess(void)
{
    unsigned failed = log_sink_flush(&g.sink);
    count_lost(failed);
    for (struct log_ring *r = all_rings(); r != NULL; r = r->next)
        count_lost(atomic_exchange_explicit(&r->lost, 0, memory_order_relaxed));
    uint64_t lost = atomic_exchange_explicit(&g.lost, 0, memory_order_relaxed);
    if (failed > 0 || lost == 0) {
        count_lost(lost);
        return;
    }
    emit_own(LOG_WARN, "log.lost", LF_INT("count", lost),
             LF_STR("reason", "events came faster than they could be written; see what repeats around this line"));
    if (log_sink_flush(&g.sink) > 0)
        count_lost(lost);
}

/* Sleeps until the monotonic time until, or until woken for one of the reasons that count. */
static void sleep_until(msec until, const atomic_bool *reason)
{
    struct timespec t = {.tv_sec = (time_t)(until / 1000), .tv_nsec = (long)(until % 1000) * 1000000};
    int error = 0;
    pthread_mutex_lock(&g.lock);
    while (error != ETIMEDOUT && !atomic_load(reason) && !atomic_load(&g.stop) && !atomic_load(&g.reopen)) {
        if (until == MSEC_NEVER)
            error = pthread_cond_wait(&g.wake, &g.lock);
        else
            error = pthread_cond_timedwait(&g.wake, &g.lock, &t);
    }
    pthread_mutex_unlock(&g.lock);
}

static void rest(unsigned drained)
{
    if (drained == BATCH)
        return;
    if (drained > 0) {
        sleep_until((msec)clock_ms(CLOCK_MONOTONIC) + NAP_MS, &g.urgent);
        return;
    }
    atomic_exchange_explicit(&g.pending, false, memory_order_acq_rel);
    if (earliest_ring() == NULL)
        sleep_until(log_gather_next(&g.gather), &g.pending);
}

static void reopen_file(void)
{
    if (!atomic_exchange(&g.reopen, false))
        return;
    int error = log_sink_reopen(&g.sink);
    if (error != 0)
        emit_own(LOG_ERROR, "log.reopen_failed", LF_STR("reason", strerror(error)),
                 LF_STR("hint", "the old file is still written to: check the folder of the new one and its rights"));
}

static void *write_lines(void *unused)
{
    bool stop;
    unsigned drained;
    do {
        stop = atomic_load(&g.stop);
        reopen_file();
        drained = drain();
        log_gather_expire(&g.gather, stop ? MSEC_NEVER : (msec)clock_ms(CLOCK_MONOTONIC), emit, NULL);
        flush_and_confess();
        if (!stop)
            rest(drained);
    } while (!stop || drained == BATCH);
    log_gather_fini(&g.gather);
    log_sink_close(&g.sink);
    pthread_mutex_lock(&g.lock);
    g.done = true;
    pthread_cond_broadcast(&g.wake);
    pthread_mutex_unlock(&g.lock);
    return unused;
}

/* --- start and stop --- */

/* The log thread takes no signals: they belong to the loop that waits for them, and a closed pipe must not kill. */
static int start_thread(void)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&g.thread, NULL, write_lines, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

int log_start(const struct log_config *c)
{
    pthread_once(&g.once, init_once);
    if (g.started)
        return EBUSY;
    atomic_store(&g.stop, false);
    atomic_store(&g.reopen, false);
    atomic_store(&g.pending, true);
    g.done = false;
    int error = log_sink_open(&g.sink, c, &g.stop);
    if (error != 0)
        return error;
    log_gather_init(&g.gather, c->gather_ms > 0 ? c->gather_ms : GATHER_MS);
    error = start_thread();
    if (error != 0) {
        log_gather_fini(&g.gather);
        log_sink_close(&g.sink);
        return error;
    }
    g.started = true;
    atomic_store_explicit(&g.level, (int)c->level, memory_order_relaxed);
    atomic_store_explicit(&g.running, true, memory_order_release);
    return 0;
}

/* A write that hangs for good (a stopped terminal) must not keep the process alive: the thread is left behind. */
static bool wait_done(void)
{
    msec until = (msec)clock_ms(CLOCK_MONOTONIC) + STOP_MS;
    struct timespec t = {.tv_sec = (time_t)(until / 1000), .tv_nsec = (long)(until % 1000) * 1000000};
    int error = 0;
    pthread_mutex_lock(&g.lock);
    while (!g.done && error != ETIMEDOUT)
        error = pthread_cond_timedwait(&g.wake, &g.lock, &t);
    bool done = g.done;
    pthread_mutex_unlock(&g.lock);
    return done;
}

void log_stop(void)
{
    if (!g.started)
        return;
    atomic_store_explicit(&g.running, false, memory_order_release);
    atomic_store(&g.stop, true);
    wake_writer();
    if (wait_done()) {
        pthread_join(g.thread, NULL);
        g.started = false;
    } else {
        pthread_detach(g.thread); /* started stays true: nobody may touch what it still uses */
    }
}

void log_reopen(void)
{
    if (!g.started)
        return;
    atomic_store(&g.reopen, true);
    wake_writer();
}
