/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A listener's WOLFSSL_CTX: made once, never changed, shared by all loops; connections hold it by reference, so a
 * reload leaves the old ones as they are.
 *
 * Off, always: everything below TLS 1.2 (by the method), suites that are no ECDHE AEAD (by the list; the packaged
 * library has RC4, null and anonymous ones compiled in), renegotiation (never compiled in), the session cache (33
 * entries under one global lock), and the library's own tickets, whose keys would die with this object: see
 * tls_tickets.c.
 */
#include "tls_private.h"
#include "tls_tickets_private.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/sha256.h>

#include "sotto/base/log.h"
#include "sotto/base/mem.h"
#include "tls_aes_private.h"
#include "tls_auth_private.h"
#include "tls_files_private.h"
#include "tls_suites_private.h"

struct tls_context {
    atomic_uint refs;
    WOLFSSL_CTX *native;
    enum tls_version min_version, max_version;
    bool is_rsa;
    struct ticket_policy tickets;
    struct tls_auth *auth; /* NULL: nothing is asked of clients */
};

int tls_init(void)
{
    if (wolfSSL_Init() != WOLFSSL_SUCCESS)
        return -1;
    tls_aes_init();
    return 0;
}

void tls_fini(void)
{
    tls_aes_fini();
    wolfSSL_Cleanup();
}

/* Packages have a cache of multiples of a curve's base point (800 KiB), one for each thread. */
#ifdef FP_ECC
void tls_thread_fini(void)
{
    wc_ecc_fp_free();
}
#else
void tls_thread_fini(void)
{
}
#endif

WOLFSSL_CTX *tls_context_native(const struct tls_context *c)
{
    return c->native;
}

enum tls_version tls_context_min_version(const struct tls_context *c)
{
    return c->min_version;
}

enum tls_version tls_context_max_version(const struct tls_context *c)
{
    return c->max_version;
}

bool tls_context_is_rsa(const struct tls_context *c)
{
    return c->is_rsa;
}

const struct tls_auth *tls_context_auth(const struct tls_context *c)
{
    return c->auth;
}

size_t tls_context_keys(const struct tls_context *c)
{
    return c->auth != NULL && c->auth->keys != NULL ? psk_table_count(c->auth->keys) : 0;
}

struct bytes tls_context_key_owner(const struct tls_context *c, size_t i)
{
    return psk_table_name(c->auth->keys, i);
}

