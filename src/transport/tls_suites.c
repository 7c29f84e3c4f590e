/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Cipher suites. Only AEADs have a name here, whatever the configuration says, and certificates go with ephemeral ECDH
 * only. Shared keys do, too, where the client can; but small devices that have a shared key often have it because they
 * have no elliptic curves, so the suites without come last, in builds that have them.
 *
 * Which AEAD is first decides what a TLS message costs, and it depends on the processor and on how wolfSSL was built:
 * without assembly, ChaCha20-Poly1305 is two to three times as fast as AES-GCM; with it (or with tls_aes.c), AES-GCM
 * is far ahead. So both are run for a moment whenever a context is made, and the quicker one leads.
 */
#include "tls_suites_private.h"

#include <stdio.h>
#include <string.h>

#include <uv.h>

#include <wolfssl/wolfcrypt/chacha20_poly1305.h>

#include "sotto/base/mem.h"
#include "sotto/transport/tls_features.h"
#include "tls_aes_private.h"
#include "tls_device_private.h"

enum suite_kind {
    FOR_ALL,     /* TLS 1.3: certificates and shared keys */
    CERTIFICATE, /* TLS 1.2 with ECDHE */
    KEY,         /* the same, with a shared key */
    PLAIN_KEY,   /* a shared key and nothing else: whoever learns it later, can read what was recorded */
    SUITE_KINDS
};

struct suite {
    const char *name; /* wolfSSL's, and for TLS 1.2 OpenSSL's too */
    const char *iana; /* and OpenSSL's for TLS 1.3 */
    enum tls_version version;
    enum suite_kind kind;
    uint16_t number;
    bool chacha;
};

static const struct suite suites[] = {
    {"TLS13-AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256", TLS_1_3, FOR_ALL, 0x1301, false},
    {"TLS13-AES256-GCM-SHA384", "TLS_AES_256_GCM_SHA384", TLS_1_3, FOR_ALL, 0x1302, false},
    {"TLS13-CHACHA20-POLY1305-SHA256", "TLS_CHACHA20_POLY1305_SHA256", TLS_1_3, FOR_ALL, 0x1303, true},
    {"ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", TLS_1_2, CERTIFICATE, 0xc02b, false},
    {"ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", TLS_1_2, CERTIFICATE, 0xc02f, false},
    {"ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", TLS_1_2, CERTIFICATE, 0xc02c, false},
    {"ECDHE-RSA-AES256-GCM-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", TLS_1_2, CERTIFICATE, 0xc030, false},
    {"ECDHE-ECDSA-CHACHA20-POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", TLS_1_2, CERTIFICATE, 0xcca9,
     true},
    {"ECDHE-RSA-CHACHA20-POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", TLS_1_2, CERTIFICATE, 0xcca8, true},
    {"ECDHE-PSK-AES128-GCM-SHA256", "TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256", TLS_1_2, KEY, 0xd001, false},
    {"ECDHE-PSK-CHACHA20-POLY1305", "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256", TLS_1_2, KEY, 0xccac, true},
    {"PSK-AES128-GCM-SHA256", "TLS_PSK_WITH_AES_128_GCM_SHA256", TLS_1_2, PLAIN_KEY, 0x00a8, false},
    {"PSK-AES256-GCM-SHA384", "TLS_PSK_WITH_AES_256_GCM_SHA384", TLS_1_2, PLAIN_KEY, 0x00a9, false},
    {"PSK-CHACHA20-POLY1305", "TLS_PSK_WITH_CHACHA20_POLY1305_SHA256", TLS_1_2, PLAIN_KEY, 0xccab, true},
};
#define SUITES (sizeof(suites) / sizeof(suites[0]))

static uint64_t time_chacha(uint8_t *out, const uint8_t *in, const uint8_t *key)
{
    uint8_t tag[CHACHA20_POLY1305_AEAD_AUTHTAG_SIZE];
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < TLS_AES_ROUNDS; i++) {
        uint64_t start = uv_hrtime();
        if (wc_ChaCha20Poly1305_Encrypt(key, key, key, 13, in, TLS_AES_SAMPLE, out, tag) != 0)
            break;
        uint64_t took = uv_hrtime() - start;
        best = took < best ? took : best;
    }
    return best;
}

/* About 0.3 ms. */
static bool chacha_is_quicker(void)
{
    uint8_t *room = mem_alloc((size_t)2 * TLS_AES_SAMPLE);
    static const uint8_t key[32] = "only the time it takes matters.";
    bool quicker = time_chacha(room, room + TLS_AES_SAMPLE, key) < tls_aes_time(tls_device_for_records(), room);
    mem_free(room);
    return quicker;
}

static bool same(const char *name, size_t n, const char *other)
{
    return strlen(other) == n && strncmp(name, other, n) == 0;
}

static const struct suite *find(const char *name, size_t n)
{
    for (size_t i = 0; i < SUITES; i++) {
        const struct suite *s = &suites[i];
        if (same(name, n, s->name) || same(name, n, s->iana))
            return s;
    }
    return NULL;
}

