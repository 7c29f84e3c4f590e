/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The benchmark's `hands`, at a broker with two loops: connection after connection over TLS, most of which move to the
 * other loop, each with a full handshake, or each with the session of one that was there before. What it costs is
 * nobody's matter here; that all get in, and take up their session or none, is.
 */
#include "e2e/e2e.h"

#define COUNT "60"

static int setup(void **state)
{
    struct broker *b = broker_new(state);
    broker_make_certs(b, "certs");
    broker_make_certs(b, "others");
    broker_write(b, "sotto.ini",
                 TWO_LOOPS "[listener.tls]\naddress = 127.0.0.1\nport = @P0@\ntls = on\n" RSA_PAIR EC_PAIR);
    broker_start(b);
    return 0;
}

/* resume: NULL or the option. */
static void hands(struct broker *b, const char *ca, const char *version, const char *resume, int status,
                  const char *says)
{
    struct program p;
    char port[8], pid[16];
    const char *load = program_of_ours_need("../bench/bench_broker");
    snprintf(port, sizeof port, "%u", b->ports[0]);
    snprintf(pid, sizeof pid, "%d", (int)b->pid);
    program_run(&p, status, NULL,
                ARGV(load, "hands", "--port", port, "--pid", pid, "--tls", broker_path(b, ca), "--tls-version", version,
                     "--count", COUNT, "--concurrent", "8", resume));
    if (strstr(p.output, says) == NULL)
        fail_msg("%s", p.output);
    program_fini(&p);
}

static void full_handshakes(void **state)
{
    hands(*state, "certs/ca.crt", "1.2", NULL, 0, " resumed=0 ");
    hands(*state, "certs/ca.crt", "1.3", NULL, 0, " resumed=0 ");
}

static void sessions_are_taken_up(void **state)
{
    hands(*state, "certs/ca.crt", "1.2", "--resume", 0, " resumed=" COUNT " ");
    hands(*state, "certs/ca.crt", "1.3", "--resume", 0, " resumed=" COUNT " ");
}

/* 3: no connection. */
static void it_looks_at_the_certificate(void **state)
{
    hands(*state, "others/ca.crt", "1.3", NULL, 3, "no connection");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_handshakes),
        cmocka_unit_test(sessions_are_taken_up),
        cmocka_unit_test(it_looks_at_the_certificate),
    };
    return cmocka_run_group_tests(tests, setup, broker_teardown);
}
