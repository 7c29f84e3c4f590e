/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Subscription options and subscription identifiers. */
#include "v5.h"

static void subscribe_id(struct peer *c, const char *filters, uint32_t sub_id)
{
    struct packet p;
    rig_send_subscribe_id(c, 99, filters, sub_id);
    rig_expect_packet(c, PACKET_SUBACK, &p);
    for (size_t i = 0; i < p.suback.codes.n; i++)
        assert_in_range(p.suback.codes.p[i], 0, 2);
}

/* Takes a message with these identifiers. */
static void take_ids_at(struct peer *c, const char *topic, uint8_t qos, const char *ids, const char *file, int line)
{
    struct packet p;
    expect_message_at(c, topic, "x", &p, file, line);
    rig_expect_sub_ids_at(&p.publish.props, ids, file, line);
    if (p.publish.qos != qos)
        rig_expect_publish_at(c, topic, "x", qos, false, false, file, line);
    if (qos == 1)
        rig_send_ack(c, PACKET_PUBACK, p.publish.id);
    rig_run(c->rig);
}
#define take_ids(c, topic, qos, ids) take_ids_at((c), (topic), (qos), (ids), __FILE__, __LINE__)

/* -------------------------------------------------------- no local */

static void own_messages_stay_away__MQTT5_3_8_3_3(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *b = rig_clean(r, "b"), *w = rig_clean(r, "w");
    rig_subscribe(a, 1, "t:2n");
    rig_subscribe(w, 1, "t:2");
    for (uint8_t qos = 0; qos < 3; qos++) {
        rig_publish(a, "t", "of a", qos, false);
        rig_take(w, "t", "of a", qos, false, false);
        rig_expect_nothing(a);
        rig_publish(b, "t", "of b", qos, false);
        rig_take(w, "t", "of b", qos, false, false);
        rig_take(a, "t", "of b", qos, false, false);
    }
}

/* The session remembers, and so does what it published before it went away. */
static void own_messages_stay_away_from_a_resumed_session(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:1n");
    rig_publish(a, "t", "own", 1, false);
    rig_drop(a);
    rig_publish(p, "t", "other", 1, false);
    a = rig_resume(r, "a");
    rig_take(a, "t", "other", 1, false, false);
    rig_publish(a, "t", "own", 1, false);
    rig_expect_nothing(a);
}

static void another_subscription_may_want_them(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a");
    rig_subscribe(a, 1, "t/1:1n t/+:1");
    rig_send_publish(a, "t/1", "x", 1, false, 1);
    rig_expect_publish(a, "t/1", "x", 1, false, false);
    rig_expect_ack(a, PACKET_PUBACK, 1);
    rig_expect_nothing(a);
}

static void own_will_is_a_message_like_others(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_connect(r, .id = "a", .will_topic = "will", .will = "x", .will_qos = 1);
    rig_subscribe(a, 1, "will:1n");
    rig_drop(a);
    a = rig_resume(r, "a"); /* published by that client id */
    rig_expect_nothing(a);
}

static void no_local_says_nothing_about_retained(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *b = rig_clean(r, "b");
    rig_publish(b, "t", "of b", 1, true);
    rig_subscribe(a, 1, "t:1n");
    rig_take(a, "t", "of b", 1, false, true);
}

/* ---------------------------------------------- retain as published */

static void retain_as_published__MQTT5_3_3_1_12__MQTT5_3_3_1_13(void **state)
{
    struct rig *r = *state;
    struct peer *plain = rig_clean(r, "plain"), *as = rig_clean(r, "as"), *p = rig_clean(r, "p");
    rig_subscribe(plain, 1, "t:2");
    rig_subscribe(as, 1, "t:2p");
    for (uint8_t qos = 0; qos < 3; qos++)
        for (unsigned retain = 0; retain < 2; retain++) {
            rig_publish(p, "t", "x", qos, retain != 0);
            rig_take(plain, "t", "x", qos, false, false);
            rig_take(as, "t", "x", qos, false, retain != 0);
        }
    rig_publish(p, "t", "", 1, true);
    rig_take(plain, "t", "", 1, false, false);
    rig_take(as, "t", "", 1, false, true);
}

