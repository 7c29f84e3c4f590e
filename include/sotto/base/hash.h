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

/* The general half of hash_bytes; not for others. */
uint64_t hash_bytes_any(const struct hash_key *k, struct bytes b);

static inline uint64_t hash_fold(uint64_t a, uint64_t b)
{
    unsigned __int128 m = (unsigned __int128)a * b;
    return (a ^ (uint64_t)m) ^ (b ^ (uint64_t)(m >> 64));
}

static inline uint64_t hash_load64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

/* The last step of all lengths. seed: what the bytes before a and b came to, or k->k[0]. */
static inline uint64_t hash_end(const struct hash_key *k, size_t n, uint64_t seed, uint64_t a, uint64_t b)
{
    return hash_fold(k->k[3] ^ n, hash_fold(a ^ k->k[2], b ^ seed));
}

/* The usual topic, level and client id are two words that may overlap. */
static inline uint64_t hash_bytes(const struct hash_key *k, struct bytes b)
{
    if (b.n < 8 || b.n > 16)
        return hash_bytes_any(k, b);
    return hash_end(k, b.n, k->k[0], hash_load64(b.p), hash_load64(b.p + b.n - 8));
}
