/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A second connection with the client id of a first. */
#include "scenario.h"

static void older_connection_is_closed__MQTT_3_1_4_2__MQTT5_3_1_4_3(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "x"), *b = rig_clean(r, "x");
    rig_expect_ended(a, REASON_SESSION_TAKEN_OVER);
    rig_expect_nothing(b);
    rig_subscribe(b, 1, "t:0");
    struct peer *c = rig_clean(r, "x");
    rig_expect_ended(b, REASON_SESSION_TAKEN_OVER);
    rig_publish(c, "t", "x", 0, false);
    rig_expect_nothing(c);
}

static void whatever_shard_it_comes_in_on(void **state)
{
    struct rig *r = *state;
    struct peer *last = rig_connect(r, .id = "x", .at = 1);
    for (unsigned i = 0; i < 4 * r->n; i++) {
        struct peer *next = rig_connect(r, .id = "x", .at = 1 + (int)(i % r->n), .present = true);
        rig_expect_ended(last, REASON_SESSION_TAKEN_OVER);
        rig_expect_nothing(next);
        last = next;
    }
    assert_int_equal(rig_stats(r).sessions, 1);
}

/* [MQTT5-3.1.4-4] [MQTT5-3.1.2-4] [MQTT5-3.1.2-6] */
static void all_four_ways__MQTT_3_1_4_3__MQTT_3_1_2_4__MQTT_3_1_2_6(void **state)
{
    struct rig *r = *state;
    for (unsigned i = 0; i < 4; i++) {
        bool first = (i & 1) != 0, second = (i & 2) != 0;
        struct peer *p = rig_clean(r, "p");
        struct peer *a = rig_connect(r, .id = "x", .clean = first);
        rig_subscribe(a, 1, "t:1");
        rig_publish(p, "t", "1", 1, false);
        uint16_t id = rig_expect_publish(a, "t", "1", 1, false, false);
        bool kept = !first && !second;
        struct peer *b = rig_connect(r, .id = "x", .clean = second, .present = kept);
        rig_expect_ended(a, REASON_SESSION_TAKEN_OVER);
        if (kept)
            assert_int_equal(rig_expect_publish(b, "t", "1", 1, true, false), id);
        rig_publish(p, "t", "2", 0, false);
        if (kept)
            rig_expect_publish(b, "t", "2", 0, false, false);
        rig_expect_nothing(b);
        rig_drop(b);
        rig_disconnect(rig_connect(r, .id = "x", .clean = true));
        rig_drop(p);
    }
}

static void everything_in_flight_goes_on(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, "p"), *a = rig_keep(r, "x");
    rig_subscribe(a, 1, "t:2");
    for (unsigned i = 0; i < 30; i++)
        rig_publish(p, "t", numbered(i), i % 3 == 0 ? 1 : 2, false);
    uint16_t ids[20];
    for (unsigned i = 0; i < 20; i++)
        ids[i] = rig_expect_publish(a, "t", numbered(i), i % 3 == 0 ? 1 : 2, false, false);
    rig_send_ack(a, PACKET_PUBREC, ids[1]);
    rig_expect_ack(a, PACKET_PUBREL, ids[1]);
    rig_send_publish(a, "u", "x", 2, false, 77);
    rig_expect_ack(a, PACKET_PUBREC, 77);
    struct peer *b = rig_resume(r, "x");
    rig_expect_ended(a, REASON_SESSION_TAKEN_OVER);
    for (unsigned i = 0; i < 20; i++) {
        if (i == 1)
            rig_expect_ack(b, PACKET_PUBREL, ids[1]);
        else
            assert_int_equal(rig_expect_publish(b, "t", numbered(i), i % 3 == 0 ? 1 : 2, true, false), ids[i]);
    }
    rig_expect_nothing(b);
    rig_send_publish_dup(b, "u", "x", 2, false, 77);
    rig_expect_ack(b, PACKET_PUBREC, 77);
    rig_send_ack(b, PACKET_PUBREL, 77);
    rig_expect_ack(b, PACKET_PUBCOMP, 77);
}

/* The older one is closed even if it takes nothing, and what it sends from then on is nothing. */
static void older_one_hangs(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, "p"), *a = rig_keep(r, "x"), *w = rig_clean(r, "w");
    rig_subscribe(a, 1, "t:1");
    rig_subscribe(w, 1, "#:0");
    rig_stall(a, true);
    rig_publish(p, "t", "1", 1, false);
    rig_take(w, "t", "1", 0, false, false);
    struct peer *b = rig_resume(r, "x");
    rig_send_publish(a, "from the dead", "x", 0, false, 0);
    rig_take(b, "t", "1", 1, true, false);
    rig_expect_nothing(w);
    rig_stall(a, false);
    rig_expect_publish(a, "t", "1", 1, false, false);
    rig_expect_ended(a, REASON_SESSION_TAKEN_OVER);
    rig_expect_nothing(b);
}

/* Several at once, while the authoriser still thinks about each. */
static void several_wait_at_once(void **state)
{
    struct rig *r = *state;
    r->auth_later = true;
    struct peer *c[6];
    for (unsigned i = 0; i < 6; i++)
        c[i] = rig_start(r, &(struct rig_connect){.id = "x", .clean = i % 2 == 0});
    rig_run(r);
    rig_answer_auth(r);
    unsigned open = 0;
    for (unsigned i = 0; i < 6; i++) {
        rig_run(r);
        open += c[i]->client != NULL;
        assert_true(c[i]->client != NULL || c[i]->closed);
    }
    assert_int_equal(open, 1);
    assert_int_equal(rig_stats(r).sessions, 1);
}

static void takeover_while_answers_wait(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_start(r, &(struct rig_connect){.id = "x"});
    rig_run(r);
    rig_commit(r, SIZE_MAX);
    rig_expect_connack(a, false, 0);
    struct peer *w = rig_clean(r, "w");
    rig_subscribe(w, 1, "t:0");
    rig_send_publish(a, "t", "two", 2, false, 5);
    rig_send_publish(a, "t", "x", 1, true, 6);
    rig_expect_nothing(a);
    rig_expect_publish(w, "t", "x", 0, false, false);
    rig_expect_nothing(w);
    struct peer *b = rig_start(r, &(struct rig_connect){.id = "x"});
    rig_run(r);
    rig_expect_ended(a, REASON_SESSION_TAKEN_OVER);
    rig_expect_nothing(b);
    rig_commit(r, SIZE_MAX);
    rig_expect_connack(b, true, 0);
    rig_expect_publish(w, "t", "two", 0, false, false);
    rig_send_publish_dup(b, "t", "two", 2, false, 5); /* never answered, so it comes again, and is not routed again */
    rig_expect_ack(b, PACKET_PUBREC, 5);
    rig_expect_nothing(w);
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST(older_connection_is_closed__MQTT_3_1_4_2__MQTT5_3_1_4_3),
        RIG_TEST(whatever_shard_it_comes_in_on),
        RIG_TEST(all_four_ways__MQTT_3_1_4_3__MQTT_3_1_2_4__MQTT_3_1_2_6),
        RIG_TEST(everything_in_flight_goes_on),
        RIG_TEST(older_one_hangs),
        RIG_TEST(several_wait_at_once),
        RIG_TEST_IN(takeover_while_answers_wait, RIG_MANUAL),
    };
    return RIG_MAIN(tests);
}
