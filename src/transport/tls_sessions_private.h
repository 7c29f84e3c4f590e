/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sessions of TLS 1.2 clients that know no tickets, by the ids that they were given: small devices, above all (BearSSL,
 * mbedTLS without tickets). Kept in memory only, so a restart forgets them; a bounded number, the oldest go first.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SESSION_ID 32u
#define SESSION_POLICY 32u
#define SESSION_BYTES_MAX 512u

struct tls_sessions;

/* most: that are kept, over 0. */
struct tls_sessions *tls_sessions_new(size_t most);
/* NULL is fine. */
void tls_sessions_free(struct tls_sessions *s);
/* Keeps n bytes (SESSION_BYTES_MAX at most, else nothing is kept) for whoever comes to a listener of this policy with
 * this id before `expires`, in seconds. Any thread. */
void tls_sessions_put(struct tls_sessions *s, const uint8_t policy[SESSION_POLICY], const uint8_t id[SESSION_ID],
                      const uint8_t *p, size_t n, uint64_t expires);
/*
 * Copies what was kept and returns its size; 0: there is nothing (any more). Each call counts as a resumption, up to
 * `limit` of them, of which this is the *resumptions-th. Any thread.
 */
size_t tls_sessions_take_up(struct tls_sessions *s, const uint8_t policy[SESSION_POLICY], const uint8_t id[SESSION_ID],
                            uint64_t now, uint8_t limit, uint8_t out[SESSION_BYTES_MAX], uint8_t *resumptions);
size_t tls_sessions_count(struct tls_sessions *s);
