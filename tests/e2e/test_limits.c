/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a broker must survive: silence, floods, large messages and slow readers. */
#include "e2e/e2e.h"

#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LARGE 1000000
#define COUNT 8

static struct broker *start(const char *extra)
{
    struct broker *b = calloc(1, sizeof *b);
    char *ini = malloc(4096);

    broker_init(b);
    broker_make_certs(b, "certs");
    snprintf(ini, 4096,
             TWO_LOOPS
             "[listener.plain]\naddress = 127.0.0.1\nport = @P0@\n"
             "[listener.tls]\naddress = 127.0.0.1\nport = @P1@\ntls = on\n" RSA_PAIR "%s",
             extra);
    broker_write(b, "sotto.ini", ini);
    free(ini);
    return b;
}

static void stop(struct broker *b)
{
    broker_stop(b);
    broker_fini(b);
    free(b);
}

static struct peer *open_client(struct broker *b, bool tls, const char *name)
{
    struct peer *p = tls ? peer_tls(b->ports[1], broker_path(b, "certs/ca.crt"), 3) : peer_tcp(b->ports[0]);
    peer_connect(p, name, true, false);
    return p;
}

static uint8_t pattern(unsigned message, size_t at)
{
    return (uint8_t)(message * 31 + at * 7 + at / 251);
}

static void send_large(struct peer *p, unsigned message)
{
    static const uint8_t head[] = {0x32, 0xc9, 0x84, 0x3d, 0, 5, 'l', 'a', 'r', 'g', 'e', 0, 0};
    uint8_t *packet = malloc(sizeof head + LARGE);

    memcpy(packet, head, sizeof head);
    packet[sizeof head - 1] = (uint8_t)(message + 1);
    for (size_t i = 0; i < LARGE; i++)
        packet[sizeof head + i] = pattern(message, i);
    peer_send_bytes(p, packet, sizeof head + LARGE);
    free(packet);
}

/* In small pieces with pauses, so that the broker's output has to wait for us. */
static void receive_large_slowly(struct peer *p, unsigned message)
{
    uint8_t head[13];
    uint8_t *payload = malloc(LARGE);

    peer_read_bytes(p, head, sizeof head);
    assert_int_equal(head[0], 0x32);
    for (size_t at = 0; at < LARGE; at += LARGE / 20) {
        if (message == 0)
            usleep(10000);
        peer_read_bytes(p, payload + at, LARGE / 20);
    }
    for (size_t i = 0; i < LARGE; i++) {
        if (payload[i] != pattern(message, i))
            fail_msg("message %u is wrong at byte %zu", message, i);
    }
    free(payload);
    peer_send(p, "40 02 %02x%02x", head[11], head[12]);
}

