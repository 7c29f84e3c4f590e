/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Receive maximum, both ways: never one more under way, whatever else happens, from the first packet on. */
#include "v5.h"

static void publish_many(struct peer *p, unsigned from, unsigned to, uint8_t qos)
{
    for (unsigned i = from; i < to; i++)
        rig_publish(p, "t", numbered(i), qos, false);
}

/* Takes everything that comes, acknowledging in order, and holds the server to `most` under way at any time. */
static unsigned take_all(struct peer *c, unsigned first, unsigned most, bool dup_first, unsigned dups)
{
    struct {
        uint16_t id;
        uint8_t qos;
    } open[64];
    unsigned n = 0, next = first;
    struct packet p;
    while (rig_next(c, &p) || n > 0) {
        while (p.type == PACKET_PUBLISH) {
            assert_int_equal(number_in(p.publish.payload, 1), next);
            assert_int_equal(p.publish.dup, dup_first && next - first < dups);
            next++;
            open[n].id = p.publish.id;
            open[n++].qos = p.publish.qos;
            assert_in_range(n, 1, most);
            if (!rig_poll(c, &p))
                break;
        }
        assert_in_range(n, 1, most);
        rig_send_ack(c, open[0].qos == 1 ? PACKET_PUBACK : PACKET_PUBREC, open[0].id);
        if (open[0].qos == 2) {
            rig_expect_ack(c, PACKET_PUBREL, open[0].id);
            rig_send_ack(c, PACKET_PUBCOMP, open[0].id);
        }
        memmove(open, open + 1, --n * sizeof(open[0]));
        p.type = PACKET_PINGRESP;
    }
    return next;
}

static void never_more_than_the_client_takes__MQTT5_3_3_4_9__MQTT5_4_9_0_1__MQTT5_4_9_0_2(void **state)
{
    struct rig *r = *state;
    static const uint16_t windows[] = {1, 2, 7};
    for (size_t w = 0; w < sizeof(windows) / sizeof(*windows); w++) {
        struct peer *a = rig_connect(r, .id = "a", .clean = true, .props = KEPT_WINDOW(windows[w]));
        struct peer *p = rig_clean(r, "p");
        rig_subscribe(a, 1, "t:2");
        publish_many(p, 0, 15, 1);
        publish_many(p, 15, 30, 2);
        assert_int_equal(take_all(a, 0, windows[w], false, 0), 30);
        rig_expect_nothing(a);
        rig_drop(p);
    }
}

static void whole_window_is_used(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_connect(r, .id = "a", .clean = true, .props = KEPT_WINDOW(30)), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:1");
    publish_many(p, 0, 40, 1); /* more than max_inflight, which is for 3.x */
    uint16_t first = 0;
    for (unsigned i = 0; i < 30; i++) {
        uint16_t id = rig_expect_publish(a, "t", numbered(i), 1, false, false);
        first = i == 0 ? id : first;
    }
    rig_expect_nothing(a);
    rig_send_ack(a, PACKET_PUBACK, first);
    rig_expect_publish(a, "t", "m30", 1, false, false);
    rig_expect_nothing(a);
}

static void without_a_maximum_a_thousand(void **state)
{
    struct rig *r = *state;
    static const struct props silent = {.has = 0}, most = {.has = RIG_HAS(RECEIVE_MAXIMUM), .receive_maximum = 65535};
    const struct props *both[] = {&silent, &most};
    for (unsigned k = 0; k < 2; k++) {
        struct peer *a = rig_connect(r, .id = "a", .clean = true, .props = both[k]), *p = rig_clean(r, "p");
        rig_subscribe(a, 1, "t:1");
        publish_many(p, 0, 1010, 1);
        uint16_t id = 0;
        for (unsigned i = 0; i < 1000; i++)
            id = rig_expect_publish(a, "t", numbered(i), 1, false, false);
        rig_expect_nothing(a);
        rig_send_ack(a, PACKET_PUBACK, id);
        rig_expect_publish(a, "t", "m1000", 1, false, false);
        rig_expect_nothing(a);
        rig_drop(p);
    }
}

