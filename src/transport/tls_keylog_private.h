/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "sotto/transport/tls_keylog.h"
#include "tls_private.h"

/* A new connection, before its handshake. k outlives it. */
void tls_keylog_begin(struct tls_keylog *k, WOLFSSL *ssl);
/* Its handshake is done: what was kept for the log is freed. */
void tls_keylog_end(WOLFSSL *ssl);
