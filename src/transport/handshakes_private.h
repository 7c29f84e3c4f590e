/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "sotto/base/list.h"
#include "sotto/transport/transport.h"

#define HANDSHAKE_PATIENCE_MS 1000
#define HANDSHAKE_WAITS 4        /* with a place; the handshake of a client in order has two or three */
#define HANDSHAKES_OVERDUE 2048u /* of a loop */

/* Queues a connection for tls_take_turn, from the next turn of the loop on; node: in no list. begun: its handshake
 * is. To take it out: list_remove. */
void handshakes_add(struct transport_loop *l, struct list *node, bool begun);

/* Of a handshake that was begun. */
struct handshake_wait {
    struct list node; /* while it waits for its peer */
    uint64_t since;   /* by uv_now */
    uint8_t times;    /* that it has waited with a place */
    bool overdue;     /* it waits without a place */
};

void handshake_wait_init(struct handshake_wait *w);
/* It waits for its peer. placed: it has a place, for HANDSHAKE_PATIENCE_MS, and not too often; then tls_lose_place is
 * called, perhaps at once. */
void handshakes_wait(struct transport_loop *l, struct handshake_wait *w, bool placed);
/* It goes on, or is over. Also fine where it doesn't wait. */
void handshakes_wait_ends(struct transport_loop *l, struct handshake_wait *w);
