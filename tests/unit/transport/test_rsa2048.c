/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * RSA-2048 by AVX-512 IFMA, held against wolfSSL: its powers modulo p and q, which need no primes for that, so that the
 * moduli can be such as try the carries most; and its signatures with real keys, through the device that contexts use.
 */
#include "folder.h"

#include <wolfssl/wolfcrypt/random.h>
#include <wolfssl/wolfcrypt/rsa.h>

#include "../../../src/transport/rsa2048_private.h"
#include "../../../src/transport/tls_device_private.h"

static WC_RNG rng;

static void random_bytes(uint8_t *to, size_t n)
{
    assert_int_equal(wc_RNG_GenerateBlock(&rng, to, (word32)n), 0);
}

static void read_number(mp_int *n, const uint8_t *from, size_t size)
{
    assert_int_equal(mp_init(n), 0);
    assert_int_equal(mp_read_unsigned_bin(n, from, (int)size), 0);
}

/* qinv; false when p and q have a divisor in common. */
static bool complete(struct rsa2048_key *k)
{
    mp_int p, q;
    read_number(&p, k->p, RSA2048_HALF);
    read_number(&q, k->q, RSA2048_HALF);
    return mp_mod(&q, &p, &q) == 0 && mp_invmod(&q, &p, &q) == 0 &&
           mp_to_unsigned_bin_len(&q, k->qinv, RSA2048_HALF) == 0;
}

/* Is out the same as in to the power of exponent, modulo m? in is no multiple of m, or the exponent is not 0. */
static void expect_power(const uint8_t *out, const uint8_t *in, const uint8_t *exponent, const uint8_t *m)
{
    mp_int modulus, e, base, is;
    read_number(&modulus, m, RSA2048_HALF);
    read_number(&e, exponent, RSA2048_HALF);
    read_number(&base, in, RSA2048_SIZE);
    read_number(&is, out, RSA2048_SIZE);
    assert_int_equal(mp_mod(&base, &modulus, &base), 0);
    assert_int_equal(mp_mod(&is, &modulus, &is), 0);
    if (mp_iszero(&base)) {
        assert_true(mp_iszero(&is));
        return;
    }
    assert_int_equal(mp_exptmod(&base, &e, &modulus, &base), 0);
    assert_int_equal(mp_cmp(&base, &is), MP_EQ);
}

static void expect_powers(const struct rsa2048_key *k, const uint8_t in[RSA2048_SIZE])
{
    uint8_t out[RSA2048_SIZE], same[RSA2048_SIZE];
    assert_true(rsa2048_private(k, in, out));
    expect_power(out, in, k->dp, k->p);
    expect_power(out, in, k->dq, k->q);
    mp_int p, q, is;
    read_number(&p, k->p, RSA2048_HALF);
    read_number(&q, k->q, RSA2048_HALF);
    read_number(&is, out, RSA2048_SIZE);
    assert_int_equal(mp_mul(&p, &q, &p), 0);
    assert_int_equal(mp_cmp(&is, &p), MP_LT);
    memcpy(same, in, sizeof(same));
    assert_true(rsa2048_private(k, same, same));
    assert_memory_equal(same, out, sizeof(out));
}

/* Numbers of 1,024 bits with the highest and the lowest set: at random, and by kind with long rows of ones or zeros. */
static void make_modulus(uint8_t m[RSA2048_HALF], unsigned kind)
{
    random_bytes(m, RSA2048_HALF);
    if (kind == 1)
        memset(m, 0xff, RSA2048_HALF);
    else if (kind == 2)
        memset(m, 0, RSA2048_HALF);
    else if (kind == 3)
        memset(m, 0xff, RSA2048_HALF - 9);
    else if (kind == 4)
        memset(m + 5, 0, RSA2048_HALF - 5);
    else if (kind == 5)
        memset(m, 0xff, RSA2048_HALF / 2);
    m[0] |= 0x80;
    m[RSA2048_HALF - 1] |= 1;
}

static void make_exponent(uint8_t e[RSA2048_HALF], unsigned kind)
{
    random_bytes(e, RSA2048_HALF);
    if (kind == 1)
        memset(e, 0xff, RSA2048_HALF);
    else if (kind == 2 || kind == 3)
        memset(e, 0, RSA2048_HALF);
    if (kind == 2)
        e[RSA2048_HALF - 1] = 1;
    if (kind == 3)
        e[0] = 0x80;
}

static void make_input(uint8_t in[RSA2048_SIZE], const struct rsa2048_key *k, unsigned kind)
{
    random_bytes(in, RSA2048_SIZE);
    in[0] &= 0x3f;
    if (kind == 1 || kind == 2 || kind == 3 || kind >= 6)
        memset(in, 0, RSA2048_SIZE);
    if (kind == 2)
        in[RSA2048_SIZE - 1] = 1;
    if (kind == 3)
        memcpy(in + RSA2048_HALF, k->p, RSA2048_HALF);
    if (kind == 4)
        memset(in + 1, 0xff, RSA2048_SIZE - 1);
    if (kind == 5)
        memset(in + 1, 0, RSA2048_SIZE - 1);
    if (kind == 6) { /* one less than p */
        memcpy(in + RSA2048_HALF, k->p, RSA2048_HALF);
        in[RSA2048_SIZE - 1] &= 0xfe;
    }
    if (kind == 7)
        memcpy(in + RSA2048_HALF, k->q, RSA2048_HALF);
}

