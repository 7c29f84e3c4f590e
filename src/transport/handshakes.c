/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A loop's queue of handshakes, and its place in the turn.
 *
 * A handshake is a hundred packets' worth of work, and a thousand clients may come at once. So what a peer sends while
 * it shakes hands isn't even read when the socket has it: the connection is queued, its bytes stay with the kernel
 * (whose buffers bound them), and the socket isn't asked again. Once per turn, in libuv's idle phase, the queue gets
 * its 5 ms; while somebody is left in it the loop polls without sleeping, so established clients have their turn
 * between.
 *
 * How many are in progress at a time is bounded by places, which all loops share (transport_loop). Who begins takes one
 * before its bytes are read, and gives it back at once where they are no whole hello yet: who is silent or sends a byte
 * now and then keeps nobody out, and who waits for a place costs no memory.
 */
#include "handshakes_private.h"

#include <assert.h>

#include "handshake_queue_private.h"
#include "sotto/base/mem.h"
#include "transport_private.h"

struct handshakes {
    uv_idle_t idle; /* runs while the queue holds somebody */
    struct handshake_queue queue;
};

static void on_turn(uv_idle_t *idle)
{
    struct handshakes *h = idle->data;
    handshake_queue_run(&h->queue, uv_hrtime, tls_take_turn);
    if (handshake_queue_idle(&h->queue))
        uv_idle_stop(idle);
}

static void go_on(struct handshakes *h)
{
    if (!handshake_queue_idle(&h->queue))
        uv_idle_start(&h->idle, on_turn);
}

void handshakes_add(struct transport_loop *l, struct list *node, bool begun)
{
    handshake_queue_add(&l->handshakes->queue, node, begun);
    go_on(l->handshakes);
}

void transport_loop_open(struct transport_loop *l)
{
    l->handshakes = mem_alloc(sizeof(*l->handshakes));
    handshake_queue_init(&l->handshakes->queue);
    uv_idle_init(l->uv, &l->handshakes->idle);
    l->handshakes->idle.data = l->handshakes;
}

bool transport_loop_shakes_hands(const struct transport_loop *l)
{
    return !handshake_queue_idle(&l->handshakes->queue);
}

void transport_loop_places(struct transport_loop *l)
{
    handshake_queue_unblock(&l->handshakes->queue);
    go_on(l->handshakes);
}

static void on_closed(uv_handle_t *idle)
{
    mem_free(idle->data);
}

void transport_loop_close(struct transport_loop *l)
{
    assert(handshake_queue_empty(&l->handshakes->queue));
    uv_close((uv_handle_t *)&l->handshakes->idle, on_closed);
    l->handshakes = NULL;
}
