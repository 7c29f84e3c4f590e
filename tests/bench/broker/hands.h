/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BENCH_HANDS_H
#define BENCH_HANDS_H

#include "options.h"
#include "report.h"

/*
 * Clients that come and go: TCP, TLS handshake, CONNECT, CONNACK, DISCONNECT, `count` times, up to `concurrent` at
 * once. With `resume` each takes up the TLS session of a client that was there before. False where the handshakes were
 * not of the kind that was asked for.
 */
bool hands_run(const struct options *options, struct report *report);

#endif
