/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 *   idle --a file changed, and it is quiet since; a minute went by; SIGHUP--> working (a thread of the pool)
 *     ^                                                                          |
 *     +------- every loop has said so <-- swapping <-- something is new ----------+--> idle: nothing, or refused
 *
 * Writers take their time: a certificate may be there before its key. So nothing is looked at before a second of quiet,
 * and what is bad is looked at once more before it is called so. A good set is used at once, listener by listener; on
 * SIGHUP it is all or nothing.
 *
 * A set is never changed: loops get another one by their inboxes, and whoever is connected keeps its own context.
 */
#include "reload.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "config_changes.h"
#include "expiry.h"
#include "loop.h"
#include "reload_private.h"
#include "renewal.h"
#include "sotto/base/mem.h"
#include "sotto/transport/tls_endings.h"
#include "ticket_keys.h"

#define QUIET_MS 1000u
#define QUIET_MAX_MS 10000u /* what changes all the time is looked at all the same */
#define MINUTE_MS 60000u
#define DAY_MS (24 * 60 * MINUTE_MS)
#define LINE 2048

/* What is known of a TLS listener's files. */
struct known {
    struct tls_sums sums; /* of what is in use */
    struct tls_sums bad;  /* of what could not be used */
    bool said;            /* that it could not */
};

enum state { IDLE, WORKING, SWAPPING };

struct reload {
    struct server *server;
    struct config *config; /* the last that SIGHUP brought; NULL: that of the start is in force */
    struct tls_set *set;   /* in use */
    struct known *known;   /* of each listener */
    enum state state;
    bool attached, closing, wants_look, wants_all;
    uint64_t noisy_since; /* uv_now of the first change that nobody looked at yet; 0: none */
    uint64_t renew_again; /* uv_now */
    struct reload_job job;
    uv_work_t work;
    uv_timer_t quiet, minute;
    uv_async_t taken;
    _Atomic unsigned waiting; /* loops that have not taken the set yet */
    struct file_watch watch;
    struct expiry expiry;
    char done[LINE]; /* what is said when all loops have it; "": nothing */
};

/* A set on its way to a loop. */
struct swap {
    struct list node;
    struct tls_set *set;
    bool rights; /* the users are others */
};

static const struct config *in_force(const struct reload *r)
{
    return r->config != NULL ? r->config : r->server->config;
}

static struct tls_common common_of(const struct reload *r)
{
    return (struct tls_common){r->server->keylog, ticket_keys_ring(r->server->ticket_keys)};
}

/* ---------------------------------------------------------------- to the loops */

static void take_swaps(struct loop *l)
{
    struct list items, *n;
    list_init(&items);
    inbox_take(&l->swaps, &items);
    while ((n = list_pop_front(&items)) != NULL) {
        struct swap *s = container_of(n, struct swap, node);
        tls_set_unref(l->tls);
        l->tls = s->set;
        l->untold++;
        if (s->rights) {
            l->renews = true;
            l->renew_at = 0;
        }
        mem_free(s);
    }
}

void reload_receive(struct loop *l)
{
    struct reload *r = l->server->reload;
    take_swaps(l);
    l->renews = l->renews && shard_renew_rights(l->shard, &l->renew_at, loop_now(l));
    if (l->renews) {
        loop_wake(l); /* the next ones in the next turn */
        return;
    }
    for (; l->untold > 0; l->untold--) {
        if (atomic_fetch_sub(&r->waiting, 1) == 1)
            uv_async_send(&r->taken);
    }
}

void reload_drop(struct loop *l)
{
    struct list items, *n;
    list_init(&items);
    inbox_take(&l->swaps, &items);
    while ((n = list_pop_front(&items)) != NULL) {
        struct swap *s = container_of(n, struct swap, node);
        tls_set_unref(s->set);
        mem_free(s);
    }
    tls_set_unref(l->tls);
    l->tls = NULL;
}

static void send_to(struct loop *l, struct tls_set *set, bool rights)
{
    struct swap *s = mem_alloc(sizeof(*s));
    struct list one;
    s->set = tls_set_ref(set);
    s->rights = rights;
    list_init(&one);
    list_push_back(&one, &s->node);
    inbox_push(&l->swaps, &one, 0);
    loop_wake(l);
}