static void errors_give_the_place_back__MQTT5_3_3_4_9__MQTT5_4_4_0_2(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_connect(r, .id = "a", .clean = true, .props = KEPT_WINDOW(1)), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:2");
    publish_many(p, 0, 4, 1);
    publish_many(p, 4, 8, 2);
    for (unsigned i = 0; i < 8; i++) {
        uint16_t id = rig_expect_publish(a, "t", numbered(i), i < 4 ? 1 : 2, false, false);
        rig_expect_nothing(a);
        rig_send_ack_reason(a, i < 4 ? PACKET_PUBACK : PACKET_PUBREC, id, REASON_IMPLEMENTATION_SPECIFIC);
    }
    rig_expect_nothing(a); /* no PUBREL for any of them */
    rig_drop(a);
    a = rig_connect(r, .id = "a", .props = KEPT_WINDOW(1), .present = true);
    rig_expect_nothing(a);
}

static void strays_do_not_open_it(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_connect(r, .id = "a", .clean = true, .props = KEPT_WINDOW(2)), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:2");
    publish_many(p, 0, 5, 2);
    uint16_t one = rig_expect_publish(a, "t", "m0", 2, false, false);
    rig_expect_publish(a, "t", "m1", 2, false, false);
    for (uint16_t id = 30000; id < 30010; id++) {
        rig_send_ack(a, PACKET_PUBACK, id);
        rig_send_ack(a, PACKET_PUBCOMP, id);
    }
    rig_expect_nothing(a);
    for (unsigned i = 0; i < 3; i++) { /* PUBREC again and again is one PUBREC */
        rig_send_ack(a, PACKET_PUBREC, one);
        rig_expect_ack(a, PACKET_PUBREL, one);
    }
    rig_expect_nothing(a);
    rig_send_ack(a, PACKET_PUBCOMP, one);
    rig_send_ack(a, PACKET_PUBCOMP, one);
    rig_expect_publish(a, "t", "m2", 2, false, false);
    rig_expect_nothing(a);
}

/* Ten are under way when the connection breaks, and the client comes back with room for three. */
static void right_after_a_reconnect__MQTT5_3_3_4_9__MQTT5_4_9_0_1__MQTT5_4_4_0_1(void **state)
{
    struct rig *r = *state;
    static const uint16_t windows[] = {3, 1, 10, 50};
    for (size_t w = 0; w < sizeof(windows) / sizeof(*windows); w++)
        for (uint8_t qos = 1; qos < 3; qos++) {
            struct peer *a = rig_connect(r, .id = "a", .clean = true, .props = KEPT_WINDOW(10));
            struct peer *p = rig_clean(r, "p");
            rig_subscribe(a, 1, "t:2");
            publish_many(p, 0, 15, qos);
            for (unsigned i = 0; i < 10; i++)
                rig_expect_publish(a, "t", numbered(i), qos, false, false);
            rig_expect_nothing(a);
            rig_drop(a);
            publish_many(p, 15, 20, qos);
            a = rig_connect(r, .id = "a", .props = KEPT_WINDOW(windows[w]), .present = true);
            assert_int_equal(take_all(a, 0, windows[w], true, 10), 20);
            rig_drop(p);
        }
}

/* PUBREL packets that come again are no PUBLISH packets: they take no room that others need for ever. */
static void half_done_exchanges_after_a_reconnect(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_connect(r, .id = "a", .clean = true, .props = KEPT_WINDOW(5)), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:2");
    publish_many(p, 0, 5, 2);
    uint16_t ids[5];
    for (unsigned i = 0; i < 5; i++)
        ids[i] = rig_expect_publish(a, "t", numbered(i), 2, false, false);
    for (unsigned i = 0; i < 5; i++) {
        rig_send_ack(a, PACKET_PUBREC, ids[i]);
        rig_expect_ack(a, PACKET_PUBREL, ids[i]);
    }
    rig_drop(a);
    publish_many(p, 5, 9, 1);
    a = rig_connect(r, .id = "a", .props = KEPT_WINDOW(2), .present = true);
    unsigned rels = 0, publishes = 0, open = 0, rounds = 0;
    while ((rels < 5 || publishes < 4) && rounds++ < 50) {
        struct packet q;
        while (rig_next(a, &q)) {
            if (q.type == PACKET_PUBREL) {
                assert_int_equal(q.ack.id, ids[rels++]);
                rig_send_ack(a, PACKET_PUBCOMP, q.ack.id);
                continue;
            }
            assert_int_equal(q.type, PACKET_PUBLISH);
            assert_in_range(++open, 1, 2);
            assert_int_equal(number_in(q.publish.payload, 1), 5 + publishes++);
            rig_send_ack(a, PACKET_PUBACK, q.publish.id);
            open--;
        }
    }
    assert_int_equal(rels, 5);
    assert_int_equal(publishes, 4);
    rig_expect_nothing(a);
}

