/* SPDX-License-Identifier: GPL-3.0-or-later */
/* PUBLISH at QoS 0, and what holds for every PUBLISH: topics, payloads, flags. */
#include "scenario.h"

static void qos_0_is_sent_once_and_not_answered__MQTT_4_3_1_1__MQTT_2_3_1_5__MQTT_3_3_4_1(void **state)
{
    struct peer *a = rig_clean(*state, "a"), *b = rig_clean(*state, "b");
    rig_subscribe(b, 1, "t:2");
    rig_send_hex(a, "30 05 00 01 74 68 69");
    rig_expect_nothing(a);
    rig_expect(b, "30 05 00 01 74 68 69");
    rig_expect_nothing(b);
}

static void nobody_there(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a");
    for (uint8_t qos = 0; qos < 3; qos++)
        rig_publish(a, "nobody/there", "x", qos, false);
    rig_expect_nothing(a);
}

static void every_subscriber_gets_one__MQTT_4_5_0_1__MQTT_3_3_2_3__MQTT5_4_5_0_1__MQTT5_3_3_2_3(void **state)
{
    struct rig *r = *state;
    struct peer *c[9];
    static const char *const filters[] = {"t/1:0",   "t/+:1", "#:2",   "+/1:0", "t/#:1",
                                          "t/1/#:2", "t/2:0", "x/#:1", "+:2"};
    for (unsigned i = 0; i < 9; i++) {
        c[i] = rig_clean(r, numbered(i));
        rig_subscribe(c[i], 1, filters[i]);
    }
    struct peer *a = rig_clean(r, "a");
    rig_publish(a, "t/1", "x", 2, false);
    for (unsigned i = 0; i < 6; i++)
        rig_take(c[i], "t/1", "x", (uint8_t)(filters[i][strlen(filters[i]) - 1] - '0'), false, false);
    for (unsigned i = 0; i < 9; i++)
        rig_expect_nothing(c[i]);
}

static void publisher_gets_its_own(void **state)
{
    struct peer *a = rig_clean(*state, "a");
    rig_subscribe(a, 1, "t:0");
    rig_send_publish(a, "t", "x", 0, false, 0);
    rig_take(a, "t", "x", 0, false, false);
}

static void payloads_of_all_sizes(void **state)
{
    struct rig *r = *state;
    static const size_t sizes[] = {0,    1,    2,     121,   122,   123,   124,    125,    126,    127,    128,    1000,
                                   1023, 1024, 1025,  4000,  4090,  4091,  4092,   4093,   4094,   4095,   4096,   4097,
                                   8192, 9000, 16383, 16384, 65535, 65536, 131071, 131072, 131073, 300000, 1000000};
    static uint8_t payload[1000000];
    for (size_t i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t)(i * 7 + i / 251);
    struct peer *a = rig_clean(r, "a"), *b = rig_clean(r, "b"), *c = rig_clean(r, "c"), *d = rig_keep(r, "d");
    rig_subscribe(b, 1, "t:0");
    rig_subscribe(c, 1, "t:1");
    rig_subscribe(d, 1, "t:2");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        rig_send_publish_bytes(a, bytes_str("t"), bytes_of(payload, sizes[i]), 2, false, 1);
        rig_expect_ack(a, PACKET_PUBREC, 1);
        rig_send_ack(a, PACKET_PUBREL, 1);
        rig_expect_ack(a, PACKET_PUBCOMP, 1);
        struct peer *all[] = {b, c, d};
        for (uint8_t qos = 0; qos < 3; qos++) {
            struct packet p;
            rig_expect_packet(all[qos], PACKET_PUBLISH, &p);
            assert_int_equal(p.publish.qos, qos);
            assert_int_equal(p.publish.payload.n, sizes[i]);
            assert_true(bytes_equal(p.publish.payload, bytes_of(payload, sizes[i])));
            uint16_t id = p.publish.id;
            if (qos == 1)
                rig_send_ack(c, PACKET_PUBACK, id);
            if (qos == 2) {
                rig_send_ack(d, PACKET_PUBREC, id);
                rig_expect_ack(d, PACKET_PUBREL, id);
                rig_send_ack(d, PACKET_PUBCOMP, id);
            }
        }
    }
}