/* Takes the reference. */
static void swap_sets(struct reload *r, struct tls_set *set, bool rights)
{
    tls_set_unref(r->set);
    r->set = set;
    r->state = SWAPPING;
    atomic_store(&r->waiting, r->server->loops_n);
    for (unsigned i = 0; i < r->server->loops_n; i++)
        send_to(&r->server->loops[i], set, rights);
}

/* ---------------------------------------------------------------- what a job brought */

static void say_lines(const struct reload_lines *l, enum log_level level, const char *event)
{
    for (size_t i = 0; i < l->n; i++)
        log_event(level, event, LF_STR("reason", l->v[i]));
}

static void say_renewed(const struct reload_part *p, const struct tls_context *c)
{
    char day[32];
    struct tls_ending end = {.file = NULL};
    struct tm tm;
    bool any = tls_context_ending(c, 0, &end) && end.kind == TLS_ENDS_CERTIFICATE;
    gmtime_r(&end.until, &tm);
    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%SZ", &tm);
    log_event(LOG_INFO, "tls.renewed", LF_STR("listener", p->name), LF_STR("changed", p->changed),
              LF_STR(any ? "for" : NULL, end.name), LF_STR("until", day));
    tls_set_warn(c, p->name);
}

/* Said once for each state of the files, and not before it has been seen twice. */
static void note_bad(struct reload *r, struct known *k, struct reload_part *p)
{
    if (!tls_sums_equal(&k->bad, &p->sums) || k->bad.n == 0) {
        tls_sums_fini(&k->bad);
        k->bad = p->sums;
        p->sums = (struct tls_sums){.v = NULL};
        k->said = false;
        r->wants_look = true;
        return;
    }
    if (k->said)
        return;
    k->said = true;
    log_event(LOG_ERROR, "tls.refused_files", LF_STR("listener", p->name), LF_STR("reason", p->err),
              LF_STR("hint", "what was there before stays in use"));
}

/* What was refused has been put right. Where that is something new, tls.renewed says so. */
static void note_good(struct known *k, const struct reload_part *p)
{
    if (k->said && p->context == NULL)
        log_event(LOG_INFO, "tls.mended", LF_STR("listener", p->name),
                  LF_STR("reason", "the files that were refused are again those in use"));
    k->said = false;
}

static void take_part(struct known *k, struct reload_part *p)
{
    tls_sums_fini(&k->bad);
    tls_sums_fini(&k->sums);
    k->sums = p->sums;
    p->sums = (struct tls_sums){.v = NULL};
    p->before = NULL;
}

/* Puts what is new into a copy of the set; NULL: nothing is. */
static struct tls_set *next_set(struct reload *r)
{
    struct tls_set *set = NULL;
    for (size_t i = 0; i < r->job.n; i++) {
        struct reload_part *p = &r->job.part[i];
        struct known *k = &r->known[i];
        if (p->name == NULL)
            continue;
        if (p->err != NULL) {
            note_bad(r, k, p);
            continue;
        }
        note_good(k, p);
        if (p->context != NULL) {
            set = set != NULL ? set : tls_set_copy(r->set);
            tls_sums_changed(&p->sums, p->before, p->changed, sizeof(p->changed));
            tls_set_put(set, i, p->context);
            p->context = NULL;
            p->used = true;
        }
        take_part(k, p);
    }
    return set;
}

static void refuse_all(struct reload *r)
{
    say_lines(&r->job.errors, LOG_ERROR, "reload.error");
    log_event(LOG_ERROR, "reload.refused", LF_INT("errors", r->job.errors.n),
              LF_STR("reason", "the configuration, or a file that it names, has errors"),
              LF_STR("hint",
                     "nothing was changed: mend what the lines above say, see `sotto check`, and send SIGHUP "
                     "again"));
}

static void take_config(struct reload *r)
{
    char later[LINE];
    struct server *s = r->server;
    config_changes_for_restart(s->config, r->job.fresh, later, sizeof(later));
    if (later[0] != '\0')
        log_event(LOG_WARN, "reload.needs_restart", LF_STR("keys", later),
                  LF_STR("hint", "these stay as they were; restart the broker to use what is written now"));
    log_set_level(r->job.fresh->log.level);
    authenticator_replace(s->authenticator, r->job.users);
    r->job.users = NULL;
    broker_rights_changed(s->broker);
    config_free(r->config);
    r->config = r->job.fresh;
    r->job.fresh = NULL;
    snprintf(r->done, sizeof(r->done), "%s", r->config->file != NULL ? r->config->file : "built-in");
}

