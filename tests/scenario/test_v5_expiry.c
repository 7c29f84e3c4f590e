/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The message expiry interval: counted down wherever a message waits, and never delivered late. */
#include "v5.h"

static void send_expiring(struct peer *p, const char *topic, const char *payload, uint8_t qos, bool retain,
                          uint32_t seconds)
{
    static uint16_t last;
    uint16_t id = qos > 0 ? ++last : 0;
    rig_send_publish_props(p, topic, payload, qos, retain, id, MESSAGE_EXPIRES(seconds));
    if (qos > 0)
        rig_expect_ack(p, qos == 1 ? PACKET_PUBACK : PACKET_PUBREC, id);
    rig_run(p->rig);
}

/* Takes it and says what is left. */
static uint32_t left_of(struct peer *c, const char *topic, const char *payload)
{
    struct packet p;
    expect_message(c, topic, payload, &p);
    assert_true(props_has(&p.publish.props, PROP_MESSAGE_EXPIRY));
    uint32_t left = p.publish.props.message_expiry;
    if (p.publish.qos == 1)
        rig_send_ack(c, PACKET_PUBACK, p.publish.id);
    rig_run(c->rig);
    return left;
}

static void at_once_it_is_what_was_sent__MQTT5_3_3_2_6(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:1");
    static const uint32_t values[] = {1, 10, 65536, 0x7fffffff, 0xffffffff};
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
        for (uint8_t qos = 0; qos < 2; qos++) {
            send_expiring(p, "t", "x", qos, false, values[i]);
            assert_int_equal(left_of(a, "t", "x"), values[i]);
        }
}

static void it_counts_down_in_the_queue__MQTT5_3_3_2_6__MQTT5_3_3_2_5(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:1");
    rig_drop(a);
    send_expiring(p, "t", "5", 1, false, 5);
    send_expiring(p, "t", "10", 1, false, 10);
    rig_advance(r, 2 * SECOND);
    send_expiring(p, "t", "20", 1, false, 20);
    rig_publish(p, "t", "for ever", 1, false);
    rig_advance(r, 4 * SECOND);
    a = rig_resume(r, "a");
    assert_int_equal(left_of(a, "t", "10"), 4);
    assert_int_equal(left_of(a, "t", "20"), 16);
    struct packet q;
    expect_message(a, "t", "for ever", &q);
    assert_false(props_has(&q.publish.props, PROP_MESSAGE_EXPIRY));
    rig_send_ack(a, PACKET_PUBACK, q.publish.id);
    rig_expect_nothing(a);
    assert_int_equal(rig_rows(r), 0);
}

static void it_ends_on_the_second__MQTT5_3_3_2_5(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, "p");
    for (unsigned late = 0; late < 2; late++) {
        struct peer *a = rig_connect(r, .id = "a", .clean = true, .props = EXPIRES(1000));
        rig_subscribe(a, 1, "t:1");
        rig_drop(a);
        send_expiring(p, "t", "x", 1, false, 10);
        rig_advance(r, 10 * SECOND - 1 + late);
        a = rig_connect(r, .id = "a", .props = EXPIRES(1000), .present = true);
        if (late == 0)
            assert_in_range(left_of(a, "t", "x"), 0, 1);
        rig_expect_nothing(a);
        assert_int_equal(rig_rows(r), 0);
    }
}

static void behind_a_used_up_quota__MQTT5_3_3_2_5__MQTT5_3_3_2_6(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_connect(r, .id = "a", .clean = true, .props = KEPT_WINDOW(1)), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:2");
    rig_publish(p, "t", "first", 1, false);
    send_expiring(p, "t", "5", 1, false, 5);
    send_expiring(p, "t", "6", 2, false, 6);
    send_expiring(p, "t", "7", 0, false, 7);
    send_expiring(p, "t", "60", 1, false, 60);
    rig_publish(p, "t", "last", 1, false);
    uint16_t id = rig_expect_publish(a, "t", "first", 1, false, false);
    rig_advance(r, 10 * SECOND);
    rig_expect_nothing(a);
    rig_send_ack(a, PACKET_PUBACK, id);
    assert_int_equal(left_of(a, "t", "60"), 50);
    rig_take(a, "t", "last", 1, false, false);
    rig_expect_nothing(a);
    assert_int_equal(rig_rows(r), 0);
}