static void topics_of_65535_bytes__MQTT_4_7_3_3__MQTT5_4_7_3_3(void **state)
{
    struct rig *r = *state;
    static char topic[65536];
    memset(topic, 't', 65535);
    topic[65535] = '\0';
    struct peer *a = rig_clean(r, "a"), *b = rig_clean(r, "b");
    struct packet_subscribe s = {.id = 1, .count = 1};
    uint8_t *list = malloc(65538);
    struct wr w = wr_of(list, 65538);
    filter_write(&w, PACKET_SUBSCRIBE, b->proto, &(struct filter_request){.filter = bytes_str(topic), .qos = 1});
    s.filters = bytes_of(list, 65538);
    rig_send(b, &(struct packet){.type = PACKET_SUBSCRIBE, .subscribe = s});
    free(list);
    rig_expect_suback(b, 1, "01");
    for (uint8_t qos = 0; qos < 2; qos++) {
        rig_publish(a, topic, "x", qos, false);
        rig_take(b, topic, "x", qos, false, false);
    }
    rig_publish(a, topic, "kept", 1, true);
    rig_take(b, topic, "kept", 1, false, false);
}

/* Bytes decide: no case, no normal form, no path is folded. */
static void topics_are_compared_as_they_are__MQTT_4_7_3_4__MQTT5_4_7_3_4(void **state)
{
    struct peer *a = rig_clean(*state, "a");
    rig_subscribe(a, 1, "a/b:0 \xc3\xa9:0");
    static const char *const others[] = {"A/b",  "a//b",  "/a/b",      "a/b/",    "a/b ",
                                         " a/b", "a/./b", "e\xcc\x81", "\xc3\x89"};
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        rig_publish(a, others[i], "x", 0, false);
    rig_expect_nothing(a);
    rig_publish(a, "\xc3\xa9", "x", 0, false);
    rig_take(a, "\xc3\xa9", "x", 0, false, false);
}

static void odd_topics_are_topics(void **state)
{
    static const char *const topics[] = {
        "/", "//", " ", "a b", "/a", "a/", "\x01\x7f", "\xf0\x9f\x98\x80", "\xef\xbf\xbf", "a/$SYS", "."};
    struct peer *a = rig_clean(*state, "a");
    rig_subscribe(a, 1, "#:0");
    for (size_t i = 0; i < sizeof(topics) / sizeof(*topics); i++) {
        rig_send_publish(a, topics[i], "x", 0, false, 0);
        rig_take(a, topics[i], "x", 0, false, false);
    }
}

static void nobody_writes_sys(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *b = rig_clean(r, "b");
    rig_subscribe(b, 1, "$SYS/#:1 $other/#:1");
    for (uint8_t qos = 0; qos < 3; qos++) {
        rig_publish(a, "$SYS/broker/uptime", "lies", qos, false);
        rig_publish(a, "$SYS/broker/uptime", "lies", qos, true);
    }
    rig_expect_nothing(b);
    rig_publish(a, "$other/x", "x", 0, false);
    rig_take(b, "$other/x", "x", 0, false, false);
    rig_subscribe(b, 2, "$SYS/#:1");
    rig_expect_nothing(b);
}

static void denied_publish_is_acknowledged_and_goes_nowhere__MQTT_3_3_5_2(void **state)
{
    struct rig *r = *state;
    static const struct rule rules[] = {{RULE_PUBLISH, {(const uint8_t *)"mine/#", 6}},
                                        {RULE_SUBSCRIBE, {(const uint8_t *)"#", 1}},
                                        {RULE_DENY, {(const uint8_t *)"mine/not", 8}}};
    rig_user(r, "u", "p", rules, 3, false);
    struct peer *a = rig_connect(r, .id = "a", .clean = true, .user = "u", .password = "p");
    struct peer *b = rig_clean(r, "b");
    rig_subscribe(b, 1, "#:2");
    for (uint8_t qos = 0; qos < 3; qos++) {
        rig_publish(a, "theirs", "x", qos, false);
        rig_publish(a, "mine/not", "x", qos, false);
        rig_publish(a, "theirs", "x", qos, true);
        rig_publish(a, "mine/yes", "x", qos, false);
        rig_take(b, "mine/yes", "x", qos, false, false);
    }
    rig_expect_nothing(b);
    struct peer *late = rig_clean(r, "late");
    rig_subscribe(late, 1, "#:0");
    rig_expect_nothing(late);
}

