/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CONNECT and CONNACK, as sections 3.1 and 3.2 of MQTT 3.1.1 describe them. */
#include "e2e/e2e.h"

#include <time.h>
#include <unistd.h>

static struct peer *open_peer(void **state)
{
    return peer_tcp(((struct broker *)*state)->ports[0]);
}

/* The broker closes at once, without a CONNACK, after this CONNECT (variable header and payload). */
static void refused_silently(void **state, const char *connect)
{
    struct peer *p = open_peer(state);
    peer_packet(p, 0x10, "%s", connect);
    peer_expect_close(p);
    peer_close(p);
}

static void refused_with(void **state, unsigned code, const char *connect)
{
    struct peer *p = open_peer(state);
    peer_packet(p, 0x10, "%s", connect);
    peer_expect(p, "20 02 00 %02x", code);
    peer_expect_close(p);
    peer_close(p);
}

static void accepted(void **state, const char *connect)
{
    struct peer *p = open_peer(state);
    peer_packet(p, 0x10, "%s", connect);
    peer_expect(p, "20 02 00 00");
    peer_ping(p);
    peer_disconnect(p);
}

static void connack_is_the_first_packet__MQTT_3_2_0_1__MQTT_3_1_4_4(void **state)
{
    struct peer *p = open_peer(state);
    /* All of it in one write: what follows CONNECT is answered after CONNACK. */
    peer_send(p, "10 0e <MQTT> 04 02 003c <ca> c0 00 82 06 0001 <t> 00");
    peer_expect(p, "20 02 00 00 d0 00 90 03 0001 00");
    peer_disconnect(p);
}

static void first_packet_must_be_connect__MQTT_3_1_0_1__MQTT_4_8_0_1(void **state)
{
    static const char *const others[] = {"c0 00", "82 06 0001 <t> 00", "30 03 <t>", "e0 00", "40 02 0001", "00 00"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct peer *p = open_peer(state);
        peer_send(p, "%s", others[i]);
        peer_expect_close(p);
        peer_close(p);
    }
}

static void second_connect_disconnects__MQTT_3_1_0_2(void **state)
{
    struct peer *p = open_peer(state);
    peer_connect(p, "second-connect", true, false);
    peer_packet(p, 0x10, "<MQTT> 04 02 003c <second-connect>");
    peer_expect_close(p);
    peer_close(p);
}

static void other_protocol_name_is_not_processed__MQTT_3_1_2_1__MQTT_3_2_2_6(void **state)
{
    refused_silently(state, "<MQTX> 04 02 003c <name>");
    refused_silently(state, "<mqtt> 04 02 003c <name>");
    refused_silently(state, "<> 04 02 003c <name>");
    refused_silently(state, "<HTTP/1.1 GET> 04 02 003c <name>");
}

static void unsupported_level_gets_code_1__MQTT_3_1_2_2(void **state)
{
    refused_with(state, 1, "<MQTT> 06 02 003c <level>");
    refused_with(state, 1, "<MQTT> 02 02 003c <level>");
}

static void version_3_1_is_spoken(void **state)
{
    accepted(state, "<MQIsdp> 03 02 003c <old-client>");
}

static void reserved_connect_flag_closes__MQTT_3_1_2_3(void **state)
{
    refused_silently(state, "<MQTT> 04 03 003c <reserved>");
}

static void connect_with_reserved_header_bits_closes__MQTT_2_2_2_1__MQTT_2_2_2_2(void **state)
{
    struct peer *p = open_peer(state);
    peer_packet(p, 0x11, "<MQTT> 04 02 003c <flags>");
    peer_expect_close(p);
    peer_close(p);
}

static void will_flag_brings_topic_and_message__MQTT_3_1_2_9(void **state)
{
    accepted(state, "<MQTT> 04 06 003c <will-ok> <will/topic> <message>");
    refused_silently(state, "<MQTT> 04 06 003c <will-missing>");
    refused_silently(state, "<MQTT> 04 06 003c <will-half> <will/topic>");
}

static void without_will_flag_no_will_fields__MQTT_3_1_2_11__MQTT_3_1_2_13__MQTT_3_1_2_15(void **state)
{
    refused_silently(state, "<MQTT> 04 0a 003c <will-qos-1>");
    refused_silently(state, "<MQTT> 04 12 003c <will-qos-2>");
    refused_silently(state, "<MQTT> 04 22 003c <will-retain>");
    refused_silently(state, "<MQTT> 04 02 003c <will-extra> <will/topic> <message>");
}

