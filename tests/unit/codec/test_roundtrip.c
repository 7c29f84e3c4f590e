/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Random packets of every type and version: encoded, decoded, compared. Properties are drawn without regard to where
 * they may stand, since the encoder leaves out what may not. Then each packet is damaged in one byte, and
 * what still decodes must survive the same way back. The seed is fixed: a failure comes again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "packet_compare.h"
#include "vector.h"

#define ROUNDS 3000

static uint64_t seed = 88172645463325252u;

static uint32_t draw(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 32) % below;
}

static bool flip(void)
{
    return draw(2) == 1;
}

/* Something that is valid as text, as binary data and as a topic name. */
static struct bytes draw_text(void)
{
    static const char *const texts[] = {"a",
                                        "home/kitchen/temperature",
                                        "$SYS/x",
                                        "/",
                                        "\xc3\xbc/\xe2\x82\xac",
                                        "0123456789abcdef0123456789abcdef0123456789abcdef",
                                        "\xf4\x8f\xbf\xbf"};
    return bytes_str(texts[draw(sizeof texts / sizeof *texts)]);
}

static struct bytes draw_data(void)
{
    static const uint8_t data[600] = {0, 0xff, 0x80};
    return bytes_of(data, draw(4) == 0 ? draw(sizeof data) : draw(5));
}

static void draw_props(struct props *p)
{
    static uint8_t raws[2][300]; /* CONNECT and its will need one each */
    static unsigned turn;
    uint8_t *raw = raws[turn++ % 2];
    struct wr w = wr_of(raw, sizeof raws[0]);

    *p = (struct props){.has = (uint64_t)draw(UINT32_MAX) << 16 ^ draw(UINT32_MAX)};
    p->has &= ~((uint64_t)1 << PROP_USER_PROPERTY | (uint64_t)1 << PROP_SUBSCRIPTION_ID);
    p->payload_format = (uint8_t)draw(2);
    p->request_problem_info = (uint8_t)draw(2);
    p->request_response_info = (uint8_t)draw(2);
    p->maximum_qos = (uint8_t)draw(2);
    p->retain_available = (uint8_t)draw(2);
    p->wildcard_available = (uint8_t)draw(2);
    p->sub_id_available = (uint8_t)draw(2);
    p->shared_available = (uint8_t)draw(2);
    p->receive_maximum = (uint16_t)(1 + draw(65535));
    p->topic_alias = (uint16_t)(1 + draw(65535));
    p->topic_alias_maximum = (uint16_t)draw(65536);
    p->server_keep_alive = (uint16_t)draw(65536);
    p->message_expiry = draw(UINT32_MAX);
    p->session_expiry = draw(UINT32_MAX);
    p->will_delay = draw(UINT32_MAX);
    p->maximum_packet_size = 1 + draw(UINT32_MAX - 1);
    p->content_type = draw_text();
    p->response_topic = draw_text();
    p->correlation_data = draw_data();
    p->assigned_client_id = draw_text();
    p->auth_method = draw_text();
    p->auth_data = draw_data();
    p->response_info = draw_text();
    p->server_reference = draw_text();
    p->reason_string = draw_text();
    for (p->user_count = 0; p->user_count < 2 && flip(); p->user_count++)
        prop_write(&w, &(struct prop_item){.id = PROP_USER_PROPERTY, .name = draw_text(), .text = draw_text()});
    if (p->user_count > 0)
        p->has |= (uint64_t)1 << PROP_USER_PROPERTY;
    if (props_has(p, PROP_AUTH_DATA))
        p->has |= (uint64_t)1 << PROP_AUTH_METHOD;
    assert_false(w.bad);
    p->raw = bytes_of(raw, (size_t)(w.p - raw));
}

static void draw_connect(struct packet_connect *c, enum proto proto)
{
    c->proto = proto;
    c->level = (uint8_t)proto;
    c->clean = flip();
    c->keep_alive = (uint16_t)draw(65536);
    c->client_id = draw_text();
    c->has_user = flip();
    c->has_password = flip() && (c->has_user || proto == PROTO_5);
    c->user = draw_text();
    c->password = draw_data();
    c->has_will = flip();
    c->will.topic = draw_text();
    c->will.payload = draw_data();
    c->will.qos = (uint8_t)draw(3);
    c->will.retain = flip();
    draw_props(&c->props);
    draw_props(&c->will.props);
}