static void zero_is_for_those_who_are_there(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:1");
    rig_drop(a);
    send_expiring(p, "t", "x", 1, false, 0);
    rig_advance(r, 1);
    a = rig_resume(r, "a");
    rig_expect_nothing(a);
}

/* What was sent once is the client's to finish: it comes again however long that takes. */
static void started_deliveries_do_not_expire__MQTT5_4_3_3_7(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:2");
    send_expiring(p, "t", "1", 1, false, 5);
    send_expiring(p, "t", "2", 2, false, 5);
    uint16_t one = rig_expect_publish(a, "t", "1", 1, false, false);
    uint16_t two = rig_expect_publish(a, "t", "2", 2, false, false);
    rig_drop(a);
    rig_advance(r, 60 * SECOND);
    a = rig_resume(r, "a");
    assert_int_equal(rig_expect_publish(a, "t", "1", 1, true, false), one);
    assert_int_equal(rig_expect_publish(a, "t", "2", 2, true, false), two);
    rig_send_ack(a, PACKET_PUBACK, one);
    rig_send_ack(a, PACKET_PUBREC, two);
    rig_expect_ack(a, PACKET_PUBREL, two);
    rig_advance(r, 60 * SECOND);
    rig_send_ack(a, PACKET_PUBCOMP, two);
    rig_expect_nothing(a);
    assert_int_equal(rig_rows(r), 0);
}

static void exchange_with_the_publisher_goes_on__MQTT5_4_3_3_13(void **state)
{
    struct rig *r = *state;
    struct peer *w = rig_keep(r, "w"), *p = rig_keep(r, "p");
    rig_subscribe(w, 1, "t:2");
    rig_drop(w);
    rig_send_publish_props(p, "t", "x", 2, false, 7, MESSAGE_EXPIRES(1));
    rig_expect_reason(p, PACKET_PUBREC, 7, REASON_SUCCESS);
    rig_advance(r, 10 * SECOND);
    rig_drop(p);
    p = rig_resume(r, "p");
    rig_send_ack(p, PACKET_PUBREL, 7);
    rig_expect_reason(p, PACKET_PUBCOMP, 7, REASON_SUCCESS);
    w = rig_resume(r, "w");
    rig_expect_nothing(w);
}

static void retained_ones_count_down_and_end__MQTT5_3_3_2_5__MQTT5_3_3_2_6(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, "p"), *a = rig_clean(r, "a");
    send_expiring(p, "r/1", "ten", 1, true, 10);
    send_expiring(p, "r/2", "hundred", 0, true, 100);
    rig_publish(p, "r/3", "ever", 1, true);
    rig_advance(r, 4 * SECOND);
    rig_subscribe(a, 1, "r/1:1");
    assert_int_equal(left_of(a, "r/1", "ten"), 6);
    rig_advance(r, 6 * SECOND);
    rig_subscribe(a, 2, "r/1:1");
    rig_expect_nothing(a);
    rig_subscribe(a, 3, "r/2:1");
    assert_int_equal(left_of(a, "r/2", "hundred"), 90);
    rig_advance(r, 1000 * SECOND);
    rig_subscribe(a, 4, "r/#:1");
    rig_take(a, "r/3", "ever", 1, false, true);
    rig_expect_nothing(a);
    send_expiring(p, "r/1", "new", 1, true, 10); /* the topic is not spoiled */
    assert_int_equal(left_of(a, "r/1", "new"), 10);
    rig_subscribe(a, 5, "r/1:1");
    assert_int_equal(left_of(a, "r/1", "new"), 10);
}

