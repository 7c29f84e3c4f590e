/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CONNECT and CONNACK of 5.0: what the server names, what it assigns, and how it refuses. */
#include "v5.h"

/* [MQTT5-3.1.4-5] [MQTT5-3.2.0-1] [MQTT5-3.2.0-2] [MQTT5-3.2.2-1] [MQTT5-3.2.2-2] */
static void accepted_connect_is_answered(void **state)
{
    struct peer *c = rig_open(*state);
    rig_expect_nothing(c);
    send_raw_connect(c, 2, "00 01 61");
    rig_send_hex(c, "c0 00");
    rig_expect_connack(c, false, 0);
    assert_int_equal(c->got[0], 0x20);
    assert_int_equal(c->got[2], 0); /* the flags */
    rig_expect(c, "d0 00");
    rig_expect_nothing(c);
    rig_drop(rig_keep(*state, "b"));
    c = rig_resume(*state, "b");
    assert_int_equal(c->got[2], 1);
}

static void small_packets(struct limits *l)
{
    l->max_packet_size = 5000;
}

static void server_names_its_limits(void **state)
{
    struct rig *r = *state;
    struct peer *c = rig_clean(r, "a");
    assert_true(props_has(&c->connack, PROP_RECEIVE_MAXIMUM));
    assert_int_equal(c->connack.receive_maximum, 1000);
    assert_true(props_has(&c->connack, PROP_TOPIC_ALIAS_MAXIMUM));
    assert_int_equal(c->connack.topic_alias_maximum, 64);
    assert_true(props_has(&c->connack, PROP_MAXIMUM_PACKET_SIZE));
    assert_int_equal(c->connack.maximum_packet_size, r->limits.max_packet_size);
}

/* Absent means all of it; saying so is allowed. */
static void server_can_do_everything(void **state)
{
    struct peer *c = rig_clean(*state, "a");
    const struct props *p = &c->connack;
    assert_false(props_has(p, PROP_MAXIMUM_QOS));
    assert_true(!props_has(p, PROP_RETAIN_AVAILABLE) || p->retain_available == 1);
    assert_true(!props_has(p, PROP_WILDCARD_AVAILABLE) || p->wildcard_available == 1);
    assert_true(!props_has(p, PROP_SUBSCRIPTION_ID_AVAILABLE) || p->sub_id_available == 1);
}

static void nothing_is_said_without_need__MQTT5_3_1_2_28__MQTT5_4_12_0_6(void **state)
{
    struct rig *r = *state;
    struct peer *c =
        rig_connect(r, .id = "a", .clean = true, .props = NUMBER(REQUEST_RESPONSE_INFO, request_response_info, 0));
    static const enum prop absent[] = {PROP_RESPONSE_INFO,    PROP_AUTH_METHOD,    PROP_AUTH_DATA,
                                       PROP_SERVER_REFERENCE, PROP_SESSION_EXPIRY, PROP_ASSIGNED_CLIENT_ID,
                                       PROP_SERVER_KEEP_ALIVE};
    for (size_t i = 0; i < sizeof(absent) / sizeof(*absent); i++)
        assert_false(props_has(&c->connack, absent[i]));
    assert_int_equal(c->connack.user_count, 0);
    c = rig_connect(r, .id = "b", .clean = true, .props = PROPS(.has = 0));
    assert_false(props_has(&c->connack, PROP_RESPONSE_INFO));
}

/* [MQTT5-3.1.3-6] [MQTT5-3.1.3-7] [MQTT5-3.2.2-16] */
static void empty_client_id_is_assigned_one(void **state)
{
    struct rig *r = *state;
    char first[64];
    struct peer *a = rig_connect(r, .clean = true, .props = EXPIRES(1000)), *b = rig_connect(r, .clean = true);
    assert_string_not_equal(a->assigned, "");
    assert_string_not_equal(b->assigned, "");
    assert_string_not_equal(a->assigned, b->assigned);
    assert_true(rig_has_session(r, a->assigned) && rig_has_session(r, b->assigned));
    snprintf(first, sizeof(first), "%s", a->assigned);
    rig_subscribe(a, 1, "t:1");
    rig_drop(a);
    rig_publish(b, "t", "x", 1, false);
    a = rig_resume(r, first);
    assert_string_equal(a->assigned, "");
    rig_take(a, "t", "x", 1, false, false);
}

/* 5.0 has no rule that an empty id asks for a clean start. */
static void empty_client_id_without_clean_start(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_connect(r, .props = EXPIRES(1000));
    assert_string_not_equal(a->assigned, "");
    rig_subscribe(a, 1, "t:1");
}

