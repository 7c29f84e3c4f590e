/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Retained messages: kept, replaced, deleted, and given to whom subscribes. */
#include "scenario.h"

/* [MQTT5-3.3.1-5] [MQTT5-3.3.1-9] */
static void new_subscription_gets_the_last_one__MQTT_3_3_1_5__MQTT_3_3_1_6__MQTT_3_3_1_8(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a");
    rig_publish(a, "r/1", "old", 1, true);
    rig_publish(a, "r/1", "new", 2, true);
    rig_publish(a, "r/2", "two", 1, true);
    rig_publish(a, "other", "x", 0, true);
    rig_drop(a);
    struct peer *b = rig_clean(r, "b");
    rig_subscribe(b, 1, "r/1:2");
    rig_take(b, "r/1", "new", 2, false, true);
    rig_subscribe(b, 2, "r/2:0");
    rig_take(b, "r/2", "two", 0, false, true);
    rig_subscribe(b, 3, "none:2");
    rig_expect_nothing(b);
}

static void live_ones_say_not_retained__MQTT_3_3_1_9__MQTT5_3_3_1_12(void **state)
{
    struct peer *a = rig_clean(*state, "a"), *b = rig_clean(*state, "b");
    rig_subscribe(b, 1, "r:2");
    for (uint8_t qos = 0; qos < 3; qos++) {
        rig_publish(a, "r", "x", qos, true);
        rig_take(b, "r", "x", qos, false, false);
    }
}

static void qos_0_replaces__MQTT_3_3_1_7(void **state)
{
    struct peer *a = rig_clean(*state, "a");
    rig_publish(a, "r", "old", 2, true);
    rig_publish(a, "r", "new", 0, true);
    rig_subscribe(a, 1, "r:2");
    rig_take(a, "r", "new", 0, false, true);
    rig_expect_nothing(a);
}

static void empty_one_deletes_and_is_delivered__MQTT_3_3_1_10__MQTT_3_3_1_11__MQTT5_3_3_1_6__MQTT5_3_3_1_7(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *b = rig_clean(r, "b"), *c = rig_clean(r, "c");
    for (uint8_t qos = 0; qos < 3; qos++) {
        rig_publish(a, "r", "x", 1, true);
        rig_subscribe(b, 1, "r:2");
        rig_take(b, "r", "x", 1, false, true);
        rig_publish(a, "r", "", qos, true);
        rig_take(b, "r", "", qos, false, false);
        rig_subscribe(c, 1, "r:2");
        rig_expect_nothing(c);
        rig_publish(a, "r", "", qos, true); /* nothing there to delete */
        rig_take(b, "r", "", qos, false, false);
        rig_unsubscribe(b, 2, "r");
        rig_take(c, "r", "", qos, false, false);
        rig_unsubscribe(c, 2, "r");
    }
}

static void unretained_ones_change_nothing__MQTT_3_3_1_12__MQTT5_3_3_1_8(void **state)
{
    struct peer *a = rig_clean(*state, "a");
    rig_publish(a, "r", "kept", 1, true);
    rig_publish(a, "r", "passing", 1, false);
    rig_publish(a, "r", "", 1, false);
    rig_publish(a, "s", "passing", 1, false);
    rig_subscribe(a, 1, "r:0 s:0");
    rig_take(a, "r", "kept", 0, false, true);
    rig_expect_nothing(a);
}

static void they_outlive_sessions__MQTT_3_1_2_7(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a");
    rig_publish(a, "r", "x", 1, true);
    rig_disconnect(a);
    rig_disconnect(rig_clean(r, "a"));
    struct peer *b = rig_keep(r, "b");
    rig_publish(b, "s", "y", 1, true);
    rig_disconnect(b);
    rig_advance(r, (r->limits.max_session_expiry + 1) * 1000);
    assert_false(rig_has_session(r, "b"));
    b = rig_clean(r, "c");
    rig_subscribe(b, 1, "r:0");
    rig_take(b, "r", "x", 0, false, true);
    rig_subscribe(b, 2, "s:0");
    rig_take(b, "s", "y", 0, false, true);
}

static void again_with_each_subscribe__MQTT_3_8_4_3__MQTT5_3_8_4_4__MQTT5_3_3_1_9(void **state)
{
    struct peer *a = rig_clean(*state, "a");
    rig_publish(a, "r", "x", 1, true);
    for (uint16_t i = 1; i < 5; i++) {
        rig_subscribe(a, i, "r:1");
        rig_take(a, "r", "x", 1, false, true);
        rig_expect_nothing(a);
    }
}

/* Not with a resumed session: its subscriptions are not new. */
static void not_with_a_resumed_session(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a");
    rig_subscribe(a, 1, "r:1");
    rig_publish(a, "other", "", 1, true);
    rig_drop(a);
    struct peer *b = rig_clean(r, "b");
    rig_publish(b, "r", "x", 0, true);
    a = rig_resume(r, "a");
    rig_expect_nothing(a);
}

