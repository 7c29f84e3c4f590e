/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a probe makes of the records that come; the rest of it is tried by e2e/doctor. */
#include "harness.h"

#include <errno.h>
#include <sys/socket.h>

#include "../../../src/transport/probe_private.h"
#include "sotto/transport/probe.h"

static void watch(struct probe_records *r, const void *bytes, size_t n)
{
    probe_records_watch(r, bytes_of(bytes, n));
}

static void whole_messages_do_not_span(void **state)
{
    static const uint8_t two[] = {22, 3, 3, 0, 11, 2, 0, 0, 2, 1, 1, 11, 0, 0, 1, 1, 22, 3, 3, 0, 4, 14, 0, 0, 0};
    struct probe_records r = {0};
    (void)state;
    watch(&r, two, sizeof(two));
    assert_false(r.spans);
    assert_int_equal(r.longest, 11);
    assert_int_equal(r.first_n, 16);
    assert_memory_equal(r.first, two, 16);
}

static void a_message_in_two_records_spans(void **state)
{
    static const uint8_t body[] = {22, 3, 3, 0, 5, 11, 0, 0, 2, 1, 22, 3, 3, 0, 1, 1};
    static const uint8_t header[] = {22, 3, 3, 0, 2, 11, 0, 22, 3, 3, 0, 2, 0, 0};
    struct probe_records r = {0};
    (void)state;
    for (size_t i = 0; i < sizeof(body); i++)
        watch(&r, body + i, 1);
    assert_true(r.spans);
    r = (struct probe_records){0};
    watch(&r, header, sizeof(header));
    assert_true(r.spans);
}

/* Encrypted ones look like anything. */
static void encrypted_messages_are_not_followed(void **state)
{
    static const uint8_t flight[] = {20, 3, 3, 0, 1, 1, 22, 3, 3, 0, 3, 1, 2, 3, 22, 3, 3, 0, 3, 1, 2, 3};
    struct probe_records r = {0};
    (void)state;
    watch(&r, flight, sizeof(flight));
    assert_false(r.spans);
    assert_true(r.encrypted);
}

static void addresses_and_closed_ports(void **state)
{
    struct probe_address a[PROBE_ADDRESSES];
    char why[200];
    int error = 0;
    unsigned port;
    (void)state;
    assert_int_equal(probe_resolve("127.0.0.1", 1883, a, why, sizeof(why)), 1);
    assert_string_equal(a[0].text, "127.0.0.1");
    assert_int_equal(probe_resolve("::1", 1883, a, why, sizeof(why)), 1);
    assert_string_equal(a[0].text, "::1");
    int fd = listen_on_loopback(&port);
    assert_int_equal(probe_resolve("127.0.0.1", (uint16_t)port, a, why, sizeof(why)), 1);
    struct probe *p = probe_open(&a[0], &error);
    assert_non_null(p);
    assert_null(probe_version(p));
    assert_int_equal(probe_alert(p), -1);
    assert_int_equal(probe_chain(p)->n, 0);
    probe_close(p);
    close(fd);
    assert_null(probe_open(&a[0], &error));
    assert_int_equal(error, ECONNREFUSED);
    probe_close(NULL);
    probe_session_free(NULL);
}

static void plain_bytes_go_both_ways(void **state)
{
    struct probe_address a[PROBE_ADDRESSES];
    char why[200], room[8];
    int error = 0;
    unsigned port;
    (void)state;
    int listener = listen_on_loopback(&port);
    assert_int_equal(probe_resolve("127.0.0.1", (uint16_t)port, a, why, sizeof(why)), 1);
    struct probe *p = probe_open(&a[0], &error);
    int fd = accept(listener, NULL, NULL);
    assert_int_equal(probe_send(p, bytes_of("hello", 5)), PROBE_FINE);
    assert_int_equal(read(fd, room, sizeof(room)), 5);
    assert_int_equal(write(fd, "abcdef", 6), 6);
    assert_int_equal(probe_receive(p, (uint8_t *)room, 4), PROBE_FINE);
    assert_memory_equal(room, "abcd", 4);
    close(fd);
    assert_int_equal(probe_receive(p, (uint8_t *)room, 4), PROBE_CLOSED);
    assert_memory_equal(probe_first_bytes(p).p, "abcdef", 6);
    probe_close(p);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_messages_do_not_span),
        cmocka_unit_test(a_message_in_two_records_spans),
        cmocka_unit_test(encrypted_messages_are_not_followed),
        cmocka_unit_test(addresses_and_closed_ports),
        cmocka_unit_test(plain_bytes_go_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
