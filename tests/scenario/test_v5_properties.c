/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a publisher says about its message is the receiver's: passed on unchanged, on every way that a message takes. */
#include "v5.h"

static const uint8_t binary[] = {0, 1, 0xff, 0, 0xc0, 0x80, '\n', 0};

static struct props everything(void)
{
    return (struct props){.has = RIG_HAS(PAYLOAD_FORMAT) | RIG_HAS(CONTENT_TYPE) | RIG_HAS(RESPONSE_TOPIC) |
                                 RIG_HAS(CORRELATION_DATA),
                          .payload_format = 1,
                          .content_type = bytes_str("text/plain; caf\xc3\xa9"),
                          .response_topic = bytes_str("answers/\xef\xbb\xbf/1"),
                          .correlation_data = bytes_of(binary, sizeof(binary)),
                          .raw = rig_user_props("b=1 a=2 b=1 b=0 = x= =y A=2 \xc3\xa9=\xf0\x9f\x98\x80")};
}

static void expect_everything(const struct props *p)
{
    assert_true(props_has(p, PROP_PAYLOAD_FORMAT));
    assert_int_equal(p->payload_format, 1);
    assert_text(p->content_type, "text/plain; caf\xc3\xa9");
    assert_text(p->response_topic, "answers/\xef\xbb\xbf/1");
    assert_int_equal(p->correlation_data.n, sizeof(binary));
    assert_memory_equal(p->correlation_data.p, binary, sizeof(binary));
    rig_expect_user_props(p, "b=1 a=2 b=1 b=0 = x= =y A=2 \xc3\xa9=\xf0\x9f\x98\x80");
    assert_false(props_has(p, PROP_TOPIC_ALIAS));
    assert_int_equal(p->sub_id_count, 0);
}

static void publish_everything(struct peer *p, const char *topic, uint8_t qos, bool retain)
{
    struct props props = everything();
    rig_send_publish_props(p, topic, "x", qos, retain, qos > 0 ? 7 : 0, &props);
    if (qos == 1)
        rig_expect_ack(p, PACKET_PUBACK, 7);
    if (qos == 2) {
        rig_expect_ack(p, PACKET_PUBREC, 7);
        rig_send_ack(p, PACKET_PUBREL, 7);
        rig_expect_ack(p, PACKET_PUBCOMP, 7);
    }
    rig_run(p->rig);
}

static void take_everything(struct peer *c, const char *topic, uint8_t qos)
{
    struct packet p;
    expect_message(c, topic, "x", &p);
    assert_int_equal(p.publish.qos, qos);
    expect_everything(&p.publish.props);
    uint16_t id = p.publish.id;
    if (qos == 1)
        rig_send_ack(c, PACKET_PUBACK, id);
    if (qos == 2) {
        rig_send_ack(c, PACKET_PUBREC, id);
        rig_expect_ack(c, PACKET_PUBREL, id);
        rig_send_ack(c, PACKET_PUBCOMP, id);
    }
    rig_run(c->rig);
}

/* [MQTT5-3.3.2-4] [MQTT5-3.3.2-15] [MQTT5-3.3.2-16] [MQTT5-3.3.2-17] [MQTT5-3.3.2-18] [MQTT5-3.3.2-20] */
static void straight_through(void **state)
{
    struct rig *r = *state;
    struct peer *c[6], *p = rig_clean(r, "p");
    for (unsigned i = 0; i < 6; i++) {
        c[i] = rig_connect(r, .id = numbered(i), .clean = i % 2 == 0);
        rig_subscribe(c[i], 1, i < 3 ? "t/1:2" : "t/+:1");
    }
    for (uint8_t qos = 0; qos < 3; qos++) {
        publish_everything(p, "t/1", qos, false);
        for (unsigned i = 0; i < 6; i++)
            take_everything(c[i], "t/1", i < 3 || qos < 1 ? qos : 1);
    }
}

static void through_the_queue__MQTT5_3_3_2_17__MQTT5_3_3_2_18(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:2");
    rig_drop(a);
    publish_everything(p, "t", 1, false);
    publish_everything(p, "t", 2, false);
    a = rig_resume(r, "a");
    take_everything(a, "t", 1);
    take_everything(a, "t", 2);
    rig_expect_nothing(a);
}

static void when_it_comes_again(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:2");
    publish_everything(p, "t", 1, false);
    struct packet q;
    expect_message(a, "t", "x", &q);
    rig_drop(a);
    a = rig_resume(r, "a");
    expect_message(a, "t", "x", &q);
    assert_true(q.publish.dup);
    expect_everything(&q.publish.props);
}

static void through_retained__MQTT5_3_3_2_17__MQTT5_3_3_2_18(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *p = rig_clean(r, "p");
    for (uint8_t qos = 0; qos < 3; qos++) {
        publish_everything(p, "r", qos, true);
        rig_subscribe(a, 1, "r:2");
        take_everything(a, "r", qos);
        rig_unsubscribe(a, 2, "r");
    }
}

