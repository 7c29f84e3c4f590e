/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Signals: one thread hears them, the one that runs loop 0.
 *
 *   SIGTERM, SIGINT   stop; a second one kills, as the system does by itself: the first gives the signals back to it
 *   SIGHUP            reads the configuration and its files again
 *   SIGUSR1           opens the log file again, and has some figures written there
 *   SIGPIPE           ignored
 */
#pragma once

#include <uv.h>

#define SIGNALS_N 4

struct signal_calls {
    void (*stop)(void *ctx);
    void (*reload)(void *ctx);
    void (*report)(void *ctx);
};

struct signals {
    uv_signal_t handles[SIGNALS_N];
    unsigned open;
    struct signal_calls calls;
    void *ctx;
};

/* Before the first thread is started: new threads hear none of the above. */
void signals_block(void);
/* Hears them on this loop, and lets them in on this thread, which must be the one that will run the loop. 0 or a libuv
 * error. calls is copied. */
int signals_start(struct signals *s, uv_loop_t *uv, const struct signal_calls *calls, void *ctx);
/* Closes the handles; the loop must run once more. */
void signals_close(struct signals *s);
