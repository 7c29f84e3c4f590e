/* SPDX-License-Identifier: GPL-3.0-or-later */
/* QoS 1 in both directions: acknowledgement, packet ids, DUP, the window. */
#include "scenario.h"

/* [MQTT5-4.3.2-4] [MQTT5-2.2.1-5] [MQTT5-3.3.4-1] */
static void puback_has_the_packet_id__MQTT_4_3_2_2__MQTT_2_3_1_6__MQTT_3_3_4_1(void **state)
{
    struct peer *a = rig_clean(*state, "a");
    rig_send_publish(a, "t", "x", 1, false, 0x1234);
    rig_expect_reason(a, PACKET_PUBACK, 0x1234, REASON_NO_MATCHING_SUBSCRIBERS);
    rig_send_publish(a, "t", "x", 1, false, 65535);
    rig_expect_reason(a, PACKET_PUBACK, 65535, REASON_NO_MATCHING_SUBSCRIBERS);
    rig_send_publish(a, "t", "x", 1, false, 1);
    rig_expect_reason(a, PACKET_PUBACK, 1, REASON_NO_MATCHING_SUBSCRIBERS);
}

/* After the PUBACK the id is free: the same one again is a new message, whatever DUP says. */
static void same_id_again_is_a_new_message__MQTT_4_3_2_2__MQTT5_4_3_2_5(void **state)
{
    struct peer *a = rig_clean(*state, "a"), *b = rig_clean(*state, "b");
    rig_subscribe(b, 1, "t:1");
    rig_send_publish(a, "t", "x", 1, false, 7);
    rig_expect_ack(a, PACKET_PUBACK, 7);
    rig_send_publish_dup(a, "t", "x", 1, false, 7);
    rig_expect_ack(a, PACKET_PUBACK, 7);
    rig_take(b, "t", "x", 1, false, false);
    rig_take(b, "t", "x", 1, false, false);
}

static void dup_is_not_passed_on__MQTT_3_3_1_3__MQTT5_3_3_1_3__MQTT5_3_3_1_2(void **state)
{
    struct peer *a = rig_clean(*state, "a"), *b = rig_clean(*state, "b"), *c = rig_clean(*state, "c");
    rig_subscribe(b, 1, "t:1");
    rig_subscribe(c, 1, "t:0");
    rig_send_publish_dup(a, "t", "x", 1, false, 7);
    rig_take(b, "t", "x", 1, false, false);
    rig_take(c, "t", "x", 0, false, false);
}

static void pubacks_come_in_order__MQTT_4_6_0_2__MQTT5_4_6_0_2(void **state)
{
    struct peer *a = rig_keep(*state, "a"), *b = rig_keep(*state, "b");
    rig_subscribe(b, 1, "t/#:1");
    for (uint16_t i = 1; i <= 100; i++)
        rig_send_publish(a, i % 3 == 0 ? "t/1" : "nobody", "x", 1, i % 5 == 0, (uint16_t)(1000 - i));
    for (uint16_t i = 1; i <= 100; i++)
        rig_expect_ack(a, PACKET_PUBACK, (uint16_t)(1000 - i));
}

/* What stays unacknowledged is sent once in a connection.
 * [MQTT5-4.3.2-1] [MQTT5-4.3.2-2] [MQTT5-4.3.2-3] [MQTT5-2.2.1-4] [MQTT5-3.3.1-1] [MQTT5-4.4.0-1] */
static void new_id_and_no_dup_at_first__MQTT_4_3_2_1__MQTT_2_3_1_4__MQTT_3_3_1_1(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *b = rig_keep(r, "b");
    rig_subscribe(b, 1, "t:1");
    uint16_t ids[5];
    for (unsigned i = 0; i < 5; i++) {
        rig_publish(a, "t", numbered(i), 1, false);
        ids[i] = rig_expect_publish(b, "t", numbered(i), 1, false, false);
        for (unsigned k = 0; k < i; k++)
            assert_int_not_equal(ids[i], ids[k]);
    }
    rig_advance(r, 3600 * 1000);
    rig_expect_nothing(b);
    rig_send_ack(b, PACKET_PUBACK, ids[1]);
    rig_send_ack(b, PACKET_PUBACK, ids[3]);
    rig_run(r);
    rig_drop(b);
    b = rig_resume(r, "b");
    assert_int_equal(rig_expect_publish(b, "t", "m0", 1, true, false), ids[0]);
    assert_int_equal(rig_expect_publish(b, "t", "m2", 1, true, false), ids[2]);
    assert_int_equal(rig_expect_publish(b, "t", "m4", 1, true, false), ids[4]);
    rig_expect_nothing(b);
}

