/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Why a TLS connection failed, as one sentence that someone with a device in hand can act on.
 *
 * An alert from the peer says most, so it comes first; then what the first bytes were (plain MQTT or HTTP on the TLS
 * port are the commonest mistakes); then wolfSSL's error together with what the client had offered.
 */
#include "tls_peer_private.h"

#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

#include <stdio.h>

#define HINT_CA                                                                                                        \
    "give the client this broker's ca.crt (mosquitto_sub --cafile ca.crt), and check that it connects by a "           \
    "name or address that is in the server's certificate"
#define HINT_OLD "update the client's TLS library: TLS 1.2 with ECDHE and AES-GCM or ChaCha20-Poly1305 is the least"
#define HINT_PLAIN "turn TLS on in the client, or let it use the port without TLS (1883)"
#define HINT_CLOCK                                                                                                     \
    "check the clock of the client and the dates of the certificate (a device without a clock starts in 1970)"

struct alert {
    int code;
    const char *words;
    const char *hint;
};

static const struct alert alerts[] = {
    {0, "close notify", NULL},
    {10, "unexpected message", NULL},
    {20, "bad record MAC", NULL},
    {21, "decryption failed", NULL},
    {22, "record overflow", NULL},
    {30, "decompression failure", NULL},
    {40, "handshake failure", HINT_OLD},
    {41, "no certificate", NULL},
    {42, "bad certificate", HINT_CA},
    {43, "unsupported certificate", "give the server a certificate of a kind that the client knows (RSA-2048: all do)"},
    {44, "certificate revoked", "give the server a new certificate"},
    {45, "certificate expired", HINT_CLOCK},
    {46, "certificate unknown", HINT_CA},
    {47, "illegal parameter", NULL},
    {48, "unknown CA", HINT_CA},
    {49, "access denied", NULL},
    {50, "decode error", NULL},
    {51, "decrypt error", HINT_CA},
    {60, "export restriction", NULL},
    {70, "protocol version", HINT_OLD},
    {71, "insufficient security", HINT_OLD},
    {80, "internal error", "look at the client's own log; some clients say this when they are out of memory"},
    {86, "inappropriate fallback", NULL},
    {90, "user canceled", NULL},
    {100, "no renegotiation", NULL},
    {109, "missing extension", NULL},
    {110, "unsupported extension", NULL},
    {111, "certificate unobtainable", NULL},
    {112, "unrecognized name", NULL},
    {113, "bad certificate status response", NULL},
    {115, "unknown PSK identity", NULL},
    {116, "certificate required", NULL},
    {120, "no application protocol", NULL},
};

static const struct alert *find_alert(int code)
{
    for (size_t i = 0; i < sizeof(alerts) / sizeof(alerts[0]); i++) {
        if (alerts[i].code == code)
            return &alerts[i];
    }
    return NULL;
}

const char *tls_alert_in_words(int alert)
{
    const struct alert *a = find_alert(alert);
    return a != NULL ? a->words : "an unknown alert";
}

/* What speaks at the other end, when it isn't TLS; NULL: it looks like TLS. */
static const char *foreign_protocol(const struct client_hello *h)
{
    if (h->first_n == 0 || h->first[0] == 22 || h->first[0] == 21)
        return NULL;
    if (h->first[0] == 0x10)
        return "plain MQTT";
    if (h->first[0] >= 'A' && h->first[0] <= 'Z' && (h->first_n < 2 || (h->first[1] >= 'A' && h->first[1] <= 'Z')))
        return "plain HTTP";
    if ((h->first[0] & 0x80) != 0 && h->first_n > 2 && h->first[2] == 1)
        return "an SSL 2.0 hello";
    return "something that is not TLS";
}

static const char *wrong_protocol(const char *what, char *why, size_t cap)
{
    snprintf(why, cap, "the client spoke %s on a TLS port", what);
    return what[0] == 'p' ? HINT_PLAIN : what[1] == 'n' ? HINT_OLD : "check which program uses this port";
}

static const char *too_old(const struct tls_trouble *f, char *why, size_t cap)
{
    const char *least = tls_context_min_version(f->context) == TLS_1_3 ? "TLS 1.3" : "TLS 1.2";
    if (f->hello->version == 0)
        snprintf(why, cap, "the client offers no version of TLS that this listener takes (%s or newer)", least);
    else
        snprintf(why, cap, "the client offers %s at most, this listener takes %s or newer",
                 client_hello_version(f->hello->version), least);
    return f->hello->version == 0x0303 ? "update the client, or set min_version = 1.2" : HINT_OLD;
}

static const char *damaged(char *why, size_t cap)
{
    snprintf(why, cap, "a TLS record was damaged on its way, or forged");
    return NULL;
}

static const char *not_understood(char *why, size_t cap)
{
    snprintf(why, cap, "the client's TLS hello is damaged, or not TLS at all");
    return "check which program uses this port, and what lies between it and the broker";
}

/* The library says the same of a record whose header names another version, whatever the hello offered. */
static const char *wrong_version(const struct tls_trouble *f, char *why, size_t cap)
{
    uint16_t least = tls_context_min_version(f->context) == TLS_1_3 ? 0x0304 : 0x0303;
    if (f->hello->version < least)
        return too_old(f, why, cap);
    return f->answered ? damaged(why, cap) : not_understood(why, cap);
}

