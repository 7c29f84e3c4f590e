/* SPDX-License-Identifier: GPL-3.0-or-later */
/* wolfSSL's types, seen by the TLS files of this folder only. */
#pragma once

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include "client_hello_private.h"
#include "sotto/transport/tls_context.h"

struct ticket_policy;
struct tls_auth;
struct tls_pair;
struct tls_pairs;
struct tls_peer;

/* The certificate for a client with this hello; NULL: the first. Lives as long as the context. */
const struct tls_pair *tls_context_choose(const struct tls_context *c, const struct client_hello *h);
const struct tls_pairs *tls_context_pairs(const struct tls_context *c);
/* Those for certificates: enum client_hello_ours. */
uint16_t tls_context_suites(const struct tls_context *c);
enum tls_version tls_context_min_version(const struct tls_context *c);
enum tls_version tls_context_max_version(const struct tls_context *c);
/* Is there a certificate with an RSA key; with another one? */
bool tls_context_has(const struct tls_context *c, bool rsa);
/* NULL: none. */
struct tls_keylog *tls_context_keylog(const struct tls_context *c);
/* What its tickets and session ids are bound to; NULL: there are none. */
const struct ticket_policy *tls_context_tickets(const struct tls_context *c);
/* What it asks of clients; NULL: nothing. */
const struct tls_auth *tls_context_auth(const struct tls_context *c);

/* What goes wrong while a context is made: one line, and the setting it belongs to. */
struct tls_complaint {
    char *text;
    size_t cap;
    const char *setting;
};

/* wolfSSL's callbacks over memory (tls.c); their argument is a struct tls. */
int tls_take_cipher(WOLFSSL *ssl, char *buf, int size, void *arg);
int tls_give_cipher(WOLFSSL *ssl, char *buf, int size, void *arg);
/* How many resumptions led to this connection. arg: a struct tls. */
uint8_t *tls_resumptions(void *arg);
/* What a session of this client, which knows no tickets, is kept by under its id; NULL: it isn't. arg: a struct tls. */
const struct ticket_policy *tls_session_policy(void *arg);

#define TLS_WORDS 512

/* Why a handshake (or later a connection) failed, in words. */
struct tls_trouble {
    const struct tls_context *context;
    const struct tls_pair *pair; /* the certificate that was chosen; NULL: none yet */
    const struct client_hello *hello;
    const struct tls_peer *peer; /* what it had shown of itself; NULL: nothing was asked */
    int error;                   /* wolfSSL's; 0: the peer closed without one */
    int alert_received;          /* -1: none */
    bool answered;               /* we had sent our certificate */
    bool established;            /* the handshake was done, and nothing came after it */
    bool late;                   /* it took too long */
    const char *closed;          /* error 0: the socket's own error in words, or NULL */
    const char *local;           /* our address that it connected to; "": none */
};

/* One sentence why, and what to do about it ("": nothing). */
void tls_trouble_in_words(const struct tls_trouble *f, char why[TLS_WORDS], char hint[TLS_WORDS]);
/* "unknown CA (alert 48)". */
const char *tls_alert_in_words(int alert);
/* The other side of it: "TLS 1.2 and 1.3; RSA-2048 for localhost, ...". */
void tls_context_describe(const struct tls_context *c, char *out, size_t cap);
