/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The will of 5.0: its delay, what ends that early, what calls it off, and what a DISCONNECT says about it. */
#include "v5.h"

static struct peer *watcher(struct rig *r)
{
    struct peer *w = rig_clean(r, "watcher");
    rig_subscribe(w, 1, "will:2");
    return w;
}

static struct peer *dying(struct rig *r, uint32_t session, uint32_t delay)
{
    return rig_connect(r, .id = "dying", .clean = true, .will_topic = "will", .will = "gone", .will_qos = 1,
                       .props = EXPIRES(session), .will_props = NUMBER(WILL_DELAY, will_delay, delay));
}

static void expect_will(struct peer *w)
{
    rig_take(w, "will", "gone", 1, false, false);
    rig_expect_nothing(w);
}

static void it_comes_after_its_delay__MQTT5_3_1_2_8__MQTT5_3_1_2_7(void **state)
{
    struct rig *r = *state;
    struct peer *w = watcher(r);
    rig_drop(dying(r, 1000, 10));
    rig_advance(r, 10 * SECOND - 1);
    rig_expect_nothing(w);
    rig_advance(r, 1);
    expect_will(w);
    rig_advance(r, 2000 * SECOND); /* and not again with the session's end */
    rig_expect_nothing(w);
}

static void no_delay_is_at_once(void **state)
{
    struct rig *r = *state;
    struct peer *w = watcher(r);
    rig_drop(dying(r, 1000, 0));
    expect_will(w);
}

static void session_end_is_the_latest__MQTT5_3_1_2_8(void **state)
{
    struct rig *r = *state;
    struct peer *w = watcher(r);
    rig_drop(dying(r, 5, 10));
    rig_advance(r, 5 * SECOND - 1);
    rig_expect_nothing(w);
    rig_advance(r, 1);
    expect_will(w);
    rig_advance(r, 100 * SECOND);
    rig_expect_nothing(w);
    rig_drop(dying(r, 0, 10));
    expect_will(w);
}

static void coming_back_in_time_calls_it_off__MQTT5_3_1_3_9__MQTT5_3_1_2_8(void **state)
{
    struct rig *r = *state;
    struct peer *w = watcher(r);
    rig_drop(dying(r, 1000, 10));
    rig_advance(r, 10 * SECOND - 1);
    struct peer *c = rig_connect(r, .id = "dying", .props = EXPIRES(1000), .present = true);
    rig_advance(r, 100 * SECOND);
    rig_expect_nothing(w);
    rig_drop(c); /* the new connection had none */
    rig_advance(r, 100 * SECOND);
    rig_expect_nothing(w);
}

static void new_connection_has_its_own_will(void **state)
{
    struct rig *r = *state;
    struct peer *w = watcher(r);
    rig_drop(dying(r, 1000, 10));
    rig_advance(r, 5 * SECOND);
    rig_drop(rig_connect(r, .id = "dying", .props = EXPIRES(1000), .present = true, .will_topic = "will",
                         .will = "other", .will_props = NUMBER(WILL_DELAY, will_delay, 20)));
    rig_advance(r, 20 * SECOND - 1);
    rig_expect_nothing(w);
    rig_advance(r, 1);
    rig_take(w, "will", "other", 0, false, false);
    rig_expect_nothing(w);
}

/* A clean start ends the session, and with it the delay. */
static void clean_start_does_not_call_it_off__MQTT5_3_1_2_8(void **state)
{
    struct rig *r = *state;
    struct peer *w = watcher(r);
    rig_drop(dying(r, 1000, 10));
    rig_advance(r, 5 * SECOND);
    struct peer *c = rig_connect(r, .id = "dying", .clean = true, .props = EXPIRES(1000));
    expect_will(w);
    rig_advance(r, 100 * SECOND);
    rig_expect_nothing(w);
    rig_disconnect(c);
}

