/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Revocation: a list (RFC 5280 5.1, version 2) that grows and is numbered, signed by the CA.
 *
 * It is good until the CA itself ends. A list that has to be renewed every month protects where lists are fetched from
 * somewhere; here the broker reads a file that nobody else can hold back, and an overlooked renewal would lock out
 * every client.
 */
#include "certificate_private.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

#include "sotto/base/mem.h"

#define OID_CRL_NUMBER DER_OID_OF(0x55, 0x1d, 0x14)
/* An entry has about 40 bytes; the rest of a list 700. */
#define ENTRY_ROOM 64
#define LIST_ROOM 4096

static void put_revoked(struct der *d, const struct cert_index *x)
{
    size_t all = der_mark(d);
    for (size_t i = x->n; i > 0; i--) {
        const struct cert_entry *e = &x->v[i - 1];
        if (e->revoked == 0)
            continue;
        size_t one = der_mark(d);
        cert_put_time(d, e->revoked);
        der_element(d, DER_INTEGER, e->serial, e->serial_n);
        der_wrap(d, DER_SEQUENCE, one);
    }
    /* An empty list must not be there at all. */
    if (der_mark(d) > all)
        der_wrap(d, DER_SEQUENCE, all);
}

static void put_number(struct der *d, uint64_t number)
{
    uint8_t bytes[9];
    size_t n = sizeof(bytes);
    /* From the last byte up; a number is positive, so the highest bit stays free. */
    do {
        bytes[--n] = (uint8_t)number;
        number >>= 8;
    } while (number > 0 || (bytes[n] & 0x80) != 0);
    size_t all = der_mark(d);
    der_element(d, DER_INTEGER, bytes + n, sizeof(bytes) - n);
    cert_wrap_extension(d, all, OID_CRL_NUMBER, false);
}

static void put_body(struct der *d, const struct cert_index *x, const struct cert_authority *a, time_t now)
{
    put_number(d, x->crl_number);
    cert_put_authority_key_id(d, &a->issuer);
    der_wrap(d, DER_SEQUENCE, 0);
    der_wrap(d, DER_CONTEXT_CONSTRUCTED | 0, 0);
    put_revoked(d, x);
    cert_put_time(d, a->pool.v[0].until);
    cert_put_time(d, now);
    der_put(d, a->issuer.name, a->issuer.name_n);
    cert_put_algorithm(d, a->issuer.key);
    der_element(d, DER_INTEGER, "\x01", 1);
    der_wrap(d, DER_SEQUENCE, 0);
}

char *cert_crl_make(struct cert_index *x, struct cert_authority *a, time_t now, char *err, size_t err_cap)
{
    size_t cap = LIST_ROOM + x->n * ENTRY_ROOM;
    uint8_t *buf = mem_alloc(cap);
    char *pem = mem_alloc(2 * cap);
    struct der d = der_of(buf, cap);
    x->crl_number++;
    put_body(&d, x, a, now);
    int rc = d.bad ? BUFFER_E : cert_sign(&d, buf, cap, &a->issuer, &a->rng, CRL_TYPE, pem, 2 * cap);
    mem_free(buf);
    if (cert_done(rc, CERT_CRL, err, err_cap))
        return pem;
    mem_free(pem);
    return NULL;
}

/* ---- revoking ---- */

/* The certificate in DIR/NAME.crt, where it is the CA's and not known yet (made elsewhere, or the index was lost). */
static void learn(struct cert_index *x, const struct cert_authority *a, const char *dir, const char *name)
{
    char path[PATH_MAX], why[1024];
    struct x509_pool pool = {0};
    snprintf(path, sizeof(path), "%s/%s.crt", dir, name);
    if (x509_pool_add_file(&pool, path, why, sizeof(why)) > 0 && x509_is_issued_by(&pool.v[0], &a->pool.v[0])) {
        struct cert_entry *e = cert_index_find(x, pool.v[0].serial);
        e = e != NULL ? e : cert_index_add(x, pool.v[0].serial, name);
        if (e != NULL) {
            e->until = pool.v[0].until;
            snprintf(e->name, sizeof(e->name), "%s", name);
        }
    }
    x509_pool_fini(&pool);
}

/* How many were not revoked before; -1: there are none of that name. */
static int mark(struct cert_index *x, const char *name, time_t now)
{
    int fresh = 0;
    bool any = false;
    for (size_t i = 0; i < x->n; i++) {
        struct cert_entry *e = &x->v[i];
        if (strcmp(e->name, name) != 0)
            continue;
        any = true;
        fresh += e->revoked == 0;
        e->revoked = e->revoked != 0 ? e->revoked : now;
    }
    return any ? fresh : -1;
}

static int revoke_name(struct cert_index *x, struct cert_authority *a, const char *dir, const char *name, char *err,
                       size_t err_cap)
{
    if (!cert_authority_load(a, dir, err, err_cap) || !cert_index_load(x, dir, a, err, err_cap))
        return -1;
    time_t now = cert_now();
    learn(x, a, dir, name);
    int fresh = mark(x, name, now);
    if (fresh < 0) {
        snprintf(
            err, err_cap,
            "no certificate of this CA is known for \"%s\" in %s: see `sotto cert show %s` for those that are, or put "
            "its certificate back as %s/%s.crt",
            name, dir, dir, dir, name);
        return -1;
    }
    char *crl = cert_crl_make(x, a, now, err, err_cap), *index = cert_index_text(x);
    struct cert_file files[] = {{CERT_CRL, crl}, {CERT_INDEX, index}};
    bool ok = crl != NULL && cert_files_write(dir, files, 2, err, err_cap);
    mem_free(crl);
    mem_free(index);
    return ok ? fresh : -1;
}

int certificate_revoke(const char *dir, const char *name, char *err, size_t err_cap)
{
    struct cert_authority *a = mem_alloc(sizeof(*a));
    struct cert_index x = {0};
    const char *fault = certificate_client_fault(name);
    if (fault != NULL)
        snprintf(err, err_cap, "that can't be a client's name: %s", fault);
    int lock = fault == NULL ? cert_lock(dir, err, err_cap) : -1;
    int rc = lock >= 0 ? revoke_name(&x, a, dir, name, err, err_cap) : -1;
    if (lock >= 0)
        close(lock);
    cert_index_fini(&x);
    cert_authority_fini(a);
    mem_free(a);
    return rc;
}
