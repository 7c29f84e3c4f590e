/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A listener's WOLFSSL_CTX, one for each of its certificates: made once, never changed, shared by all loops;
 * connections hold it by reference, so a reload leaves the old ones as they are.
 *
 * Off, always: everything below TLS 1.2 (by the method), suites that are no ECDHE AEAD (by the list; the packaged
 * library has RC4, null and anonymous ones compiled in), renegotiation (never compiled in), the library's session
 * cache (see tls_session_ids.c), and its own tickets, whose keys would die with this object: see tls_tickets.c.
 */
#include "tls_private.h"
#include "tls_tickets_private.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/sha256.h>

#include "sotto/base/mem.h"
#include "tls_device_private.h"
#include "tls_auth_private.h"
#include "tls_keylog_private.h"
#include "tls_pair_private.h"
#include "tls_suites_private.h"
#include "tls_warnings_private.h"

/* Who offers the hybrid one wants it: it keeps today's secrets from tomorrow's quantum computers, and costs 10 us. */
#ifdef WOLFSSL_HAVE_MLKEM
#define HYBRID_GROUP WOLFSSL_X25519MLKEM768,
#define GROUPS_IN_WORDS "X25519MLKEM768, P-256, X25519, P-384"
#else
#define HYBRID_GROUP
#define GROUPS_IN_WORDS "P-256, X25519, P-384"
#endif

struct tls_context {
    atomic_uint refs;
    struct tls_pairs pairs; /* with shared keys alone, one without certificate */
    enum tls_version min_version, max_version;
    uint16_t suites; /* for certificates: enum client_hello_ours */
    char *ciphers;   /* as they were asked for; NULL: all of ours */
    struct ticket_policy tickets;
    struct tls_auth *auth;     /* NULL: nothing is asked of clients */
    struct tls_keylog *keylog; /* NULL: none */
    struct tls_warnings warnings;
};

int tls_init(void)
{
    if (wolfSSL_Init() != WOLFSSL_SUCCESS)
        return -1;
    tls_device_init();
    return 0;
}

