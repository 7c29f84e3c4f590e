/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Too many, too slow, too much, too deep: what peers that keep to the packets' form can ask of the broker. Each test
 * bounds what they cost, in memory and in others' time.
 */
#include "hostile.h"

#include <sys/socket.h>

/* ---- Many, and slow ---- */

#define MANY 2000
#define MANY_TLS 200

#define TIMEOUT 8 /* s */

/* Until the broker has them all, or the first of them is over already because the machine was busy. */
static void wait_for_all(struct world *w, double began, unsigned sockets)
{
    while (broker_sockets(&w->b) < sockets && seconds_now() - began < TIMEOUT)
        pause_ms(10);
}

static void half_open_connections_cost_little_and_end(void **state)
{
    (void)state;
    struct world *w = world_new(TIMEOUT);
    struct peer **p = calloc(MANY + MANY_TLS, sizeof *p);
    long before = world_memory(w);
    double began = seconds_now();

    for (unsigned i = 0; i < MANY; i++) {
        p[i] = peer_tcp(w->b.ports[0]);
        if (i % 4 > 0) /* a fixed header that promises 1,000 bytes, then some of them: never all */
            peer_send(p[i], "10 e8 07 %s", i % 4 == 1 ? "" : "<MQTT> 04 02 0000 03de");
        if (i % 4 == 3)
            peer_send(p[i], "'%0900u'", i);
        if (i % 200 == 0)
            world_beat(w);
    }
    wait_for_all(w, began, w->sockets + MANY);
    world_expect_growth(w, before, MANY * 4096L, "2,000 half-open connections");
    before = world_memory(w);
    for (unsigned i = MANY; i < MANY + MANY_TLS; i++) {
        p[i] = peer_tcp(w->b.ports[1]);
        peer_send(p[i], "16 03 01 00 a0 01 00 00 9c 03");
    }
    world_expect_growth(w, before, MANY_TLS * 64 * 1024L, "200 half-open handshakes");
    world_beat(w);
    for (unsigned i = 0; i < MANY + MANY_TLS; i++) {
        peer_expect_close_after_anything(p[i]);
        peer_close(p[i]);
    }
    free(p);
    world_expect_alone(w);
    world_free(w);
}

