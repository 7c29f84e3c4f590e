/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A connection: what joins a transport and a client of the core. The only module that knows both.
 *
 * Life: connection_accept -> bytes in, output out -> over (the transport ended, or the core is done and the peer has
 * its last bytes) -> client_gone and transport_close -> the transport's closed event, which frees it. It may move to
 * another loop once (handover.h). An idle connection owns no buffer and no timer.
 */
#pragma once

#include "loop.h"
#include "sotto/base/buf.h"
#include "sotto/core/shard.h"

#define CONNECTION_LINGER 5000 /* ms for the peer to take our last bytes */

enum connection_flag {
    CONNECTION_QUEUED = 1,       /* in the loop's dirty list */
    CONNECTION_RESUMES = 2,      /* in the loop's resume list; never in both */
    CONNECTION_BLOCKED = 4,      /* the kernel takes nothing more: `drained` will come */
    CONNECTION_STOPPED = 8,      /* not reading, because the client is paused */
    CONNECTION_MOVING = 16,      /* wants to go to another loop */
    CONNECTION_HANDSHAKING = 32, /* its TLS handshake isn't done */
    CONNECTION_LINGERS = 64,     /* in the loop's lingering list */
    CONNECTION_WAITED = 256,     /* its acknowledgments have waited for more of them as long as they may */
    CONNECTION_OWN_ROOM = 128,   /* what is being read goes to `kept`, not to the loop's buffer */
};

struct connection {
    struct transport *transport;
    struct client *client; /* NULL: over, waits for the closed event */
    struct loop *loop;
    const struct listener *listener;
    struct list all;  /* in the loop's connections or lingering */
    struct list turn; /* in dirty, resume or, between loops, in an inbox */
    struct buf *kept; /* an unfinished packet, or all that a paused client could not take; NULL when there is nothing */
    uint32_t budget_used;
    uint32_t linger_due;  /* low bits of the time */
    uint16_t budget_turn; /* low bits of the turn: in one of 65,536, a connection that was silent reads less */
    uint16_t flags;
    uint8_t target; /* of a move: there are 256 loops at most */
    uint8_t haste;  /* how often in a row its acknowledgments have waited in vain */
    uint8_t hasty;  /* so many times more they won't */
    uint8_t held;   /* the bytes of those that began to wait; 0: none do */
};

/* Takes the socket over; it has a place among the connections, which is given back when it is over. peer:
 * "address:port", copied. */
void connection_accept(struct loop *l, const struct listener *from, int fd, const char *peer);
/* Fills in what TLS has shown of who it is. */
void connection_identify(const struct connection *c, struct auth_request *r);
/* At the end of a turn, for each connection in the dirty list. */
void connection_turn(struct connection *c);
/* Feeds what was kept and reads on, if the client is ready for it. */
void connection_resume(struct connection *c);
/* Sends what is in the output now, as far as the kernel takes it: 1: all of it, 0: blocked, -1: broken, which is
 * told later (on_ended). Also from inside the core. */
int connection_send(struct connection *c);
/* Ends it at once, whatever it is doing. why: in words, for the log; NULL where the core knows. Not from inside the
 * core. */
void connection_end(struct connection *c, const char *why);
