/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BENCH_FAIL_H
#define BENCH_FAIL_H

/* How the program ends; see --help. */
enum fail_status {
    FAIL_NONE,       /* every check held */
    FAIL_CHECK,      /* the run ended, a check did not hold: "ok" is false */
    FAIL_USAGE,      /* wrong arguments */
    FAIL_CONNECTION, /* no connection, a connection lost, a packet that makes no sense, or no progress */
};

/* Says in one line on standard error what is wrong, and ends the program. */
_Noreturn void fail(enum fail_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Zeroed memory; ends the program where there is none. Never called for a message. */
void *fail_alloc(unsigned long count, unsigned long size);

#endif
