/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "sotto/base/list.h"
#include "sotto/transport/transport.h"

/* Queues a connection for tls_take_turn, from the next turn of the loop on; node: in no list. begun: its handshake
 * is. To take it out: list_remove. */
void handshakes_add(struct transport_loop *l, struct list *node, bool begun);
