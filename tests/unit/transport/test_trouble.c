/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is said about a failed handshake, with real bytes on the wire. */
#include "harness.h"

#include <sys/socket.h>

static struct loop_rig rig;

/* The server's word on a connection that starts with these bytes and then closes. */
static void after(const void *bytes, size_t n, const char *why, const char *hint)
{
    struct side s;
    int fd = side_open(&s, &rig, context(false, TLS_1_2, TLS_1_3, NULL), true);
    assert_int_equal(send(fd, bytes, n, 0), n);
    for (int i = 0; i < 200 && !s.ended; i++) {
        rig_turns(&rig, 1);
        usleep(100);
        if (i == 100)
            shutdown(fd, SHUT_WR);
    }
    assert_int_equal(s.ended, 1);
    assert_int_equal(s.established, 0);
    assert_true(s.during_handshake);
    if (strstr(s.why, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", s.why, why);
    if (strstr(s.hint, hint) == NULL)
        fail_msg("\"%s\" does not hint at \"%s\"", s.hint, hint);
    side_close(&s);
    close(fd);
}

static void other_protocols_are_named(void **state)
{
    (void)state;
    static const uint8_t mqtt[] = {0x10, 0x0c, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, 0};
    after(mqtt, sizeof(mqtt), "plain MQTT on a TLS port", "without TLS");
    after("GET / HTTP/1.1\r\n\r\n", 18, "plain HTTP on a TLS port", "without TLS");
    after("PATCH / HTTP/1.1\r\n\r\n", 20, "plain HTTP on a TLS port", "without TLS");
    after("SSH-2.0-OpenSSH_9.9\r\n", 21, "the client spoke SSH on a TLS port", "which program");
    after("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", 36, "the PROXY protocol on a TLS port", "send-proxy");
    after("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", 16, "the PROXY protocol on a TLS port", "send-proxy");
    after("HELP\r\n", 6, "something that is not TLS", "which program");
    after("\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10", 11, "SSL 2.0", "update the client");
    after("\0\0\0\0\0\0\0\0\0\0", 10, "something that is not TLS", "which program");
    after("", 1, "something that is not TLS", "which program");
}

static void half_a_hello(void **state)
{
    (void)state;
    after("\x16\x03\x01", 3, "closed the connection in the middle of its TLS hello", "");
    after("\x16\x03\x01\x00\x02\x01\x00", 7, "closed the connection in the middle of its TLS hello", "");
    after("\x16\x03\x01\x00\x02\x02\x00", 7, "the client's TLS hello is damaged", "which program");
    after("\x16\x03\x01\x00\x05\x01\xff\xff\xff\x03", 10, "the client's TLS hello is damaged", "which program");
}

/* Whatever comes, there is one end and one sentence. */
static void garbage_of_all_kinds(void **state)
{
    (void)state;
    uint8_t bytes[600];
    unsigned seed = 7;
    struct tls_context *c = context(true, TLS_1_2, TLS_1_3, NULL);
    for (int round = 0; round < 400; round++) {
        struct side s;
        int fd = side_open(&s, &rig, tls_context_ref(c), false);
        size_t n = 1 + (size_t)rand_r(&seed) % sizeof(bytes);
        for (size_t i = 0; i < n; i++)
            bytes[i] = (uint8_t)rand_r(&seed);
        bytes[0] = round % 4 ? 0x16 : bytes[0];
        bytes[1] = 3;
        bytes[2] = round % 2 ? 1 : 3;
        bytes[3] = 0;
        bytes[4] = (uint8_t)(n > 5 ? n - 5 : 0);
        bytes[5] = round % 3 ? 1 : bytes[5];
        bytes[6] = 0;
        bytes[7] = round % 8 ? 0 : bytes[7];
        assert_int_equal(send(fd, bytes, n, 0), n);
        rig_turns(&rig, 2);
        close(fd);
        rig_turns(&rig, 3);
        assert_int_equal(s.ended, 1);
        assert_int_equal(s.established, 0);
        assert_true(strlen(s.why) > 10);
        side_close(&s);
    }
    tls_context_unref(c);
}

/* A good hello, and then a record of no version that there is: that is not for want of a new enough client. */
static void nonsense_after_the_hello(void **state)
{
    (void)state;
    struct side s;
    struct peer p;
    int fd = side_open(&s, &rig, context(true, TLS_1_2, TLS_1_3, NULL), true);
    peer_open(&p, fd, wolfTLSv1_2_client_method(), NULL, NULL);
    peer_step(&p, 0);
    rig_turns(&rig, 4);
    assert_int_equal(send(p.fd, "\x16\x09\x09\x00\x05hello", 10, 0), 10);
    for (int i = 0; i < 200 && !s.ended; i++) {
        rig_turns(&rig, 1);
        usleep(100);
    }
    assert_int_equal(s.ended, 1);
    assert_string_equal(s.why, "a TLS record was damaged on its way, or forged");
    peer_close(&p);
    side_close(&s);
}

/* Every byte of a real hello changed: a sentence, or (where it doesn't matter) a handshake. */
static void damaged_hellos(void **state)
{
    (void)state;
    struct tls_context *c = context(true, TLS_1_2, TLS_1_3, NULL);
    for (size_t at = 0; at < 260; at++) {
        struct side s;
        struct peer p;
        int fd = side_open(&s, &rig, tls_context_ref(c), false);
        peer_open(&p, fd, at % 2 ? wolfTLSv1_3_client_method() : wolfTLSv1_2_client_method(), NULL, NULL);
        p.chunk = 0;
        peer_step(&p, 0);
        if (at < p.tx.n)
            p.tx.p[at] ^= (uint8_t)(1 + at * 37 % 255);
        p.chunk = SIZE_MAX;
        for (int i = 0; i < 6; i++) {
            peer_step(&p, 0);
            rig_turns(&rig, 1);
        }
        close(p.fd);
        p.fd = -1;
        rig_turns(&rig, 4);
        assert_int_equal(s.ended, 1);
        assert_true(s.established || strlen(s.why) > 10);
        peer_close(&p);
        side_close(&s);
    }
    tls_context_unref(c);
}

static void a_client_that_does_not_know_our_ca(void **state)
{
    (void)state;
    for (int v = 0; v < 2; v++) {
        struct side s;
        struct peer p;
        int fd = side_open(&s, &rig, context(false, TLS_1_2, TLS_1_3, NULL), false);
        peer_open(&p, fd, v ? wolfTLSv1_3_client_method() : wolfTLSv1_2_client_method(), NULL, NULL);
        wolfSSL_set_verify(p.ssl, WOLFSSL_VERIFY_PEER, NULL);
        shake(&s, &p);
        close(p.fd);
        p.fd = -1;
        rig_turns(&rig, 4);
        assert_true(p.failed);
        assert_int_equal(s.ended, 1);
        assert_true(s.during_handshake);
        if (strstr(s.why, "unknown CA") == NULL && strstr(s.why, "seen the server's certificate") == NULL &&
            strstr(s.why, "bad certificate") == NULL)
            fail_msg("%s", s.why);
        assert_non_null(strstr(s.hint, "ca.crt"));
        peer_close(&p);
        side_close(&s);
    }
}

/* OpenSSL's and mosquitto's way of refusing us, where openssl is there. */
static void openssl_does_not_know_our_ca(void **state)
{
    (void)state;
    if (system("openssl version >/dev/null 2>&1") != 0)
        skip();
    for (int v = 2; v <= 3; v++) {
        struct side s;
        unsigned port;
        int listener = listen_on_loopback(&port);
        char command[256];
        snprintf(command, sizeof(command),
                 "openssl s_client -connect 127.0.0.1:%u -verify_return_error -tls1_%d </dev/null >/dev/null 2>&1",
                 port, v);
        FILE *client = popen(command, "r");
        side_accept(&s, &rig, context(false, TLS_1_2, TLS_1_3, NULL), listener);
        for (int n = 0; n < 5000 && !s.ended; n++) {
            rig_turns(&rig, 1);
            usleep(1000);
        }
        pclose(client);
        assert_int_equal(s.ended, 1);
        print_message("TLS 1.%d: %s\n", v, s.why);
        assert_non_null(strstr(s.hint, "ca.crt"));
        side_close(&s);
    }
}

/* Failed handshakes leave nothing behind. */
static void failures_cost_no_memory(void **state)
{
    (void)state;
    struct tls_context *c = context(true, TLS_1_2, TLS_1_3, NULL);
    size_t before = mem_in_use();
    for (int i = 0; i < 200; i++) {
        struct side s;
        int fd = side_open(&s, &rig, tls_context_ref(c), false);
        assert_int_equal(send(fd, "\x16\x03\x01\x00\x02\x01\x00", 7, 0), 7);
        rig_turns(&rig, 2);
        close(fd);
        rig_turns(&rig, 2);
        side_close(&s);
    }
    assert_in_range(mem_in_use(), 0, before + pool_kept(&rig.pool));
    tls_context_unref(c);
}

static int start(void **state)
{
    (void)state;
    rig_init(&rig);
    return tls_init();
}

static int stop(void **state)
{
    int rc = certs_remove(state);
    rig_fini(&rig);
    tls_fini();
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_protocols_are_named),
        cmocka_unit_test(half_a_hello),
        cmocka_unit_test(garbage_of_all_kinds),
        cmocka_unit_test(nonsense_after_the_hello),
        cmocka_unit_test(damaged_hellos),
        cmocka_unit_test(a_client_that_does_not_know_our_ca),
        cmocka_unit_test(openssl_does_not_know_our_ca),
        cmocka_unit_test(failures_cost_no_memory),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
