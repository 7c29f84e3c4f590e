/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Maximum packet size, both ways: what is too large for a client is dropped for that client alone. */
#include "v5.h"

static const char *text_of(size_t n)
{
    static char text[8][512];
    static unsigned next;
    char *t = text[next++ % 8];
    memset(t, 'x', n);
    t[n] = '\0';
    return t;
}

static struct peer *limited(struct rig *r, const char *id, uint32_t most, bool present)
{
    return rig_connect(
        r, .id = id, .clean = !present, .present = present,
        .props = PROPS(.has = RIG_HAS(MAXIMUM_PACKET_SIZE) | RIG_HAS(SESSION_EXPIRY) | RIG_HAS(RECEIVE_MAXIMUM),
                       .maximum_packet_size = most, .session_expiry = RIG_FOREVER, .receive_maximum = 1));
}

/* PUBLISH "t" at QoS 0: 2 of fixed header, 3 of topic, 1 of properties; 2 more of packet id above. */
static void exact_size_still_comes__MQTT5_3_1_2_24__MQTT5_3_1_2_25(void **state)
{
    struct rig *r = *state;
    struct peer *a = limited(r, "a", 100, false), *b = rig_clean(r, "b"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:2");
    rig_subscribe(b, 1, "t:2");
    uint64_t dropped = rig_stats(r).messages_dropped;
    for (uint8_t qos = 0; qos < 3; qos++) {
        size_t most = 100 - 6 - (qos > 0 ? 2 : 0);
        rig_publish(p, "t", text_of(most + 1), qos, false);
        rig_take(b, "t", text_of(most + 1), qos, false, false);
        rig_expect_nothing(a);
        rig_publish(p, "t", text_of(most), qos, false); /* its place in the window is free again */
        rig_take(b, "t", text_of(most), qos, false, false);
        rig_take(a, "t", text_of(most), qos, false, false);
        rig_run(r);
    }
    assert_int_equal(rig_stats(r).messages_dropped - dropped, 3);
    assert_int_equal(rig_rows(r), 0);
}

static void between_others_that_wait__MQTT5_3_1_2_25(void **state)
{
    struct rig *r = *state;
    struct peer *a = limited(r, "a", 60, false), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:2");
    for (uint8_t qos = 1; qos < 3; qos++) {
        rig_publish(p, "t", "1", qos, false);
        rig_publish(p, "t", text_of(100), qos, false);
        rig_publish(p, "t", text_of(200), 0, false);
        rig_publish(p, "t", "2", qos, false);
        rig_publish(p, "t", text_of(300), qos, false);
        rig_take(a, "t", "1", qos, false, false);
        rig_take(a, "t", "2", qos, false, false);
        rig_expect_nothing(a);
    }
    assert_int_equal(rig_rows(r), 0);
}

static void properties_count(void **state)
{
    struct rig *r = *state;
    struct peer *a = limited(r, "a", 60, false), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:1");
    struct props props = {.raw = rig_user_props("a=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")};
    assert_in_range(props.raw.n, 54, 56);
    rig_send_publish_props(p, "t", "x", 1, false, 1, &props);
    rig_expect_ack(p, PACKET_PUBACK, 1);
    rig_expect_nothing(a);
    rig_publish(p, "t", "y", 1, false);
    rig_take(a, "t", "y", 1, false, false);
}

/* It may come back with less room than it had. */
static void client_comes_back_with_less_room(void **state)
{
    struct rig *r = *state;
    struct peer *a = limited(r, "a", 1000, false), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:2");
    rig_publish(p, "t", text_of(100), 1, false);
    rig_publish(p, "t", text_of(200), 2, false);
    rig_publish(p, "t", "small", 1, false);
    rig_expect_publish(a, "t", text_of(100), 1, false, false);
    rig_drop(a);
    a = limited(r, "a", 60, true);
    rig_take(a, "t", "small", 1, false, false);
    rig_expect_nothing(a);
    assert_int_equal(rig_rows(r), 0);
    rig_publish(p, "t", "next", 2, false);
    rig_take(a, "t", "next", 2, false, false);
}

static void retained_messages_too(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, "p");
    rig_publish(p, "r/1", text_of(100), 1, true);
    rig_publish(p, "r/2", "small", 1, true);
    rig_publish(p, "r/3", text_of(200), 0, true);
    struct peer *a = limited(r, "a", 60, false), *b = rig_clean(r, "b");
    rig_subscribe(a, 1, "r/+:1");
    rig_take(a, "r/2", "small", 1, false, true);
    rig_expect_nothing(a);
    rig_subscribe(b, 1, "r/1:0");
    rig_take(b, "r/1", text_of(100), 0, false, true);
}

static void wills_too(void **state)
{
    struct rig *r = *state;
    struct peer *a = limited(r, "a", 60, false), *b = rig_clean(r, "b");
    rig_subscribe(a, 1, "will:1");
    rig_subscribe(b, 1, "will:1");
    rig_drop(rig_connect(r, .id = "c", .clean = true, .will_topic = "will", .will = text_of(100), .will_qos = 1));
    rig_take(b, "will", text_of(100), 1, false, false);
    rig_expect_nothing(a);
}