struct tls_context *tls_context_ref(struct tls_context *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void tls_context_unref(struct tls_context *c)
{
    if (c == NULL || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return;
    wolfSSL_CTX_free(c->native);
    tls_auth_free(c->auth);
    mem_free(c);
}

/* ---- The certificate itself: kind of key, dates ---- */

static bool calendar_time(const uint8_t *der, int n, time_t *out)
{
    const byte *date;
    byte format;
    int length;
    struct tm tm = {0};
    if (wc_GetDateInfo(der, n, &date, &format, &length) != 0 ||
        wc_GetDateAsCalendarTime(date, length, format, &tm) != 0)
        return false;
    *out = timegm(&tm);
    return true;
}

static void warn_date(const char *path, const char *what, time_t when, const char *hint)
{
    char day[32];
    struct tm tm;
    gmtime_r(&when, &tm);
    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%SZ", &tm);
    log_event(LOG_WARN, "tls.certificate", LF_STR("file", path), LF_STR("reason", what), LF_STR("date", day),
              LF_STR("hint", hint));
}

static void check_dates(const DecodedCert *d, const char *path)
{
    time_t now = time(NULL);
    time_t from, until;
    if (d->beforeDate == NULL || d->afterDate == NULL || !calendar_time(d->beforeDate, d->beforeDateLen, &from) ||
        !calendar_time(d->afterDate, d->afterDateLen, &until))
        return;
    if (until < now)
        warn_date(path, "the certificate has expired: clients will refuse it", until,
                  "renew it, or make a new one with `sotto cert init DIR --force`");
    else if (from > now)
        warn_date(path, "the certificate is not valid yet: clients will refuse it", from,
                  "check this machine's clock, then the certificate");
}

/* wolfSSL takes what it can parse; this finds out what it is. False: no certificate in the file. */
static bool look_at_certificate(struct tls_context *c, const struct pem_file *f, const char *path)
{
    struct bytes pem = pem_block(f, "CERTIFICATE");
    DerBuffer *der = NULL;
    if (pem.n == 0 || wc_PemToDer(pem.p, (long)pem.n, CERT_TYPE, &der, NULL, NULL, NULL) != 0) {
        wc_FreeDer(&der);
        return false;
    }
    DecodedCert *d = mem_alloc(sizeof(*d));
    wc_InitDecodedCert(d, der->buffer, der->length, NULL);
    bool ok = wc_ParseCert(d, CERT_TYPE, NO_VERIFY, NULL) == 0;
    if (ok) {
        c->is_rsa = d->keyOID == RSAk || d->keyOID == RSAPSSk;
        check_dates(d, path);
    }
    wc_FreeDecodedCert(d);
    mem_free(d);
    wc_FreeDer(&der);
    return ok;
}

/* ---- Steps of making ---- */

static bool load_certificate(struct tls_context *c, const struct tls_settings *s, struct tls_complaint *wrong)
{
    struct pem_file cert, chain = {0};
    bool ok = false;
    wrong->setting = "cert";
    if (!pem_file_read(&cert, s->cert, wrong->text, wrong->cap))
        return false;
    if (!look_at_certificate(c, &cert, s->cert)) {
        snprintf(wrong->text, wrong->cap,
                 "%s holds no certificate: it must be a PEM file with -----BEGIN CERTIFICATE-----", s->cert);
        goto out;
    }
    if (s->chain != NULL) {
        wrong->setting = "chain";
        if (!pem_file_read(&chain, s->chain, wrong->text, wrong->cap))
            goto out;
        if (pem_block(&chain, "CERTIFICATE").n == 0) {
            snprintf(wrong->text, wrong->cap,
                     "%s holds no certificate: leave chain out where there are no intermediates", s->chain);
            goto out;
        }
        pem_file_append(&cert, &chain);
    }
    ok = wolfSSL_CTX_use_certificate_chain_buffer(c->native, (const unsigned char *)cert.p, (long)cert.n) ==
         WOLFSSL_SUCCESS;
    if (!ok)
        snprintf(wrong->text, wrong->cap,
                 "%s can't be used: wolfSSL does not understand a certificate in it (damaged?)",
                 s->chain != NULL ? s->chain : s->cert);
out:
    pem_file_free(&cert);
    pem_file_free(&chain);
    return ok;
}

static bool holds_encrypted_key(const struct pem_file *f)
{
    return pem_block(f, "ENCRYPTED PRIVATE KEY").n > 0 || strstr(f->p, "Proc-Type: 4,ENCRYPTED") != NULL;
}

static bool load_key(struct tls_context *c, const struct tls_settings *s, struct tls_complaint *wrong)
{
    struct pem_file key;
    wrong->setting = "key";
    if (!pem_file_read(&key, s->key, wrong->text, wrong->cap))
        return false;
    struct bytes pem = pem_block(&key, "PRIVATE KEY");
    bool ok = false;
    if (pem.n == 0)
        snprintf(wrong->text, wrong->cap,
                 "%s holds no private key: it must be a PEM file with -----BEGIN PRIVATE KEY-----", s->key);
    else if (holds_encrypted_key(&key))
        snprintf(wrong->text, wrong->cap,
                 "%s is locked with a passphrase, which is not supported yet: unlock it with openssl pkey -in %s -out "
                 "NEW.key",
                 s->key, s->key);
    else if (wolfSSL_CTX_use_PrivateKey_buffer(c->native, pem.p, (long)pem.n, WOLFSSL_FILETYPE_PEM) !=
                 WOLFSSL_SUCCESS ||
             wolfSSL_CTX_check_private_key(c->native) != WOLFSSL_SUCCESS)
        snprintf(wrong->text, wrong->cap,
                 "%s is not the key of the certificate %s, or no RSA or EC key: name the pair that belongs together",
                 s->key, s->cert);
    else
        ok = true;
    pem_file_free(&key);
    return ok;
}

static bool set_suites(struct tls_context *c, const struct tls_settings *s, char list[SUITE_LIST_MAX],
                       struct tls_complaint *wrong)
{
    wrong->setting = "ciphers";
    if (!tls_suites_list(s, list, wrong->text, wrong->cap))
        return false;
    if (list[0] != '\0' && wolfSSL_CTX_set_cipher_list(c->native, list) == WOLFSSL_SUCCESS)
        return true;
    snprintf(wrong->text, wrong->cap, "this build of wolfSSL takes none of the suites %s", list);
    return false;
}

static bool make_native(struct tls_context *c, const struct tls_settings *s, struct tls_complaint *wrong)
{
    wrong->setting = "min_version";
    if (s->min_version > s->max_version) {
        snprintf(wrong->text, wrong->cap, "min_version is newer than max_version: no client could connect");
        return false;
    }
    c->min_version = s->min_version;
    c->max_version = s->max_version;
    c->native = wolfSSL_CTX_new(s->max_version == TLS_1_2   ? wolfTLSv1_2_server_method()
                                : s->min_version == TLS_1_3 ? wolfTLSv1_3_server_method()
                                                            : wolfSSLv23_server_method());
    wrong->setting = NULL;
    if (c->native == NULL) {
        snprintf(wrong->text, wrong->cap, "wolfSSL can't make a context: there is no memory");
        return false;
    }
    if (tls_aes_device() != INVALID_DEVID)
        wolfSSL_CTX_SetDevId(c->native, tls_aes_device());
    if (s->min_version != s->max_version && wolfSSL_CTX_SetMinVersion(c->native, WOLFSSL_TLSV1_2) != WOLFSSL_SUCCESS) {
        snprintf(wrong->text, wrong->cap, "this build of wolfSSL has no TLS 1.2");
        return false;
    }
    return true;
}

/* Who offers the hybrid one wants it: it keeps today's secrets from tomorrow's quantum computers, and costs 10 us. */
#ifdef WOLFSSL_HAVE_MLKEM
#define HYBRID_GROUP WOLFSSL_X25519MLKEM768,
#else
#define HYBRID_GROUP
#endif

static void set_fixed(WOLFSSL_CTX *native)
{
    int groups[] = {HYBRID_GROUP WOLFSSL_ECC_SECP256R1, WOLFSSL_ECC_X25519, WOLFSSL_ECC_SECP384R1};
    wolfSSL_CTX_set_groups(native, groups, sizeof(groups) / sizeof(groups[0]));
    wolfSSL_CTX_set_verify(native, WOLFSSL_VERIFY_NONE, NULL);
    wolfSSL_CTX_set_session_cache_mode(native, WOLFSSL_SESS_CACHE_OFF);
    wolfSSL_CTX_SetIORecv(native, tls_take_cipher);
    wolfSSL_CTX_SetIOSend(native, tls_give_cipher);
}

static bool set_tickets(struct tls_context *c, const struct tls_settings *s, struct tls_complaint *wrong)
{
    /* A ticket would let somebody in without the certificate or key that was asked for, and without a name. */
    if (s->tickets == NULL || tls_auth_is_wanted(s)) {
        tls_tickets_apply(c->native, NULL);
        return true;
    }
    c->tickets.keys = s->tickets;
    c->tickets.lifetime = s->ticket_lifetime;
    wrong->setting = NULL;
    if (wc_Sha256Hash((const uint8_t *)s->policy, (word32)strlen(s->policy), c->tickets.digest) != 0) {
        snprintf(wrong->text, wrong->cap, "wolfSSL can't hash");
        return false;
    }
    tls_tickets_apply(c->native, &c->tickets);
    return true;
}

struct tls_context *tls_context_new(const struct tls_settings *s, char *err, size_t err_cap, const char **setting)
{
    assert((s->cert != NULL && s->key != NULL) || s->psk_file != NULL);
    assert(s->client_cert == TLS_CLIENT_CERT_NONE || s->client_ca != NULL);
    struct tls_complaint wrong = {err, err_cap, NULL};
    char list[SUITE_LIST_MAX];
    struct tls_context *c = mem_alloc(sizeof(*c));
    atomic_init(&c->refs, 1);
    bool ok = make_native(c, s, &wrong) && set_suites(c, s, list, &wrong);
    if (ok) {
        set_fixed(c->native);
        ok = set_tickets(c, s, &wrong) &&
             (s->cert == NULL || (load_certificate(c, s, &wrong) && load_key(c, s, &wrong)));
    }
    if (ok && tls_auth_is_wanted(s)) {
        c->auth = tls_auth_new(c->native, s, tls_suites_for_keys(list), &wrong);
        ok = c->auth != NULL;
    }
    if (ok)
        return c;
    if (setting != NULL)
        *setting = wrong.setting;
    tls_context_unref(c);
    return NULL;
}
