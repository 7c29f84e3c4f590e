/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sessions: what is kept, for how long, and what comes back. */
#include "scenario.h"

static void session_present__MQTT_3_2_2_1__MQTT_3_2_2_2__MQTT_3_2_2_3__MQTT5_3_2_2_2__MQTT5_3_2_2_3(void **state)
{
    struct rig *r = *state;
    struct peer *c = rig_connect(r, .id = "a", .clean = true, .present = false);
    rig_disconnect(c);
    rig_disconnect(rig_connect(r, .id = "a", .present = false));
    rig_disconnect(rig_connect(r, .id = "a", .present = true));
    rig_drop(rig_connect(r, .id = "a", .present = true));
    rig_disconnect(rig_connect(r, .id = "a", .clean = true, .present = false));
    rig_disconnect(rig_connect(r, .id = "a", .present = false));
}

/* [MQTT5-3.1.2-5] [MQTT5-3.1.2-23] [MQTT5-4.1.0-1] [MQTT5-3.1.3-2] */
static void subscriptions_are_kept__MQTT_3_1_2_4__MQTT_4_1_0_1__MQTT_3_1_3_2(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "one:1 two:2 three:0");
    rig_unsubscribe(a, 2, "two");
    rig_disconnect(a);
    a = rig_resume(r, "a");
    rig_publish(p, "one", "x", 2, false);
    rig_publish(p, "two", "x", 2, false);
    rig_publish(p, "three", "x", 2, false);
    rig_take(a, "one", "x", 1, false, false);
    rig_take(a, "three", "x", 0, false, false);
    rig_expect_nothing(a);
    struct peer *other = rig_keep(r, "A"); /* another id, another session */
    rig_publish(p, "one", "x", 0, false);
    rig_expect_nothing(other);
}

static void messages_wait_for_an_absent_client__MQTT_3_1_2_5__MQTT_4_1_0_1__MQTT5_3_1_2_23(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:2 u:0");
    rig_disconnect(a);
    for (unsigned i = 0; i < 30; i++)
        rig_publish(p, "t", numbered(i), (uint8_t)(i % 3), false);
    rig_publish(p, "u", "granted 0", 2, false);
    rig_advance(r, 3600 * 1000);
    a = rig_resume(r, "a");
    for (unsigned i = 0; i < 30; i++)
        if (i % 3 != 0)
            rig_take(a, "t", numbered(i), (uint8_t)(i % 3), false, false);
    rig_expect_nothing(a);
    rig_disconnect(a);
    a = rig_resume(r, "a");
    rig_expect_nothing(a);
    assert_int_equal(rig_rows(r), 0);
}

static void clean_start_throws_everything_away__MQTT_3_1_2_6__MQTT5_3_1_2_4(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:2");
    rig_publish(p, "t", "1", 1, false);
    rig_expect_publish(a, "t", "1", 1, false, false);
    rig_send_publish(a, "u", "x", 2, false, 9);
    rig_expect_ack(a, PACKET_PUBREC, 9);
    rig_drop(a);
    rig_publish(p, "t", "2", 2, false);
    a = rig_clean(r, "a");
    rig_publish(p, "t", "3", 1, false);
    rig_expect_nothing(a);
    rig_subscribe(a, 1, "u:0");
    rig_send_publish_dup(a, "u", "x", 2, false, 9); /* its id is new as well */
    rig_take(a, "u", "x", 0, false, false);
    assert_int_equal(rig_rows(r), 0);
    rig_drop(a); /* and it lasts as long as its connection */
    a = rig_keep(r, "a");
    rig_publish(p, "u", "x", 1, false);
    rig_expect_nothing(a);
}

