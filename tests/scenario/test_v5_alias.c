/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Topic aliases, both ways. What a server may do with its own is judged by the rig in every packet: none above the
 * client's maximum, none before its topic.
 */
#include "v5.h"

static void send_alias(struct peer *c, const char *topic, const char *payload, uint8_t qos, uint16_t id, uint16_t alias)
{
    rig_send_publish_props(c, topic, payload, qos, false, id, NUMBER(TOPIC_ALIAS, topic_alias, alias));
}

static void alias_stands_for_its_topic__MQTT5_3_3_2_12(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *w = rig_clean(r, "w");
    rig_subscribe(w, 1, "#:2");
    for (uint16_t alias = 1; alias <= 64; alias++) {
        send_alias(a, numbered(alias), "first", 0, 0, alias);
        rig_take(w, numbered(alias), "first", 0, false, false);
    }
    for (uint16_t alias = 64; alias >= 1; alias--) {
        uint8_t qos = (uint8_t)(alias % 3);
        send_alias(a, "", "again", qos, qos > 0 ? alias : 0, alias);
        rig_take(w, numbered(alias), "again", qos, false, false);
    }
}

static void alias_may_get_another_topic(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *w = rig_clean(r, "w");
    rig_subscribe(w, 1, "#:0");
    send_alias(a, "one", "1", 0, 0, 5);
    send_alias(a, "", "2", 0, 0, 5);
    send_alias(a, "two", "3", 0, 0, 5);
    send_alias(a, "", "4", 0, 0, 5);
    send_alias(a, "two", "5", 0, 0, 6); /* one topic with two aliases */
    send_alias(a, "", "6", 0, 0, 6);
    rig_take(w, "one", "1", 0, false, false);
    rig_take(w, "one", "2", 0, false, false);
    for (unsigned i = 3; i <= 6; i++)
        rig_take(w, "two", numbered(i) + 1, 0, false, false);
}

static void aliases_are_the_connections_own(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *b = rig_clean(r, "b"), *w = rig_clean(r, "w");
    rig_subscribe(w, 1, "#:0");
    send_alias(a, "of a", "1", 0, 0, 1);
    rig_take(w, "of a", "1", 0, false, false);
    send_alias(b, "of b", "2", 0, 0, 1);
    rig_take(w, "of b", "2", 0, false, false);
    send_alias(a, "", "3", 0, 0, 1);
    rig_take(w, "of a", "3", 0, false, false);
}

static void aliases_end_with_the_connection__MQTT5_3_3_2_7(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *w = rig_clean(r, "w");
    rig_subscribe(w, 1, "#:0");
    send_alias(a, "t", "1", 0, 0, 1);
    rig_take(w, "t", "1", 0, false, false);
    rig_drop(a);
    a = rig_resume(r, "a");
    send_alias(a, "", "2", 0, 0, 1);
    rig_expect_ended(a, REASON_PROTOCOL_ERROR);
    rig_expect_nothing(w);
}

static void alias_out_of_range__MQTT5_3_3_2_8__MQTT5_3_3_2_9(void **state)
{
    struct rig *r = *state;
    static const uint16_t bad[] = {65, 1000, 65535};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct peer *a = rig_clean(r, "a");
        send_alias(a, "t", "x", 1, 1, bad[i]);
        rig_expect_ended(a, REASON_TOPIC_ALIAS_INVALID);
    }
    static const char *const none[] = {"30 07 00 01 74 03 23 00 00", "30 06 00 00 03 23 00 00"};
    for (size_t i = 0; i < 2; i++) {
        struct peer *a = rig_clean(r, "a");
        rig_send_hex(a, none[i]);
        rig_expect_ended(a, REASON_TOPIC_ALIAS_INVALID);
    }
}

static void alias_that_nobody_gave(void **state)
{
    struct rig *r = *state;
    for (uint8_t qos = 0; qos < 3; qos++) {
        struct peer *a = rig_clean(r, "a");
        send_alias(a, "t", "x", 0, 0, 1);
        send_alias(a, "", "x", qos, qos > 0 ? 1 : 0, 2);
        rig_expect_ended(a, REASON_PROTOCOL_ERROR);
    }
    struct peer *a = rig_clean(r, "a"); /* no topic and no alias */
    rig_send_hex(a, "30 03 00 00 00");
    rig_expect_ended(a, REASON_PROTOCOL_ERROR);
}