/* wolfSSL passes over unknown names in a list in silence: each is asked for by itself. */
static bool is_built_in(const struct suite *s)
{
    WOLFSSL_CTX *probe =
        wolfSSL_CTX_new(s->version == TLS_1_3 ? wolfTLSv1_3_server_method() : wolfTLSv1_2_server_method());
    bool ok = probe != NULL && wolfSSL_CTX_set_cipher_list(probe, s->name) == WOLFSSL_SUCCESS;
    wolfSSL_CTX_free(probe);
    return ok;
}

/* Does the list have this name, whole? */
static bool has(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = list; (p = strstr(p, name)) != NULL; p++) {
        if ((p == list || p[-1] == ':') && (p[n] == '\0' || p[n] == ':'))
            return true;
    }
    return false;
}

static void add(char out[SUITE_LIST_MAX], const struct suite *s)
{
    size_t used = strlen(out);
    if (!has(out, s->name))
        snprintf(out + used, SUITE_LIST_MAX - used, "%s%s", used > 0 ? ":" : "", s->name);
}

/* Has the listener something that goes with these suites? */
static bool is_wanted(const struct tls_settings *s, enum suite_kind kind)
{
    return kind == FOR_ALL || (kind == CERTIFICATE ? s->pairs_n > 0 : s->psk_file != NULL);
}

static void add_defaults(char out[SUITE_LIST_MAX], enum suite_kind kind)
{
    bool chacha_first = chacha_is_quicker();
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < SUITES; i++) {
            bool now = suites[i].chacha == chacha_first ? round == 0 : round == 1;
            if (suites[i].kind == kind && now && is_built_in(&suites[i]))
                add(out, &suites[i]);
        }
    }
}

static bool fits_listener(const struct tls_settings *s, const struct suite *found, char *err, size_t err_cap)
{
    if (found->version < s->min_version || found->version > s->max_version)
        snprintf(err, err_cap,
                 "%s belongs to TLS %s, which min_version and max_version rule out: take it out of the list",
                 found->name, found->version == TLS_1_3 ? "1.3" : "1.2");
    else if (!is_wanted(s, found->kind))
        snprintf(err, err_cap, "%s is for %s, and this listener has none: take it out of the list, or set %s",
                 found->name, found->kind == CERTIFICATE ? "certificates" : "pre-shared keys",
                 found->kind == CERTIFICATE ? "cert and key" : "psk_file");
    else if (found->kind == PLAIN_KEY && !is_built_in(found))
        return tls_feature_need(TLS_FEATURE_STATIC_PSK, found->name, err, err_cap);
    else if (!is_built_in(found))
        snprintf(err, err_cap, "%s is not in this build of wolfSSL: take it out of the list", found->name);
    else
        return true;
    return false;
}

static bool add_named(const struct tls_settings *s, const char *name, size_t n, char out[SUITE_LIST_MAX],
                      bool named[SUITE_KINDS], char *err, size_t err_cap)
{
    const struct suite *found = find(name, n);
    if (found == NULL) {
        snprintf(err, err_cap,
                 "\"%.*s\" is no cipher suite that Sotto takes (ECDHE with AES-GCM or ChaCha20-Poly1305 only): "
                 "leave ciphers empty, or use names like %s or %s",
                 (int)n, name, suites[4].name, suites[0].iana);
        return false;
    }
    if (!fits_listener(s, found, err, err_cap))
        return false;
    named[found->kind] = true;
    add(out, found);
    return true;
}

bool tls_suites_list(const struct tls_settings *s, char out[SUITE_LIST_MAX], char *err, size_t err_cap)
{
    static const enum suite_kind order[] = {FOR_ALL, KEY, CERTIFICATE, PLAIN_KEY};
    bool named[SUITE_KINDS] = {false};
    out[0] = '\0';
    for (const char *p = s->ciphers != NULL ? s->ciphers : ""; *p != '\0';) {
        size_t n = strcspn(p, ":, ");
        if (n > 0 && !add_named(s, p, n, out, named, err, err_cap))
            return false;
        p += n + (p[n] != '\0');
    }
    bool any_key = named[KEY] || named[PLAIN_KEY];
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        enum suite_kind kind = order[i];
        enum tls_version version = kind == FOR_ALL ? TLS_1_3 : TLS_1_2;
        bool chosen = kind == KEY || kind == PLAIN_KEY ? any_key : named[kind];
        if (!chosen && is_wanted(s, kind) && version >= s->min_version && version <= s->max_version)
            add_defaults(out, kind);
    }
    return true;
}

const char *tls_suites_for_keys(const char *list)
{
    static const char *const with_sha256[] = {"TLS13-AES128-GCM-SHA256", "TLS13-CHACHA20-POLY1305-SHA256"};
    for (size_t i = 0; i < sizeof(with_sha256) / sizeof(with_sha256[0]); i++) {
        if (has(list, with_sha256[i]))
            return with_sha256[i];
    }
    return NULL;
}

uint16_t tls_suites_bits(const char *list)
{
    uint16_t bits = 0;
    for (size_t i = 0; i < SUITES; i++) {
        if (has(list, suites[i].name))
            bits |= client_hello_suite_bit(suites[i].number);
    }
    return bits;
}
