/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Why a TLS connection failed, as one sentence that someone with a device in hand can act on.
 *
 * An alert from the peer says most, so it comes first; then what the first bytes were (plain MQTT or HTTP on the TLS
 * port are the commonest mistakes); then wolfSSL's error together with what the client had offered.
 */
#include "tls_trouble_private.h"

#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

#include <stdio.h>
#include <string.h>

#define HINT_PLAIN "turn TLS on in the client, or let it use the port without TLS (usually 1883)"

static const char PLAIN_MQTT[] = "plain MQTT", PLAIN_HTTP[] = "plain HTTP", PROXY[] = "the PROXY protocol",
                  SSL2[] = "an SSL 2.0 hello";

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
    {22, "record overflow", tls_hint_refused},
    {30, "decompression failure", NULL},
    {40, "handshake failure", HINT_OLD},
    {41, "no certificate", NULL},
    {42, "bad certificate", tls_hint_refused},
    {43, "unsupported certificate", "give the server a certificate of a kind that the client knows (RSA-2048: all do)"},
    {44, "certificate revoked", "give the server a new certificate"},
    {45, "certificate expired", tls_hint_refused},
    {46, "certificate unknown", tls_hint_refused},
    {47, "illegal parameter", NULL},
    {48, "unknown CA", tls_hint_refused},
    {49, "access denied", NULL},
    {50, "decode error", NULL},
    {51, "decrypt error", tls_hint_refused},
    {60, "export restriction", NULL},
    {70, "protocol version", HINT_OLD},
    {71, "insufficient security", HINT_OLD},
    {80, "internal error", tls_hint_refused},
    {86, "inappropriate fallback", NULL},
    {90, "user canceled", NULL},
    {100, "no renegotiation", NULL},
    {109, "missing extension", NULL},
    {110, "unsupported extension", NULL},
    {111, "certificate unobtainable", NULL},
    {112, "unrecognized name", tls_hint_refused},
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

static bool begins(const struct client_hello *h, const char *text)
{
    size_t n = strlen(text) < h->first_n ? strlen(text) : h->first_n;
    return memcmp(h->first, text, n) == 0;
}

/* Four bytes say which. */
static const char *text_protocol(const struct client_hello *h)
{
    static const char *const methods[] = {"GET ", "POST", "PUT ", "HEAD", "OPTI",
                                          "DELE", "PATC", "CONN", "TRAC", "PRI "};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (begins(h, methods[i]))
            return PLAIN_HTTP;
    }
    return begins(h, "PROX") || begins(h, "\r\n\r\n") ? PROXY : begins(h, "SSH-") ? "SSH" : NULL;
}

/* What speaks at the other end, when it isn't TLS; NULL: it looks like TLS. */
static const char *foreign_protocol(const struct client_hello *h)
{
    if (h->first_n == 0 || h->first[0] == 22 || h->first[0] == 21)
        return NULL;
    if (h->first[0] == 0x10)
        return PLAIN_MQTT;
    const char *text = text_protocol(h);
    if (text != NULL)
        return text;
    if ((h->first[0] & 0x80) != 0 && h->first_n > 2 && h->first[2] == 1)
        return SSL2;
    return "something that is not TLS";
}

static const char *wrong_protocol(const char *what, char *why, size_t cap)
{
    snprintf(why, cap, "the client spoke %s on a TLS port", what);
    if (what == PLAIN_MQTT || what == PLAIN_HTTP)
        return HINT_PLAIN;
    if (what == PROXY)
        return "what stands before the broker (HAProxy, nginx) puts a line before each connection: turn send-proxy or "
               "proxy_protocol off there";
    return what == SSL2 ? HINT_OLD : "check which program uses this port";
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
        return tls_trouble_too_old(f, why, cap);
    return f->answered ? damaged(why, cap) : not_understood(why, cap);
}

