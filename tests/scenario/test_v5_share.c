/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Shared subscriptions: every message of a group goes to one member, at the QoS that it was granted. What a member has
 * begun at QoS 2 it finishes; what it can't take any more another one gets.
 */
#include "v5.h"

/* Takes and acknowledges what has come to one member so far; the numbers that it saw are marked. */
static unsigned drain(struct peer *c, unsigned *seen, unsigned most)
{
    struct packet p;
    unsigned n = 0;
    while (rig_next(c, &p)) {
        if (p.type != PACKET_PUBLISH)
            continue;
        unsigned i = number_in(p.publish.payload, 1);
        uint16_t id = p.publish.id;
        assert_true(i < most);
        seen[i]++;
        n++;
        if (p.publish.qos == 1)
            rig_send_ack(c, PACKET_PUBACK, id);
        if (p.publish.qos == 2) {
            rig_send_ack(c, PACKET_PUBREC, id);
            rig_send_ack(c, PACKET_PUBCOMP, id);
        }
    }
    return n;
}

static void all_once(const unsigned *seen, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        assert_int_equal(seen[i], 1);
}

static void each_message_has_one_receiver(void **state)
{
    struct rig *r = *state;
    enum { MEMBERS = 6, MANY = 120 };
    struct peer *m[MEMBERS], *p = rig_clean(r, "p");
    unsigned seen[3 * MANY] = {0};
    for (unsigned i = 0; i < MEMBERS; i++) {
        m[i] = rig_connect(r, .id = numbered(i), .clean = i % 2 == 0);
        rig_subscribe(m[i], 1, "$share/g/t/+:2");
    }
    for (uint8_t qos = 0; qos < 3; qos++) {
        unsigned busy = 0;
        for (unsigned i = 0; i < MANY; i++)
            rig_publish(p, "t/x", numbered(qos * MANY + i), qos, false);
        for (unsigned i = 0; i < MEMBERS; i++)
            busy += drain(m[i], seen, 3 * MANY) > 0;
        assert_int_equal(busy, MEMBERS);
    }
    all_once(seen, 0, 3 * MANY);
}

static void groups_are_apart_from_each_other_and_from_the_rest(void **state)
{
    struct rig *r = *state;
    struct peer *g = rig_clean(r, "g"), *h = rig_clean(r, "h"), *plain = rig_clean(r, "plain"), *p = rig_clean(r, "p");
    rig_subscribe(g, 1, "$share/one/t:1");
    rig_subscribe(h, 1, "$share/two/t:1");
    rig_subscribe(plain, 1, "t:1");
    rig_publish(p, "t", "x", 1, false);
    rig_take(g, "t", "x", 1, false, false);
    rig_take(h, "t", "x", 1, false, false);
    rig_take(plain, "t", "x", 1, false, false);
    rig_subscribe(g, 2, "$share/one/+:1"); /* one name, another filter: another group */
    rig_publish(p, "u", "x", 1, false);
    rig_take(g, "u", "x", 1, false, false);
    rig_expect_nothing(h);
    rig_publish(p, "$share/one/t", "x", 0, false); /* a topic like that is none of theirs */
    rig_expect_nothing(g);
}

static void member_with_a_subscription_of_its_own_gets_both(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "$share/g/t:1 t:0");
    rig_publish(p, "t", "x", 1, false);
    struct packet one, two;
    rig_expect_packet(a, PACKET_PUBLISH, &one);
    assert_text(one.publish.topic, "t");
    rig_expect_packet(a, PACKET_PUBLISH, &two);
    assert_text(two.publish.topic, "t");
    assert_int_equal(one.publish.qos + two.publish.qos, 1);
    rig_expect_nothing(a);
}

static void names_and_filters_have_rules__MQTT5_4_8_2_1__MQTT5_4_8_2_2(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a");
    rig_send_subscribe(a, 1,
                       "$share/g/t:1 $share//t:1 $share/g:1 $share/g/:1 $share/+/t:1 $share/#/t:1 $share/a+b/t:1 "
                       "$share/a#/t:1 $share/g/a#:1 $share/g//:1 $share/\xc3\xa9/#:2 $shared/g/t:0");
    rig_expect_suback(a, 1, "01 8f 8f 8f 8f 8f 8f 8f 8f 01 02 00");
    rig_send_unsubscribe(a, 2, "$share/g/t $share//t $share/g $share/h/t $share/g/# t");
    rig_expect_unsuback(a, 2, "00 8f 8f 11 11 11");
}