static void finished(struct reload *r)
{
    r->state = IDLE;
    for (size_t i = 0; i < r->job.n; i++) {
        if (r->job.part[i].used)
            say_renewed(&r->job.part[i], tls_set_at(r->set, i));
    }
    reload_job_fini(&r->job);
    if (r->done[0] != '\0')
        log_event(LOG_INFO, "reload.done", LF_STR("config", r->done));
    r->done[0] = '\0';
    expiry_look(&r->expiry, r->set, time(NULL));
}

static void on_quiet(uv_timer_t *t);

static void begin_again(struct reload *r)
{
    if (r->wants_all)
        reload_all(r);
    else if (r->wants_look)
        uv_timer_start(&r->quiet, on_quiet, QUIET_MS, 0);
}

static void on_taken(uv_async_t *a)
{
    struct reload *r = a->data;
    if (r->state != SWAPPING || atomic_load(&r->waiting) != 0)
        return;
    finished(r);
    begin_again(r);
}

static void apply(struct reload *r)
{
    struct reload_job *job = &r->job;
    struct tls_set *set = NULL;
    bool taken = job->full && job->errors.n == 0;
    for (size_t i = 0; i < job->renewed.n; i++)
        renewal_report_to_log(NULL, true, job->renewed.v[i]);
    for (size_t i = 0; i < job->not_renewed.n; i++)
        renewal_report_to_log(NULL, false, job->not_renewed.v[i]);
    say_lines(&job->warnings, LOG_WARN, "users.warning");
    if (taken || !job->full)
        set = next_set(r);
    else
        refuse_all(r);
    if (taken)
        take_config(r);
    if (file_watch_set(&r->watch, &job->spots) > 0)
        log_event(LOG_DEBUG, "tls.unwatched",
                  LF_STR("reason", "a folder can't be watched: it is looked at each minute"));
    if (set != NULL || taken)
        swap_sets(r, set != NULL ? set : tls_set_ref(r->set), taken);
    else
        finished(r);
}

static void on_worked(uv_work_t *w, int status)
{
    struct reload *r = w->data;
    r->state = IDLE;
    if (status == 0 && !r->closing)
        apply(r);
    else
        reload_job_fini(&r->job);
    if (r->state == IDLE && !r->closing)
        begin_again(r);
}

/* ---------------------------------------------------------------- jobs */

static void on_work(uv_work_t *w)
{
    reload_job_run(&((struct reload *)w->data)->job);
}

static void fill_parts(struct reload *r)
{
    const struct config *start = r->server->config;
    struct reload_job *job = &r->job;
    job->n = start->listeners_n;
    job->part = mem_alloc(job->n * sizeof(*job->part));
    for (size_t i = 0; i < job->n; i++) {
        if (!start->listeners[i].tls)
            continue;
        job->part[i].name = start->listeners[i].name;
        job->part[i].before = &r->known[i].sums;
        job->part[i].old = tls_set_at(r->set, i);
    }
}

static void begin(struct reload *r, bool full)
{
    uint64_t now = uv_now(r->quiet.loop);
    assert(r->state == IDLE);
    uv_timer_stop(&r->quiet);
    r->noisy_since = 0;
    r->wants_look = false;
    r->job = (struct reload_job){.full = full,
                                 .renew = full || now >= r->renew_again,
                                 .config = in_force(r),
                                 .start = r->server->config,
                                 .common = common_of(r)};
    if (r->job.renew)
        r->renew_again = now + DAY_MS;
    fill_parts(r);
    r->state = WORKING;
    if (uv_queue_work(r->quiet.loop, &r->work, on_work, on_worked) != 0) {
        r->state = IDLE;
        reload_job_fini(&r->job);
    }
}

void reload_all(struct reload *r)
{
    r->wants_all = r->state != IDLE;
    if (r->state == IDLE)
        begin(r, true);
}

static void on_quiet(uv_timer_t *t)
{
    struct reload *r = t->data;
    if (r->state == IDLE)
        begin(r, false);
}

static void on_minute(uv_timer_t *t)
{
    struct reload *r = t->data;
    expiry_look(&r->expiry, r->set, time(NULL));
    on_quiet(t);
}