static void will_qos_3_closes__MQTT_3_1_2_14(void **state)
{
    refused_silently(state, "<MQTT> 04 1e 003c <will-qos-3> <will/topic> <message>");
    accepted(state, "<MQTT> 04 16 003c <will-qos-2> <will/topic> <message>");
}

static void user_name_is_there_iff_its_flag_is__MQTT_3_1_2_18__MQTT_3_1_2_19(void **state)
{
    refused_silently(state, "<MQTT> 04 02 003c <user-extra> <someone>");
    refused_silently(state, "<MQTT> 04 82 003c <user-missing>");
}

static void password_is_there_iff_its_flag_is__MQTT_3_1_2_20__MQTT_3_1_2_21(void **state)
{
    refused_silently(state, "<MQTT> 04 82 003c <pass-extra> <someone> <secret>");
    refused_silently(state, "<MQTT> 04 c2 003c <pass-missing> <someone>");
}

static void password_without_user_name_closes__MQTT_3_1_2_22(void **state)
{
    refused_silently(state, "<MQTT> 04 42 003c <pass-alone> <secret>");
}

static void fields_come_in_their_order__MQTT_3_1_3_1(void **state)
{
    struct broker *b = *state;
    struct peer *watcher = client(b->ports[0], "order-watcher");
    peer_subscribe(watcher, 1, "order/#", 0);
    struct peer *p = open_peer(state);
    peer_packet(p, 0x10, "<MQTT> 04 06 003c <order-id> <order/topic> <order-message>");
    peer_expect(p, "20 02 00 00");
    peer_abort(p);
    peer_expect_publish(watcher, 0, "order/topic", "order-message");
    peer_disconnect(watcher);
}

static void client_id_must_be_there__MQTT_3_1_3_3(void **state)
{
    refused_silently(state, "<MQTT> 04 02 003c");
    refused_silently(state, "<MQTT> 04 02 003c 00");
    refused_silently(state, "<MQTT> 04 02 003c 0005 'ab'");
}

static void client_id_is_utf8__MQTT_3_1_3_4__MQTT_3_1_4_1(void **state)
{
    refused_silently(state, "<MQTT> 04 02 003c 0002 c328");
    refused_silently(state, "<MQTT> 04 02 003c 0003 eda080");
    refused_silently(state, "<MQTT> 04 02 003c 0003 610062");
}

static void client_ids_to_23_letters_and_digits_are_accepted__MQTT_3_1_3_5(void **state)
{
    accepted(state, "<MQTT> 04 02 003c <0123456789abcdefghijklm>");
    accepted(state, "<MQTT> 04 02 003c <nopqrstuvwxyzABCDEFGHIJ>");
    accepted(state, "<MQTT> 04 02 003c <KLMNOPQRSTUVWXYZ>");
    accepted(state, "<MQTT> 04 02 003c <z>");
}

static void long_client_ids_are_accepted(void **state)
{
    char id[1001];
    memset(id, 'x', sizeof id - 1);
    id[sizeof id - 1] = '\0';
    struct peer *p = open_peer(state);
    peer_connect(p, id, true, false);
    peer_disconnect(p);
}

static void empty_client_id_gets_one_of_its_own__MQTT_3_1_3_6(void **state)
{
    struct peer *one = open_peer(state), *two = open_peer(state);
    peer_connect(one, "", true, false);
    peer_connect(two, "", true, false);
    /* Both live on: they did not get the same id. */
    peer_subscribe(one, 1, "empty/id", 0);
    peer_packet(two, 0x30, "<empty/id> 'hello'");
    peer_expect_publish(one, 0, "empty/id", "hello");
    peer_ping(two);
    peer_disconnect(one);
    peer_disconnect(two);
}

static void empty_client_id_with_kept_session_gets_code_2__MQTT_3_1_3_8__MQTT_3_1_3_9(void **state)
{
    refused_with(state, 2, "<MQTT> 04 00 003c <>");
}

static void will_topic_is_utf8__MQTT_3_1_3_10(void **state)
{
    refused_silently(state, "<MQTT> 04 06 003c <will-utf8> 0002 c080 <message>");
    refused_silently(state, "<MQTT> 04 06 003c <will-wild> <will/#> <message>");
}