static void no_local_is_an_error__MQTT5_3_8_3_4(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a");
    rig_send_subscribe(a, 1, "t:1n $share/g/t:1n");
    rig_expect_ended(a, REASON_PROTOCOL_ERROR);
}

static void qos_is_each_members_own__MQTT5_4_8_2_3(void **state)
{
    struct rig *r = *state;
    struct peer *m[3], *p = rig_clean(r, "p");
    static const char *const filters[] = {"$share/g/t:0", "$share/g/t:1", "$share/g/t:2"};
    for (unsigned i = 0; i < 3; i++) {
        m[i] = rig_clean(r, numbered(i));
        rig_subscribe(m[i], 1, filters[i]);
    }
    unsigned got[3][3] = {{0}};
    for (unsigned k = 0; k < 60; k++) {
        uint8_t qos = (uint8_t)(k % 3);
        rig_publish(p, "t", "x", qos, false);
        for (unsigned i = 0; i < 3; i++) {
            struct packet q;
            if (!rig_next(m[i], &q))
                continue;
            assert_int_equal(q.publish.qos, qos < i ? qos : i);
            got[i][qos]++;
            uint16_t id = q.publish.id;
            if (q.publish.qos == 1)
                rig_send_ack(m[i], PACKET_PUBACK, id);
            if (q.publish.qos == 2) {
                rig_send_ack(m[i], PACKET_PUBREC, id);
                rig_expect_ack(m[i], PACKET_PUBREL, id);
                rig_send_ack(m[i], PACKET_PUBCOMP, id);
            }
        }
    }
    unsigned all = 0;
    for (unsigned i = 0; i < 9; i++)
        all += got[i / 3][i % 3];
    assert_int_equal(all, 60);
}

static void retained_messages_are_not_for_groups(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *p = rig_clean(r, "p");
    rig_publish(p, "t", "kept", 1, true);
    rig_subscribe(a, 1, "$share/g/t:1 $share/g/#:10");
    rig_expect_nothing(a);
    rig_subscribe(a, 2, "t:1");
    rig_take(a, "t", "kept", 1, false, true);
}

static void options_and_identifiers_hold(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *p = rig_clean(r, "p");
    rig_send_subscribe_id(a, 1, "$share/g/t:1p", 300);
    rig_expect_suback(a, 1, "01");
    rig_publish(p, "t", "x", 1, true);
    struct packet q;
    expect_message(a, "t", "x", &q);
    assert_true(q.publish.retain);
    rig_expect_sub_ids(&q.publish.props, "300");
    rig_send_ack(a, PACKET_PUBACK, q.publish.id);
    rig_subscribe(a, 2, "$share/g/t:0"); /* replaced, not doubled */
    rig_publish(p, "t", "y", 1, true);
    expect_message(a, "t", "y", &q);
    assert_int_equal(q.publish.qos, 0);
    assert_false(q.publish.retain);
    rig_expect_sub_ids(&q.publish.props, "");
    rig_expect_nothing(a);
    rig_unsubscribe(a, 3, "$share/g/t");
    rig_send_publish(p, "t", "z", 1, false, 9);
    rig_expect_reason(p, PACKET_PUBACK, 9, REASON_NO_MATCHING_SUBSCRIBERS);
    rig_expect_nothing(a);
}

static void members_come_and_go(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *b = rig_clean(r, "b"), *p = rig_clean(r, "p");
    unsigned seen[40] = {0};
    rig_subscribe(a, 1, "$share/g/t:1");
    rig_subscribe(b, 1, "$share/g/t:1");
    rig_unsubscribe(a, 2, "$share/g/t");
    for (unsigned i = 0; i < 10; i++)
        rig_publish(p, "t", numbered(i), 1, false);
    assert_int_equal(drain(b, seen, 40), 10);
    rig_subscribe(a, 3, "$share/g/t:1");
    rig_drop(b);
    for (unsigned i = 10; i < 20; i++)
        rig_publish(p, "t", numbered(i), 1, false);
    assert_int_equal(drain(a, seen, 40), 10);
    b = rig_clean(r, "b");
    rig_subscribe(b, 1, "$share/g/t:1");
    for (unsigned i = 20; i < 40; i++)
        rig_publish(p, "t", numbered(i), 1, false);
    assert_true(drain(a, seen, 40) + drain(b, seen, 40) == 20);
    all_once(seen, 0, 40);
}