/* The alias is the publisher's way to say it: nobody else sees it, and what is kept has its topic. */
static void alias_is_not_passed_on__MQTT5_3_1_2_27(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *w = rig_keep(r, "w");
    rig_subscribe(w, 1, "t:2");
    rig_send_publish_props(a, "t", "x", 1, true, 1, NUMBER(TOPIC_ALIAS, topic_alias, 3));
    struct packet p;
    expect_message(w, "t", "x", &p);
    assert_false(props_has(&p.publish.props, PROP_TOPIC_ALIAS));
    rig_send_ack(w, PACKET_PUBACK, p.publish.id);
    rig_run(r);
    rig_drop(w);
    send_alias(a, "", "queued", 1, 2, 3);
    rig_run(r);
    w = rig_resume(r, "w");
    rig_take(w, "t", "queued", 1, false, false);
    rig_send_publish_props(a, "", "kept", 1, true, 3, NUMBER(TOPIC_ALIAS, topic_alias, 3));
    rig_take(w, "t", "kept", 1, false, false);
    struct peer *late = rig_clean(r, "late");
    rig_subscribe(late, 1, "t:0");
    rig_take(late, "t", "kept", 0, false, true);
}

static void refused_publication_gives_its_alias_all_the_same(void **state)
{
    struct rig *r = *state;
    static const struct rule rules[] = {{RULE_PUBLISH, {(const uint8_t *)"mine/#", 6}}};
    rig_user(r, "u", "p", rules, 1, false);
    struct peer *a = rig_connect(r, .id = "a", .clean = true, .user = "u", .password = "p"), *w = rig_clean(r, "w");
    rig_subscribe(w, 1, "#:0");
    send_alias(a, "theirs", "x", 0, 0, 1);
    send_alias(a, "", "x", 1, 7, 1);
    rig_expect_reason(a, PACKET_PUBACK, 7, REASON_NOT_AUTHORIZED);
    send_alias(a, "mine/t", "x", 0, 0, 1);
    send_alias(a, "", "y", 0, 0, 1);
    rig_take(w, "mine/t", "x", 0, false, false);
    rig_take(w, "mine/t", "y", 0, false, false);
    rig_expect_nothing(w);
}

/* A QoS 2 PUBLISH that comes again while it is known gives its alias too. */
static void repeated_publication_gives_its_alias(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *w = rig_clean(r, "w");
    rig_subscribe(w, 1, "#:0");
    send_alias(a, "t", "1", 2, 9, 1);
    rig_expect_ack(a, PACKET_PUBREC, 9);
    rig_drop(a);
    a = rig_resume(r, "a");
    struct packet p = {.type = PACKET_PUBLISH};
    p.publish = (struct packet_publish){.topic = bytes_str("t"), .payload = bytes_str("1"), .id = 9, .qos = 2};
    p.publish.dup = true;
    p.publish.props = (struct props){.has = RIG_HAS(TOPIC_ALIAS), .topic_alias = 1};
    rig_send(a, &p);
    rig_expect_ack(a, PACKET_PUBREC, 9);
    send_alias(a, "", "2", 0, 0, 1);
    rig_take(w, "t", "1", 0, false, false);
    rig_take(w, "t", "2", 0, false, false);
    rig_expect_nothing(w);
}

/* --------------------------------------------------- the server's own */

static struct peer *with_aliases(struct rig *r, const char *id, uint16_t most, bool present)
{
    return rig_connect(r, .id = id, .present = present,
                       .props = PROPS(.has = RIG_HAS(TOPIC_ALIAS_MAXIMUM) | RIG_HAS(SESSION_EXPIRY),
                                      .topic_alias_maximum = most, .session_expiry = RIG_FOREVER));
}

/* Returns how many came with an alias in place of the topic. */
static unsigned take_round(struct peer *c, unsigned topics, unsigned rounds, uint8_t qos)
{
    unsigned short_ones = 0;
    for (unsigned i = 0; i < topics * rounds; i++) {
        struct packet p;
        size_t at = c->got_at;
        char topic[40];
        snprintf(topic, sizeof(topic), "a/topic/of/some/length/%u", i % topics);
        expect_message(c, topic, numbered(i), &p);
        bool alias = props_has(&p.publish.props, PROP_TOPIC_ALIAS);
        short_ones += alias && c->got[at + 2] == 0 && c->got[at + 3] == 0;
        if (qos == 1)
            rig_send_ack(c, PACKET_PUBACK, p.publish.id);
    }
    return short_ones;
}

