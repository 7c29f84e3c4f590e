/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Clients of all versions on one listener: what crosses over, what can't, and sessions that change their version. */
#include "v5.h"

static const enum proto all[] = {PROTO_31, PROTO_311, PROTO_5};

static void everybody_to_everybody(void **state)
{
    struct rig *r = *state;
    struct peer *c[3];
    for (unsigned i = 0; i < 3; i++) {
        c[i] = rig_connect(r, .id = numbered(i), .proto = all[i]);
        rig_subscribe(c[i], 1, "t/+:2");
    }
    struct peer *p[3];
    for (unsigned i = 0; i < 3; i++)
        p[i] = rig_connect(r, .id = numbered(10 + i), .clean = true, .proto = all[i]);
    for (unsigned from = 0; from < 3; from++)
        for (uint8_t qos = 0; qos < 3; qos++) {
            rig_publish(p[from], "t/x", numbered(from), qos, qos == 1);
            for (unsigned to = 0; to < 3; to++)
                rig_take(c[to], "t/x", numbered(from), qos, false, false);
        }
    for (unsigned i = 0; i < 3; i++) {
        rig_subscribe(p[i], 2, "t/x:0");
        rig_take(p[i], "t/x", "m2", 0, false, true);
        rig_expect_nothing(c[i]);
    }
}

static void properties_stay_where_nobody_can_read_them(void **state)
{
    struct rig *r = *state;
    struct peer *old = rig_connect(r, .id = "old", .proto = PROTO_311), *p = rig_clean(r, "p");
    struct peer *new = rig_keep(r, "new");
    rig_subscribe(old, 1, "t:1");
    rig_subscribe(new, 1, "t:1");
    struct props props = {.has = RIG_HAS(CONTENT_TYPE) | RIG_HAS(MESSAGE_EXPIRY) | RIG_HAS(TOPIC_ALIAS),
                          .content_type = bytes_str("text"),
                          .message_expiry = 100,
                          .topic_alias = 5,
                          .raw = rig_user_props("a=b")};
    for (uint8_t qos = 0; qos < 2; qos++) {
        rig_send_publish_props(p, "t", "x", qos, true, qos, &props);
        rig_take(old, "t", "x", qos, false, false); /* the rig decodes it as 3.1.1 */
        rig_take(new, "t", "x", qos, false, false);
    }
    rig_run(r);
    rig_subscribe(old, 2, "t:1");
    rig_take(old, "t", "x", 1, false, true);
}

/* What a client of 3.x publishes has no properties, and what it asked for waits for it as 3.x wants. */
static void old_publisher(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *p = rig_connect(r, .id = "p", .clean = true, .proto = PROTO_311);
    rig_subscribe(a, 1, "t:2p");
    for (uint8_t qos = 0; qos < 2; qos++) {
        struct packet q;
        rig_publish(p, "t", "x", qos, qos > 0);
        expect_message(a, "t", "x", &q);
        assert_true(q.publish.props.has == 0);
        assert_int_equal(q.publish.retain, qos > 0);
        if (qos > 0)
            rig_send_ack(a, PACKET_PUBACK, q.publish.id);
    }
    rig_drop(
        rig_connect(r, .id = "q", .clean = true, .proto = PROTO_31, .will_topic = "t", .will = "w", .will_qos = 1));
    rig_take(a, "t", "w", 1, false, false);
}

static void session_of_3_goes_on_in_5(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_connect(r, .id = "a", .proto = PROTO_311), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:2");
    rig_publish(p, "t", "1", 2, false);
    uint16_t id = rig_expect_publish(a, "t", "1", 2, false, false);
    rig_drop(a);
    struct props props = {.has = RIG_HAS(CONTENT_TYPE), .content_type = bytes_str("text")};
    rig_send_publish_props(p, "t", "2", 1, false, 9, &props);
    rig_expect_ack(p, PACKET_PUBACK, 9);
    a = rig_connect(r, .id = "a", .props = EXPIRES(10), .present = true);
    assert_int_equal(rig_expect_publish(a, "t", "1", 2, true, false), id);
    rig_send_ack(a, PACKET_PUBREC, id);
    struct packet q;
    expect_message(a, "t", "2", &q);
    assert_text(q.publish.props.content_type, "text");
    rig_send_ack(a, PACKET_PUBACK, q.publish.id);
    rig_expect_ack(a, PACKET_PUBREL, id);
    rig_send_ack(a, PACKET_PUBCOMP, id);
    rig_run(r);
    rig_drop(a);
    rig_advance(r, 10 * SECOND); /* its expiry is what the last connection said */
    assert_false(rig_has_session(r, "a"));
}

static void session_of_5_goes_on_in_3(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_connect(r, .id = "a", .props = EXPIRES(100)), *p = rig_clean(r, "p");
    rig_send_subscribe_id(a, 1, "t:1np", 55);
    rig_expect_suback(a, 1, "01");
    rig_drop(a);
    struct props props = {.raw = rig_user_props("a=b")};
    rig_send_publish_props(p, "t", "1", 1, true, 9, &props);
    rig_expect_ack(p, PACKET_PUBACK, 9);
    a = rig_connect(r, .id = "a", .proto = PROTO_311, .present = true);
    rig_take(a, "t", "1", 1, false, true);
    rig_publish(a, "t", "own", 1, false); /* the subscription's options are the session's */
    rig_expect_nothing(a);
    rig_run(r);
    rig_drop(a);
    rig_advance(r, 1000 * SECOND); /* CleanSession 0: to the operator's limit */
    a = rig_connect(r, .id = "a", .props = EXPIRES(100), .present = true);
    rig_publish(p, "t", "2", 1, false);
    struct packet q;
    expect_message(a, "t", "2", &q);
    rig_expect_sub_ids(&q.publish.props, "55");
}