static unsigned drain(struct peer *c, bool ack, bool *seen, unsigned most)
{
    struct packet p;
    unsigned n = 0;
    while (rig_next(c, &p)) {
        unsigned i = number_in(p.publish.topic, 2);
        assert_int_equal(p.type, PACKET_PUBLISH);
        assert_true(p.publish.retain);
        assert_true(i < most && !seen[i]);
        seen[i] = true;
        n++;
        if (ack && p.publish.qos == 1)
            rig_send_ack(c, PACKET_PUBACK, p.publish.id);
        if (ack && p.publish.qos == 2) {
            uint16_t id = p.publish.id;
            rig_send_ack(c, PACKET_PUBREC, id);
            rig_send_ack(c, PACKET_PUBCOMP, id);
            c->got_at = c->got_n; /* PUBREL and what came with it is looked at by others */
        }
    }
    return n;
}

enum { MANY = 5000 };

static void keep_many(struct rig *r, uint8_t qos)
{
    struct peer *a = rig_clean(r, "publisher");
    for (unsigned i = 0; i < MANY; i++) {
        char topic[16];
        snprintf(topic, sizeof(topic), "r/%u", i);
        rig_send_publish(a, topic, numbered(i), qos, true, qos > 0 ? (uint16_t)(i + 1) : 0);
        if (i % 500 == 0)
            rig_run(r);
    }
    rig_run(r);
    rig_drop(a);
}

/* Far more than the queue's limit and the window: they are pulled, not pushed. */
static void five_thousand_at_qos_0(void **state)
{
    struct rig *r = *state;
    keep_many(r, 0);
    static bool seen[MANY];
    memset(seen, 0, sizeof(seen));
    struct peer *b = rig_clean(r, "b");
    rig_subscribe(b, 1, "r/+:1");
    assert_int_equal(drain(b, true, seen, MANY), MANY);
    assert_int_equal(rig_stats(r).messages_dropped, 0);
}

static void five_thousand_at_qos_1_through_the_window(void **state)
{
    struct rig *r = *state;
    keep_many(r, 1);
    static bool seen[MANY];
    memset(seen, 0, sizeof(seen));
    struct peer *b = rig_keep(r, "b");
    rig_subscribe(b, 1, "r/#:1");
    rig_run(r);
    assert_int_equal(b->got_n - b->got_at < 20 * 32, 1); /* no more than the window before the first ack */
    unsigned n = drain(b, true, seen, MANY);
    assert_int_equal(n, MANY);
    assert_int_equal(rig_stats(r).messages_dropped, 0);
    rig_expect_nothing(b);
}

/* A reader that takes nothing holds no more than the high-water mark. */
static void walk_waits_for_a_slow_reader(void **state)
{
    struct rig *r = *state;
    keep_many(r, 0);
    static bool seen[MANY];
    memset(seen, 0, sizeof(seen));
    struct peer *b = rig_clean(r, "b");
    rig_stall(b, true);
    rig_send_subscribe(b, 1, "r/#:0");
    rig_run(r);
    assert_true(b->most_output <= 128 * 1024 + 4096);
    rig_stall(b, false);
    rig_expect(b, "90 03 00 01 00");
    assert_int_equal(drain(b, true, seen, MANY), MANY);
}

static void live_ones_come_between_and_none_twice(void **state)
{
    struct rig *r = *state;
    keep_many(r, 1);
    struct peer *a = rig_clean(r, "a"), *b = rig_clean(r, "b");
    rig_subscribe(b, 1, "r/#:1");
    unsigned taken = 0, replays = 0, lives = 0, old_after_new = 0;
    static bool changed[MANY], replayed[MANY];
    memset(changed, 0, sizeof(changed));
    memset(replayed, 0, sizeof(replayed));
    struct packet p;
    while (rig_next(b, &p)) {
        unsigned i = number_in(p.publish.topic, 2);
        bool retain = p.publish.retain, fresh = p.publish.payload.p[0] == 'n';
        uint16_t id = p.publish.id;
        old_after_new += retain && !fresh && changed[i];
        assert_false(retain && replayed[i]);
        replayed[i] |= retain;
        assert_int_equal(retain, !fresh);
        replays += retain;
        lives += !retain;
        rig_send_ack(b, PACKET_PUBACK, id);
        if (++taken % 50 == 0 && taken <= 2000) {
            unsigned next = (i * 7919 + taken) % MANY;
            char topic[16];
            snprintf(topic, sizeof(topic), "r/%u", next);
            if (!changed[next]) {
                rig_publish(a, topic, "new", 1, true);
                changed[next] = true;
            }
        }
    }
    unsigned changes = 0, missing = 0;
    for (unsigned i = 0; i < MANY; i++) {
        changes += changed[i];
        missing += !replayed[i] && !changed[i];
    }
    assert_int_equal(missing, 0);
    assert_int_equal(old_after_new, 0);
    assert_int_equal(lives, changes);
    assert_true(changes > 20 && replays >= MANY - changes);
}

