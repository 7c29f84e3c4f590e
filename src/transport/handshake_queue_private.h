/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Connections that want to go on with their TLS handshake, and how much of that is done at a time.
 *
 * Two FIFOs. Who is half through comes before who begins: of what would be too much for the processor, some at least is
 * brought to its end, instead of all being begun and timing out. But every fourth place is a beginner's, so that
 * nobody who sends his handshake in a thousand small pieces keeps the others out.
 *
 * A beginner may find that too many have begun already, everywhere. Then all beginners wait, in their order and at no
 * cost, until somebody says that it is worth another try.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sotto/base/list.h"

#define HANDSHAKE_BUDGET_NS (UINT64_C(5) * 1000 * 1000)

struct handshake_queue {
    struct list begun, fresh;
    unsigned in_a_row; /* taken from `begun` while others waited in `fresh` */
    bool blocked;      /* `fresh` waits for handshake_queue_unblock */
};

void handshake_queue_init(struct handshake_queue *q);
/* node: in no list. begun: its handshake is. */
void handshake_queue_add(struct handshake_queue *q, struct list *node, bool begun);
bool handshake_queue_empty(const struct handshake_queue *q);
/* Nobody is in it who could be served now. */
bool handshake_queue_idle(const struct handshake_queue *q);
void handshake_queue_unblock(struct handshake_queue *q);
/*
 * Takes out one after the other and calls step for it, until the queue is idle or HANDSHAKE_BUDGET_NS are used by
 * `clock` (ns, monotonic); what was begun is finished. step may add nodes (also its own) and take others out. Where it
 * says false, a fresh one may not begin: it stays the first of `fresh`, which is blocked.
 */
void handshake_queue_run(struct handshake_queue *q, uint64_t (*clock)(void), bool (*step)(struct list *node));
