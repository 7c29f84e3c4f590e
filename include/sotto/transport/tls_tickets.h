/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The keys that session tickets are sealed with: one ring for all listeners and loops, kept in a file, so that a
 * restart is not ten thousand full handshakes.
 *
 * The newest key seals; it is followed by another after its lifetime, and opens what it has sealed for as long again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TICKET_KEYS_MAX 4u
#define TICKET_KEY_ID 8u

struct tls_tickets;

/* lifetime: seconds that a key seals, over 0. Never NULL. There is no key before tls_tickets_open. */
struct tls_tickets *tls_tickets_new(uint32_t lifetime);
/*
 * Reads the keys, and makes one where there is none that seals. path: the file, made with mode 0600; NULL: in memory
 * only. now: wall clock, seconds. False: the file can't be read or written, and err (one line) says why; the keys live
 * in memory then. Before the first handshake.
 */
bool tls_tickets_open(struct tls_tickets *t, const char *path, uint64_t now, char *err, size_t err_cap);
/* After all contexts that use it. NULL is fine. */
void tls_tickets_free(struct tls_tickets *t);
/* A new key, where the newest has served its time; writes the file, which takes its time: not on a loop's thread. Any
 * thread but one at a time. False: err says why the file was not written; the new key serves all the same. */
bool tls_tickets_rotate(struct tls_tickets *t, uint64_t now, char *err, size_t err_cap);
