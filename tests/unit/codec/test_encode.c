/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What encoding does beside the way back that test_vectors.c shows: writing down to 3.x, sizes, and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vector.h"

static void expect(const struct packet *p, enum proto proto, const char *text)
{
    uint8_t want[VECTOR_MAX], got[VECTOR_MAX];
    size_t n = vector_bytes(text, want);

    assert_int_equal(packet_encode(p, proto, got, sizeof got), n);
    assert_memory_equal(got, want, n);
}

static struct props some_props(void)
{
    static uint8_t raw[100];
    size_t n = vector_bytes("26 <a><b> 18 00000001 0b 07 23 0009", raw);
    return (struct props){
        .has = (uint64_t)1 << PROP_USER_PROPERTY | (uint64_t)1 << PROP_WILL_DELAY | (uint64_t)1 << PROP_MESSAGE_EXPIRY |
               (uint64_t)1 << PROP_REASON_STRING,
        .raw = bytes_of(raw, n),
        .user_count = 1,
        .will_delay = 1,
        .message_expiry = 60,
        .reason_string = bytes_str("why"),
    };
}

static void publish_loses_its_properties_in_3(void **state)
{
    struct packet p = {.type = PACKET_PUBLISH};

    (void)state;
    p.publish.topic = bytes_str("a/b");
    p.publish.payload = bytes_str("hello");
    p.publish.props = some_props();
    expect(&p, PROTO_311, "30 ~ <a/b> 'hello'");
    expect(&p, PROTO_31, "30 ~ <a/b> 'hello'");
}

static void publish_leaves_out_what_is_not_its_own(void **state)
{
    struct packet p = {.type = PACKET_PUBLISH};

    (void)state;
    p.publish.topic = bytes_str("a/b");
    p.publish.props = some_props();
    expect(&p, PROTO_5, "30 ~ <a/b> {26 <a><b> 0b 07 02 0000003c}");
}

static void subscription_id_of_publish_comes_from_raw_or_else_from_its_field(void **state)
{
    uint8_t raw[100];
    struct packet p = {.type = PACKET_PUBLISH};

    (void)state;
    p.publish.topic = bytes_str("a");
    p.publish.props = (struct props){.has = (uint64_t)1 << PROP_SUBSCRIPTION_ID, .sub_id = 300};
    expect(&p, PROTO_5, "30 ~ <a> {0b ac02}");
    p.publish.props.raw = bytes_of(raw, vector_bytes("26 <x><y>", raw));
    expect(&p, PROTO_5, "30 ~ <a> {26 <x><y> 0b ac02}");
    p.publish.props.raw = bytes_of(raw, vector_bytes("0b 01 0b 02", raw));
    expect(&p, PROTO_5, "30 ~ <a> {0b 01 0b 02}");
}

static void subscription_id_of_subscribe_comes_from_its_field(void **state)
{
    uint8_t raw[100], list[100];
    struct packet p = {.type = PACKET_SUBSCRIBE};

    (void)state;
    p.subscribe.id = 1;
    p.subscribe.filters = bytes_of(list, vector_bytes("<a> 00", list));
    p.subscribe.props = (struct props){.has = (uint64_t)1 << PROP_SUBSCRIPTION_ID, .sub_id = 5};
    p.subscribe.props.raw = bytes_of(raw, vector_bytes("0b 01 26 <x><y>", raw));
    expect(&p, PROTO_5, "82 ~ 0001 {26 <x><y> 0b 05} <a> 00");
}

static void suback_is_written_down__MQTT_3_9_3_2(void **state)
{
    static const uint8_t codes[] = {0, 1, 2, 0x80, 0x87, 0x8f, 0xa2};
    struct packet p = {.type = PACKET_SUBACK};

    (void)state;
    p.suback.id = 10;
    p.suback.codes = bytes_of(codes, sizeof codes);
    p.suback.props = some_props();
    expect(&p, PROTO_5, "90 ~ 000a {26 <a><b> 1f <why>} 00 01 02 80 87 8f a2");
    expect(&p, PROTO_311, "90 ~ 000a 00 01 02 80 80 80 80");
    p.type = PACKET_UNSUBACK;
    expect(&p, PROTO_311, "b0 ~ 000a");
}

static void connack_is_written_down__MQTT5_3_2_2_6__MQTT_3_2_2_4(void **state)
{
    struct packet p = {.type = PACKET_CONNACK};

    (void)state;
    p.connack.session_present = true;
    expect(&p, PROTO_5, "20 ~ 01 00 {}");
    expect(&p, PROTO_311, "20 02 01 00");
    expect(&p, PROTO_31, "20 02 00 00");
    p.connack.reason = REASON_BANNED;
    expect(&p, PROTO_5, "20 ~ 00 8a {}");
    expect(&p, PROTO_311, "20 02 00 03");
    p.connack.reason = REASON_NOT_AUTHORIZED;
    expect(&p, PROTO_311, "20 02 00 05");
    p.connack.reason = REASON_BAD_USER_NAME_OR_PASSWORD;
    expect(&p, PROTO_31, "20 02 00 04");
}