static void password_without_user_is_allowed(void **state)
{
    struct peer *c = rig_open(*state);
    send_raw_connect(c, 0x42, "00 01 61 00 01 70");
    struct packet p;
    rig_expect_packet(c, PACKET_CONNACK, &p); /* whether it may come in is the authoriser's affair */
    assert_true(p.connack.reason == REASON_SUCCESS || p.connack.reason == REASON_NOT_AUTHORIZED ||
                p.connack.reason == REASON_BAD_USER_NAME_OR_PASSWORD);
}

/* [MQTT5-3.1.3-1] [MQTT5-3.1.2-9] Each field is one that the others could not be. */
static void payload_fields_have_their_order(void **state)
{
    struct rig *r = *state;
    rig_user(r, "usr", "pwd", NULL, 0, true);
    struct peer *watcher = rig_connect(r, .id = "w", .clean = true, .user = "usr", .password = "pwd");
    rig_subscribe(watcher, 1, "wt:2");
    struct peer *c = rig_open(r);
    send_raw_connect(c, 0xc2 | 0x04 | 0x08,
                     "00 02 69 64  05 03 00 02 63 74  00 02 77 74 00 03 6d 73 67 00 03 75 73 72 00 03 70 77 64");
    rig_expect_connack(c, false, 0);
    assert_true(rig_has_session(r, "id"));
    rig_drop(c);
    struct packet p;
    expect_message(watcher, "wt", "msg", &p);
    assert_true(props_has(&p.publish.props, PROP_CONTENT_TYPE));
    assert_text(p.publish.props.content_type, "ct");
}

static void short_keep_alive(struct limits *l)
{
    l->max_keepalive = 100;
}

static void keep_alive_over_the_limit_is_shortened__MQTT5_3_2_2_22__MQTT5_3_1_2_22(void **state)
{
    struct rig *r = *state;
    static const struct {
        uint16_t asked, told; /* told 0: nothing */
    } cases[] = {{0, 100}, {101, 100}, {65535, 100}, {100, 0}, {20, 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct peer *c = rig_connect(r, .id = "a", .clean = true, .keep_alive = cases[i].asked);
        assert_int_equal(props_has(&c->connack, PROP_SERVER_KEEP_ALIVE), cases[i].told > 0);
        if (cases[i].told > 0)
            assert_int_equal(c->connack.server_keep_alive, cases[i].told);
        rig_advance(r, (cases[i].told > 0 ? cases[i].told : cases[i].asked) * 1500u - 1);
        rig_expect_nothing(c);
        rig_advance(r, 1);
        rig_expect_ended(c, REASON_KEEP_ALIVE_TIMEOUT);
    }
}

static void no_keep_alive_stays_none(void **state)
{
    struct rig *r = *state;
    struct peer *c = rig_connect(r, .id = "a", .clean = true, .keep_alive = 0);
    assert_false(props_has(&c->connack, PROP_SERVER_KEEP_ALIVE));
    rig_advance(r, 24 * 3600 * SECOND);
    rig_expect_nothing(c);
}

/* [MQTT5-3.2.2-6] [MQTT5-3.2.2-7] [MQTT5-3.2.2-8] [MQTT5-4.13.2-1] */
static void refusals_have_their_reasons(void **state)
{
    struct rig *r = *state;
    rig_user(r, "usr", "pwd", NULL, 0, true);
    r->origin.anonymous = false;
    static const struct {
        const char *user, *password;
        enum reason reason;
    } cases[] = {{"usr", "no", REASON_BAD_USER_NAME_OR_PASSWORD},
                 {"other", "pwd", REASON_BAD_USER_NAME_OR_PASSWORD},
                 {NULL, NULL, REASON_NOT_AUTHORIZED}};
    rig_drop(rig_connect(r, .id = "a", .user = "usr", .password = "pwd"));
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct peer *c =
            rig_start(r, &(struct rig_connect){.id = "a", .user = cases[i].user, .password = cases[i].password});
        rig_expect_refused(c, cases[i].reason);
    }
    rig_connect(r, .id = "a", .user = "usr", .password = "pwd", .present = true);
}

