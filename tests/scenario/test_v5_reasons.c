/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reason codes of 5.0: what acknowledgements and DISCONNECT say, and what the client's own codes bring about. */
#include "v5.h"

static const struct rule mine[] = {{RULE_PUBLISH, {(const uint8_t *)"mine/#", 6}},
                                   {RULE_SUBSCRIBE, {(const uint8_t *)"mine/#", 6}}};

static struct peer *limited(struct rig *r)
{
    rig_user(r, "u", "p", mine, 2, false);
    return rig_connect(r, .id = "limited", .clean = true, .user = "u", .password = "p");
}

/* [MQTT5-3.4.2-1] [MQTT5-3.5.2-1] [MQTT5-3.3.4-1] [MQTT5-2.2.2-1] */
static void whether_anybody_listens(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *b = rig_clean(r, "b");
    for (unsigned k = 0; k < 2; k++) {
        enum reason want = k == 0 ? REASON_NO_MATCHING_SUBSCRIBERS : REASON_SUCCESS;
        rig_send_publish(a, "t", "x", 1, false, 1);
        rig_expect_reason(a, PACKET_PUBACK, 1, want);
        rig_send_publish(a, "t", "x", 2, false, 2);
        rig_expect_reason(a, PACKET_PUBREC, 2, want);
        rig_send_ack(a, PACKET_PUBREL, 2);
        rig_expect_reason(a, PACKET_PUBCOMP, 2, REASON_SUCCESS);
        if (k == 0)
            rig_subscribe(b, 1, "t:0");
    }
    rig_take(b, "t", "x", 0, false, false);
    rig_take(b, "t", "x", 0, false, false);
}

static void retained_with_nobody_there(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a");
    rig_send_publish(a, "t", "x", 1, true, 1);
    struct packet p;
    rig_expect_packet(a, PACKET_PUBACK, &p);
    assert_true(p.ack.reason == REASON_NO_MATCHING_SUBSCRIBERS || p.ack.reason == REASON_SUCCESS);
}

static void who_may_not_publish_is_told__MQTT5_3_4_2_1__MQTT5_3_5_2_1(void **state)
{
    struct rig *r = *state;
    struct peer *a = limited(r), *w = rig_clean(r, "w");
    rig_subscribe(w, 1, "#:0");
    rig_send_publish(a, "theirs", "x", 0, false, 0);
    rig_expect_nothing(a);
    rig_send_publish(a, "theirs", "x", 1, false, 1);
    rig_expect_reason(a, PACKET_PUBACK, 1, REASON_NOT_AUTHORIZED);
    rig_send_publish(a, "theirs", "x", 2, true, 2);
    rig_expect_reason(a, PACKET_PUBREC, 2, REASON_NOT_AUTHORIZED);
    rig_expect_nothing(a);
    rig_expect_nothing(w);
    rig_send_publish(a, "mine/t", "x", 1, false, 1);
    rig_expect_reason(a, PACKET_PUBACK, 1, REASON_SUCCESS);
    rig_take(w, "mine/t", "x", 0, false, false);
}

/* The exchange ends with the PUBREC: the id is new at once, whatever DUP says. */
static void refused_id_is_free__MQTT5_4_3_3_9(void **state)
{
    struct rig *r = *state;
    struct peer *a = limited(r), *w = rig_clean(r, "w");
    rig_subscribe(w, 1, "#:0");
    for (unsigned i = 0; i < 3; i++) {
        rig_send_publish(a, "theirs", "x", 2, false, 7);
        rig_expect_reason(a, PACKET_PUBREC, 7, REASON_NOT_AUTHORIZED);
    }
    rig_send_publish_dup(a, "mine/t", "y", 2, false, 7);
    rig_expect_reason(a, PACKET_PUBREC, 7, REASON_SUCCESS);
    rig_take(w, "mine/t", "y", 0, false, false);
    rig_send_ack(a, PACKET_PUBREL, 7);
    rig_expect_reason(a, PACKET_PUBCOMP, 7, REASON_SUCCESS);
}

