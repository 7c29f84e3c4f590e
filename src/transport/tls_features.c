/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The one place that asks how wolfSSL was built. What is here is a matter of the headers: the library is either linked
 * into the program, or of the version and package that the headers came with.
 */
#include "sotto/transport/tls_features.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "rsa2048_private.h"
#include "tls_aes_private.h"
#include "tls_device_private.h"

/* "5.7.2-0.1+deb13u2": which source the build made; the distribution's library has no such name. */
#ifndef SOTTO_WOLFSSL_SOURCE
#define SOTTO_WOLFSSL_SOURCE ""
#endif

#if defined(WOLFSSL_AESNI) || defined(USE_INTEL_SPEEDUP) || defined(WOLFSSL_ARMASM)
#define HAS_ASSEMBLY true
#else
#define HAS_ASSEMBLY false
#endif
#ifdef HAVE_SECRET_CALLBACK
#define HAS_KEY_LOG true
#else
#define HAS_KEY_LOG false
#endif
#ifndef NO_PSK
#define HAS_PSK true
#else
#define HAS_PSK false
#endif
#if defined(WOLFSSL_STATIC_PSK) && !defined(NO_PSK)
#define HAS_STATIC_PSK true
#else
#define HAS_STATIC_PSK false
#endif
#ifdef HAVE_SESSION_TICKET
#define HAS_TICKETS true
#else
#define HAS_TICKETS false
#endif
#if defined(HAVE_EXT_CACHE) && !defined(NO_SESSION_CACHE)
#define HAS_SESSION_CACHE true
#else
#define HAS_SESSION_CACHE false
#endif
#ifdef HAVE_MAX_FRAGMENT
#define HAS_MAX_FRAGMENT true
#else
#define HAS_MAX_FRAGMENT false
#endif
#ifdef HAVE_SNI
#define HAS_SNI true
#else
#define HAS_SNI false
#endif
#ifdef HAVE_ALPN
#define HAS_ALPN true
#else
#define HAS_ALPN false
#endif
#ifdef HAVE_CRL
#define HAS_CRL true
#else
#define HAS_CRL false
#endif
#ifdef HAVE_CERTIFICATE_STATUS_REQUEST
#define HAS_STAPLING true
#else
#define HAS_STAPLING false
#endif
#if defined(WOLFSSL_ENCRYPTED_KEYS) && !defined(NO_MD5) && !defined(NO_DES3)
#define HAS_OLD_KEYS true
#else
#define HAS_OLD_KEYS false
#endif
#ifdef WOLFSSL_EXTRA_ALERTS
#define HAS_EXTRA_ALERTS true
#else
#define HAS_EXTRA_ALERTS false
#endif
/* Both seen in 5.9.2, and not in 5.7.2. */
#if LIBWOLFSSL_VERSION_HEX >= 0x05009000
#define HAS_NEWS_OF_5_9 true
#else
#define HAS_NEWS_OF_5_9 false
#endif
#if defined(WOLFSSL_HAVE_MLKEM) && !defined(WOLFSSL_NO_ML_KEM_768)
#define HAS_ML_KEM true
#else
#define HAS_ML_KEM false
#endif
#ifdef OPENSSL_EXTRA
#define BUILD "packaged"
#else
#define BUILD (HAS_ASSEMBLY ? "tuned" : "plain")
#endif

static const struct {
    const char *name;
    bool have;
} features[TLS_FEATURES] = {
    [TLS_FEATURE_ASSEMBLY] = {"assembly", HAS_ASSEMBLY},
    [TLS_FEATURE_KEY_LOG] = {"key log", HAS_KEY_LOG},
    [TLS_FEATURE_PSK] = {"PSK", HAS_PSK},
    [TLS_FEATURE_STATIC_PSK] = {"static PSK", HAS_STATIC_PSK},
    [TLS_FEATURE_TICKETS] = {"tickets", HAS_TICKETS},
    [TLS_FEATURE_SESSION_CACHE] = {"session ids", HAS_SESSION_CACHE},
    [TLS_FEATURE_MAX_FRAGMENT] = {"fragment length", HAS_MAX_FRAGMENT},
    [TLS_FEATURE_SNI] = {"SNI", HAS_SNI},
    [TLS_FEATURE_ALPN] = {"ALPN", HAS_ALPN},
    [TLS_FEATURE_CRL] = {"CRL", HAS_CRL},
    [TLS_FEATURE_STAPLING] = {"OCSP stapling", HAS_STAPLING},
    [TLS_FEATURE_OLD_KEYS] = {"old encrypted keys", HAS_OLD_KEYS},
    [TLS_FEATURE_EXTRA_ALERTS] = {"extra alerts", HAS_EXTRA_ALERTS},
    [TLS_FEATURE_REFUSAL_ALERT] = {"refusal alerts in TLS 1.3", HAS_NEWS_OF_5_9},
    [TLS_FEATURE_CRITICAL_CA] = {"critical basicConstraints", HAS_NEWS_OF_5_9},
    [TLS_FEATURE_ML_KEM] = {"ML-KEM", HAS_ML_KEM},
};

bool tls_has(enum tls_feature f)
{
    assert(f < TLS_FEATURES);
    return features[f].have;
}

const char *tls_feature_name(enum tls_feature f)
{
    assert(f < TLS_FEATURES);
    return features[f].name;
}

bool tls_feature_need(enum tls_feature f, const char *asked_by, char *err, size_t err_cap)
{
    if (tls_has(f))
        return true;
    snprintf(err, err_cap,
             "%s needs %s, which is not in this build's %s: build with scripts/build-wolfssl, or leave it out",
             asked_by, tls_feature_name(f), tls_library());
    return false;
}

void tls_features_list(bool have, char *out, size_t cap)
{
    size_t used = 0;
    assert(cap > 0);
    out[0] = '\0';
    for (size_t i = 0; i < TLS_FEATURES && used < cap; i++) {
        if (features[i].have == have)
            used += (size_t)snprintf(out + used, cap - used, "%s%s", used > 0 ? ", " : "", features[i].name);
    }
}

const char *tls_library(void)
{
    static char text[192]; /* the same text each time */
    bool other = tls_device_for_records() != INVALID_DEVID, named = SOTTO_WOLFSSL_SOURCE[0] != '\0';
    bool rsa = tls_device_for_rsa() != INVALID_DEVID && rsa2048_able();
    snprintf(text, sizeof(text), "wolfSSL %s (%s, %s%s%s%s%s%s)", LIBWOLFSSL_VERSION_STRING, BUILD,
             HAS_ASSEMBLY ? "with assembly" : "no assembly", other ? "; AES-GCM by " : "",
             other ? tls_aes_other_name() : "", rsa ? "; RSA-2048 by libcrypto" : "", named ? "; source " : "",
             SOTTO_WOLFSSL_SOURCE);
    return text;
}