static void window_is_20_and_opens_with_each_ack__MQTT5_3_3_4_9__MQTT5_4_9_0_2(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *b = rig_clean(r, "b");
    rig_subscribe(b, 1, "t:1");
    for (unsigned i = 0; i < 60; i++)
        rig_publish(a, "t", numbered(i), 1, false);
    uint16_t ids[60];
    for (unsigned i = 0; i < 20; i++)
        ids[i] = rig_expect_publish(b, "t", numbered(i), 1, false, false);
    rig_expect_nothing(b);
    rig_send_ack(b, PACKET_PUBACK, ids[7]); /* not the oldest */
    ids[7] = rig_expect_publish(b, "t", "m20", 1, false, false);
    rig_expect_nothing(b);
    for (unsigned i = 0; i < 59; i++) {
        rig_send_ack(b, PACKET_PUBACK, ids[i]);
        if (i + 21 < 60)
            ids[i + 20] = rig_expect_publish(b, "t", numbered(i + 21), 1, false, false);
        rig_expect_nothing(b);
    }
}

/* A message at QoS 0 does not overtake those that wait. */
static void qos_0_waits_behind_a_full_window(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *b = rig_clean(r, "b");
    rig_subscribe(b, 1, "t:1");
    for (unsigned i = 0; i < 21; i++)
        rig_publish(a, "t", numbered(i), 1, false);
    rig_publish(a, "t", "m21", 0, false);
    uint16_t first = 0;
    for (unsigned i = 0; i < 20; i++) {
        uint16_t id = rig_expect_publish(b, "t", numbered(i), 1, false, false);
        first = i == 0 ? id : first;
    }
    rig_expect_nothing(b);
    rig_send_ack(b, PACKET_PUBACK, first);
    rig_expect_publish(b, "t", "m20", 1, false, false);
    rig_expect_publish(b, "t", "m21", 0, false, false);
    rig_expect_nothing(b);
}

static void ids_wrap_around_and_skip_those_in_use__MQTT_2_3_1_4__MQTT5_2_2_1_4__MQTT5_4_3_2_1(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *b = rig_keep(r, "b");
    rig_subscribe(b, 1, "t:1");
    rig_set_next_id(r, "b", 3);
    rig_publish(a, "t", "stays", 1, false);
    assert_int_equal(rig_expect_publish(b, "t", "stays", 1, false, false), 3);
    rig_set_next_id(r, "b", 65534);
    static const uint16_t want[] = {65534, 65535, 1, 2, 4, 5, 6};
    for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
        rig_publish(a, "t", "x", 1, false);
        uint16_t id = rig_expect_publish(b, "t", "x", 1, false, false);
        assert_int_equal(id, want[i]);
        if (i % 2 == 0)
            rig_send_ack(b, PACKET_PUBACK, id);
    }
}

static void all_65535_ids_are_used_in_turn__MQTT_2_3_1_4(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *b = rig_clean(r, "b");
    rig_subscribe(b, 1, "t:1");
    rig_publish(a, "t", "stays", 1, false);
    uint16_t stays = rig_expect_publish(b, "t", "stays", 1, false, false);
    for (unsigned i = 0; i < 70000; i += 10) {
        for (unsigned k = 0; k < 10; k++)
            rig_send_publish(a, "t", "x", 1, false, (uint16_t)(k + 1));
        for (unsigned k = 0; k < 10; k++) {
            uint16_t id = rig_expect_publish(b, "t", "x", 1, false, false);
            assert_int_not_equal(id, 0);
            assert_int_not_equal(id, stays);
            rig_send_ack(b, PACKET_PUBACK, id);
        }
        a->got_at = a->got_n = b->got_at = b->got_n = 0;
    }
    rig_send_ack(b, PACKET_PUBACK, stays);
    rig_expect_nothing(b);
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST(puback_has_the_packet_id__MQTT_4_3_2_2__MQTT_2_3_1_6__MQTT_3_3_4_1),
        RIG_TEST(same_id_again_is_a_new_message__MQTT_4_3_2_2__MQTT5_4_3_2_5),
        RIG_TEST(dup_is_not_passed_on__MQTT_3_3_1_3__MQTT5_3_3_1_3__MQTT5_3_3_1_2),
        RIG_TEST(pubacks_come_in_order__MQTT_4_6_0_2__MQTT5_4_6_0_2),
        RIG_TEST(new_id_and_no_dup_at_first__MQTT_4_3_2_1__MQTT_2_3_1_4__MQTT_3_3_1_1),
        RIG_TEST(window_is_20_and_opens_with_each_ack__MQTT5_3_3_4_9__MQTT5_4_9_0_2),
        RIG_TEST(qos_0_waits_behind_a_full_window),
        RIG_TEST(ids_wrap_around_and_skip_those_in_use__MQTT_2_3_1_4__MQTT5_2_2_1_4__MQTT5_4_3_2_1),
        RIG_TEST_IN(all_65535_ids_are_used_in_turn__MQTT_2_3_1_4, RIG_HEAVY | RIG_IMMEDIATE | RIG_311 | RIG_ONE_SHARD),
    };
    return RIG_MAIN(tests);
}