static void user_name_is_utf8__MQTT_3_1_3_11(void **state)
{
    refused_silently(state, "<MQTT> 04 82 003c <user-utf8> 0001 ff");
}

static void malformed_connect_gets_no_connack__MQTT_3_1_4_1(void **state)
{
    refused_silently(state, "");
    refused_silently(state, "<MQTT>");
    refused_silently(state, "<MQTT> 04");
    refused_silently(state, "<MQTT> 04 02 00");
    refused_silently(state, "<MQTT> 04 02 003c <id> 00");
}

static void older_connection_is_closed__MQTT_3_1_4_2__MQTT_3_1_3_2(void **state)
{
    struct broker *b = *state;
    struct peer *one = client(b->ports[0], "take-over");
    struct peer *two = client(b->ports[0], "take-over");
    peer_expect_close(one);
    peer_ping(two);
    peer_close(one);
    peer_disconnect(two);
}

static void nothing_after_a_refused_connect_is_processed__MQTT_3_1_4_5__MQTT_3_2_2_5(void **state)
{
    struct broker *b = *state;
    struct peer *watcher = client(b->ports[0], "refused-watcher");
    peer_subscribe(watcher, 1, "refused/#", 0);
    struct peer *p = open_peer(state);
    /* Code 2 for an empty id with a session to keep, and a PUBLISH right behind. */
    peer_send(p, "10 0c <MQTT> 04 00 003c <> 30 0f <refused/topic>");
    peer_expect(p, "20 02 00 02");
    peer_expect_close(p);
    peer_ping(watcher);
    peer_close(p);
    peer_disconnect(watcher);
}

static void refusals_have_no_session_present__MQTT_3_2_2_4(void **state)
{
    struct broker *b = *state;
    struct peer *p = durable_client(b->ports[0], "refused-session", false);
    peer_disconnect(p);
    /* There is a session of that name; the refusal does not tell. */
    refused_with(state, 1, "<MQTT> 07 00 003c <refused-session>");
}

static void silent_client_is_disconnected_after_one_and_a_half_keep_alives__MQTT_3_1_2_24(void **state)
{
    /* Not earlier; that it isn't later either is shown by scenario/keepalive, with a clock of its own. */
    struct peer *p = open_peer(state);
    double before = seconds_now();
    peer_packet(p, 0x10, "<MQTT> 04 02 0001 <keep-alive>");
    peer_expect(p, "20 02 00 00");
    peer_expect_close(p);
    assert_true(seconds_now() - before >= 1.4);
    peer_close(p);
}

/* False: the machine was too busy for us to ping in time. */
static bool pings_in_time(struct peer *p)
{
    double last = seconds_now();
    bool open = peer_try_exchange(p, "10 13 <MQTT> 04 02 0001 <pinging>", "20 02 0000");
    for (int i = 0; i < 5 && open; i++) {
        pause_ms(500);
        double now = seconds_now();
        open = peer_try_exchange(p, "c0 00", "d0 00");
        last = open ? now : last;
    }
    if (!open && seconds_now() - last < 1.4)
        fail_msg("closed %.1f s after a packet", seconds_now() - last);
    return open;
}

static void pings_keep_a_client_connected__MQTT_3_12_4_1(void **state)
{
    for (struct waiting w = {0}; waiting(&w);) {
        struct peer *p = open_peer(state);
        bool in_time = pings_in_time(p);
        peer_close(p);
        if (in_time)
            return;
    }
    fail_msg("this machine is too busy");
}

static void disconnect_with_reserved_bits_closes__MQTT_3_14_1_1(void **state)
{
    struct broker *b = *state;
    struct peer *watcher = client(b->ports[0], "disconnect-watcher");
    peer_subscribe(watcher, 1, "disconnect/will", 0);
    struct peer *p = open_peer(state);
    peer_packet(p, 0x10, "<MQTT> 04 06 003c <disconnect-bits> <disconnect/will> <gone>");
    peer_expect(p, "20 02 00 00");
    peer_send(p, "e1 00");
    peer_expect_close(p);
    /* It was no valid DISCONNECT, so the will is published. */
    peer_expect_publish(watcher, 0, "disconnect/will", "gone");
    peer_close(p);
    peer_disconnect(watcher);
}

