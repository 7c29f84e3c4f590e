/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Two loops: which one accepts a connection is the kernel's choice, so each test uses enough of them to meet every
 * case. */
#include "e2e/e2e.h"

#include <signal.h>

#define PAIRS 12

static int setup(void **state)
{
    struct broker *b = broker_new(state);

    broker_make_certs(b, "certs");
    broker_write(b, "sotto.ini",
                 TWO_LOOPS
                 "[listener.plain]\naddress = 127.0.0.1\nport = @P0@\n"
                 "[listener.tls]\naddress = 127.0.0.1\nport = @P1@\ntls = on\n" RSA_PAIR
                 "[listener.six]\naddress = ::1\nport = @P2@\n"
                 "[listener.local]\naddress = unix:@DIR@/socket\n");
    broker_start(b);
    return 0;
}

/* A connection of each kind in turn. */
static struct peer *any_peer(struct broker *b, int i)
{
    switch (i % 4) {
    case 0:
        return peer_tcp(b->ports[0]);
    case 1:
        return peer_tls(b->ports[1], broker_path(b, "certs/ca.crt"), 2 + i / 4 % 2);
    case 2:
        return peer_tcp6(b->ports[2]);
    default:
        return peer_unix(broker_path(b, "socket"));
    }
}

static struct peer *any_client(struct broker *b, int i, const char *prefix, bool clean, bool session)
{
    char name[64];
    snprintf(name, sizeof name, "%s-%d", prefix, i);
    struct peer *p = any_peer(b, i);
    peer_connect(p, name, clean, session);
    return p;
}

static void ipv6_and_unix_sockets_are_served(void **state)
{
    struct broker *b = *state;
    for (int i = 0; i < 4; i++)
        peer_disconnect(any_client(b, i, "kinds", true, false));
}

static void every_client_reaches_every_other(void **state)
{
    struct broker *b = *state;
    struct peer *p[PAIRS];
    char topic[32], payload[32];

    for (int i = 0; i < PAIRS; i++) {
        p[i] = any_client(b, i, "mesh", true, false);
        snprintf(topic, sizeof topic, "mesh/%d", i);
        peer_subscribe(p[i], 1, topic, 0);
    }
    for (int from = 0; from < PAIRS; from++) {
        for (int to = 0; to < PAIRS; to++) {
            snprintf(topic, sizeof topic, "mesh/%d", to);
            snprintf(payload, sizeof payload, "from %d", from);
            peer_packet(p[from], 0x30, "<%s> '%s'", topic, payload);
            peer_expect_publish(p[to], 0, topic, payload);
        }
    }
    for (int i = 0; i < PAIRS; i++)
        peer_disconnect(p[i]);
}

static void one_message_reaches_all_at_every_qos(void **state)
{
    struct broker *b = *state;
    struct peer *p[PAIRS], *publisher = any_client(b, 0, "fan-publisher", true, false);

    for (int i = 0; i < PAIRS; i++) {
        p[i] = any_client(b, i, "fan", true, false);
        peer_subscribe(p[i], 1, "fan/out", 2);
    }
    peer_packet(publisher, 0x34, "<fan/out> 0001 'all'");
    peer_expect(publisher, "50 02 0001");
    peer_send(publisher, "62 02 0001");
    peer_expect(publisher, "70 02 0001");
    for (int i = 0; i < PAIRS; i++) {
        uint16_t id = peer_expect_publish(p[i], 4, "fan/out", "all");
        peer_send(p[i], "50 02 %04x", id);
        peer_expect(p[i], "62 02 %04x", id);
        peer_send(p[i], "70 02 %04x", id);
        peer_ping(p[i]);
        peer_disconnect(p[i]);
    }
    peer_disconnect(publisher);
}

static void order_is_kept_over_loops__MQTT_4_6_0_6(void **state)
{
    struct broker *b = *state;
    struct peer *p[4], *publisher = any_client(b, 0, "order-publisher", true, false);
    char payload[16];

    for (int i = 0; i < 4; i++) {
        p[i] = any_client(b, i, "order", true, false);
        peer_subscribe(p[i], 1, "order/#", 1);
    }
    for (unsigned i = 0; i < 300; i++)
        peer_packet(publisher, 0x32, "<order/t> %04x 'm%u'", i + 1, i);
    for (unsigned i = 0; i < 300; i++)
        peer_expect(publisher, "40 02 %04x", i + 1);
    for (int k = 0; k < 4; k++) {
        for (unsigned i = 0; i < 300; i++) {
            snprintf(payload, sizeof payload, "m%u", i);
            peer_send(p[k], "40 02 %04x", peer_expect_publish(p[k], 2, "order/t", payload));
        }
        peer_disconnect(p[k]);
    }
    peer_disconnect(publisher);
}