/* While somebody is there, nobody who is away is given anything; with everybody away, it waits. */
static void those_who_are_there_come_first(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *b = rig_keep(r, "b"), *p = rig_clean(r, "p");
    unsigned seen[60] = {0};
    rig_subscribe(a, 1, "$share/g/t:1");
    rig_subscribe(b, 1, "$share/g/t:1");
    rig_drop(a);
    for (unsigned i = 0; i < 20; i++)
        rig_publish(p, "t", numbered(i), 1, false);
    assert_int_equal(drain(b, seen, 60), 20);
    rig_drop(b);
    for (unsigned i = 20; i < 60; i++)
        rig_publish(p, "t", numbered(i), 1, false);
    assert_int_equal(rig_rows(r), 40);
    a = rig_resume(r, "a");
    b = rig_resume(r, "b");
    drain(a, seen, 60);
    drain(b, seen, 60);
    drain(a, seen, 60);
    all_once(seen, 0, 60);
    assert_int_equal(rig_rows(r), 0);
}

static void full_member_passes_it_on(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_connect(r, .id = "a", .clean = true, .props = KEPT_WINDOW(2));
    struct peer *b = rig_clean(r, "b"), *p = rig_clean(r, "p");
    unsigned seen[30] = {0};
    rig_subscribe(a, 1, "$share/g/t:1");
    rig_subscribe(b, 1, "$share/g/t:1");
    for (unsigned i = 0; i < 30; i++) {
        rig_publish(p, "t", numbered(i), 1, false);
        drain(b, seen, 30); /* a answers nothing */
    }
    unsigned of_b = 0;
    for (unsigned i = 0; i < 30; i++)
        of_b += seen[i];
    assert_int_equal(of_b, 28);
    assert_int_equal(drain(a, seen, 30), 2);
    all_once(seen, 0, 30);
}

/* [MQTT5-4.8.2-4] Only the member that it was sent to gets it again, and finishes it. */
static void qos_2_stays_with_its_member__MQTT5_4_8_2_4(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *b = rig_clean(r, "b"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "$share/g/t:2");
    rig_publish(p, "t", "1", 2, false);
    rig_publish(p, "t", "2", 2, false);
    uint16_t one = rig_expect_publish(a, "t", "1", 2, false, false);
    uint16_t two = rig_expect_publish(a, "t", "2", 2, false, false);
    rig_send_ack(a, PACKET_PUBREC, two);
    rig_expect_ack(a, PACKET_PUBREL, two);
    rig_subscribe(b, 1, "$share/g/t:2");
    rig_drop(a);
    rig_advance(r, 1000 * SECOND);
    rig_expect_nothing(b);
    a = rig_resume(r, "a");
    assert_int_equal(rig_expect_publish(a, "t", "1", 2, true, false), one);
    rig_expect_ack(a, PACKET_PUBREL, two);
    rig_send_ack(a, PACKET_PUBREC, one);
    rig_expect_ack(a, PACKET_PUBREL, one);
    rig_send_ack(a, PACKET_PUBCOMP, one);
    rig_send_ack(a, PACKET_PUBCOMP, two);
    rig_expect_nothing(a);
    rig_expect_nothing(b);
    assert_int_equal(rig_rows(r), 0);
}

static void qos_2_ends_with_its_members_session__MQTT5_4_8_2_5(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_connect(r, .id = "a", .props = EXPIRES(10)), *b = rig_clean(r, "b"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "$share/g/t:2");
    rig_publish(p, "t", "1", 2, false);
    rig_expect_publish(a, "t", "1", 2, false, false);
    rig_subscribe(b, 1, "$share/g/t:2");
    rig_drop(a);
    rig_advance(r, 11 * SECOND);
    assert_false(rig_has_session(r, "a"));
    rig_expect_nothing(b);
    assert_int_equal(rig_rows(r), 0);
}

/* QoS 1, and what was never sent, is for others when the session ends. */
static void the_rest_goes_to_others_when_the_session_ends(void **state)
{
    struct rig *r = *state;
    struct props small = {
        .has = RIG_HAS(SESSION_EXPIRY) | RIG_HAS(RECEIVE_MAXIMUM), .session_expiry = 10, .receive_maximum = 2};
    struct peer *a = rig_connect(r, .id = "a", .props = &small), *p = rig_clean(r, "p");
    unsigned seen[9] = {0};
    rig_subscribe(a, 1, "$share/g/t:2");
    for (unsigned i = 0; i < 9; i++)
        rig_publish(p, "t", numbered(i), i < 5 ? 1 : 2, false);
    rig_expect_publish(a, "t", "m0", 1, false, false);
    rig_expect_publish(a, "t", "m1", 1, false, false);
    rig_expect_nothing(a);
    struct peer *b = rig_clean(r, "b");
    rig_subscribe(b, 1, "$share/g/t:2");
    rig_drop(a);
    rig_advance(r, 11 * SECOND);
    assert_false(rig_has_session(r, "a"));
    assert_int_equal(drain(b, seen, 9), 9);
    all_once(seen, 0, 9);
    assert_int_equal(rig_rows(r), 0);
}