static void nobody_writes_sys(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *b = rig_clean(r, "b");
    rig_subscribe(b, 1, "$SYS/#:1");
    rig_send_publish(a, "$SYS/broker/uptime", "lies", 0, true, 0);
    rig_send_publish(a, "$SYS/broker/uptime", "lies", 1, true, 1);
    rig_expect_reason(a, PACKET_PUBACK, 1, REASON_NOT_AUTHORIZED);
    rig_send_publish(a, "$SYS/broker/uptime", "lies", 2, false, 2);
    rig_expect_reason(a, PACKET_PUBREC, 2, REASON_NOT_AUTHORIZED);
    rig_expect_nothing(b);
    rig_subscribe(b, 2, "$SYS/#:1");
    rig_expect_nothing(b);
}

static void ids_that_are_not_in_use__MQTT5_3_6_2_1__MQTT5_3_7_2_1(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a");
    rig_send_ack(a, PACKET_PUBREL, 7);
    rig_expect_reason(a, PACKET_PUBCOMP, 7, REASON_PACKET_ID_NOT_FOUND);
    rig_send_ack(a, PACKET_PUBREC, 8);
    rig_expect_reason(a, PACKET_PUBREL, 8, REASON_PACKET_ID_NOT_FOUND);
    rig_send_ack(a, PACKET_PUBACK, 9);
    rig_send_ack(a, PACKET_PUBCOMP, 9);
    rig_send_ack_reason(a, PACKET_PUBREL, 10, REASON_PACKET_ID_NOT_FOUND);
    rig_expect_reason(a, PACKET_PUBCOMP, 10, REASON_PACKET_ID_NOT_FOUND);
    rig_send_ack_reason(a, PACKET_PUBCOMP, 11, REASON_PACKET_ID_NOT_FOUND);
    rig_expect_nothing(a);
    /* In use, but not for QoS 2. */
    struct peer *p = rig_clean(r, "p");
    rig_subscribe(a, 12, "t:1");
    rig_publish(p, "t", "x", 1, false);
    uint16_t id = rig_expect_publish(a, "t", "x", 1, false, false);
    rig_send_ack(a, PACKET_PUBREC, id);
    rig_expect_reason(a, PACKET_PUBREL, id, REASON_PACKET_ID_NOT_FOUND);
    rig_send_ack(a, PACKET_PUBACK, id);
    rig_expect_nothing(a);
}

