/* SPDX-License-Identifier: GPL-3.0-or-later */
/* QoS 2 in both directions: exactly once, over reconnects too. */
#include "scenario.h"

/* [MQTT5-4.3.3-8] [MQTT5-4.3.3-11] [MQTT5-2.2.1-5] [MQTT5-3.3.4-1] */
static void whole_exchange__MQTT_4_3_3_2__MQTT_2_3_1_6__MQTT_3_3_4_1(void **state)
{
    struct peer *a = rig_clean(*state, "a");
    rig_send_publish(a, "t", "x", 2, false, 0x1234);
    rig_expect_reason(a, PACKET_PUBREC, 0x1234, REASON_NO_MATCHING_SUBSCRIBERS);
    rig_expect_nothing(a);
    rig_send_ack(a, PACKET_PUBREL, 0x1234);
    rig_expect_reason(a, PACKET_PUBCOMP, 0x1234, REASON_SUCCESS);
    rig_expect_nothing(a);
}

static void delivered_once_before_pubrel_and_new_after_it__MQTT_4_3_3_2__MQTT5_4_3_3_10__MQTT5_4_3_3_12(void **state)
{
    struct peer *a = rig_keep(*state, "a"), *b = rig_clean(*state, "b");
    rig_subscribe(b, 1, "t:0");
    rig_send_publish(a, "t", "1", 2, false, 7);
    rig_expect_ack(a, PACKET_PUBREC, 7);
    for (unsigned i = 0; i < 3; i++) {
        rig_send_publish_dup(a, "t", "1", 2, false, 7);
        rig_expect_ack(a, PACKET_PUBREC, 7);
    }
    rig_take(b, "t", "1", 0, false, false);
    rig_expect_nothing(b);
    rig_send_ack(a, PACKET_PUBREL, 7);
    rig_expect_ack(a, PACKET_PUBCOMP, 7);
    rig_send_ack(a, PACKET_PUBREL, 7); /* once more: answered, and nothing else */
    rig_expect_reason(a, PACKET_PUBCOMP, 7, REASON_PACKET_ID_NOT_FOUND);
    rig_send_publish_dup(a, "t", "2", 2, false, 7);
    rig_expect_ack(a, PACKET_PUBREC, 7);
    rig_take(b, "t", "2", 0, false, false);
}

/* [MQTT5-4.3.3-10] [MQTT5-4.1.0-1] */
static void received_id_is_remembered_over_a_reconnect__MQTT_4_3_3_2__MQTT_4_1_0_1(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *b = rig_clean(r, "b");
    rig_subscribe(b, 1, "t:0");
    rig_send_publish(a, "t", "1", 2, false, 7);
    rig_expect_ack(a, PACKET_PUBREC, 7);
    rig_drop(a);
    a = rig_resume(r, "a");
    rig_send_publish_dup(a, "t", "1", 2, false, 7);
    rig_expect_ack(a, PACKET_PUBREC, 7);
    rig_drop(a);
    a = rig_resume(r, "a");
    rig_send_ack(a, PACKET_PUBREL, 7);
    rig_expect_ack(a, PACKET_PUBCOMP, 7);
    rig_take(b, "t", "1", 0, false, false);
    rig_expect_nothing(b);
}

static void ids_of_the_two_directions_are_apart(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *b = rig_keep(r, "b");
    rig_subscribe(b, 1, "t:2");
    rig_set_next_id(r, "b", 7);
    rig_send_publish(b, "u", "x", 2, false, 7);
    rig_expect_ack(b, PACKET_PUBREC, 7);
    rig_publish(a, "t", "y", 2, false);
    assert_int_equal(rig_expect_publish(b, "t", "y", 2, false, false), 7);
    rig_send_ack(b, PACKET_PUBREC, 7);
    rig_expect_ack(b, PACKET_PUBREL, 7);
    rig_send_ack(b, PACKET_PUBREL, 7);
    rig_expect_ack(b, PACKET_PUBCOMP, 7);
    rig_send_ack(b, PACKET_PUBCOMP, 7);
    rig_expect_nothing(b);
}

