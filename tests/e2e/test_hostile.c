/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Bytes that make no sense, or make it in the wrong place: they end the connection they came on with a line in the log,
 * and nobody else notices. What each packet does to the one who sent it is told in tests/scenario; here it is the
 * others that count.
 */
#include "hostile.h"

#include <sys/socket.h>

/* Packets as they should be, to be cut, bent, and put where they don't belong. */
static const struct sample connects[] = {
    SAMPLE("\x10\x0e\0\4MQTT\4\2\0\0\0\2mu"),
    SAMPLE("\x10\x16\0\4MQTT\4\x0e\0\0\0\2mw\0\3w/x\0\1m"),
    SAMPLE("\x10\x10\0\6MQIsdp\3\2\0\0\0\2m3"),
    SAMPLE("\x10\x0f\0\4MQTT\5\2\0\0\0\0\2mv"),
};

static const struct sample samples[] = {
    SAMPLE("\x82\x0e\0\1\0\3a/b\0\0\3+/#\1"),
    SAMPLE("\x30\x0a\0\3a/bhello"),
    SAMPLE("\x32\x0c\0\3a/b\0\1hello"),
    SAMPLE("\x34\x0c\0\3a/b\0\2hello"),
    SAMPLE("\x62\2\0\2"),
    SAMPLE("\x40\2\0\1"),
    SAMPLE("\x50\2\0\1"),
    SAMPLE("\x70\2\0\1"),
    SAMPLE("\xa2\7\0\3\0\3a/b"),
    SAMPLE("\xc0\0"),
    SAMPLE("\xe0\0"),
};

#define CONNECTS (sizeof connects / sizeof *connects)
#define SAMPLES (sizeof samples / sizeof *samples)

/* Sends all, or what the broker takes before it closes. */
static void send_raw(struct peer *p, const void *data, size_t n)
{
    (void)!send(peer_fd(p), data, n, MSG_NOSIGNAL);
}

/* Ends our side; the broker must end its own. */
static void expect_end(struct peer *p)
{
    shutdown(peer_fd(p), SHUT_WR);
    peer_expect_close_after_anything(p);
    peer_close(p);
}

/* ---- One line in the log, and nobody else is touched ---- */

static void malformed_packets_close_their_connection_with_a_line(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *packet, *line;
    } cases[] = {
        {"36 07 <bad> 'xx'", "reason=\"a packet that breaks the rules of MQTT\""},
        {"10 0d <MQTT> 04 02 0000 <b>", "reason=\"a second CONNECT\""},
        {"d0 00", "reason=\"a packet that only a server may send\""},
        {"30 ff ff 7f", "reason=\"a packet over max_packet_size\""},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[160];
        struct peer *p = world_arrive(w, i % 2);
        snprintf(line, sizeof line, "bad%zu", i);
        peer_connect(p, line, true, false);
        peer_send(p, "%s", cases[i].packet);
        peer_expect_close(p);
        peer_close(p);
        snprintf(line, sizeof line, "client=\"bad%zu\" %s", i, cases[i].line);
        broker_expect_log(&w->b, line);
        world_beat(w);
    }
    broker_expect_log(&w->b, "warn client.disconnected peer=127.0.0.1:");
    struct peer *p = world_arrive(w, 0);
    peer_send(p, "82 06 0001 <b> 00");
    peer_expect_close(p);
    peer_close(p);
    broker_expect_log(&w->b, "warn connect.refused peer=127.0.0.1:");
    world_expect_alone(w);
}

/* ---- Bytes without sense ---- */

static void random_bytes(struct world *w, bool connected, unsigned kind)
{
    static const unsigned sizes[] = {1, 2, 5, 20, 200, 2000};
    uint8_t noise[2000];
    unsigned n = sizes[world_draw(w, 6)];
    struct peer *p = world_arrive(w, kind);

    for (unsigned i = 0; i < n; i++)
        noise[i] = (uint8_t)world_draw(w, 256);
    if (kind == 1 && world_draw(w, 2) == 0) { /* inside TLS; the others of this kind spoil the stream below it */
        peer_try_packet(p, noise[0], "%08x", world_draw(w, 0x7fffffff));
        peer_abort(p);
        return;
    }
    if (connected && kind != 1)
        send_raw(p, connects[0].bytes, connects[0].n);
    send_raw(p, noise, n);
    if (kind == 1)
        peer_abort(p);
    else
        expect_end(p);
}

