/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From a configuration to a running broker and back. The order matters: whatever may fail comes before anything that
 * others can see; ports are bound and keys are read as the user who started us, and what peers can reach runs as the
 * configured one.
 *
 *   log -> who we shall be -> limits -> certificates, users -> listeners -> other user -> store -> loops -> what was
 *   stored -> ready
 */
#include "sotto/server/server.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "listener.h"
#include "loop.h"
#include "memory_limit.h"
#include "persist.h"
#include "privileges.h"
#include "reload.h"
#include "renewal.h"
#include "sotto/base/mem.h"
#include "sotto/core/shard.h"
#include "sotto/server/versions.h"
#include "sotto/transport/tls_features.h"
#include "sotto/transport/tls_keylog.h"
#include "ticket_keys.h"

#define OTHER_FILES 64 /* descriptors that are no connections */
#define MOST_CONNECTIONS 16000000u
#define LINE 1024

/* ---------------------------------------------------------------- what loops share */

static bool take_place(_Atomic uint32_t *count, uint32_t max)
{
    uint32_t n = atomic_load(count);
    while (n < max) {
        if (atomic_compare_exchange_weak(count, &n, n + 1))
            return true;
    }
    return false;
}

bool server_take_connection(struct server *s)
{
    return take_place(&s->connections, s->max_connections);
}

bool server_take_handshake(struct server *s)
{
    return take_place(&s->handshakes, s->max_handshakes);
}

static void wake_all(struct server *s)
{
    for (unsigned i = 0; i < s->loops_n; i++)
        loop_wake(&s->loops[i]);
}

void server_give_connection(struct server *s)
{
    if (atomic_fetch_sub(&s->connections, 1) == 1 && atomic_load(&s->stopping))
        wake_all(s);
}

void server_give_handshake(struct server *s)
{
    atomic_fetch_sub(&s->handshakes, 1);
    for (unsigned i = 0; i < s->loops_n; i++) {
        if (atomic_load(&s->loops[i].wants_handshake))
            loop_wake(&s->loops[i]);
    }
}

void server_begin_stop(struct server *s)
{
    atomic_store(&s->stopping, true);
    wake_all(s);
}

/* ---------------------------------------------------------------- start */

static int failed(const char *why)
{
    log_event(LOG_ERROR, "server.failed", LF_STR("reason", why));
    return -1;
}

static int start_log(const struct config *c)
{
    int error = log_start(&c->log);
    if (error == 0)
        return 0;
    fprintf(stderr, "sotto: [log] target: %s: can't be opened: %s; check the folder and its permissions\n",
            c->log.path != NULL ? c->log.path : "", strerror(error));
    return -1;
}

/* One connection is one open file: as many as we may have, as long as nobody said less. */
static void set_limits(struct server *s)
{
    struct rlimit r = {0};
    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
        getrlimit(RLIMIT_NOFILE, &r);
    }
    uint32_t possible = r.rlim_cur > MOST_CONNECTIONS  ? MOST_CONNECTIONS
                        : r.rlim_cur > 2 * OTHER_FILES ? (uint32_t)r.rlim_cur - OTHER_FILES
                                                       : OTHER_FILES;
    uint32_t wanted = s->config->limits.max_connections;
    s->max_connections = wanted == 0 || wanted > possible ? possible : wanted;
    s->max_handshakes = s->config->limits.max_handshakes;
    if (wanted > possible)
        log_event(LOG_WARN, "limits.lowered", LF_STR("key", "max_connections"), LF_INT("wanted", wanted),
                  LF_INT("possible", possible),
                  LF_STR("hint", "raise the hard open-file limit (LimitNOFILE, ulimit -Hn), or lower max_connections"));
}

static void report_users(void *ctx, bool warning, const char *file, unsigned line, const char *section, const char *key,
                         const char *text)
{
    (void)ctx;
    log_event(warning ? LOG_WARN : LOG_ERROR, warning ? "users.warning" : "users.failed", LF_STR("file", file),
              LF_INT("line", line), LF_STR("section", section), LF_STR("key", key), LF_STR("reason", text));
}

static int load_users(struct server *s)
{
    struct users *users = s->config->users != NULL ? users_load(s->config->users, report_users, NULL) : users_empty();
    if (users == NULL)
        return failed("the users file has errors; `sotto check` shows them, too");
    s->authenticator = authenticator_new(users, 0);
    return 0;
}

static int open_keylog(struct server *s)
{
    char err[LINE], line[LINE + 128];
    const char *path = s->config->tls_keylog;
    if (path == NULL)
        return 0;
    s->keylog = tls_keylog_open(path, err, sizeof(err));
    if (s->keylog == NULL) {
        snprintf(line, sizeof(line), "[log] tls_keylog: %s", err);
        return failed(line);
    }
    log_event(LOG_WARN, "tls.keylog", LF_STR("file", path),
              LF_STR("reason", "the secrets of all TLS connections are written there: who reads it, reads everything"),
              LF_STR("hint", "take tls_keylog out when the fault is found, and delete the file"));
    return 0;
}

