/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The plain stream: both ways, slow readers, moving between loops, ends of every kind, memory. */
#include "harness.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define BIG ((size_t)10 * 1024 * 1024)

static struct loop_rig a, b;

static int open_rigs(void **state)
{
    (void)state;
    rig_init(&a);
    rig_init(&b);
    return 0;
}

static int close_rigs(void **state)
{
    (void)state;
    rig_fini(&a);
    rig_fini(&b);
    return 0;
}

static void bytes_go_both_ways(void **state)
{
    bool tcp = *state != NULL;
    struct side s;
    int fd = side_open(&s, &a, NULL, tcp);
    assert_int_equal(send(fd, "hello", 5, 0), 5);
    rig_turns(&a, 3);
    assert_int_equal(s.in.n, 5);
    assert_memory_equal(s.in.p, "hello", 5);
    side_queue(&s, "good", 4);
    side_queue(&s, "bye", 3);
    assert_int_equal(side_flush(&s), 1);
    char got[16];
    assert_int_equal(recv(fd, got, sizeof(got), 0), 7);
    assert_memory_equal(got, "goodbye", 7);
    char words[32];
    transport_describe(s.t, words, sizeof(words));
    assert_string_equal(words, "plain");
    side_close(&s);
    assert_int_equal(s.ended, 0);
    assert_int_equal(recv(fd, got, sizeof(got), 0), 0);
    close(fd);
}

/* 10 MB to a peer that reads a little now and then: nothing lost, nothing in our hands but one small request. */
static void a_slow_reader_gets_everything(void **state)
{
    bool tcp = *state != NULL;
    struct side s;
    int fd = side_open(&s, &a, NULL, tcp);
    uint8_t *data = mem_alloc(BIG);
    fill(data, BIG, 0);
    side_queue(&s, data, BIG);
    int rc = side_flush(&s);
    assert_int_equal(rc, 0);
    assert_int_equal(transport_send(s.t, &s.out), 0);
    assert_false(transport_can_leave(s.t));
    size_t got = 0;
    for (unsigned i = 0; got < BIG && i < 1000000; i++) {
        ssize_t n = recv(fd, data + got, i % 3 == 0 ? 65536 : 999, MSG_DONTWAIT);
        got += n > 0 ? (size_t)n : 0;
        rig_turns(&a, 1);
        assert_true(transport_unsent(s.t) <= 16384);
    }
    assert_int_equal(got, BIG);
    assert_true(is_filled(data, BIG, 0));
    assert_true(s.drained > 0);
    assert_int_equal(s.out.bytes, 0);
    rig_turns(&a, 2);
    assert_true(transport_can_leave(s.t));
    mem_free(data);
    side_close(&s);
    close(fd);
}

static void without_room_nothing_is_read(void **state)
{
    (void)state;
    struct side s;
    int fd = side_open(&s, &a, NULL, false);
    s.budget = 3;
    assert_int_equal(send(fd, "abcdef", 6, 0), 6);
    rig_turns(&a, 5);
    assert_int_equal(s.in.n, 3);
    s.budget = SIZE_MAX;
    rig_turns(&a, 2);
    assert_int_equal(s.in.n, 6);
    transport_stop(s.t);
    assert_int_equal(send(fd, "g", 1, 0), 1);
    rig_turns(&a, 3);
    assert_int_equal(s.in.n, 6);
    transport_start(s.t);
    rig_turns(&a, 2);
    assert_memory_equal(s.in.p, "abcdefg", 7);
    side_close(&s);
    close(fd);
}

static void the_end_is_told_once(void **state)
{
    (void)state;
    struct side s;
    int fd = side_open(&s, &a, NULL, true);
    assert_int_equal(send(fd, "last", 4, 0), 4);
    close(fd);
    rig_turns(&a, 5);
    assert_int_equal(s.in.n, 4);
    assert_int_equal(s.ended, 1);
    assert_true(s.clean_end);
    assert_false(s.during_handshake);
    side_close(&s);
    assert_int_equal(s.ended, 1);
}

static void reset(int fd)
{
    struct linger l = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
    close(fd);
}

static void a_reset_is_told_in_words(void **state)
{
    (void)state;
    struct side s;
    int fd = side_open(&s, &a, NULL, true);
    reset(fd);
    rig_turns(&a, 5);
    assert_int_equal(s.ended, 1);
    assert_string_equal(s.why, "the connection was reset by the peer");
    assert_int_equal(transport_send(s.t, &s.out), -1);
    side_close(&s);
}

