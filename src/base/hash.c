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

static inline uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 m = (unsigned __int128)a * b;
    return (a ^ (uint64_t)m) ^ (b ^ (uint64_t)(m >> 64));
}

static inline uint64_t load64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

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

uint64_t hash_bytes(const struct hash_key *k, struct bytes in)
{
    const uint8_t *p = in.p;
    size_t n = in.n;
    uint64_t seed = k->k[0];
    uint64_t a = 0, b = 0;
    if (n > 16) {
        size_t left = n;
        uint64_t other = seed;
        for (; left > 32; left -= 32, p += 32) {
            seed = fold(load64(p) ^ k->k[1], load64(p + 8) ^ seed);
            other = fold(load64(p + 16) ^ k->k[2], load64(p + 24) ^ other);
        }
        seed ^= other ^ k->k[0];
        if (left > 16)
            seed = fold(load64(p) ^ k->k[1], load64(p + 8) ^ seed);
        a = load64(in.p + n - 16);
        b = load64(in.p + n - 8);
    } else if (n >= 8) {
        a = load64(p);
        b = load64(p + n - 8);
    } else if (n >= 4) {
        a = load32(p);
        b = load32(p + n - 4);
    } else if (n > 0) {
        a = (uint64_t)p[0] << 16 | (uint64_t)p[n >> 1] << 8 | p[n - 1];
    }
    return fold(k->k[3] ^ n, fold(a ^ k->k[2], b ^ seed));
}
