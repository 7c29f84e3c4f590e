/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The session expiry interval: how long a session outlives its connection, and who may change that when. */
#include "v5.h"

static void session_of_zero_ends_with_its_connection__MQTT5_4_1_0_2(void **state)
{
    struct rig *r = *state;
    static const struct props none = {.has = 0}, zero = {.has = RIG_HAS(SESSION_EXPIRY), .session_expiry = 0};
    const struct props *both[] = {&none, &zero};
    for (unsigned i = 0; i < 2; i++) {
        struct peer *a = rig_connect(r, .id = "a", .props = both[i]);
        assert_false(props_has(&a->connack, PROP_SESSION_EXPIRY));
        rig_subscribe(a, 1, "t:1");
        rig_drop(a);
        assert_false(rig_has_session(r, "a"));
        assert_int_equal(rig_stats(r).subscriptions, 0);
        rig_disconnect(rig_connect(r, .id = "a", .props = both[i]));
        assert_false(rig_has_session(r, "a"));
    }
}

static void it_is_kept_to_the_millisecond__MQTT5_3_1_2_23__MQTT5_4_1_0_2__MQTT5_4_1_0_1(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_connect(r, .id = "a", .props = EXPIRES(10)), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:1");
    rig_advance(r, 3600 * SECOND); /* counts from the end of the connection only */
    rig_drop(a);
    rig_publish(p, "t", "x", 1, false);
    rig_advance(r, 10 * SECOND - 1);
    assert_true(rig_has_session(r, "a"));
    rig_advance(r, 1);
    assert_false(rig_has_session(r, "a"));
    assert_int_equal(rig_rows(r), 0);
    a = rig_connect(r, .id = "a", .props = EXPIRES(10), .present = false);
    rig_expect_nothing(a);
}

static void clean_start_says_nothing_about_the_end__MQTT5_3_1_2_4__MQTT5_3_1_2_23(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_connect(r, .id = "a", .clean = true, .props = EXPIRES(100)), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:1");
    rig_drop(a);
    rig_publish(p, "t", "x", 1, false);
    a = rig_connect(r, .id = "a", .props = EXPIRES(100), .present = true);
    rig_take(a, "t", "x", 1, false, false);
    rig_drop(a);
    a = rig_connect(r, .id = "a", .clean = true, .props = EXPIRES(100)); /* and this throws it away */
    rig_publish(p, "t", "y", 1, false);
    rig_expect_nothing(a);
}

static void each_connect_says_it_anew(void **state)
{
    struct rig *r = *state;
    rig_drop(rig_connect(r, .id = "a", .props = EXPIRES(10)));
    rig_advance(r, 9 * SECOND);
    rig_drop(rig_connect(r, .id = "a", .props = EXPIRES(100), .present = true));
    rig_advance(r, 99 * SECOND);
    assert_true(rig_has_session(r, "a"));
    rig_drop(rig_connect(r, .id = "a", .props = PROPS(.has = 0), .present = true));
    assert_false(rig_has_session(r, "a"));
}

static void short_lived(struct limits *l)
{
    l->max_session_expiry = 100;
}

static void operator_sets_the_most(void **state)
{
    struct rig *r = *state;
    static const struct {
        uint32_t asked;
        bool told;
    } cases[] = {{99, false}, {100, false}, {101, true}, {RIG_FOREVER, true}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct peer *a = rig_connect(r, .id = "a", .clean = true, .props = EXPIRES(cases[i].asked));
        assert_int_equal(props_has(&a->connack, PROP_SESSION_EXPIRY), cases[i].told);
        if (cases[i].told)
            assert_int_equal(a->connack.session_expiry, 100);
        rig_drop(a);
        rig_advance(r, (cases[i].told ? 100 : cases[i].asked) * SECOND - 1);
        assert_true(rig_has_session(r, "a"));
        rig_advance(r, 1);
        assert_false(rig_has_session(r, "a"));
    }
}

static void disconnect_may_change_it(void **state)
{
    struct rig *r = *state;
    static const struct {
        uint32_t connect, disconnect;
    } cases[] = {{10, 100}, {100, 10}, {10, 10}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct peer *a = rig_connect(r, .id = "a", .clean = true, .props = EXPIRES(cases[i].connect));
        rig_send_disconnect(a, REASON_SUCCESS, EXPIRES(cases[i].disconnect));
        rig_expect_closed(a);
        rig_advance(r, cases[i].disconnect * SECOND - 1);
        assert_true(rig_has_session(r, "a"));
        rig_advance(r, 1);
        assert_false(rig_has_session(r, "a"));
    }
    struct peer *a = rig_connect(r, .id = "a", .props = EXPIRES(100));
    rig_send_disconnect(a, REASON_SUCCESS, EXPIRES(0));
    rig_expect_closed(a);
    assert_false(rig_has_session(r, "a"));
    a = rig_connect(r, .id = "a", .props = PROPS(.has = 0)); /* 0 to 0 changes nothing */
    rig_send_disconnect(a, REASON_SUCCESS, EXPIRES(0));
    rig_expect_closed(a);
}