static void acknowledgement_and_disconnect_are_written_down(void **state)
{
    struct packet p = {.type = PACKET_PUBREC};

    (void)state;
    p.ack.id = 7;
    p.ack.reason = REASON_QUOTA_EXCEEDED;
    p.ack.props = some_props();
    expect(&p, PROTO_5, "50 ~ 0007 97 {26 <a><b> 1f <why>}");
    expect(&p, PROTO_311, "50 02 0007");
    p = (struct packet){.type = PACKET_DISCONNECT};
    p.end.reason = REASON_SERVER_SHUTTING_DOWN;
    expect(&p, PROTO_5, "e0 01 8b");
    expect(&p, PROTO_311, "e0 00");
}

static void connect_is_written_in_each_version(void **state)
{
    struct packet p = {.type = PACKET_CONNECT};

    (void)state;
    p.connect.client_id = bytes_str("a");
    p.connect.clean = true;
    p.connect.keep_alive = 60;
    p.connect.has_will = true;
    p.connect.will = (struct will){.topic = bytes_str("t"), .qos = 1, .retain = true, .props = some_props()};
    expect(&p, PROTO_31, "10 ~ <MQIsdp> 03 2e 003c <a> <t> <>");
    expect(&p, PROTO_311, "10 ~ <MQTT> 04 2e 003c <a> <t> <>");
    expect(&p, PROTO_5, "10 ~ <MQTT> 05 2e 003c {} <a> {26 <a><b> 02 0000003c 18 00000001} <t> <>");
}

static void packet_that_a_version_lacks_is_refused(void **state)
{
    struct packet p = {.type = PACKET_AUTH};
    uint8_t b[100];

    (void)state;
    assert_int_equal(packet_encode(&p, PROTO_311, b, sizeof b), 0);
    assert_int_equal(packet_encode(&p, PROTO_31, b, sizeof b), 0);
    assert_int_equal(packet_encode(&p, PROTO_5, b, sizeof b), 2);
    assert_int_equal(packet_encode(&p, PROTO_NONE, b, sizeof b), 0);
    p.end.reason = REASON_CONTINUE_AUTHENTICATION;
    expect(&p, PROTO_5, "f0 ~ 18 {}");
    p = (struct packet){.type = PACKET_CONNECT};
    p.connect.has_password = true;
    assert_int_equal(packet_encode(&p, PROTO_311, b, sizeof b), 0);
    assert_true(packet_encode(&p, PROTO_5, b, sizeof b) > 0);
}

static void text_that_is_too_long_is_refused(void **state)
{
    uint8_t *big = calloc(1, 65536);
    struct packet p = {.type = PACKET_PUBLISH};

    (void)state;
    assert_non_null(big);
    p.publish.topic = bytes_of(big, 65535);
    assert_int_equal(packet_encode(&p, PROTO_311, NULL, 0), 1 + 3 + 2 + 65535);
    p.publish.topic.n++;
    assert_int_equal(packet_encode(&p, PROTO_311, NULL, 0), 0);
    assert_int_equal(packet_encode(&p, PROTO_5, NULL, 0), 0);
    p.publish.topic = bytes_str("a");
    p.publish.props = (struct props){.has = (uint64_t)1 << PROP_CONTENT_TYPE, .content_type = bytes_of(big, 65536)};
    assert_int_equal(packet_encode(&p, PROTO_5, NULL, 0), 0);
    assert_true(packet_encode(&p, PROTO_311, NULL, 0) > 0);
    p = (struct packet){.type = PACKET_CONNECT};
    p.connect.client_id = bytes_of(big, 65536);
    assert_int_equal(packet_encode(&p, PROTO_311, NULL, 0), 0);
    p = (struct packet){.type = PACKET_PUBACK};
    p.ack.props = (struct props){.has = (uint64_t)1 << PROP_REASON_STRING, .reason_string = bytes_of(big, 65536)};
    assert_int_equal(packet_encode(&p, PROTO_5, NULL, 0), 0);
    free(big);
}

