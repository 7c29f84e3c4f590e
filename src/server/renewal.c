/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "renewal.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "sotto/base/mem.h"
#include "sotto/transport/certificate.h"
#include "sotto/transport/x509.h"

#define DAY ((time_t)24 * 3600)
#define LINE 2048

/* Has it the name of one of ours, and does it end soon? The folder (until its slash) is in *n. */
static bool is_due(const char *path, time_t now, size_t *n)
{
    const char *slash = strrchr(path, '/');
    char err[LINE];
    struct x509_pool pool = {.n = 0};
    if (slash == NULL || (strcmp(slash, "/server.crt") != 0 && strcmp(slash, "/server-ec.crt") != 0))
        return false;
    *n = (size_t)(slash - path);
    bool due =
        x509_pool_add_file(&pool, path, err, sizeof(err)) > 0 && pool.v[0].until - now < CERTIFICATE_RENEW_DAYS * DAY;
    x509_pool_fini(&pool);
    return due;
}

static unsigned renew_in(const char *folder, time_t now, renewal_report report, void *ctx)
{
    char out[LINE], line[2 * LINE];
    int n = certificate_renew_due(folder, now, out, sizeof(out));
    if (n > 0)
        report(ctx, true, out);
    if (n >= 0)
        return (unsigned)n;
    snprintf(line, sizeof(line),
             "the certificates in %s end soon and can't be renewed by the broker: %s; or renew them with `sotto cert "
             "renew %s`",
             folder, out, folder);
    report(ctx, false, line);
    return 0;
}

struct folders {
    char **v;
    size_t n;
};

static void add_folder(struct folders *f, const char *path, size_t n)
{
    for (size_t i = 0; i < f->n; i++) {
        if (strlen(f->v[i]) == n && memcmp(f->v[i], path, n) == 0)
            return;
    }
    f->v = mem_realloc(f->v, (f->n + 1) * sizeof(*f->v));
    f->v[f->n++] = n > 0 ? mem_strndup(path, n) : mem_strndup("/", 1);
}

unsigned renewal_run(const struct config *c, time_t now, renewal_report report, void *ctx)
{
    struct folders due = {.v = NULL};
    unsigned renewed = 0;
    size_t length;
    for (size_t i = 0; i < c->listeners_n; i++) {
        const struct config_listener *l = &c->listeners[i];
        for (size_t k = 0; l->tls && k < l->pairs_n; k++) {
            if (is_due(l->pairs[k].cert, now, &length))
                add_folder(&due, l->pairs[k].cert, length);
        }
    }
    for (size_t i = 0; i < due.n; i++) {
        renewed += renew_in(due.v[i], now, report, ctx);
        mem_free(due.v[i]);
    }
    mem_free(due.v);
    return renewed;
}

void renewal_report_to_log(void *ctx, bool ok, const char *line)
{
    (void)ctx;
    if (ok)
        log_event(LOG_INFO, "certificate.renewed", LF_STR("what", line));
    else
        log_event(LOG_WARN, "certificate.not_renewed", LF_STR("reason", line));
}
