/* SPDX-License-Identifier: GPL-3.0-or-later */
/* PUBLISH and its acknowledgements, retained messages, and order. */
#include "e2e/e2e.h"

static uint16_t port(void **state)
{
    return ((struct broker *)*state)->ports[0];
}

/* These bytes, sent by a connected client, close its connection. */
static void closes(void **state, const char *bytes)
{
    struct peer *p = client(port(state), "wrong-publisher");
    peer_send(p, "%s", bytes);
    peer_expect_close(p);
    peer_close(p);
}

static void qos_0_has_no_answer_and_no_id__MQTT_2_3_1_5__MQTT_4_3_1_1__MQTT_3_3_4_1(void **state)
{
    struct peer *p = client(port(state), "qos0");
    peer_subscribe(p, 1, "qos0/t", 2);
    peer_packet(p, 0x30, "<qos0/t> 'zero'");
    assert_int_equal(peer_expect_publish(p, 0, "qos0/t", "zero"), 0);
    peer_ping(p);
    peer_disconnect(p);
}

static void qos_1_is_acknowledged_with_its_id__MQTT_4_3_2_2__MQTT_3_3_4_1__MQTT_2_3_1_6(void **state)
{
    struct peer *p = client(port(state), "qos1"), *watcher = client(port(state), "qos1-watcher");
    peer_subscribe(watcher, 1, "qos1/t", 0);
    peer_packet(p, 0x32, "<qos1/t> abcd 'one'");
    peer_expect(p, "40 02 abcd");
    peer_expect_publish(watcher, 0, "qos1/t", "one");
    /* The same id after the PUBACK is a new message, DUP or not. */
    peer_packet(p, 0x3a, "<qos1/t> abcd 'two'");
    peer_expect(p, "40 02 abcd");
    peer_expect_publish(watcher, 0, "qos1/t", "two");
    peer_disconnect(p);
    peer_disconnect(watcher);
}

static void qos_1_is_sent_with_a_new_id_and_no_dup__MQTT_4_3_2_1__MQTT_2_3_1_4(void **state)
{
    struct peer *p = client(port(state), "qos1-out"), *publisher = client(port(state), "qos1-out-publisher");
    uint16_t ids[10];
    peer_subscribe(p, 1, "qos1-out/t", 1);
    for (int i = 0; i < 10; i++) {
        peer_packet(publisher, 0x32, "<qos1-out/t> 0001 'm'");
        peer_expect(publisher, "40 02 0001");
        ids[i] = peer_expect_publish(p, 2, "qos1-out/t", "m");
        for (int k = 0; k < i; k++)
            assert_int_not_equal(ids[k], ids[i]);
    }
    peer_ping(p);
    peer_disconnect(publisher);
    peer_disconnect(p);
}

static void qos_2_is_delivered_once__MQTT_4_3_3_2__MQTT_3_3_4_1__MQTT_2_3_1_6(void **state)
{
    struct peer *p = client(port(state), "qos2"), *watcher = client(port(state), "qos2-watcher");
    peer_subscribe(watcher, 1, "qos2/t", 0);
    peer_packet(p, 0x34, "<qos2/t> 1234 'once'");
    peer_expect(p, "50 02 1234");
    peer_packet(p, 0x3c, "<qos2/t> 1234 'once'");
    peer_expect(p, "50 02 1234");
    peer_send(p, "62 02 1234");
    peer_expect(p, "70 02 1234");
    peer_send(p, "62 02 1234");
    peer_expect(p, "70 02 1234");
    peer_expect_publish(watcher, 0, "qos2/t", "once");
    peer_ping(watcher);
    /* After PUBCOMP, the id is a new message's. */
    peer_packet(p, 0x34, "<qos2/t> 1234 'again'");
    peer_expect(p, "50 02 1234");
    peer_send(p, "62 02 1234");
    peer_expect(p, "70 02 1234");
    peer_expect_publish(watcher, 0, "qos2/t", "again");
    peer_disconnect(p);
    peer_disconnect(watcher);
}

static void qos_2_is_sent_through_all_four_steps__MQTT_4_3_3_1__MQTT_2_3_1_6(void **state)
{
    struct peer *p = client(port(state), "qos2-out"), *publisher = client(port(state), "qos2-out-publisher");
    peer_subscribe(p, 1, "qos2-out/t", 2);
    peer_packet(publisher, 0x34, "<qos2-out/t> 0001 'm'");
    peer_expect(publisher, "50 02 0001");
    peer_send(publisher, "62 02 0001");
    peer_expect(publisher, "70 02 0001");
    uint16_t id = peer_expect_publish(p, 4, "qos2-out/t", "m");
    peer_send(p, "50 02 %04x", id);
    peer_expect(p, "62 02 %04x", id);
    peer_send(p, "70 02 %04x", id);
    peer_ping(p);
    peer_disconnect(publisher);
    peer_disconnect(p);
}

