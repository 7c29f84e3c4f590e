/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A loop thread: one uv loop, one shard, and the connections that live on it.
 *
 *   timers      shard_tick, closings that took too long
 *   idle        only when somebody was left with work: connections that go on reading; TLS handshakes, for 5 ms at most
 *   prepare     the end of the turn: shard_turn_end, then one walk over the dirty list: output is pulled and written,
 *               once per connection
 *   poll        bytes from peers; the bell: mail from other shards, connections handed over, answers about passwords
 *   check       notes when the poll ended: how long turns take is what the lag of the loop is; where handshakes come
 *               next, output is written here already
 *
 * Only the inboxes, `bell`, `wants_handshake` and `pulse` may be touched by other threads, and `lag` be looked at.
 */
#pragma once

#include <pthread.h>
#include <uv.h>

#include "server_state.h"
#include "sotto/base/histogram.h"
#include "sotto/base/inbox.h"
#include "sotto/base/list.h"
#include "sotto/core/store.h"
#include "sotto/transport/transport.h"
#include "tls_set.h"

#define LOOP_READ (64 * 1024)     /* bytes per read, and per connection and turn */
#define LOOP_HEADROOM (16 * 1024) /* an unfinished packet up to this size is put in front of what is read */
#define LOOP_HOT (64 * 1024)      /* output of this length is not left until the turn ends */

struct acceptor;
struct connection;

struct loop {
    uv_loop_t uv;
    unsigned number;
    uint32_t turn;
    uint32_t reads;  /* of this turn */
    msec busy_until; /* a turn of many reads was within the last milliseconds */
    struct server *server;
    struct shard *shard;
    struct memory_store store;
    struct transport_loop transport;
    uint8_t *plain; /* LOOP_HEADROOM + LOOP_READ bytes, shared by all connections */

    uv_async_t bell;
    uv_prepare_t turn_end;
    uv_idle_t unfinished;
    uv_timer_t deadline;
    uv_check_t polled;
    msec armed; /* what `deadline` is set to */

    struct inbox arrivals; /* struct connection, by its node `turn` */
    struct inbox accepted; /* struct accepted: sockets that another loop accepted for this one */
    struct inbox answers;  /* struct auth_result */
    struct inbox swaps;    /* of reload.c */
    struct tls_set *tls;   /* for new connections; a reference of its own */
    unsigned untold;       /* swaps that were taken, and are not yet said to be done */
    bool renews;           /* rights of sessions, from renew_at on */
    uint32_t renew_at;

    struct list connections; /* by `all` */
    struct list lingering;   /* by `all`: closing, the peer has not taken the last bytes; the oldest first */
    struct list dirty;       /* by `turn`: to be looked at before the turn ends */
    struct list later;       /* by `turn`: acknowledgments alone, which wait for more of their kind until later_due */
    msec later_due;          /* MSEC_NEVER: it is empty */
    struct list resume;      /* by `turn`: to go on reading in the next turn */

    struct acceptor *acceptors;
    size_t acceptors_n;
    msec accept_again;           /* the system is out of descriptors: try again then; MSEC_NEVER otherwise */
    atomic_bool wants_handshake; /* TLS hellos wait for a free place */
    _Atomic uint32_t pulse;      /* the last ring of the server that was heard, with all inboxes emptied behind it */

    struct histogram lag;      /* microseconds that somebody waits who comes while the loop is busy */
    struct histogram lag_told; /* of it, by loop_take_lag */
    uint64_t turn_began;       /* microseconds, monotonic */
    bool restless;             /* the poll to come can't sleep */

    bool stopping;
    bool closed;   /* after the loops have ended: there is no bell any more */
    msec stop_due; /* whoever has not gone by then is cut off */
    pthread_t thread;
};

/* Makes the loop and its shard; nothing runs yet. 0 or a libuv error: then it has been undone. */
int loop_init(struct loop *l, struct server *s, unsigned number);
/* After all loops have ended: closes what is left and frees. On the thread that ends the server. */
void loop_close(struct loop *l);
/* After all loops are closed: frees the shard and what lies in the inboxes. */
void loop_fini(struct loop *l);
/* Runs until the server stops and the last connection is gone. */
void loop_run(struct loop *l);
/* Any thread: have the loop look at its inboxes. */
void loop_wake(struct loop *l);

/* How long it takes until a busy loop listens to somebody, in microseconds; rounded up by a quarter at most. */
struct loop_lag {
    uint64_t median, p99, longest; /* of the moments at which somebody may come */
    uint64_t busy;                 /* all the time that it was */
};
/* Since the last call. One thread at a time. */
void loop_take_lag(struct loop *l, struct loop_lag *out);

static inline msec loop_now(const struct loop *l)
{
    return uv_now(&l->uv);
}

/* The connection is looked at before the turn ends; once, however often it is called. */
void loop_queue(struct loop *l, struct connection *c);
/* It has had a turn of many reads within the last milliseconds. */
bool loop_is_busy(const struct loop *l);
/* From connection_turn: the connection is looked at again when it is queued, and within a few milliseconds, then with
 * CONNECTION_WAITED. */
void loop_queue_later(struct loop *l, struct connection *c);
/* The connection goes on reading in the next turn (connection_resume), which follows without sleeping. */
void loop_resume(struct loop *l, struct connection *c);