/* [MQTT5-3.1.2-1] The name of 3.1 with the level of 5.0, and others. */
static void protocol_names(void **state)
{
    static const char *const names[] = {"10 0e 00 04 4d 51 54 58 05 02 00 3c 00 00 01 61",
                                        "10 0e 00 04 6d 71 74 74 05 02 00 3c 00 00 01 61",
                                        "10 0d 00 03 4d 51 54 05 02 00 3c 00 00 01 61"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct peer *c = rig_open(*state);
        rig_send_hex(c, names[i]);
        rig_expect_closed(c);
    }
    struct peer *c = rig_open(*state);
    rig_send_hex(c, "10 10 00 06 4d 51 49 73 64 70 05 02 00 3c 00 00 01 61");
    rig_run(*state);
    assert_true(c->closed);
}

static void second_connect_with_other_versions(void **state)
{
    static const char *const second[] = {"10 0d 00 04 4d 51 54 54 04 02 00 3c 00 01 61",
                                         "10 0f 00 06 4d 51 49 73 64 70 03 02 00 3c 00 01 61", "10 00"};
    for (size_t i = 0; i < 2; i++) {
        struct peer *c = rig_clean(*state, "a");
        rig_send_hex(c, second[i]);
        rig_expect_ended(c, REASON_PROTOCOL_ERROR);
    }
    struct peer *c = rig_clean(*state, "a");
    rig_send_hex(c, second[2]);
    ends_with_an_error(c);
}

static void user_properties_of_connect_are_no_trouble(void **state)
{
    struct rig *r = *state;
    struct props p = {.raw = rig_user_props("a=1 a=1 b=2 =")};
    rig_connect(r, .id = "a", .clean = true, .props = &p);
}

static void problem_information_may_be_unwanted__MQTT5_3_1_2_29(void **state)
{
    struct rig *r = *state;
    static const struct rule rules[] = {{RULE_PUBLISH, {(const uint8_t *)"mine/#", 6}},
                                        {RULE_SUBSCRIBE, {(const uint8_t *)"mine/#", 6}}};
    rig_user(r, "u", "p", rules, 2, false);
    struct peer *c = rig_connect(r, .id = "a", .clean = true, .user = "u", .password = "p",
                                 .props = NUMBER(REQUEST_PROBLEM_INFO, request_problem_info, 0));
    rig_send_publish(c, "theirs", "x", 1, false, 1); /* the rig looks for reason strings */
    rig_expect_reason(c, PACKET_PUBACK, 1, REASON_NOT_AUTHORIZED);
    rig_send_publish(c, "theirs", "x", 2, false, 2);
    rig_expect_reason(c, PACKET_PUBREC, 2, REASON_NOT_AUTHORIZED);
    rig_send_subscribe(c, 3, "theirs:0 a#:0");
    rig_expect_suback(c, 3, "87 8f");
    rig_send_unsubscribe(c, 4, "none a#");
    rig_expect_unsuback(c, 4, "11 8f");
    rig_send_ack(c, PACKET_PUBREL, 5);
    rig_expect_reason(c, PACKET_PUBCOMP, 5, REASON_PACKET_ID_NOT_FOUND);
    rig_send_ack(c, PACKET_PUBREC, 6);
    rig_expect_reason(c, PACKET_PUBREL, 6, REASON_PACKET_ID_NOT_FOUND);
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST_IN(accepted_connect_is_answered, RIG_5),
        RIG_TEST_IN(server_names_its_limits, RIG_5),
        RIG_TEST_LIMITS(server_names_its_limits, RIG_5, small_packets),
        RIG_TEST_IN(server_can_do_everything, RIG_5),
        RIG_TEST_IN(nothing_is_said_without_need__MQTT5_3_1_2_28__MQTT5_4_12_0_6, RIG_5),
        RIG_TEST_IN(empty_client_id_is_assigned_one, RIG_5),
        RIG_TEST_IN(empty_client_id_without_clean_start, RIG_5),
        RIG_TEST_IN(password_without_user_is_allowed, RIG_5),
        RIG_TEST_IN(payload_fields_have_their_order, RIG_5),
        RIG_TEST_LIMITS(keep_alive_over_the_limit_is_shortened__MQTT5_3_2_2_22__MQTT5_3_1_2_22, RIG_5,
                        short_keep_alive),
        RIG_TEST_IN(no_keep_alive_stays_none, RIG_5),
        RIG_TEST_IN(refusals_have_their_reasons, RIG_5),
        RIG_TEST_IN(protocol_names, RIG_5),
        RIG_TEST_IN(second_connect_with_other_versions, RIG_5),
        RIG_TEST_IN(user_properties_of_connect_are_no_trouble, RIG_5),
        RIG_TEST_IN(problem_information_may_be_unwanted__MQTT5_3_1_2_29, RIG_5),
    };
    return RIG_MAIN(tests);
}
