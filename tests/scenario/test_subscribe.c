/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SUBSCRIBE and UNSUBSCRIBE, and which filter matches what. */
#include "scenario.h"

/* [MQTT5-3.8.4-1] [MQTT5-3.8.4-2] [MQTT5-3.8.4-6] [MQTT5-3.8.4-7] [MQTT5-2.2.1-6] */
static void suback_has_id_and_codes__MQTT_3_8_4_1__MQTT_3_8_4_2__MQTT_3_8_4_5__MQTT_2_3_1_7(void **state)
{
    struct peer *a = rig_clean(*state, "a");
    rig_send_subscribe(a, 0x1234, "t:1");
    rig_expect_suback(a, 0x1234, "01");
    rig_send_subscribe(a, 65535, "a:0 b:1 c:2 a/+/c/#:2");
    rig_expect_suback(a, 65535, "00 01 02 02");
}

static void codes_are_in_the_order_of_filters__MQTT_3_9_3_1__MQTT_3_9_3_2__MQTT5_3_9_3_1__MQTT5_3_9_3_2(void **state)
{
    struct rig *r = *state;
    static const struct rule rules[] = {{RULE_SUBSCRIBE, {(const uint8_t *)"mine/#", 6}}};
    rig_user(r, "u", "p", rules, 1, false);
    struct peer *a = rig_connect(r, .id = "a", .clean = true, .user = "u", .password = "p");
    rig_send_subscribe(a, 1, "mine/a:2 theirs:2 mine/b:0 #:1 mine/c:1");
    rig_expect_suback(a, 1, "02 87 00 87 01");
    rig_expect_nothing(a);
    struct peer *b = rig_clean(r, "b");
    rig_publish(b, "theirs", "x", 0, false);
    rig_publish(b, "mine/a", "x", 0, false);
    rig_take(a, "mine/a", "x", 0, false, false);
    rig_expect_nothing(a);
}

static void several_filters_are_as_several_packets__MQTT_3_8_4_4__MQTT5_3_8_4_5(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *b = rig_clean(r, "b");
    rig_publish(b, "r", "kept", 0, true);
    rig_send_subscribe(a, 1, "r:0 t:0 t:2 r:1");
    rig_expect_suback(a, 1, "00 00 02 01");
    rig_take(a, "r", "kept", 0, false, true); /* the walk of the first "r" was replaced, or sent one as well */
    struct packet p;
    if (rig_next(a, &p))
        assert_int_equal(p.type, PACKET_PUBLISH);
    rig_publish(b, "t", "x", 2, false);
    rig_take(a, "t", "x", 2, false, false); /* the last one for a filter counts */
    rig_expect_nothing(a);
    assert_int_equal(rig_stats(r).subscriptions, 2);
}

static void smaller_qos_of_both__MQTT_3_8_4_6__MQTT_4_3_2_1__MQTT5_3_8_4_8(void **state)
{
    struct peer *a = rig_clean(*state, "a"), *b = rig_clean(*state, "b");
    rig_subscribe(b, 1, "0:0 1:1 2:2");
    static const char *const topics[] = {"0", "1", "2"};
    for (uint8_t granted = 0; granted < 3; granted++)
        for (uint8_t qos = 0; qos < 3; qos++) {
            rig_publish(a, topics[granted], "x", qos, false);
            rig_take(b, topics[granted], "x", qos < granted ? qos : granted, false, false);
        }
}

static void overlapping_filters_give_one_copy_of_the_highest__MQTT_3_3_5_1__MQTT5_3_3_4_2(void **state)
{
    struct peer *a = rig_clean(*state, "a"), *b = rig_clean(*state, "b");
    rig_subscribe(b, 1, "t/1:0 t/+:2 #:1 t/#:0 +/1:1 t/1/#:0");
    for (uint8_t qos = 0; qos < 3; qos++) {
        rig_publish(a, "t/1", "x", qos, false);
        rig_take(b, "t/1", "x", qos, false, false);
    }
    rig_unsubscribe(b, 2, "t/+");
    rig_publish(a, "t/1", "x", 2, false);
    rig_take(b, "t/1", "x", 1, false, false);
    rig_expect_nothing(b);
}

