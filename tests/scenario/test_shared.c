/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared subscriptions while all is well: who gets a message, and in which form. Clients of all versions have them. */
#include "shared.h"

enum { MEMBERS = 4 };

/* Each message goes to one of the group, to one after the other. */
static void members_take_turns(void **state)
{
    struct rig *r = *state;
    static const char *const ids[MEMBERS] = {"a", "b", "c", "d"};
    struct peer *m[MEMBERS], *p = rig_clean(r, "p");
    unsigned whose[3 * MEMBERS];
    for (unsigned i = 0; i < MEMBERS; i++)
        m[i] = joins(i % 2 == 0 ? rig_clean(r, ids[i]) : rig_keep(r, ids[i]), "$share/g/t:2");
    for (uint8_t qos = 0; qos < 3; qos++)
        for (unsigned i = 0; i < 3 * MEMBERS; i++) {
            unsigned got = 0;
            rig_publish(p, "t", numbered(i), qos, false);
            for (unsigned k = 0; k < MEMBERS; k++)
                if (count(m[k]) > 0) {
                    whose[i] = k;
                    got++;
                }
            assert_int_equal(got, 1);
            assert_true(i < MEMBERS || whose[i] == whose[i - MEMBERS]);
        }
    assert_int_equal(dropped(r), 0);
}

static void members_speak_what_they_like(void **state)
{
    struct rig *r = *state;
    struct peer *m[3], *p = rig_clean(r, "p");
    for (unsigned i = 0; i < 3; i++) {
        static const enum proto protos[] = {PROTO_31, PROTO_311, PROTO_5};
        m[i] = joins(rig_connect(r, .id = numbered(i), .clean = true, .proto = protos[i]), "$share/g/t:1");
    }
    publish_row(p, 0, 9, 1);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(count(m[i]), 3);
}

static void each_group_and_each_other_subscriber_gets_one(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, "p");
    struct peer *a = joins(rig_clean(r, "a"), "$share/g/t:1"), *b = joins(rig_clean(r, "b"), "$share/h/t:1");
    struct peer *c = joins(rig_clean(r, "c"), "$share/g/+:1"), *d = joins(rig_clean(r, "d"), "t:1 #:0");
    struct peer *e = joins(rig_clean(r, "e"), "$share/g/t:1");
    publish_row(p, 0, 6, 1);
    assert_int_equal(count(a), 3);
    assert_int_equal(count(e), 3);
    assert_row(b, 0, 6);
    assert_row(c, 0, 6);
    assert_row(d, 0, 6);
}

/* How many of each QoS a peer gets; each is acknowledged. */
static void count_by_qos(struct peer *c, unsigned n[3])
{
    struct packet p;
    memset(n, 0, 3 * sizeof(*n));
    while (rig_next(c, &p)) {
        struct taken t = {0};
        if (p.type == PACKET_PUBLISH)
            n[p.publish.qos]++;
        take_one(c, &p, &t);
    }
}

/* A client gets one copy for its ordinary subscriptions, and one from each group. */
static void subscriptions_of_one_client_are_apart(void **state)
{
    struct rig *r = *state;
    unsigned n[3];
    struct peer *a = joins(rig_clean(r, "a"), "$share/g/t:1 $share/h/t:2 t:0 +:0");
    struct peer *p = rig_clean(r, "p");
    rig_publish(p, "t", "x", 2, false);
    count_by_qos(a, n);
    assert_true(n[0] == 1 && n[1] == 1 && n[2] == 1);
    rig_publish(a, "t", "x", 0, false); /* its own */
    count_by_qos(a, n);
    assert_true(n[0] == 3 && n[1] == 0 && n[2] == 0);
    rig_unsubscribe(a, 2, "t +");
    rig_publish(p, "t", "x", 2, false);
    count_by_qos(a, n);
    assert_true(n[0] == 0 && n[1] == 1 && n[2] == 1);
}

static void no_local_counts_for_ordinary_ones_only(void **state)
{
    struct rig *r = *state;
    struct peer *a = joins(rig_clean(r, "a"), "$share/g/t:1 t:1n");
    rig_publish(a, "t", "m0", 0, false);
    assert_int_equal(count(a), 1);
}