static void disconnect_without_it_leaves_it(void **state)
{
    struct rig *r = *state;
    rig_disconnect(rig_connect(r, .id = "a", .props = EXPIRES(10)));
    rig_advance(r, 10 * SECOND - 1);
    assert_true(rig_has_session(r, "a"));
    rig_advance(r, 1);
    assert_false(rig_has_session(r, "a"));
}

/* A session that was to end with its connection can't be kept after all. */
static void disconnect_may_not_bring_it_to_life(void **state)
{
    struct rig *r = *state;
    struct peer *w = rig_clean(r, "w");
    rig_subscribe(w, 1, "will:0");
    struct peer *a = rig_connect(r, .id = "a", .props = EXPIRES(0), .will_topic = "will", .will = "x");
    rig_send_disconnect(a, REASON_SUCCESS, EXPIRES(10));
    rig_expect_ended(a, REASON_PROTOCOL_ERROR);
    assert_false(rig_has_session(r, "a"));
    rig_take(w, "will", "x", 0, false, false); /* it was no normal end */
}

static void disconnect_can_not_pass_the_most(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_connect(r, .id = "a", .props = EXPIRES(10));
    rig_send_disconnect(a, REASON_SUCCESS, EXPIRES(RIG_FOREVER));
    rig_expect_closed(a);
    rig_advance(r, 100 * SECOND - 1);
    assert_true(rig_has_session(r, "a"));
    rig_advance(r, 1);
    assert_false(rig_has_session(r, "a"));
}

static void takeover_of_a_session_of_zero_begins_a_new_one__MQTT5_3_1_2_6__MQTT5_3_2_2_3(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_connect(r, .id = "a", .props = PROPS(.has = 0));
    rig_subscribe(a, 1, "t:1");
    struct peer *b = rig_connect(r, .id = "a", .props = EXPIRES(10), .present = false);
    rig_expect_ended(a, REASON_SESSION_TAKEN_OVER);
    rig_publish(b, "t", "x", 1, false);
    rig_expect_nothing(b);
}

static void messages_wait_and_come_in_order(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_connect(r, .id = "a", .props = EXPIRES(100)), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:2");
    rig_drop(a);
    for (unsigned i = 0; i < 30; i++)
        rig_publish(p, "t", numbered(i), (uint8_t)(1 + i % 2), false);
    rig_advance(r, 99 * SECOND);
    a = rig_connect(r, .id = "a", .props = EXPIRES(100), .present = true);
    for (unsigned i = 0; i < 30; i++)
        rig_take(a, "t", numbered(i), (uint8_t)(1 + i % 2), false, false);
    rig_expect_nothing(a);
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST_IN(session_of_zero_ends_with_its_connection__MQTT5_4_1_0_2, RIG_5),
        RIG_TEST_IN(it_is_kept_to_the_millisecond__MQTT5_3_1_2_23__MQTT5_4_1_0_2__MQTT5_4_1_0_1, RIG_5),
        RIG_TEST_IN(clean_start_says_nothing_about_the_end__MQTT5_3_1_2_4__MQTT5_3_1_2_23, RIG_5),
        RIG_TEST_IN(each_connect_says_it_anew, RIG_5),
        RIG_TEST_LIMITS(operator_sets_the_most, RIG_5, short_lived),
        RIG_TEST_IN(disconnect_may_change_it, RIG_5),
        RIG_TEST_IN(disconnect_without_it_leaves_it, RIG_5),
        RIG_TEST_IN(disconnect_may_not_bring_it_to_life, RIG_5),
        RIG_TEST_LIMITS(disconnect_can_not_pass_the_most, RIG_5, short_lived),
        RIG_TEST_IN(takeover_of_a_session_of_zero_begins_a_new_one__MQTT5_3_1_2_6__MQTT5_3_2_2_3, RIG_5),
        RIG_TEST_IN(messages_wait_and_come_in_order, RIG_5),
    };
    return RIG_MAIN(tests);
}