static void dup_is_not_passed_on__MQTT_3_3_1_3__MQTT_3_3_1_2(void **state)
{
    struct peer *p = client(port(state), "dup"), *publisher = client(port(state), "dup-publisher");
    peer_subscribe(p, 1, "dup/0", 0);
    peer_subscribe(p, 2, "dup/1", 1);
    peer_packet(publisher, 0x3a, "<dup/0> 0001 'm'");
    peer_expect(publisher, "40 02 0001");
    peer_expect_publish(p, 0, "dup/0", "m");
    peer_packet(publisher, 0x3a, "<dup/1> 0002 'm'");
    peer_expect(publisher, "40 02 0002");
    peer_expect_publish(p, 2, "dup/1", "m");
    peer_disconnect(publisher);
    peer_disconnect(p);
}

static void qos_3_closes__MQTT_3_3_1_4__MQTT_2_2_2_2(void **state)
{
    closes(state, "36 06 <t> 0001 'm'");
}

static void packet_id_zero_closes__MQTT_2_3_1_1(void **state)
{
    closes(state, "32 06 <t> 0000 'm'");
    closes(state, "34 06 <t> 0000 'm'");
    closes(state, "32 03 <t>");
}

static void topic_is_the_first_field_and_utf8__MQTT_3_3_2_1__MQTT_1_5_3_1(void **state)
{
    closes(state, "30 00");
    closes(state, "30 01 00");
    closes(state, "30 04 0005 'ab'");
    closes(state, "30 04 0002 c080");
    closes(state, "30 04 0002 c328");
    closes(state, "30 05 0003 eda080");
    closes(state, "30 05 0003 e08080");
    closes(state, "30 06 0004 f4908080");
    closes(state, "30 06 0004 f0808080");
    closes(state, "30 03 0001 80");
}

static void topic_with_nul_closes__MQTT_1_5_3_2__MQTT_4_7_3_2(void **state)
{
    closes(state, "30 05 0003 'a' 00 'b'");
}

static void topic_has_no_wildcards__MQTT_3_3_2_2__MQTT_4_7_1_1(void **state)
{
    closes(state, "30 05 <a/#>");
    closes(state, "30 05 <+/a>");
    closes(state, "30 03 <#>");
    closes(state, "30 05 <a+b>");
}

static void topic_has_a_character__MQTT_4_7_3_1(void **state)
{
    closes(state, "30 02 0000");
}

static void pubrel_with_wrong_flags_closes__MQTT_3_6_1_1__MQTT_2_2_2_1(void **state)
{
    closes(state, "60 02 0001");
    closes(state, "61 02 0001");
    closes(state, "66 02 0001");
    closes(state, "6a 02 0001");
}

static void reserved_flags_of_other_packets_close__MQTT_2_2_2_2(void **state)
{
    closes(state, "41 02 0001");
    closes(state, "52 02 0001");
    closes(state, "78 02 0001");
    closes(state, "c1 00");
    closes(state, "c8 00");
}

static void packets_of_a_server_and_of_no_type_close__MQTT_4_8_0_1(void **state)
{
    closes(state, "20 02 0000");
    closes(state, "90 03 0001 00");
    closes(state, "b0 02 0001");
    closes(state, "d0 00");
    closes(state, "f0 00");
    closes(state, "00 00");
    closes(state, "c0 01 00");
    closes(state, "40 03 0001 00");
}

static void acknowledgements_come_in_order__MQTT_4_6_0_2__MQTT_4_6_0_3(void **state)
{
    struct peer *p = client(port(state), "ack-order");
    for (unsigned id = 1; id <= 10; id++)
        peer_packet(p, id % 2 ? 0x32 : 0x34, "<ack-order/t> %04x 'm'", id);
    for (unsigned id = 1; id <= 10; id++)
        peer_expect(p, "%02x 02 %04x", id % 2 ? 0x40u : 0x50u, id);
    peer_disconnect(p);
}

static void pubrels_come_in_the_order_of_pubrecs__MQTT_4_6_0_4(void **state)
{
    struct peer *p = client(port(state), "rel-order"), *publisher = client(port(state), "rel-order-publisher");
    uint16_t ids[4];
    peer_subscribe(p, 1, "rel-order/t", 2);
    for (unsigned i = 0; i < 4; i++) {
        peer_packet(publisher, 0x34, "<rel-order/t> %04x 'm'", i + 1);
        peer_expect(publisher, "50 02 %04x", i + 1);
        peer_send(publisher, "62 02 %04x", i + 1);
        peer_expect(publisher, "70 02 %04x", i + 1);
        ids[i] = peer_expect_publish(p, 4, "rel-order/t", "m");
    }
    for (unsigned i = 0; i < 4; i++)
        peer_send(p, "50 02 %04x", ids[i]);
    for (unsigned i = 0; i < 4; i++)
        peer_expect(p, "62 02 %04x", ids[i]);
    for (unsigned i = 0; i < 4; i++)
        peer_send(p, "70 02 %04x", ids[i]);
    peer_ping(p);
    peer_disconnect(publisher);
    peer_disconnect(p);
}