static void retain_as_published_waits_in_the_queue__MQTT5_3_3_1_13(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:1p");
    rig_drop(a);
    rig_publish(p, "t", "1", 1, true);
    rig_publish(p, "t", "2", 1, false);
    a = rig_resume(r, "a");
    rig_take(a, "t", "1", 1, false, true);
    rig_take(a, "t", "2", 1, false, false);
    rig_expect_nothing(a);
}

/* --------------------------------------------------- retain handling */

static void handling_0_each_time__MQTT5_3_3_1_9__MQTT5_3_8_4_4(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *p = rig_clean(r, "p");
    rig_publish(p, "r/1", "x", 1, true);
    rig_publish(p, "r/2", "x", 1, true);
    for (uint16_t i = 1; i < 4; i++) {
        rig_subscribe(a, i, "r/1:1");
        rig_take(a, "r/1", "x", 1, false, true);
        rig_subscribe(a, i, "r/+:10");
        struct packet q;
        unsigned n = 0;
        for (; rig_next(a, &q); n++)
            rig_send_ack(a, PACKET_PUBACK, q.publish.id);
        assert_int_equal(n, 2);
    }
}

static void handling_1_when_it_is_new__MQTT5_3_3_1_10(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *p = rig_clean(r, "p");
    rig_publish(p, "r", "x", 1, true);
    rig_subscribe(a, 1, "r:11");
    rig_take(a, "r", "x", 1, false, true);
    rig_subscribe(a, 2, "r:21");
    rig_expect_nothing(a);
    rig_run(r);
    rig_drop(a);
    a = rig_resume(r, "a");
    rig_subscribe(a, 3, "r:11"); /* it exists in the session */
    rig_expect_nothing(a);
    rig_unsubscribe(a, 4, "r");
    rig_subscribe(a, 5, "r:11");
    rig_take(a, "r", "x", 1, false, true);
    rig_subscribe(a, 6, "r:10"); /* with 0 it comes again */
    rig_take(a, "r", "x", 1, false, true);
    rig_subscribe(a, 7, "+:11"); /* another filter is another subscription */
    rig_take(a, "r", "x", 1, false, true);
}

static void handling_2_never__MQTT5_3_3_1_11(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *p = rig_clean(r, "p");
    rig_publish(p, "r", "x", 1, true);
    rig_subscribe(a, 1, "r:12");
    rig_expect_nothing(a);
    rig_subscribe(a, 2, "r:12");
    rig_expect_nothing(a);
    rig_publish(p, "r", "live", 1, true);
    rig_take(a, "r", "live", 1, false, false);
}

static void each_filter_has_its_own_handling(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *p = rig_clean(r, "p");
    rig_publish(p, "0", "x", 1, true);
    rig_publish(p, "1", "x", 1, true);
    rig_publish(p, "2", "x", 1, true);
    rig_subscribe(a, 1, "1:1");
    rig_take(a, "1", "x", 1, false, true);
    rig_subscribe(a, 2, "0:10 1:11 2:12");
    rig_take(a, "0", "x", 1, false, true);
    rig_expect_nothing(a);
}

/* Whatever retain-as-published says: a retained message that a subscription brings has RETAIN. */
static void replayed_ones_are_retained(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a");
    rig_publish(a, "r", "x", 1, true);
    rig_subscribe(a, 1, "r:1p");
    rig_take(a, "r", "x", 1, false, true);
    rig_subscribe(a, 2, "r:1");
    rig_take(a, "r", "x", 1, false, true);
}

/* ------------------------------------------------------- identifiers */

