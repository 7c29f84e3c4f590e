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

#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

#include "der_private.h"
#include "sotto/base/mem.h"
#include "sotto/base/random.h"
#include "tls_files_private.h"

#define DAY ((time_t)24 * 3600)
/* 2019-01-01, the beginning of every validity. From 2019-07-01 on, Apple's systems refuse more than 825 days of it. */
#define START ((time_t)1546300800)
#define NOT_BEFORE ((time_t)1767225600) /* 2026-01-01: a clock that says less is wrong */
#define CA_DAYS 7305                    /* 20 years */
#define SERVER_DAYS 397
#define PEM_MAX ((size_t)96 * 1024)
#define COMMON_NAME_MAX 64

enum { CA_CRT, CA_KEY, SERVER_CRT, SERVER_KEY, SERVER_EC_CRT, SERVER_EC_KEY, FILES };

static const char *const files[FILES] = {"ca.crt",     "ca.key",        "server.crt",
                                         "server.key", "server-ec.crt", "server-ec.key"};

/* Everything that is made on the way. */
struct work {
    const struct certificate_request *r;
    struct san_list names;
    struct cert_key ca, rsa, ec;
    struct cert_issuer issuer;
    WC_RNG rng;
    bool has_rng;
    bool keep_ca;
    char *pem[FILES]; /* NULL: the file stays as it is */
    char *err;
    size_t err_cap;
};

static bool wolf(struct work *w, int rc, const char *what)
{
    if (rc == 0)
        return true;
    snprintf(w->err, w->err_cap, "%s can't be made: wolfSSL says \"%s\" (%d)", what, wc_GetErrorString(rc), rc);
    return false;
}

/* ---- What may be written ---- */

static bool decide(struct work *w)
{
    const struct certificate_request *r = w->r;
    bool crt = cert_file_exists(r->dir, files[CA_CRT]), key = cert_file_exists(r->dir, files[CA_KEY]);
    bool server = false;
    for (int i = SERVER_CRT; i < FILES; i++)
        server = server || cert_file_exists(r->dir, files[i]);
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
    if (crt != key && !r->new_ca) {
        snprintf(w->err, w->err_cap,
                 "%s holds %s but not %s, nothing was changed: put the missing one back, or make a new CA with "
                 "--force --new-ca",
                 r->dir, files[crt ? CA_CRT : CA_KEY], files[crt ? CA_KEY : CA_CRT]);
        return false;
    }
    w->keep_ca = crt && key && !r->new_ca;
    return true;
}

/* ---- A CA that is there ---- */

static bool pem_to_der(const struct pem_file *f, const char *label, int type, DerBuffer **der)
{
    struct bytes pem = pem_block(f, label);
    return pem.n > 0 && wc_PemToDer(pem.p, (long)pem.n, type, der, NULL, NULL, NULL) == 0;
}

/* The CA's name as it is written, and its key's id. */
static bool take_issuer(struct work *w, const DerBuffer *der)
{
    DecodedCert *d = mem_alloc(sizeof(*d));
    wc_InitDecodedCert(d, der->buffer, der->length, NULL);
    bool ok =
        wc_ParseCert(d, CERT_TYPE, NO_VERIFY, NULL) == 0 && d->isCA && d->subjectRaw != NULL && d->subjectRawLen > 0;
    if (ok) {
        /* The library gives the inside of the name. */
        struct der name = der_of(w->issuer.name, sizeof(w->issuer.name));
        der_element(&name, DER_SEQUENCE, d->subjectRaw, (size_t)d->subjectRawLen);
        w->issuer.name_n = der_bytes(&name).n;
        memmove(w->issuer.name, name.p, w->issuer.name_n);
        memcpy(w->issuer.key_id, d->extSubjKeyId, CERT_KEY_ID);
        w->issuer.key_id_n = CERT_KEY_ID;
        ok = !name.bad;
    }
    wc_FreeDecodedCert(d);
    mem_free(d);
    return ok;
}

static bool belong_together(struct bytes crt, struct bytes key)
{
    WOLFSSL_CTX *ctx = wolfSSL_CTX_new(wolfTLSv1_2_server_method());
    bool ok = ctx != NULL &&
              wolfSSL_CTX_use_certificate_buffer(ctx, crt.p, (long)crt.n, WOLFSSL_FILETYPE_ASN1) == WOLFSSL_SUCCESS &&
              wolfSSL_CTX_use_PrivateKey_buffer(ctx, key.p, (long)key.n, WOLFSSL_FILETYPE_ASN1) == WOLFSSL_SUCCESS &&
              wolfSSL_CTX_check_private_key(ctx) == WOLFSSL_SUCCESS;
    wolfSSL_CTX_free(ctx);
    return ok;
}