static void member_gets_its_own_qos__MQTT5_4_8_2_3__MQTT5_3_8_4_8(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, "p");
    struct peer *m[3] = {joins(rig_clean(r, "a"), "$share/g/t:0"), joins(rig_clean(r, "b"), "$share/g/t:1"),
                         joins(rig_clean(r, "c"), "$share/g/t:2")};
    for (uint8_t qos = 0; qos < 3; qos++) {
        publish_row(p, 0, 6, qos);
        for (unsigned i = 0; i < 3; i++) {
            unsigned n[3];
            count_by_qos(m[i], n);
            assert_int_equal(n[i < qos ? i : qos], 2);
            assert_int_equal(n[0] + n[1] + n[2], 2);
        }
    }
}

static void member_gets_what_it_asked_for(void **state)
{
    struct rig *r = *state;
    struct packet q;
    struct peer *p = rig_clean(r, "p"), *a = rig_clean(r, "a"), *b = rig_clean(r, "b");
    rig_send_subscribe_id(a, 1, "$share/g/t:1p $share/h/u:0", 7);
    rig_expect_suback(a, 1, "01 00");
    rig_send_subscribe_id(b, 1, "$share/g/t:1", 0);
    rig_expect_suback(b, 1, "01");
    rig_publish(p, "t", "x", 1, true);
    rig_publish(p, "t", "x", 1, true);
    expect_message(a, "t", "x", &q);
    assert_true(q.publish.retain);
    rig_expect_sub_ids(&q.publish.props, "7");
    expect_message(b, "t", "x", &q);
    assert_false(q.publish.retain);
    rig_expect_sub_ids(&q.publish.props, "");
    rig_publish(p, "u", "x", 1, true);
    expect_message(a, "u", "x", &q);
    assert_false(q.publish.retain);
    rig_expect_sub_ids(&q.publish.props, "7");
    assert_int_equal(q.publish.qos, 0);
    rig_subscribe(a, 2, "$share/h/u:1"); /* and no more than that */
    rig_publish(p, "u", "x", 1, true);
    expect_message(a, "u", "x", &q);
    rig_expect_sub_ids(&q.publish.props, "");
}

/* Too large for the member whose turn it is: it is as if that one had taken it. */
static void member_has_its_maximum_packet_size(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, "p"), *a = rig_connect(r, .id = "a", .clean = true,
                                                         .props = NUMBER(MAXIMUM_PACKET_SIZE, maximum_packet_size, 40));
    joins(a, "$share/g/t:1");
    rig_publish(p, "t", "m0 and something that makes it longer than it may be", 1, false);
    rig_expect_nothing(a); /* the rig looks at the size */
    assert_int_equal(dropped(r), 1);
    rig_publish(p, "t", "m1", 1, false);
    assert_row(a, 1, 2);
}

/* Several groups of one client: each copy has the identifier of its own subscription, and no other. */
static void identifiers_are_not_mixed(void **state)
{
    struct rig *r = *state;
    static const char *const filters[] = {"$share/g/t:0", "$share/h/t:0", "t:0"};
    struct peer *p = rig_clean(r, "p"), *a = rig_clean(r, "a");
    for (uint32_t i = 0; i < 3; i++) {
        rig_send_subscribe_id(a, 1, filters[i], i + 1);
        rig_expect_suback(a, 1, "00");
    }
    rig_publish(p, "t", "x", 1, false);
    unsigned seen = 0;
    for (unsigned i = 0; i < 3; i++) {
        struct packet q;
        expect_message(a, "t", "x", &q);
        assert_int_equal(q.publish.props.sub_id_count, 1);
        seen |= 1u << q.publish.props.sub_id;
    }
    assert_int_equal(seen, 2 | 4 | 8);
    rig_expect_nothing(a);
}

static void retained_messages_are_not_sent(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, "p"), *a = rig_clean(r, "a");
    rig_publish(p, "t", "old", 1, true);
    rig_subscribe(a, 1, "$share/g/t:1");
    rig_expect_nothing(a);
    rig_subscribe(a, 2, "$share/g/t:1 $share/h/#:10");
    rig_expect_nothing(a);
    rig_subscribe(a, 3, "t:1");
    rig_take(a, "t", "old", 1, false, true);
    rig_expect_nothing(a);
}

static void no_local_is_an_error__MQTT5_3_8_3_4(void **state)
{
    struct rig *r = *state;
    static const char *const filters[] = {"$share/g/t:1n", "t:0 u:1 $share/g/t:0n", "$share/g:0n"};
    for (size_t i = 0; i < sizeof(filters) / sizeof(*filters); i++) {
        struct peer *a = rig_clean(r, "a");
        rig_send_subscribe(a, 1, filters[i]);
        rig_expect_ended(a, REASON_PROTOCOL_ERROR);
    }
    assert_int_equal(rig_stats(r).subscriptions, 0);
}

