/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Why a client's offer and a listener's settings have nothing in common. */
#include "tls_trouble_private.h"

#include <stdio.h>

#include "tls_pair_private.h"

#define ECDHE_AEAD (OFFER_ECDHE_RSA_AEAD | OFFER_ECDHE_ECDSA_AEAD)

const char *tls_trouble_too_old(const struct tls_trouble *f, char *why, size_t cap)
{
    const char *least = tls_context_min_version(f->context) == TLS_1_3 ? "TLS 1.3" : "TLS 1.2";
    if (f->hello->version == 0)
        snprintf(why, cap, "the client offers no version of TLS that this listener takes (%s or newer)", least);
    else
        snprintf(why, cap, "the client offers %s at most, this listener takes %s or newer",
                 client_hello_version(f->hello->version), least);
    return f->hello->version == 0x0303 ? "update the client, or set min_version = 1.2" : HINT_OLD;
}

static bool can_sign(const struct client_hello *h, bool rsa, bool tls13)
{
    for (unsigned i = 0; i < h->signatures_n; i++) {
        unsigned s = h->signatures[i];
        bool pss = s >= 0x0804 && s <= 0x0806, old_rsa = (s & 0xff) == 1 && s >= 0x0401;
        bool ec = (s & 0xff) == 3 && s >= 0x0403 && s <= 0x0603;
        if (rsa ? pss || (old_rsa && !tls13) : ec)
            return true;
    }
    return !h->has_signatures;
}

/* Would it take a certificate with such a key, as far as suites and signature algorithms go? */
static bool takes(const struct tls_trouble *f, bool rsa)
{
    const struct client_hello *h = f->hello;
    bool tls13 = h->tls13 && tls_context_max_version(f->context) == TLS_1_3;
    unsigned suite = rsa ? OFFER_ECDHE_RSA_AEAD : OFFER_ECDHE_ECDSA_AEAD;
    return can_sign(h, rsa, tls13) && (tls13 || (h->offers & suite) != 0);
}

/* It wants the one kind of certificate, and the one for it is of the other. */
static const char *other_kind(const struct tls_trouble *f, char *why, size_t cap)
{
    if (f->pair == NULL || f->pair->chain.n == 0)
        return NULL;
    bool rsa = tls_pair_is_rsa(f->pair);
    if (takes(f, rsa) || !takes(f, !rsa))
        return NULL;
    const char *wanted = rsa ? "ECDSA" : "RSA", *here = rsa ? "RSA" : "ECDSA";
    if (tls_context_has(f->context, !rsa))
        snprintf(why, cap, "the client takes %s certificates only, and this listener has an %s one for %s", wanted,
                 here, f->hello->name[0] != '\0' ? f->hello->name : "it");
    else
        snprintf(why, cap, "the client takes %s certificates only, this listener has an %s one", wanted, here);
    return rsa ? "give the listener an ECDSA certificate besides (server-ec.crt, server-ec.key): a second group cert, "
                 "key"
               : "give the listener an RSA certificate besides (server.crt, server.key): a second group cert, key";
}

static const char *about_keys(const struct tls_trouble *f, char *why, size_t cap)
{
    unsigned offers = f->hello->offers;
    if (f->peer != NULL && f->peer->auth->keys_only) {
        snprintf(why, cap, "the client and this listener have no cipher suite with a pre-shared key in common");
        return TLS_HINT_KEY ", or the listener a certificate";
    }
    if ((offers & (ECDHE_AEAD | OFFER_TLS13)) != 0 || (offers & OFFER_PSK) == 0)
        return NULL;
    if (f->peer != NULL && f->peer->auth->keys != NULL) {
        snprintf(why, cap,
                 "the client's suites with a pre-shared key are none that this listener takes (ECDHE-PSK or "
                 "PSK with AES-GCM or ChaCha20-Poly1305)");
        return "let the client take more suites; PSK without ECDHE is not in every build of wolfSSL (`sotto version`)";
    }
    snprintf(why, cap, "the client wants a pre-shared key, this listener has certificates");
    return "give the client ca.crt instead of a key";
}

static const char *no_group(const struct tls_trouble *f, char *why, size_t cap)
{
    if (!tls_choose_no_group(f->hello))
        return NULL;
    snprintf(why, cap, "the client and this listener have no group (elliptic curve) in common");
    return "switch P-256, X25519 or P-384 on in the client";
}

static const char *about_parts(const struct tls_trouble *f, char *why, size_t cap)
{
    const struct client_hello *h = f->hello;
    bool rsa = tls_context_has(f->context, true), ec = tls_context_has(f->context, false);
    if ((h->offers & (ECDHE_AEAD | OFFER_TLS13)) == 0) {
        snprintf(why, cap, "the client offers old cipher suites only (static RSA, CBC or the like)");
        return HINT_OLD;
    }
    const char *hint = no_group(f, why, cap);
    if (hint != NULL)
        return hint;
    if (!(rsa && takes(f, true)) && !(ec && takes(f, false))) {
        snprintf(why, cap, "the client offers no signature algorithm that goes with this listener's certificates");
        return "switch SHA-256 with RSA or ECDSA on in the client; SHA-1 and MD5 are not taken";
    }
    if ((tls_context_suites(f->context) & h->ours) == 0) {
        snprintf(why, cap, "the client and this listener have no cipher suite in common");
        return "compare the listener's ciphers with what the client offers";
    }
    snprintf(why, cap, "the client and this listener have no cipher suite or curve in common");
    return "compare the listener's ciphers with the client's; it needs P-256, X25519 or P-384 too";
}

const char *tls_trouble_nothing_in_common(const struct tls_trouble *f, char *why, size_t cap)
{
    const struct client_hello *h = f->hello;
    if (!h->read) {
        snprintf(why, cap, "the client and this listener have no cipher suite in common");
        return HINT_OLD;
    }
    if (h->tls13 && !h->tls12 && tls_context_max_version(f->context) == TLS_1_2) {
        snprintf(why, cap, "the client speaks TLS 1.3 only, this listener takes TLS 1.2 at most");
        return "take max_version = 1.2 out of the listener, or let the client speak TLS 1.2";
    }
    const char *hint = other_kind(f, why, cap);
    hint = hint != NULL ? hint : about_keys(f, why, cap);
    return hint != NULL ? hint : about_parts(f, why, cap);
}
