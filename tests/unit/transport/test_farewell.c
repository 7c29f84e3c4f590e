/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who is refused in the middle of a handshake, and is still sending, can read why. */
#include "harness.h"

#include <sys/socket.h>

#define PROTOCOL_VERSION 70

static struct loop_rig rig;
static struct side s;
static struct peer p;

/* A client of TLS 1.2 where there is 1.3 alone, up to its refusal; what it is told waits in its socket. */
static void meet(void)
{
    int fd = side_open(&s, &rig, context(true, TLS_1_3, TLS_1_3, NULL), true);
    peer_open(&p, fd, wolfTLSv1_2_client_method(), NULL, NULL);
    peer_step(&p, 0);
    for (int i = 0; i < 1000 && s.ended == 0; i++) {
        rig_turns(&rig, 1);
        usleep(100);
    }
    assert_int_equal(s.ended, 1);
}

static void refuse(void)
{
    meet();
    transport_close(s.t);
}

static bool send_more(size_t n)
{
    static const uint8_t bytes[65536];
    bool sent = send(p.fd, bytes, n, MSG_NOSIGNAL) == (ssize_t)n;
    usleep(2000);
    rig_turns(&rig, 2);
    return sent;
}

static void gone(void)
{
    peer_close(&p);
    side_close(&s);
}

static void the_alert_comes_to_who_is_sending(void **state)
{
    (void)state;
    uint8_t got[64];
    refuse();
    for (int i = 0; i < 5; i++)
        assert_true(send_more(100));
    assert_int_equal(recv(p.fd, got, sizeof(got), 0), 7);
    assert_int_equal(got[0], 21);
    assert_int_equal(got[6], PROTOCOL_VERSION);
    assert_int_equal(recv(p.fd, got, sizeof(got), 0), 0);
    assert_int_equal(s.closed, 0);
    gone();
}

static void patience_has_an_end(void **state)
{
    (void)state;
    refuse();
    rig_turns(&rig, 20);
    assert_int_equal(s.closed, 0);
    for (int i = 0; i < 1000 && s.closed == 0; i++) {
        usleep(10000);
        rig_turns(&rig, 1);
    }
    assert_int_equal(s.closed, 1);
    gone();
}

static void so_has_what_is_listened_to(void **state)
{
    (void)state;
    unsigned taken = 0;
    refuse();
    while (taken < 100 && s.closed == 0 && send_more(16384))
        taken++;
    assert_int_equal(s.closed, 1);
    assert_in_range(taken, 1, 99);
    gone();
}

static void nobody_waits_for_who_has_left(void **state)
{
    (void)state;
    meet();
    assert_int_equal(shutdown(p.fd, SHUT_WR), 0);
    side_close(&s);
    peer_close(&p);
}

static int start(void **state)
{
    (void)state;
    rig_init(&rig);
    return tls_init();
}

static int stop(void **state)
{
    rig_fini(&rig);
    int rc = certs_remove(state);
    tls_fini();
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_alert_comes_to_who_is_sending),
        cmocka_unit_test(patience_has_an_end),
        cmocka_unit_test(so_has_what_is_listened_to),
        cmocka_unit_test(nobody_waits_for_who_has_left),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
