/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SUBSCRIBE, UNSUBSCRIBE, and which topics match which filters. */
#include "e2e/e2e.h"

static uint16_t port(void **state)
{
    return ((struct broker *)*state)->ports[0];
}

static void closes(void **state, const char *bytes)
{
    struct peer *p = client(port(state), "wrong-subscriber");
    peer_send(p, "%s", bytes);
    peer_expect_close(p);
    peer_close(p);
}

static void subscribe_is_acknowledged_with_its_id__MQTT_3_8_4_1__MQTT_3_8_4_2__MQTT_2_3_1_7(void **state)
{
    struct peer *p = client(port(state), "suback");
    peer_packet(p, 0x82, "fedc <suback/t> 01");
    peer_expect(p, "90 03 fedc 01");
    peer_disconnect(p);
}

static void each_filter_has_its_code_in_order__MQTT_3_8_4_4__MQTT_3_8_4_5__MQTT_3_9_3_1__MQTT_3_9_3_2(void **state)
{
    struct peer *p = client(port(state), "codes");
    peer_packet(p, 0x82, "0001 <codes/a> 02 <codes/b> 00 <codes/#> 01 <codes/c> 02");
    peer_expect(p, "90 06 0001 02 00 01 02");
    peer_packet(p, 0x30, "<codes/b> 'm'");
    peer_expect_publish(p, 0, "codes/b", "m");
    peer_disconnect(p);
}

static void wrong_flags_of_subscribe_close__MQTT_3_8_1_1(void **state)
{
    closes(state, "80 06 0001 <t> 00");
    closes(state, "81 06 0001 <t> 00");
    closes(state, "8a 06 0001 <t> 00");
}

static void subscribe_without_filter_closes__MQTT_3_8_3_3(void **state)
{
    closes(state, "82 02 0001");
}

static void subscribe_without_id_closes__MQTT_2_3_1_1(void **state)
{
    closes(state, "82 06 0000 <t> 00");
    closes(state, "82 00");
    closes(state, "a2 05 0000 <t>");
}

static void filter_is_utf8__MQTT_3_8_3_1__MQTT_3_10_3_1__MQTT_1_5_3_1(void **state)
{
    closes(state, "82 07 0001 0002 c328 00");
    closes(state, "82 08 0001 0003 eda080 00");
    closes(state, "82 05 0001 0002 'a'");
    closes(state, "a2 06 0001 0002 c328");
}

static void filter_with_nul_closes__MQTT_1_5_3_2__MQTT_4_7_3_2(void **state)
{
    closes(state, "82 08 0001 0003 'a' 00 'b' 00");
    closes(state, "a2 07 0001 0003 'a' 00 'b'");
}

static void filter_has_a_character__MQTT_4_7_3_1(void **state)
{
    closes(state, "82 05 0001 0000 00");
    closes(state, "a2 04 0001 0000");
}

static void wrong_requested_qos_closes__MQTT_3_8_3_4(void **state)
{
    closes(state, "82 06 0001 <t> 03");
    closes(state, "82 06 0001 <t> 04");
    closes(state, "82 06 0001 <t> 80");
    closes(state, "82 05 0001 <t>");
}

static void same_filter_replaces_and_sends_retained_again__MQTT_3_8_4_3(void **state)
{
    struct peer *p = client(port(state), "replace"), *publisher = client(port(state), "replace-publisher");
    peer_packet(publisher, 0x33, "<replace/t> 0001 'kept'");
    peer_expect(publisher, "40 02 0001");
    peer_subscribe(p, 1, "replace/t", 0);
    peer_expect_publish(p, 1, "replace/t", "kept");
    peer_subscribe(p, 2, "replace/t", 1);
    uint16_t id = peer_expect_publish(p, 3, "replace/t", "kept");
    peer_send(p, "40 02 %04x", id);
    peer_packet(publisher, 0x32, "<replace/t> 0002 'live'");
    peer_expect(publisher, "40 02 0002");
    id = peer_expect_publish(p, 2, "replace/t", "live");
    peer_send(p, "40 02 %04x", id);
    /* Once, not twice. */
    peer_ping(p);
    peer_disconnect(publisher);
    peer_disconnect(p);
}