/* All of n messages at this QoS, sent without waiting, and acknowledged by the receiver one by one. */
static void send_and_receive(struct peer *publisher, struct peer *p, unsigned qos, unsigned n)
{
    static const uint8_t answer[] = {0, 0x40, 0x50};
    char payload[16];

    for (unsigned i = 0; i < n && qos == 0; i++)
        peer_packet(publisher, 0x30, "<in-order/t> 'm%u'", i);
    for (unsigned i = 0; i < n && qos > 0; i++)
        peer_packet(publisher, (uint8_t)(0x30 | qos << 1), "<in-order/t> %04x 'm%u'", i + 1, i);
    for (unsigned i = 0; i < n && qos > 0; i++)
        peer_expect(publisher, "%02x 02 %04x", answer[qos], i + 1);
    for (unsigned i = 0; i < n && qos == 2; i++) {
        peer_send(publisher, "62 02 %04x", i + 1);
        peer_expect(publisher, "70 02 %04x", i + 1);
    }
    for (unsigned i = 0; i < n; i++) {
        snprintf(payload, sizeof payload, "m%u", i);
        uint16_t id = peer_expect_publish(p, (uint8_t)(qos << 1), "in-order/t", payload);
        if (qos == 1)
            peer_send(p, "40 02 %04x", id);
    }
}

static void messages_of_a_topic_arrive_in_order__MQTT_4_6_0_5__MQTT_4_6_0_6(void **state)
{
    struct peer *p = client(port(state), "in-order"), *publisher = client(port(state), "in-order-publisher");
    peer_subscribe(p, 1, "in-order/t", 2);
    send_and_receive(publisher, p, 0, 100);
    send_and_receive(publisher, p, 1, 100);
    /* At QoS 2 without an answer, so no more than fit the broker's window of 20. */
    send_and_receive(publisher, p, 2, 10);
    peer_close(p);
    peer_disconnect(publisher);
}

/* Retained messages. */

static void retain(struct peer *p, const char *topic, const char *payload)
{
    peer_packet(p, 0x31, "<%s> '%s'", topic, payload);
    peer_ping(p);
}

static void retained_comes_to_a_new_subscription__MQTT_3_3_1_5__MQTT_3_3_1_6__MQTT_3_3_1_8(void **state)
{
    struct peer *p = client(port(state), "retain-a"), *late = client(port(state), "retain-b");
    peer_packet(p, 0x33, "<retain-a/one> 0001 'first'");
    peer_expect(p, "40 02 0001");
    peer_packet(p, 0x33, "<retain-a/one> 0001 'second'");
    peer_expect(p, "40 02 0001");
    retain(p, "retain-a/two", "other");
    peer_subscribe(late, 1, "retain-a/one", 1);
    uint16_t id = peer_expect_publish(late, 3, "retain-a/one", "second");
    peer_send(late, "40 02 %04x", id);
    peer_subscribe(late, 2, "+/two", 1);
    peer_expect_publish(late, 1, "retain-a/two", "other");
    peer_ping(late);
    peer_disconnect(p);
    peer_disconnect(late);
}

static void retained_qos_0_replaces__MQTT_3_3_1_7(void **state)
{
    struct peer *p = client(port(state), "retain-c");
    peer_packet(p, 0x33, "<retain-c/t> 0001 'qos 1'");
    peer_expect(p, "40 02 0001");
    retain(p, "retain-c/t", "qos 0");
    peer_subscribe(p, 1, "retain-c/t", 1);
    peer_expect_publish(p, 1, "retain-c/t", "qos 0");
    peer_disconnect(p);
}

static void live_messages_have_no_retain_flag__MQTT_3_3_1_9(void **state)
{
    struct peer *p = client(port(state), "retain-d");
    peer_subscribe(p, 1, "retain-d/t", 0);
    peer_packet(p, 0x31, "<retain-d/t> 'live'");
    peer_expect_publish(p, 0, "retain-d/t", "live");
    peer_disconnect(p);
}

