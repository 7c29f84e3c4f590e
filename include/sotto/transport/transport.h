/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A connection's byte stream: TCP or unix socket, with TLS stacked on it or not. One
 * interface, so that whoever owns a connection never asks which it has. All calls and all events on the loop's thread.
 *
 *   kernel -> uv stream -> [TLS: wolfSSL through memory] -> room()/data() -> the owner
 *   owner's outq -> transport_send -> [TLS] -> uv_try_write, one vectored write
 *
 * An idle transport holds no buffer: ciphertext is read into the loop's buffer, plaintext goes where room() says.
 * The process must ignore SIGPIPE: libuv writes to sockets that the peer has closed.
 * Life: new -> start -> ... -> close -> closed event, after which the memory is gone. Nothing is freed anywhere else.
 */
#pragma once

#include <stdbool.h>

#include <uv.h>

#include "sotto/base/outq.h"

struct transport;
struct tls_context;

/* What the transports of one loop share. */
struct transport_loop {
    uv_loop_t *uv;
    struct pool *pool;             /* of outq segments */
    uint8_t *read_buf;             /* one for all connections of the loop: ciphertext */
    size_t read_cap;               /* 64 KiB */
    struct handshakes *handshakes; /* the transports' own, by transport_loop_open: TLS handshakes that wait */
    /* A place among the handshakes in progress, which one holds from the peer's whole hello until it is done or over;
     * both NULL: there are always enough. take_place says false when there is none; then transport_loop_places is to be
     * called when there may be one. */
    bool (*take_place)(void *ctx);
    void (*give_place)(void *ctx);
    void *ctx;
};

/* Completes l, whose other members are set, and must be where they are until transport_loop_close, which is called when
 * all transports of the loop have had their closed event; the loop must run once more after it. */
void transport_loop_open(struct transport_loop *l);
void transport_loop_close(struct transport_loop *l);
/* Handshakes wait: they get their part of the next turn, which comes at once. */
bool transport_loop_shakes_hands(const struct transport_loop *l);
/* Who waits for a place tries again, in the next turn. */
void transport_loop_places(struct transport_loop *l);

struct transport_events {
    /* Where plaintext is to be put, and how much at most (*cap). NULL: nothing more for now (budget of the turn, or
     * paused); the transport keeps what it holds and asks again at the next readiness or transport_start. */
    uint8_t *(*room)(void *owner, size_t *cap);
    /* n > 0 bytes were put there. May call transport_stop, transport_send and transport_close. */
    void (*data)(void *owner, size_t n);
    /* TLS: the handshake is done (version, suite: transport_describe). Plain: never called. */
    void (*established)(void *owner);
    /* What was refused by the kernel has been taken: transport_send may go on. */
    void (*drained)(void *owner);
    /* The peer closed (why NULL), or an error in words (connection reset, TLS failure with its cause). Nothing more
     * comes; the owner calls transport_close. hint: what to do about it, or NULL. during_handshake: the TLS handshake
     * was not complete, or nothing came after it (transport_offer says more then). */
    void (*ended)(void *owner, const char *why, const char *hint, bool during_handshake);
    /* After transport_close: the memory of t is gone now. */
    void (*closed)(void *owner);
};

/* On a listening TCP socket: TCP_NODELAY and keep-alive probes, which the connections that are accepted from it
 * inherit. */
void transport_tune_listener(int fd);
/*
 * Takes a connected socket (non-blocking is set here; TCP: accepted from a listener that was tuned). tls: NULL for
 * plain, else a context whose reference is taken. On failure returns NULL with a libuv error in *err, and the socket is
 * closed.
 */
struct transport *transport_new(struct transport_loop *loop, int fd, struct tls_context *tls,
                                const struct transport_events *events, void *owner, int *err);
void transport_start(struct transport *t); /* reading; also resumes */
void transport_stop(struct transport *t);
/*
 * Sends from the front of q as much as is taken now and consumes it from q. 1: all of it; 0: blocked, drained will come
 * (until then calls are cheap and return 0); -1: the connection is broken, ended was or will be called. No event
 * comes from inside this call, so it may be made in the middle of the owner's work.
 */
int transport_send(struct transport *t, struct outq *q);
/* No more events but closed. TLS says close_notify. What the kernel has not taken is dropped. Idempotent. */
void transport_close(struct transport *t);

/* Bytes taken by transport_send that wait inside (ciphertext). */
size_t transport_unsent(const struct transport *t);

/*
 * Moving to another loop: leave gives up the loop (its handle is closed later, on that loop, without an event; the
 * socket lives on by a duplicate), arrive takes up the new one and does not start reading. Only when
 * transport_can_leave: nothing is in writing. arrive: 0 or a libuv error: then the transport is unusable and must be
 * closed by transport_close (closed comes).
 */
bool transport_can_leave(const struct transport *t);
int transport_leave(struct transport *t);
int transport_arrive(struct transport *t, struct transport_loop *loop);

enum transport_proof { TRANSPORT_NO_PROOF, TRANSPORT_CERTIFICATE, TRANSPORT_SHARED_KEY };

/*
 * Whom the peer has shown to be in the TLS handshake, from `established` on. user: the name of a user, in memory of t;
 * empty where there is no proof, or the certificate names nobody by the listener's rule.
 */
enum transport_proof transport_user(const struct transport *t, struct bytes *user);

/*
 * For the log, while the TLS handshake isn't done, or nothing has come after it. offered: what the peer offered, as one
 * line, "" where it has not said it; allowed: what the listener takes; both are cut to size, "" without TLS.
 */
void transport_offer(const struct transport *t, char *offered, size_t offered_cap, char *allowed, size_t allowed_cap);
/* Why the handshake takes so long that it is given up, and what to do about it. */
void transport_explain_delay(const struct transport *t, char *why, size_t why_cap, char *hint, size_t hint_cap);
/* How long (ms) its handshake has waited for a turn of the loop since this was asked the last time. */
uint64_t transport_waited(struct transport *t);
/* "TLSv1.3 TLS13-AES128-GCM-SHA256", or "plain"; into a buffer of the caller. */
void transport_describe(const struct transport *t, char *out, size_t cap);
