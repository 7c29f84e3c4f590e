/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "sotto/store/scram_verifier.h"

/* HMAC-SHA-256 of the parts, one behind the other. False when it can't be computed: then out is random, and equals
 * nothing. */
bool scram_hmac(const uint8_t key[SCRAM_KEY_SIZE], const struct bytes *parts, size_t n, uint8_t out[SCRAM_KEY_SIZE]);
/* SHA-256 of a key, likewise. */
bool scram_hash(const uint8_t key[SCRAM_KEY_SIZE], uint8_t out[SCRAM_KEY_SIZE]);
