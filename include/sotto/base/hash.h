/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A keyed 64-bit hash for tables whose keys come from peers: nobody outside
 * can choose keys that collide, because the key is drawn once per process.
 * Fast on short strings (topics, client ids). Not for authentication.
 */
#pragma once

#include "sotto/base/bytes.h"

struct hash_key {
    uint64_t k[4];
};

/* Draws a key from the system's random source; aborts where there is none. */
void hash_key_draw(struct hash_key *k);
uint64_t hash_bytes(const struct hash_key *k, struct bytes b);
