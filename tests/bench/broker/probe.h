/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BENCH_PROBE_H
#define BENCH_PROBE_H

#include <stdint.h>

/* What the broker and this program have used so far. */
struct probe {
    uint64_t time;       /* monotonic clock, ns */
    uint64_t broker_cpu; /* CPU time of all its threads, ns; 0 without --pid */
    uint64_t broker_rss; /* resident bytes */
    uint64_t own_cpu;    /* ns */
};

/* The monotonic clock, ns. */
uint64_t probe_clock(void);

/* Takes all figures now. pid 0: of this program only. Ends the program where there is no such process. */
void probe_take(struct probe *probe, long pid);

#endif