static void session_lasts_as_long_as_its_connection__MQTT_4_1_0_2__MQTT5_4_1_0_1(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *b = rig_clean(r, "b"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:1");
    rig_subscribe(b, 1, "t:1");
    rig_advance(r, 2 * (msec)r->limits.max_session_expiry * 1000);
    rig_publish(p, "t", "x", 1, false);
    rig_take(a, "t", "x", 1, false, false);
    rig_take(b, "t", "x", 1, false, false);
}

/* [MQTT5-4.4.0-1] [MQTT5-4.6.0-1] [MQTT5-3.3.1-1] */
static void resumption_repeats_with_dup_ids_and_order__MQTT_4_4_0_1__MQTT_4_6_0_1__MQTT_3_3_1_1(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:2");
    uint16_t ids[12];
    for (unsigned i = 0; i < 12; i++) {
        rig_publish(p, "t", numbered(i), i % 2 == 0 ? 1 : 2, false);
        ids[i] = rig_expect_publish(a, "t", numbered(i), i % 2 == 0 ? 1 : 2, false, false);
    }
    rig_send_ack(a, PACKET_PUBACK, ids[2]);
    rig_send_ack(a, PACKET_PUBREC, ids[5]);
    rig_expect_ack(a, PACKET_PUBREL, ids[5]);
    rig_send_ack(a, PACKET_PUBREC, ids[7]);
    rig_expect_ack(a, PACKET_PUBREL, ids[7]);
    rig_send_ack(a, PACKET_PUBCOMP, ids[7]);
    rig_run(r);
    for (unsigned round = 0; round < 3; round++) {
        rig_drop(a);
        a = rig_resume(r, "a");
        for (unsigned i = 0; i < 12; i++) {
            if (i == 5)
                rig_expect_ack(a, PACKET_PUBREL, ids[5]);
            else if (i != 2 && i != 7)
                assert_int_equal(rig_expect_publish(a, "t", numbered(i), i % 2 == 0 ? 1 : 2, true, false), ids[i]);
        }
        rig_expect_nothing(a);
    }
    rig_publish(p, "t", "new", 1, false); /* not before the old ones */
    rig_take(a, "t", "new", 1, false, false);
}

/* What was taken into flight but never reached a socket is no repetition. */
static void repetition_comes_first_then_what_waited(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:1");
    for (unsigned i = 0; i < 25; i++)
        rig_publish(p, "t", numbered(i), 1, false);
    rig_drop(a);
    for (unsigned i = 25; i < 30; i++)
        rig_publish(p, "t", numbered(i), 1, false);
    a = rig_resume(r, "a");
    for (unsigned i = 0; i < 30; i++)
        rig_take(a, "t", numbered(i), 1, i < 20, false);
    rig_expect_nothing(a);
}

static void disconnect_keeps_the_session(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a");
    rig_subscribe(a, 1, "t:1");
    rig_send_hex(a, "e0 00");
    rig_expect_closed(a);
    assert_true(rig_has_session(r, "a"));
    assert_int_equal(rig_stats(r).subscriptions, 1);
}

static void nothing_behind_disconnect_is_done(void **state)
{
    struct rig *r = *state;
    struct peer *w = rig_clean(r, "w"), *a = rig_clean(r, "a");
    rig_subscribe(w, 1, "#:0");
    rig_send_hex(a, "e0 00  30 03 00 01 74  c0 00");
    rig_expect_closed(a);
    rig_expect_nothing(w);
}

static void short_expiry(struct limits *l)
{
    l->max_session_expiry = 100;
}

static void sessions_expire_when_the_operator_says__MQTT5_4_1_0_2(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:1");
    rig_advance(r, 200 * 1000);
    rig_disconnect(a);
    rig_publish(p, "t", "x", 1, false);
    rig_advance(r, 100 * 1000 - 1);
    assert_true(rig_has_session(r, "a"));
    rig_drop(rig_resume(r, "a")); /* which starts it anew */
    rig_advance(r, 100 * 1000 - 1);
    assert_true(rig_has_session(r, "a"));
    rig_advance(r, 1);
    assert_false(rig_has_session(r, "a"));
    assert_int_equal(rig_rows(r), 0);
    assert_int_equal(rig_stats(r).subscriptions, 0);
    rig_publish(p, "t", "x", 1, false);
    rig_disconnect(rig_keep(r, "a"));
}

/* The broker stops: whatever stands is freed as it stands (the rig counts the bytes). */
static void stop_with_sessions(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, "p");
    for (unsigned i = 0; i < 20; i++) {
        struct peer *a = rig_keep(r, numbered(i));
        rig_subscribe(a, 1, "t:2 t/#:1 #:0");
        rig_send_publish(a, "u", "x", 2, false, 1);
        if (i % 2 == 0)
            rig_drop(a);
    }
    for (unsigned i = 0; i < 30; i++)
        rig_publish(p, "t", numbered(i), (uint8_t)(1 + i % 2), i % 3 == 0);
    for (struct list *l = r->peers.next; l != &r->peers; l = l->next)
        rig_end(container_of(l, struct peer, link), REASON_SERVER_SHUTTING_DOWN);
    assert_int_equal(rig_stored(r, STORE_SESSION_END), 0);
    rig_abandon(r);
    *state = rig_new(1, NULL, RIG_AT_ONCE);
}