static void identifier_comes_with_each_message__MQTT5_3_3_4_3(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *b = rig_clean(r, "b"), *p = rig_clean(r, "p");
    subscribe_id(a, "t/1:1 t/2:0", 1);
    subscribe_id(b, "t/#:1", 268435455);
    rig_publish(p, "t/1", "x", 1, false);
    take_ids(a, "t/1", 1, "1");
    take_ids(b, "t/1", 1, "268435455");
    rig_publish(p, "t/2", "x", 0, false);
    take_ids(a, "t/2", 0, "1");
    take_ids(b, "t/2", 0, "268435455");
    rig_publish(p, "t/3", "x", 0, false);
    take_ids(b, "t/3", 0, "268435455");
}

static void all_that_match_come__MQTT5_3_3_4_3__MQTT5_3_3_4_4__MQTT5_3_3_4_2(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *p = rig_clean(r, "p");
    subscribe_id(a, "t/1:0", 10);
    subscribe_id(a, "t/+:1", 200);
    subscribe_id(a, "#:0", 30000);
    rig_subscribe(a, 1, "+/1:0");
    subscribe_id(a, "other:2", 4);
    rig_publish(p, "t/1", "x", 2, false);
    take_ids(a, "t/1", 1, "10 200 30000");
    rig_publish(p, "t/2", "x", 0, false);
    take_ids(a, "t/2", 0, "200 30000");
    rig_publish(p, "u/1", "x", 1, false);
    take_ids(a, "u/1", 0, "30000");
    rig_unsubscribe(a, 2, "#");
    rig_publish(p, "u/1", "x", 1, false);
    take_ids(a, "u/1", 0, "");
}

/* Two subscriptions may have one identifier: once or twice is the server's choice. */
static void shared_identifier(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *p = rig_clean(r, "p");
    subscribe_id(a, "t/1:1 t/+:1", 7);
    rig_publish(p, "t/1", "x", 0, false);
    struct packet q;
    expect_message(a, "t/1", "x", &q);
    assert_in_range(q.publish.props.sub_id_count, 1, 2);
    struct rd rd = rd_of(q.publish.props.raw);
    struct prop_item item;
    while (prop_next(&rd, &item))
        assert_true(item.id == PROP_SUBSCRIPTION_ID && item.num == 7);
    rig_expect_nothing(a);
}

static void replaced_with_the_subscription__MQTT5_3_8_4_3(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *p = rig_clean(r, "p");
    subscribe_id(a, "t:1", 1);
    subscribe_id(a, "t:1", 2);
    rig_publish(p, "t", "x", 0, false);
    take_ids(a, "t", 0, "2");
    rig_subscribe(a, 1, "t:1");
    rig_publish(p, "t", "x", 0, false);
    take_ids(a, "t", 0, "");
    subscribe_id(a, "t:1np2", 3);
    rig_publish(p, "t", "x", 0, false);
    take_ids(a, "t", 0, "3");
    rig_publish(a, "t", "x", 0, false);
    rig_expect_nothing(a);
    rig_subscribe(a, 2, "t:1"); /* and the options with it */
    rig_publish(a, "t", "x", 0, false);
    take_ids(a, "t", 0, "");
}

static void identifiers_are_kept_with_the_session(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *p = rig_clean(r, "p");
    subscribe_id(a, "t/1:1", 5);
    subscribe_id(a, "t/+:0", 6);
    rig_drop(a);
    rig_publish(p, "t/1", "x", 1, false);
    a = rig_resume(r, "a");
    take_ids(a, "t/1", 1, "5 6");
    rig_publish(p, "t/1", "x", 1, false);
    take_ids(a, "t/1", 1, "5 6");
}

static void retained_messages_have_that_of_their_subscription(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *p = rig_clean(r, "p");
    rig_publish(p, "r", "x", 1, true);
    subscribe_id(a, "r:1", 77);
    struct packet q;
    expect_message(a, "r", "x", &q);
    assert_true(q.publish.retain);
    rig_expect_sub_ids(&q.publish.props, "77");
}