/* Every answer with an error in it, to clients with less and less room: the rig looks at the sizes.
 * [MQTT5-3.4.2-2] [MQTT5-3.4.2-3] [MQTT5-3.5.2-2] [MQTT5-3.5.2-3] [MQTT5-3.6.2-2] [MQTT5-3.6.2-3] [MQTT5-3.7.2-2]
 * [MQTT5-3.7.2-3] [MQTT5-3.9.2-1] [MQTT5-3.9.2-2] [MQTT5-3.11.2-1] [MQTT5-3.11.2-2] [MQTT5-3.14.2-3] [MQTT5-3.14.2-4]
 * [MQTT5-3.1.2-24] */
static void answers_fit(void **state)
{
    struct rig *r = *state;
    static const struct rule rules[] = {{RULE_PUBLISH, {(const uint8_t *)"mine/#", 6}},
                                        {RULE_SUBSCRIBE, {(const uint8_t *)"mine/#", 6}}};
    rig_user(r, "u", "p", rules, 2, false);
    for (uint32_t most = 90; most >= 24; most--) {
        struct peer *c = rig_connect(r, .id = "a", .clean = true, .user = "u", .password = "p",
                                     .props = PROPS(.has = RIG_HAS(MAXIMUM_PACKET_SIZE), .maximum_packet_size = most));
        rig_send_publish(c, "theirs", "x", 1, false, 1);
        rig_expect_reason(c, PACKET_PUBACK, 1, REASON_NOT_AUTHORIZED);
        rig_send_publish(c, "theirs", "x", 2, false, 2);
        rig_expect_reason(c, PACKET_PUBREC, 2, REASON_NOT_AUTHORIZED);
        rig_send_subscribe(c, 3, "theirs:0 a#:0");
        rig_expect_suback(c, 3, "87 8f");
        rig_send_unsubscribe(c, 4, "none a#");
        rig_expect_unsuback(c, 4, "11 8f");
        rig_send_ack(c, PACKET_PUBREL, 5);
        rig_expect_reason(c, PACKET_PUBCOMP, 5, REASON_PACKET_ID_NOT_FOUND);
        rig_send_ack(c, PACKET_PUBREC, 6);
        rig_expect_reason(c, PACKET_PUBREL, 6, REASON_PACKET_ID_NOT_FOUND);
        rig_send_publish(c, "a/#", "x", 0, false, 0);
        ends_with_an_error(c);
    }
}

/* [MQTT5-3.2.2-19] [MQTT5-3.2.2-20] [MQTT5-3.1.2-24] */
static void connack_fits_or_refuses(void **state)
{
    struct rig *r = *state;
    rig_user(r, "u", "p", NULL, 0, true);
    for (uint32_t most = 1; most < 60; most++) {
        struct props props = {.has = RIG_HAS(MAXIMUM_PACKET_SIZE), .maximum_packet_size = most};
        struct packet p;
        struct peer *c = rig_start(r, &(struct rig_connect){.id = "a", .clean = true, .props = &props});
        if (rig_next(c, &p) && p.connack.reason == REASON_SUCCESS) {
            rig_expect_nothing(c);
        } else { /* what it names doesn't fit: a shorter one says so, or none does */
            assert_true(most < 24);
            assert_true(c->got_n == 0 || p.connack.reason == REASON_PACKET_TOO_LARGE);
            rig_expect_closed(c);
        }
        c = rig_start(r,
                      &(struct rig_connect){.id = "b", .clean = true, .user = "u", .password = "no", .props = &props});
        if (rig_next(c, &p))
            assert_int_equal(p.connack.reason, REASON_BAD_USER_NAME_OR_PASSWORD);
        rig_expect_closed(c);
    }
}

/* A SUBACK can't be made shorter: it doesn't come, or the connection ends; a larger packet never comes. */
static void long_suback(void **state)
{
    struct rig *r = *state;
    char filters[60 * 8] = "";
    for (unsigned i = 0; i < 60; i++)
        snprintf(filters + strlen(filters), 8, "%s%u:1", i > 0 ? " " : "", 100 + i);
    struct peer *a = limited(r, "a", 40, false);
    rig_send_subscribe(a, 1, filters);
    struct packet p;
    while (rig_next(a, &p))
        assert_int_not_equal(p.type, PACKET_SUBACK);
}

static void small_packets(struct limits *l)
{
    l->max_packet_size = 100;
}

static void client_over_the_servers_limit_is_told__MQTT5_3_2_2_15(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a");
    assert_int_equal(a->connack.maximum_packet_size, 100);
    rig_subscribe(a, 1, "t:0");
    rig_send_publish(a, "t", text_of(94), 0, false, 0);
    rig_take(a, "t", text_of(94), 0, false, false);
    rig_send_hex(a, "30 63"); /* its length alone says so */
    rig_expect_ended(a, REASON_PACKET_TOO_LARGE);
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST_IN(exact_size_still_comes__MQTT5_3_1_2_24__MQTT5_3_1_2_25, RIG_5),
        RIG_TEST_IN(between_others_that_wait__MQTT5_3_1_2_25, RIG_5),
        RIG_TEST_IN(properties_count, RIG_5),
        RIG_TEST_IN(client_comes_back_with_less_room, RIG_5),
        RIG_TEST_IN(retained_messages_too, RIG_5),
        RIG_TEST_IN(wills_too, RIG_5),
        RIG_TEST_IN(answers_fit, RIG_5),
        RIG_TEST_IN(connack_fits_or_refuses, RIG_5),
        RIG_TEST_IN(long_suback, RIG_5),
        RIG_TEST_LIMITS(client_over_the_servers_limit_is_told__MQTT5_3_2_2_15, RIG_5, small_packets),
    };
    return RIG_MAIN(tests);
}
