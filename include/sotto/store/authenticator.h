/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Checks credentials without ever stopping a loop: password hashes are computed by a few threads of
 * its own, (cores+1)/2 of them, from a bounded queue. A verified pair of name and password is remembered as a keyed
 * hash, and equal pairs in progress share one computation, so that a storm of reconnecting devices
 * pays for Argon2 once. An unknown user costs the same time as a wrong password.
 */
#pragma once

#include "sotto/core/shard.h"
#include "sotto/store/users.h"

struct authenticator;

/* threads 0: (cores + 1) / 2. Takes users over. */
struct authenticator *authenticator_new(struct users *users, unsigned threads);
/* Ends the threads; checks in progress are answered with REASON_SERVER_UNAVAILABLE first. */
void authenticator_free(struct authenticator *a);

/* reason: REASON_SUCCESS with a reference to rights (taken over by the callee), REASON_BAD_USER_NAME_OR_PASSWORD,
 * REASON_NOT_AUTHORIZED (none given and not allowed), REASON_SERVER_BUSY (queue full). */
typedef void (*auth_answer)(void *arg, uint64_t tag, enum reason reason, struct rights *rights);

/* Any thread. Copies what it needs. True: answered already (answer was called before the return, on this thread:
 * anonymous, remembered pair, queue full); false: answer will be called later, once, on one of its threads. arg and tag
 * are passed through. */
bool authenticator_check(struct authenticator *a, const struct auth_request *r, auth_answer answer, void *arg,
                         uint64_t tag);
/* The users it checks by now: a reference for the caller. Any thread. */
struct users *authenticator_users(struct authenticator *a);
/* Checks by these from now on, and takes them over; checks in progress are answered by those before. Any thread. */
void authenticator_replace(struct authenticator *a, struct users *users);
/* Password hashes computed so far: what equal cost and sharing are tested by. Any thread. */
uint64_t authenticator_hashes(const struct authenticator *a);