/* [MQTT5-4.4.0-2] [MQTT5-4.3.3-4] */
static void clients_error_ends_the_delivery(void **state)
{
    struct rig *r = *state;
    static const enum reason errors[] = {REASON_UNSPECIFIED,           REASON_IMPLEMENTATION_SPECIFIC,
                                         REASON_NOT_AUTHORIZED,        REASON_TOPIC_NAME_INVALID,
                                         REASON_PACKET_ID_IN_USE,      REASON_QUOTA_EXCEEDED,
                                         REASON_PAYLOAD_FORMAT_INVALID};
    struct peer *a = rig_keep(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:2");
    for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
        for (uint8_t qos = 1; qos < 3; qos++) {
            rig_publish(p, "t", "x", qos, false);
            uint16_t id = rig_expect_publish(a, "t", "x", qos, false, false);
            rig_send_ack_reason(a, qos == 1 ? PACKET_PUBACK : PACKET_PUBREC, id, errors[i]);
            rig_expect_nothing(a);
        }
    assert_int_equal(rig_rows(r), 0);
    rig_drop(a);
    a = rig_resume(r, "a");
    rig_expect_nothing(a);
}

static void clients_success_with_words_is_success(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:2");
    rig_publish(p, "t", "x", 2, false);
    struct packet ack = {.type = PACKET_PUBREC};
    ack.ack.id = rig_expect_publish(a, "t", "x", 2, false, false);
    ack.ack.reason = REASON_NO_MATCHING_SUBSCRIBERS;
    ack.ack.props = (struct props){.has = RIG_HAS(REASON_STRING), .reason_string = bytes_str("as you like")};
    ack.ack.props.raw = rig_user_props("a=b");
    rig_send(a, &ack);
    rig_expect_reason(a, PACKET_PUBREL, ack.ack.id, REASON_SUCCESS);
    ack.type = PACKET_PUBCOMP;
    ack.ack.reason = REASON_SUCCESS;
    rig_send(a, &ack);
    rig_publish(p, "t", "y", 1, false);
    ack.type = PACKET_PUBACK;
    ack.ack.id = rig_expect_publish(a, "t", "y", 1, false, false);
    rig_send(a, &ack);
    rig_expect_nothing(a);
    rig_send_publish(a, "u", "x", 2, false, 5);
    rig_expect_ack(a, PACKET_PUBREC, 5);
    ack.type = PACKET_PUBREL;
    ack.ack.id = 5;
    rig_send(a, &ack);
    rig_expect_reason(a, PACKET_PUBCOMP, 5, REASON_SUCCESS);
}

/* All lengths that the standard allows. */
static void short_and_long_forms(void **state)
{
    struct rig *r = *state;
    static const char *const forms[] = {"", "00", "00 00"};
    struct peer *a = rig_clean(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:2");
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
        char body[32];
        rig_publish(p, "t", "x", 1, false);
        snprintf(body, sizeof(body), "00 %02x %s", rig_expect_publish(a, "t", "x", 1, false, false), forms[i]);
        send_body(a, 0x40, body);
        rig_publish(p, "t", "x", 2, false);
        uint16_t id = rig_expect_publish(a, "t", "x", 2, false, false);
        snprintf(body, sizeof(body), "00 %02x %s", id, forms[i]);
        send_body(a, 0x50, body);
        rig_expect_ack(a, PACKET_PUBREL, id);
        send_body(a, 0x70, body);
        rig_expect_nothing(a);
        rig_send_publish(a, "u", "x", 2, false, id);
        rig_expect_ack(a, PACKET_PUBREC, id);
        send_body(a, 0x62, body);
        rig_expect_reason(a, PACKET_PUBCOMP, id, REASON_SUCCESS);
        rig_expect_nothing(a);
        struct peer *c = rig_clean(r, "c");
        send_body(c, 0xe0, i == 0 ? "" : forms[i]);
        rig_expect_closed(c);
    }
    assert_int_equal(rig_rows(r), 0);
}

static void server_without_words_is_short(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *b = rig_clean(r, "b");
    rig_subscribe(b, 1, "t:2");
    rig_send_publish(a, "t", "x", 1, false, 0x1234);
    rig_expect(a, "40 02 12 34");
    rig_send_publish(a, "t", "x", 2, false, 0x1235);
    rig_expect(a, "50 02 12 35");
    rig_send_ack(a, PACKET_PUBREL, 0x1235);
    rig_expect(a, "70 02 12 35");
}

/* [MQTT5-3.14.2-1] [MQTT5-3.14.2-2] [MQTT5-3.14.4-1] [MQTT5-3.14.4-2] [MQTT5-4.13.2-1] */
static void disconnect_says_why(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *b = rig_keep(r, "a2"), *w = rig_clean(r, "w"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:1");
    rig_subscribe(w, 1, "t:0");
    rig_end(a, REASON_SERVER_SHUTTING_DOWN);
    rig_expect_ended(a, REASON_SERVER_SHUTTING_DOWN);
    rig_end(b, REASON_ADMINISTRATIVE_ACTION);
    rig_expect_ended(b, REASON_ADMINISTRATIVE_ACTION);
    rig_send_publish(a, "t", "from the dead", 0, false, 0);
    rig_publish(p, "t", "x", 1, false);
    rig_take(w, "t", "x", 0, false, false);
    rig_expect_nothing(w);
    a = rig_resume(r, "a");
    rig_expect_publish(a, "t", "x", 1, false, false);
    struct peer *c = rig_resume(r, "a");
    rig_expect_ended(a, REASON_SESSION_TAKEN_OVER);
    rig_take(c, "t", "x", 1, true, false);
}

static void disconnect_of_a_client(void **state)
{
    struct rig *r = *state;
    struct peer *w = rig_clean(r, "w"), *a = rig_keep(r, "a");
    rig_subscribe(w, 1, "#:0");
    struct props props = {.has = RIG_HAS(REASON_STRING), .reason_string = bytes_str("enough")};
    props.raw = rig_user_props("a=b a=b");
    rig_send_disconnect(a, REASON_UNSPECIFIED, &props);
    rig_send_publish(a, "t", "behind", 0, false, 0);
    rig_send_hex(a, "c0 00");
    rig_expect_closed(a);
    rig_expect_nothing(w);
    assert_true(rig_has_session(r, "a"));
}

static void subscribe_codes(void **state)
{
    struct rig *r = *state;
    struct peer *a = limited(r);
    rig_send_subscribe(a, 1, "mine/a:2 theirs:2 mine/b:0 #:1 mine/#/a:1 mine/c:1");
    rig_expect_suback(a, 1, "02 87 00 87 8f 01");
    rig_send_unsubscribe(a, 2, "mine/a theirs mine/a");
    rig_expect_unsuback(a, 2, "00 11 11");
}

static void few_levels(struct limits *l)
{
    l->max_topic_levels = 4;
}

static void too_many_levels(void **state)
{
    struct rig *r = *state;
    struct peer *c = rig_clean(r, "a");
    rig_subscribe(c, 1, "#:0");
    rig_send_publish(c, "1/2/3/4", "x", 0, false, 0);
    rig_take(c, "1/2/3/4", "x", 0, false, false);
    rig_send_subscribe(c, 2, "1/2/3/4:1 1/2/3/4/5:1");
    struct packet p;
    rig_expect_packet(c, PACKET_SUBACK, &p);
    assert_int_equal(p.suback.codes.p[0], 1);
    assert_true(p.suback.codes.p[1] == REASON_TOPIC_FILTER_INVALID || p.suback.codes.p[1] == REASON_QUOTA_EXCEEDED);
    rig_send_publish(c, "1/2/3/4/5", "x", 0, false, 0);
    ends_with_an_error(c);
}

/* [MQTT5-4.2.0-1] [MQTT5-2.2.1-2] [MQTT5-4.3.1-1] [MQTT5-2.2.2-1] */
static void only_bytes_are_needed(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *b = rig_clean(r, "b");
    rig_send_hex(b, "82 07 00 01 00 00 01 74 01");
    rig_expect(b, "90 04 00 01 00 01");
    rig_send_hex(a, "30 05 00 01 74 00 78");
    rig_expect_nothing(a);
    rig_expect(b, "30 05 00 01 74 00 78");
    rig_send_hex(a, "32 07 00 01 74 00 05 00 78");
    rig_expect(a, "40 02 00 05");
    rig_expect(b, "32 07 00 01 74 00 01 00 78");
    rig_send_hex(b, "40 02 00 01 a2 06 00 02 00 00 01 74");
    rig_expect(b, "b0 04 00 02 00 00");
    rig_send_hex(b, "e0 00");
    rig_expect_closed(b);
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST_IN(whether_anybody_listens, RIG_5),
        RIG_TEST_IN(retained_with_nobody_there, RIG_5),
        RIG_TEST_IN(who_may_not_publish_is_told__MQTT5_3_4_2_1__MQTT5_3_5_2_1, RIG_5),
        RIG_TEST_IN(refused_id_is_free__MQTT5_4_3_3_9, RIG_5),
        RIG_TEST_IN(nobody_writes_sys, RIG_5),
        RIG_TEST_IN(ids_that_are_not_in_use__MQTT5_3_6_2_1__MQTT5_3_7_2_1, RIG_5),
        RIG_TEST_IN(clients_error_ends_the_delivery, RIG_5),
        RIG_TEST_IN(clients_success_with_words_is_success, RIG_5),
        RIG_TEST_IN(short_and_long_forms, RIG_5),
        RIG_TEST_IN(server_without_words_is_short, RIG_5),
        RIG_TEST_IN(disconnect_says_why, RIG_5),
        RIG_TEST_IN(disconnect_of_a_client, RIG_5),
        RIG_TEST_IN(subscribe_codes, RIG_5),
        RIG_TEST_IN(only_bytes_are_needed, RIG_5),
        RIG_TEST_LIMITS(too_many_levels, RIG_5, few_levels),
    };
    return RIG_MAIN(tests);
}
