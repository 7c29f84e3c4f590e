/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Hundreds of TLS handshakes at once, on one loop. The hellos are recorded ones, so they cost the broker all that a
 * handshake costs it up to the certificate, and the test next to nothing.
 */
#include "e2e/e2e.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MANY 800u
#define LAG_MS 100u

static int setup(void **state)
{
    struct broker *b = broker_new(state);
    struct rlimit files = {.rlim_cur = 2 * MANY, .rlim_max = 2 * MANY};

    getrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < 2 * MANY && files.rlim_max >= 2 * MANY) {
        files.rlim_cur = 2 * MANY;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    broker_make_certs(b, "certs");
    broker_write(b, "sotto.ini",
                 ONE_LOOP
                 "[limits]\nmax_handshakes = 4000\n"
                 "[listener.plain]\naddress = 127.0.0.1\nport = @P0@\n"
                 "[listener.tls]\naddress = 127.0.0.1\nport = @P1@\ntls = on\n" RSA_PAIR EC_PAIR);
    broker_start(b);
    return 0;
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static size_t recorded_hello(const char *name, uint8_t *out, size_t cap)
{
    char path[512];
    snprintf(path, sizeof path, "%s/tests/fuzz/corpus/hello/%s", getenv("SOTTO_SOURCE"), name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(out, 1, cap, f);
    fclose(f);
    assert_true(n > 100 && n < cap);
    return n;
}

/* What the broker says of its loop's lag since the last time, ms: the 99th of a hundred moments of its time. */
static double lag_p99(struct broker *b)
{
    bool asked = false;
    for (struct waiting w = {0}; waiting(&w);) {
        char *log = broker_log(b), *at = log, *last = NULL;
        unsigned lines = 0;
        static unsigned seen;
        while ((at = strstr(at, "loop.lag")) != NULL) {
            last = at++;
            lines++;
        }
        double us = last != NULL && strchr(last, '\n') != NULL ? atof(strstr(last, "p99_us=") + 7) : 0;
        free(log);
        if (lines > seen && us > 0) {
            seen = lines;
            return us / 1e3;
        }
        if (!asked)
            kill(b->pid, SIGUSR1);
        asked = true;
    }
    fail_msg("the broker says nothing of its lag");
    return 0;
}

static unsigned count_answered(struct peer *const p[MANY], bool answered[MANY])
{
    unsigned n = 0;
    for (unsigned i = 0; i < MANY; i++) {
        uint8_t first;
        if (!answered[i] && recv(peer_fd(p[i]), &first, 1, MSG_PEEK | MSG_DONTWAIT) == 1) {
            answered[i] = true;
            assert_int_equal(first, 22); /* a handshake record, no alert */
        }
        n += answered[i];
    }
    return n;
}

/* The loop's lag while they all shake hands, ms. */
static double lag_of_a_crowd(struct broker *b, struct peer *plain, struct peer *tls)
{
    uint8_t hello[2][4096];
    size_t n[2] = {recorded_hello("openssl", hello[0], sizeof hello[0]),
                   recorded_hello("openssl-12", hello[1], sizeof hello[1])};
    struct peer *p[MANY];
    bool answered[MANY] = {false};
    double worst = 0;

    lag_p99(b);
    for (unsigned i = 0; i < MANY; i++)
        p[i] = peer_tcp(b->ports[1]);
    for (unsigned i = 0; i < MANY; i++)
        peer_send_bytes(p[i], hello[i % 2], n[i % 2]);
    unsigned rounds = 0;
    for (; count_answered(p, answered) < MANY; rounds++) {
        double began = now_ms();
        peer_ping(rounds % 2 == 0 ? plain : tls);
        double took = now_ms() - began;
        worst = took > worst ? took : worst;
        assert_true(rounds < 100000);
    }
    print_message("%u handshakes, %u pings meanwhile, the longest took %.1f ms\n", MANY, rounds, worst);
    double lag = lag_p99(b);
    print_message("lag of the loop: %.1f ms\n", lag);
    for (unsigned i = 0; i < MANY; i++)
        peer_abort(p[i]);
    return lag;
}

/* Those who were there before. A busy machine makes us wait, too, but not each time. */
static void others_go_on_while_hundreds_shake_hands(void **state)
{
    struct broker *b = *state;
    struct peer *plain = client(b->ports[0], "plain");
    struct peer *tls = peer_tls(b->ports[1], broker_path(b, "certs/ca.crt"), 3);
    double lag = LAG_MS * patience();

    peer_connect(tls, "tls", true, false);
    for (struct waiting w = {0}; lag >= LAG_MS * patience() && waiting(&w);)
        lag = lag_of_a_crowd(b, plain, tls);
    assert_true(lag < LAG_MS * patience());
    peer_disconnect(plain);
    peer_disconnect(tls);
}

/* Real handshakes come to their end although there are always beginners enough. */
static void who_begins_is_let_through_to_the_end(void **state)
{
    struct broker *b = *state;
    uint8_t hello[4096];
    size_t n = recorded_hello("openssl", hello, sizeof hello);
    struct peer *p[MANY];

    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < MANY / 4; i++) {
            p[i] = peer_tcp(b->ports[1]);
            peer_send_bytes(p[i], hello, n);
        }
        struct peer *tls = peer_tls(b->ports[1], broker_path(b, "certs/ca.crt"), round % 2 ? 2 : 3);
        peer_connect(tls, "through", true, false);
        peer_disconnect(tls);
        /* Those who have gone before their turn cost nothing but a line. */
        for (unsigned i = 0; i < MANY / 4; i++)
            peer_abort(p[i]);
    }
    struct peer *last = client(b->ports[0], "last");
    peer_disconnect(last);
}

