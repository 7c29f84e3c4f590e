/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Memory. Sizes that we choose: mem_alloc, which aborts when there is none.
 * Sizes that a peer chooses: mem_try_alloc, which returns NULL, and the caller
 * refuses what the peer asked for. Everything from here goes back by mem_free.
 *
 * One bound for all: above it nothing more is had by mem_try_*. So that those who are connected can go on, and take
 * what waits for them, the last eighth is for what passes: who wants to keep something asks mem_short first.
 *
 *   0                                            7/8              bound
 *   |----------- kept and passing ---------------|--- passing ------|  refused
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* n zeroed bytes (n may be 0); never NULL. */
void *mem_alloc(size_t n);
/* n zeroed bytes, or NULL. */
void *mem_try_alloc(size_t n);
/* realloc of a block from here (or NULL); the added part is not zeroed. NULL when there is no memory: p stays valid. */
void *mem_try_realloc(void *p, size_t n);
/* The same, but aborts when there is no memory. */
void *mem_realloc(void *p, size_t n);
/* A copy of n bytes with a zero byte behind it; aborts when there is no memory. */
char *mem_strndup(const void *p, size_t n);
/* NULL is fine. */
void mem_free(void *p);

/* For tests: the n-th mem_try_* call from now on fails (1 = the next), once; 0 switches it off. Per thread. */
void mem_fail_at(unsigned n);
/* Bytes handed out by this module and not returned, over all threads (usable sizes; off by at most 64 KiB per
 * other thread that has used the module; exact where only the caller has). */
size_t mem_in_use(void);

/* The bound, in bytes as mem_in_use counts them; 0, as at first: none. What is over it already stays. Any thread. */
void mem_set_limit(uint64_t bytes);
/* True: nothing more should be taken in that stays (a queued or retained message, a session, a subscription). */
bool mem_short(void);
