/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Connections on their loops: where their bytes are put, how they move, how they end. */
#include "server_harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PLAIN "[auth]\nanonymous = on\n[listener.plain]\naddress = 127.0.0.1\nport = @P\n"

static int setup(void **state)
{
    struct run *r = calloc(1, sizeof(*r));
    run_init(r);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    run_fini(*state);
    free(*state);
    return 0;
}

static size_t subscribe_packet(uint8_t *out, const char *filter)
{
    size_t n = strlen(filter);
    const uint8_t head[] = {0x82, (uint8_t)(5 + n), 0, 1, 0, (uint8_t)n};
    memcpy(out, head, sizeof(head));
    memcpy(out + 6, filter, n);
    out[6 + n] = 0;
    return 7 + n;
}

/* QoS 0, a body of any size. */
static size_t publish_packet(uint8_t *out, const char *topic, size_t payload)
{
    size_t topic_n = strlen(topic), left = 2 + topic_n + payload, n = 0;
    out[n++] = 0x30;
    do {
        out[n++] = (uint8_t)((left & 127) | (left > 127 ? 128 : 0));
        left >>= 7;
    } while (left > 0);
    out[n++] = 0;
    out[n++] = (uint8_t)topic_n;
    memcpy(out + n, topic, topic_n);
    n += topic_n;
    for (size_t i = 0; i < payload; i++)
        out[n++] = (uint8_t)(i * 7);
    return n;
}

static void read_all(int fd, uint8_t *p, size_t n)
{
    for (size_t have = 0; have < n;) {
        ssize_t part = recv(fd, p + have, n - have, 0);
        assert_true(part > 0);
        have += (size_t)part;
    }
}

/* Client ids hash to all loops: nearly all connections move, with packets behind their CONNECT. */
static void pipelined_packets_travel_with_the_connection(void **state)
{
    struct run *r = *state;
    run_start(r, "threads = 4\n" PLAIN, 0);
    for (int i = 0; i < 40; i++) {
        char id[32];
        uint8_t packets[512];
        snprintf(id, sizeof(id), "client-%d", i);
        size_t n = run_connect_packet(packets, id);
        n += subscribe_packet(packets + n, id);
        n += publish_packet(packets + n, id, 20);
        int fd = run_connect(r->ports[0]);
        run_send(fd, packets, n);
        run_expect(fd, "\x20\x02\x00\x00\x90\x03\x00\x01\x00", 9);
        size_t length = publish_packet(packets, id, 20);
        run_expect(fd, packets, length);
        close(fd);
    }
    assert_int_equal(run_stop(r), 0);
}

static void echo_in_pieces(int fd, size_t payload, size_t piece)
{
    uint8_t *packet = malloc(payload + 64), *back = malloc(payload + 64);
    size_t n = publish_packet(packet, "echo", payload);
    for (size_t at = 0; at < n; at += piece)
        run_send(fd, packet + at, n - at < piece ? n - at : piece);
    read_all(fd, back, n);
    assert_memory_equal(back, packet, n);
    free(packet);
    free(back);
}

/* Smaller than what is put in front of a read, larger, and much larger than one. */
static void unfinished_packets_of_any_size_are_put_together(void **state)
{
    struct run *r = *state;
    uint8_t subscribe[64];
    run_start(r, "threads = 1\n" PLAIN, 0);
    int fd = run_connect(r->ports[0]);
    run_hello(fd, "echo");
    run_send(fd, subscribe, subscribe_packet(subscribe, "echo"));
    run_expect(fd, "\x90\x03\x00\x01\x00", 5);
    echo_in_pieces(fd, 10, 1);
    echo_in_pieces(fd, 3000, 7);
    echo_in_pieces(fd, 16 * 1024, 1000);
    echo_in_pieces(fd, 16 * 1024 + 1, 16 * 1024);
    echo_in_pieces(fd, 100000, 9000);
    echo_in_pieces(fd, 1000000, 50001);
    echo_in_pieces(fd, 1000000, 1000100);
    close(fd);
    assert_int_equal(run_stop(r), 0);
}

/* All connections of a loop read into the same buffer. */
static void unfinished_packets_are_kept_apart(void **state)
{
    struct run *r = *state;
    enum { N = 5, PAYLOAD = 2000, PIECE = 130 };
    uint8_t packets[N][PAYLOAD + 64], back[PAYLOAD + 64];
    int fd[N];
    size_t n = 0;
    run_start(r, "threads = 1\n" PLAIN, 0);
    for (int i = 0; i < N; i++) {
        char id[16];
        snprintf(id, sizeof(id), "apart-%d", i);
        fd[i] = run_connect(r->ports[0]);
        run_hello(fd[i], id);
        run_send(fd[i], back, subscribe_packet(back, id));
        run_expect(fd[i], "\x90\x03\x00\x01\x00", 5);
        n = publish_packet(packets[i], id, PAYLOAD);
        for (size_t at = 20; at < n; at++)
            packets[i][at] = (uint8_t)(packets[i][at] + i);
    }
    for (size_t at = 0; at < n; at += PIECE) {
        for (int i = 0; i < N; i++)
            run_send(fd[i], packets[i] + at, n - at < PIECE ? n - at : PIECE);
        usleep(2000);
    }
    for (int i = 0; i < N; i++) {
        read_all(fd[i], back, n);
        assert_memory_equal(back, packets[i], n);
        close(fd[i]);
    }
    assert_int_equal(run_stop(r), 0);
}