static void names_and_filters_have_their_form__MQTT5_4_8_2_1__MQTT5_4_8_2_2(void **state)
{
    struct rig *r = *state;
    static const char *const wrong[] = {"$share/:0",   "$share//:0",   "$share//t:0", "$share/g:0",
                                        "$share/g/:0", "$share/+/t:0", "$share:0"};
    struct peer *a = rig_clean(r, "a");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        rig_send_subscribe(a, 1, wrong[i]);
        rig_expect_suback(a, 1, "8f");
    }
    rig_send_subscribe(a, 1, "$share/g/t:1 $share/g:1 $share/\xc3\xa4/t:2");
    rig_expect_suback(a, 1, "01 8f 02");
    rig_send_unsubscribe(a, 2, "$share/g $share//t t $share/h/t $share/g/t");
    rig_expect_unsuback(a, 2, "8f 8f 11 11 00");
    rig_subscribe(a, 3, "$share/a/b/c:0 $share/a//:0 $share/$share/$share/b/c:0 $Share/g/t:0 $shared/g/t:0");
    assert_int_equal(rig_stats(r).subscriptions, 6);
}

/* What is no filter in any version: 3.x has no word for it. */
static void filters_that_are_none(void **state)
{
    struct rig *r = *state;
    static const char *const wrong[] = {"$share/#/t:0", "$share/g#/t:0", "$share/g/t#:0", "$share/g+/t:0",
                                        "$share/g/#/t:0"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct peer *a = rig_clean(r, "a");
        rig_send_subscribe(a, 1, wrong[i]);
        if (r->proto == PROTO_5)
            rig_expect_suback(a, 1, "8f");
        else
            rig_expect_closed(a);
    }
}

static void filters_match_as_ordinary_ones_do(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, "p"), *a = joins(rig_clean(r, "a"), "$share/g/#:0"),
                *b = joins(rig_clean(r, "b"), "$share/g/s/+/x:0"), *c = joins(rig_clean(r, "c"), "$share/g/$d/#:0"),
                *d = joins(rig_clean(r, "d"), "$share/g//:0");
    rig_publish(p, "s/1/x", "x", 0, false);
    rig_take(a, "s/1/x", "x", 0, false, false);
    rig_take(b, "s/1/x", "x", 0, false, false);
    rig_publish(p, "$d/1", "x", 0, false);
    rig_take(c, "$d/1", "x", 0, false, false);
    rig_publish(p, "/", "x", 0, false);
    rig_take(a, "/", "x", 0, false, false);
    rig_take(d, "/", "x", 0, false, false);
    rig_publish(p, "$share/g/t", "x", 0, false); /* a topic like any other */
    rig_expect_nothing(a);
    rig_expect_nothing(b);
    rig_expect_nothing(c);
    rig_expect_nothing(d);
}

static void subscribing_again_replaces(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, "p"), *a = joins(rig_clean(r, "a"), "$share/g/t:0"),
                *b = joins(rig_clean(r, "b"), "$share/g/t:0");
    rig_subscribe(a, 2, "$share/g/t:2");
    rig_subscribe(b, 2, "$share/g/t:1 $share/g/t:2");
    publish_row(p, 0, 6, 2);
    unsigned n[3];
    count_by_qos(a, n);
    assert_int_equal(n[2], 3);
    count_by_qos(b, n);
    assert_int_equal(n[2], 3);
    assert_int_equal(rig_stats(r).subscriptions, 2);
}

/* [MQTT5-3.10.4-1] [MQTT5-3.10.4-2] [MQTT5-3.10.4-3] */
static void who_unsubscribes_gets_no_more(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, "p"), *a = joins(rig_keep(r, "a"), "$share/g/t:1"),
                *b = joins(rig_clean(r, "b"), "$share/g/t:1");
    rig_unsubscribe(b, 2, "t $share/h/t $share/g/+");
    publish_row(p, 0, 2, 1);
    struct packet under_way;
    rig_expect_packet(b, PACKET_PUBLISH, &under_way);
    uint16_t id = under_way.publish.id;
    rig_unsubscribe(b, 3, "$share/g/t");
    rig_send_ack(b, PACKET_PUBACK, id);
    assert_int_equal(count(a), 1);
    publish_row(p, 2, 6, 1);
    rig_expect_nothing(b);
    assert_row(a, 2, 6);
    rig_unsubscribe(a, 4, "$share/g/t");
    rig_send_publish(p, "t", "m6", 1, false, 99);
    rig_expect_reason(p, PACKET_PUBACK, 99, REASON_NO_MATCHING_SUBSCRIBERS);
    rig_expect_nothing(a);
    assert_int_equal(dropped(r), 0); /* nobody asked for it */
    assert_int_equal(rig_stats(r).subscriptions, 0);
}