static int open_listener(struct server *s, size_t i, const struct config_listener *c)
{
    char err[LINE], line[LINE + 128];
    struct listener *l = &s->listeners[i];
    if (listener_open(l, c, s->loops_n, err, sizeof(err)) != 0) {
        snprintf(line, sizeof(line), "[listener.%s] address: %s", c->name, err);
        return failed(line);
    }
    l->number = i;
    return c->tls && reload_open(s->reload, i, line, sizeof(line)) != 0 ? failed(line) : 0;
}

static int open_listeners(struct server *s)
{
    const struct config *c = s->config;
    s->listeners = mem_alloc(c->listeners_n * sizeof(*s->listeners));
    for (size_t i = 0; i < c->listeners_n; i++) {
        s->listeners_n = i + 1;
        if (open_listener(s, i, &c->listeners[i]) != 0)
            return -1;
    }
    return 0;
}

/* A unix socket belongs to whom we shall be: so it can be removed when we stop. */
static void give_away_sockets(struct server *s, const struct privileges *p)
{
    for (size_t i = 0; p->drop && i < s->listeners_n; i++) {
        const char *path = s->listeners[i].config->address + strlen("unix:");
        if (s->listeners[i].local && lchown(path, p->uid, p->gid) != 0)
            log_event(LOG_WARN, "listener.owner", LF_STR("listener", s->listeners[i].config->name),
                      LF_STR("path", path), LF_STR("reason", "the socket can't be given to the broker's user"));
    }
}

/* After the listeners: a second broker on the same ports hears of the ports first. */
static int open_control(struct server *s, const struct privileges *p)
{
    char err[LINE];
    bool fatal;
    s->control = control_new(s, p, &fatal, err, sizeof(err));
    return s->control == NULL && fatal ? failed(err) : 0;
}

/* All that needs the rights of whoever started us. */
static int prepare(struct server *s)
{
    const struct config *config = s->config;
    char err[LINE];
    struct privileges p;
    bool given = config->user != NULL;
    if (privileges_find(&p, given ? config->user : CONFIG_DEFAULT_USER, given, err, sizeof(err)) != 0)
        return failed(err);
    set_limits(s);
    renewal_run(config, time(NULL), renewal_report_to_log, NULL);
    s->ticket_keys = ticket_keys_new(config);
    s->reload = reload_new(s);
    if (open_keylog(s) != 0 || open_listeners(s) != 0 || load_users(s) != 0 || open_control(s, &p) != 0)
        return -1;
    give_away_sockets(s, &p);
    return privileges_drop(&p, err, sizeof(err)) != 0 ? failed(err) : 0;
}

static int open_store(struct server *s, unsigned loops)
{
    char err[LINE];
    return persist_open(s, loops, err, sizeof(err)) == 0 ? 0 : failed(err);
}

static int restore(struct server *s)
{
    char err[LINE];
    return persist_restore(s, err, sizeof(err)) == 0 ? 0 : failed(err);
}

static int init_loops(struct server *s, unsigned n)
{
    if (open_store(s, n) != 0)
        return -1;
    struct broker_config c = {.shards = n, .limits = s->config->limits};
    s->broker = broker_new(&c);
    s->loops = mem_alloc(n * sizeof(*s->loops));
    s->loops_n = 0;
    for (unsigned i = 0; i < n; i++) {
        int err = loop_init(&s->loops[i], s, i);
        if (err == 0) {
            s->loops_n++;
            err = listener_attach(&s->loops[i]);
        }
        if (err == 0)
            continue;
        char line[LINE];
        snprintf(line, sizeof(line),
                 "[broker] threads: can't make loop %u: %s; lower threads, or raise the system's limits", i,
                 uv_strerror(err));
        return failed(line);
    }
    int err = control_attach(s->control);
    if (err == 0)
        err = ticket_keys_attach(s->ticket_keys, &s->loops[0].uv);
    if (err == 0)
        err = reload_attach(s->reload, &s->loops[0].uv);
    return err == 0 ? 0 : failed(uv_strerror(err));
}

/* What was restored stays, however much it is. */
static void set_memory_limit(struct server *s)
{
    s->max_memory = s->config->limits.max_memory > 0 ? s->config->limits.max_memory : memory_limit_find("/") / 2;
    mem_set_limit(s->max_memory);
    if (mem_short())
        log_event(LOG_WARN, "limits.memory", LF_INT("in_use", mem_in_use()), LF_INT("max_memory", s->max_memory),
                  LF_STR("reason",
                         "what was stored takes nearly all of max_memory: new sessions, subscriptions and "
                         "retained messages are refused, and queues don't grow"),
                  LF_STR("hint", "raise max_memory in [limits], or see by 'sotto store show' what takes it"));
}

/* ---------------------------------------------------------------- run */

