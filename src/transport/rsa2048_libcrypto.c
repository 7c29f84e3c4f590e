/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * RSA-2048 by OpenSSL's libcrypto, which has code for the AVX-512 IFMA instructions: a signature takes 260 us with
 * them, where wolfSSL, that makes no use of them, takes 490. Without them both are alike, and this stays unused.
 *
 * The key is made anew for each signature: that costs some microseconds, and leaves nothing behind that would have to
 * be found again, locked or reloaded. There is no blinding, which would cost as much as the signature with a key that
 * is used once; wolfSSL's own code has none either: the powers take a time that doesn't depend on the numbers.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* one operation, without what the later interface looks up and allocates for it   \
                                     */
#include <openssl/crypto.h>
#include <openssl/rsa.h>

#include "rsa2048_private.h"

bool rsa2048_able(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512ifma") &&
           OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1;
}

/* NULL without memory. */
static BIGNUM *number(const uint8_t *bytes, int size)
{
    BIGNUM *n = BN_secure_new();
    if (n == NULL || BN_bin2bn(bytes, size, n) == NULL) {
        BN_clear_free(n);
        return NULL;
    }
    BN_set_flags(n, BN_FLG_CONSTTIME);
    return n;
}

enum { N, E, D, P, Q, DP, DQ, QINV, NUMBERS };

/* Takes the numbers over, all or none. */
static bool fill(RSA *rsa, BIGNUM *const n[NUMBERS])
{
    for (int i = 0; i < NUMBERS; i++) {
        if (n[i] == NULL)
            return false;
    }
    /* With numbers that are there these can't fail. */
    return RSA_set0_key(rsa, n[N], n[E], n[D]) == 1 && RSA_set0_factors(rsa, n[P], n[Q]) == 1 &&
           RSA_set0_crt_params(rsa, n[DP], n[DQ], n[QINV]) == 1;
}

/* NULL without memory. */
static RSA *make(const struct rsa2048_key *k)
{
    BIGNUM *n[NUMBERS] = {[N] = number(k->n, sizeof(k->n)),    [E] = number(k->e, sizeof(k->e)),
                          [D] = number(k->d, sizeof(k->d)),    [P] = number(k->p, sizeof(k->p)),
                          [Q] = number(k->q, sizeof(k->q)),    [DP] = number(k->dp, sizeof(k->dp)),
                          [DQ] = number(k->dq, sizeof(k->dq)), [QINV] = number(k->qinv, sizeof(k->qinv))};
    RSA *rsa = RSA_new();
    if (rsa != NULL && fill(rsa, n)) {
        RSA_set_flags(rsa, RSA_FLAG_NO_BLINDING);
        return rsa;
    }
    for (int i = 0; i < NUMBERS; i++)
        BN_clear_free(n[i]);
    RSA_free(rsa);
    return NULL;
}

bool rsa2048_private(const struct rsa2048_key *key, const uint8_t in[RSA2048_SIZE], uint8_t out[RSA2048_SIZE])
{
    RSA *rsa = make(key);
    if (rsa == NULL)
        return false;
    int n = RSA_private_encrypt(RSA2048_SIZE, in, out, rsa, RSA_NO_PADDING);
    RSA_free(rsa);
    return n == RSA2048_SIZE;
}