/* Rights are about the filter in the subscription, and the topic that arrives. */
static void rights_count(void **state)
{
    struct rig *r = *state;
    static const struct rule some[] = {{RULE_SUBSCRIBE, {(const uint8_t *)"t", 1}},
                                       {RULE_PUBLISH, {(const uint8_t *)"#", 1}}};
    static const struct rule most[] = {{RULE_DENY, {(const uint8_t *)"s/secret", 8}}};
    rig_user(r, "ann", "pwd", some, 2, false);
    rig_user(r, "bob", "pwd", most, 1, true);
    rig_user(r, "root", "pwd", NULL, 0, true);
    struct peer *a = rig_connect(r, .id = "a", .clean = true, .user = "ann", .password = "pwd"),
                *b = rig_connect(r, .id = "b", .clean = true, .user = "bob", .password = "pwd"),
                *c = rig_connect(r, .id = "c", .clean = true, .user = "root", .password = "pwd"),
                *d = rig_connect(r, .id = "d", .clean = true, .user = "root", .password = "pwd");
    rig_send_subscribe(a, 1, "$share/g/t:1 $share/g/s/+:1 $share/t/u:0");
    rig_expect_suback(a, 1, "01 87 87");
    rig_subscribe(b, 1, "$share/g/s/+:1");
    rig_subscribe(c, 1, "$share/g/s/+:1");
    for (unsigned i = 0; i < 4; i++)
        rig_publish(d, "s/secret", numbered(i), 1, false);
    rig_expect_nothing(b);
    assert_row(c, 0, 4); /* passed over where it may not be seen */
    rig_publish(d, "s/else", "m0", 1, false);
    rig_publish(d, "s/else", "m1", 1, false);
    assert_int_equal(count(b), 1);
    assert_int_equal(count(c), 1);
    rig_drop(c);
    rig_publish(d, "s/secret", "m0", 1, false);
    rig_expect_nothing(b);
    assert_int_equal(dropped(r), 1);
}

static void few_subscriptions(struct limits *l)
{
    l->max_subscriptions = 3;
    l->max_topic_levels = 4;
}

static void limits_count(void **state)
{
    struct peer *a = rig_clean(*state, "a");
    rig_send_subscribe(a, 1, "$share/g/t:1 t:0 $share/h/1/2/3/4:0 $share/h/1/2/3/4/5:0");
    rig_expect_suback(a, 1, "01 00 00 8f");
    rig_send_subscribe(a, 2, "$share/h/t:1 $share/g/t:2 u:0");
    rig_expect_suback(a, 2, "97 02 97");
    rig_unsubscribe(a, 3, "$share/g/t");
    rig_subscribe(a, 4, "$share/h/t:1");
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST(members_take_turns),
        RIG_TEST_IN(members_speak_what_they_like, RIG_5),
        RIG_TEST(each_group_and_each_other_subscriber_gets_one),
        RIG_TEST(subscriptions_of_one_client_are_apart),
        RIG_TEST_IN(no_local_counts_for_ordinary_ones_only, RIG_5),
        RIG_TEST(member_gets_its_own_qos__MQTT5_4_8_2_3__MQTT5_3_8_4_8),
        RIG_TEST_IN(member_gets_what_it_asked_for, RIG_5),
        RIG_TEST_IN(member_has_its_maximum_packet_size, RIG_5),
        RIG_TEST_IN(identifiers_are_not_mixed, RIG_5),
        RIG_TEST(retained_messages_are_not_sent),
        RIG_TEST_IN(no_local_is_an_error__MQTT5_3_8_3_4, RIG_5),
        RIG_TEST(names_and_filters_have_their_form__MQTT5_4_8_2_1__MQTT5_4_8_2_2),
        RIG_TEST(filters_that_are_none),
        RIG_TEST(filters_match_as_ordinary_ones_do),
        RIG_TEST(subscribing_again_replaces),
        RIG_TEST(who_unsubscribes_gets_no_more),
        RIG_TEST(rights_count),
        RIG_TEST_LIMITS(limits_count, 0, few_subscriptions),
    };
    return RIG_MAIN(tests);
}
