/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A listener's TLS settings, ready for use: certificate, key, versions, suites. Immutable after
 * it was made, counted, shared by all loops.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct tls_context;
struct tls_tickets;

enum tls_version { TLS_1_2 = 2, TLS_1_3 = 3 };

struct tls_settings {
    const char *cert, *key; /* PEM files */
    const char *chain;      /* PEM file of intermediates, or NULL (fullchain.pem in cert, or none needed) */
    enum tls_version min_version, max_version;
    const char *ciphers; /* colon-separated, OpenSSL's or IANA's names; NULL or "": ours */
    struct tls_tickets *tickets; /* what session tickets are sealed with; NULL: none are given, all are refused */
    uint32_t ticket_lifetime;    /* seconds, over 0 with tickets */
    const char *policy;          /* with tickets: what they are bound to, at least the listener's name */
};

/* wolfSSL_Init and Cleanup, once per process, before threads. 0 on success. */
int tls_init(void);
void tls_fini(void);
/* At the end of a thread that had TLS connections and does not call tls_fini: frees what the library kept for it. */
void tls_thread_fini(void);

/*
 * NULL on failure, with one line in err that names the file (or the suite), why, and what to do. Which setting is at
 * fault: *setting = "cert", "key", "chain", "ciphers", "min_version" or NULL.
 */
struct tls_context *tls_context_new(const struct tls_settings *s, char *err, size_t err_cap, const char **setting);
struct tls_context *tls_context_ref(struct tls_context *c);
/* NULL is fine. */
void tls_context_unref(struct tls_context *c);
