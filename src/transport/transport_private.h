/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What stream.c (sockets) and tls.c (the filter on top) know of each other.
 *
 * struct transport is apart from its libuv handle, because the handle belongs to one loop and is freed by that
 * loop's close callback, while the transport may be on another loop by then.
 */
#pragma once

#include "sotto/base/bytes.h"
#include "sotto/base/list.h"
#include "sotto/transport/transport.h"

struct tls;
struct write_request;

struct transport {
    struct transport_loop *loop; /* NULL between leave and arrive */
    uv_stream_t *handle;         /* uv_tcp_t or uv_pipe_t; NULL between leave and arrive */
    uv_idle_t *kick;             /* exists while there is work that the kernel won't wake us for */
    const struct transport_events *events;
    void *owner;
    struct tls *tls;               /* NULL: plain */
    struct write_request *writing; /* what the kernel has refused, one at a time */
    int fd;                        /* between leave and arrive */
    int error;                     /* libuv's, waiting to be reported by kick */
    bool reading;                  /* the owner wants to read */
    bool wanted;                   /* transport_send said 0: drained is owed */
    bool broken;                   /* nothing can be sent any more */
    bool refused;                  /* broken by our alert, in the middle of a handshake */
    bool ended;                    /* reported */
    bool closing;
};

/* Writes q's front until it is empty (1) or the kernel refuses (0: a part was handed to libuv); -1: broken, see fail.
 */
int stream_flush(struct transport *t, struct outq *q);
/* The same, but what the kernel refuses now is left alone: for the last words before closing. */
void stream_flush_last(struct transport *t, struct outq *q);
/* Tells the owner, once, that nothing more comes. */
void stream_ended(struct transport *t, const char *why, const char *hint, bool during_handshake);
/* Something is wrong, found while the owner is calling: it is told from the next turn. Returns -1. */
int stream_fail(struct transport *t, int uv_error);
/* Work from the next turn on, until stream_unkick. */
void stream_kick(struct transport *t);
void stream_unkick(struct transport *t);
/* The address of ours that the peer connected to, without a port; "" for a unix socket. */
void stream_local(const struct transport *t, char *out, size_t cap);
/* Reads what is there now into the loop's buffer and goes on with it, as an event of the socket would. */
void stream_fetch(struct transport *t);
/* The peer has closed or reset the connection, or its side of it, whatever of it is still unread. */
bool stream_peer_left(const struct transport *t);
void stream_pause(struct transport *t);
void stream_resume(struct transport *t);

/*
 * farewell.c. Instead of uv_close on t's handle, whose callback closed is: it comes when the peer has closed too, after
 * a second at most, and t's TLS state is gone before. False: nobody is there to wait for.
 */
bool farewell_begin(struct transport *t, uv_close_cb closed);

/* tls.c. The context's reference is taken. */
struct tls *tls_new(struct transport *t, struct tls_context *context);
void tls_free(struct tls *s, struct pool *pool);
/* How much ciphertext may be read now; 0: none. */
size_t tls_room(struct transport *t);
/* There is something to read, and it had no room: a handshake is queued for a turn. */
void tls_want_turn(struct transport *t);
/* It doesn't wait for one any more. */
void tls_leave_queue(struct tls *s);
/* A queued handshake's turn has come; node: out of the queue. False: it can't begin without a place. */
bool tls_take_turn(struct list *node);
/* Its turn was in vain: nothing was there. */
void tls_got_nothing(struct tls *s);
/* The handshake is over, or not begun yet: others may. Idempotent. */
void tls_give_place(struct tls *s);
struct handshake_wait;
/* Its peer is slow: others may begin, too. */
void tls_lose_place(struct handshake_wait *w);
/* Too many peers are: this one is not waited for any longer. */
void tls_give_up(struct handshake_wait *w);
uint64_t tls_waited(struct tls *s);
/* Ciphertext that came, in the loop's read buffer. t may be gone to another loop afterwards. */
void tls_input(struct transport *t, const uint8_t *p, size_t n);
/* Goes on with what was kept. t may be gone to another loop afterwards. */
void tls_go_on(struct transport *t);
/* The stream has ended by itself; why and hint NULL: without an error. */
void tls_eof(struct transport *t, const char *why, const char *hint);
int tls_send(struct transport *t, struct outq *q);
/* A write request is done. 1: everything is out. */
int tls_flush(struct transport *t);
void tls_say_goodbye(struct transport *t);
/* Bytes are kept that no socket event will ask for. */
bool tls_holds(const struct transport *t);
/* Between two calls nothing may point into the loop's read buffer. False without memory. */
bool tls_leave(struct transport *t);
enum transport_proof tls_user(const struct tls *s, struct bytes *user);
/* See transport_explain_delay and transport_offer. */
void tls_explain_delay(const struct transport *t, char *why, size_t why_cap, char *hint, size_t hint_cap);
void tls_offer(const struct tls *s, char *offered, size_t offered_cap, char *allowed, size_t allowed_cap);
void tls_describe(const struct tls *s, char *out, size_t cap);
size_t tls_unsent(const struct tls *s);
/* Input is being worked through further up the stack. */
bool tls_is_pumping(const struct tls *s);
