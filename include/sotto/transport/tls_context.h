/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A listener's TLS settings, ready for use: certificate, key, versions, suites. Immutable after
 * it was made, counted, shared by all loops.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "sotto/base/bytes.h"

struct tls_context;
struct tls_tickets;

enum tls_version { TLS_1_2 = 2, TLS_1_3 = 3 };

/* Whether clients show certificates; one that is shown has to be good. */
enum tls_client_cert { TLS_CLIENT_CERT_NONE, TLS_CLIENT_CERT_OPTIONAL, TLS_CLIENT_CERT_REQUIRED };

/* Where a client's certificate names the user. */
enum tls_client_cert_user {
    TLS_CLIENT_CERT_USER_NONE,
    TLS_CLIENT_CERT_USER_CN,
    TLS_CLIENT_CERT_USER_SAN, /* the first DNS name, else e-mail address, else URI */
    TLS_CLIENT_CERT_USER_SPKI /* base64url of the SHA-256 of SubjectPublicKeyInfo */
};

/* A certificate of the server's: PEM files. */
struct tls_pair_files {
    const char *cert, *key;
    const char *chain;               /* intermediates, or NULL (fullchain.pem in cert, or none needed) */
    const char *key_passphrase_file; /* its first line opens the key; or NULL */
};

struct tls_keylog;

struct tls_settings {
    const struct tls_pair_files *pairs; /* the first is the default */
    size_t pairs_n;                     /* 0: psk_file alone */
    enum tls_version min_version, max_version;
    const char *ciphers;         /* colon-separated, OpenSSL's or IANA's names; NULL or "": ours */
    struct tls_tickets *tickets; /* what session tickets are sealed with; NULL (and where clients show certificates or
                                    shared keys): none are given, all are refused */
    uint32_t ticket_lifetime;    /* seconds, over 0 with tickets */
    const char *policy;          /* with tickets: what they are bound to, at least the listener's name */
    struct tls_keylog *keylog;   /* or NULL; a reference of its own is taken */
    enum tls_client_cert client_cert;
    enum tls_client_cert_user client_cert_user;
    const char *client_ca; /* PEM or DER; needed with client_cert, else not looked at */
    const char *crl;       /* revocation lists of all of client_ca, PEM or DER; or NULL */
    const char *psk_file;  /* lines IDENTITY:HEXKEY, or NULL. Not with TLS_CLIENT_CERT_REQUIRED */
};

/* wolfSSL_Init and Cleanup, once per process, before threads. 0 on success. */
int tls_init(void);
void tls_fini(void);
/* At the end of a thread that had TLS connections and does not call tls_fini: frees what the library kept for it. */
void tls_thread_fini(void);

/*
 * NULL on failure, with one line in err that names the file (or the suite), why, and what to do. Which setting is at
 * fault: *setting = the name of its field, or NULL.
 */
struct tls_context *tls_context_new(const struct tls_settings *s, char *err, size_t err_cap, const char **setting);
/* What works, and will trouble some clients all the same. */
struct tls_warning {
    const char *setting; /* the name of a field, static */
    const char *file;    /* or NULL */
    const char *reason, *hint;
};

/* Views into c. */
size_t tls_context_warnings(const struct tls_context *c, const struct tls_warning **v);
struct tls_context *tls_context_ref(struct tls_context *c);
/* NULL is fine. */
void tls_context_unref(struct tls_context *c);
/* How many shared keys there are, and whose the i-th is. */
size_t tls_context_keys(const struct tls_context *c);
struct bytes tls_context_key_owner(const struct tls_context *c, size_t i);
