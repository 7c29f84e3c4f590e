/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* Another program, with its standard output and error in one file. */
struct program {
    pid_t pid;
    char output_path[64];
    int input;    /* its standard input while that is open, or -1 */
    int status;   /* exit status once it has ended; 128 + signal where that ended it */
    char *output; /* all it has written, with a NUL behind it, once it has ended */
};

/* Is there such a program on the PATH? Tests of foreign clients skip without. */
bool program_exists(const char *name);
/* Skips the running test where there is none. */
void program_need(const char *name);
/*
 * A client program of ours (tests/e2e/clients), built beside this test: its path, good until the next call; NULL where
 * it was not built, for want of its library.
 */
const char *program_of_ours(const char *name);
/* The same; skips the running test where there is none. */
const char *program_of_ours_need(const char *name);
/* Starts argv (NULL at the end); input is its whole standard input, or NULL for none. */
void program_start(struct program *p, const char *input, const char *const argv[]);
/* The same, but its input has no end as long as it runs: for those who leave at the end, whatever they have heard. */
void program_start_open(struct program *p, const char *input, const char *const argv[]);
/* Waits until it has written the text; fails the test when its time is over. */
void program_expect(struct program *p, const char *text);
/* Waits until it ends; kills it and fails the test when its time is over. */
void program_wait(struct program *p);
/* Ends it with SIGTERM if it still runs, and frees what it holds. */
void program_fini(struct program *p);
/* Starts, waits, and fails the test unless the status is the expected one. The caller calls program_fini. */
void program_run(struct program *p, int expected_status, const char *input, const char *const argv[]);

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})