static void identifiers_and_user_properties_together(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *p = rig_clean(r, "p");
    subscribe_id(a, "t:1", 128);
    struct props props = {.has = RIG_HAS(CONTENT_TYPE), .content_type = bytes_str("c")};
    props.raw = rig_user_props("a=1 b=2 a=3");
    for (uint8_t qos = 0; qos < 2; qos++) {
        rig_send_publish_props(p, "t", "x", qos, false, qos, &props);
        struct packet q;
        expect_message(a, "t", "x", &q);
        rig_expect_sub_ids(&q.publish.props, "128");
        rig_expect_user_props(&q.publish.props, "a=1 b=2 a=3");
        assert_text(q.publish.props.content_type, "c");
    }
}

/* ------------------------------------------------------------ codes */

static void bad_filters_have_codes_of_their_own__MQTT5_3_8_4_7__MQTT5_3_9_3_2(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a");
    rig_send_subscribe(a, 1, "a#:1 good:1 #/a:1 +a:0 a/+b/c:2 also/good:2");
    rig_expect_suback(a, 1, "8f 01 8f 8f 8f 02");
    assert_int_equal(rig_stats(r).subscriptions, 2);
    rig_send_subscribe(a, 2, ":1");
    rig_run(r);
    if (a->client != NULL) { /* an empty filter is either */
        rig_expect_suback(a, 2, "8f");
    } else {
        ends_with_an_error(a);
    }
}

static void unsubscribe_has_codes__MQTT5_3_11_3_1__MQTT5_3_11_3_2(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a");
    rig_subscribe(a, 1, "a:1 b:1 c/#:1");
    rig_send_unsubscribe(a, 2, "a x b a a# c/#");
    rig_expect_unsuback(a, 2, "00 11 00 11 8f 00");
    assert_int_equal(rig_stats(r).subscriptions, 0);
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST_IN(own_messages_stay_away__MQTT5_3_8_3_3, RIG_5),
        RIG_TEST_IN(own_messages_stay_away_from_a_resumed_session, RIG_5),
        RIG_TEST_IN(another_subscription_may_want_them, RIG_5),
        RIG_TEST_IN(own_will_is_a_message_like_others, RIG_5),
        RIG_TEST_IN(no_local_says_nothing_about_retained, RIG_5),
        RIG_TEST_IN(retain_as_published__MQTT5_3_3_1_12__MQTT5_3_3_1_13, RIG_5),
        RIG_TEST_IN(retain_as_published_waits_in_the_queue__MQTT5_3_3_1_13, RIG_5),
        RIG_TEST_IN(handling_0_each_time__MQTT5_3_3_1_9__MQTT5_3_8_4_4, RIG_5),
        RIG_TEST_IN(handling_1_when_it_is_new__MQTT5_3_3_1_10, RIG_5),
        RIG_TEST_IN(handling_2_never__MQTT5_3_3_1_11, RIG_5),
        RIG_TEST_IN(each_filter_has_its_own_handling, RIG_5),
        RIG_TEST_IN(replayed_ones_are_retained, RIG_5),
        RIG_TEST_IN(identifier_comes_with_each_message__MQTT5_3_3_4_3, RIG_5),
        RIG_TEST_IN(all_that_match_come__MQTT5_3_3_4_3__MQTT5_3_3_4_4__MQTT5_3_3_4_2, RIG_5),
        RIG_TEST_IN(shared_identifier, RIG_5),
        RIG_TEST_IN(replaced_with_the_subscription__MQTT5_3_8_4_3, RIG_5),
        RIG_TEST_IN(identifiers_are_kept_with_the_session, RIG_5),
        RIG_TEST_IN(retained_messages_have_that_of_their_subscription, RIG_5),
        RIG_TEST_IN(identifiers_and_user_properties_together, RIG_5),
        RIG_TEST_IN(bad_filters_have_codes_of_their_own__MQTT5_3_8_4_7__MQTT5_3_9_3_2, RIG_5),
        RIG_TEST_IN(unsubscribe_has_codes__MQTT5_3_11_3_1__MQTT5_3_11_3_2, RIG_5),
    };
    return RIG_MAIN(tests);
}
