/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A client with BearSSL (clients/bearssl_client.c), as Tasmota is one on an ESP8266: one suite, one curve, small
 * buffers. The program ends with an error of BearSSL's (6) when a record comes that is longer than it asked for.
 * Skipped with status 77 where that program could not be built, because there is no BearSSL (scripts/build-bearssl).
 *
 * P0: RSA alone; P1: RSA and ECDSA, of which it must get RSA; P2: ECDSA alone, which it can't verify.
 */
#include "e2e/e2e.h"

static char fingerprint[64];

/* What `cert show` prints for Tasmota. */
static void read_fingerprint(struct broker *b)
{
    struct program p;
    program_run(&p, 0, NULL, ARGV(sotto_bin(), "cert", "show", broker_path(b, "certs/server.crt")));
    const char *line = strstr(p.output, "\n  Tasmota ");
    assert_non_null(line);
    line += strspn(line + 1, " ") + 1 + strlen("Tasmota");
    line += strspn(line, " ");
    snprintf(fingerprint, sizeof fingerprint, "%.59s", line);
    program_fini(&p);
}

static int setup(void **state)
{
    struct broker *b = broker_new(state);
    for (int i = 0; i < 2; i++) {
        broker_make_certs(b, i == 0 ? "certs" : "others");
    }
    read_fingerprint(b);
    broker_write(b, "sotto.ini",
                 ONE_LOOP "[listener.rsa]\naddress = 127.0.0.1\nport = @P0@\ntls = on\n" RSA_PAIR
                          "[listener.both]\naddress = 127.0.0.1\nport = @P1@\ntls = on\n" RSA_PAIR EC_PAIR
                          "[listener.ec]\naddress = 127.0.0.1\nport = @P2@\ntls = on\n" EC_PAIR);
    broker_start(b);
    return 0;
}

/* says: what must be in its output. */
static void device(struct broker *b, int port, unsigned length, const char *how, const char *what, const char *says)
{
    struct program p;
    char number[8], size[8];
    snprintf(number, sizeof number, "%u", b->ports[port]);
    snprintf(size, sizeof size, "%u", length);
    program_start(&p, NULL, ARGV(program_of_ours("bearssl_client"), "localhost", number, size, how, what));
    program_wait(&p);
    if (strstr(p.output, says) == NULL)
        fail_msg("bearssl_client at listener %d, %u bytes, %s '%s':\n%s", port, length, how, what, p.output);
    program_fini(&p);
}

static void each_length_of_records_by_fingerprint(void **state)
{
    for (int i = 0; i < 8; i++)
        device(*state, i % 2, 512u << i / 2, "pinned", fingerprint,
               "version 0303, suite c02f, BearSSL's error 0\ndone\n");
}

static void each_length_of_records_by_ca(void **state)
{
    struct broker *b = *state;
    for (int i = 0; i < 8; i++)
        device(b, i % 2, 512u << i / 2, "trusting", broker_path(b, "certs/ca.crt"), "done");
}

/* 62: BR_ERR_X509_NOT_TRUSTED. */
static void who_does_not_believe_us_says_so(void **state)
{
    struct broker *b = *state;
    char wrong[64];
    snprintf(wrong, sizeof wrong, "%s", fingerprint);
    wrong[0] = wrong[0] == '0' ? '1' : '0';
    device(b, 1, 1024, "pinned", wrong, "BearSSL's error 62");
    broker_expect_log(b, "looks like BearSSL (Tasmota");
    device(b, 1, 1024, "trusting", broker_path(b, "others/ca.crt"), "BearSSL's error 62");
}

/* 296 is 256 and the alert handshake_failure (40). */
static void ecdsa_alone_is_too_much_for_it(void **state)
{
    device(*state, 2, 1024, "pinned", fingerprint, "BearSSL's error 296");
    broker_expect_log(*state, "takes RSA certificates only");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_length_of_records_by_fingerprint),
        cmocka_unit_test(each_length_of_records_by_ca),
        cmocka_unit_test(who_does_not_believe_us_says_so),
        cmocka_unit_test(ecdsa_alone_is_too_much_for_it),
    };

    if (program_of_ours("bearssl_client") == NULL) {
        fprintf(stderr,
                "skipped: there is no bearssl_client beside this program (scripts/build-bearssl, then cmake)\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, setup, broker_teardown);
}