static void pubrecs_come_in_order__MQTT_4_6_0_3__MQTT5_4_6_0_3(void **state)
{
    struct peer *a = rig_keep(*state, "a");
    for (uint16_t i = 1; i <= 50; i++)
        rig_send_publish(a, "t", "x", 2, i % 7 == 0, (uint16_t)(500 - i));
    for (uint16_t i = 1; i <= 50; i++)
        rig_expect_ack(a, PACKET_PUBREC, (uint16_t)(500 - i));
}

/* Answers of several kinds, which wait for different commits, do not overtake each other either. */
static void answers_of_all_kinds_come_in_order__MQTT_4_6_0_2__MQTT_4_6_0_3__MQTT5_4_6_0_2__MQTT5_4_6_0_3(void **state)
{
    struct peer *a = rig_keep(*state, "a");
    rig_send_publish(a, "t", "x", 2, false, 1);
    rig_send_publish(a, "t", "x", 1, false, 2);
    rig_send_subscribe(a, 3, "u:1");
    rig_send_publish(a, "t", "x", 1, true, 4);
    rig_send_publish(a, "t", "x", 2, false, 5);
    rig_send_unsubscribe(a, 6, "u");
    rig_send_publish(a, "t", "x", 1, false, 7);
    rig_expect_ack(a, PACKET_PUBREC, 1);
    rig_expect_ack(a, PACKET_PUBACK, 2);
    rig_expect_suback(a, 3, "01");
    rig_expect_ack(a, PACKET_PUBACK, 4);
    rig_expect_ack(a, PACKET_PUBREC, 5);
    rig_expect_unsuback(a, 6, "00");
    rig_expect_ack(a, PACKET_PUBACK, 7);
}

static void pubrels_come_in_the_order_of_pubrecs__MQTT_4_6_0_4__MQTT5_4_6_0_4(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *b = rig_keep(r, "b");
    rig_subscribe(b, 1, "t:2");
    uint16_t ids[10];
    for (unsigned i = 0; i < 10; i++) {
        rig_publish(a, "t", numbered(i), 2, false);
        ids[i] = rig_expect_publish(b, "t", numbered(i), 2, false, false);
    }
    static const unsigned order[] = {3, 1, 4, 0, 5, 9, 2, 6, 8, 7};
    for (unsigned i = 0; i < 10; i++)
        rig_send_ack(b, PACKET_PUBREC, ids[order[i]]);
    for (unsigned i = 0; i < 10; i++)
        rig_expect_ack(b, PACKET_PUBREL, ids[order[i]]);
}

/* [MQTT5-4.3.3-1] [MQTT5-4.3.3-2] [MQTT5-4.3.3-3]
 * [MQTT5-4.3.3-4] [MQTT5-4.3.3-5] [MQTT5-4.3.3-6] [MQTT5-4.4.0-1] */
static void sending__MQTT_4_3_3_1__MQTT_2_3_1_4(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *b = rig_keep(r, "b");
    rig_subscribe(b, 1, "t:2");
    rig_publish(a, "t", "1", 2, false);
    uint16_t first = rig_expect_publish(b, "t", "1", 2, false, false);
    rig_publish(a, "t", "2", 2, false);
    uint16_t second = rig_expect_publish(b, "t", "2", 2, false, false);
    assert_int_not_equal(first, second);
    rig_send_ack(b, PACKET_PUBREC, first);
    rig_expect_ack(b, PACKET_PUBREL, first);
    rig_drop(b);
    b = rig_resume(r, "b"); /* PUBREL again, not PUBLISH; and what was never answered as PUBLISH, in the old order */
    rig_expect_ack(b, PACKET_PUBREL, first);
    assert_int_equal(rig_expect_publish(b, "t", "2", 2, true, false), second);
    rig_send_ack(b, PACKET_PUBREC, first); /* late and again */
    rig_expect_ack(b, PACKET_PUBREL, first);
    rig_send_ack(b, PACKET_PUBCOMP, first);
    rig_send_ack(b, PACKET_PUBREC, second);
    rig_expect_ack(b, PACKET_PUBREL, second);
    rig_send_ack(b, PACKET_PUBCOMP, second);
    rig_run(r);
    rig_drop(b);
    b = rig_resume(r, "b");
    rig_expect_nothing(b);
    assert_int_equal(rig_rows(r), 0);
}

