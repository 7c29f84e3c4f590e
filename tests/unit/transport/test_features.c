/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of what wolfSSL was built with, held against what wolfSSL does. */
#include "harness.h"

#include <wolfssl/wolfcrypt/asn_public.h>

#include "sotto/transport/tls_features.h"

static void every_feature_is_in_one_list(void **state)
{
    (void)state;
    char with[512], without[512];
    tls_features_list(true, with, sizeof(with));
    tls_features_list(false, without, sizeof(without));
    size_t length = strlen(with) + strlen(without);
    for (enum tls_feature f = 0; f < TLS_FEATURES; f++) {
        assert_true(strlen(tls_feature_name(f)) > 1);
        assert_non_null(strstr(tls_has(f) ? with : without, tls_feature_name(f)));
        length -= strlen(tls_feature_name(f));
    }
    /* What is left is ", " between them, so nothing stands in both. */
    assert_true(length <= 2 * (TLS_FEATURES - 1));
    char small[8];
    tls_features_list(true, small, sizeof(small));
    assert_int_equal(strlen(small), sizeof(small) - 1);
    assert_memory_equal(small, with, sizeof(small) - 1);
}

static void what_is_missing_is_refused_by_name(void **state)
{
    (void)state;
    for (enum tls_feature f = 0; f < TLS_FEATURES; f++) {
        char err[512] = "untouched";
        assert_int_equal(tls_feature_need(f, "tls_thing", err, sizeof(err)), tls_has(f));
        if (tls_has(f)) {
            assert_string_equal(err, "untouched");
            continue;
        }
        assert_memory_equal(err, "tls_thing needs ", 16);
        assert_non_null(strstr(err, tls_feature_name(f)));
        assert_non_null(strstr(err, tls_library()));
        assert_non_null(strstr(err, "scripts/build-wolfssl"));
    }
}

static bool takes_suite(const char *name)
{
    WOLFSSL_CTX *c = wolfSSL_CTX_new(wolfTLSv1_2_server_method());
    bool ok = wolfSSL_CTX_set_cipher_list(c, name) == WOLFSSL_SUCCESS;
    wolfSSL_CTX_free(c);
    return ok;
}

static void suites_of_shared_keys(void **state)
{
    (void)state;
    assert_int_equal(takes_suite("PSK-AES128-GCM-SHA256"), tls_has(TLS_FEATURE_STATIC_PSK));
    assert_int_equal(takes_suite("ECDHE-PSK-CHACHA20-POLY1305"), tls_has(TLS_FEATURE_PSK));
}

/* A key that openssl has locked in the old way: DES3 by MD5 of the passphrase. */
static void keys_of_old_tutorials(void **state)
{
    (void)state;
    static const char make[] = "openssl genrsa -traditional -des3 -passout pass:sesame 2048 2>/dev/null";
    char pem[8192];
    unsigned char der[4096];
    FILE *f = popen(make, "r");
    size_t n = fread(pem, 1, sizeof(pem) - 1, f);
    pem[n] = '\0';
    if (pclose(f) != 0 || strstr(pem, "Proc-Type: 4,ENCRYPTED") == NULL)
        skip();
    int size = wc_KeyPemToDer((const unsigned char *)pem, (int)n, der, sizeof(der), "sesame");
    assert_int_equal(size > 0, tls_has(TLS_FEATURE_OLD_KEYS));
    assert_true(size <= 0 || der[0] == 0x30);
}

/* A client refuses our certificate. What OpenSSL says of it in TLS 1.3, not encrypted, only newer wolfSSL understands;
 * others are helped, see tls.c. */
static void alerts_of_clients_that_refuse_us(void **state)
{
    (void)state;
    static struct loop_rig rig;
    if (system("openssl version >/dev/null 2>&1") != 0)
        skip();
    rig_init(&rig);
    for (int v = 2; v <= 3; v++) {
        struct side s;
        unsigned port;
        int listener = listen_on_loopback(&port);
        char command[256];
        snprintf(command, sizeof(command),
                 "openssl s_client -connect 127.0.0.1:%u -verify_return_error -tls1_%d </dev/null >/dev/null 2>&1",
                 port, v);
        FILE *client = popen(command, "r");
        side_accept(&s, &rig, context(true, TLS_1_2, TLS_1_3, NULL), listener);
        for (int n = 0; n < 5000 && !s.ended; n++) {
            rig_turns(&rig, 1);
            usleep(1000);
        }
        pclose(client);
        assert_int_equal(s.ended, 1);
        assert_non_null(strstr(s.why, "the client sent the TLS alert \"unknown CA\""));
        side_close(&s);
    }
    rig_fini(&rig);
}

/* wolfSSL's client offers the hybrid group by itself, where it can: it is agreed on without another round. */
static void the_hybrid_group_is_taken(void **state)
{
    (void)state;
    static struct loop_rig rig;
    if (!tls_has(TLS_FEATURE_ML_KEM))
        skip();
    rig_init(&rig);
    struct side s;
    struct peer p;
    int fd = side_open(&s, &rig, context(true, TLS_1_2, TLS_1_3, NULL), false);
    peer_open(&p, fd, wolfTLSv1_3_client_method(), NULL, NULL);
    shake(&s, &p);
    assert_true(p.connected);
    assert_string_equal(wolfSSL_get_curve_name(p.ssl), "X25519MLKEM768");
    peer_close(&p);
    side_close(&s);
    rig_fini(&rig);
}

static void the_library_is_named(void **state)
{
    (void)state;
    const char *name = tls_library();
    assert_memory_equal(name, "wolfSSL " LIBWOLFSSL_VERSION_STRING " (", strlen(LIBWOLFSSL_VERSION_STRING) + 10);
    assert_non_null(strstr(name, tls_has(TLS_FEATURE_ASSEMBLY) ? "with assembly" : "no assembly"));
    /* A wolfSSL with assembly of its own is not helped by nettle, and ours has all that ours is made for. */
    if (tls_has(TLS_FEATURE_ASSEMBLY))
        assert_null(strstr(name, "nettle"));
    if (strstr(name, "tuned") != NULL) {
        for (enum tls_feature f = 0; f <= TLS_FEATURE_EXTRA_ALERTS; f++)
            assert_true(tls_has(f));
    }
}

static int start(void **state)
{
    (void)state;
    return tls_init();
}

static int stop(void **state)
{
    int rc = certs_remove(state);
    tls_fini();
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_feature_is_in_one_list),
        cmocka_unit_test(what_is_missing_is_refused_by_name),
        cmocka_unit_test(suites_of_shared_keys),
        cmocka_unit_test(keys_of_old_tutorials),
        cmocka_unit_test(alerts_of_clients_that_refuse_us),
        cmocka_unit_test(the_hybrid_group_is_taken),
        cmocka_unit_test(the_library_is_named),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