static void random_bytes_end_where_they_came_from(void **state)
{
    struct world *w = *state;

    for (unsigned i = 0; i < 600; i++) {
        random_bytes(w, i % 3 > 0, i % 40 == 0 ? 1 : i % 4 == 0 ? 0 : 2);
        if (i % 50 == 0)
            world_beat(w);
    }
    for (unsigned i = 0; i < 100; i++) { /* where a ClientHello should be */
        uint8_t hello[64] = {0x16, 3, 1, 0, 0xa0, 1, 0, 0, 0x9c, 3, 3};
        for (unsigned k = world_draw(w, 11); k < sizeof hello; k++)
            hello[k] = (uint8_t)world_draw(w, 256);
        struct peer *p = peer_tcp(w->b.ports[1]);
        send_raw(p, hello, 1 + world_draw(w, sizeof hello));
        expect_end(p);
    }
    world_expect_alone(w);
}

static void truncated_packets_are_dropped(void **state)
{
    struct world *w = *state;

    for (size_t s = 0; s < SAMPLES + CONNECTS; s++) {
        const struct sample *cut = s < SAMPLES ? &samples[s] : &connects[s - SAMPLES];
        for (size_t n = 1; n < cut->n; n++) {
            struct peer *before = world_arrive(w, 2), *after = world_arrive(w, n % 8 == 0 ? 0 : 2);
            send_raw(before, cut->bytes, n);
            expect_end(before);
            send_raw(after, connects[s % 2].bytes, connects[s % 2].n);
            send_raw(after, cut->bytes, n);
            expect_end(after);
        }
        world_beat(w);
    }
    world_expect_alone(w);
}

static size_t bend(struct world *w, uint8_t *p, size_t n)
{
    size_t at = world_draw(w, (unsigned)n);

    switch (world_draw(w, 5)) {
    case 0:
        p[at] = (uint8_t)world_draw(w, 256);
        return n;
    case 1:
        p[at] ^= (uint8_t)(1u << world_draw(w, 8));
        return n;
    case 2:
        memmove(p + at, p + at + 1, n - at - 1);
        return n > 1 ? n - 1 : n;
    case 3:
        memmove(p + at + 1, p + at, n - at);
        p[at] = (uint8_t)world_draw(w, 256);
        return n + 1;
    default:
        p[at] = (const uint8_t[]){0, 1, 0x7f, 0x80, 0xff}[world_draw(w, 5)];
        return n;
    }
}

static void mutated_packets_end_where_they_came_from(void **state)
{
    struct world *w = *state;
    uint8_t bytes[64];

    for (unsigned i = 0; i < 800; i++) {
        struct peer *p = world_arrive(w, i % 16 == 0 ? 0 : 2);
        for (unsigned k = 0; k < 8; k++) {
            const struct sample *s = k == 0 ? &connects[world_draw(w, 3)] : &samples[world_draw(w, SAMPLES)];
            size_t n = s->n;
            memcpy(bytes, s->bytes, n);
            for (unsigned m = world_draw(w, 8) < (k == 0 ? 1 : 3) ? 1 + world_draw(w, 3) : 0; m > 0; m--)
                n = bend(w, bytes, n);
            send_raw(p, bytes, n);
        }
        if (i % 3 == 0)
            peer_abort(p);
        else
            expect_end(p);
        if (i % 100 == 0)
            world_beat(w);
    }
    world_expect_alone(w);
}

/* ---- Every packet in every state ---- */

enum { FRESH, CONNECTED, QOS_2_OPEN, BEHIND_CONNECT, BEHIND_DISCONNECT, BEHIND_REFUSAL, STATES };

/* Of the types a client may send, all live on but DISCONNECT. */
static bool lives(unsigned where, unsigned type)
{
    static const bool allowed[16] = {
        [3] = true, [4] = true, [5] = true, [6] = true, [7] = true, [8] = true, [10] = true, [12] = true};

    if (where == FRESH)
        return type == 1;
    return where < BEHIND_DISCONNECT && allowed[type];
}