static enum reason draw_reason(enum packet_type type, enum proto proto)
{
    static const enum reason of_3[] = {REASON_SUCCESS,
                                       REASON_UNSUPPORTED_PROTOCOL_VERSION,
                                       REASON_CLIENT_ID_NOT_VALID,
                                       REASON_SERVER_UNAVAILABLE,
                                       REASON_BAD_USER_NAME_OR_PASSWORD,
                                       REASON_NOT_AUTHORIZED};
    if (proto != PROTO_5)
        return type == PACKET_CONNACK ? of_3[draw(6)] : REASON_SUCCESS;
    enum reason r = (enum reason)draw(256);
    return reason_allowed(r, type) ? r : draw_reason(type, proto);
}

static void draw_publish(struct packet_publish *p)
{
    p->topic = draw_text();
    p->payload = draw_data();
    p->qos = (uint8_t)draw(3);
    p->id = p->qos > 0 ? (uint16_t)(1 + draw(65535)) : 0;
    p->dup = p->qos > 0 && flip();
    p->retain = flip();
    draw_props(&p->props);
}

static void draw_subscribe(struct packet_subscribe *s, enum packet_type type, enum proto proto)
{
    static uint8_t list[400];
    struct wr w = wr_of(list, sizeof list);
    bool five = proto == PROTO_5;

    s->id = (uint16_t)(1 + draw(65535));
    s->count = 1 + draw(4);
    for (unsigned i = 0; i < s->count; i++) {
        struct filter_request f = {.filter = draw_text(), .qos = (uint8_t)draw(3)};
        f.no_local = five && flip();
        f.retain_as_published = five && flip();
        f.retain_handling = (uint8_t)(five ? draw(3) : 0);
        filter_write(&w, type, proto, &f);
    }
    assert_false(w.bad);
    s->filters = bytes_of(list, (size_t)(w.p - list));
    draw_props(&s->props);
    s->props.has |= type == PACKET_SUBSCRIBE && flip() ? (uint64_t)1 << PROP_SUBSCRIPTION_ID : 0;
    s->props.sub_id = 1 + draw(268435455);
}

static void draw_suback(struct packet_suback *s, enum packet_type type, enum proto proto)
{
    static uint8_t codes[5];
    size_t n = 1 + draw(5);

    for (size_t i = 0; i < n; i++)
        codes[i] = (uint8_t)(proto == PROTO_5 ? draw_reason(type, proto) : draw(3));
    s->id = (uint16_t)(1 + draw(65535));
    s->codes = bytes_of(codes, type == PACKET_UNSUBACK && proto != PROTO_5 ? 0 : n);
    draw_props(&s->props);
}

static void draw_packet(struct packet *p, enum packet_type type, enum proto proto)
{
    memset(p, 0, sizeof *p);
    p->type = type;
    switch (type) {
    case PACKET_CONNECT:
        draw_connect(&p->connect, proto);
        break;
    case PACKET_CONNACK:
        p->connack.reason = draw_reason(type, proto);
        p->connack.session_present = p->connack.reason == REASON_SUCCESS && proto != PROTO_31 && flip();
        draw_props(&p->connack.props);
        break;
    case PACKET_PUBLISH:
        draw_publish(&p->publish);
        break;
    case PACKET_PUBACK:
    case PACKET_PUBREC:
    case PACKET_PUBREL:
    case PACKET_PUBCOMP:
        p->ack.id = (uint16_t)(1 + draw(65535));
        p->ack.reason = draw_reason(type, proto);
        draw_props(&p->ack.props);
        break;
    case PACKET_SUBSCRIBE:
    case PACKET_UNSUBSCRIBE:
        draw_subscribe(&p->subscribe, type, proto);
        break;
    case PACKET_SUBACK:
    case PACKET_UNSUBACK:
        draw_suback(&p->suback, type, proto);
        break;
    case PACKET_DISCONNECT:
    case PACKET_AUTH:
        p->end.reason = draw_reason(type, proto);
        draw_props(&p->end.props);
        p->end.props.has |= (uint64_t)1 << PROP_AUTH_METHOD;
        break;
    case PACKET_PINGREQ:
    case PACKET_PINGRESP:
        break;
    }
}