static void client_ids_are_taken_over_on_any_loop__MQTT_3_1_4_2(void **state)
{
    struct broker *b = *state;
    struct peer *publisher = any_client(b, 0, "take-publisher", true, false);

    for (int name = 0; name < 4; name++) {
        char topic[32], id[32];
        snprintf(topic, sizeof topic, "take/%d", name);
        snprintf(id, sizeof id, "take-%d", name);
        struct peer *p = any_peer(b, name);
        peer_connect(p, id, false, false);
        peer_subscribe(p, 1, topic, 1);
        for (int i = 0; i < PAIRS; i++) {
            struct peer *next = any_peer(b, i);
            peer_connect(next, id, false, true);
            peer_expect_close(p);
            peer_close(p);
            p = next;
            peer_packet(publisher, 0x30, "<%s> 'm%d'", topic, i);
            char payload[32];
            snprintf(payload, sizeof payload, "m%d", i);
            peer_expect_publish(p, 0, topic, payload);
        }
        peer_disconnect(p);
    }
    peer_disconnect(publisher);
}

static void sessions_are_found_from_any_loop(void **state)
{
    struct broker *b = *state;
    struct peer *publisher = any_client(b, 0, "away-publisher", true, false);

    for (int i = 0; i < PAIRS; i++) {
        struct peer *p = any_client(b, i, "away", false, false);
        peer_subscribe(p, 1, "away/#", 1);
        peer_disconnect(p);
    }
    peer_packet(publisher, 0x32, "<away/t> 0001 'waits'");
    peer_expect(publisher, "40 02 0001");
    for (int i = 0; i < PAIRS; i++) {
        struct peer *p = any_client(b, i, "away", false, true);
        peer_send(p, "40 02 %04x", peer_expect_publish(p, 2, "away/t", "waits"));
        peer_disconnect(p);
        peer_disconnect(any_client(b, i, "away", true, false));
    }
    peer_disconnect(publisher);
}

static void bytes_behind_connect_move_with_the_connection(void **state)
{
    struct broker *b = *state;
    for (int i = 0; i < 4 * PAIRS; i++) {
        struct peer *p = any_peer(b, i);
        /* All at once: CONNECT, SUBSCRIBE, a PUBLISH to itself, and half a PINGREQ. */
        peer_send(p, "10 10 <MQTT> 04 02 0000 <b%03d> 82 08 0001 <b/t> 00 30 06 <b/t> 'm' c0", i);
        peer_expect(p, "20 02 00 00 90 03 0001 00 30 06 <b/t> 'm'");
        peer_send(p, "00");
        peer_expect(p, "d0 00");
        peer_disconnect(p);
    }
}

static void wills_cross_loops(void **state)
{
    struct broker *b = *state;
    struct peer *watcher = any_client(b, 0, "will-watcher", true, false);
    peer_subscribe(watcher, 1, "will/#", 0);
    for (int i = 0; i < PAIRS; i++) {
        char payload[32];
        struct peer *p = any_peer(b, i);
        snprintf(payload, sizeof payload, "gone %d", i);
        peer_packet(p, 0x10, "<MQTT> 04 06 0000 <will-%d> <will/t> <%s>", i, payload);
        peer_expect(p, "20 02 00 00");
        peer_abort(p);
        peer_expect_publish(watcher, 0, "will/t", payload);
    }
    peer_disconnect(watcher);
}

static void stops_with_clients_connected(void **state)
{
    struct broker *b = *state;
    struct peer *p[PAIRS];

    for (int i = 0; i < PAIRS; i++)
        p[i] = any_client(b, i, "stop", i % 2, false);
    broker_stop(b);
    for (int i = 0; i < PAIRS; i++) {
        peer_expect_close_after_anything(p[i]);
        peer_close(p[i]);
    }
    broker_start(b);
    /* And with one that never said CONNECT, and a handshake that never went on. */
    struct peer *silent = peer_tcp(b->ports[0]), *handshake = peer_tcp(b->ports[1]);
    peer_send(handshake, "16 03 01 00 a0 01");
    broker_stop(b);
    peer_close(silent);
    peer_close(handshake);
    broker_start(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv6_and_unix_sockets_are_served),
        cmocka_unit_test(every_client_reaches_every_other),
        cmocka_unit_test(one_message_reaches_all_at_every_qos),
        cmocka_unit_test(order_is_kept_over_loops__MQTT_4_6_0_6),
        cmocka_unit_test(client_ids_are_taken_over_on_any_loop__MQTT_3_1_4_2),
        cmocka_unit_test(sessions_are_found_from_any_loop),
        cmocka_unit_test(bytes_behind_connect_move_with_the_connection),
        cmocka_unit_test(wills_cross_loops),
        cmocka_unit_test(stops_with_clients_connected),
    };
    return cmocka_run_group_tests(tests, setup, broker_teardown);
}