static void takeover_in_the_session_calls_it_off__MQTT5_3_1_3_9(void **state)
{
    struct rig *r = *state;
    struct peer *w = watcher(r), *a = dying(r, 1000, 10);
    struct peer *b = rig_connect(r, .id = "dying", .props = EXPIRES(1000), .present = true);
    rig_expect_ended(a, REASON_SESSION_TAKEN_OVER);
    rig_advance(r, 100 * SECOND);
    rig_expect_nothing(w);
    rig_expect_nothing(b);
    rig_disconnect(b);
    a = dying(r, 1000, 0); /* without a delay there is no time to call it off */
    b = rig_connect(r, .id = "dying", .props = EXPIRES(1000), .present = true);
    rig_expect_ended(a, REASON_SESSION_TAKEN_OVER);
    expect_will(w);
    rig_disconnect(b);
}

static void disconnect_with_it_publishes_it(void **state)
{
    struct rig *r = *state;
    struct peer *w = watcher(r), *c = dying(r, 1000, 0);
    rig_send_disconnect(c, REASON_DISCONNECT_WITH_WILL, NULL);
    rig_expect_closed(c);
    expect_will(w);
    c = dying(r, 1000, 10); /* after its delay */
    rig_send_disconnect(c, REASON_DISCONNECT_WITH_WILL, NULL);
    rig_expect_closed(c);
    rig_advance(r, 10 * SECOND - 1);
    rig_expect_nothing(w);
    rig_advance(r, 1);
    expect_will(w);
    c = dying(r, 1000, 10); /* the session's end was brought forward */
    rig_send_disconnect(c, REASON_DISCONNECT_WITH_WILL, EXPIRES(3));
    rig_expect_closed(c);
    rig_advance(r, 3 * SECOND);
    expect_will(w);
}

/* Only reason 0 removes it. */
static void disconnect_with_an_error_publishes_it__MQTT5_3_1_2_8(void **state)
{
    struct rig *r = *state;
    struct peer *w = watcher(r);
    static const enum reason reasons[] = {REASON_UNSPECIFIED,          REASON_MALFORMED_PACKET,
                                          REASON_PROTOCOL_ERROR,       REASON_IMPLEMENTATION_SPECIFIC,
                                          REASON_TOPIC_NAME_INVALID,   REASON_RECEIVE_MAXIMUM_EXCEEDED,
                                          REASON_PACKET_TOO_LARGE,     REASON_QUOTA_EXCEEDED,
                                          REASON_ADMINISTRATIVE_ACTION};
    for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
        struct peer *c = dying(r, 1000, 0);
        rig_send_disconnect(c, reasons[i], NULL);
        rig_expect_closed(c);
        expect_will(w);
    }
}

static void normal_disconnect_removes_it__MQTT5_3_14_4_3__MQTT5_3_1_2_10(void **state)
{
    struct rig *r = *state;
    struct peer *w = watcher(r), *c = dying(r, 1000, 10);
    rig_disconnect(c);
    rig_advance(r, 2000 * SECOND);
    rig_expect_nothing(w);
    c = dying(r, 1000, 0);
    rig_send_hex(c, "e0 01 00"); /* the same at length */
    rig_expect_closed(c);
    rig_expect_nothing(w);
    c = dying(r, 1000, 0);
    rig_send_hex(c, "e0 02 00 00");
    rig_expect_closed(c);
    rig_expect_nothing(w);
}

static void its_own_expiry_begins_with_its_publication(void **state)
{
    struct rig *r = *state;
    struct peer *w = watcher(r);
    struct props props = {.has = RIG_HAS(WILL_DELAY) | RIG_HAS(MESSAGE_EXPIRY), .will_delay = 60, .message_expiry = 7};
    rig_drop(rig_connect(r, .id = "dying", .will_topic = "will", .will = "gone", .will_props = &props));
    rig_advance(r, 60 * SECOND);
    struct packet p;
    expect_message(w, "will", "gone", &p);
    assert_true(props_has(&p.publish.props, PROP_MESSAGE_EXPIRY));
    assert_int_equal(p.publish.props.message_expiry, 7);
    assert_false(props_has(&p.publish.props, PROP_WILL_DELAY));
    struct peer *away = rig_keep(r, "away"); /* and is counted down from there */
    rig_subscribe(away, 1, "will:1");
    rig_drop(away);
    props.message_expiry = 100;
    rig_drop(rig_connect(r, .id = "dying", .clean = true, .props = EXPIRES(1000), .will_topic = "will", .will = "gone",
                         .will_qos = 1, .will_props = &props));
    rig_advance(r, (60 + 90) * SECOND);
    away = rig_resume(r, "away");
    expect_message(away, "will", "gone", &p);
    assert_int_equal(p.publish.props.message_expiry, 10);
}

