/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The will: published when a connection ends without DISCONNECT, whatever the cause, and only then. */
#include "scenario.h"

static struct peer *with_will(struct rig *r, uint8_t qos, bool retain)
{
    return rig_connect(r, .id = "dying", .clean = true, .keep_alive = 10, .will_topic = "will", .will = "gone",
                       .will_qos = qos, .will_retain = retain);
}

static struct peer *watcher(struct rig *r)
{
    struct peer *w = rig_clean(r, "watcher");
    rig_subscribe(w, 1, "will:2");
    return w;
}

/* [MQTT5-3.1.2-7] [MQTT5-3.1.2-8] [MQTT5-3.1.2-14] */
static void when_the_connection_breaks__MQTT_3_1_2_8__MQTT_3_1_2_9__MQTT_3_1_2_16(void **state)
{
    struct rig *r = *state;
    struct peer *w = watcher(r);
    for (uint8_t qos = 0; qos < 3; qos++) {
        struct peer *c = with_will(r, qos, false);
        rig_expect_nothing(w);
        rig_drop(c);
        rig_take(w, "will", "gone", qos, false, false);
    }
    rig_subscribe(w, 2, "will:2"); /* none was retained */
    rig_expect_nothing(w);
}

static void after_a_protocol_error__MQTT_3_1_2_8(void **state)
{
    struct rig *r = *state;
    struct peer *w = watcher(r);
    static const char *const errors[] = {"36 00", "c1 00", "d0 00", "30 03 00 01 23", "82 02 00 01", "00 00"};
    for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
        struct peer *c = with_will(r, 1, false);
        rig_send_hex(c, errors[i]);
        ends_with_an_error(c);
        rig_take(w, "will", "gone", 1, false, false);
    }
    struct peer *c = with_will(r, 1, false);
    send_raw_connect(c, 2, "00 01 61");
    ends_with_an_error(c);
    rig_take(w, "will", "gone", 1, false, false);
}

static void after_the_keep_alive__MQTT_3_1_2_8(void **state)
{
    struct rig *r = *state;
    struct peer *w = watcher(r), *c = with_will(r, 1, false);
    rig_advance(r, 14999);
    rig_expect_nothing(w);
    rig_advance(r, 1);
    rig_expect_ended(c, REASON_KEEP_ALIVE_TIMEOUT);
    rig_take(w, "will", "gone", 1, false, false);
}

static void at_a_takeover__MQTT_3_1_2_8(void **state)
{
    struct rig *r = *state;
    struct peer *w = watcher(r), *c = with_will(r, 1, false), *d = with_will(r, 2, false);
    rig_expect_ended(c, REASON_SESSION_TAKEN_OVER);
    rig_take(w, "will", "gone", 1, false, false);
    rig_expect_nothing(w);
    rig_drop(d);
    rig_take(w, "will", "gone", 2, false, false);
}

static void not_after_disconnect__MQTT_3_14_4_3__MQTT_3_1_2_10__MQTT5_3_14_4_3__MQTT5_3_1_2_10(void **state)
{
    struct rig *r = *state;
    struct peer *w = watcher(r);
    rig_disconnect(with_will(r, 1, true));
    rig_expect_nothing(w);
    rig_subscribe(w, 2, "will:2");
    rig_expect_nothing(w);
    struct peer *c = with_will(r, 1, false); /* DISCONNECT, and garbage behind it */
    rig_send_hex(c, "e0 00 36 00");
    rig_expect_closed(c);
    rig_expect_nothing(w);
    c = with_will(r, 1, false);
    rig_stall(c, true);
    rig_send_hex(c, "c0 00 e0 00");
    rig_run(r);
    rig_drop(c); /* it breaks before we have closed it */
    rig_expect_nothing(w);
}

static void not_at_the_servers_stop(void **state)
{
    struct rig *r = *state;
    struct peer *w = watcher(r), *c = with_will(r, 1, false);
    rig_end(c, REASON_SERVER_SHUTTING_DOWN);
    rig_expect_ended(c, REASON_SERVER_SHUTTING_DOWN);
    rig_expect_nothing(w);
}

static void when_an_operator_ends_it(void **state)
{
    struct rig *r = *state;
    struct peer *w = watcher(r), *c = with_will(r, 1, false);
    rig_end(c, REASON_ADMINISTRATIVE_ACTION);
    rig_expect_ended(c, REASON_ADMINISTRATIVE_ACTION);
    rig_take(w, "will", "gone", 1, false, false);
}

static void once_only__MQTT_3_1_2_10__MQTT5_3_1_2_10(void **state)
{
    struct rig *r = *state;
    struct peer *w = watcher(r);
    struct peer *c = rig_connect(r, .id = "dying", .will_topic = "will", .will = "gone", .will_qos = 1);
    rig_drop(c);
    rig_take(w, "will", "gone", 1, false, false);
    rig_drop(rig_resume(r, "dying")); /* the will was that connection's, not the session's */
    rig_disconnect(rig_resume(r, "dying"));
    rig_expect_nothing(w);
}