static void unsubscribe_stops_the_walk(void **state)
{
    struct rig *r = *state;
    keep_many(r, 1);
    struct peer *b = rig_clean(r, "b");
    rig_subscribe(b, 1, "r/#:1");
    uint16_t ids[20];
    for (unsigned i = 0; i < 20; i++) {
        struct packet p;
        rig_expect_packet(b, PACKET_PUBLISH, &p);
        ids[i] = p.publish.id;
    }
    rig_unsubscribe(b, 2, "r/#");
    for (unsigned i = 0; i < 20; i++)
        rig_send_ack(b, PACKET_PUBACK, ids[i]);
    rig_expect_nothing(b);
}

static void connection_breaks_within_the_walk(void **state)
{
    struct rig *r = *state;
    keep_many(r, 1);
    struct peer *b = rig_keep(r, "b");
    rig_subscribe(b, 1, "r/#:1");
    rig_drop(b);
    b = rig_resume(r, "b"); /* what was in flight comes again; the rest of the walk is gone with its connection */
    struct packet p;
    unsigned n = 0;
    while (rig_next(b, &p)) {
        assert_true(p.publish.dup && p.publish.retain);
        rig_send_ack(b, PACKET_PUBACK, p.publish.id);
        n++;
    }
    assert_int_equal(n, 20);
    rig_subscribe(b, 2, "r/1:1");
    rig_take(b, "r/1", "m1", 1, false, true);
}

static void few_retained(struct limits *l)
{
    l->max_retained_messages = 3;
    l->max_retained_bytes = 40;
}

static void over_the_limits_it_is_delivered_and_not_kept(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *b = rig_clean(r, "b");
    rig_subscribe(b, 1, "r/#:1");
    static const char *const topics[] = {"r/1", "r/2", "r/3", "r/4"};
    for (unsigned i = 0; i < 4; i++) {
        rig_publish(a, topics[i], "x", 1, true);
        rig_take(b, topics[i], "x", 1, false, false);
    }
    struct peer *c = rig_clean(r, "c");
    rig_subscribe(c, 1, "r/4:0");
    rig_expect_nothing(c);
    rig_publish(a, "r/1", "replaced", 1, true);
    rig_subscribe(c, 2, "r/1:0");
    rig_take(c, "r/1", "replaced", 0, false, true);
    rig_publish(a, "r/2", "far too long for what is allowed in all", 1, true);
    rig_publish(a, "r/3", "", 1, true);
    rig_publish(a, "r/4", "y", 1, true);
    rig_take(c, "r/4", "y", 0, false, false);
    rig_subscribe(c, 3, "r/4:0");
    rig_expect_publish(c, "r/4", "y", 0, false, true);
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST(new_subscription_gets_the_last_one__MQTT_3_3_1_5__MQTT_3_3_1_6__MQTT_3_3_1_8),
        RIG_TEST(live_ones_say_not_retained__MQTT_3_3_1_9__MQTT5_3_3_1_12),
        RIG_TEST(qos_0_replaces__MQTT_3_3_1_7),
        RIG_TEST(empty_one_deletes_and_is_delivered__MQTT_3_3_1_10__MQTT_3_3_1_11__MQTT5_3_3_1_6__MQTT5_3_3_1_7),
        RIG_TEST(unretained_ones_change_nothing__MQTT_3_3_1_12__MQTT5_3_3_1_8),
        RIG_TEST(they_outlive_sessions__MQTT_3_1_2_7),
        RIG_TEST(again_with_each_subscribe__MQTT_3_8_4_3__MQTT5_3_8_4_4__MQTT5_3_3_1_9),
        RIG_TEST(not_with_a_resumed_session),
        RIG_TEST_IN(five_thousand_at_qos_0, RIG_HEAVY),
        RIG_TEST_IN(five_thousand_at_qos_1_through_the_window, RIG_HEAVY),
        RIG_TEST_IN(walk_waits_for_a_slow_reader, RIG_HEAVY | RIG_311),
        RIG_TEST_IN(live_ones_come_between_and_none_twice, RIG_HEAVY),
        RIG_TEST_IN(unsubscribe_stops_the_walk, RIG_HEAVY | RIG_311),
        RIG_TEST_IN(connection_breaks_within_the_walk, RIG_HEAVY | RIG_311),
        RIG_TEST_LIMITS(over_the_limits_it_is_delivered_and_not_kept, 0, few_retained),
    };
    return RIG_MAIN(tests);
}