static bool use_ca(struct work *w, const struct pem_file *crt, const struct pem_file *key)
{
    DerBuffer *crt_der = NULL, *key_der = NULL;
    bool ok = false;
    if (!pem_to_der(crt, "CERTIFICATE", CERT_TYPE, &crt_der) || !take_issuer(w, crt_der))
        snprintf(w->err, w->err_cap, "%s/%s is no certificate of a CA: make a new one with --force --new-ca", w->r->dir,
                 files[CA_CRT]);
    else if (!pem_to_der(key, "PRIVATE KEY", PRIVATEKEY_TYPE, &key_der) ||
             cert_key_decode(&w->ca, bytes_of(key_der->buffer, key_der->length)) != 0)
        snprintf(w->err, w->err_cap,
                 "%s/%s is no RSA or EC key without a passphrase: make a new CA with --force --new-ca", w->r->dir,
                 files[CA_KEY]);
    else if (!belong_together(bytes_of(crt_der->buffer, crt_der->length), bytes_of(key_der->buffer, key_der->length)))
        snprintf(w->err, w->err_cap,
                 "%s/%s is not the key of %s: put the right one back, or make a new CA with --force --new-ca",
                 w->r->dir, files[CA_KEY], files[CA_CRT]);
    else
        ok = true;
    w->issuer.key = &w->ca;
    wc_FreeDer(&crt_der);
    wc_FreeDer(&key_der);
    return ok;
}

static bool load_ca(struct work *w)
{
    struct pem_file crt, key = {0};
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", w->r->dir, files[CA_CRT]);
    if (!pem_file_read(&crt, path, w->err, w->err_cap))
        return false;
    snprintf(path, sizeof(path), "%s/%s", w->r->dir, files[CA_KEY]);
    bool ok = pem_file_read(&key, path, w->err, w->err_cap) && use_ca(w, &crt, &key);
    pem_file_free(&crt);
    pem_file_free(&key);
    return ok;
}

/* ---- Making ---- */

static bool make_pair(struct work *w, struct cert_plan *p, int crt, int key)
{
    w->pem[crt] = mem_alloc(PEM_MAX);
    w->pem[key] = mem_alloc(PEM_MAX);
    return wolf(w, cert_make(p, &w->issuer, &w->rng, w->pem[crt], PEM_MAX), files[crt]) &&
           wolf(w, cert_key_pem(p->key, w->pem[key], PEM_MAX), files[key]);
}

static bool make_ca(struct work *w, time_t now)
{
    /* Each CA has a name of its own, so that a client which knows an older one tells them apart. */
    uint8_t tag[4];
    char name[COMMON_NAME_MAX];
    random_bytes(tag, sizeof(tag));
    snprintf(name, sizeof(name), "Sotto CA %02x%02x%02x%02x", tag[0], tag[1], tag[2], tag[3]);
    struct cert_plan p = {.common_name = name, .from = START, .until = now + CA_DAYS * DAY, .key = &w->ca};
    return wolf(w, cert_key_make(&w->ca, false, &w->rng), files[CA_KEY]) &&
           wolf(w, cert_issuer_new(&w->issuer, &w->ca, name) ? 0 : BUFFER_E, files[CA_CRT]) &&
           make_pair(w, &p, CA_CRT, CA_KEY);
}

/* The first name that says more than localhost. */
static const char *common_name(const struct san_list *l)
{
    for (size_t i = 1; i < l->n; i++) {
        if (l->v[i].address_n == 0 && strlen(l->v[i].text) < COMMON_NAME_MAX)
            return l->v[i].text;
    }
    return l->v[0].text;
}

static bool make_server(struct work *w, struct cert_key *key, bool ec, time_t now)
{
    struct cert_plan p = {.common_name = common_name(&w->names),
                          .names = &w->names,
                          .from = START,
                          .until = now + SERVER_DAYS * DAY,
                          .key = key};
    return wolf(w, cert_key_make(key, ec, &w->rng), files[ec ? SERVER_EC_KEY : SERVER_KEY]) &&
           make_pair(w, &p, ec ? SERVER_EC_CRT : SERVER_CRT, ec ? SERVER_EC_KEY : SERVER_KEY);
}

static bool make_all(struct work *w)
{
    time_t now = time(NULL) > NOT_BEFORE ? time(NULL) : NOT_BEFORE;
    if (!wolf(w, wc_InitRng(&w->rng), "random numbers"))
        return false;
    w->has_rng = true;
    return (w->keep_ca ? load_ca(w) : make_ca(w, now)) && make_server(w, &w->rsa, false, now) &&
           make_server(w, &w->ec, true, now);
}

static bool write_files(struct work *w)
{
    bool ok = true;
    for (int i = 0; i < FILES && ok; i++) {
        if (w->pem[i] != NULL)
            ok = cert_file_stage(w->r->dir, files[i], w->pem[i], strstr(files[i], ".key") != NULL, w->err, w->err_cap);
    }
    for (int i = 0; i < FILES && ok; i++) {
        if (w->pem[i] != NULL)
            ok = cert_file_commit(w->r->dir, files[i], w->err, w->err_cap);
    }
    for (int i = 0; i < FILES && !ok; i++) {
        if (w->pem[i] != NULL)
            cert_file_abandon(w->r->dir, files[i]);
    }
    return ok;
}

static void work_free(struct work *w)
{
    for (int i = 0; i < FILES; i++) {
        if (w->pem[i] != NULL)
            bytes_wipe(w->pem[i], PEM_MAX);
        mem_free(w->pem[i]);
    }
    cert_key_fini(&w->ca);
    cert_key_fini(&w->rsa);
    cert_key_fini(&w->ec);
    if (w->has_rng)
        wc_FreeRng(&w->rng);
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