/* What the packet has of properties; NULL for none. */
static struct props *props_of(struct packet *p)
{
    switch (p->type) {
    case PACKET_CONNECT:
        return &p->connect.props;
    case PACKET_CONNACK:
        return &p->connack.props;
    case PACKET_PUBLISH:
        return &p->publish.props;
    case PACKET_SUBSCRIBE:
    case PACKET_UNSUBSCRIBE:
        return &p->subscribe.props;
    case PACKET_SUBACK:
    case PACKET_UNSUBACK:
        return &p->suback.props;
    case PACKET_DISCONNECT:
    case PACKET_AUTH:
        return &p->end.props;
    case PACKET_PINGREQ:
    case PACKET_PINGRESP:
        return NULL;
    default:
        return &p->ack.props;
    }
}

/* Takes from sent what could not be written. A subscription identifier is a field when sent, and in raw when received.
 */
static void forget_unwritten(struct props *sent, struct props *got, enum proto proto)
{
    sent->has &= got->has;
    if (proto != PROTO_5) {
        sent->user_count = 0;
        sent->raw = got->raw;
    }
    if (props_has(got, PROP_SUBSCRIPTION_ID)) {
        assert_int_equal(got->sub_id_count, 1);
        assert_true(props_lists_equal(sent, got, PROP_USER_PROPERTY));
        got->sub_id_count = 0;
        got->raw = sent->raw;
    }
}

static void check_damaged(const uint8_t *good, size_t n, enum proto proto)
{
    uint8_t *b = exact_copy(good, n);
    struct packet p, again;
    struct frame f;

    b[draw((uint32_t)n)] = (uint8_t)draw(256);
    if (decode_bytes(bytes_of(b, n), proto, &f, &p) == REASON_SUCCESS) {
        enum proto version = p.type == PACKET_CONNECT ? p.connect.proto : proto;
        size_t size = packet_encode(&p, version, NULL, 0);
        assert_true(size > 0 && size <= n);
        uint8_t *out = malloc(size);
        assert_non_null(out);
        packet_encode(&p, version, out, size);
        assert_int_equal(decode_bytes(bytes_of(out, size), proto, &f, &again), REASON_SUCCESS);
        assert_true(packet_equal(&p, &again));
        free(out);
    }
    free(b);
}

static void check_packet(struct packet *p, enum proto proto)
{
    struct packet got;
    struct frame f;
    size_t n = packet_encode(p, proto, NULL, 0);
    uint8_t *out = malloc(n);

    assert_true(out != NULL && n > 0);
    assert_int_equal(packet_encode(p, proto, out, n), n);
    enum reason why = decode_bytes(bytes_of(out, n), proto, &f, &got);
    if (why != REASON_SUCCESS)
        fail_msg("%s of version %d: %s", packet_name(p->type), proto, reason_name(why));
    if (props_of(p) != NULL)
        forget_unwritten(props_of(p), props_of(&got), proto);
    if (p->type == PACKET_CONNECT && p->connect.has_will)
        forget_unwritten(&p->connect.will.props, &got.connect.will.props, proto);
    if (!packet_equal(p, &got))
        fail_msg("%s of version %d comes back different", packet_name(p->type), proto);
    check_damaged(out, n, proto);
    free(out);
}

static void packet_comes_back_as_it_was_sent(void **state)
{
    static const enum proto protos[] = {PROTO_31, PROTO_311, PROTO_5};

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < 3; i++) {
            for (unsigned type = PACKET_CONNECT; type <= PACKET_AUTH; type++) {
                struct packet p;
                if (type == PACKET_AUTH && protos[i] != PROTO_5)
                    continue;
                draw_packet(&p, (enum packet_type)type, protos[i]);
                check_packet(&p, protos[i]);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packet_comes_back_as_it_was_sent),
    };
    return cmocka_run_group_tests_name("codec round trip", tests, NULL, NULL);
}
