/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * New server certificates for the keys that are there. Nobody has to be told: the CA is the same, and so is the public
 * key, which is what fingerprints (Tasmota's, and pins) are made of.
 */
#include "certificate_private.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "sotto/base/mem.h"

enum { PAIRS = 2 };

static const struct pair_names {
    const char *crt, *key;
} names[PAIRS] = {{"server.crt", "server.key"}, {"server-ec.crt", "server-ec.key"}};

struct pair {
    bool wanted;
    struct cert_key key;
    struct x509_pool old; /* its certificate, if there is one, at v[0] */
    char *pem;
};

struct renewal {
    const struct certificate_request *r;
    time_t now;
    bool only_due;
    struct cert_authority ca;
    struct san_list hosts;
    struct pair pair[PAIRS];
    time_t until;
    char *out;
    size_t cap;
};

/* Which of them, and what they are now. */
static bool look(struct renewal *w)
{
    bool any = false;
    for (int i = 0; i < PAIRS; i++) {
        struct pair *p = &w->pair[i];
        char path[PATH_MAX];
        snprintf(path, sizeof(path), "%s/%s", w->r->dir, names[i].crt);
        if (!cert_file_exists(w->r->dir, names[i].key))
            continue;
        bool there = cert_file_exists(w->r->dir, names[i].crt);
        if (there && x509_pool_add_file(&p->old, path, w->out, w->cap) < 0)
            return false;
        bool ours = p->old.n > 0 && x509_is_issued_by(&p->old.v[0], &w->ca.pool.v[0]);
        bool due =
            ours && p->old.v[0].until - w->now < CERTIFICATE_RENEW_DAYS * CERT_DAY && p->old.v[0].until < w->until;
        if (there && !ours && !w->r->force && !w->only_due) {
            snprintf(
                w->out, w->cap,
                "%s was not made by the CA beside it, nothing was changed: --force puts one of this CA in its place",
                path);
            return false;
        }
        p->wanted = w->only_due ? due : true;
        any = any || p->wanted;
    }
    if (!any && !w->only_due)
        snprintf(w->out, w->cap,
                 "%s holds no server key (server.key, server-ec.key): `sotto cert init %s` makes keys and certificates",
                 w->r->dir, w->r->dir);
    return any;
}

static bool renew_one(struct renewal *w, int i)
{
    struct pair *p = &w->pair[i];
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", w->r->dir, names[i].key);
    struct cert_plan plan = {.kind = CERT_SERVER,
                             .common_name = san_common_name(&w->hosts),
                             .names = &w->hosts,
                             .from = CERT_FROM,
                             .until = w->until,
                             .key = &p->key};
    cert_new_serial(plan.serial);
    p->pem = mem_alloc(CERT_PEM_MAX);
    return cert_key_load(&p->key, path, w->out, w->cap) &&
           cert_done(cert_make(&plan, &w->ca.issuer, &w->ca.rng, p->pem, CERT_PEM_MAX), names[i].crt, w->out, w->cap);
}

static bool make_all(struct renewal *w)
{
    if (!san_collect(&w->hosts, w->r, w->out, w->cap))
        return false;
    for (int i = 0; i < PAIRS; i++) {
        if (w->pair[i].old.n > 0)
            san_add_from(&w->hosts, &w->pair[i].old.v[0]);
    }
    for (int i = 0; i < PAIRS; i++) {
        if (w->pair[i].wanted && !renew_one(w, i))
            return false;
    }
    return true;
}

static int tell(const struct renewal *w)
{
    int n = 0;
    size_t used = 0;
    char day[16];
    struct tm tm;
    gmtime_r(&w->until, &tm);
    strftime(day, sizeof(day), "%Y-%m-%d", &tm);
    for (int i = 0; i < PAIRS; i++) {
        if (w->pair[i].wanted && used < w->cap)
            used += (size_t)snprintf(w->out + used, w->cap - used, "%s%s", n++ > 0 ? " and " : "", names[i].crt);
    }
    if (used < w->cap)
        used += (size_t)snprintf(w->out + used, w->cap - used, " in %s, until %s, for ", w->r->dir, day);
    for (size_t i = 0; i < w->hosts.n && used < w->cap; i++)
        used += (size_t)snprintf(w->out + used, w->cap - used, "%s%s", i > 0 ? ", " : "", w->hosts.v[i].text);
    return n;
}

static bool write_files(const struct renewal *w)
{
    struct cert_file v[PAIRS];
    for (int i = 0; i < PAIRS; i++)
        v[i] = (struct cert_file){names[i].crt, w->pair[i].pem};
    return cert_files_write(w->r->dir, v, PAIRS, w->out, w->cap);
}

/* How many, or -1. */
static int renew(const struct certificate_request *r, time_t now, bool only_due, char *out, size_t cap)
{
    int lock = cert_lock(r->dir, out, cap);
    if (lock < 0)
        return -1;
    struct renewal *w = mem_alloc(sizeof(*w));
    w->r = r;
    w->now = now;
    w->only_due = only_due;
    w->out = out;
    w->cap = cap;
    int n = -1;
    out[0] = '\0';
    if (!cert_authority_load(&w->ca, r->dir, out, cap))
        goto out;
    w->until = cert_end(&w->ca, now, CERT_SERVER_DAYS);
    if (look(w))
        n = make_all(w) && write_files(w) ? tell(w) : -1;
    else if (out[0] == '\0')
        n = 0;
out:
    close(lock);
    for (int i = 0; i < PAIRS; i++) {
        cert_key_fini(&w->pair[i].key);
        x509_pool_fini(&w->pair[i].old);
        mem_free(w->pair[i].pem);
    }
    cert_authority_fini(&w->ca);
    mem_free(w);
    return n;
}

int certificate_renew(const struct certificate_request *r, char *out, size_t cap)
{
    return renew(r, cert_now(), false, out, cap) > 0 ? 0 : -1;
}

int certificate_renew_due(const char *dir, time_t now, char *out, size_t cap)
{
    struct certificate_request r = {.dir = dir};
    if (!cert_file_exists(dir, "ca.crt") || !cert_file_exists(dir, "ca.key"))
        return 0;
    return renew(&r, now, true, out, cap);
}