static void empty_retained_removes_and_is_delivered__MQTT_3_3_1_10__MQTT_3_3_1_11(void **state)
{
    struct peer *p = client(port(state), "retain-e"), *watcher = client(port(state), "retain-f");
    retain(p, "retain-e/t", "there");
    peer_subscribe(watcher, 1, "retain-e/t", 0);
    peer_expect_publish(watcher, 1, "retain-e/t", "there");
    peer_packet(p, 0x31, "<retain-e/t>");
    peer_expect_publish(watcher, 0, "retain-e/t", "");
    peer_subscribe(p, 1, "retain-e/t", 0);
    peer_ping(p);
    peer_disconnect(p);
    peer_disconnect(watcher);
}

static void no_retain_flag_leaves_what_is_retained__MQTT_3_3_1_12(void **state)
{
    struct peer *p = client(port(state), "retain-g");
    retain(p, "retain-g/t", "stays");
    peer_packet(p, 0x30, "<retain-g/t> 'passes'");
    peer_packet(p, 0x30, "<retain-g/t>");
    peer_packet(p, 0x30, "<retain-g/never> 'passes'");
    peer_subscribe(p, 1, "retain-g/#", 0);
    peer_expect_publish(p, 1, "retain-g/t", "stays");
    peer_ping(p);
    peer_disconnect(p);
}

static void large_topics_are_passed_on__MQTT_4_7_3_3(void **state)
{
    char *topic = malloc(65536);
    memset(topic, 'x', 65535);
    topic[65535] = '\0';
    struct peer *p = client(port(state), "long-topic");
    peer_packet(p, 0x82, "0001 <%s> 00", topic);
    peer_expect(p, "90 03 0001 00");
    peer_packet(p, 0x30, "<%s> 'm'", topic);
    peer_expect_publish(p, 0, topic, "m");
    peer_disconnect(p);
    free(topic);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(qos_0_has_no_answer_and_no_id__MQTT_2_3_1_5__MQTT_4_3_1_1__MQTT_3_3_4_1),
        cmocka_unit_test(qos_1_is_acknowledged_with_its_id__MQTT_4_3_2_2__MQTT_3_3_4_1__MQTT_2_3_1_6),
        cmocka_unit_test(qos_1_is_sent_with_a_new_id_and_no_dup__MQTT_4_3_2_1__MQTT_2_3_1_4),
        cmocka_unit_test(qos_2_is_delivered_once__MQTT_4_3_3_2__MQTT_3_3_4_1__MQTT_2_3_1_6),
        cmocka_unit_test(qos_2_is_sent_through_all_four_steps__MQTT_4_3_3_1__MQTT_2_3_1_6),
        cmocka_unit_test(dup_is_not_passed_on__MQTT_3_3_1_3__MQTT_3_3_1_2),
        cmocka_unit_test(qos_3_closes__MQTT_3_3_1_4__MQTT_2_2_2_2),
        cmocka_unit_test(packet_id_zero_closes__MQTT_2_3_1_1),
        cmocka_unit_test(topic_is_the_first_field_and_utf8__MQTT_3_3_2_1__MQTT_1_5_3_1),
        cmocka_unit_test(topic_with_nul_closes__MQTT_1_5_3_2__MQTT_4_7_3_2),
        cmocka_unit_test(topic_has_no_wildcards__MQTT_3_3_2_2__MQTT_4_7_1_1),
        cmocka_unit_test(topic_has_a_character__MQTT_4_7_3_1),
        cmocka_unit_test(pubrel_with_wrong_flags_closes__MQTT_3_6_1_1__MQTT_2_2_2_1),
        cmocka_unit_test(reserved_flags_of_other_packets_close__MQTT_2_2_2_2),
        cmocka_unit_test(packets_of_a_server_and_of_no_type_close__MQTT_4_8_0_1),
        cmocka_unit_test(acknowledgements_come_in_order__MQTT_4_6_0_2__MQTT_4_6_0_3),
        cmocka_unit_test(pubrels_come_in_the_order_of_pubrecs__MQTT_4_6_0_4),
        cmocka_unit_test(messages_of_a_topic_arrive_in_order__MQTT_4_6_0_5__MQTT_4_6_0_6),
        cmocka_unit_test(retained_comes_to_a_new_subscription__MQTT_3_3_1_5__MQTT_3_3_1_6__MQTT_3_3_1_8),
        cmocka_unit_test(retained_qos_0_replaces__MQTT_3_3_1_7),
        cmocka_unit_test(live_messages_have_no_retain_flag__MQTT_3_3_1_9),
        cmocka_unit_test(empty_retained_removes_and_is_delivered__MQTT_3_3_1_10__MQTT_3_3_1_11),
        cmocka_unit_test(no_retain_flag_leaves_what_is_retained__MQTT_3_3_1_12),
        cmocka_unit_test(large_topics_are_passed_on__MQTT_4_7_3_3),
    };
    return cmocka_run_group_tests(tests, broker_group_setup, broker_teardown);
}