static void everything_else_goes_on_at_zero__MQTT5_3_3_4_10__MQTT5_4_9_0_3(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_connect(r, .id = "a", .clean = true, .props = KEPT_WINDOW(1)), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:2");
    publish_many(p, 0, 3, 2);
    uint16_t id = rig_expect_publish(a, "t", "m0", 2, false, false);
    rig_expect_nothing(a);
    rig_send_hex(a, "c0 00");
    rig_expect(a, "d0 00");
    rig_send_subscribe(a, 2, "u:1");
    rig_expect_suback(a, 2, "01");
    rig_send_unsubscribe(a, 3, "u");
    rig_expect_unsuback(a, 3, "00");
    rig_publish(a, "v", "x", 1, false);
    rig_publish(a, "v", "x", 2, false);
    rig_send_ack(a, PACKET_PUBREC, id);
    rig_expect_ack(a, PACKET_PUBREL, id);
    rig_expect_nothing(a);
    rig_send_ack(a, PACKET_PUBCOMP, id);
    rig_expect_publish(a, "t", "m1", 2, false, false);
    rig_expect_nothing(a);
}

/* QoS 0 needs no quota; but it does not overtake what waits. */
static void qos_0_passes_unless_others_wait(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_connect(r, .id = "a", .clean = true, .props = KEPT_WINDOW(1)), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:1");
    publish_many(p, 0, 1, 1);
    uint16_t id = rig_expect_publish(a, "t", "m0", 1, false, false);
    publish_many(p, 1, 3, 0);
    rig_expect_publish(a, "t", "m1", 0, false, false);
    rig_expect_publish(a, "t", "m2", 0, false, false);
    publish_many(p, 3, 4, 1);
    publish_many(p, 4, 5, 0);
    rig_expect_nothing(a);
    rig_send_ack(a, PACKET_PUBACK, id);
    rig_expect_publish(a, "t", "m3", 1, false, false);
    rig_expect_publish(a, "t", "m4", 0, false, false);
    rig_expect_nothing(a);
}

static void retained_messages_keep_to_it_too(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, "p");
    for (unsigned i = 0; i < 9; i++) {
        char topic[16];
        snprintf(topic, sizeof(topic), "r/%u", i);
        rig_publish(p, topic, "x", 1, true);
    }
    struct peer *a = rig_connect(r, .id = "a", .clean = true, .props = KEPT_WINDOW(2));
    rig_subscribe(a, 1, "r/+:1");
    unsigned n = 0;
    struct packet q;
    uint16_t open[2];
    while (rig_next(a, &q)) {
        open[n++ % 2] = q.publish.id;
        if (n >= 2) {
            rig_expect_nothing(a);
            rig_send_ack(a, PACKET_PUBACK, open[n % 2]);
        }
    }
    assert_int_equal(n, 9);
}

/* ------------------------------------------------------- the other way */

static void client_above_a_thousand_is_sent_away__MQTT5_3_3_4_7(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a");
    for (uint16_t id = 1; id <= 1000; id++)
        rig_send_publish(a, "t", "x", 2, false, id);
    for (uint16_t id = 1; id <= 1000; id++)
        rig_expect_ack(a, PACKET_PUBREC, id);
    rig_send_publish_dup(a, "t", "x", 2, false, 7); /* again is not one more */
    rig_expect_ack(a, PACKET_PUBREC, 7);
    rig_send_publish(a, "t", "x", 0, false, 0);
    rig_expect_nothing(a);
    rig_send_publish(a, "t", "x", 2, false, 1001);
    rig_expect_ended(a, REASON_RECEIVE_MAXIMUM_EXCEEDED);
}

static void places_come_back_with_pubcomp(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a");
    for (unsigned round = 0; round < 2; round++) {
        for (uint16_t id = 1; id <= 1000; id++)
            rig_send_publish(a, "t", "x", 2, false, id);
        for (uint16_t id = 1; id <= 1000; id++)
            rig_expect_ack(a, PACKET_PUBREC, id);
        for (uint16_t id = 1; id <= 1000; id++)
            rig_send_ack(a, PACKET_PUBREL, id);
        for (uint16_t id = 1; id <= 1000; id++)
            rig_expect_ack(a, PACKET_PUBCOMP, id);
    }
    rig_expect_nothing(a);
}

