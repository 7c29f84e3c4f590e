/* SPDX-License-Identifier: GPL-3.0-or-later */
/* RSA-2048 by libcrypto, through the device that contexts use, held against wolfSSL's. */
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

/* A key that is none gives false or nonsense, which wolfSSL would find when it verifies: no more is asked. */
static void nonsense_does_no_harm(void **state)
{
    (void)state;
    if (!rsa2048_able())
        skip();
    for (unsigned i = 0; i < 50; i++) {
        struct rsa2048_key k;
        uint8_t in[RSA2048_SIZE], out[RSA2048_SIZE];
        random_bytes((uint8_t *)&k, sizeof(k));
        random_bytes(in, sizeof(in));
        if (i % 5 == 1)
            memset(k.p, 0, sizeof(k.p));
        else if (i % 5 == 2)
            memset(&k, 0, sizeof(k));
        else if (i % 5 == 3)
            memset(&k, 0xff, sizeof(k));
        else if (i % 5 == 4)
            k.n[RSA2048_SIZE - 1] &= 0xfe;
        rsa2048_private(&k, in, out);
    }
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
        cmocka_unit_test(nonsense_does_no_harm),
        IN_FOLDER(signatures_are_as_wolfssl_makes_them),
        IN_FOLDER(other_sizes_are_wolfssls),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