static void same_filter_again_replaces__MQTT_3_8_4_3__MQTT5_3_8_4_3__MQTT5_3_8_4_4(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *b = rig_clean(r, "b");
    rig_publish(a, "t", "kept", 1, true);
    rig_subscribe(b, 1, "t:2");
    rig_take(b, "t", "kept", 1, false, true);
    rig_subscribe(b, 2, "t:0");
    rig_take(b, "t", "kept", 0, false, true);
    rig_publish(a, "t", "x", 2, false);
    rig_take(b, "t", "x", 0, false, false);
    assert_int_equal(rig_stats(r).subscriptions, 1);
    rig_unsubscribe(b, 3, "t");
    assert_int_equal(rig_stats(r).subscriptions, 0);
}

static void what_matches__MQTT_4_7_1_2__MQTT_4_7_1_3__MQTT5_4_7_1_1__MQTT5_4_7_1_2__MQTT5_3_3_2_3(void **state)
{
    static const struct {
        const char *filter, *topic;
        bool match;
    } cases[] = {
        {"sport/tennis/player1/#", "sport/tennis/player1", true},
        {"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
        {"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
        {"sport/tennis/player1/#", "sport/tennis/player11", false},
        {"sport/#", "sport", true},
        {"#", "sport", true},
        {"#", "/", true},
        {"sport/tennis/+", "sport/tennis/player1", true},
        {"sport/tennis/+", "sport/tennis/player1/ranking", false},
        {"sport/+", "sport", false},
        {"sport/+", "sport/", true},
        {"+", "finance", true},
        {"+", "/finance", false},
        {"+/+", "/finance", true},
        {"/+", "/finance", true},
        {"/+", "finance", false},
        {"+/tennis/#", "sport/tennis", true},
        {"+/tennis/#", "/tennis/x", true},
        {"a/+/c", "a//c", true},
        {"a/+/c", "a/b/b/c", false},
        {"a//c", "a//c", true},
        {"a//c", "a/c", false},
        {"/", "/", true},
        {"+/+", "/", true},
        {"+/", "a/", true},
        {"/#", "/", true},
        {"/#", "a", false},
        {"+/#", "a", true},
        {"a/b", "a/b/", false},
        {"a/b/", "a/b", false},
    };
    struct peer *a = rig_clean(*state, "a");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char filter[64];
        snprintf(filter, sizeof(filter), "%s:0", cases[i].filter);
        rig_subscribe(a, 1, filter);
        rig_send_publish(a, cases[i].topic, "x", 0, false, 0);
        if (cases[i].match)
            rig_take(a, cases[i].topic, "x", 0, false, false);
        rig_expect_nothing(a);
        rig_unsubscribe(a, 1, cases[i].filter);
    }
}

static void leading_wildcards_leave_dollar_topics_alone__MQTT_4_7_2_1__MQTT5_4_7_2_1(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *b = rig_clean(r, "b");
    rig_subscribe(a, 1, "#:0 +/x:0 +/+:0 +/#:0");
    rig_publish(b, "$d/x", "x", 0, false);
    rig_publish(b, "$d/x", "kept", 0, true);
    rig_publish(b, "$d", "x", 0, false);
    rig_expect_nothing(a);
    rig_subscribe(a, 2, "#:0"); /* nor for retained ones */
    rig_expect_nothing(a);
    rig_subscribe(a, 3, "$d/#:0");
    rig_take(a, "$d/x", "kept", 0, false, true);
    rig_publish(b, "$d/y", "x", 0, false);
    rig_take(a, "$d/y", "x", 0, false, false);
    rig_subscribe(a, 4, "$d/+:0");
    rig_take(a, "$d/x", "kept", 0, false, true);
    rig_publish(b, "a/$d", "x", 0, false); /* $ is special at the front only */
    rig_take(a, "a/$d", "x", 0, false, false);
}

/* [MQTT5-3.10.4-4] [MQTT5-3.10.4-5] [MQTT5-3.10.4-6] [MQTT5-2.2.1-6] [MQTT5-3.11.3-1] [MQTT5-3.11.3-2] */
static void unsuback_has_the_id__MQTT_3_10_4_4__MQTT_3_10_4_5__MQTT_3_10_4_6__MQTT_2_3_1_7(void **state)
{
    struct peer *a = rig_clean(*state, "a");
    rig_subscribe(a, 1, "a:0 b:0 c:0");
    rig_send_unsubscribe(a, 0x1234, "nothing");
    rig_expect_unsuback(a, 0x1234, "11");
    rig_send_unsubscribe(a, 0x1235, "a other c a");
    rig_expect_unsuback(a, 0x1235, "00 11 00 11");
    rig_send_publish(a, "a", "x", 0, false, 0);
    rig_send_publish(a, "c", "x", 0, false, 0);
    rig_send_publish(a, "b", "x", 0, false, 0);
    rig_take(a, "b", "x", 0, false, false);
    rig_expect_nothing(a);
}

static void unsubscribe_compares_bytes__MQTT_3_10_4_1__MQTT5_3_10_4_1(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a");
    rig_subscribe(a, 1, "a/+:0 a/#:0 a/b:0");
    rig_unsubscribe(a, 2, "#");
    rig_unsubscribe(a, 3, "+/b");
    rig_unsubscribe(a, 4, "A/b");
    rig_unsubscribe(a, 5, "a/b/");
    assert_int_equal(rig_stats(r).subscriptions, 3);
    rig_unsubscribe(a, 6, "a/+");
    assert_int_equal(rig_stats(r).subscriptions, 2);
    rig_unsubscribe(a, 7, "a/#");
    rig_unsubscribe(a, 8, "a/b");
    assert_int_equal(rig_stats(r).subscriptions, 0);
}

static void nothing_new_after_unsubscribe__MQTT_3_10_4_2__MQTT5_3_10_4_2(void **state)
{
    struct peer *a = rig_clean(*state, "a"), *b = rig_clean(*state, "b");
    rig_subscribe(a, 1, "t:2");
    rig_unsubscribe(a, 2, "t");
    for (uint8_t qos = 0; qos < 3; qos++)
        rig_publish(b, "t", "x", qos, false);
    rig_expect_nothing(a);
}

static void deliveries_under_way_are_completed__MQTT_3_10_4_3__MQTT5_3_10_4_3(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *b = rig_clean(r, "b");
    rig_subscribe(a, 1, "t:2");
    rig_publish(b, "t", "1", 1, false);
    rig_publish(b, "t", "2", 2, false);
    uint16_t one = rig_expect_publish(a, "t", "1", 1, false, false);
    uint16_t two = rig_expect_publish(a, "t", "2", 2, false, false);
    rig_unsubscribe(a, 2, "t");
    rig_send_ack(a, PACKET_PUBREC, two);
    rig_expect_ack(a, PACKET_PUBREL, two);
    rig_drop(a);
    a = rig_resume(r, "a");
    assert_int_equal(rig_expect_publish(a, "t", "1", 1, true, false), one);
    rig_expect_ack(a, PACKET_PUBREL, two);
    rig_send_ack(a, PACKET_PUBACK, one);
    rig_send_ack(a, PACKET_PUBCOMP, two);
    rig_expect_nothing(a);
}

/* A filter of MQTT 5's shared subscriptions is refused, not silently taken for an ordinary one. */
static void few_subscriptions(struct limits *l)
{
    l->max_subscriptions = 3;
}

static void too_many_subscriptions_are_refused(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *b = rig_clean(r, "b");
    rig_send_subscribe(a, 1, "1:1 2:1 3:1 4:1");
    rig_expect_suback(a, 1, "01 01 01 97");
    rig_send_subscribe(a, 2, "2:2 5:0"); /* replacing costs nothing */
    rig_expect_suback(a, 2, "02 97");
    rig_unsubscribe(a, 3, "1");
    rig_send_subscribe(a, 4, "5:0 6:0");
    rig_expect_suback(a, 4, "00 97");
    rig_subscribe(b, 1, "1:1 2:1 3:1");
}

static void many_filters_in_one_packet(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *clean = rig_clean(r, "clean");
    char *filters = malloc(1000 * 16), *names = malloc(1000 * 16);
    size_t n = 0, m = 0;
    for (unsigned i = 0; i < 1000; i++) {
        n += (size_t)sprintf(filters + n, "%st/%u:%u", i == 0 ? "" : " ", i, i % 3);
        m += (size_t)sprintf(names + m, "%st/%u", i == 0 ? "" : " ", i);
    }
    rig_subscribe(a, 1, filters);
    assert_int_equal(rig_stats(r).subscriptions, 1000);
    rig_subscribe(clean, 1, filters);
    rig_drop(clean);
    assert_int_equal(rig_stats(r).subscriptions, 1000);
    struct peer *b = rig_clean(r, "b");
    rig_publish(b, "t/998", "x", 2, false);
    rig_take(a, "t/998", "x", 2, false, false);
    rig_publish(b, "t/999", "x", 2, false);
    rig_take(a, "t/999", "x", 0, false, false);
    rig_unsubscribe(a, 2, names);
    assert_int_equal(rig_stats(r).subscriptions, 0);
    free(filters);
    free(names);
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST(suback_has_id_and_codes__MQTT_3_8_4_1__MQTT_3_8_4_2__MQTT_3_8_4_5__MQTT_2_3_1_7),
        RIG_TEST(codes_are_in_the_order_of_filters__MQTT_3_9_3_1__MQTT_3_9_3_2__MQTT5_3_9_3_1__MQTT5_3_9_3_2),
        RIG_TEST(several_filters_are_as_several_packets__MQTT_3_8_4_4__MQTT5_3_8_4_5),
        RIG_TEST(smaller_qos_of_both__MQTT_3_8_4_6__MQTT_4_3_2_1__MQTT5_3_8_4_8),
        RIG_TEST(overlapping_filters_give_one_copy_of_the_highest__MQTT_3_3_5_1__MQTT5_3_3_4_2),
        RIG_TEST(same_filter_again_replaces__MQTT_3_8_4_3__MQTT5_3_8_4_3__MQTT5_3_8_4_4),
        RIG_TEST(what_matches__MQTT_4_7_1_2__MQTT_4_7_1_3__MQTT5_4_7_1_1__MQTT5_4_7_1_2__MQTT5_3_3_2_3),
        RIG_TEST(leading_wildcards_leave_dollar_topics_alone__MQTT_4_7_2_1__MQTT5_4_7_2_1),
        RIG_TEST(unsuback_has_the_id__MQTT_3_10_4_4__MQTT_3_10_4_5__MQTT_3_10_4_6__MQTT_2_3_1_7),
        RIG_TEST(unsubscribe_compares_bytes__MQTT_3_10_4_1__MQTT5_3_10_4_1),
        RIG_TEST(nothing_new_after_unsubscribe__MQTT_3_10_4_2__MQTT5_3_10_4_2),
        RIG_TEST(deliveries_under_way_are_completed__MQTT_3_10_4_3__MQTT5_3_10_4_3),
        RIG_TEST_LIMITS(too_many_subscriptions_are_refused, 0, few_subscriptions),
        RIG_TEST_IN(many_filters_in_one_packet, RIG_HEAVY),
    };
    return RIG_MAIN(tests);
}
