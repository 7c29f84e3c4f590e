/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A CA that is there, ours or another's: ca.crt and ca.key, which must belong together before anything is signed. */
#include "certificate_private.h"

#include <limits.h>
#include <stdio.h>

#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

#include "tls_files_private.h"

#define NOT_BEFORE ((time_t)1767225600) /* 2026-01-01 */
#define PUBLIC_MAX 2048

time_t cert_now(void)
{
    time_t now = time(NULL);
    return now > NOT_BEFORE ? now : NOT_BEFORE;
}

time_t cert_end(const struct cert_authority *a, time_t now, int days)
{
    time_t end = now + days * CERT_DAY;
    time_t last = a->pool.n > 0 ? a->pool.v[0].until : end;
    return end < last ? end : last;
}

bool cert_done(int rc, const char *what, char *err, size_t err_cap)
{
    if (rc == 0)
        return true;
    snprintf(err, err_cap, "%s can't be made: wolfSSL says \"%s\" (%d)", what, wc_GetErrorString(rc), rc);
    return false;
}

bool cert_key_load(struct cert_key *k, const char *path, char *err, size_t err_cap)
{
    struct pem_file f;
    DerBuffer *der = NULL;
    if (!pem_file_read(&f, path, err, err_cap))
        return false;
    struct bytes pem = pem_block(&f, "PRIVATE KEY");
    bool ok = pem.n > 0 && wc_PemToDer(pem.p, (long)pem.n, PRIVATEKEY_TYPE, &der, NULL, NULL, NULL) == 0 &&
              cert_key_decode(k, bytes_of(der->buffer, der->length)) == 0;
    if (!ok)
        snprintf(err, err_cap, "%s is no RSA or EC key without a passphrase", path);
    wc_FreeDer(&der);
    pem_file_free(&f);
    return ok;
}

bool cert_key_fits(struct cert_key *k, const struct x509 *c)
{
    uint8_t public[PUBLIC_MAX];
    size_t n = sizeof(public);
    struct x509_key own;
    if (cert_key_public(k, public, &n) != 0 || !x509_key_read(&own, bytes_of(public, n)) || own.type != c->key.type)
        return false;
    return bytes_equal(own.modulus, c->key.modulus) && bytes_equal(own.exponent, c->key.exponent) &&
           bytes_equal(own.point, c->key.point);
}

/* Its name as it is written, and its key's id. */
static bool take_issuer(struct cert_issuer *i, const struct x509 *ca)
{
    if (!ca->ca || ca->subject.n > sizeof(i->name) || ca->subject_key_id.n > sizeof(i->key_id))
        return false;
    memcpy(i->name, ca->subject.p, ca->subject.n);
    i->name_n = ca->subject.n;
    i->key_id_n = ca->subject_key_id.n;
    if (i->key_id_n > 0)
        memcpy(i->key_id, ca->subject_key_id.p, i->key_id_n);
    return true;
}

bool cert_authority_load(struct cert_authority *a, const char *dir, char *err, size_t err_cap)
{
    char crt[PATH_MAX], key[PATH_MAX], why[2048];
    snprintf(crt, sizeof(crt), "%s/ca.crt", dir);
    snprintf(key, sizeof(key), "%s/ca.key", dir);
    a->issuer.key = &a->key;
    int found = x509_pool_add_file(&a->pool, crt, err, err_cap);
    if (found < 0)
        return false;
    if (found == 0 || !take_issuer(&a->issuer, &a->pool.v[0])) {
        snprintf(err, err_cap,
                 "%s is no certificate of a CA: put the right one back, or make a new CA with "
                 "`sotto cert init %s --force --new-ca` (every client then needs the new ca.crt)",
                 crt, dir);
        return false;
    }
    if (!cert_key_load(&a->key, key, why, sizeof(why))) {
        bool kind = strstr(why, "without a passphrase") != NULL;
        snprintf(err, err_cap, "%s%s", why,
                 kind ? ": put the right one back, or make a new CA with --force --new-ca" : "");
        return false;
    }
    if (!cert_key_fits(&a->key, &a->pool.v[0])) {
        snprintf(err, err_cap,
                 "%s is not the key of ca.crt: put the right one back, or make a new CA with "
                 "`sotto cert init %s --force --new-ca` (every client then needs the new ca.crt)",
                 key, dir);
        return false;
    }
    a->has_rng = cert_done(wc_InitRng(&a->rng), "random numbers", err, err_cap);
    return a->has_rng;
}

void cert_authority_fini(struct cert_authority *a)
{
    cert_key_fini(&a->key);
    x509_pool_fini(&a->pool);
    if (a->has_rng)
        wc_FreeRng(&a->rng);
    a->has_rng = false;
}
