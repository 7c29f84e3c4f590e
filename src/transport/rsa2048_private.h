/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The private operation of RSA-2048 with the AVX-512 IFMA instructions of x86-64, for processors that have them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Bytes of the modulus, and of each prime and what goes with it. */
#define RSA2048_SIZE 256
#define RSA2048_HALF 128

/* A private key as in PKCS#1 (RFC 8017, 3.2, second form); numbers have their most significant byte first. */
struct rsa2048_key {
    uint8_t p[RSA2048_HALF], q[RSA2048_HALF];
    uint8_t dp[RSA2048_HALF], dq[RSA2048_HALF]; /* exponents modulo p - 1 and q - 1 */
    uint8_t qinv[RSA2048_HALF];                 /* inverse of q modulo p */
};

/* Does this processor, with its system, have the instructions, and this program code for them? Constant. */
bool rsa2048_able(void);

/* out = in to the private exponent, modulo p * q; in is smaller than that. in and out may be the same. The time and the
 * memory that are touched depend on none of the numbers. Only where rsa2048_able(). False, with nothing written, for
 * primes that are even or don't have exactly 1,024 bits. The caller wipes the key, and verifies what it publishes: a
 * wrong result (a broken processor, a key that is no key) gives the primes away. */
bool rsa2048_private(const struct rsa2048_key *key, const uint8_t in[RSA2048_SIZE], uint8_t out[RSA2048_SIZE]);