static void packet_that_is_too_large_is_refused(void **state)
{
    struct packet p = {.type = PACKET_PUBLISH, .publish.topic = bytes_str("abc")};
    size_t *n = &p.publish.payload.n;

    (void)state;
    *n = 268435455 - 5;
    assert_int_equal(packet_encode(&p, PROTO_311, NULL, 0), 1 + 4 + 5 + *n);
    ++*n;
    assert_int_equal(packet_encode(&p, PROTO_311, NULL, 0), 0);
    *n = SIZE_MAX;
    assert_int_equal(packet_encode(&p, PROTO_311, NULL, 0), 0);
    *n = 268435455 - 6;
    assert_int_equal(packet_encode(&p, PROTO_5, NULL, 0), 1 + 4 + 6 + *n);
    ++*n;
    assert_int_equal(packet_encode(&p, PROTO_5, NULL, 0), 0);
}

/* What the broker sends: the head by the short way, and the payload, are the packet. */
static void head_and_payload_make_the_packet(void **state)
{
    static const enum proto protos[] = {PROTO_31, PROTO_311, PROTO_5};
    uint8_t raw[100], whole[400], got[400], payload[200] = {1, 2, 3};
    struct bytes forward = bytes_of(raw, vector_bytes("26 <a><b> 26 <c><d>", raw));

    (void)state;
    for (unsigned i = 0; i < 3 * 16 * 3; i++) {
        static const size_t sizes[] = {0, 100, sizeof payload};
        unsigned flags = i / 3 % 16, qos = flags >> 1 & 3;
        struct packet p = {.type = PACKET_PUBLISH};
        p.publish = (struct packet_publish){.topic = bytes_str("home/kitchen"),
                                            .payload = bytes_of(payload, sizes[i % 3]),
                                            .id = qos > 0 ? 4711 : 0,
                                            .qos = (uint8_t)qos,
                                            .retain = (flags & 1) != 0,
                                            .dup = (flags & 8) != 0,
                                            .props = {.has = (uint64_t)1 << PROP_USER_PROPERTY, .raw = forward}};
        const struct publish_out o = {.topic = p.publish.topic,
                                      .forward = forward,
                                      .payload_n = p.publish.payload.n,
                                      .id = p.publish.id,
                                      .qos = p.publish.qos,
                                      .retain = p.publish.retain,
                                      .dup = p.publish.dup};
        if (qos == 3)
            continue;
        size_t n = packet_encode(&p, protos[i / 48], whole, sizeof whole);
        size_t head_n = publish_out_head(&o, protos[i / 48], got);
        assert_int_equal(head_n + o.payload_n, n);
        memcpy(got + head_n, payload, o.payload_n);
        assert_memory_equal(got, whole, n);
        memset(got, 0xee, sizeof got);
        assert_int_equal(packet_encode(&p, protos[i / 48], got, n - 1), n);
        assert_int_equal(got[0], 0xee);
    }
}

/* What the broker says itself stands beside what it passes on. */
static void properties_of_the_broker_stand_beside_the_others(void **state)
{
    uint8_t raw[100], got[400];
    struct publish_out o = {.topic = bytes_str("t"),
                            .forward = bytes_of(raw, vector_bytes("26 <a><b>", raw)),
                            .sub_id = 300,
                            .has_expiry = true,
                            .expiry = 60,
                            .alias = 5,
                            .alias_known = true};
    struct frame f;
    struct packet_publish p;
    enum reason why;

    (void)state;
    size_t n = publish_out_head(&o, PROTO_5, got);
    assert_int_equal(frame_parse(bytes_of(got, n), n, PROTO_5, &f, &why), FRAME_WHOLE);
    assert_int_equal(publish_decode(&f, PROTO_5, &p), REASON_SUCCESS);
    assert_int_equal(p.topic.n, 0);
    assert_int_equal(p.props.topic_alias, 5);
    assert_int_equal(p.props.message_expiry, 60);
    assert_int_equal(p.props.sub_id, 300);
    assert_int_equal(p.props.user_count, 1);
    o.payload_n = SIZE_MAX / 2;
    assert_int_equal(publish_out_head(&o, PROTO_5, got), 0);
    assert_int_equal(publish_out_head(&o, PROTO_311, got), 0);
}