static void start_other(struct broker *other, const struct broker *certs, const char *limits)
{
    char ini[2048];

    broker_init(other);
    snprintf(ini, sizeof ini,
             ONE_LOOP
             "[limits]\n%s\n"
             "[listener.tls]\naddress = 127.0.0.1\nport = @P0@\ntls = on\ncert = %s/certs/server-ec.crt\n"
             "key = %s/certs/server-ec.key\n",
             limits, certs->dir, certs->dir);
    broker_write(other, "sotto.ini", ini);
    broker_start(other);
}

/* More than there are places; they have minutes until their time is up. */
static void the_silent_and_the_slow_keep_nobody_out(void **state)
{
    enum { SILENT = 400, SLOW = 200 };
    struct broker *b = *state, other;
    uint8_t hello[4096];
    size_t n = recorded_hello("openssl", hello, sizeof hello), sent = 0;
    struct peer *p[SILENT + SLOW];

    start_other(&other, b, "connect_timeout = 300s");
    for (unsigned i = 0; i < SILENT + SLOW; i++)
        p[i] = peer_tcp(other.ports[0]);
    for (unsigned round = 0; round < 6; round++) {
        for (unsigned byte = 0; byte < 5; byte++, sent++) {
            for (unsigned i = SILENT; i < SILENT + SLOW; i++)
                peer_send_bytes(p[i], hello + sent, 1);
        }
        struct peer *tls = peer_tls(other.ports[0], broker_path(b, "certs/ca.crt"), round % 2 ? 2 : 3);
        peer_connect(tls, "at-once", true, false);
        peer_disconnect(tls);
    }
    /* The slow ones are served, too, once their hello is there. */
    for (unsigned i = SILENT; i < SILENT + 3; i++) {
        uint8_t first = 0;
        peer_send_bytes(p[i], hello + sent, n - sent);
        for (struct waiting w = {0}; recv(peer_fd(p[i]), &first, 1, MSG_PEEK | MSG_DONTWAIT) != 1 && waiting(&w);)
            continue;
        assert_int_equal(first, 22);
    }
    for (unsigned i = 0; i < SILENT + SLOW; i++)
        peer_abort(p[i]);
    broker_stop(&other);
    broker_fini(&other);
}

/* Nor do those who fall silent behind the hello: after a second they don't count. The slow may still go on. */
static void the_silent_behind_the_hello_lose_their_places(void **state)
{
    enum { SILENT = 40 };
    struct broker *b = *state, other;
    uint8_t hello[4096], first = 0;
    size_t n = recorded_hello("openssl", hello, sizeof hello);
    struct peer *p[SILENT];

    start_other(&other, b, "max_handshakes = 2\nconnect_timeout = 300s");
    for (unsigned i = 0; i < SILENT; i++) {
        p[i] = peer_tcp(other.ports[0]);
        peer_send_bytes(p[i], hello, n);
    }
    /* Two a second. */
    for (unsigned i = 0; i < 6; i++) {
        for (struct waiting w = {0}; recv(peer_fd(p[i]), &first, 1, MSG_PEEK | MSG_DONTWAIT) != 1;)
            assert_true(waiting(&w));
        assert_int_equal(first, 22);
    }
    for (unsigned i = 6; i < SILENT; i++)
        peer_abort(p[i]);
    struct peer *tls = peer_tls(other.ports[0], broker_path(b, "certs/ca.crt"), 3);
    peer_connect(tls, "soon", true, false);
    peer_disconnect(tls);
    for (unsigned i = 0; i < 6; i++)
        peer_abort(p[i]);
    broker_stop(&other);
    broker_fini(&other);
}

