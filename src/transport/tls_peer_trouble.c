/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Why a client's certificate or shared key did not let it in. */
#include "client_hello_private.h"
#include "tls_pair_private.h"
#include "tls_peer_private.h"

#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

#include <stdio.h>
#include <time.h>

/* wolfSSL asks in TLS 1.2 for the kind of key that its own certificate has, and no other. */
#define HINT_KIND(kind, option)                                                                                        \
    "give the client a certificate of a CA of client_ca, for TLS 1.2 with " kind                                       \
    " key like this listener's own, because some clients (Java, BearSSL) show no other then: "                         \
    "`sotto cert client DIR NAME" option "`"
#define HINT_CLOCK "check this machine's clock, then give the client a new certificate"

struct cause {
    int error;
    const char *words; /* behind "the client's certificate " */
    const char *hint;
};

static const struct cause causes[] = {
    {ASN_NO_SIGNER_E, "is of a CA that is not in client_ca", TLS_HINT_CERTIFICATE},
    {ASN_SELF_SIGNED_E, "is self-signed, or its CA is not in client_ca", TLS_HINT_CERTIFICATE},
    {ASN_SIG_CONFIRM_E, "was not signed by the CA of that name in client_ca (an older CA, perhaps)",
     TLS_HINT_CERTIFICATE},
    {ASN_AFTER_DATE_E, "has ended, or one that it depends on has", HINT_CLOCK},
    {ASN_BEFORE_DATE_E, "is not valid yet, or one that it depends on isn't", HINT_CLOCK},
    {CRL_CERT_REVOKED, "was revoked", "give the client a new one: `sotto cert client DIR NAME`"},
    {CRL_MISSING, "is of a CA without a revocation list in crl that is good today",
     "add a list of that CA, or a new one, to the file of crl"},
    {CRL_CERT_DATE_ERR, "can't be looked up: the revocation list of its CA has ended",
     "put a new list from the CA there (`sotto cert revoke` makes one); the broker takes it at once"},
    {ASN_VERSION_E, "is of X.509 version 1, which TLS does not allow", TLS_HINT_OLD_CERTIFICATE},
    {EXTKEYUSE_AUTH_E, "is not for client authentication (its extended key usage says so)", TLS_HINT_CERTIFICATE},
    {KEYUSE_SIGNATURE_E, "is not for signatures (its key usage says so)", TLS_HINT_CERTIFICATE},
    {MAX_CHAIN_ERROR, "comes with more intermediate CAs than are followed",
     "put an intermediate CA into client_ca, so that the chain is shorter"},
    {ASN_PATHLEN_INV_E, "has more CAs above it than they allow (path length)", TLS_HINT_CERTIFICATE},
    {ASN_PATHLEN_SIZE_E, "has more CAs above it than they allow (path length)", TLS_HINT_CERTIFICATE},
};

static bool with_about(const struct tls_peer *p, const char *begin, const char *words, char *why, size_t cap)
{
    if (p->about != NULL)
        snprintf(why, cap, "%s%s (%s)", begin, words, p->about);
    else
        snprintf(why, cap, "%s%s", begin, words);
    return true;
}

static const char *hint_for_nothing(const struct tls_trouble *f)
{
    if (f->pair == NULL || f->pair->chain.n == 0 || f->hello->version > 0x0303)
        return TLS_HINT_CERTIFICATE;
    return tls_pair_is_rsa(f->pair) ? HINT_KIND("an RSA", " --rsa") : HINT_KIND("an ECDSA", "");
}

/* True: the reason is that nobody knows any more who is revoked. */
static bool about_old_list(const struct tls_trouble *f, char *why, size_t cap, const char **hint)
{
    const struct tls_auth *auth = f->peer->auth;
    char day[16];
    struct tm tm;
    bool missing = f->error == CRL_MISSING || f->error == CRL_CERT_DATE_ERR;
    if (!missing || auth->crl_file == NULL || auth->crl_until >= time(NULL))
        return false;
    gmtime_r(&auth->crl_until, &tm);
    strftime(day, sizeof(day), "%Y-%m-%d", &tm);
    snprintf(why, cap,
             "the revocation list of %s has ended on %s, so nobody knows whether the client's certificate is revoked",
             auth->crl_name, day);
    *hint = "put the CA's next list into the file of crl (`sotto cert revoke` makes one); the broker takes it at once";
    return true;
}

static bool about_certificate(const struct tls_trouble *f, char *why, size_t cap, const char **hint)
{
    const struct tls_peer *p = f->peer;
    if (p->fault != NULL) {
        *hint = p->hint;
        return with_about(p, p->fault, "", why, cap);
    }
    if (f->error == NO_PEER_CERT) {
        *hint = hint_for_nothing(f);
        return with_about(p, "the client showed no certificate, and this listener asks for one", "", why, cap);
    }
    if (about_old_list(f, why, cap, hint))
        return true;
    for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
        if (causes[i].error != f->error)
            continue;
        *hint = causes[i].hint;
        return with_about(p, "the client's certificate ", causes[i].words, why, cap);
    }
    return false;
}

static bool is_bad_record(int error)
{
    return error == VERIFY_MAC_ERROR || error == DECRYPT_ERROR || error == AES_GCM_AUTH_E ||
           error == MAC_CMP_FAILED_E || error == VERIFY_FINISHED_ERROR;
}

static bool about_key(const struct tls_trouble *f, char *why, size_t cap, const char **hint)
{
    const struct tls_peer *p = f->peer;
    bool is_13 = f->hello->version >= 0x0304 && tls_context_max_version(f->context) == TLS_1_3;
    /* TLS 1.3 has a proof of the key of its own; in 1.2 the first encrypted message shows it. */
    bool wrong_key = is_13 ? f->error == BAD_BINDER : is_bad_record(f->error);
    *hint = TLS_HINT_KEY;
    if (p->proof == TRANSPORT_SHARED_KEY && wrong_key) {
        snprintf(why, cap,
                 p->known ? "the client has another key than psk_file for the identity %.*s"
                          : "the client's identity %.*s is not in psk_file",
                 (int)p->user_n, (const char *)p->user);
        return true;
    }
    if (f->error == PSK_KEY_ERROR || f->error == BAD_BINDER) {
        snprintf(why, cap, "the client's identity can't be a user's name (1 to 49 bytes of UTF-8, no ']')");
        return true;
    }
    /* What wolfSSL says without a certificate to go on with: not the same in each version. */
    bool stuck = f->error == BUFFER_ERROR || f->error == NO_CERT_ERROR || f->error == NO_PRIVATE_KEY;
    if (p->auth->keys_only && stuck && f->hello->version != 0 && p->proof == TRANSPORT_NO_PROOF) {
        snprintf(why, cap, "the client has no shared key to show, and this listener takes nothing else");
        return true;
    }
    if (p->proof == TRANSPORT_SHARED_KEY && is_13 && (stuck || is_bad_record(f->error))) {
        snprintf(
            why, cap,
            "the client offers no cipher suite of TLS 1.3 that goes with its shared key (AES-128-GCM with SHA-256)");
        return true;
    }
    return false;
}

bool tls_peer_in_words(const struct tls_trouble *f, char *why, size_t cap, const char **hint)
{
    const struct tls_peer *p = f->peer;
    return p != NULL &&
           (about_certificate(f, why, cap, hint) || (p->auth->keys != NULL && about_key(f, why, cap, hint)));
}
