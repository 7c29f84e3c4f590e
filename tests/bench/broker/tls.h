/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * TLS of the load, over memory: the network code reads and writes sockets, once per turn and whatever the number of
 * records; a TLS object only turns cipher text into plain text and back. tls_openssl.c or tls_wolfssl.c is behind this,
 * whichever library the build found (OpenSSL's client costs less, so it comes first).
 */
#ifndef BENCH_TLS_H
#define BENCH_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls; /* one connection */

/* Cipher text on its way, shared by all connections: one at a time is worked on. */
struct tls_pipe {
    const uint8_t *in; /* just read; the caller owns it, and every byte is taken before the call returns */
    size_t in_size;
    uint8_t *out; /* to be sent; the caller sends it and sets out_size to 0 */
    size_t out_size, out_capacity;
};
extern struct tls_pipe tls_pipe;

/* For the library's callbacks: takes up to `size` bytes that were read; adds bytes to be sent. */
size_t tls_pipe_take(void *to, size_t size);
void tls_pipe_add(const void *from, size_t size);

/* Name of the library. */
const char *tls_library(void);

/* Prepares clients that verify the chain with this CA file (the host name is not compared). minor: 2 or 3 for TLS 1.2
 * or 1.3 only, 0 for both. Ends the program if it can't. */
void tls_setup(const char *cafile, int minor);

struct tls *tls_new(void);
void tls_free(struct tls *tls);

/* From now on tls_new takes up this connection's session. Call it after the first plain text has come, since that is
 * when TLS 1.3 has its ticket. False: there is none. */
bool tls_keep_session(struct tls *tls);
/* The handshake took up a session. */
bool tls_resumed(struct tls *tls);

/* Goes on with the handshake: 1 done, 0 more input is needed, -1 failed; `why` is what the library says. */
int tls_handshake(struct tls *tls, const char **why);

/* Plain text out of the pipe's input: bytes written to `to`, 0 when there is no more, -1 failed or closed by the peer.
 */
long tls_open(struct tls *tls, uint8_t *to, size_t size);

/* Cipher text of all of `data` into the pipe's output. False: failed. */
bool tls_seal(struct tls *tls, const uint8_t *data, size_t size);

#endif