static void retained_after_its_delay__MQTT5_3_1_2_15(void **state)
{
    struct rig *r = *state;
    struct peer *late = rig_clean(r, "late");
    rig_drop(rig_connect(r, .id = "dying", .will_topic = "will", .will = "gone", .will_retain = true, .will_qos = 1,
                         .will_props = NUMBER(WILL_DELAY, will_delay, 10)));
    rig_subscribe(late, 1, "will:1");
    rig_expect_nothing(late);
    rig_advance(r, 10 * SECOND);
    rig_take(late, "will", "gone", 1, false, false);
    rig_subscribe(late, 2, "will:1");
    rig_take(late, "will", "gone", 1, false, true);
}

static void own_will_reaches_a_client_that_came_back(void **state)
{
    struct rig *r = *state;
    struct peer *c = dying(r, 1000, 10);
    rig_subscribe(c, 1, "will:1");
    rig_drop(c);
    rig_advance(r, 10 * SECOND);
    c = rig_connect(r, .id = "dying", .props = EXPIRES(1000), .present = true);
    rig_take(c, "will", "gone", 1, false, false);
    rig_expect_nothing(c);
}

/* Many at once, with times of their own. */
static void many_wait(void **state)
{
    struct rig *r = *state;
    struct peer *w = watcher(r);
    for (unsigned i = 0; i < 60; i++)
        rig_drop(rig_connect(r, .id = numbered(i), .will_topic = "will", .will = numbered(i), .will_qos = 0,
                             .will_props = NUMBER(WILL_DELAY, will_delay, 1 + i * 7 % 60)));
    for (unsigned second = 1; second <= 60; second++) {
        rig_advance(r, SECOND - 1);
        rig_expect_nothing(w);
        rig_advance(r, 1);
        struct packet p;
        rig_expect_packet(w, PACKET_PUBLISH, &p);
        assert_int_equal(1 + number_in(p.publish.payload, 1) * 7 % 60, second);
        rig_expect_nothing(w);
    }
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST_IN(it_comes_after_its_delay__MQTT5_3_1_2_8__MQTT5_3_1_2_7, RIG_5),
        RIG_TEST_IN(no_delay_is_at_once, RIG_5),
        RIG_TEST_IN(session_end_is_the_latest__MQTT5_3_1_2_8, RIG_5),
        RIG_TEST_IN(coming_back_in_time_calls_it_off__MQTT5_3_1_3_9__MQTT5_3_1_2_8, RIG_5),
        RIG_TEST_IN(new_connection_has_its_own_will, RIG_5),
        RIG_TEST_IN(clean_start_does_not_call_it_off__MQTT5_3_1_2_8, RIG_5),
        RIG_TEST_IN(takeover_in_the_session_calls_it_off__MQTT5_3_1_3_9, RIG_5),
        RIG_TEST_IN(disconnect_with_it_publishes_it, RIG_5),
        RIG_TEST_IN(disconnect_with_an_error_publishes_it__MQTT5_3_1_2_8, RIG_5),
        RIG_TEST_IN(normal_disconnect_removes_it__MQTT5_3_14_4_3__MQTT5_3_1_2_10, RIG_5),
        RIG_TEST_IN(its_own_expiry_begins_with_its_publication, RIG_5),
        RIG_TEST_IN(retained_after_its_delay__MQTT5_3_1_2_15, RIG_5),
        RIG_TEST_IN(own_will_reaches_a_client_that_came_back, RIG_5),
        RIG_TEST_IN(many_wait, RIG_5),
    };
    return RIG_MAIN(tests);
}
