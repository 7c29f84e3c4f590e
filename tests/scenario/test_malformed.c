/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Packets that break the rules once the connection stands. None is answered, each closes, the broker goes on. */
#include "scenario.h"

static void every_first_byte(void **state)
{
    struct rig *r = *state;
    for (unsigned first = 0; first < 256; first++) {
        unsigned type = first >> 4, flags = first & 15;
        bool good = type == 12 || type == 14 ? flags == 0 : false;
        if ((type == 3 && (flags & 6) != 6 && flags != 8 && flags != 9) || good)
            continue; /* a PUBLISH of zero length is for others to test; PINGREQ and DISCONNECT are right */
        char hex[16];
        snprintf(hex, sizeof(hex), "%02x 00", first);
        closes_on(r, hex);
    }
}

static void reserved_flags_close__MQTT_2_2_2_1__MQTT_2_2_2_2__MQTT_4_8_0_1(void **state)
{
    struct rig *r = *state;
    static const char *const bodies[16] = {
        [4] = "02 00 01", [5] = "02 00 01", [7] = "02 00 01", [12] = "00", [14] = "00"};
    for (unsigned type = 1; type < 16; type++)
        for (unsigned flags = 1; flags < 16 && bodies[type] != NULL; flags++) {
            char hex[32];
            snprintf(hex, sizeof(hex), "%x%x %s", type, flags, bodies[type]);
            closes_on(r, hex);
        }
}