static void large_messages(bool tls_in, bool tls_out)
{
    struct broker *b = start("");
    int small = 262144;
    broker_start(b);
    struct peer *reader = open_client(b, tls_out, "reader"), *writer = open_client(b, tls_in, "writer");
    setsockopt(peer_fd(reader), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    peer_subscribe(reader, 1, "large", 1);
    for (unsigned i = 0; i < COUNT; i++) {
        send_large(writer, i);
        peer_expect(writer, "40 02 %04x", i + 1);
    }
    /* The reader has read nothing so far, and the broker lives with it. */
    peer_ping(writer);
    for (unsigned i = 0; i < COUNT; i++)
        receive_large_slowly(reader, i);
    peer_ping(reader);
    peer_disconnect(reader);
    peer_disconnect(writer);
    stop(b);
}

static void large_messages_to_a_slow_reader(void **state)
{
    (void)state;
    large_messages(false, false);
}

static void large_messages_to_a_slow_reader_over_tls(void **state)
{
    (void)state;
    large_messages(true, true);
}

static void packets_above_the_limit_close(void **state)
{
    (void)state;
    struct broker *b = start("[limits]\nmax_packet_size = 1K\n");
    broker_start(b);
    struct peer *p = open_client(b, false, "too-large");
    /* One byte too many, in one write: the broker may close before a second one. */
    peer_send(p, "30 fe 07 <t> '%01019d'", 0);
    peer_expect_close(p);
    peer_close(p);
    p = open_client(b, false, "announced");
    peer_send(p, "30 81 80 80 01");
    peer_expect_close(p);
    peer_close(p);
    stop(b);
}

/* False: the machine was too busy for the good ones to say something in time. */
static bool only_the_silent_are_closed(struct broker *b, unsigned timeout)
{
    double began = seconds_now();
    struct peer *good = peer_tcp(b->ports[0]);
    bool in_time = peer_try_exchange(good, "10 10 <MQTT> 04 02 0000 <good>", "20 02 0000");
    struct peer *silent[4] = {peer_tcp(b->ports[0]), peer_tcp(b->ports[0]), peer_tcp(b->ports[1]), NULL};
    peer_send(silent[1], "10 20 <MQTT> 04");
    peer_send(silent[2], "16 03 01 00 a0 01 00");
    silent[3] = peer_tls_try(b->ports[1], broker_path(b, "certs/ca.crt"), "localhost", 3);
    if (silent[3] == NULL)
        in_time = false;
    for (unsigned i = 0; i < 4 && silent[i] != NULL; i++) {
        peer_expect_close_after_anything(silent[i]);
        peer_close(silent[i]);
        assert_true(seconds_now() - began > timeout * 0.9);
    }
    if (in_time)
        peer_ping(good);
    else if (seconds_now() - began < timeout * 0.9)
        fail_msg("closed after %.1f s", seconds_now() - began);
    peer_close(good);
    return in_time;
}

static void silent_connections_are_closed_after_the_connect_timeout(void **state)
{
    (void)state;
    bool in_time = false;
    for (unsigned timeout = 1; !in_time; timeout *= 2) {
        char limits[64];
        snprintf(limits, sizeof limits, "[limits]\nconnect_timeout = %us\n", timeout);
        struct broker *b = start(limits);
        broker_start(b);
        in_time = only_the_silent_are_closed(b, timeout);
        stop(b);
    }
}

static void running_out_of_descriptors_is_survived(void **state)
{
    (void)state;
    struct broker *b = start("");
    struct peer *p[80];
    unsigned n = 0;

    broker_start_limited(b, 64);
    struct peer *first = open_client(b, false, "first");
    peer_subscribe(first, 1, "still/here", 0);
    for (; n < 80; n++)
        p[n] = peer_tcp(b->ports[0]);
    peer_packet(first, 0x30, "<still/here> 'yes'");
    peer_expect_publish(first, 0, "still/here", "yes");
    for (unsigned i = 0; i < n; i++)
        peer_close(p[i]);
    /* Room again: new clients are served. */
    for (int i = 0; i < 5; i++)
        peer_disconnect(open_client(b, i % 2, "later"));
    peer_disconnect(first);
    stop(b);
}

static void queues_are_bounded(void **state)
{
    (void)state;
    struct broker *b = start("[limits]\nmax_queued_messages = 10\nmax_inflight = 5\n");
    char payload[16];
    broker_start(b);
    struct peer *p = durable_client(b->ports[0], "bounded", false), *publisher = open_client(b, false, "publisher");
    peer_subscribe(p, 1, "bounded/t", 1);
    peer_disconnect(p);
    for (unsigned i = 0; i < 30; i++) {
        peer_packet(publisher, 0x32, "<bounded/t> %04x 'm%u'", i + 1, i);
        peer_expect(publisher, "40 02 %04x", i + 1);
    }
    p = durable_client(b->ports[0], "bounded", true);
    /* The oldest were dropped: ten are left, five of them at a time. */
    for (unsigned i = 20; i < 30; i++) {
        snprintf(payload, sizeof payload, "m%u", i);
        peer_send(p, "40 02 %04x", peer_expect_publish(p, 2, "bounded/t", payload));
    }
    peer_ping(p);
    peer_disconnect(p);
    peer_disconnect(publisher);
    stop(b);
}

static void window_is_kept(void **state)
{
    (void)state;
    struct broker *b = start("[limits]\nmax_inflight = 3\n");
    uint16_t ids[10];
    char payload[16];
    broker_start(b);
    struct peer *p = open_client(b, false, "window"), *publisher = open_client(b, false, "publisher");
    peer_subscribe(p, 1, "window/t", 1);
    for (unsigned i = 0; i < 10; i++) {
        peer_packet(publisher, 0x32, "<window/t> %04x 'm%u'", i + 1, i);
        peer_expect(publisher, "40 02 %04x", i + 1);
    }
    for (unsigned i = 0; i < 10; i++) {
        snprintf(payload, sizeof payload, "m%u", i);
        ids[i] = peer_expect_publish(p, 2, "window/t", payload);
        if (i >= 2) {
            peer_ping(p);
            peer_send(p, "40 02 %04x", ids[i - 2]);
        }
    }
    peer_disconnect(p);
    peer_disconnect(publisher);
    stop(b);
}

#define MEMORY_PAYLOAD 65000

static void send_long(struct peer *p, unsigned i)
{
    static const uint8_t head[] = {0x32, 0xf1, 0xfb, 3, 0, 5, 'l', 'a', 'r', 'g', 'e', 0, 0};
    static uint8_t packet[sizeof head + MEMORY_PAYLOAD];
    memcpy(packet, head, sizeof head);
    packet[sizeof head - 2] = (uint8_t)((i + 1) >> 8);
    packet[sizeof head - 1] = (uint8_t)(i + 1);
    snprintf((char *)packet + sizeof head, 16, "m%u", i);
    peer_send_bytes(p, packet, sizeof packet);
    peer_expect(p, "40 02 %04x", i + 1);
}

/* The number of the message that comes. */
static unsigned take_long(struct peer *p)
{
    static uint8_t packet[13 + MEMORY_PAYLOAD];
    peer_read_bytes(p, packet, sizeof packet);
    assert_int_equal(packet[0] & 0xf6, 0x32);
    peer_send(p, "40 02 %02x%02x", packet[11], packet[12]);
    return (unsigned)atoi((char *)packet + 14);
}

/* 39 MB for one who is away: what 16 MB hold stays, the oldest go; and nobody new comes in until there is room again.
 */
static void memory_is_bounded(void **state)
{
    (void)state;
    struct broker *b = start("[limits]\nmax_memory = 16M\nmax_queued_messages = 10000\nmax_queued_bytes = 1G\n");
    unsigned sent = 600;
    broker_start(b);
    struct peer *p = durable_client(b->ports[0], "bounded", false), *publisher = open_client(b, false, "publisher");
    peer_subscribe(p, 1, "large", 1);
    peer_disconnect(p);
    for (unsigned i = 0; i < sent; i++)
        send_long(publisher, i);
    p = durable_client(b->ports[0], "bounded", true);
    unsigned first = take_long(p);
    assert_true(first > sent - 250 && first < sent - 100);
    for (unsigned i = first + 1; i < sent; i++)
        assert_int_equal(take_long(p), i);
    peer_ping(p);
    peer_disconnect(open_client(b, false, "other"));
    peer_disconnect(p);
    peer_disconnect(publisher);
    stop(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_messages_to_a_slow_reader),
        cmocka_unit_test(large_messages_to_a_slow_reader_over_tls),
        cmocka_unit_test(packets_above_the_limit_close),
        cmocka_unit_test(silent_connections_are_closed_after_the_connect_timeout),
        cmocka_unit_test(running_out_of_descriptors_is_survived),
        cmocka_unit_test(queues_are_bounded),
        cmocka_unit_test(window_is_kept),
        cmocka_unit_test(memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
