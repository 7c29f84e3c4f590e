/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Multiply and fold: two 64-bit words, each mixed with a secret, are multiplied
 * to 128 bits, and the halves are xored. A bare product forgets one operand when the
 * other is zero; here the operands are xored into the result as well, so no
 * choice of input makes the rest of the input disappear.
 *
 * Long inputs go 32 bytes a step in two lanes that don't wait for each other; the
 * last 16 bytes are read overlapping, so there is no loop over single bytes.
 */
#include "sotto/base/hash.h"

#include "sotto/base/random.h"

static inline uint64_t load32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

void hash_key_draw(struct hash_key *k)
{
    random_bytes(k->k, sizeof(k->k));
}

static uint64_t hash_long(const struct hash_key *k, struct bytes in)
{
    const uint8_t *p = in.p;
    size_t left = in.n;
    uint64_t seed = k->k[0], other = seed;
    for (; left > 32; left -= 32, p += 32) {
        seed = hash_fold(hash_load64(p) ^ k->k[1], hash_load64(p + 8) ^ seed);
        other = hash_fold(hash_load64(p + 16) ^ k->k[2], hash_load64(p + 24) ^ other);
    }
    seed ^= other ^ k->k[0];
    if (left > 16)
        seed = hash_fold(hash_load64(p) ^ k->k[1], hash_load64(p + 8) ^ seed);
    return hash_end(k, in.n, seed, hash_load64(in.p + in.n - 16), hash_load64(in.p + in.n - 8));
}

uint64_t hash_bytes_any(const struct hash_key *k, struct bytes in)
{
    const uint8_t *p = in.p;
    size_t n = in.n;
    if (n > 16)
        return hash_long(k, in);
    if (n >= 8)
        return hash_bytes(k, in);
    if (n >= 4)
        return hash_end(k, n, k->k[0], load32(p), load32(p + n - 4));
    uint64_t few = n > 0 ? (uint64_t)p[0] << 16 | (uint64_t)p[n >> 1] << 8 | p[n - 1] : 0;
    return hash_end(k, n, k->k[0], few, 0);
}
