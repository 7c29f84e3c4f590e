/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The private operation of RSA-2048 by another library, where that is quicker than wolfSSL's. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Bytes of the modulus, and of each prime and what goes with it; of a public exponent, at most. */
#define RSA2048_SIZE 256
#define RSA2048_HALF 128
#define RSA2048_PUBLIC 8

/* A private key as in PKCS#1 (RFC 8017, 3.2, both forms); numbers have their most significant byte first. */
struct rsa2048_key {
    uint8_t n[RSA2048_SIZE], d[RSA2048_SIZE], e[RSA2048_PUBLIC];
    uint8_t p[RSA2048_HALF], q[RSA2048_HALF];
    uint8_t dp[RSA2048_HALF], dq[RSA2048_HALF]; /* exponents modulo p - 1 and q - 1 */
    uint8_t qinv[RSA2048_HALF];                 /* inverse of q modulo p */
};

/* Before threads start: looks whether this processor makes the other library the quicker one. Constant from then on. */
bool rsa2048_able(void);

/* out = in to the power of d, modulo n; in is smaller than that. in and out may be the same. Only where rsa2048_able().
 * False: there is no memory, or the key is none; out has no meaning then. The caller wipes the key. */
bool rsa2048_private(const struct rsa2048_key *key, const uint8_t in[RSA2048_SIZE], uint8_t out[RSA2048_SIZE]);