static void refused_publications_take_no_place__MQTT5_4_3_3_9(void **state)
{
    struct rig *r = *state;
    static const struct rule rules[] = {{RULE_PUBLISH, {(const uint8_t *)"mine/#", 6}}};
    rig_user(r, "u", "p", rules, 1, false);
    struct peer *a = rig_connect(r, .id = "a", .clean = true, .user = "u", .password = "p"), *w = rig_clean(r, "w");
    rig_subscribe(w, 1, "#:0");
    for (uint16_t i = 1; i <= 1500; i++) {
        rig_send_publish(a, "theirs", "x", 2, false, i);
        rig_expect_reason(a, PACKET_PUBREC, i, REASON_NOT_AUTHORIZED);
    }
    rig_send_publish(a, "mine/t", "x", 2, false, 5); /* an id that was refused is free */
    rig_expect_reason(a, PACKET_PUBREC, 5, REASON_SUCCESS);
    rig_take(w, "mine/t", "x", 0, false, false);
}

/* What waits for a commit is not acknowledged yet, so it counts. */
static void unacknowledged_qos_1_counts(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a");
    for (uint16_t id = 1; id <= 1000; id++)
        rig_send_publish(a, "t", "x", 1, true, id);
    rig_expect_nothing(a);
    rig_send_publish(a, "t", "x", 1, true, 1001);
    rig_expect_ended(a, REASON_RECEIVE_MAXIMUM_EXCEEDED);
}

/* Unfinished QoS 2 of an earlier connection is the session's; each connection begins with its whole quota. */
static void quota_of_the_client_begins_anew(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a");
    for (uint16_t id = 1; id <= 1000; id++)
        rig_send_publish(a, "t", "x", 2, false, id);
    for (uint16_t id = 1; id <= 1000; id++)
        rig_expect_ack(a, PACKET_PUBREC, id);
    rig_drop(a);
    a = rig_resume(r, "a");
    for (uint16_t id = 1; id <= 1000; id++)
        rig_send_ack(a, PACKET_PUBREL, id);
    for (uint16_t id = 2001; id <= 2100; id++)
        rig_send_publish(a, "t", "x", 2, false, id);
    for (uint16_t id = 1; id <= 1000; id++)
        rig_expect_ack(a, PACKET_PUBCOMP, id);
    for (uint16_t id = 2001; id <= 2100; id++)
        rig_expect_ack(a, PACKET_PUBREC, id);
    rig_expect_nothing(a);
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST_IN(never_more_than_the_client_takes__MQTT5_3_3_4_9__MQTT5_4_9_0_1__MQTT5_4_9_0_2, RIG_5),
        RIG_TEST_IN(whole_window_is_used, RIG_5),
        RIG_TEST_IN(without_a_maximum_a_thousand, RIG_5 | RIG_WHOLE),
        RIG_TEST_IN(errors_give_the_place_back__MQTT5_3_3_4_9__MQTT5_4_4_0_2, RIG_5),
        RIG_TEST_IN(strays_do_not_open_it, RIG_5),
        RIG_TEST_IN(right_after_a_reconnect__MQTT5_3_3_4_9__MQTT5_4_9_0_1__MQTT5_4_4_0_1, RIG_5),
        RIG_TEST_IN(half_done_exchanges_after_a_reconnect, RIG_5),
        RIG_TEST_IN(everything_else_goes_on_at_zero__MQTT5_3_3_4_10__MQTT5_4_9_0_3, RIG_5),
        RIG_TEST_IN(qos_0_passes_unless_others_wait, RIG_5),
        RIG_TEST_IN(retained_messages_keep_to_it_too, RIG_5),
        RIG_TEST_IN(client_above_a_thousand_is_sent_away__MQTT5_3_3_4_7, RIG_5 | RIG_WHOLE),
        RIG_TEST_IN(places_come_back_with_pubcomp, RIG_5 | RIG_WHOLE),
        RIG_TEST_IN(refused_publications_take_no_place__MQTT5_4_3_3_9, RIG_5 | RIG_WHOLE),
        RIG_TEST_IN(unacknowledged_qos_1_counts, RIG_5 | RIG_MANUAL),
        RIG_TEST_IN(quota_of_the_client_begins_anew, RIG_5 | RIG_WHOLE),
    };
    return RIG_MAIN(tests);
}