static void refused_messages_are_dropped__MQTT5_4_8_2_6(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *b = rig_clean(r, "b"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "$share/g/t:2");
    rig_publish(p, "t", "1", 1, false);
    rig_publish(p, "t", "2", 2, false);
    uint16_t one = rig_expect_publish(a, "t", "1", 1, false, false);
    uint16_t two = rig_expect_publish(a, "t", "2", 2, false, false);
    rig_subscribe(b, 1, "$share/g/t:2");
    rig_send_ack_reason(a, PACKET_PUBACK, one, REASON_UNSPECIFIED);
    rig_send_ack_reason(a, PACKET_PUBREC, two, REASON_QUOTA_EXCEEDED);
    rig_expect_nothing(a);
    rig_drop(a);
    rig_disconnect(rig_clean(r, "a")); /* and the session ends */
    rig_expect_nothing(b);
    assert_int_equal(rig_rows(r), 0);
}

/* Members of all versions. */
static void clients_of_3_are_members_too(void **state)
{
    struct rig *r = *state;
    struct peer *m[3], *p = rig_clean(r, "p");
    static const enum proto versions[] = {PROTO_31, PROTO_311, PROTO_5};
    unsigned seen[30] = {0}, all = 0;
    for (unsigned i = 0; i < 3; i++) {
        m[i] = rig_connect(r, .id = numbered(i), .clean = true, .proto = versions[i]);
        rig_subscribe(m[i], 1, "$share/g/t:1");
    }
    for (unsigned i = 0; i < 30; i++)
        rig_publish(p, "t", numbered(i), 1, false);
    for (unsigned i = 0; i < 3; i++) {
        unsigned n = drain(m[i], seen, 30);
        assert_in_range(n, 1, 29);
        all += n;
    }
    assert_int_equal(all, 30);
    all_once(seen, 0, 30);
}

static void too_large_for_one_member(void **state)
{
    struct rig *r = *state;
    struct peer *a =
        rig_connect(r, .id = "a", .clean = true, .props = NUMBER(MAXIMUM_PACKET_SIZE, maximum_packet_size, 40));
    struct peer *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "$share/g/t:1");
    rig_publish(p, "t", "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm", 1, false);
    rig_expect_nothing(a); /* the rig looks at the size */
    rig_publish(p, "t", "small", 1, false);
    rig_take(a, "t", "small", 1, false, false);
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST_IN(each_message_has_one_receiver, RIG_5 | RIG_WHOLE),
        RIG_TEST_IN(groups_are_apart_from_each_other_and_from_the_rest, RIG_5),
        RIG_TEST_IN(member_with_a_subscription_of_its_own_gets_both, RIG_5),
        RIG_TEST_IN(names_and_filters_have_rules__MQTT5_4_8_2_1__MQTT5_4_8_2_2, RIG_5),
        RIG_TEST_IN(no_local_is_an_error__MQTT5_3_8_3_4, RIG_5),
        RIG_TEST_IN(qos_is_each_members_own__MQTT5_4_8_2_3, RIG_5),
        RIG_TEST_IN(retained_messages_are_not_for_groups, RIG_5),
        RIG_TEST_IN(options_and_identifiers_hold, RIG_5),
        RIG_TEST_IN(members_come_and_go, RIG_5),
        RIG_TEST_IN(those_who_are_there_come_first, RIG_5),
        RIG_TEST_IN(full_member_passes_it_on, RIG_5),
        RIG_TEST_IN(qos_2_stays_with_its_member__MQTT5_4_8_2_4, RIG_5),
        RIG_TEST_IN(qos_2_ends_with_its_members_session__MQTT5_4_8_2_5, RIG_5),
        RIG_TEST_IN(the_rest_goes_to_others_when_the_session_ends, RIG_5),
        RIG_TEST_IN(refused_messages_are_dropped__MQTT5_4_8_2_6, RIG_5),
        RIG_TEST_IN(clients_of_3_are_members_too, RIG_5),
        RIG_TEST_IN(too_large_for_one_member, RIG_5),
    };
    return RIG_MAIN(tests);
}