static void powers_are_as_wolfssl_says(void **state)
{
    (void)state;
    if (!rsa2048_able())
        skip();
    unsigned tried = 0;
    for (unsigned i = 0; i < 6 * 6; i++) {
        struct rsa2048_key k;
        uint8_t in[RSA2048_SIZE];
        make_modulus(k.p, i % 6);
        make_modulus(k.q, i / 6);
        if (!complete(&k))
            continue;
        for (unsigned n = 0; n < 8; n++) {
            make_exponent(k.dp, (i + n) % 4);
            make_exponent(k.dq, (i / 4 + n) % 4);
            make_input(in, &k, n);
            expect_powers(&k, in);
            tried++;
        }
    }
    assert_true(tried > 100);
}

static void what_has_no_such_primes_is_declined(void **state)
{
    (void)state;
    struct rsa2048_key k;
    uint8_t in[RSA2048_SIZE] = {0}, out[RSA2048_SIZE] = "untouched", before[RSA2048_SIZE] = "untouched";
    memset(&k, 0xff, sizeof(k));
    assert_int_equal(rsa2048_private(&k, in, in), rsa2048_able());
    k.p[RSA2048_HALF - 1] = 0xfe;
    assert_false(rsa2048_private(&k, in, out));
    k.p[RSA2048_HALF - 1] = 0xff;
    k.q[0] = 0x7f;
    assert_false(rsa2048_private(&k, in, out));
    assert_memory_equal(out, before, sizeof(out));
}

/* Loaded twice, for the device and for wolfSSL alone. */
static void load_key(RsaKey *k, const char *pem, int device)
{
    static uint8_t der[4096];
    word32 at = 0;
    int n = wc_KeyPemToDer((const uint8_t *)pem, (int)strlen(pem), der, sizeof(der), NULL);
    assert_true(n > 0);
    assert_int_equal(wc_InitRsaKey_ex(k, NULL, device), 0);
    assert_int_equal(wc_RsaPrivateKeyDecode(der, &at, k, (word32)n), 0);
    assert_int_equal(wc_RsaSetRNG(k, &rng), 0);
}

static void signatures_are_as_wolfssl_makes_them(void **state)
{
    struct folder *f = *state;
    static RsaKey ours, theirs;
    if (!rsa2048_able() || tls_device_for_rsa() == INVALID_DEVID)
        skip();
    for (int key = 0; key < 3; key++) {
        uint8_t text[51], mine[RSA2048_SIZE], its[RSA2048_SIZE], *inside;
        assert_true(shell(f, "openssl genrsa -out key.pem 2048 2>&1"));
        char *pem = slurp(in(f, "key.pem"));
        load_key(&ours, pem, tls_device_for_rsa());
        load_key(&theirs, pem, INVALID_DEVID);
        mem_free(pem);
        for (int i = 0; i < 20; i++) {
            random_bytes(text, sizeof(text));
            assert_int_equal(wc_RsaSSL_Sign(text, sizeof(text), mine, sizeof(mine), &ours, &rng), sizeof(mine));
            assert_int_equal(wc_RsaSSL_Sign(text, sizeof(text), its, sizeof(its), &theirs, &rng), sizeof(its));
            assert_memory_equal(mine, its, sizeof(its));
            assert_int_equal(wc_RsaSSL_VerifyInline(mine, sizeof(mine), &inside, &ours), sizeof(text));
            assert_memory_equal(inside, text, sizeof(text));
        }
        wc_FreeRsaKey(&ours);
        wc_FreeRsaKey(&theirs);
    }
}

/* The device takes keys of one size; all others must go on as if it were not there. */
static void other_sizes_are_wolfssls(void **state)
{
    struct folder *f = *state;
    static RsaKey key;
    static const char *const sizes[] = {"1024", "2047", "3072"};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char command[80];
        uint8_t text[51], signature[512], *inside;
        snprintf(command, sizeof(command), "openssl genrsa -out key.pem %s 2>&1", sizes[i]);
        assert_true(shell(f, command));
        char *pem = slurp(in(f, "key.pem"));
        load_key(&key, pem, tls_device_for_rsa());
        mem_free(pem);
        random_bytes(text, sizeof(text));
        int n = wc_RsaSSL_Sign(text, sizeof(text), signature, sizeof(signature), &key, &rng);
        assert_int_equal(n, wc_RsaEncryptSize(&key));
        assert_int_equal(wc_RsaSSL_VerifyInline(signature, (word32)n, &inside, &key), sizeof(text));
        assert_memory_equal(inside, text, sizeof(text));
        wc_FreeRsaKey(&key);
    }
}

static int start(void **state)
{
    (void)state;
    return tls_init() == 0 ? wc_InitRng(&rng) : -1;
}

static int stop(void **state)
{
    (void)state;
    wc_FreeRng(&rng);
    tls_fini();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(powers_are_as_wolfssl_says),
        cmocka_unit_test(what_has_no_such_primes_is_declined),
        IN_FOLDER(signatures_are_as_wolfssl_makes_them),
        IN_FOLDER(other_sizes_are_wolfssls),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
