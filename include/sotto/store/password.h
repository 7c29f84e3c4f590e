/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Password hashes: Argon2id (written and read), and what mosquitto's password files hold:
 * $7$ (PBKDF2-SHA512) and $6$ (one round of salted SHA-512).
 */
#pragma once

#include "sotto/base/bytes.h"

#define PASSWORD_HASH_MAX 256

/* A fresh "$argon2id$v=19$m=19456,t=2,p=1$..." of the password, with a random salt. False without memory. */
bool password_hash(struct bytes password, char out[PASSWORD_HASH_MAX]);
/* NULL when the text is a hash that password_verify can check; else why not. Bounds cost too (memory, rounds). */
const char *password_hash_fault(const char *hash);
/* Slow on purpose: never on a loop. Constant-time compare. hash NULL: does the work of a good hash and returns false
 * (unknown user). */
bool password_verify(struct bytes password, const char *hash);