/* The write fails first, but what the peer said before it went is still read. */
static void last_words_are_heard_after_a_failed_write(void **state)
{
    (void)state;
    struct side s;
    int fd = side_open(&s, &a, NULL, true);
    assert_int_equal(send(fd, "disconnect", 10, 0), 10);
    close(fd);
    side_queue(&s, "x", 1);
    side_flush(&s);
    usleep(1000);
    side_queue(&s, "y", 1);
    assert_int_equal(side_flush(&s), -1);
    assert_int_equal(s.ended, 0);
    rig_turns(&a, 5);
    assert_int_equal(s.in.n, 10);
    assert_int_equal(s.ended, 1);
    side_close(&s);
}

/* Nobody reads, so the socket can't tell: the failed write itself is told, from a later turn. */
static void a_failed_write_ends_a_stopped_stream(void **state)
{
    (void)state;
    struct side s;
    int fd = side_open(&s, &a, NULL, true);
    transport_stop(s.t);
    reset(fd);
    usleep(1000);
    side_queue(&s, "x", 1);
    assert_int_equal(side_flush(&s), -1);
    assert_int_equal(s.ended, 0);
    rig_turns(&a, 3);
    assert_int_equal(s.ended, 1);
    assert_string_not_equal(s.why, "");
    side_close(&s);
}

static void close_in(struct side *s)
{
    transport_close(s->t);
    transport_close(s->t);
}

static void closing_inside_an_event_is_fine(void **state)
{
    (void)state;
    struct side s;
    int fd = side_open(&s, &a, NULL, true);
    s.on_data = close_in;
    assert_int_equal(send(fd, "abc", 3, 0), 3);
    rig_turns(&a, 5);
    assert_int_equal(s.closed, 1);
    assert_int_equal(s.in.n, 3);
    side_close(&s);
    close(fd);
}

/* What is in writing at the end is dropped, and its memory too. */
static void closing_while_blocked(void **state)
{
    (void)state;
    struct side s;
    int fd = side_open(&s, &a, NULL, false);
    uint8_t *data = mem_alloc(BIG);
    side_queue(&s, data, BIG);
    assert_int_equal(side_flush(&s), 0);
    side_close(&s);
    assert_int_equal(s.ended, 0);
    mem_free(data);
    close(fd);
}

/* Last words must survive the close, though the peer's bytes have not been read (a reset would destroy them). */
static void last_words_survive_unread_input(void **state)
{
    (void)state;
    struct side s;
    int fd = side_open(&s, &a, NULL, true);
    transport_stop(s.t);
    char junk[5000] = {0};
    assert_int_equal(send(fd, junk, sizeof(junk), 0), sizeof(junk));
    side_queue(&s, "reason", 6);
    assert_int_equal(side_flush(&s), 1);
    side_close(&s);
    char got[16];
    assert_int_equal(recv(fd, got, 6, MSG_WAITALL), 6);
    /* An end, no reset. */
    ssize_t end = -1;
    for (int i = 0; i < 100 && (end = recv(fd, got, 1, MSG_DONTWAIT)) < 0 && errno == EAGAIN; i++)
        usleep(100);
    assert_int_equal(end, 0);
    close(fd);
}

/* Back and forth between two loops, while the peer goes on sending: nothing lost or swapped. */
static void a_stream_moves_between_loops(void **state)
{
    bool tcp = *state != NULL;
    struct side s;
    int fd = side_open(&s, &a, NULL, tcp);
    uint8_t part[1000];
    size_t sent = 0;
    for (unsigned i = 0; i < 40; i++) {
        fill(part, sizeof(part), sent);
        assert_int_equal(send(fd, part, sizeof(part), 0), sizeof(part));
        sent += sizeof(part);
        if (i % 3 == 0)
            rig_turns(s.rig, 1);
        assert_true(transport_can_leave(s.t));
        assert_int_equal(transport_leave(s.t), 0);
        struct loop_rig *old = s.rig;
        rig_turns(old, 2);
        s.rig = old == &a ? &b : &a;
        assert_int_equal(transport_arrive(s.t, &s.rig->shared), 0);
        transport_start(s.t);
        rig_turns(old, 1);
    }
    rig_turns(s.rig, 5);
    assert_int_equal(s.in.n, sent);
    assert_true(is_filled(s.in.p, s.in.n, 0));
    side_queue(&s, "ok", 2);
    assert_int_equal(side_flush(&s), 1);
    assert_int_equal(recv(fd, part, sizeof(part), 0), 2);
    side_close(&s);
    close(fd);
}

