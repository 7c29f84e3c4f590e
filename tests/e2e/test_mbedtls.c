/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A client with mbedTLS (clients/mbedtls_client.c), the TLS library of ESP32 and of many other small devices. Skipped
 * with status 77 where that program could not be built, because libmbedtls-dev is not installed.
 */
#include "e2e/e2e.h"

static void device(struct broker *b, const char *name, const char *ca_file, const char *how, const char *says)
{
    struct program p;
    char port[8];

    snprintf(port, sizeof port, "%u", b->ports[1]);
    program_run(&p, 0, NULL, ARGV(program_of_ours("mbedtls_client"), name, port, ca_file, how));
    if (strstr(p.output, says) == NULL)
        fail_msg("mbedtls_client wrote:\n%s", p.output);
    program_fini(&p);
}

static void a_device_with_our_ca_talks_over_tls_1_2__MQTT_7_0_0_2(void **state)
{
    struct broker *b = *state;
    device(b, "localhost", broker_path(b, "certs/ca.crt"), "trusting",
           "TLSv1.2, TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256");
    device(b, "127.0.0.1", broker_path(b, "certs/ca.crt"), "trusting", "done"); /* 2.28 looks at names only */
}

static void a_device_that_knows_another_name_is_told_of(void **state)
{
    struct broker *b = *state;
    device(b, "other.example", broker_path(b, "certs/ca.crt"), "wrong-name", "done");
    broker_expect_log(b, "bad certificate");
}

static void a_device_with_another_ca_is_told_of(void **state)
{
    struct broker *b = *state;

    broker_make_certs(b, "other-ca");
    device(b, "localhost", broker_path(b, "other-ca/ca.crt"), "wrong-ca", "done");
    broker_expect_log(b, "unknown CA");
    broker_expect_log(b, "give the client this broker's ca.crt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_with_our_ca_talks_over_tls_1_2__MQTT_7_0_0_2),
        cmocka_unit_test(a_device_that_knows_another_name_is_told_of),
        cmocka_unit_test(a_device_with_another_ca_is_told_of),
    };

    if (program_of_ours("mbedtls_client") == NULL) {
        fprintf(stderr, "skipped: there is no mbedtls_client beside this program (package libmbedtls-dev)\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, broker_group_setup, broker_teardown);
}
