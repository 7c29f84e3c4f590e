/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The server's keys for TLS session tickets: one ring for all listeners, kept in the data directory, looked after by a
 * timer of loop 0. */
#pragma once

#include <uv.h>

#include "sotto/server/config.h"
#include "sotto/transport/tls_tickets.h"

struct ticket_keys;

/* NULL where no listener gives tickets. config must outlive it. */
struct ticket_keys *ticket_keys_new(const struct config *config);
/* For the listeners' contexts; without keys until ticket_keys_attach. NULL is fine. */
struct tls_tickets *ticket_keys_ring(struct ticket_keys *k);
/* As the user that the broker runs as, before the loops run: reads the file or makes it. 0 or a libuv error. NULL is
 * fine, here and below. */
int ticket_keys_attach(struct ticket_keys *k, uv_loop_t *uv);
/* Before the loop is closed. */
void ticket_keys_close(struct ticket_keys *k);
/* After the loop and all contexts. */
void ticket_keys_free(struct ticket_keys *k);