static void leave_in(struct side *s)
{
    assert_int_equal(transport_leave(s->t), 0);
}

static void a_stream_leaves_inside_an_event(void **state)
{
    (void)state;
    struct side s;
    int fd = side_open(&s, &a, NULL, true);
    s.on_data = leave_in;
    s.room_cap = 4;
    assert_int_equal(send(fd, "abcdefgh", 8, 0), 8);
    rig_turns(&a, 3);
    assert_int_equal(s.in.n, 4);
    s.on_data = NULL;
    s.rig = &b;
    assert_int_equal(transport_arrive(s.t, &b.shared), 0);
    transport_start(s.t);
    rig_turns(&b, 3);
    assert_memory_equal(s.in.p, "abcdefgh", 8);
    side_close(&s);
    close(fd);
}

static void closing_between_two_loops(void **state)
{
    (void)state;
    struct side s;
    int fd = side_open(&s, &a, NULL, true);
    assert_int_equal(transport_leave(s.t), 0);
    transport_close(s.t);
    assert_int_equal(s.closed, 1);
    char c;
    assert_int_equal(recv(fd, &c, 1, MSG_WAITALL), 0);
    side_close(&s);
    close(fd);
}

static void tcp_is_tuned(void **state)
{
    (void)state;
    struct side s;
    int fd = side_open(&s, &a, NULL, true);
    int found = 0;
    /* The transport's descriptor is one of the few that are open: look for the tuned one. */
    for (int i = 3; i < 64; i++) {
        int nodelay = 0, idle = 0;
        socklen_t n = sizeof(int);
        if (i != fd && getsockopt(i, IPPROTO_TCP, TCP_NODELAY, &nodelay, &n) == 0 && nodelay &&
            getsockopt(i, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &n) == 0 && idle == 60)
            found++;
    }
    assert_int_equal(found, 1);
    side_close(&s);
    close(fd);
}

static void an_idle_stream_is_small(void **state)
{
    (void)state;
    static struct side s[100];
    int fd[100];
    size_t before = mem_in_use();
    for (int i = 0; i < 100; i++)
        fd[i] = side_open(&s[i], &a, NULL, true);
    size_t each = (mem_in_use() - before) / 100;
    assert_in_range(each, 100, 350);
    for (int i = 0; i < 100; i++) {
        side_close(&s[i]);
        close(fd[i]);
    }
    assert_int_equal(mem_in_use(), before);
}

static void a_bad_descriptor_is_refused(void **state)
{
    (void)state;
    int err = 0;
    static const struct transport_events none;
    assert_null(transport_new(&a.shared, 1000, NULL, &none, NULL, &err));
    assert_true(err < 0);
}

#define WITH_RIGS(f) cmocka_unit_test_setup_teardown(f, open_rigs, close_rigs)
#define WITH_RIGS_TCP(f)                                                                                               \
    {                                                                                                                  \
#f " over TCP", f, open_rigs, close_rigs, (void *)"tcp"                                                        \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RIGS(bytes_go_both_ways),
        WITH_RIGS_TCP(bytes_go_both_ways),
        WITH_RIGS(a_slow_reader_gets_everything),
        WITH_RIGS_TCP(a_slow_reader_gets_everything),
        WITH_RIGS(without_room_nothing_is_read),
        WITH_RIGS(the_end_is_told_once),
        WITH_RIGS(a_reset_is_told_in_words),
        WITH_RIGS(last_words_are_heard_after_a_failed_write),
        WITH_RIGS(a_failed_write_ends_a_stopped_stream),
        WITH_RIGS(closing_inside_an_event_is_fine),
        WITH_RIGS(closing_while_blocked),
        WITH_RIGS(last_words_survive_unread_input),
        WITH_RIGS(a_stream_moves_between_loops),
        WITH_RIGS_TCP(a_stream_moves_between_loops),
        WITH_RIGS(a_stream_leaves_inside_an_event),
        WITH_RIGS(closing_between_two_loops),
        WITH_RIGS(tcp_is_tuned),
        WITH_RIGS(an_idle_stream_is_small),
        WITH_RIGS(a_bad_descriptor_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