/* The client answers an earlier connection's PUBLISH before it has seen it again. */
static void pubrec_before_the_repetition(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *b = rig_keep(r, "b");
    rig_subscribe(b, 1, "t:2");
    uint16_t ids[3];
    for (unsigned i = 0; i < 3; i++) {
        rig_publish(a, "t", numbered(i), 2, false);
        ids[i] = rig_expect_publish(b, "t", numbered(i), 2, false, false);
    }
    rig_drop(b);
    b = rig_start(r, &(struct rig_connect){.id = "b"});
    rig_send_ack(b, PACKET_PUBREC, ids[1]);
    rig_expect_connack(b, true, 0);
    unsigned rels = 0, publishes = 0;
    struct packet p;
    while (rig_next(b, &p)) {
        if (p.type == PACKET_PUBREL) {
            assert_int_equal(p.ack.id, ids[1]);
            rels++;
        } else {
            assert_int_equal(p.type, PACKET_PUBLISH);
            assert_int_not_equal(rels > 0 && p.publish.id == ids[1], 1); /* never behind its PUBREL */
            publishes++;
        }
    }
    assert_in_range(rels, 1, 2);
    assert_in_range(publishes, 2, 3);
}

static void window_is_shared_by_qos_1_and_2__MQTT5_3_3_4_9__MQTT5_4_9_0_2(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *b = rig_keep(r, "b");
    rig_subscribe(b, 1, "t:2");
    uint16_t ids[30];
    for (unsigned i = 0; i < 30; i++)
        rig_publish(a, "t", numbered(i), i % 2 == 0 ? 2 : 1, false);
    for (unsigned i = 0; i < 20; i++)
        ids[i] = rig_expect_publish(b, "t", numbered(i), i % 2 == 0 ? 2 : 1, false, false);
    rig_expect_nothing(b);
    rig_send_ack(b, PACKET_PUBREC, ids[0]); /* half done: its place is not free yet */
    rig_expect_ack(b, PACKET_PUBREL, ids[0]);
    rig_expect_nothing(b);
    rig_send_ack(b, PACKET_PUBCOMP, ids[0]);
    rig_expect_publish(b, "t", "m20", 2, false, false);
    rig_expect_nothing(b);
    rig_send_ack(b, PACKET_PUBACK, ids[1]);
    rig_expect_publish(b, "t", "m21", 1, false, false);
}

/* 65,535 ids at once are all there are. */
static void all_ids_may_be_open(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a");
    for (unsigned id = 65535; id >= 1; id--)
        rig_send_publish(a, "t", "x", 2, false, (uint16_t)id);
    for (unsigned id = 65535; id >= 1; id--)
        rig_expect_ack(a, PACKET_PUBREC, (uint16_t)id);
    for (unsigned id = 1; id <= 65535; id++)
        rig_send_ack(a, PACKET_PUBREL, (uint16_t)id);
    for (unsigned id = 1; id <= 65535; id++)
        rig_expect_ack(a, PACKET_PUBCOMP, (uint16_t)id);
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST(whole_exchange__MQTT_4_3_3_2__MQTT_2_3_1_6__MQTT_3_3_4_1),
        RIG_TEST(delivered_once_before_pubrel_and_new_after_it__MQTT_4_3_3_2__MQTT5_4_3_3_10__MQTT5_4_3_3_12),
        RIG_TEST(received_id_is_remembered_over_a_reconnect__MQTT_4_3_3_2__MQTT_4_1_0_1),
        RIG_TEST(ids_of_the_two_directions_are_apart),
        RIG_TEST(pubrecs_come_in_order__MQTT_4_6_0_3__MQTT5_4_6_0_3),
        RIG_TEST(answers_of_all_kinds_come_in_order__MQTT_4_6_0_2__MQTT_4_6_0_3__MQTT5_4_6_0_2__MQTT5_4_6_0_3),
        RIG_TEST(pubrels_come_in_the_order_of_pubrecs__MQTT_4_6_0_4__MQTT5_4_6_0_4),
        RIG_TEST(sending__MQTT_4_3_3_1__MQTT_2_3_1_4),
        RIG_TEST(pubrec_before_the_repetition),
        RIG_TEST(window_is_shared_by_qos_1_and_2__MQTT5_3_3_4_9__MQTT5_4_9_0_2),
        RIG_TEST_IN(all_ids_may_be_open, RIG_HEAVY | RIG_311 | RIG_ONE_SHARD | RIG_IMMEDIATE),
    };
    return RIG_MAIN(tests);
}
