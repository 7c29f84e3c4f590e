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
 *
 * Who falls silent behind the hello loses the place after a second: the handshake may go on, a slow device takes
 * several seconds for each step, but it counts no longer. Of these a loop keeps 2048; where there are more, who has
 * been waited for the longest is given up, which at that rate is nobody's device.
 */
#include "handshakes_private.h"

#include <assert.h>

#include "handshake_queue_private.h"
#include "sotto/base/mem.h"
#include "transport_private.h"

struct handshakes {
    uv_idle_t idle; /* runs while the queue holds somebody */
    struct handshake_queue queue;
    uv_timer_t patience;          /* runs while somebody waits in order */
    struct list waiting, overdue; /* struct handshake_wait, who waits longest first */
    unsigned overdue_n;
    unsigned handles; /* that are not closed yet */
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

bool transport_loop_shakes_hands(const struct transport_loop *l)
{
    return !handshake_queue_idle(&l->handshakes->queue);
}

void transport_loop_places(struct transport_loop *l)
{
    handshake_queue_unblock(&l->handshakes->queue);
    go_on(l->handshakes);
}

/* ---- Waiting for the peer ---- */

void handshake_wait_init(struct handshake_wait *w)
{
    *w = (struct handshake_wait){.times = 0};
    list_init(&w->node);
}

static void call_overdue(struct handshakes *h, struct handshake_wait *w)
{
    list_remove(&w->node);
    list_push_back(&h->overdue, &w->node);
    w->overdue = true;
    h->overdue_n++;
    tls_lose_place(w);
    while (h->overdue_n > HANDSHAKES_OVERDUE)
        tls_give_up(container_of(h->overdue.next, struct handshake_wait, node));
}

static void on_impatient(uv_timer_t *timer)
{
    struct handshakes *h = timer->data;
    uint64_t now = uv_now(timer->loop);
    while (!list_empty(&h->waiting)) {
        struct handshake_wait *w = container_of(h->waiting.next, struct handshake_wait, node);
        uint64_t due = w->since + HANDSHAKE_PATIENCE_MS;
        if (due > now) {
            uv_timer_start(timer, on_impatient, due - now, 0);
            return;
        }
        call_overdue(h, w);
    }
}

void handshakes_wait(struct transport_loop *l, struct handshake_wait *w, bool placed)
{
    struct handshakes *h = l->handshakes;
    w->since = uv_now(l->uv);
    list_push_back(&h->waiting, &w->node);
    if (!placed || w->times++ == HANDSHAKE_WAITS)
        call_overdue(h, w);
    else if (!uv_is_active((uv_handle_t *)&h->patience))
        uv_timer_start(&h->patience, on_impatient, HANDSHAKE_PATIENCE_MS, 0);
}

void handshakes_wait_ends(struct transport_loop *l, struct handshake_wait *w)
{
    list_remove(&w->node);
    if (w->overdue)
        l->handshakes->overdue_n--;
    w->overdue = false;
}

/* ---- Life ---- */

void transport_loop_open(struct transport_loop *l)
{
    l->handshakes = mem_alloc(sizeof(*l->handshakes));
    handshake_queue_init(&l->handshakes->queue);
    uv_idle_init(l->uv, &l->handshakes->idle);
    uv_timer_init(l->uv, &l->handshakes->patience);
    list_init(&l->handshakes->waiting);
    list_init(&l->handshakes->overdue);
    l->handshakes->idle.data = l->handshakes->patience.data = l->handshakes;
    l->handshakes->handles = 2;
}

static void on_closed(uv_handle_t *handle)
{
    struct handshakes *h = handle->data;
    if (--h->handles == 0)
        mem_free(h);
}

void transport_loop_close(struct transport_loop *l)
{
    assert(handshake_queue_empty(&l->handshakes->queue));
    assert(list_empty(&l->handshakes->waiting) && l->handshakes->overdue_n == 0);
    uv_close((uv_handle_t *)&l->handshakes->idle, on_closed);
    uv_close((uv_handle_t *)&l->handshakes->patience, on_closed);
    l->handshakes = NULL;
}
