/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Keep-alive and PINGREQ, to the millisecond. */
#include "scenario.h"

static void ping__MQTT_3_12_4_1__MQTT5_3_12_4_1(void **state)
{
    struct peer *c = rig_clean(*state, "a");
    rig_send_hex(c, "c0 00");
    rig_expect(c, "d0 00");
    rig_send_hex(c, "c0 00 c0 00 c0 00");
    rig_expect(c, "d0 00 d0 00 d0 00");
    rig_expect_nothing(c);
}

static void silent_for_one_and_a_half_periods__MQTT_3_1_2_24__MQTT5_3_1_2_22__MQTT5_3_2_2_22(void **state)
{
    struct rig *r = *state;
    static const uint16_t periods[] = {1, 10, 60, 65535};
    for (size_t i = 0; i < sizeof(periods) / sizeof(*periods); i++) {
        struct peer *c = rig_connect(r, .id = "a", .clean = true, .keep_alive = periods[i]);
        rig_advance(r, periods[i] * 1500u - 1);
        rig_expect_nothing(c);
        rig_advance(r, 1);
        rig_expect_ended(c, REASON_KEEP_ALIVE_TIMEOUT);
    }
}

/* Every packet counts, of whatever kind, from its last byte on. */
static void each_packet_starts_it_anew__MQTT_3_1_2_24__MQTT5_3_1_2_22(void **state)
{
    struct rig *r = *state;
    struct peer *c = rig_connect(r, .id = "a", .clean = true, .keep_alive = 2);
    for (unsigned round = 0; round < 10; round++) {
        rig_advance(r, 2999);
        if (round % 4 == 0)
            rig_send_hex(c, "c0 00");
        else if (round % 4 == 1)
            rig_send_publish(c, "t", "", 0, false, 0);
        else if (round % 4 == 2)
            rig_send_ack(c, PACKET_PUBACK, 9);
        else
            rig_send_unsubscribe(c, 1, "t");
        rig_run(r);
        c->got_at = c->got_n;
        rig_expect_nothing(c);
    }
    rig_advance(r, 2999);
    rig_expect_nothing(c);
    rig_advance(r, 1);
    rig_expect_ended(c, REASON_KEEP_ALIVE_TIMEOUT);
}

static void unfinished_packet_is_silence__MQTT_3_1_2_24(void **state)
{
    struct rig *r = *state;
    struct peer *c = rig_connect(r, .id = "a", .clean = true, .keep_alive = 2);
    rig_advance(r, 2000);
    rig_send_hex(c, "30 10 00");
    rig_run(r);
    rig_advance(r, 999);
    rig_send_hex(c, "01");
    rig_expect_nothing(c);
    rig_advance(r, 1);
    rig_expect_ended(c, REASON_KEEP_ALIVE_TIMEOUT);
}

/* A camera's picture over a slow link takes longer than one and a half periods: its bytes are signs of life. */
static void large_packet_may_take_its_time(void **state)
{
    struct rig *r = *state;
    struct peer *c = rig_connect(r, .id = "a", .clean = true, .keep_alive = 2);
    rig_send_hex(c, "30 a0 8d 06 00 01 74");
    for (unsigned i = 0; i < 10; i++) {
        rig_advance(r, 2900);
        rig_send_hex(c, "00 00 00 00 00 00 00 00");
        rig_expect_nothing(c);
    }
    rig_advance(r, 2999);
    rig_expect_nothing(c);
    rig_advance(r, 1);
    rig_expect_ended(c, REASON_KEEP_ALIVE_TIMEOUT);
}

static void what_we_send_does_not_count__MQTT_3_1_2_24(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a");
    struct peer *c = rig_connect(r, .id = "c", .clean = true, .keep_alive = 2);
    rig_subscribe(c, 1, "t:0");
    for (unsigned i = 0; i < 3; i++) {
        rig_advance(r, 999);
        rig_publish(a, "t", "x", 0, false);
        rig_take(c, "t", "x", 0, false, false);
    }
    rig_advance(r, 3);
    rig_expect_ended(c, REASON_KEEP_ALIVE_TIMEOUT);
}

static void zero_switches_it_off(void **state)
{
    struct rig *r = *state;
    struct peer *c = rig_connect(r, .id = "a", .clean = true, .keep_alive = 0);
    for (unsigned i = 0; i < r->n; i++)
        assert_true(shard_next_deadline(r->s[i].shard) == MSEC_NEVER);
    rig_advance(r, (msec)1000 * 3600 * 24 * 365);
    rig_expect_nothing(c);
}

static void session_is_kept_when_it_ends(void **state)
{
    struct rig *r = *state;
    struct peer *c = rig_connect(r, .id = "a", .keep_alive = 1);
    rig_subscribe(c, 1, "t:1");
    rig_advance(r, 1500);
    rig_expect_ended(c, REASON_KEEP_ALIVE_TIMEOUT);
    struct peer *b = rig_clean(r, "b");
    rig_publish(b, "t", "x", 1, false);
    c = rig_resume(r, "a");
    rig_take(c, "t", "x", 1, false, false);
}

/* A client that can't get rid of its bytes because a shard is slow is not silent. */
static void its_clock_stands_while_we_do_not_read(void **state)
{
    struct rig *r = *state;
    r->auth_later = true;
    struct peer *c = rig_start(r, &(struct rig_connect){.id = "a", .clean = true, .keep_alive = 1});
    rig_run(r);
    rig_advance(r, 100000);
    rig_answer_auth(r);
    rig_expect_connack(c, false, 0);
    rig_advance(r, 1499);
    rig_expect_nothing(c);
    rig_advance(r, 1);
    rig_expect_ended(c, REASON_KEEP_ALIVE_TIMEOUT);
}

static void many_at_once(void **state)
{
    struct rig *r = *state;
    struct peer *c[200];
    for (unsigned i = 0; i < 200; i++)
        c[i] = rig_connect(r, .id = numbered(i), .clean = true, .keep_alive = (uint16_t)(1 + i % 50));
    for (unsigned second = 0; second < 75; second++) {
        rig_advance(r, 1000);
        for (unsigned i = 0; i < 200; i++)
            assert_int_equal(c[i]->closed, (second + 1) * 1000 >= (1 + i % 50) * 1500);
    }
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST(ping__MQTT_3_12_4_1__MQTT5_3_12_4_1),
        RIG_TEST(silent_for_one_and_a_half_periods__MQTT_3_1_2_24__MQTT5_3_1_2_22__MQTT5_3_2_2_22),
        RIG_TEST(each_packet_starts_it_anew__MQTT_3_1_2_24__MQTT5_3_1_2_22),
        RIG_TEST(unfinished_packet_is_silence__MQTT_3_1_2_24),
        RIG_TEST(large_packet_may_take_its_time),
        RIG_TEST(what_we_send_does_not_count__MQTT_3_1_2_24),
        RIG_TEST(zero_switches_it_off),
        RIG_TEST(session_is_kept_when_it_ends),
        RIG_TEST(its_clock_stands_while_we_do_not_read),
        RIG_TEST_IN(many_at_once, RIG_WHOLE),
    };
    return RIG_MAIN(tests);
}