static const char *no_common_suite(const struct tls_trouble *f, char *why, size_t cap)
{
    unsigned offers = f->hello->offers;
    bool rsa = tls_context_is_rsa(f->context);
    unsigned fitting = rsa ? OFFER_ECDHE_RSA_AEAD : OFFER_ECDHE_ECDSA_AEAD;
    unsigned other = rsa ? OFFER_ECDHE_ECDSA_AEAD : OFFER_ECDHE_RSA_AEAD;
    if (f->hello->version == 0) {
        snprintf(why, cap, "the client and this listener have no cipher suite in common");
        return HINT_OLD;
    }
    if (offers == OFFER_TLS13 && tls_context_max_version(f->context) == TLS_1_2) {
        snprintf(why, cap, "the client speaks TLS 1.3 only, this listener takes TLS 1.2 at most");
        return "take max_version = 1.2 out of the listener, or let the client speak TLS 1.2";
    }
    if ((offers & (fitting | other | OFFER_TLS13)) == other) {
        snprintf(why, cap, "the client takes %s certificates only, this listener has an %s one", rsa ? "ECDSA" : "RSA",
                 rsa ? "RSA" : "ECDSA");
        return rsa ? "give the listener an ECDSA certificate (server-ec.crt, server-ec.key)"
                   : "give the listener an RSA certificate (server.crt, server.key)";
    }
    if (f->peer != NULL && f->peer->auth->keys_only) {
        snprintf(why, cap, "the client and this listener have no cipher suite with a pre-shared key in common");
        return TLS_HINT_KEY ", or the listener a certificate";
    }
    if ((offers & (fitting | other | OFFER_TLS13)) == 0 && (offers & OFFER_PSK) != 0 && f->peer != NULL &&
        f->peer->auth->keys != NULL) {
        snprintf(why, cap,
                 "the client's suites with a pre-shared key are none that this listener takes (ECDHE-PSK or "
                 "PSK with AES-GCM or ChaCha20-Poly1305)");
        return "let the client take more suites; PSK without ECDHE is not in every build of wolfSSL (`sotto version`)";
    }
    if ((offers & (fitting | other | OFFER_TLS13)) == 0 && (offers & OFFER_PSK) != 0) {
        snprintf(why, cap, "the client wants a pre-shared key, this listener has certificates");
        return "give the client ca.crt instead of a key";
    }
    if ((offers & (fitting | other | OFFER_TLS13)) == 0) {
        snprintf(why, cap, "the client offers old cipher suites only (static RSA, CBC or the like)");
        return HINT_OLD;
    }
    snprintf(why, cap, "the client and this listener have no cipher suite or curve in common");
    return "compare the listener's ciphers with the client's; it needs P-256, X25519 or P-384 too";
}

static const char *closed_early(const struct tls_trouble *f, char *why, size_t cap)
{
    const char *how = f->closed != NULL ? f->closed : "the client closed the connection";
    if (f->hello->first_n == 0) {
        snprintf(why, cap, "%s before it sent anything", how);
        return NULL;
    }
    if (f->answered) {
        snprintf(why, cap, "%s during the TLS handshake, after it had seen the server's certificate", how);
        return HINT_CA;
    }
    snprintf(why, cap, "%s in the middle of its TLS hello", how);
    return NULL;
}

static const char *by_error(const struct tls_trouble *f, char *why, size_t cap)
{
    switch (f->error) {
    case VERSION_ERROR:
        return wrong_version(f, why, cap);
    case MATCH_SUITE_ERROR:
    case WOLFSSL_ERROR_SYSCALL: /* what 5.9 makes of it in a build with OpenSSL's names; there are no system calls here
                                 */
    case UNSUPPORTED_SUITE:
    case KEY_SHARE_ERROR:
    case BAD_KEY_SHARE_DATA:
    case ECC_CURVE_ERROR:
        return no_common_suite(f, why, cap);
    case PARSE_ERROR:
        /* 5.5.4 loses the alert by which a TLS 1.3 client refuses our certificate, and only says this. */
        if (f->answered) {
            snprintf(why, cap, "the client broke off the TLS handshake after it had seen the server's certificate");
            return HINT_CA;
        }
        return not_understood(why, cap);
    case BUFFER_ERROR:
    case INCOMPLETE_DATA:
        if (!f->answered)
            return not_understood(why, cap);
        break;
    case VERIFY_MAC_ERROR:
    case DECRYPT_ERROR:
    case AES_GCM_AUTH_E:
    case MAC_CMP_FAILED_E:
        return damaged(why, cap);
    case MEMORY_E:
        snprintf(why, cap, "there is no memory for TLS");
        return "lower max_connections or max_queued_bytes";
    default:
        break;
    }
    char text[WOLFSSL_MAX_ERROR_SZ];
    wolfSSL_ERR_error_string_n((unsigned long)f->error, text, sizeof(text));
    snprintf(why, cap, "TLS failed: %s (wolfSSL %d)", text, f->error);
    return NULL;
}

const char *tls_trouble_in_words(const struct tls_trouble *f, char *why, size_t cap)
{
    const struct alert *a = f->alert_received >= 0 ? find_alert(f->alert_received) : NULL;
    if (f->alert_received >= 0) {
        snprintf(why, cap, "the client sent the TLS alert \"%s\" (%d)", tls_alert_in_words(f->alert_received),
                 f->alert_received);
        return a != NULL ? a->hint : NULL;
    }
    const char *foreign = foreign_protocol(f->hello);
    if (foreign != NULL && !f->answered)
        return wrong_protocol(foreign, why, cap);
    const char *hint;
    if (f->error != 0 && tls_peer_in_words(f, why, cap, &hint))
        return hint;
    return f->error == 0 ? closed_early(f, why, cap) : by_error(f, why, cap);
}