static void qos_is_the_smaller_of_both__MQTT_3_8_4_6(void **state)
{
    struct peer *p = client(port(state), "smaller"), *publisher = client(port(state), "smaller-publisher");
    for (unsigned granted = 0; granted < 3; granted++) {
        peer_subscribe(p, (uint16_t)(granted + 1), "smaller/t", granted);
        for (unsigned sent = 0; sent < 3; sent++) {
            unsigned qos = sent < granted ? sent : granted;
            if (sent == 0)
                peer_packet(publisher, 0x30, "<smaller/t> 'm'");
            else
                peer_packet(publisher, (uint8_t)(0x30 | sent << 1), "<smaller/t> 0001 'm'");
            if (sent == 1)
                peer_expect(publisher, "40 02 0001");
            if (sent == 2) {
                peer_expect(publisher, "50 02 0001");
                peer_send(publisher, "62 02 0001");
                peer_expect(publisher, "70 02 0001");
            }
            uint16_t id = peer_expect_publish(p, (uint8_t)(qos << 1), "smaller/t", "m");
            if (qos == 1)
                peer_send(p, "40 02 %04x", id);
            if (qos == 2) {
                peer_send(p, "50 02 %04x", id);
                peer_expect(p, "62 02 %04x", id);
                peer_send(p, "70 02 %04x", id);
            }
        }
    }
    peer_disconnect(publisher);
    peer_disconnect(p);
}

static void overlapping_filters_deliver_the_highest_qos__MQTT_3_3_5_1(void **state)
{
    struct peer *p = client(port(state), "overlap"), *publisher = client(port(state), "overlap-publisher");
    peer_packet(p, 0x82, "0001 <overlap/#> 00 <overlap/+> 01 <overlap/t> 00");
    peer_expect(p, "90 05 0001 00 01 00");
    peer_packet(publisher, 0x32, "<overlap/t> 0001 'm'");
    peer_expect(publisher, "40 02 0001");
    /* The standard leaves it open whether it comes once or once for each filter; here it comes once. */
    uint16_t id = peer_expect_publish(p, 2, "overlap/t", "m");
    peer_send(p, "40 02 %04x", id);
    peer_ping(p);
    peer_disconnect(publisher);
    peer_disconnect(p);
}

/* UNSUBSCRIBE. */

static void unsubscribe_is_acknowledged_and_ends_delivery__MQTT_3_10_4_4__MQTT_3_10_4_2__MQTT_2_3_1_7(void **state)
{
    struct peer *p = client(port(state), "unsub");
    peer_subscribe(p, 1, "unsub/t", 0);
    peer_packet(p, 0xa2, "0102 <unsub/t>");
    peer_expect(p, "b0 02 0102");
    peer_packet(p, 0x30, "<unsub/t> 'm'");
    peer_ping(p);
    peer_disconnect(p);
}

static void unsubscribe_compares_byte_for_byte__MQTT_3_10_4_1__MQTT_3_10_4_5(void **state)
{
    struct peer *p = client(port(state), "unsub-exact");
    peer_subscribe(p, 1, "unsub-exact/+", 0);
    peer_packet(p, 0xa2, "0002 <unsub-exact/t>");
    peer_expect(p, "b0 02 0002");
    peer_packet(p, 0xa2, "0003 <unsub-exact/#>");
    peer_expect(p, "b0 02 0003");
    peer_packet(p, 0xa2, "0004 <UNSUB-EXACT/+>");
    peer_expect(p, "b0 02 0004");
    peer_packet(p, 0x30, "<unsub-exact/t> 'still'");
    peer_expect_publish(p, 0, "unsub-exact/t", "still");
    peer_packet(p, 0xa2, "0005 <unsub-exact/+>");
    peer_expect(p, "b0 02 0005");
    peer_packet(p, 0x30, "<unsub-exact/t> 'gone'");
    peer_ping(p);
    peer_disconnect(p);
}