static void retained_one_is_replaced_with_its_own_time(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, "p"), *a = rig_clean(r, "a");
    send_expiring(p, "r", "short", 1, true, 10);
    rig_publish(p, "r", "long", 1, true);
    rig_advance(r, 100 * SECOND);
    rig_subscribe(a, 1, "r:0");
    rig_take(a, "r", "long", 0, false, true);
    send_expiring(p, "r", "short again", 1, true, 10);
    left_of(a, "r", "short again");
    rig_advance(r, 11 * SECOND);
    rig_subscribe(a, 2, "r:0");
    rig_expect_nothing(a);
}

static void one_retained(struct limits *l)
{
    l->max_retained_messages = 1;
}

/* An expired one takes nobody's place. */
static void expired_retained_ones_are_gone(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, "p"), *a = rig_clean(r, "a");
    send_expiring(p, "r/1", "x", 1, true, 10);
    rig_advance(r, 11 * SECOND);
    rig_publish(p, "r/2", "y", 1, true);
    rig_subscribe(a, 1, "r/+:0");
    rig_take(a, "r/2", "y", 0, false, true);
    rig_expect_nothing(a);
}

static void clients_of_3_are_spared_old_news(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_connect(r, .id = "a", .proto = PROTO_311), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:1");
    send_expiring(p, "t", "in time", 1, false, 10);
    rig_take(a, "t", "in time", 1, false, false);
    rig_run(r);
    rig_drop(a);
    send_expiring(p, "t", "late", 1, false, 10);
    send_expiring(p, "t", "in time again", 1, false, 100);
    rig_advance(r, 50 * SECOND);
    a = rig_connect(r, .id = "a", .proto = PROTO_311, .present = true);
    rig_take(a, "t", "in time again", 1, false, false);
    rig_expect_nothing(a);
}

/* The queue's limits count what is there, not what has expired in front of it. */
static void expired_ones_are_counted_as_dropped_or_not_at_all(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:1");
    rig_drop(a);
    for (unsigned i = 0; i < 100; i++)
        send_expiring(p, "t", numbered(i), 1, false, 1 + i % 2 * 100);
    rig_advance(r, 50 * SECOND);
    a = rig_resume(r, "a");
    for (unsigned i = 1; i < 100; i += 2)
        assert_int_equal(left_of(a, "t", numbered(i)), 51);
    rig_expect_nothing(a);
    assert_int_equal(rig_rows(r), 0);
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST_IN(at_once_it_is_what_was_sent__MQTT5_3_3_2_6, RIG_5),
        RIG_TEST_IN(it_counts_down_in_the_queue__MQTT5_3_3_2_6__MQTT5_3_3_2_5, RIG_5),
        RIG_TEST_IN(it_ends_on_the_second__MQTT5_3_3_2_5, RIG_5),
        RIG_TEST_IN(behind_a_used_up_quota__MQTT5_3_3_2_5__MQTT5_3_3_2_6, RIG_5),
        RIG_TEST_IN(zero_is_for_those_who_are_there, RIG_5),
        RIG_TEST_IN(started_deliveries_do_not_expire__MQTT5_4_3_3_7, RIG_5),
        RIG_TEST_IN(exchange_with_the_publisher_goes_on__MQTT5_4_3_3_13, RIG_5),
        RIG_TEST_IN(retained_ones_count_down_and_end__MQTT5_3_3_2_5__MQTT5_3_3_2_6, RIG_5),
        RIG_TEST_IN(retained_one_is_replaced_with_its_own_time, RIG_5),
        RIG_TEST_LIMITS(expired_retained_ones_are_gone, RIG_5, one_retained),
        RIG_TEST_IN(clients_of_3_are_spared_old_news, RIG_5),
        RIG_TEST_IN(expired_ones_are_counted_as_dropped_or_not_at_all, RIG_5),
    };
    return RIG_MAIN(tests);
}
