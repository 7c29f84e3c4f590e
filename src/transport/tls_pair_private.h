/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A certificate with its key and chain, in a WOLFSSL_CTX of its own: a listener has one such pair or several, and which
 * one a client gets is decided by its hello, before wolfSSL sees it. Immutable after it was made.
 */
#pragma once

#include "sotto/transport/x509.h"
#include "tls_private.h"

struct tls_pair {
    WOLFSSL_CTX *native;
    const char *file;                   /* of the certificate, for messages; copied */
    struct x509_pool certs;             /* all that the files hold */
    struct x509_chain chain;            /* what is sent, from the leaf up, never the root; n 0: no certificate */
    uint16_t signed_by[X509_CHAIN_MAX]; /* how each of chain was signed, as TLS numbers it; 0: not known here */
    size_t message;                     /* bytes of the certificate message */
    size_t strangers;                   /* certificates in the files that don't belong to the chain */
    bool kin;                           /* shares a name with the listener's first pair */
    bool needless_phrase;               /* key_passphrase_file is named, and the key isn't locked */
    char words[48];                     /* "RSA-2048", "ECDSA P-256" */
};

/* Those of a listener: at least one, of which the first is the default. */
struct tls_pairs {
    struct tls_pair *v;
    size_t n;
};

/* Fills p, whose native is set up already, and loads it into that. False with a complaint. */
bool tls_pair_load(struct tls_pair *p, const struct tls_pair_files *f, struct tls_complaint *wrong);
/* Also fine on a zeroed one; frees the native, too. */
void tls_pair_fini(struct tls_pair *p);

/* The leaf; not for a pair without certificate. */
const struct x509 *tls_pair_leaf(const struct tls_pair *p);
bool tls_pair_is_rsa(const struct tls_pair *p);
/* Do both certificates have a name in common? */
bool tls_pair_is_kin(const struct tls_pair *p, const struct tls_pair *other);
/* Is the certificate for this name (as a hello has it)? 0: no, 1: by a wildcard or the common name, 2: exactly. */
unsigned tls_pair_is_for(const struct tls_pair *p, const char *name);

/* "localhost, 192.168.0.5 and 3 more", cut to cap; "nobody". */
void tls_pair_names(const struct tls_pair *p, char *out, size_t cap);

/* ---- tls_choose.c ---- */

/* Does the client name the groups (elliptic curves) that it takes, and is none of them ours? */
bool tls_choose_no_group(const struct client_hello *h);

/* Which pair fits this client best; h NULL or unread: the first. */
const struct tls_pair *tls_choose(const struct tls_pairs *pairs, const struct client_hello *h,
                                  enum tls_version max_version, uint16_t suites);
