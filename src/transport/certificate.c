/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A private CA and two server certificates: everything is made in memory, then written, then put in place.
 *
 * The CA's key is RSA-2048, because whoever verifies server.crt must know RSA (Tasmota on an ESP8266 knows nothing
 * else) and everybody who knows ECDSA knows RSA too. Validity starts at a fixed date in the past: a device that
 * believes it is the day its firmware was built still finds its broker's certificate valid.
 */
#include "certificate_private.h"

#include <stdio.h>

#include <wolfssl/wolfcrypt/error-crypt.h>

#include "sotto/base/mem.h"
#include "sotto/base/random.h"

#define CA_DAYS 7305 /* 20 years */

enum { CA_CRT, CA_KEY, SERVER_CRT, SERVER_KEY, SERVER_EC_CRT, SERVER_EC_KEY, FILES };

static const char *const files[FILES] = {"ca.crt",     "ca.key",        "server.crt",
                                         "server.key", "server-ec.crt", "server-ec.key"};

/* Everything that is made on the way. */
struct work {
    const struct certificate_request *r;
    struct san_list names;
    struct cert_authority ca;
    struct cert_key rsa, ec;
    bool keep_ca;
    char *pem[FILES]; /* NULL: the file stays as it is */
    char *crl, *index;
    char *err;
    size_t err_cap;
};

static bool wolf(struct work *w, int rc, const char *what)
{
    return cert_done(rc, what, w->err, w->err_cap);
}

/* ---- What may be written ---- */

static bool decide(struct work *w)
{
    const struct certificate_request *r = w->r;
    bool crt = cert_file_exists(r->dir, files[CA_CRT]), key = cert_file_exists(r->dir, files[CA_KEY]);
    bool server = false;
    for (int i = SERVER_CRT; i < FILES; i++)
        server = server || cert_file_exists(r->dir, files[i]);
    if (crt != key && !r->new_ca) {
        snprintf(w->err, w->err_cap,
                 "%s holds %s but not %s, nothing was changed: put the missing one back%s, or make a new CA with "
                 "--force --new-ca (every client then needs the new ca.crt)",
                 r->dir, files[crt ? CA_CRT : CA_KEY], files[crt ? CA_KEY : CA_CRT],
                 crt ? ", or make the certificates where it lies and copy them" : "");
        return false;
    }
    if (server && !r->force) {
        snprintf(w->err, w->err_cap,
                 "%s holds server certificates already, nothing was changed: --force makes new ones from the same CA, "
                 "--force --new-ca a new CA too (every client then needs the new ca.crt)",
                 r->dir);
        return false;
    }
    if ((crt || key) && r->new_ca && !r->force) {
        snprintf(
            w->err, w->err_cap,
            "%s holds a CA already, nothing was changed: only --force --new-ca together replace it (every client then "
            "needs the new ca.crt)",
            r->dir);
        return false;
    }
    w->keep_ca = crt && key && !r->new_ca;
    return true;
}

/* ---- Making ---- */

static bool make_pair(struct work *w, struct cert_plan *p, int crt, int key)
{
    w->pem[crt] = mem_alloc(CERT_PEM_MAX);
    w->pem[key] = mem_alloc(CERT_PEM_MAX);
    cert_new_serial(p->serial);
    return wolf(w, cert_make(p, &w->ca.issuer, &w->ca.rng, w->pem[crt], CERT_PEM_MAX), files[crt]) &&
           wolf(w, cert_key_pem(p->key, w->pem[key], CERT_PEM_MAX), files[key]);
}

/* A new CA has revoked nothing yet, and a listener that is told of a list of the old one would let nobody in. */
static bool forget_the_revoked(struct work *w, time_t now)
{
    struct cert_index none = {0};
    if (cert_file_exists(w->r->dir, CERT_INDEX))
        w->index = cert_index_text(&none);
    if (!cert_file_exists(w->r->dir, CERT_CRL))
        return true;
    w->crl = cert_crl_make(&none, &w->ca, now, w->err, w->err_cap);
    return w->crl != NULL;
}

