/* SPDX-License-Identifier: GPL-3.0-or-later */
/* wolfSSL's types, seen by the TLS files of this folder only. */
#pragma once

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include "client_hello_private.h"
#include "sotto/transport/tls_context.h"

struct tls_auth;
struct tls_peer;

/* The object that connections are made from; lives as long as the context. */
WOLFSSL_CTX *tls_context_native(const struct tls_context *c);
enum tls_version tls_context_min_version(const struct tls_context *c);
enum tls_version tls_context_max_version(const struct tls_context *c);
/* The certificate's key: RSA, else EC. */
bool tls_context_is_rsa(const struct tls_context *c);
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

/* Why a handshake (or later a connection) failed, in words. */
struct tls_trouble {
    const struct tls_context *context;
    const struct client_hello *hello;
    const struct tls_peer *peer; /* what it had shown of itself; NULL: nothing was asked */
    int error;                   /* wolfSSL's; 0: the peer closed without one */
    int alert_received;          /* -1: none */
    bool answered;               /* we had sent our certificate */
    const char *closed;          /* error 0: the socket's own error in words, or NULL */
};

/* One sentence into why; returns what to do about it, or NULL. */
const char *tls_trouble_in_words(const struct tls_trouble *f, char *why, size_t cap);
/* "unknown CA (alert 48)". */
const char *tls_alert_in_words(int alert);