/* The short ways of PUBLISH in 3.x say what the general ones say: written whole, and taken apart again. */
static void short_publish_is_as_the_long_one(void **state)
{
    static const char *const topics[] = {
        "t", "four", "seven/7", "eight/88", "sixteen/sixteen/", "a/topic/of/more/levels"};
    uint8_t text[300], want[400], got[400];
    (void)state;
    memset(text, 'x', sizeof text);
    for (unsigned i = 0; i < 6 * 16 * 5; i++) {
        static const size_t sizes[] = {0, 1, 100, 127, sizeof text};
        unsigned flags = i / 5 % 16, qos = flags >> 1 & 3;
        struct packet p = {.type = PACKET_PUBLISH};
        p.publish = (struct packet_publish){.topic = bytes_str(topics[i / 80]),
                                            .payload = bytes_of(text, sizes[i % 5]),
                                            .id = qos > 0 ? 0x1234 : 0,
                                            .qos = (uint8_t)qos,
                                            .retain = (flags & 1) != 0,
                                            .dup = (flags & 8) != 0};
        if (qos == 3 || (qos == 0 && p.publish.dup))
            continue;
        size_t n = packet_encode(&p, PROTO_311, want, sizeof want);
        assert_int_equal(publish_out3(p.publish.topic, p.publish.payload, flags, p.publish.id, got), n);
        assert_memory_equal(got, want, n);
        struct frame f;
        enum reason why;
        struct bytes topic, payload;
        uint16_t id;
        assert_int_equal(frame_parse(bytes_of(got, n), n, PROTO_311, &f, &why), FRAME_WHOLE);
        assert_true(publish_split3(&f, &topic, &id, &payload));
        assert_true(bytes_equal(topic, p.publish.topic) && bytes_equal(payload, p.publish.payload));
        assert_int_equal(id, p.publish.id);
    }
}

static void filters_are_walked_as_they_were_written(void **state)
{
    static const enum proto protos[] = {PROTO_31, PROTO_311, PROTO_5};
    const struct filter_request in[] = {
        {.filter = bytes_str("a/b"), .qos = 2, .no_local = true, .retain_handling = 2},
        {.filter = bytes_str("#"), .qos = 0, .retain_as_published = true, .retain_handling = 1},
    };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        uint8_t b[100];
        bool five = protos[i] == PROTO_5;
        struct wr w = wr_of(b, sizeof b);
        filter_write(&w, PACKET_SUBSCRIBE, protos[i], &in[0]);
        filter_write(&w, PACKET_SUBSCRIBE, protos[i], &in[1]);
        struct rd r = rd_of(bytes_of(b, (size_t)(w.p - b)));
        for (size_t k = 0; k < 2; k++) {
            struct filter_request out;
            assert_true(filter_next(&r, PACKET_SUBSCRIBE, protos[i], &out));
            assert_true(bytes_equal(out.filter, in[k].filter));
            assert_int_equal(out.qos, in[k].qos);
            assert_int_equal(out.no_local, five && in[k].no_local);
            assert_int_equal(out.retain_as_published, five && in[k].retain_as_published);
            assert_int_equal(out.retain_handling, five ? in[k].retain_handling : 0);
        }
        struct filter_request none;
        assert_false(filter_next(&r, PACKET_SUBSCRIBE, protos[i], &none));
    }
}

static void connect_that_fails_tells_what_is_known_of_its_version(void **state)
{
    struct packet p;

    (void)state;
    assert_int_equal(decode_text("10 ~ <MQTT> 05 03 0000 {} <a>", PROTO_NONE, &p), REASON_MALFORMED_PACKET);
    assert_int_equal(p.connect.proto, PROTO_5);
    assert_int_equal(decode_text("10 ~ <MQTT> 84 02 0000 <a>", PROTO_NONE, &p), REASON_UNSUPPORTED_PROTOCOL_VERSION);
    assert_int_equal(p.connect.proto, PROTO_NONE);
    assert_int_equal(p.connect.level, 0x84);
    assert_int_equal(decode_text("10 ~ <HTTP> 04 02 0000 <a>", PROTO_NONE, &p), REASON_PROTOCOL_ERROR);
    assert_int_equal(p.connect.proto, PROTO_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(publish_loses_its_properties_in_3),
        cmocka_unit_test(publish_leaves_out_what_is_not_its_own),
        cmocka_unit_test(subscription_id_of_publish_comes_from_raw_or_else_from_its_field),
        cmocka_unit_test(subscription_id_of_subscribe_comes_from_its_field),
        cmocka_unit_test(suback_is_written_down__MQTT_3_9_3_2),
        cmocka_unit_test(connack_is_written_down__MQTT5_3_2_2_6__MQTT_3_2_2_4),
        cmocka_unit_test(acknowledgement_and_disconnect_are_written_down),
        cmocka_unit_test(connect_is_written_in_each_version),
        cmocka_unit_test(packet_that_a_version_lacks_is_refused),
        cmocka_unit_test(text_that_is_too_long_is_refused),
        cmocka_unit_test(packet_that_is_too_large_is_refused),
        cmocka_unit_test(head_and_payload_make_the_packet),
        cmocka_unit_test(properties_of_the_broker_stand_beside_the_others),
        cmocka_unit_test(short_publish_is_as_the_long_one),
        cmocka_unit_test(filters_are_walked_as_they_were_written),
        cmocka_unit_test(connect_that_fails_tells_what_is_known_of_its_version),
    };
    return cmocka_run_group_tests_name("codec encode", tests, NULL, NULL);
}