static void deny_withholds_at_delivery(void **state)
{
    struct rig *r = *state;
    static const struct rule rules[] = {{RULE_DENY, {(const uint8_t *)"home/safe/#", 11}}};
    rig_user(r, "u", "p", rules, 1, true);
    struct peer *a = rig_clean(r, "a");
    rig_publish(a, "home/safe/door", "kept", 1, true);
    struct peer *b = rig_connect(r, .id = "b", .clean = true, .user = "u", .password = "p");
    rig_subscribe(b, 1, "home/#:2 +/+/+:1");
    for (uint8_t qos = 0; qos < 3; qos++) {
        rig_publish(a, "home/safe/door", "open", qos, false);
        rig_publish(a, "home/lamp", "on", qos, false);
        rig_take(b, "home/lamp", "on", qos, false, false);
    }
    rig_expect_nothing(b);
    rig_send_subscribe(b, 2, "home/safe/door:1");
    rig_expect_suback(b, 2, "87");
}

static void everything_is_counted(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *b = rig_clean(r, "b"), *c = rig_clean(r, "c");
    rig_subscribe(b, 1, "t:2");
    rig_subscribe(c, 1, "#:0 t:1");
    unsigned more = r->proto == PROTO_5; /* the property length */
    struct shard_stats before = rig_stats(r);
    assert_int_equal(before.clients, 3);
    assert_int_equal(before.sessions, 3);
    assert_int_equal(before.subscriptions, 3);
    rig_send_publish(a, "t", "x", 0, false, 0);
    rig_send_publish(a, "nobody", "x", 0, false, 0);
    rig_expect_publish(b, "t", "x", 0, false, false);
    rig_expect_publish(c, "t", "x", 0, false, false);
    rig_expect_publish(c, "nobody", "x", 0, false, false);
    struct shard_stats after = rig_stats(r);
    assert_int_equal(after.messages_received - before.messages_received, 2);
    assert_int_equal(after.messages_sent - before.messages_sent, 3);
    assert_int_equal(after.messages_dropped, 0);
    assert_int_equal(after.bytes_received - before.bytes_received, 6 + 11 + 2 * more);
    assert_int_equal(after.bytes_sent - before.bytes_sent, 6 + 6 + 11 + 3 * more);
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST_IN(qos_0_is_sent_once_and_not_answered__MQTT_4_3_1_1__MQTT_2_3_1_5__MQTT_3_3_4_1, RIG_3),
        RIG_TEST(nobody_there),
        RIG_TEST(everything_is_counted),
        RIG_TEST(every_subscriber_gets_one__MQTT_4_5_0_1__MQTT_3_3_2_3__MQTT5_4_5_0_1__MQTT5_3_3_2_3),
        RIG_TEST(publisher_gets_its_own),
        RIG_TEST_IN(payloads_of_all_sizes, RIG_HEAVY),
        RIG_TEST_IN(topics_of_65535_bytes__MQTT_4_7_3_3__MQTT5_4_7_3_3, RIG_WHOLE),
        RIG_TEST(topics_are_compared_as_they_are__MQTT_4_7_3_4__MQTT5_4_7_3_4),
        RIG_TEST(odd_topics_are_topics),
        RIG_TEST_IN(nobody_writes_sys, RIG_3),
        RIG_TEST_IN(denied_publish_is_acknowledged_and_goes_nowhere__MQTT_3_3_5_2, RIG_3),
        RIG_TEST(deny_withholds_at_delivery),
    };
    return RIG_MAIN(tests);
}