static void send_round(struct peer *p, unsigned topics, unsigned rounds, uint8_t qos)
{
    for (unsigned i = 0; i < topics * rounds; i++) {
        char topic[40];
        snprintf(topic, sizeof(topic), "a/topic/of/some/length/%u", i % topics);
        rig_send_publish(p, topic, numbered(i), qos, false, qos > 0 ? (uint16_t)(i + 1) : 0);
    }
}

static void server_uses_aliases_where_it_may__MQTT5_3_1_2_26__MQTT5_3_3_2_11(void **state)
{
    struct rig *r = *state;
    static const struct {
        uint16_t most;
        unsigned topics;
        bool used;
    } cases[] = {{5, 1, true}, {5, 5, true}, {1, 1, true}, {2, 10, false}, {10, 30, false}, {0, 1, false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        for (uint8_t qos = 0; qos < 2; qos++) {
            struct peer *p = rig_clean(r, "p"), *a = with_aliases(r, "a", cases[i].most, false);
            rig_subscribe(a, 1, "a/#:1");
            send_round(p, cases[i].topics, 20, qos);
            unsigned used = take_round(a, cases[i].topics, 20, qos);
            assert_true(used >= 1 || !cases[i].used);
            assert_true(cases[i].most > 0 || used == 0);
            rig_expect_nothing(a);
            rig_drop(a);
            rig_disconnect(rig_clean(r, "a"));
            rig_drop(p);
        }
}

/* The rig's table of a new connection is empty, so an alias of the old one would be seen. */
static void server_begins_anew_with_each_connection__MQTT5_3_3_2_7(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, "p"), *a = with_aliases(r, "a", 5, false);
    rig_subscribe(a, 1, "a/#:1");
    send_round(p, 1, 20, 1);
    for (unsigned i = 0; i < 20; i++)
        rig_expect_publish(a, "a/topic/of/some/length/0", numbered(i), 1, false, false);
    rig_drop(a);
    a = with_aliases(r, "a", 5, true);
    for (unsigned i = 0; i < 20; i++)
        rig_take(a, "a/topic/of/some/length/0", numbered(i), 1, true, false);
    rig_drop(a);
    send_round(p, 1, 5, 1);
    a = with_aliases(r, "a", 0, true);
    for (unsigned i = 0; i < 5; i++)
        rig_take(a, "a/topic/of/some/length/0", numbered(i), 1, false, false);
    rig_expect_nothing(a);
}

static void aliases_and_a_small_packet_size(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, "p");
    struct peer *a = rig_connect(r, .id = "a", .clean = true,
                                 .props = PROPS(.has = RIG_HAS(TOPIC_ALIAS_MAXIMUM) | RIG_HAS(MAXIMUM_PACKET_SIZE),
                                                .topic_alias_maximum = 5, .maximum_packet_size = 35));
    rig_subscribe(a, 1, "a/#:1");
    send_round(p, 3, 20, 0); /* with the topic and an alias, one would be too large */
    struct packet q;
    unsigned n = 0;
    while (rig_next(a, &q)) {
        assert_int_equal(number_in(q.publish.topic, 23), number_in(q.publish.payload, 1) % 3);
        n++;
    }
    assert_true(n > 0);
}

/*
 * From who sends by alias, by topic and in 3.1.1, to who has few aliases, enough, none, an identifier, or 3.1.1: small
 * packets and large ones, the same topic again or another one.
 */
static void messages_cross_whatever_each_side_uses(void **state)
{
    enum { TOPICS = 9, FROM = 3, TO = 5 };
    static const uint16_t sizes[] = {1, 40, 470, 600, 5000};
    static char payload[5001];
    struct rig *r = *state;
    struct peer *from[FROM] = {rig_clean(r, "alias"), rig_clean(r, "topic"),
                               rig_connect(r, .id = "p311", .clean = true, .proto = PROTO_311)};
    struct peer *to[TO] = {with_aliases(r, "few", 3, false), with_aliases(r, "enough", 100, false),
                           rig_clean(r, "none"), with_aliases(r, "id", 100, false),
                           rig_connect(r, .id = "s311", .clean = true, .proto = PROTO_311)};
    for (unsigned i = 0; i < TO; i++)
        if (i != 3)
            rig_subscribe(to[i], 1, "a/#:1");
    struct packet suback;
    rig_send_subscribe_id(to[3], 1, "a/#:1", 7);
    rig_expect_packet(to[3], PACKET_SUBACK, &suback);
    srand(5);
    unsigned topic = 0;
    bool set[TOPICS] = {false};
    for (unsigned i = 0; i < 600; i++) {
        char name[40];
        size_t size = sizes[(unsigned)rand() % (i % 10 > 0 ? 3 : 5)];
        unsigned who = (unsigned)rand() % FROM;
        topic = rand() % 3 > 0 ? topic : (unsigned)rand() % TOPICS;
        snprintf(name, sizeof(name), "a/topic/of/some/length/%u", topic);
        memset(payload, 'a' + (int)(i % 26), size);
        payload[size] = 0;
        if (who == 0)
            send_alias(from[0], set[topic] ? "" : name, payload, 0, 0, (uint16_t)(64 - topic));
        else
            rig_send_publish(from[who], name, payload, 0, false, 0);
        set[topic] |= who == 0;
        for (unsigned j = 0; j < TO; j++) {
            struct packet got;
            expect_message(to[j], name, payload, &got);
            assert_int_equal(got.publish.props.sub_id_count, j == 3);
        }
    }
    for (unsigned j = 0; j < TO; j++)
        rig_expect_nothing(to[j]);
}