static void on_changed(void *ctx)
{
    struct reload *r = ctx;
    uint64_t now = uv_now(r->quiet.loop);
    r->wants_look = true;
    if (r->state != IDLE)
        return;
    if (r->noisy_since == 0)
        r->noisy_since = now > 0 ? now : 1;
    if (now - r->noisy_since < QUIET_MAX_MS)
        uv_timer_start(&r->quiet, on_quiet, QUIET_MS, 0);
}

/* ---------------------------------------------------------------- life */

struct reload *reload_new(struct server *s)
{
    struct reload *r = mem_alloc(sizeof(*r));
    r->server = s;
    r->set = tls_set_new(s->config->listeners_n);
    r->known = mem_alloc(s->config->listeners_n * sizeof(*r->known));
    return r;
}

int reload_open(struct reload *r, size_t listener, char *err, size_t err_cap)
{
    const struct config_listener *c = &r->server->config->listeners[listener];
    struct tls_common common = common_of(r);
    struct tls_settings settings = tls_set_settings(c, &common);
    tls_sums_take(&r->known[listener].sums, &settings);
    struct tls_context *t = tls_set_make(&settings, c->name, err, err_cap);
    if (t == NULL)
        return -1;
    tls_set_warn(t, c->name);
    tls_set_put(r->set, listener, t);
    return 0;
}

struct tls_set *reload_set(const struct reload *r)
{
    return tls_set_ref(r->set);
}

/* A key that only root may read can't be read again by whom root has become. What is in use then counts as known. */
static void look_as_other_user(struct reload *r, size_t i, struct file_spots *spots)
{
    const struct config_listener *c = &r->server->config->listeners[i];
    struct tls_common common = {.keylog = NULL};
    struct tls_settings settings = tls_set_settings(c, &common);
    struct tls_sums sums;
    tls_sums_take(&sums, &settings);
    for (size_t k = 0; k < sums.n; k++) {
        file_spots_add(spots, sums.v[k].path);
        if (!sums.v[k].readable)
            log_event(LOG_WARN, "tls.renewal_blocked", LF_STR("listener", c->name), LF_STR("file", sums.v[k].path),
                      LF_STR("reason", "the broker's user can't read it: when it is renewed, a restart is needed"),
                      LF_STR("hint", "let that user read it"));
    }
    if (!tls_sums_readable(&sums)) {
        tls_sums_fini(&r->known[i].sums);
        r->known[i].sums = sums;
    } else {
        tls_sums_fini(&sums);
    }
}

int reload_attach(struct reload *r, uv_loop_t *uv)
{
    struct file_spots spots = {.v = NULL};
    int err = uv_async_init(uv, &r->taken, on_taken);
    if (err != 0)
        return err;
    uv_timer_init(uv, &r->quiet);
    uv_timer_init(uv, &r->minute);
    r->attached = true;
    r->taken.data = r->quiet.data = r->minute.data = r->work.data = r;
    err = file_watch_open(&r->watch, uv, on_changed, r);
    if (err != 0)
        log_event(LOG_WARN, "tls.unwatched", LF_STR("reason", uv_strerror(err)),
                  LF_STR("hint",
                         "changed certificates are found within a minute all the same; raise "
                         "fs.inotify.max_user_instances"));
    for (size_t i = 0; i < r->server->config->listeners_n; i++) {
        if (r->server->config->listeners[i].tls)
            look_as_other_user(r, i, &spots);
    }
    file_watch_set(&r->watch, &spots);
    expiry_look(&r->expiry, r->set, time(NULL));
    r->renew_again = uv_now(uv) + DAY_MS;
    return uv_timer_start(&r->minute, on_minute, MINUTE_MS, MINUTE_MS);
}

void reload_close(struct reload *r)
{
    if (r == NULL || !r->attached)
        return;
    r->closing = true;
    uv_close((uv_handle_t *)&r->taken, NULL);
    uv_close((uv_handle_t *)&r->quiet, NULL);
    uv_close((uv_handle_t *)&r->minute, NULL);
    file_watch_close(&r->watch);
}

void reload_free(struct reload *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->server->config->listeners_n; i++) {
        tls_sums_fini(&r->known[i].sums);
        tls_sums_fini(&r->known[i].bad);
    }
    mem_free(r->known);
    reload_job_fini(&r->job);
    tls_set_unref(r->set);
    expiry_fini(&r->expiry);
    config_free(r->config);
    mem_free(r);
}