static struct peer *in_state(struct world *w, unsigned where, const char *packet)
{
    struct peer *p = world_arrive(w, where % 2 * 2);

    if (where == CONNECTED || where == QOS_2_OPEN)
        peer_connect(p, "st", true, false);
    if (where == QOS_2_OPEN) {
        peer_subscribe(p, 1, "own", 2);
        peer_packet(p, 0x34, "<own> 0001 'x'");
        peer_drain(p);
    }
    const char *prefix = where == BEHIND_CONNECT      ? "10 0e <MQTT> 04 02 0000 <st>"
                         : where == BEHIND_DISCONNECT ? "10 0e <MQTT> 04 02 0000 <st> e0 00"
                         : where == BEHIND_REFUSAL    ? "10 0e <MQTT> 09 02 0000 <st>"
                                                      : "";
    peer_send(p, "%s %s", prefix, packet);
    return p;
}

static void every_packet_in_every_state_does_what_it_should(void **state)
{
    struct world *w = *state;
    static const char *const packets[16] = {
        "00 00",
        "10 0e <MQTT> 04 02 0000 <st>",
        "20 02 0000",
        "",
        "40 02 0001",
        "50 02 0001",
        "62 02 0001",
        "70 02 0001",
        "82 07 0001 <st> 00",
        "90 03 0001 00",
        "a2 06 0001 <st>",
        "b0 02 0001",
        "c0 00",
        "d0 00",
        "e0 00",
        "f0 02 0000",
    };
    struct peer *watcher = client(w->b.ports[0], "watcher");
    peer_subscribe(watcher, 1, "never/+", 0);

    for (unsigned where = 0; where < STATES; where++) {
        for (unsigned type = 0; type < 16; type++) {
            const char *publish =
                where == FRESH || where >= BEHIND_DISCONNECT ? "34 0c <never/x> 0001 'x'" : "34 0c <often/x> 0001 'x'";
            struct peer *p = in_state(w, where, type == 3 ? publish : packets[type]);
            if (lives(where, type)) {
                peer_drain(p);
                peer_send(p, "e0 00");
                peer_expect_close_after_anything(p);
                peer_close(p);
            } else if (where == FRESH) {
                peer_expect_close(p);
                peer_close(p);
            } else {
                peer_expect_close_after_anything(p);
                peer_close(p);
            }
        }
        world_beat(w);
    }
    peer_ping(watcher); /* and none of those messages came through */
    peer_disconnect(watcher);
    world_expect_alone(w);
}

/* An id that is in use, again and again: at QoS 2 it is one message, however often it comes. */
static void repeated_packet_ids_are_one_message(void **state)
{
    struct world *w = *state;
    struct peer *p = client(w->b.ports[0], "again"), *reader = client(w->b.ports[0], "reader");
    long before = world_memory(w);

    peer_subscribe(reader, 1, "again", 0);
    for (unsigned i = 0; i < 5000; i++) {
        peer_packet(p, i == 0 ? 0x34 : 0x3c, "<again> 0001 'once'");
        peer_expect(p, "50 02 0001");
    }
    peer_send(p, "62 02 0001 62 02 0001 62 02 0001");
    peer_expect(p, "70 02 0001 70 02 0001 70 02 0001");
    peer_subscribe(p, 1, "nothing", 1);
    peer_expect_publish(reader, 0, "again", "once");
    world_beat(w);
    peer_ping(reader);
    for (unsigned i = 1; i <= 0xffff; i++) /* all ids at once, none released */
        peer_send(p, "34 09 <free> %04x 'x'", i);
    peer_drain(p);
    world_expect_growth(w, before, 8 * MIB, "65,535 packet ids in use");
    peer_disconnect(p);
    peer_disconnect(reader);
    world_expect_alone(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_packets_close_their_connection_with_a_line),
        cmocka_unit_test(random_bytes_end_where_they_came_from),
        cmocka_unit_test(truncated_packets_are_dropped),
        cmocka_unit_test(mutated_packets_end_where_they_came_from),
        cmocka_unit_test(every_packet_in_every_state_does_what_it_should),
        cmocka_unit_test(repeated_packet_ids_are_one_message),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
