/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a listener asks of its clients besides TLS: a certificate of certain CAs, or a shared key. Part of its context,
 * so immutable and shared by all loops.
 */
#pragma once

#include "psk_table_private.h"
#include "sotto/transport/x509.h"
#include "tls_pair_private.h"

struct tls_auth {
    enum tls_client_cert client_cert;
    enum tls_client_cert_user client_cert_user;
    bool keys_only;       /* the listener has no certificate of its own */
    struct x509_pool cas; /* of client_ca */
    char *ca_file;        /* NULL: none */
    char *crl_file;       /* NULL: none */
    time_t crl_until;     /* when the first of its lists ends, and whose that is */
    char crl_name[96];
    struct psk_table *keys; /* NULL: none */
    const char *keys_suite; /* the suite of TLS 1.3 that goes with shared keys */
};

/* Does it ask for anything? */
bool tls_auth_is_wanted(const struct tls_settings *s);
/* Reads the files and sets up the native context of each pair. keys_suite: see above; static. NULL with a complaint. */
struct tls_auth *tls_auth_new(const struct tls_pairs *to, const struct tls_settings *s, const char *keys_suite,
                              struct tls_complaint *wrong);
/* NULL is fine. */
void tls_auth_free(struct tls_auth *a);