void tls_fini(void)
{
    tls_device_fini();
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

const struct tls_pair *tls_context_choose(const struct tls_context *c, const struct client_hello *h)
{
    return tls_choose(&c->pairs, h, c->max_version, c->suites);
}

const struct tls_pairs *tls_context_pairs(const struct tls_context *c)
{
    return &c->pairs;
}

uint16_t tls_context_suites(const struct tls_context *c)
{
    return c->suites;
}

enum tls_version tls_context_min_version(const struct tls_context *c)
{
    return c->min_version;
}

enum tls_version tls_context_max_version(const struct tls_context *c)
{
    return c->max_version;
}

bool tls_context_has(const struct tls_context *c, bool rsa)
{
    for (size_t i = 0; i < c->pairs.n; i++) {
        if (c->pairs.v[i].chain.n > 0 && tls_pair_is_rsa(&c->pairs.v[i]) == rsa)
            return true;
    }
    return false;
}

struct tls_keylog *tls_context_keylog(const struct tls_context *c)
{
    return c->keylog;
}

size_t tls_context_warnings(const struct tls_context *c, const struct tls_warning **v)
{
    *v = c->warnings.v;
    return c->warnings.n;
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

void tls_context_describe(const struct tls_context *c, char *out, size_t cap)
{
    const char *versions = c->min_version == TLS_1_3   ? "TLS 1.3"
                           : c->max_version == TLS_1_2 ? "TLS 1.2"
                                                       : "TLS 1.3 and TLS 1.2";
    size_t n = (size_t)snprintf(out, cap, "%s with ", versions);
    if (n < cap)
        n += (size_t)snprintf(out + n, cap - n, c->ciphers != NULL ? "the ciphers %.200s" : "%s",
                              c->ciphers != NULL ? c->ciphers : "ECDHE and AES-GCM or ChaCha20-Poly1305");
    if (n < cap)
        n += (size_t)snprintf(out + n, cap - n, "; groups %s", GROUPS_IN_WORDS);
    if (n < cap && c->auth != NULL && c->auth->client_cert != TLS_CLIENT_CERT_NONE)
        n += (size_t)snprintf(out + n, cap - n, "; client certificate %s",
                              c->auth->client_cert == TLS_CLIENT_CERT_REQUIRED ? "required" : "optional");
    for (size_t i = 0; i < c->pairs.n && n < cap; i++) {
        char names[256];
        if (c->pairs.v[i].chain.n == 0)
            continue;
        tls_pair_names(&c->pairs.v[i], names, sizeof(names));
        n += (size_t)snprintf(out + n, cap - n, "; %s for %s", c->pairs.v[i].words, names);
    }
    if (n < cap && tls_context_keys(c) > 0)
        snprintf(out + n, cap - n, "; pre-shared keys");
}

const struct ticket_policy *tls_context_tickets(const struct tls_context *c)
{
    return c->tickets.keys != NULL ? &c->tickets : NULL;
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
    for (size_t i = 0; i < c->pairs.n; i++)
        tls_pair_fini(&c->pairs.v[i]);
    mem_free(c->pairs.v);
    tls_auth_free(c->auth);
    tls_keylog_unref(c->keylog);
    mem_free(c->ciphers);
    tls_warnings_fini(&c->warnings);
    mem_free(c);
}

/* ---- Steps of making ---- */

static bool is_possible(const struct tls_settings *s, struct tls_complaint *wrong)
{
    wrong->setting = "min_version";
    if (s->min_version <= s->max_version)
        return true;
    snprintf(wrong->text, wrong->cap, "min_version is newer than max_version: no client could connect");
    return false;
}

static bool make_native(WOLFSSL_CTX **native, const struct tls_settings *s, struct tls_complaint *wrong)
{
    *native = wolfSSL_CTX_new(s->max_version == TLS_1_2   ? wolfTLSv1_2_server_method()
                              : s->min_version == TLS_1_3 ? wolfTLSv1_3_server_method()
                                                          : wolfSSLv23_server_method());
    wrong->setting = NULL;
    if (*native == NULL) {
        snprintf(wrong->text, wrong->cap, "wolfSSL can't make a context: there is no memory");
        return false;
    }
    if (tls_device_for_records() != INVALID_DEVID)
        wolfSSL_CTX_SetDevId(*native, tls_device_for_records());
    if (s->min_version != s->max_version && wolfSSL_CTX_SetMinVersion(*native, WOLFSSL_TLSV1_2) != WOLFSSL_SUCCESS) {
        snprintf(wrong->text, wrong->cap, "this build of wolfSSL has no TLS 1.2");
        return false;
    }
    return true;
}

static bool set_suites(WOLFSSL_CTX *native, const char *list, struct tls_complaint *wrong)
{
    wrong->setting = "ciphers";
    if (list[0] != '\0' && wolfSSL_CTX_set_cipher_list(native, list) == WOLFSSL_SUCCESS)
        return true;
    snprintf(wrong->text, wrong->cap, "this build of wolfSSL takes none of the suites %s", list);
    return false;
}

static void set_fixed(WOLFSSL_CTX *native)
{
    int groups[] = {HYBRID_GROUP WOLFSSL_ECC_SECP256R1, WOLFSSL_ECC_X25519, WOLFSSL_ECC_SECP384R1};
    wolfSSL_CTX_set_groups(native, groups, sizeof(groups) / sizeof(groups[0]));
    wolfSSL_CTX_set_verify(native, WOLFSSL_VERIFY_NONE, NULL);
    wolfSSL_CTX_SetIORecv(native, tls_take_cipher);
    wolfSSL_CTX_SetIOSend(native, tls_give_cipher);
}

/* What was agreed on by other versions and suites than are wanted now is worth nothing either. */
static bool hash_policy(const struct tls_settings *s, uint8_t digest[32])
{
    const char *ciphers = s->ciphers != NULL ? s->ciphers : "";
    size_t cap = strlen(s->policy) + strlen(ciphers) + 16;
    char *text = mem_alloc(cap);
    int n = snprintf(text, cap, "%s\n%d-%d\n%s", s->policy, (int)s->min_version, (int)s->max_version, ciphers);
    bool ok = wc_Sha256Hash((const uint8_t *)text, (word32)n, digest) == 0;
    mem_free(text);
    return ok;
}

static bool set_tickets(WOLFSSL_CTX *native, struct tls_context *c, const struct tls_settings *s,
                        struct tls_complaint *wrong)
{
    /* A ticket would let somebody in without the certificate or key that was asked for, and without a name. */
    if (s->tickets == NULL || tls_auth_is_wanted(s)) {
        tls_tickets_apply(native, NULL);
        return true;
    }
    c->tickets.keys = s->tickets;
    c->tickets.lifetime = s->ticket_lifetime;
    wrong->setting = NULL;
    if (!hash_policy(s, c->tickets.digest)) {
        snprintf(wrong->text, wrong->cap, "wolfSSL can't hash");
        return false;
    }
    tls_tickets_apply(native, &c->tickets);
    return true;
}

/* Fills the i-th pair. */
static bool make_pair(struct tls_context *c, size_t i, const struct tls_settings *s, const char *list,
                      struct tls_complaint *wrong)
{
    struct tls_pair *p = &c->pairs.v[i];
    if (!make_native(&p->native, s, wrong) || !set_suites(p->native, list, wrong))
        return false;
    set_fixed(p->native);
    if (!set_tickets(p->native, c, s, wrong))
        return false;
    if (s->pairs_n == 0)
        return true;
    if (!tls_pair_load(p, &s->pairs[i], wrong))
        return false;
    if (tls_pair_is_rsa(p) && tls_pair_leaf(p)->key.bits == 2048 && tls_device_for_rsa() != INVALID_DEVID)
        wolfSSL_CTX_SetDevId(p->native, tls_device_for_rsa());
    p->kin = tls_pair_is_kin(p, &c->pairs.v[0]);
    return true;
}

static bool make_all(struct tls_context *c, const struct tls_settings *s, struct tls_complaint *wrong)
{
    char list[SUITE_LIST_MAX];
    if (!is_possible(s, wrong))
        return false;
    wrong->setting = "ciphers";
    if (!tls_suites_list(s, list, wrong->text, wrong->cap))
        return false;
    c->suites = tls_suites_bits(list);
    for (size_t i = 0; i < c->pairs.n; i++) {
        if (!make_pair(c, i, s, list, wrong))
            return false;
    }
    if (tls_auth_is_wanted(s))
        c->auth = tls_auth_new(&c->pairs, s, tls_suites_for_keys(list), wrong);
    return c->auth != NULL || !tls_auth_is_wanted(s);
}

struct tls_context *tls_context_new(const struct tls_settings *s, char *err, size_t err_cap, const char **setting)
{
    assert(s->pairs_n > 0 || s->psk_file != NULL);
    assert(s->client_cert == TLS_CLIENT_CERT_NONE || s->client_ca != NULL);
    struct tls_complaint wrong = {err, err_cap, NULL};
    struct tls_context *c = mem_alloc(sizeof(*c));
    atomic_init(&c->refs, 1);
    if (s->ciphers != NULL && s->ciphers[0] != '\0')
        c->ciphers = mem_strndup(s->ciphers, strlen(s->ciphers));
    c->min_version = s->min_version;
    c->max_version = s->max_version;
    c->keylog = s->keylog != NULL ? tls_keylog_ref(s->keylog) : NULL;
    c->pairs.n = s->pairs_n > 0 ? s->pairs_n : 1;
    c->pairs.v = mem_alloc(c->pairs.n * sizeof(*c->pairs.v));
    if (make_all(c, s, &wrong)) {
        tls_warnings_find(&c->warnings, c);
        return c;
    }
    if (setting != NULL)
        *setting = wrong.setting;
    tls_context_unref(c);
    return NULL;
}