/* A loop keeps 2048 of them, and then lets those go that it has waited for the longest. */
static void too_many_silent_ones_are_given_up(void **state)
{
    enum { SILENT = 2100, KEPT = 2048 };
    struct broker *b = *state, other;
    uint8_t hello[4096];
    size_t n = recorded_hello("openssl", hello, sizeof hello);
    static struct peer *p[SILENT];
    struct rlimit files;

    getrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_max < 2 * SILENT) {
        print_message("skipped: only %lu open files are allowed\n", (unsigned long)files.rlim_max);
        skip();
    }
    files.rlim_cur = 2 * SILENT;
    setrlimit(RLIMIT_NOFILE, &files);
    start_other(&other, b, "max_handshakes = 4000\nconnect_timeout = 300s");
    for (unsigned i = 0; i < SILENT; i++) {
        p[i] = peer_tcp(other.ports[0]);
        peer_send_bytes(p[i], hello, n);
    }
    unsigned gone = 0;
    for (struct waiting w = {0}; gone < SILENT - KEPT && waiting(&w);) {
        gone = 0;
        for (unsigned i = 0; i < SILENT; i++)
            gone += !peer_discard(p[i]);
    }
    assert_int_equal(gone, SILENT - KEPT);
    assert_true(peer_discard(p[SILENT - 1]));
    broker_expect_log(&other, "room was made for others");
    struct peer *tls = peer_tls(other.ports[0], broker_path(b, "certs/ca.crt"), 3);
    peer_connect(tls, "after-them", true, false);
    peer_disconnect(tls);
    for (unsigned i = 0; i < SILENT; i++)
        peer_abort(p[i]);
    broker_stop(&other);
    broker_fini(&other);
}

/* A place is free again whichever way a handshake ends. */
static void who_finds_no_place_waits_for_one(void **state)
{
    struct broker *b = *state, other;
    uint8_t hello[4096], first = 0;
    size_t n = recorded_hello("openssl", hello, sizeof hello);
    struct peer *p[6];
    double began = now_ms();

    start_other(&other, b, "max_handshakes = 2\nconnect_timeout = 300s");
    for (unsigned i = 0; i < 6; i++) {
        p[i] = peer_tcp(other.ports[0]);
        peer_send_bytes(p[i], hello, n);
        for (struct waiting w = {0}; i < 2 && recv(peer_fd(p[i]), &first, 1, MSG_PEEK | MSG_DONTWAIT) != 1;)
            assert_true(waiting(&w));
    }
    for (unsigned i = 0; i < 4; i++) {
        usleep(100000);
        ssize_t got = recv(peer_fd(p[i + 2]), &first, 1, MSG_PEEK | MSG_DONTWAIT);
        if (now_ms() - began < 900) /* nobody has lost a place by silence */
            assert_int_equal(got, -1);
        if (i % 2 == 0) /* one leaves, the other one says nonsense */
            peer_abort(p[i]);
        else
            peer_send(p[i], "17 03 03 00 02 00 00");
        for (struct waiting w = {0}; recv(peer_fd(p[i + 2]), &first, 1, MSG_PEEK | MSG_DONTWAIT) != 1;)
            assert_true(waiting(&w));
        if (i % 2 == 1)
            peer_abort(p[i]);
    }
    peer_abort(p[4]);
    for (unsigned i = 0; i < 4; i++) {
        struct peer *tls = peer_tls(other.ports[0], broker_path(b, "certs/ca.crt"), i % 2 ? 2 : 3);
        peer_connect(tls, "in-turn", true, false);
        peer_disconnect(tls);
    }
    peer_abort(p[5]);
    broker_stop(&other);
    broker_fini(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others_go_on_while_hundreds_shake_hands),
        cmocka_unit_test(who_begins_is_let_through_to_the_end),
        cmocka_unit_test(the_silent_and_the_slow_keep_nobody_out),
        cmocka_unit_test(the_silent_behind_the_hello_lose_their_places),
        cmocka_unit_test(too_many_silent_ones_are_given_up),
        cmocka_unit_test(who_finds_no_place_waits_for_one),
    };
    return cmocka_run_group_tests(tests, setup, broker_teardown);
}