static bool make_ca(struct work *w, time_t now)
{
    /* Each CA has a name of its own, so that a client which knows an older one tells them apart. */
    uint8_t tag[4];
    char name[CERT_COMMON_NAME_MAX];
    random_bytes(tag, sizeof(tag));
    snprintf(name, sizeof(name), "Sotto CA %02x%02x%02x%02x", tag[0], tag[1], tag[2], tag[3]);
    struct cert_plan p = {
        .kind = CERT_CA, .common_name = name, .from = CERT_FROM, .until = now + CA_DAYS * CERT_DAY, .key = &w->ca.key};
    if (!wolf(w, wc_InitRng(&w->ca.rng), "random numbers"))
        return false;
    w->ca.has_rng = true;
    return wolf(w, cert_key_make(&w->ca.key, false, &w->ca.rng), files[CA_KEY]) &&
           wolf(w, cert_issuer_new(&w->ca.issuer, &w->ca.key, name) ? 0 : BUFFER_E, files[CA_CRT]) &&
           make_pair(w, &p, CA_CRT, CA_KEY) && x509_pool_add_text(&w->ca.pool, bytes_str(w->pem[CA_CRT])) == 1 &&
           forget_the_revoked(w, now);
}

static bool make_server(struct work *w, struct cert_key *key, bool ec, time_t now)
{
    struct cert_plan p = {.kind = CERT_SERVER,
                          .common_name = san_common_name(&w->names),
                          .names = &w->names,
                          .from = CERT_FROM,
                          .until = cert_end(&w->ca, now, CERT_SERVER_DAYS),
                          .key = key};
    return wolf(w, cert_key_make(key, ec, &w->ca.rng), files[ec ? SERVER_EC_KEY : SERVER_KEY]) &&
           make_pair(w, &p, ec ? SERVER_EC_CRT : SERVER_CRT, ec ? SERVER_EC_KEY : SERVER_KEY);
}

static bool make_all(struct work *w)
{
    time_t now = cert_now();
    return (w->keep_ca ? cert_authority_load(&w->ca, w->r->dir, w->err, w->err_cap) : make_ca(w, now)) &&
           make_server(w, &w->rsa, false, now) && make_server(w, &w->ec, true, now);
}

static bool write_files(struct work *w)
{
    struct cert_file v[FILES + 2];
    for (int i = 0; i < FILES; i++)
        v[i] = (struct cert_file){files[i], w->pem[i]};
    v[FILES] = (struct cert_file){CERT_CRL, w->crl};
    v[FILES + 1] = (struct cert_file){CERT_INDEX, w->index};
    return cert_files_write(w->r->dir, v, FILES + 2, w->err, w->err_cap);
}

static void work_free(struct work *w)
{
    for (int i = 0; i < FILES; i++) {
        if (w->pem[i] != NULL)
            bytes_wipe(w->pem[i], CERT_PEM_MAX);
        mem_free(w->pem[i]);
    }
    mem_free(w->crl);
    mem_free(w->index);
    cert_authority_fini(&w->ca);
    cert_key_fini(&w->rsa);
    cert_key_fini(&w->ec);
    mem_free(w);
}

int certificate_init(const struct certificate_request *r, char *err, size_t err_cap)
{
    struct work *w = mem_alloc(sizeof(*w));
    w->r = r;
    w->err = err;
    w->err_cap = err_cap;
    bool ok = san_collect(&w->names, r, err, err_cap) && cert_make_folder(r->dir, err, err_cap) && decide(w) &&
              make_all(w) && write_files(w);
    work_free(w);
    return ok ? 0 : -1;
}

int certificate_names(const struct certificate_request *r, char *out, size_t cap)
{
    struct san_list *l = mem_alloc(sizeof(*l));
    out[0] = '\0';
    bool ok = san_collect(l, r, out, cap);
    for (size_t i = 0, used = 0; ok && i < l->n && used < cap; i++)
        used += (size_t)snprintf(out + used, cap - used, "%s%s", i > 0 ? ", " : "", l->v[i].text);
    mem_free(l);
    return ok ? 0 : -1;
}