static void client_ids_are_compared_byte_for_byte__MQTT_3_1_3_2__MQTT5_3_1_3_2(void **state)
{
    struct rig *r = *state;
    static const char *const ids[] = {"a", "A", "a ", " a", "aa", "\xc3\xa4", "a\xcc\x88", "a/b"};
    for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++)
        rig_keep(r, ids[i]);
    rig_run(r);
    assert_int_equal(rig_stats(r).clients, sizeof(ids) / sizeof(*ids));
    assert_int_equal(rig_stats(r).sessions, sizeof(ids) / sizeof(*ids));
}

static void only_bytes_are_needed__MQTT_7_0_0_2__MQTT_7_1_1_1(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *b = rig_clean(r, "b");
    rig_send_hex(b, "82 06 00 01 00 01 74 01");
    rig_expect(b, "90 03 00 01 01");
    rig_send_hex(a, "32 06 00 01 74 00 05 78");
    rig_expect(a, "40 02 00 05");
    rig_expect(b, "32 06 00 01 74 00 01 78");
    rig_send_hex(b, "40 02 00 01 e0 00");
    rig_expect_closed(b);
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST(session_present__MQTT_3_2_2_1__MQTT_3_2_2_2__MQTT_3_2_2_3__MQTT5_3_2_2_2__MQTT5_3_2_2_3),
        RIG_TEST(subscriptions_are_kept__MQTT_3_1_2_4__MQTT_4_1_0_1__MQTT_3_1_3_2),
        RIG_TEST(messages_wait_for_an_absent_client__MQTT_3_1_2_5__MQTT_4_1_0_1__MQTT5_3_1_2_23),
        RIG_TEST(clean_start_throws_everything_away__MQTT_3_1_2_6__MQTT5_3_1_2_4),
        RIG_TEST(session_lasts_as_long_as_its_connection__MQTT_4_1_0_2__MQTT5_4_1_0_1),
        RIG_TEST(resumption_repeats_with_dup_ids_and_order__MQTT_4_4_0_1__MQTT_4_6_0_1__MQTT_3_3_1_1),
        RIG_TEST(repetition_comes_first_then_what_waited),
        RIG_TEST(disconnect_keeps_the_session),
        RIG_TEST(nothing_behind_disconnect_is_done),
        RIG_TEST_LIMITS(sessions_expire_when_the_operator_says__MQTT5_4_1_0_2, 0, short_expiry),
        RIG_TEST(stop_with_sessions),
        RIG_TEST(client_ids_are_compared_byte_for_byte__MQTT_3_1_3_2__MQTT5_3_1_3_2),
        RIG_TEST_IN(only_bytes_are_needed__MQTT_7_0_0_2__MQTT_7_1_1_1, RIG_3),
    };
    return RIG_MAIN(tests);
}
