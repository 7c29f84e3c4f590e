/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Signals: one thread hears them, the one that runs loop 0.
 *
 *   SIGTERM, SIGINT   stop; a second one kills, as the system does by itself: the first gives the signals back to it
 *   SIGHUP            said to be not there
 *   SIGUSR1           opens the log file again, and has some figures written there
 *   SIGPIPE           ignored
 */
#pragma once

#include <uv.h>

#define SIGNALS_N 4

struct signals {
    uv_signal_t handles[SIGNALS_N];
    unsigned open;
    void (*stop)(void *ctx);
    void (*report)(void *ctx);
    void *ctx;
};

/* Before the first thread is started: new threads hear none of the above. */
void signals_block(void);
/* Hears them on this loop, and lets them in on this thread, which must be the one that will run the loop. 0 or a libuv
 * error. */
int signals_start(struct signals *s, uv_loop_t *uv, void (*stop)(void *ctx), void (*report)(void *ctx), void *ctx);
/* Closes the handles; the loop must run once more. */
void signals_close(struct signals *s);