static void none_without_the_flag__MQTT_3_1_2_12(void **state)
{
    struct rig *r = *state;
    struct peer *w = rig_clean(r, "w");
    rig_subscribe(w, 1, "#:2");
    rig_drop(rig_clean(r, "dying"));
    rig_drop(rig_keep(r, "dying"));
    rig_expect_nothing(w);
}

static void retained_will__MQTT_3_1_2_17__MQTT5_3_1_2_15(void **state)
{
    struct rig *r = *state;
    struct peer *w = watcher(r);
    for (uint8_t qos = 0; qos < 3; qos++) {
        rig_drop(with_will(r, qos, true));
        rig_take(w, "will", "gone", qos, false, false);
        struct peer *late = rig_clean(r, "late");
        rig_subscribe(late, 1, "will:2");
        rig_take(late, "will", "gone", qos, false, true);
        rig_drop(late);
    }
    struct peer *c =
        rig_connect(r, .id = "dying", .clean = true, .will_topic = "will", .will = "", .will_retain = true);
    rig_drop(c); /* an empty one deletes what is retained */
    rig_take(w, "will", "", 0, false, false);
    rig_subscribe(w, 2, "will:2");
    rig_expect_nothing(w);
}

/* The client may have subscribed to its own will, with a session that is kept. */
static void own_will_waits_for_its_client(void **state)
{
    struct rig *r = *state;
    struct peer *c = rig_connect(r, .id = "dying", .will_topic = "will", .will = "gone", .will_qos = 2);
    rig_subscribe(c, 1, "will:1");
    rig_drop(c);
    c = rig_resume(r, "dying");
    rig_take(c, "will", "gone", 1, false, false);
    rig_drop(c);
    c = rig_connect(r, .id = "dying", .clean = true, .will_topic = "will", .will = "gone");
    rig_subscribe(c, 1, "will:1");
    rig_drop(c);
}

static void rights_hold_for_wills(void **state)
{
    struct rig *r = *state;
    static const struct rule rules[] = {{RULE_PUBLISH, {(const uint8_t *)"mine/#", 6}}};
    rig_user(r, "u", "p", rules, 1, false);
    struct peer *w = rig_clean(r, "w");
    rig_subscribe(w, 1, "#:2 $SYS/#:2");
    static const struct {
        const char *topic;
        bool allowed;
    } cases[] = {{"theirs", false}, {"mine/x", true}, {"$SYS/x", false}};
    for (size_t i = 0; i < 3; i++) {
        rig_drop(rig_connect(r, .id = "a", .clean = true, .user = "u", .password = "p", .will_topic = cases[i].topic,
                             .will = "x", .will_qos = 1));
        if (cases[i].allowed)
            rig_take(w, cases[i].topic, "x", 1, false, false);
        rig_expect_nothing(w);
    }
    rig_drop(rig_connect(r, .id = "a", .clean = true, .will_topic = "$SYS/x", .will = "x"));
    rig_expect_nothing(w);
}

/* A will of a connection that was never accepted is none. */
static void refused_connections_have_no_will(void **state)
{
    struct rig *r = *state;
    struct peer *w = watcher(r);
    r->auth_later = true;
    struct peer *c = rig_start(r, &(struct rig_connect){.id = "a", .will_topic = "will", .will = "gone"});
    rig_run(r);
    rig_drop(c);
    rig_answer_auth(r);
    rig_expect_nothing(w);
}

static void will_topics_have_rules(void **state)
{
    static const char *const payloads[] = {"00 01 61 00 00 00 01 78", "00 01 61 00 01 23 00 01 78",
                                           "00 01 61 00 03 61 2f 2b 00 01 78"};
    for (size_t i = 0; i < 3; i++) {
        struct peer *c = rig_open(*state);
        send_raw_connect(c, 0x06, payloads[i]);
        rig_expect_closed(c);
    }
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST(when_the_connection_breaks__MQTT_3_1_2_8__MQTT_3_1_2_9__MQTT_3_1_2_16),
        RIG_TEST(after_a_protocol_error__MQTT_3_1_2_8),
        RIG_TEST(after_the_keep_alive__MQTT_3_1_2_8),
        RIG_TEST(at_a_takeover__MQTT_3_1_2_8),
        RIG_TEST(not_after_disconnect__MQTT_3_14_4_3__MQTT_3_1_2_10__MQTT5_3_14_4_3__MQTT5_3_1_2_10),
        RIG_TEST(not_at_the_servers_stop),
        RIG_TEST(when_an_operator_ends_it),
        RIG_TEST(once_only__MQTT_3_1_2_10__MQTT5_3_1_2_10),
        RIG_TEST(none_without_the_flag__MQTT_3_1_2_12),
        RIG_TEST(retained_will__MQTT_3_1_2_17__MQTT5_3_1_2_15),
        RIG_TEST(own_will_waits_for_its_client),
        RIG_TEST(rights_hold_for_wills),
        RIG_TEST(refused_connections_have_no_will),
        RIG_TEST_IN(will_topics_have_rules, RIG_3),
    };
    return RIG_MAIN(tests);
}