static void remaining_length_of_five_bytes_closes(void **state)
{
    struct broker *b = *state;
    struct peer *p = client(b->ports[0], "five-bytes");
    peer_send(p, "30 ff ff ff ff 01");
    peer_expect_close(p);
    peer_close(p);
}

static void every_split_of_a_connect_is_understood__MQTT_7_1_1_1(void **state)
{
    static const uint8_t connect[] = "\x10\x11\x00\x04MQTT\x04\x02\x00\x3c\x00\x05split";
    for (size_t at = 1; at < sizeof connect - 1; at++) {
        struct peer *p = open_peer(state);
        peer_send_bytes(p, connect, at);
        usleep(1000);
        peer_send_bytes(p, connect + at, sizeof connect - 1 - at);
        peer_expect(p, "20 02 00 00");
        peer_disconnect(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connack_is_the_first_packet__MQTT_3_2_0_1__MQTT_3_1_4_4),
        cmocka_unit_test(first_packet_must_be_connect__MQTT_3_1_0_1__MQTT_4_8_0_1),
        cmocka_unit_test(second_connect_disconnects__MQTT_3_1_0_2),
        cmocka_unit_test(other_protocol_name_is_not_processed__MQTT_3_1_2_1__MQTT_3_2_2_6),
        cmocka_unit_test(unsupported_level_gets_code_1__MQTT_3_1_2_2),
        cmocka_unit_test(version_3_1_is_spoken),
        cmocka_unit_test(reserved_connect_flag_closes__MQTT_3_1_2_3),
        cmocka_unit_test(connect_with_reserved_header_bits_closes__MQTT_2_2_2_1__MQTT_2_2_2_2),
        cmocka_unit_test(will_flag_brings_topic_and_message__MQTT_3_1_2_9),
        cmocka_unit_test(without_will_flag_no_will_fields__MQTT_3_1_2_11__MQTT_3_1_2_13__MQTT_3_1_2_15),
        cmocka_unit_test(will_qos_3_closes__MQTT_3_1_2_14),
        cmocka_unit_test(user_name_is_there_iff_its_flag_is__MQTT_3_1_2_18__MQTT_3_1_2_19),
        cmocka_unit_test(password_is_there_iff_its_flag_is__MQTT_3_1_2_20__MQTT_3_1_2_21),
        cmocka_unit_test(password_without_user_name_closes__MQTT_3_1_2_22),
        cmocka_unit_test(fields_come_in_their_order__MQTT_3_1_3_1),
        cmocka_unit_test(client_id_must_be_there__MQTT_3_1_3_3),
        cmocka_unit_test(client_id_is_utf8__MQTT_3_1_3_4__MQTT_3_1_4_1),
        cmocka_unit_test(client_ids_to_23_letters_and_digits_are_accepted__MQTT_3_1_3_5),
        cmocka_unit_test(long_client_ids_are_accepted),
        cmocka_unit_test(empty_client_id_gets_one_of_its_own__MQTT_3_1_3_6),
        cmocka_unit_test(empty_client_id_with_kept_session_gets_code_2__MQTT_3_1_3_8__MQTT_3_1_3_9),
        cmocka_unit_test(will_topic_is_utf8__MQTT_3_1_3_10),
        cmocka_unit_test(user_name_is_utf8__MQTT_3_1_3_11),
        cmocka_unit_test(malformed_connect_gets_no_connack__MQTT_3_1_4_1),
        cmocka_unit_test(older_connection_is_closed__MQTT_3_1_4_2__MQTT_3_1_3_2),
        cmocka_unit_test(nothing_after_a_refused_connect_is_processed__MQTT_3_1_4_5__MQTT_3_2_2_5),
        cmocka_unit_test(refusals_have_no_session_present__MQTT_3_2_2_4),
        cmocka_unit_test(silent_client_is_disconnected_after_one_and_a_half_keep_alives__MQTT_3_1_2_24),
        cmocka_unit_test(pings_keep_a_client_connected__MQTT_3_12_4_1),
        cmocka_unit_test(disconnect_with_reserved_bits_closes__MQTT_3_14_1_1),
        cmocka_unit_test(remaining_length_of_five_bytes_closes),
        cmocka_unit_test(every_split_of_a_connect_is_understood__MQTT_7_1_1_1),
    };
    return cmocka_run_group_tests(tests, broker_group_setup, broker_teardown);
}