static void unsubscribe_completes_what_has_begun__MQTT_3_10_4_3(void **state)
{
    struct peer *p = durable_client(port(state), "unsub-begun", false);
    peer_subscribe(p, 1, "unsub-begun/t", 2);
    struct peer *publisher = client(port(state), "unsub-begun-publisher");
    peer_packet(publisher, 0x34, "<unsub-begun/t> 0001 'm'");
    peer_expect(publisher, "50 02 0001");
    peer_send(publisher, "62 02 0001");
    peer_expect(publisher, "70 02 0001");
    uint16_t id = peer_expect_publish(p, 4, "unsub-begun/t", "m");
    peer_packet(p, 0xa2, "0002 <unsub-begun/t>");
    peer_expect(p, "b0 02 0002");
    peer_abort(p);
    p = durable_client(port(state), "unsub-begun", true);
    assert_int_equal(peer_expect_publish(p, 0xc, "unsub-begun/t", "m"), id);
    peer_send(p, "50 02 %04x", id);
    peer_expect(p, "62 02 %04x", id);
    peer_send(p, "70 02 %04x", id);
    peer_ping(p);
    peer_disconnect(publisher);
    peer_disconnect(p);
}

static void unsubscribe_takes_several_filters__MQTT_3_10_4_6(void **state)
{
    struct peer *p = client(port(state), "unsub-many");
    peer_packet(p, 0x82, "0001 <unsub-many/a> 00 <unsub-many/b> 00 <unsub-many/c> 00");
    peer_expect(p, "90 05 0001 00 00 00");
    peer_packet(p, 0xa2, "0002 <unsub-many/a> <unsub-many/x> <unsub-many/c>");
    peer_expect(p, "b0 02 0002");
    peer_packet(p, 0x30, "<unsub-many/a> 'a'");
    peer_packet(p, 0x30, "<unsub-many/b> 'b'");
    peer_packet(p, 0x30, "<unsub-many/c> 'c'");
    peer_expect_publish(p, 0, "unsub-many/b", "b");
    peer_ping(p);
    peer_disconnect(p);
}

static void wrong_flags_of_unsubscribe_close__MQTT_3_10_1_1(void **state)
{
    closes(state, "a0 05 0001 <t>");
    closes(state, "a3 05 0001 <t>");
}

static void unsubscribe_without_filter_closes__MQTT_3_10_3_2(void **state)
{
    closes(state, "a2 02 0001");
}

/* Matching. */

static void matching(void **state, const char *filter, const char *topic, bool matches)
{
    struct peer *p = client(port(state), "matching");
    peer_subscribe(p, 1, filter, 0);
    /* What other tests have retained comes first. */
    peer_drain(p);
    peer_packet(p, 0x30, "<%s> 'm'", topic);
    if (matches)
        peer_expect_publish(p, 0, topic, "m");
    peer_ping(p);
    peer_disconnect(p);
}

