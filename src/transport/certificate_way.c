/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The way to the next certificate, which depends on where the key of its CA is. A new CA is never the advice while the
 * old one's certificate is there: every client would have to be given it.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "certificate_private.h"

struct place {
    char dir[PATH_MAX];
    const char *name; /* of the file in it */
    bool ca_crt, ca_key;
};

static void find_place(struct place *p, const char *path)
{
    const char *slash = strrchr(path, '/');
    p->name = slash != NULL ? slash + 1 : path;
    snprintf(p->dir, sizeof(p->dir), "%.*s",
             slash == NULL   ? 1
             : slash == path ? 1
                             : (int)(slash - path),
             slash != NULL ? path : ".");
    p->ca_crt = cert_file_exists(p->dir, "ca.crt");
    p->ca_key = cert_file_exists(p->dir, "ca.key");
}

static bool is_one_of_ours(const char *name)
{
    return strcmp(name, "server.crt") == 0 || strcmp(name, "server-ec.crt") == 0;
}

/* By the CA beside it? */
static bool is_made_here(const struct place *p, const char *path)
{
    char ca[PATH_MAX + 8], err[2048];
    struct x509_pool pool = {.n = 0}, cas = {.n = 0};
    snprintf(ca, sizeof(ca), "%s/ca.crt", p->dir);
    bool made = p->ca_crt && x509_pool_add_file(&pool, path, err, sizeof(err)) > 0 &&
                x509_pool_add_file(&cas, ca, err, sizeof(err)) > 0 && x509_is_issued_by(&pool.v[0], &cas.v[0]);
    x509_pool_fini(&pool);
    x509_pool_fini(&cas);
    return made;
}

void certificate_way(const char *path, char *out, size_t cap)
{
    struct place p;
    find_place(&p, path);
    if (!is_one_of_ours(p.name) || !is_made_here(&p, path))
        snprintf(out, cap,
                 "renew it with its CA's tool (`sotto cert renew DIR`, certbot): the broker takes up new files "
                 "by itself");
    else if (p.ca_key)
        snprintf(out, cap, "renew it (`sotto cert renew %s`): the broker takes up new files by itself", p.dir);
    else
        snprintf(out, cap,
                 "the key of its CA, %s/ca.key, isn't there, so it can't be renewed here: put the key there, or use "
                 "`sotto cert renew` where the key lies and copy %s from there (clients keep their ca.crt)",
                 p.dir, p.name);
}

void cert_missing_hint(const char *path, char *out, size_t cap)
{
    struct place p;
    find_place(&p, path);
    bool ec = strcmp(p.name, "server-ec.crt") == 0;
    bool has_key = is_one_of_ours(p.name) && cert_file_exists(p.dir, ec ? "server-ec.key" : "server.key");
    bool ca = strcmp(p.name, "ca.crt") == 0, key = strcmp(p.name, "ca.key") == 0;
    if (key && p.ca_crt)
        snprintf(
            out, cap,
            "it is the key of the CA in ca.crt, and nothing can be signed here without it: put it there, or do this "
            "where it lies and copy the files; a new CA (`sotto cert init %s --force --new-ca`) would have to be "
            "given to every client",
            p.dir);
    else if (ca && p.ca_key)
        snprintf(out, cap, "it belongs to the ca.key beside it: put it back (it is no secret, the clients have it)");
    else if (!ca && !key && p.ca_crt && p.ca_key && has_key)
        snprintf(out, cap, "put it back, or make it anew, from the same CA and key: `sotto cert renew %s`", p.dir);
    else if (!ca && !key && p.ca_crt && p.ca_key)
        snprintf(out, cap,
                 "check the path, or make new certificates from the CA that is there: `sotto cert init %s --force`",
                 p.dir);
    else if (!ca && !key && p.ca_crt)
        snprintf(
            out, cap,
            "put it back, or make new certificates where the CA's key lies and copy them (there is no ca.key in %s)",
            p.dir);
    else
        snprintf(out, cap, "check the path, or make certificates with `sotto cert init DIR`");
}