static void more_than_a_turn_may_read_arrives_whole(void **state)
{
    struct run *r = *state;
    enum { MESSAGES = 20000, PAYLOAD = 40 };
    uint8_t subscribe[64], one[64];
    run_start(r, "threads = 2\n[limits]\nmax_queued_messages = 100000\n" PLAIN, 0);
    int in = run_connect(r->ports[0]), out = run_connect(r->ports[0]);
    run_hello(in, "in");
    run_hello(out, "out");
    run_send(out, subscribe, subscribe_packet(subscribe, "echo"));
    run_expect(out, "\x90\x03\x00\x01\x00", 5);
    size_t n = publish_packet(one, "echo", PAYLOAD);
    uint8_t *all = malloc(n * MESSAGES), *back = malloc(n * MESSAGES);
    for (size_t i = 0; i < MESSAGES; i++)
        memcpy(all + i * n, one, n);
    run_send(in, all, n * MESSAGES);
    read_all(out, back, n * MESSAGES);
    assert_memory_equal(all, back, n * MESSAGES);
    free(all);
    free(back);
    close(in);
    close(out);
    assert_int_equal(run_stop(r), 0);
}

static void a_silent_connection_is_closed(void **state)
{
    struct run *r = *state;
    run_start(r, "threads = 2\n[limits]\nconnect_timeout = 200ms\n" PLAIN, 0);
    int silent = run_connect(r->ports[0]), slow = run_connect(r->ports[0]);
    run_send(slow, "\x10\x10\x00\x04MQ", 6);
    run_expect_closed(silent);
    run_expect_closed(slow);
    close(silent);
    close(slow);
    run_expect_log(r, "no CONNECT within connect_timeout");
    assert_int_equal(run_stop(r), 0);
}

static void a_half_closed_connection_is_closed(void **state)
{
    struct run *r = *state;
    run_start(r, "threads = 1\n" PLAIN, 0);
    int fd = run_connect(r->ports[0]);
    run_hello(fd, "half");
    shutdown(fd, SHUT_WR);
    run_expect_closed(fd);
    close(fd);
    assert_int_equal(run_stop(r), 0);
}

/* A refusal reaches the peer although it has sent more than we read. */
static void last_words_arrive(void **state)
{
    struct run *r = *state;
    uint8_t packets[20000] = {0};
    run_start(r, "threads = 1\n" PLAIN, 0);
    for (int i = 0; i < 20; i++) {
        int fd = run_connect(r->ports[0]);
        size_t n = run_connect_packet(packets, "level");
        packets[8] = 9; /* protocol level */
        run_send(fd, packets, n + 10000);
        run_expect(fd, "\x20\x02\x00\x01", 4);
        run_expect_closed(fd);
        close(fd);
    }
    assert_int_equal(run_stop(r), 0);
}

/* Somebody who reads nothing holds up neither the others nor the stop. */
static void a_peer_that_reads_nothing_is_cut_off_at_the_stop(void **state)
{
    struct run *r = *state;
    uint8_t subscribe[64], *large = malloc(600000);
    run_start(r, "threads = 2\n" PLAIN, 0);
    int deaf = run_connect(r->ports[0]), in = run_connect(r->ports[0]);
    run_hello(deaf, "deaf");
    run_hello(in, "in");
    run_send(deaf, subscribe, subscribe_packet(subscribe, "echo"));
    run_expect(deaf, "\x90\x03\x00\x01\x00", 5);
    size_t n = publish_packet(large, "echo", 500000);
    for (int i = 0; i < 20; i++)
        run_send(in, large, n);
    run_send(in, "\xc0\x00", 2);
    run_expect(in, "\xd0\x00", 2);
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    assert_int_equal(run_stop(r), 0);
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_true(after.tv_sec - before.tv_sec < 4); /* a connection that closes by itself may linger for 5 s */
    close(deaf);
    close(in);
    free(large);
}

static void clients_are_let_go_at_the_stop(void **state)
{
    struct run *r = *state;
    int fd[30];
    run_start(r, "threads = 3\n" PLAIN, 0);
    for (int i = 0; i < 30; i++) {
        char id[32];
        snprintf(id, sizeof(id), "stop-%d", i);
        fd[i] = run_connect(r->ports[0]);
        if (i % 3 != 0)
            run_hello(fd[i], id);
    }
    assert_int_equal(run_stop(r), 0);
    for (int i = 0; i < 30; i++) {
        run_expect_closed(fd[i]);
        close(fd[i]);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(pipelined_packets_travel_with_the_connection),
        TEST(unfinished_packets_of_any_size_are_put_together),
        TEST(unfinished_packets_are_kept_apart),
        TEST(more_than_a_turn_may_read_arrives_whole),
        TEST(a_silent_connection_is_closed),
        TEST(a_half_closed_connection_is_closed),
        TEST(last_words_arrive),
        TEST(a_peer_that_reads_nothing_is_cut_off_at_the_stop),
        TEST(clients_are_let_go_at_the_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