/* What another property asks for is not lost beside an alias, nor RETAIN where a subscriber wants it. */
static void alias_beside_other_properties(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, "p"), *a = with_aliases(r, "a", 5, false), *w = rig_clean(r, "w");
    rig_subscribe(a, 1, "t/long:0p");
    rig_subscribe(w, 1, "t/long:0p");
    send_alias(p, "t/long", "1", 0, 0, 9);
    struct props props = {.has = RIG_HAS(TOPIC_ALIAS) | RIG_HAS(CONTENT_TYPE) | RIG_HAS(MESSAGE_EXPIRY),
                          .topic_alias = 9,
                          .content_type = bytes_str("text"),
                          .message_expiry = 100};
    for (unsigned i = 0; i < 3; i++) {
        struct packet got;
        rig_send_publish_props(p, "", "2", 0, i == 1, 0, &props);
        if (i == 0) {
            rig_take(a, "t/long", "1", 0, false, false);
            rig_take(w, "t/long", "1", 0, false, false);
        }
        for (unsigned j = 0; j < 2; j++) {
            expect_message(j == 0 ? a : w, "t/long", "2", &got);
            assert_int_equal(got.publish.retain, i == 1);
            assert_true(props_has(&got.publish.props, PROP_CONTENT_TYPE));
            assert_int_equal(got.publish.props.message_expiry, 100);
        }
    }
    /* The alias first, and another property between it and the payload. */
    static const uint8_t user[] = {0x30, 14, 0, 0, 10, 0x23, 0, 9, 0x26, 0, 1, 'k', 0, 1, 'v', '3'};
    for (unsigned j = 0; j < 2; j++) {
        struct packet got;
        rig_send_bytes(p, user, sizeof(user));
        for (unsigned i = 0; i < 2; i++) {
            expect_message(i == 0 ? a : w, "t/long", "3", &got);
            rig_expect_user_props(&got.publish.props, "k=v");
        }
    }
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST_IN(alias_stands_for_its_topic__MQTT5_3_3_2_12, RIG_5),
        RIG_TEST_IN(alias_may_get_another_topic, RIG_5),
        RIG_TEST_IN(aliases_are_the_connections_own, RIG_5),
        RIG_TEST_IN(aliases_end_with_the_connection__MQTT5_3_3_2_7, RIG_5),
        RIG_TEST_IN(alias_out_of_range__MQTT5_3_3_2_8__MQTT5_3_3_2_9, RIG_5),
        RIG_TEST_IN(alias_that_nobody_gave, RIG_5),
        RIG_TEST_IN(alias_is_not_passed_on__MQTT5_3_1_2_27, RIG_5),
        RIG_TEST_IN(refused_publication_gives_its_alias_all_the_same, RIG_5),
        RIG_TEST_IN(repeated_publication_gives_its_alias, RIG_5),
        RIG_TEST_IN(server_uses_aliases_where_it_may__MQTT5_3_1_2_26__MQTT5_3_3_2_11, RIG_5),
        RIG_TEST_IN(server_begins_anew_with_each_connection__MQTT5_3_3_2_7, RIG_5),
        RIG_TEST_IN(aliases_and_a_small_packet_size, RIG_5),
        RIG_TEST_IN(messages_cross_whatever_each_side_uses, RIG_5),
        RIG_TEST_IN(alias_beside_other_properties, RIG_5),
    };
    return RIG_MAIN(tests);
}
