/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Two ends of a socket pair in one thread: the transport under test on a real libuv loop, and a peer that is moved on
 * by hand between the turns of the loop, so that every order of events can be made.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include "sotto/base/buf.h"
#include "sotto/base/mem.h"
#include "sotto/transport/certificate.h"
#include "sotto/transport/tls_context.h"
#include "sotto/transport/transport.h"

struct loop_rig {
    uv_loop_t uv;
    struct pool pool;
    uint8_t read_buf[65536];
    struct transport_loop shared;
};

void rig_init(struct loop_rig *r);
/* Closes the loop; everything on it must be gone. */
void rig_fini(struct loop_rig *r);
void rig_turns(struct loop_rig *r, unsigned n);

/* The owner of a transport. */
struct side {
    struct transport *t;
    struct loop_rig *rig;
    struct buf in;
    struct outq out;
    uint8_t room[70000];
    size_t room_cap; /* 0: no room */
    size_t budget;   /* bytes until there is no room any more; SIZE_MAX: no limit */
    unsigned established, drained, ended, closed;
    bool during_handshake, clean_end;
    char why[300], hint[300];
    void (*on_data)(struct side *s); /* called behind each data event */
};

/* A transport on one end of a new socket pair; returns the other end. tcp: a real TCP connection over loopback. */
int side_open(struct side *s, struct loop_rig *rig, struct tls_context *tls, bool tcp);
/* A listening socket on 127.0.0.1, for a client that is another program. */
int listen_on_loopback(unsigned *port);
/* A transport on the first connection to the listener, which is closed then. */
void side_accept(struct side *s, struct loop_rig *rig, struct tls_context *tls, int listener);
void side_close(struct side *s);
/* transport_send of what waits; again by each drained event. */
int side_flush(struct side *s);
void side_queue(struct side *s, const void *p, size_t n);

/* A client of wolfSSL's. chunk: bytes it hands to the socket a step. */
struct peer {
    int fd;
    WOLFSSL_CTX *ctx;
    WOLFSSL *ssl;
    struct buf tx; /* ciphertext not yet in the socket */
    struct buf in; /* plaintext received */
    size_t chunk;
    bool connected, failed, ended;
    int error;
};

void peer_open(struct peer *p, int fd, WOLFSSL_METHOD *method, const char *ciphers, const char *ca);
void peer_close(struct peer *p);
/* Hands bytes to the socket, goes on with the handshake, reads at most max bytes of plaintext. */
void peer_step(struct peer *p, size_t max);
void peer_write(struct peer *p, const void *data, size_t n);

/* Turns of both until both are connected or one has failed. */
void shake(struct side *s, struct peer *p);

/* A folder with everything that certificate_init makes; made once, removed by certs_remove. */
const char *certs(void);
const char *cert_path(const char *name);
int certs_remove(void **state);
struct tls_context *context(bool ec, enum tls_version min, enum tls_version max, const char *ciphers);

/* n bytes that tell a lost, doubled or swapped byte. */
void fill(uint8_t *p, size_t n, size_t offset);
bool is_filled(const uint8_t *p, size_t n, size_t offset);