static void clean_connection_of_3_ends_a_session_of_5(void **state)
{
    struct rig *r = *state;
    rig_drop(rig_connect(r, .id = "a", .props = EXPIRES(100)));
    rig_drop(rig_connect(r, .id = "a", .clean = true, .proto = PROTO_311));
    assert_false(rig_has_session(r, "a"));
}

static void takeover_between_versions__MQTT5_3_1_4_3(void **state)
{
    struct rig *r = *state;
    for (unsigned first = 0; first < 3; first++)
        for (unsigned second = 0; second < 3; second++) {
            struct peer *a = rig_connect(r, .id = "a", .proto = all[first]);
            struct peer *b = rig_connect(r, .id = "a", .proto = all[second], .present = true);
            rig_expect_ended(a, REASON_SESSION_TAKEN_OVER); /* nothing for 3.x */
            rig_expect_nothing(b);
            rig_disconnect(b);
            rig_disconnect(rig_connect(r, .id = "a", .clean = true, .proto = PROTO_311));
        }
}

static void will_waits_for_a_client_that_comes_back_in_3(void **state)
{
    struct rig *r = *state;
    struct peer *w = rig_connect(r, .id = "w", .clean = true, .proto = PROTO_311);
    rig_subscribe(w, 1, "will:2");
    const struct rig_connect how = {
        .id = "a", .will_topic = "will", .will = "x", .will_qos = 2, .will_props = NUMBER(WILL_DELAY, will_delay, 10)};
    struct peer *a = rig_connect_at(r, &how, __FILE__, __LINE__);
    rig_drop(a);
    rig_advance(r, 9 * SECOND);
    rig_drop(rig_connect(r, .id = "a", .proto = PROTO_311, .present = true));
    rig_advance(r, 100 * SECOND);
    rig_expect_nothing(w);
    rig_disconnect(rig_connect(r, .id = "a", .clean = true, .proto = PROTO_311));
    rig_drop(rig_connect_at(r, &how, __FILE__, __LINE__));
    rig_advance(r, 10 * SECOND);
    rig_take(w, "will", "x", 2, false, false);
}

/* Windows are each version's own: max_inflight for 3.x, the client's receive maximum for 5.0. */
static void windows_change_with_the_version(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_connect(r, .id = "a", .proto = PROTO_311), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:1");
    for (unsigned i = 0; i < 50; i++)
        rig_publish(p, "t", numbered(i), 1, false);
    for (unsigned i = 0; i < 20; i++)
        rig_expect_publish(a, "t", numbered(i), 1, false, false);
    rig_expect_nothing(a);
    a = rig_connect(r, .id = "a", .props = KEPT_WINDOW(5), .present = true);
    uint16_t id = 0;
    for (unsigned i = 0; i < 5; i++) {
        uint16_t this = rig_expect_publish(a, "t", numbered(i), 1, true, false);
        id = i == 0 ? this : id;
    }
    rig_expect_nothing(a);
    rig_send_ack(a, PACKET_PUBACK, id);
    rig_expect_publish(a, "t", "m5", 1, true, false);
    rig_expect_nothing(a);
    a = rig_connect(r, .id = "a", .props = KEPT_WINDOW(40), .present = true);
    for (unsigned i = 1; i < 41; i++)
        rig_expect_publish(a, "t", numbered(i), 1, i < 20, false);
    rig_expect_nothing(a);
    a = rig_connect(r, .id = "a", .proto = PROTO_31, .present = true);
    for (unsigned i = 1; i < 50; i++) {
        struct packet q;
        expect_message(a, "t", numbered(i), &q);
        assert_int_equal(q.publish.dup, i < 41);
        rig_send_ack(a, PACKET_PUBACK, q.publish.id);
    }
    rig_expect_nothing(a);
}

/* A message that came with an identifier in 5.0 comes again without it in 3.x, and the other way round. */
static void repetition_in_another_version(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *p = rig_clean(r, "p");
    rig_send_subscribe_id(a, 1, "t:2", 7);
    rig_expect_suback(a, 1, "02");
    rig_publish(p, "t", "x", 2, false);
    uint16_t id = rig_expect_publish(a, "t", "x", 2, false, false);
    for (unsigned i = 0; i < 4; i++) {
        rig_drop(a);
        a = rig_connect(r, .id = "a", .proto = i % 2 == 0 ? PROTO_311 : PROTO_5, .present = true);
        struct packet q;
        expect_message(a, "t", "x", &q);
        assert_true(q.publish.dup && q.publish.id == id);
        if (a->proto == PROTO_5)
            rig_expect_sub_ids(&q.publish.props, "7");
    }
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST_IN(everybody_to_everybody, RIG_5),
        RIG_TEST_IN(properties_stay_where_nobody_can_read_them, RIG_5),
        RIG_TEST_IN(old_publisher, RIG_5),
        RIG_TEST_IN(session_of_3_goes_on_in_5, RIG_5),
        RIG_TEST_IN(session_of_5_goes_on_in_3, RIG_5),
        RIG_TEST_IN(clean_connection_of_3_ends_a_session_of_5, RIG_5),
        RIG_TEST_IN(takeover_between_versions__MQTT5_3_1_4_3, RIG_5),
        RIG_TEST_IN(will_waits_for_a_client_that_comes_back_in_3, RIG_5),
        RIG_TEST_IN(windows_change_with_the_version, RIG_5),
        RIG_TEST_IN(repetition_in_another_version, RIG_5),
    };
    return RIG_MAIN(tests);
}