static const char *closed_early(const struct tls_trouble *f, char *why, size_t cap)
{
    const char *how = f->closed != NULL ? f->closed : "the client closed the connection";
    if (f->hello->first_n == 0) {
        snprintf(why, cap, "%s before it sent anything", how);
        return NULL;
    }
    if (f->established) {
        snprintf(why, cap, "%s after the TLS handshake, before its CONNECT (a health check does that, too)", how);
        return tls_hint_refused;
    }
    if (f->answered) {
        snprintf(why, cap, "%s during the TLS handshake, after it had seen the server's certificate", how);
        return tls_hint_refused;
    }
    snprintf(why, cap, f->hello->read ? "%s before its TLS hello was answered" : "%s in the middle of its TLS hello",
             how);
    return f->hello->read ? "the client gave up, perhaps because the broker was busy: let it wait longer"
                          : "check which program uses this port, and what lies between it and the broker";
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
        return tls_trouble_nothing_in_common(f, why, cap);
    case PARSE_ERROR:
        /* 5.5.4 loses the alert by which a TLS 1.3 client refuses our certificate, and only says this. */
        if (f->answered) {
            snprintf(why, cap, "the client broke off the TLS handshake after it had seen the server's certificate");
            return tls_hint_refused;
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
        if (!f->answered && !f->hello->read)
            return not_understood(why, cap);
        break;
    }
    char text[WOLFSSL_MAX_ERROR_SZ];
    wolfSSL_ERR_error_string_n((unsigned long)f->error, text, sizeof(text));
    snprintf(why, cap, "TLS failed: %s (wolfSSL %d)", text, f->error);
    return NULL;
}

static const char *too_late(const struct tls_trouble *f, char *why, size_t cap)
{
    if (f->hello->first_n == 0) {
        snprintf(why, cap, "nothing came from the client within connect_timeout");
        return "a client without TLS that waits, a port scan, or a firewall on the way: check what connects here";
    }
    if (!f->answered) {
        snprintf(why, cap, "the client's TLS hello was not complete within connect_timeout");
        return "check the way between client and broker: large packets get lost (MTU), or the client hangs";
    }
    snprintf(why, cap,
             "the client did not go on with the TLS handshake within connect_timeout, after it had seen the "
             "server's certificate");
    return "a slow device may need seconds for it: raise connect_timeout; else look at the client's log, and whether "
           "large "
           "packets get lost on the way (MTU)";
}

static const char *by_alert(const struct tls_trouble *f, char *why, size_t cap)
{
    const struct alert *a = find_alert(f->alert_received);
    snprintf(why, cap, "the client sent the TLS alert \"%s\" (%d)%s", tls_alert_in_words(f->alert_received),
             f->alert_received, f->established ? " after the TLS handshake, before its CONNECT" : "");
    return a != NULL ? a->hint : NULL;
}

static const char *in_words(const struct tls_trouble *f, char *why, size_t cap)
{
    const char *foreign = foreign_protocol(f->hello), *hint;
    if (f->late)
        return too_late(f, why, cap);
    if (f->alert_received >= 0)
        return by_alert(f, why, cap);
    if (foreign != NULL && !f->answered)
        return wrong_protocol(foreign, why, cap);
    if (f->error != 0 && tls_peer_in_words(f, why, cap, &hint))
        return hint;
    if (f->error != 0 && !f->answered && f->hello->fragment == HELLO_FRAGMENT_BROKEN) {
        snprintf(why, cap, "the client asks for a maximum fragment length that does not exist");
        return "set 512, 1024, 2048 or 4096 in the client, or leave the extension out";
    }
    return f->error == 0 ? closed_early(f, why, cap) : by_error(f, why, cap);
}

void tls_trouble_in_words(const struct tls_trouble *f, char why[TLS_WORDS], char hint[TLS_WORDS])
{
    const char *text = in_words(f, why, TLS_WORDS);
    if (text == tls_hint_refused)
        tls_refused_hint(f, hint);
    else
        snprintf(hint, TLS_WORDS, "%s", text != NULL ? text : "");
}
