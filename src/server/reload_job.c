/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "config_changes.h"
#include "reload_private.h"
#include "renewal.h"
#include "sotto/base/mem.h"
#include "sotto/server/environment.h"
#include "sotto/server/first_start.h"
#include "sotto/transport/tls_endings.h"

#define LINE 2048

static void add_line(struct reload_lines *l, const char *text)
{
    l->v = mem_realloc(l->v, (l->n + 1) * sizeof(*l->v));
    l->v[l->n++] = mem_strndup(text, strlen(text));
}

static void lines_fini(struct reload_lines *l)
{
    for (size_t i = 0; i < l->n; i++)
        mem_free(l->v[i]);
    mem_free(l->v);
    *l = (struct reload_lines){.v = NULL};
}

/* ---------------------------------------------------------------- a listener */

struct config_listener reload_listener(const struct config *c, const struct config_listener *start)
{
    const struct config_listener *now = config_changes_listener(c, start->name);
    struct config_listener l = now != NULL && now->tls ? *now : *start;
    l.name = start->name;
    l.ticket_lifetime = start->ticket_lifetime; /* keys are kept by it, for all listeners */
    return l;
}

static void build(struct reload_part *p, const struct tls_settings *settings)
{
    char err[LINE], why[LINE - 128];
    p->context = tls_set_make(settings, p->name, err, sizeof(err));
    if (p->context != NULL && !tls_context_may_follow(p->context, p->old, time(NULL), why, sizeof(why))) {
        snprintf(err, sizeof(err), "[listener.%s] cert: %s", p->name, why);
        tls_context_unref(p->context);
        p->context = NULL;
    }
    if (p->context == NULL)
        p->err = mem_strndup(err, strlen(err));
}

/* The sums are taken before the files are read for use: what changes meanwhile is seen by the next look. */
static void look_at(struct reload_job *job, struct reload_part *p, const struct config_listener *start)
{
    struct config_listener before = reload_listener(job->config, start);
    struct config_listener l = job->fresh != NULL ? reload_listener(job->fresh, start) : before;
    struct tls_settings settings = tls_set_settings(&l, &job->common);
    tls_sums_take(&p->sums, &settings);
    if (!tls_sums_equal(&p->sums, p->before) || !config_changes_same_tls(&before, &l))
        build(p, &settings);
    if (job->full && p->err != NULL)
        add_line(&job->errors, p->err);
    for (size_t i = 0; i < p->sums.n; i++)
        file_spots_add(&job->spots, p->sums.v[i].path);
}

/* ---------------------------------------------------------------- everything */

static void on_config_error(void *ctx, const char *line)
{
    add_line(ctx, line);
}

static void on_users(void *ctx, bool warning, const char *file, unsigned line, const char *section, const char *key,
                     const char *text)
{
    struct reload_job *job = ctx;
    char out[LINE];
    if (line == 0)
        snprintf(out, sizeof(out), "%s: %s", file, text);
    else
        snprintf(out, sizeof(out), "%s:%u: [%s] %s: %s", file, line, section != NULL ? section : "",
                 key != NULL ? key : "", text);
    add_line(warning ? &job->warnings : &job->errors, out);
}

/* As `sotto run` reads it. */
static void read_config(struct reload_job *job)
{
    const char *file = job->start->file;
    job->fresh = file != NULL ? config_load(file, on_config_error, &job->errors) : config_default();
    if (job->fresh == NULL)
        return;
    environment_apply(job->fresh);
    (void)first_start_leave_out(job->fresh);
    /* The first start may have made a file that no configuration names. */
    const char *users = file != NULL ? job->fresh->users : job->start->users;
    job->users = users != NULL ? users_load(users, on_users, job) : users_empty();
}

static void on_renewal(void *ctx, bool ok, const char *line)
{
    struct reload_job *job = ctx;
    add_line(ok ? &job->renewed : &job->not_renewed, line);
}

void reload_job_run(struct reload_job *job)
{
    if (job->renew)
        renewal_run(job->config, time(NULL), on_renewal, job);
    if (job->full)
        read_config(job);
    for (size_t i = 0; i < job->n; i++) {
        if (job->part[i].name != NULL)
            look_at(job, &job->part[i], &job->start->listeners[i]);
    }
    tls_thread_fini();
}

void reload_job_fini(struct reload_job *job)
{
    for (size_t i = 0; i < job->n; i++) {
        tls_sums_fini(&job->part[i].sums);
        tls_context_unref(job->part[i].context);
        mem_free(job->part[i].err);
    }
    mem_free(job->part);
    config_free(job->fresh);
    users_unref(job->users);
    lines_fini(&job->errors);
    lines_fini(&job->warnings);
    lines_fini(&job->renewed);
    lines_fini(&job->not_renewed);
    file_spots_fini(&job->spots);
    *job = (struct reload_job){.full = false};
}