/* Each promises 300,000 bytes and sends half of them. */
static void large_connects_are_few_at_once(void **state)
{
    struct world *w = *state;
    enum { COUNT = 200, HALF = 150000 };
    struct peer *p[COUNT];
    char *bytes = malloc(HALF);
    long before = world_memory(w);

    memset(bytes, 'x', HALF);
    memcpy(bytes, "\x10\xe0\xa7\x12\0\4MQTT\4\xc6\0\0\xff\xff", 16);
    for (unsigned i = 0; i < COUNT; i++) {
        p[i] = peer_tcp(w->b.ports[0]);
        (void)!send(peer_fd(p[i]), bytes, HALF, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    world_beat(w);
    world_expect_growth(w, before, 16 * MIB, "200 large CONNECT packets");
    struct peer *small = client(w->b.ports[0], "small");
    peer_disconnect(small);
    broker_expect_log(&w->b, "too many large CONNECT packets at once");
    for (unsigned i = 0; i < COUNT; i++)
        peer_abort(p[i]);
    free(bytes);
    world_expect_alone(w);
}

/* A hundred write one byte each in turn: CONNECT, SUBSCRIBE, and a PUBLISH to themselves. */
static void slow_writers_delay_nobody(void **state)
{
    struct world *w = *state;
    enum { COUNT = 100, BYTES = 36 };
    struct peer *p[COUNT];

    for (unsigned i = 0; i < COUNT; i++)
        p[i] = world_arrive(w, i % 10 == 0 ? 1 : 0);
    for (unsigned at = 0; at < BYTES; at++) {
        for (unsigned i = 0; i < COUNT; i++) {
            char bytes[BYTES + 1] = "\x10\x0e\0\4MQTT\4\2\0\0\0\2..\x82\7\0\1\0\2..\0\x30\x09\0\2..hello";
            static const unsigned names[] = {14, 22, 29};
            for (unsigned k = 0; k < 3; k++) {
                bytes[names[k]] = (char)('0' + i / 10);
                bytes[names[k] + 1] = (char)('0' + i % 10);
            }
            peer_send_bytes(p[i], bytes + at, 1);
        }
        world_beat(w);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        peer_expect(p[i], "20 02 0000 90 03 0001 00 30 09 <%02u> 'hello'", i);
        peer_disconnect(p[i]);
    }
    world_expect_alone(w);
}

/* ---- Floods ---- */

/* Sends the packet again and again without ever reading, until the broker takes nothing more, or 16 MiB. What is sent
 * to itself fills its own queue: 16 MiB, as configured. */
static void flood_with(struct world *w, const char *text, const void *packet, size_t n)
{
    enum { ROUND = 65536 };
    char *bytes = malloc(ROUND + n);
    size_t round = ROUND / n * n, at = 0, sent = 0;
    struct peer *p = client(w->b.ports[0], "flooder");
    long before = world_memory(w);

    for (size_t i = 0; i < round; i += n)
        memcpy(bytes + i, packet, n);
    peer_subscribe(p, 1, "flood/own", 0);
    for (unsigned refused = 0; refused < 20 && sent < 16 * MIB / patience();) {
        ssize_t taken = send(peer_fd(p), bytes + at, round - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (taken <= 0) {
            refused++;
            pause_ms(5);
            continue;
        }
        refused = 0;
        sent += (size_t)taken;
        at = (at + (size_t)taken) % round;
        if (sent / MIB != (sent - (size_t)taken) / MIB)
            world_beat(w);
    }
    world_beat(w);
    world_expect_growth(w, before, 32 * MIB, text);
    peer_abort(p);
    free(bytes);
}

static void floods_of_one_that_never_reads_are_bounded(void **state)
{
    struct world *w = *state;
    static const struct sample floods[] = {
        SAMPLE("\xc0\0"),
        SAMPLE("\x82\x08\0\1\0\3f/x\0"),
        SAMPLE("\x32\x0c\0\3f/y\0\1hello"),
        SAMPLE("\x34\x0c\0\3f/y\0\2hello"),
        SAMPLE("\x62\2\0\5"),
        SAMPLE("\x30\x1b\0\x09"
               "flood/own0123456789abcdef"),
    };
    static const char *const names[] = {"PINGREQ", "SUBSCRIBE", "QoS 1", "QoS 2", "PUBREL", "PUBLISH to oneself"};

    for (size_t i = 0; i < sizeof floods / sizeof *floods; i++)
        flood_with(w, names[i], floods[i].bytes, floods[i].n);
    world_expect_alone(w);
}

#define FLOOD_MESSAGES 2000
#define FLOOD_SIZE 100000

static size_t flood_packet(uint8_t *packet, unsigned i)
{
    static const char head[] = {0, 5, 'f', '/', 'a', 'l', 'l'};
    unsigned qos = i % 2, n = FLOOD_SIZE + sizeof head + 2 * qos;
    size_t at = 0;

    packet[at++] = (uint8_t)(0x30 | qos << 1);
    packet[at++] = (uint8_t)(n % 128 | 0x80);
    packet[at++] = (uint8_t)(n / 128 % 128 | 0x80);
    packet[at++] = (uint8_t)(n / 16384);
    memcpy(packet + at, head, sizeof head);
    at += sizeof head;
    if (qos > 0) {
        packet[at++] = (uint8_t)((i + 1) >> 8);
        packet[at++] = (uint8_t)(i + 1);
    }
    memset(packet + at, (int)i, FLOOD_SIZE);
    return at + FLOOD_SIZE;
}

/* 200 MB (fewer with sanitizers) go to four who never read; each may have 16 MiB queued, as configured. */
static void subscribers_that_never_read_cost_what_their_limits_say(void **state)
{
    struct world *w = *state;
    uint8_t *packet = malloc(FLOOD_SIZE + 64);
    struct peer *deaf[4], *flooder = client(w->b.ports[0], "flooder");
    long before = world_memory(w), most = before;

    for (unsigned i = 0; i < 4; i++) {
        char name[8];
        snprintf(name, sizeof name, "deaf%u", i);
        deaf[i] = world_arrive(w, i % 2);
        peer_connect(deaf[i], name, true, false);
        peer_subscribe(deaf[i], 1, "f/all", i / 2);
    }
    for (unsigned i = 0; i < FLOOD_MESSAGES / patience(); i++) {
        peer_send_bytes(flooder, packet, flood_packet(packet, i));
        peer_discard(flooder);
        if (i % 50 == 0) {
            world_beat(w);
            most = world_memory(w) > most ? world_memory(w) : most;
        }
    }
    peer_drain(flooder);
    world_beat(w);
    if (patience() == 1 && most - before > 4 * 20 * MIB)
        fail_msg("the broker grew by %ld MiB", (most - before) / MIB);
    broker_expect_log(&w->b, "queue.full client=\"deaf");
    for (unsigned i = 0; i < 4; i++) { /* what they read at last are whole packets */
        peer_drain(deaf[i]);
        peer_send(deaf[i], "e0 00");
        peer_expect_close_after_anything(deaf[i]);
        peer_close(deaf[i]);
    }
    peer_disconnect(flooder);
    free(packet);
    world_expect_alone(w);
}

static void connections_in_quick_succession_leave_nothing(void **state)
{
    struct world *w = *state;

    for (unsigned i = 0; i < 1500 / patience(); i++) {
        struct peer *p = world_arrive(w, i % 3 == 0 ? 0 : i % 101 == 0 ? 1 : 2);
        if (world_draw(w, 4) > 0)
            peer_try_packet(p, 0x10, "<MQTT> 04 %02x 0000 <quick%u> %s", i % 2 ? 6 : 2, world_draw(w, 20),
                            i % 2 ? "<quick/will> <gone>" : "");
        if (world_draw(w, 2) == 0)
            peer_try_packet(p, 0x82, "0001 <quick/#> 01");
        if (world_draw(w, 2) == 0)
            peer_abort(p);
        else
            peer_close(p);
        if (i % 100 == 0)
            world_beat(w);
    }
    world_expect_alone(w);
}

/* ---- One client id, all at once ---- */

#define STORM 300

/* Waits until all but one are closed; which one stays is up to the loops. */
static struct peer *survivor(struct peer *const p[STORM])
{
    for (struct waiting wait = {0}; waiting(&wait);) {
        struct peer *last = NULL;
        unsigned open = 0;
        for (unsigned i = 0; i < STORM; i++) {
            if (peer_discard(p[i])) {
                open++;
                last = p[i];
            }
        }
        if (open == 1)
            return last;
        assert_int_not_equal(open, 0);
    }
    fail_msg("more than one connection has the client id");
    return NULL;
}

static void a_storm_for_one_client_id_has_one_survivor(void **state)
{
    struct world *w = *state;
    struct peer *p[STORM], *first = durable_client(w->b.ports[0], "wanted", false);

    peer_subscribe(first, 1, "wanted/#", 1);
    for (unsigned i = 0; i < STORM; i++) {
        p[i] = world_arrive(w, i % 30 == 0 ? 1 : i % 2 * 2);
        peer_packet(p[i], 0x10, "<MQTT> 04 00 0000 <wanted>");
        if (i % 50 == 0)
            world_beat(w);
    }
    peer_expect_close(first);
    peer_close(first);
    struct peer *last = survivor(p);
    peer_drain(last); /* its CONNACK may still wait for the disk */
    peer_packet(w->sender, 0x32, "<wanted/x> 0009 'for the survivor'");
    peer_expect(w->sender, "40 02 0009");
    peer_expect_publish(last, 2, "wanted/x", "for the survivor");
    for (unsigned i = 0; i < STORM; i++)
        peer_abort(p[i]);
    broker_expect_log(&w->b, "client.taken_over client=");
    peer_disconnect(client(w->b.ports[0], "wanted"));
    world_expect_alone(w);
}

/* ---- Large topics, large lists, the same id again ---- */

static void fill_levels(char *out, unsigned levels, const char *level)
{
    size_t n = strlen(level);

    for (unsigned i = 0; i < levels; i++) {
        memcpy(out, level, n);
        out[n] = i + 1 < levels ? '/' : '\0';
        out += n + 1;
    }
}

/* As many filters of 190 levels as a session may have, each a mixture of names and '+', all of which match one topic.
 */
static void deep_topics_are_matched_in_good_time(void **state)
{
    struct world *w = *state;
    char topic[402], *deep = malloc(65536);
    struct peer *p = client(w->b.ports[0], "deep");

    fill_levels(topic, 190, "a");
    for (unsigned i = 0; i < 800 / patience(); i++) {
        char filter[402];
        memcpy(filter, topic, sizeof topic);
        for (unsigned k = 0; k < 190; k++)
            filter[2 * k] = world_draw(w, 2) == 0 ? '+' : 'a';
        peer_subscribe(p, 1, filter, 0);
    }
    double before = broker_cpu(&w->b);
    peer_packet(p, 0x30, "<%s> 'x'", topic);
    peer_drain(p);
    assert_true(broker_cpu(&w->b) - before < 5.0 * patience());
    fill_levels(deep, 32767, "+");
    peer_packet(p, 0x82, "0002 <%s> 00", deep);
    peer_expect(p, "90 03 0002 80");
    world_beat(w);
    fill_levels(deep, 32767, "a");
    peer_packet(p, 0x30, "<%s> 'x'", deep);
    peer_expect_close(p);
    peer_close(p);
    free(deep);
    world_expect_alone(w);
}

/* One SUBSCRIBE of nearly 1 MiB; what is over max_subscriptions is refused. */
static void giant_subscription_lists_are_bounded(void **state)
{
    struct world *w = *state;
    enum { FILTERS = 60000, EACH = 2 + 12 + 1 };
    uint8_t *packet = malloc(16 + (size_t)FILTERS * EACH), *body;
    struct peer *p = client(w->b.ports[0], "greedy");
    unsigned n = FILTERS * EACH + 2, granted = 0;
    long before = world_memory(w);
    size_t size;

    memcpy(packet,
           (uint8_t[]){0x82, (uint8_t)(n % 128 | 128), (uint8_t)(n / 128 % 128 | 128), (uint8_t)(n / 16384), 0, 1}, 6);
    for (unsigned i = 0; i < FILTERS; i++) {
        char one[32];
        snprintf(one, sizeof one, "%c%cg/+/%06u/#%c", 0, 12, i, 0);
        memcpy(packet + 6 + (size_t)i * EACH, one, EACH);
    }
    for (unsigned again = 0; again < 3; again++) {
        peer_send_bytes(p, packet, n + 4);
        world_beat(w);
        assert_int_equal(peer_read_packet(p, &body, &size), 0x90);
        assert_int_equal(size, FILTERS + 2);
        granted = 0;
        for (unsigned i = 0; i < FILTERS; i++)
            granted += body[2 + i] == 0;
        free(body);
        assert_int_equal(granted, 10000);
    }
    world_expect_growth(w, before, 32 * MIB, "a giant subscription list");
    peer_abort(p);
    free(packet);
    world_expect_alone(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_open_connections_cost_little_and_end),
        cmocka_unit_test(large_connects_are_few_at_once),
        cmocka_unit_test(slow_writers_delay_nobody),
        cmocka_unit_test(floods_of_one_that_never_reads_are_bounded),
        cmocka_unit_test(subscribers_that_never_read_cost_what_their_limits_say),
        cmocka_unit_test(connections_in_quick_succession_leave_nothing),
        cmocka_unit_test(a_storm_for_one_client_id_has_one_survivor),
        cmocka_unit_test(deep_topics_are_matched_in_good_time),
        cmocka_unit_test(giant_subscription_lists_are_bounded),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