static void pubrel_with_wrong_flags_closes__MQTT_3_6_1_1(void **state)
{
    static const char *const bad[] = {"60 02 00 01", "61 02 00 01", "63 02 00 01",
                                      "64 02 00 01", "66 02 00 01", "6f 02 00 01"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        closes_on(*state, bad[i]);
}

static void subscribe_with_wrong_flags_closes__MQTT_3_8_1_1(void **state)
{
    static const char *const bad[] = {"80 06 00 01 00 01 74 00", "81 06 00 01 00 01 74 00", "83 06 00 01 00 01 74 00",
                                      "84 06 00 01 00 01 74 00", "86 06 00 01 00 01 74 00", "8f 06 00 01 00 01 74 00"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        closes_on(*state, bad[i]);
}

static void unsubscribe_with_wrong_flags_closes__MQTT_3_10_1_1(void **state)
{
    static const char *const bad[] = {"a0 05 00 01 00 01 74", "a1 05 00 01 00 01 74", "a3 05 00 01 00 01 74",
                                      "a6 05 00 01 00 01 74", "af 05 00 01 00 01 74"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        closes_on(*state, bad[i]);
}

static void disconnect_with_wrong_flags_closes__MQTT_3_14_1_1(void **state)
{
    struct rig *r = *state;
    struct peer *w = rig_clean(r, "w");
    rig_subscribe(w, 1, "will:0");
    struct peer *c = rig_connect(r, .id = "a", .clean = true, .will_topic = "will", .will = "x");
    rig_send_hex(c, "e1 00");
    rig_expect_closed(c);
    rig_take(w, "will", "x", 0, false, false); /* and it was no DISCONNECT */
}

static void packet_id_must_not_be_zero__MQTT_2_3_1_1(void **state)
{
    static const char *const bad[] = {"32 05 00 01 74 00 00", "34 05 00 01 74 00 00", "82 06 00 00 00 01 74 00",
                                      "a2 05 00 00 00 01 74", "40 02 00 00",          "50 02 00 00",
                                      "62 02 00 00",          "70 02 00 00",          "32 03 00 01 74"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        closes_on(*state, bad[i]);
}

static void qos_3_closes__MQTT_3_3_1_4(void **state)
{
    closes_on(*state, "36 05 00 01 74 00 01");
    closes_on(*state, "37 05 00 01 74 00 01");
    closes_on(*state, "3e 05 00 01 74 00 01");
}

static void dup_at_qos_0_closes__MQTT_3_3_1_2(void **state)
{
    closes_on(*state, "38 03 00 01 74");
    closes_on(*state, "39 03 00 01 74");
}

static void broken_topic_names_close__MQTT_3_3_2_1__MQTT_4_7_3_1__MQTT_4_7_3_2(void **state)
{
    static const char *const bad[] = {
        "30 00",          "30 01 00",          "30 02 00 01",       "30 02 00 00",          "30 04 00 03 61 62",
        "30 03 00 01 ff", "30 04 00 02 61 00", "30 04 00 02 c0 80", "30 05 00 03 ed a0 80", "30 06 00 04 f4 90 80 80"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        closes_on(*state, bad[i]);
}

static void wildcards_in_a_topic_name_close__MQTT_3_3_2_2__MQTT_4_7_1_1(void **state)
{
    static const char *const bad[] = {"30 03 00 01 23", "30 03 00 01 2b", "30 05 00 03 61 2f 23",
                                      "30 05 00 03 61 2b 62", "30 05 00 03 23 61 62"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        closes_on(*state, bad[i]);
}

static void broken_filters_close__MQTT_3_8_3_1__MQTT_4_7_1_2__MQTT_4_7_1_3__MQTT_4_7_3_1__MQTT_4_7_3_2(void **state)
{
    static const char *const bad[] = {
        "82 05 00 01 00 00 00",             /* empty */
        "82 06 00 01 00 01 ff 00",          /* no UTF-8 */
        "82 06 00 01 00 01 00 00",          /* U+0000 */
        "82 07 00 01 00 02 61 23 00",       /* a# */
        "82 08 00 01 00 03 23 2f 61 00",    /* #/a */
        "82 07 00 01 00 02 61 2b 00",       /* a+ */
        "82 07 00 01 00 02 2b 61 00",       /* +a */
        "82 09 00 01 00 03 61 2f 2b 00 00", /* trailing */
        "82 07 00 01 00 02 23 23 00",       /* ## */
        "82 08 00 01 00 04 61 62 63 00",    /* cut short */
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        closes_on(*state, bad[i]);
}

/* The good filter before the bad one is not subscribed either. */
static void broken_filter_spoils_the_whole_packet(void **state)
{
    struct rig *r = *state;
    struct peer *c = rig_keep(r, "a");
    rig_send_hex(c, "82 0b 00 01 00 01 74 01 00 02 61 23 01");
    rig_expect_closed(c);
    assert_int_equal(rig_stats(r).subscriptions, 0);
}

static void subscribe_without_filter_closes__MQTT_3_8_3_3(void **state)
{
    closes_on(*state, "82 02 00 01");
    closes_on(*state, "82 00");
    closes_on(*state, "82 01 00");
}

static void reserved_bits_beside_qos_close__MQTT_3_8_3_4(void **state)
{
    static const char *const codes[] = {"03", "04", "08", "10", "20", "40", "80", "ff", "41"};
    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
        char hex[64];
        snprintf(hex, sizeof(hex), "82 06 00 01 00 01 74 %s", codes[i]);
        closes_on(*state, hex);
    }
}

static void broken_unsubscribe_closes__MQTT_3_10_3_1__MQTT_3_10_3_2(void **state)
{
    static const char *const bad[] = {"a2 02 00 01",
                                      "a2 00",
                                      "a2 04 00 01 00 00",
                                      "a2 05 00 01 00 01 ff",
                                      "a2 05 00 01 00 01 00",
                                      "a2 05 00 01 00 02 61",
                                      "a2 06 00 01 00 02 61 23"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        closes_on(*state, bad[i]);
}

static void strings_must_be_utf8__MQTT_1_5_3_1__MQTT_1_5_3_2(void **state)
{
    static const char *const bad[] = {"30 03 00 01 80",       "30 04 00 02 c3 28",       "30 05 00 03 e2 28 a1",
                                      "30 05 00 03 e0 80 af", "30 06 00 04 f0 80 80 af", "30 05 00 03 ed bf bf",
                                      "30 05 00 03 61 00 62", "30 03 00 01 00",          "30 07 00 05 f8 88 80 80 80"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        closes_on(*state, bad[i]);
}

/* U+FEFF is a character like others: kept, and compared. */
static void byte_order_mark_is_kept__MQTT_1_5_3_3__MQTT5_1_5_4_3(void **state)
{
    struct peer *c = rig_clean(*state, "a");
    rig_subscribe(c, 1, "\xef\xbb\xbft:0");
    rig_send_publish(c, "t", "without", 0, false, 0);
    rig_send_publish(c, "\xef\xbb\xbft", "with", 0, false, 0);
    rig_take(c, "\xef\xbb\xbft", "with", 0, false, false);
    rig_expect_nothing(c);
}

static void lengths_that_lie_close(void **state)
{
    static const char *const bad[] = {
        "c0 01 00",          "e0 01 00",       "40 01 00",          "40 03 00 01 00",    "50 03 00 01 00",
        "62 04 00 01 00 00", "70 03 00 01 00", "c0 80 80 80 80 00", "30 ff ff ff ff 7f", "40 00"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        closes_on(*state, bad[i]);
}

static void longer_length_than_needed_is_accepted_in_3(void **state)
{
    struct peer *c = rig_clean(*state, "a");
    rig_send_hex(c, "c0 80 80 00");
    rig_expect(c, "d0 00");
    rig_subscribe(c, 1, "t:0");
    rig_send_hex(c, "30 84 00 00 01 74 78");
    rig_expect(c, "30 04 00 01 74 78"); /* and goes out in the usual form */
}

static void server_only_packets_close(void **state)
{
    static const char *const bad[] = {"20 02 00 00", "90 03 00 01 00", "b0 02 00 01", "d0 00", "f0 00", "f0 02 00 00"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        closes_on(*state, bad[i]);
}

static void nothing_behind_a_bad_packet_is_done__MQTT5_4_13_1_1(void **state)
{
    struct rig *r = *state;
    struct peer *w = rig_clean(r, "w");
    rig_subscribe(w, 1, "#:0");
    struct peer *c = rig_clean(r, "a");
    rig_send_publish(c, "t", "before", 0, false, 0);
    rig_send_hex(c, "36 00");
    rig_send_publish(c, "t", "behind", 0, false, 0);
    rig_expect_ended(c, REASON_MALFORMED_PACKET);
    rig_take(w, "t", "before", 0, false, false);
    rig_expect_nothing(w);
}

/* Acknowledgements of what was never sent do no harm. */
static void stray_acknowledgements(void **state)
{
    struct peer *c = rig_clean(*state, "a");
    rig_send_hex(c, "40 02 00 07  70 02 00 07  50 02 00 07");
    rig_expect(c, "62 02 00 07");
    rig_send_hex(c, "62 02 00 08");
    rig_expect(c, "70 02 00 08");
    rig_subscribe(c, 1, "t:2");
    rig_send_publish(c, "t", "x", 1, false, 9);
    rig_run(*state);
    struct packet p;
    rig_expect_packet(c, PACKET_PUBLISH, &p);
    rig_expect_ack(c, PACKET_PUBACK, 9);
    rig_send_ack(c, PACKET_PUBCOMP, p.publish.id); /* wrong kinds for its QoS */
    rig_send_ack(c, PACKET_PUBREC, p.publish.id);
    rig_expect_ack(c, PACKET_PUBREL, p.publish.id);
    rig_send_ack(c, PACKET_PUBCOMP, p.publish.id);
    rig_send_ack(c, PACKET_PUBACK, p.publish.id);
    rig_expect_nothing(c);
}

static void small(struct limits *l)
{
    l->max_packet_size = 100;
    l->max_topic_levels = 4;
}

static void packet_over_the_limit_closes_before_it_came(void **state)
{
    struct peer *c = rig_clean(*state, "a");
    rig_subscribe(c, 1, "t:0");
    char text[96];
    memset(text, 'x', 95);
    text[95] = '\0';
    rig_send_publish(c, "t", text, 0, false, 0); /* 100 bytes */
    rig_take(c, "t", text, 0, false, false);
    rig_send_hex(c, "30 63");
    rig_expect_closed(c);
}

static void too_many_levels(void **state)
{
    struct rig *r = *state;
    struct peer *c = rig_clean(r, "a");
    rig_subscribe(c, 1, "#:0");
    rig_send_publish(c, "1/2/3/4", "x", 0, false, 0);
    rig_take(c, "1/2/3/4", "x", 0, false, false);
    rig_send_subscribe(c, 2, "1/2/3/4:1 1/2/3/4/5:1");
    rig_expect(c, "90 04 00 02 01 80");
    rig_send_publish(c, "1/2/3/4/5", "x", 0, false, 0);
    rig_expect_closed(c);
    closes_on(r, "30 06 00 04 2f 2f 2f 2f");
}

/* Whoever reads for the core learns how long the unfinished packet will be, as soon as that can be known. */
static void length_of_an_unfinished_packet_is_said(void **state)
{
    struct peer *c = rig_clean(*state, "a");
    static const struct {
        const char *hex;
        size_t needs;
    } steps[] = {{"30", 0}, {"85", 0}, {"01", 136}, {"00 01", 136}};
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        rig_send_hex(c, steps[i].hex);
        rig_expect_nothing(c);
        assert_int_equal(client_needs(c->client), steps[i].needs);
    }
    static const uint8_t rest[131] = {'t'};
    rig_send_bytes(c, rest, sizeof(rest));
    rig_expect_nothing(c);
    assert_int_equal(client_needs(c->client), 0);
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST_IN(every_first_byte, RIG_311 | RIG_WHOLE),
        RIG_TEST_IN(reserved_flags_close__MQTT_2_2_2_1__MQTT_2_2_2_2__MQTT_4_8_0_1, RIG_WHOLE | RIG_3),
        RIG_TEST_IN(pubrel_with_wrong_flags_closes__MQTT_3_6_1_1, RIG_3),
        RIG_TEST_IN(subscribe_with_wrong_flags_closes__MQTT_3_8_1_1, RIG_3),
        RIG_TEST_IN(unsubscribe_with_wrong_flags_closes__MQTT_3_10_1_1, RIG_3),
        RIG_TEST_IN(disconnect_with_wrong_flags_closes__MQTT_3_14_1_1, RIG_3),
        RIG_TEST_IN(packet_id_must_not_be_zero__MQTT_2_3_1_1, RIG_3),
        RIG_TEST_IN(qos_3_closes__MQTT_3_3_1_4, RIG_3),
        RIG_TEST_IN(dup_at_qos_0_closes__MQTT_3_3_1_2, RIG_3),
        RIG_TEST_IN(broken_topic_names_close__MQTT_3_3_2_1__MQTT_4_7_3_1__MQTT_4_7_3_2, RIG_3),
        RIG_TEST_IN(wildcards_in_a_topic_name_close__MQTT_3_3_2_2__MQTT_4_7_1_1, RIG_3),
        RIG_TEST_IN(broken_filters_close__MQTT_3_8_3_1__MQTT_4_7_1_2__MQTT_4_7_1_3__MQTT_4_7_3_1__MQTT_4_7_3_2, RIG_3),
        RIG_TEST_IN(broken_filter_spoils_the_whole_packet, RIG_3),
        RIG_TEST_IN(subscribe_without_filter_closes__MQTT_3_8_3_3, RIG_3),
        RIG_TEST_IN(reserved_bits_beside_qos_close__MQTT_3_8_3_4, RIG_3),
        RIG_TEST_IN(broken_unsubscribe_closes__MQTT_3_10_3_1__MQTT_3_10_3_2, RIG_3),
        RIG_TEST_IN(strings_must_be_utf8__MQTT_1_5_3_1__MQTT_1_5_3_2, RIG_3),
        RIG_TEST_IN(byte_order_mark_is_kept__MQTT_1_5_3_3__MQTT5_1_5_4_3, 0),
        RIG_TEST_IN(lengths_that_lie_close, RIG_3),
        RIG_TEST_IN(longer_length_than_needed_is_accepted_in_3, RIG_3),
        RIG_TEST_IN(server_only_packets_close, RIG_3),
        RIG_TEST(nothing_behind_a_bad_packet_is_done__MQTT5_4_13_1_1),
        RIG_TEST(length_of_an_unfinished_packet_is_said),
        RIG_TEST_IN(stray_acknowledgements, RIG_ONE_SHARD | RIG_3),
        RIG_TEST_LIMITS(packet_over_the_limit_closes_before_it_came, RIG_3, small),
        RIG_TEST_LIMITS(too_many_levels, RIG_3, small),
    };
    return RIG_MAIN(tests);
}