static void *loop_main(void *arg)
{
    struct loop *l = arg;
    char name[16];
    snprintf(name, sizeof(name), "sotto-loop-%u", l->number % 1000);
    pthread_setname_np(pthread_self(), name);
    loop_run(l);
    tls_thread_fini();
    return NULL;
}

static void stop_them(void *ctx)
{
    server_begin_stop(ctx);
}

/* The loop that was the slowest to listen since the last time. */
static void say_lag(void *ctx)
{
    struct server *s = ctx;
    struct loop_lag worst = {0}, lag;
    unsigned number = 0;
    for (unsigned i = 0; i < s->loops_n; i++) {
        loop_take_lag(&s->loops[i], &lag);
        if (lag.p99 > worst.p99) {
            worst = lag;
            number = i;
        }
    }
    log_event(LOG_INFO, "loop.lag", LF_INT("loop", number), LF_INT("median_us", worst.median),
              LF_INT("p99_us", worst.p99), LF_INT("longest_us", worst.longest), LF_INT("busy_us", worst.busy));
}

static void reload_them(void *ctx)
{
    reload_all(((struct server *)ctx)->reload);
}

static void say_start(const struct server *s)
{
    log_event(LOG_INFO, "server.start", LF_STR("version", SOTTO_VERSION), LF_INT("pid", getpid()),
              LF_INT("threads", s->loops_n), LF_INT("max_connections", s->max_connections),
              LF_INT("max_memory", s->max_memory), LF_STR("tls", tls_library()), LF_STR("libuv", uv_version_string()),
              LF_STR("config", s->config->file != NULL ? s->config->file : "built-in"));
    for (size_t i = 0; i < s->listeners_n; i++) {
        const struct listener *l = &s->listeners[i];
        log_event(LOG_INFO, "listener.open", LF_STR("listener", l->config->name), LF_STR("address", l->config->address),
                  LF_INT("port", l->port), LF_STR("tls", l->config->tls ? "on" : "off"));
    }
}

static void say_ready(const struct server *s)
{
    log_event(LOG_INFO, "server.ready", LF_INT("listeners", s->listeners_n));
}

/* Loop 0 runs on this thread, the others on their own. */
static int run_loops(struct server *s)
{
    static const struct signal_calls calls = {.stop = stop_them, .reload = reload_them, .report = say_lag};
    pthread_t *threads = mem_alloc(s->loops_n * sizeof(*threads));
    unsigned started = 1;
    int error = 0;
    for (; started < s->loops_n; started++) {
        error = pthread_create(&threads[started], NULL, loop_main, &s->loops[started]);
        if (error != 0)
            break;
    }
    if (error == 0)
        error = -signals_start(&s->signals, &s->loops[0].uv, &calls, s);
    if (error == 0)
        say_ready(s);
    else
        server_begin_stop(s);
    loop_run(&s->loops[0]);
    for (unsigned i = 1; i < started; i++)
        pthread_join(threads[i], NULL);
    mem_free(threads);
    say_lag(s);
    return error == 0 ? 0 : failed(strerror(error));
}

static int serve(struct server *s)
{
    unsigned n = s->config->threads != 0 ? s->config->threads : uv_available_parallelism();
    s->loops_n = n;
    int rc = prepare(s);
    s->loops_n = 0;
    if (rc != 0 || init_loops(s, n) != 0 || restore(s) != 0)
        return -1;
    set_memory_limit(s);
    say_start(s);
    return run_loops(s);
}

/* ---------------------------------------------------------------- end */

static void clean_up(struct server *s)
{
    /* Its threads may still answer to loops. */
    if (s->authenticator != NULL)
        authenticator_free(s->authenticator);
    signals_close(&s->signals);
    control_close(s->control);
    ticket_keys_close(s->ticket_keys);
    reload_close(s->reload);
    persist_stop(s);
    for (unsigned i = 0; i < s->loops_n; i++)
        loop_close(&s->loops[i]);
    for (unsigned i = 0; i < s->loops_n; i++)
        loop_fini(&s->loops[i]);
    persist_close(s);
    mem_free(s->loops);
    control_free(s->control);
    if (s->broker != NULL)
        broker_free(s->broker);
    for (size_t i = 0; i < s->listeners_n; i++)
        listener_close(&s->listeners[i]);
    reload_free(s->reload);
    tls_keylog_unref(s->keylog);
    mem_free(s->listeners);
    ticket_keys_free(s->ticket_keys);
}

int server_run(struct config *config)
{
    signals_block();
    if (start_log(config) != 0)
        return 1;
    struct server s = {.config = config};
    int rc = tls_init();
    if (rc == 0) {
        rc = serve(&s);
        clean_up(&s);
        tls_fini();
    } else {
        failed(
            "wolfSSL can't be initialized; see that the library that was built against is the one that is installed");
    }
    if (rc == 0)
        log_event(LOG_INFO, "server.stopped");
    log_stop();
    return rc == 0 ? 0 : 1;
}