static void through_a_will__MQTT5_3_1_3_10(void **state)
{
    struct rig *r = *state;
    struct peer *w = rig_clean(r, "w");
    rig_subscribe(w, 1, "will:2");
    for (uint8_t qos = 0; qos < 3; qos++) {
        struct props props = everything();
        rig_drop(rig_connect(r, .id = "a", .clean = true, .will_topic = "will", .will = "x", .will_qos = qos,
                             .will_props = &props));
        take_everything(w, "will", qos);
    }
}

static void what_was_not_said_is_not_added(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:1");
    for (uint8_t qos = 0; qos < 2; qos++) {
        struct packet q;
        rig_publish(p, "t", "x", qos, false);
        expect_message(a, "t", "x", &q);
        assert_true(q.publish.props.has == 0);
        assert_int_equal(q.publish.props.raw.n, 0);
        if (qos > 0)
            rig_send_ack(a, PACKET_PUBACK, q.publish.id);
    }
}

static void zeros_and_empty_ones_are_said_too(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:1");
    struct props props = {.has = RIG_HAS(PAYLOAD_FORMAT) | RIG_HAS(CONTENT_TYPE) | RIG_HAS(CORRELATION_DATA)};
    props.content_type = props.correlation_data = bytes_of("", 0);
    rig_send_publish_props(p, "t", "\xff\xfe", 0, false, 0, &props);
    struct packet q;
    expect_message(a, "t", "\xff\xfe", &q);
    assert_true(props_has(&q.publish.props, PROP_PAYLOAD_FORMAT));
    assert_int_equal(q.publish.props.payload_format, 0);
    assert_true(props_has(&q.publish.props, PROP_CONTENT_TYPE));
    assert_int_equal(q.publish.props.content_type.n, 0);
    assert_true(props_has(&q.publish.props, PROP_CORRELATION_DATA));
    assert_int_equal(q.publish.props.correlation_data.n, 0);
    assert_false(props_has(&q.publish.props, PROP_RESPONSE_TOPIC));
}

/* Tens of kilobytes of properties are as good as of payload; what is far too much is refused. */
static void large_ones(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:1");
    static uint8_t data[20000], raw[500000];
    static char name[65535];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 31 + i / 7 % 3);
    memset(name, 'n', sizeof(name));
    struct wr w = wr_of(raw, sizeof(raw));
    for (unsigned i = 0; i < 4; i++)
        prop_write(&w, &(struct prop_item){
                           .id = PROP_USER_PROPERTY, .name = bytes_of(name, 5000), .text = bytes_of(name, 5000 - i)});
    struct props props = {.has = RIG_HAS(CORRELATION_DATA), .correlation_data = bytes_of(data, sizeof(data))};
    props.raw = bytes_of(raw, (size_t)(w.p - raw));
    for (uint8_t qos = 0; qos < 2; qos++) {
        struct packet q;
        rig_send_publish_props(p, "t", "x", qos, false, qos, &props);
        expect_message(a, "t", "x", &q);
        assert_true(bytes_equal(q.publish.props.correlation_data, props.correlation_data));
        assert_int_equal(q.publish.props.user_count, 4);
        assert_int_equal(q.publish.props.raw.n, props.raw.n + 3 + sizeof(data));
        if (qos > 0)
            rig_send_ack(a, PACKET_PUBACK, q.publish.id);
    }
    for (unsigned i = 0; i < 3; i++)
        prop_write(&w, &(struct prop_item){
                           .id = PROP_USER_PROPERTY, .name = bytes_of(name, 65535), .text = bytes_of(name, 65535)});
    assert_false(w.bad);
    props.raw = bytes_of(raw, (size_t)(w.p - raw));
    rig_expect_ack(p, PACKET_PUBACK, 1);
    rig_send_publish_props(p, "t", "x", 0, false, 0, &props);
    rig_expect_ended(p, REASON_QUOTA_EXCEEDED);
    rig_expect_nothing(a);
}

/* Sixty-four are what the default allows. */
static void many_user_properties_keep_their_order__MQTT5_3_3_2_18(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:1");
    char pairs[64 * 12] = "";
    for (unsigned i = 0; i < 64; i++)
        snprintf(pairs + strlen(pairs), 12, "%s%u=%u", i > 0 ? " " : "", i * 37 % 10, i);
    struct props props = {.raw = rig_user_props(pairs)};
    rig_send_publish_props(p, "t", "x", 1, false, 1, &props);
    struct packet q;
    expect_message(a, "t", "x", &q);
    rig_expect_user_props(&q.publish.props, pairs);
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST_IN(straight_through, RIG_5),
        RIG_TEST_IN(through_the_queue__MQTT5_3_3_2_17__MQTT5_3_3_2_18, RIG_5),
        RIG_TEST_IN(when_it_comes_again, RIG_5),
        RIG_TEST_IN(through_retained__MQTT5_3_3_2_17__MQTT5_3_3_2_18, RIG_5),
        RIG_TEST_IN(through_a_will__MQTT5_3_1_3_10, RIG_5),
        RIG_TEST_IN(what_was_not_said_is_not_added, RIG_5),
        RIG_TEST_IN(zeros_and_empty_ones_are_said_too, RIG_5),
        RIG_TEST_IN(large_ones, RIG_5 | RIG_WHOLE),
        RIG_TEST_IN(many_user_properties_keep_their_order__MQTT5_3_3_2_18, RIG_5),
    };
    return RIG_MAIN(tests);
}