static void filters_match_what_they_should__MQTT_3_3_2_3__MQTT_4_7_1_2__MQTT_4_7_1_3(void **state)
{
    static const struct {
        const char *filter, *topic;
        bool matches;
    } cases[] = {
        {"sport/tennis/player1/#", "sport/tennis/player1", true},
        {"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
        {"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
        {"sport/tennis/player1/#", "sport/tennis/player10", false},
        {"sport/#", "sport", true},
        {"#", "sport/tennis", true},
        {"#", "/", true},
        {"sport/tennis/+", "sport/tennis/player1", true},
        {"sport/tennis/+", "sport/tennis/player1/ranking", false},
        {"sport/+", "sport", false},
        {"sport/+", "sport/", true},
        {"+", "sport", true},
        {"+", "/finance", false},
        {"+/+", "/finance", true},
        {"/+", "/finance", true},
        {"+/tennis/#", "sport/tennis", true},
        {"sport/+/player1", "sport/tennis/player1", true},
        {"sport/+/player1", "sport/tennis/player2", false},
        {"a//b", "a//b", true},
        {"a//b", "a/b", false},
        {"a/+/b", "a//b", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        matching(state, cases[i].filter, cases[i].topic, cases[i].matches);
}

static void misplaced_wildcards_close__MQTT_4_7_1_2__MQTT_4_7_1_3(void **state)
{
    closes(state, "82 07 0001 <a#> 00");
    closes(state, "82 0a 0001 <a/#/b> 00");
    closes(state, "82 07 0001 <#a> 00");
    closes(state, "82 07 0001 <a+> 00");
    closes(state, "82 09 0001 <a/+b> 00");
}

static void dollar_topics_do_not_match_wildcards__MQTT_4_7_2_1(void **state)
{
    struct peer *p = client(port(state), "dollar");
    peer_packet(p, 0x82, "0001 <#> 00 <+/dollar> 00 <+/#> 00");
    uint8_t *body;
    size_t size;
    /* Retained messages of other tests come here too; none of them begins with $. */
    peer_packet(p, 0x30, "<$other/dollar> 'm'");
    peer_send(p, "c0 00");
    uint8_t first;
    while ((first = peer_read_packet(p, &body, &size)) != 0xd0) {
        if ((first & 0xf0) == 0x30)
            assert_int_not_equal(body[2], '$');
        free(body);
    }
    free(body);
    /* Retained ones may come behind the answer too. */
    peer_send(p, "e0 00");
    peer_expect_close_after_anything(p);
    peer_close(p);
    matching(state, "$other/#", "$other/dollar", true);
    matching(state, "$other/+", "$other/dollar", true);
}

static void matching_changes_no_character__MQTT_4_7_3_4__MQTT_1_5_3_3(void **state)
{
    /* U+00E9, and e with U+0301: the same to a reader, two topics to a broker. */
    matching(state, "caf\xc3\xa9", "caf\xc3\xa9", true);
    matching(state, "caf\xc3\xa9", "cafe\xcc\x81", false);
    matching(state, "Accounts", "ACCOUNTS", false);
    matching(state, "two words", "two words", true);
    /* U+FEFF at the beginning is a character of the topic. */
    matching(state,
             "\xef\xbb\xbf"
             "bom",
             "\xef\xbb\xbf"
             "bom",
             true);
    matching(state, "bom",
             "\xef\xbb\xbf"
             "bom",
             false);
    matching(state,
             "\xef\xbb\xbf"
             "bom",
             "bom", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subscribe_is_acknowledged_with_its_id__MQTT_3_8_4_1__MQTT_3_8_4_2__MQTT_2_3_1_7),
        cmocka_unit_test(each_filter_has_its_code_in_order__MQTT_3_8_4_4__MQTT_3_8_4_5__MQTT_3_9_3_1__MQTT_3_9_3_2),
        cmocka_unit_test(wrong_flags_of_subscribe_close__MQTT_3_8_1_1),
        cmocka_unit_test(subscribe_without_filter_closes__MQTT_3_8_3_3),
        cmocka_unit_test(subscribe_without_id_closes__MQTT_2_3_1_1),
        cmocka_unit_test(filter_is_utf8__MQTT_3_8_3_1__MQTT_3_10_3_1__MQTT_1_5_3_1),
        cmocka_unit_test(filter_with_nul_closes__MQTT_1_5_3_2__MQTT_4_7_3_2),
        cmocka_unit_test(filter_has_a_character__MQTT_4_7_3_1),
        cmocka_unit_test(wrong_requested_qos_closes__MQTT_3_8_3_4),
        cmocka_unit_test(same_filter_replaces_and_sends_retained_again__MQTT_3_8_4_3),
        cmocka_unit_test(qos_is_the_smaller_of_both__MQTT_3_8_4_6),
        cmocka_unit_test(overlapping_filters_deliver_the_highest_qos__MQTT_3_3_5_1),
        cmocka_unit_test(unsubscribe_is_acknowledged_and_ends_delivery__MQTT_3_10_4_4__MQTT_3_10_4_2__MQTT_2_3_1_7),
        cmocka_unit_test(unsubscribe_compares_byte_for_byte__MQTT_3_10_4_1__MQTT_3_10_4_5),
        cmocka_unit_test(unsubscribe_completes_what_has_begun__MQTT_3_10_4_3),
        cmocka_unit_test(unsubscribe_takes_several_filters__MQTT_3_10_4_6),
        cmocka_unit_test(wrong_flags_of_unsubscribe_close__MQTT_3_10_1_1),
        cmocka_unit_test(unsubscribe_without_filter_closes__MQTT_3_10_3_2),
        cmocka_unit_test(filters_match_what_they_should__MQTT_3_3_2_3__MQTT_4_7_1_2__MQTT_4_7_1_3),
        cmocka_unit_test(misplaced_wildcards_close__MQTT_4_7_1_2__MQTT_4_7_1_3),
        cmocka_unit_test(dollar_topics_do_not_match_wildcards__MQTT_4_7_2_1),
        cmocka_unit_test(matching_changes_no_character__MQTT_4_7_3_4__MQTT_1_5_3_3),
    };
    return cmocka_run_group_tests(tests, broker_group_setup, broker_teardown);
}
