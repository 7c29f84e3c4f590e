/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Every property in every place: where it may stand, once and twice, cut short, and with numbers at the edges.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vector.h"

/* Where a section can stand: a letter, and the packet with the section in place of %s. */
static const struct place {
    char letter;
    const char *packet;
} places[] = {
    {'C', "10 ~ <MQTT> 05 02 0000 {%s} <a>"},
    {'W', "10 ~ <MQTT> 05 06 0000 {} <a> {%s} <t> <p>"},
    {'c', "20 ~ 00 00 {%s}"},
    {'P', "30 ~ <t> {%s} 'payload'"},
    {'1', "40 ~ 0001 00 {%s}"},
    {'2', "50 ~ 0001 00 {%s}"},
    {'3', "62 ~ 0001 00 {%s}"},
    {'4', "70 ~ 0001 00 {%s}"},
    {'S', "82 ~ 0001 {%s} <a> 00"},
    {'s', "90 ~ 0001 {%s} 00"},
    {'U', "a2 ~ 0001 {%s} <a>"},
    {'u', "b0 ~ 0001 {%s} 00"},
    {'D', "e0 ~ 00 {%s}"},
    {'A', "f0 ~ 00 {%s}"},
};

#define PLACES (sizeof places / sizeof *places)

/* Table 2-4 of the standard. bad: a value that is out of range, and what it is called then. */
static const struct row {
    enum prop id;
    const char *value, *where, *repeats, *bad;
    enum reason why;
} rows[] = {
    {PROP_PAYLOAD_FORMAT, "01", "PW", "", "02", REASON_PROTOCOL_ERROR},
    {PROP_MESSAGE_EXPIRY, "ffffffff", "PW", "", NULL, 0},
    {PROP_CONTENT_TYPE, "<text>", "PW", "", "0001 ff", REASON_MALFORMED_PACKET},
    {PROP_RESPONSE_TOPIC, "<a/b>", "PW", "", "<a/#>", REASON_PROTOCOL_ERROR},
    {PROP_CORRELATION_DATA, "0002 00ff", "PW", "", NULL, 0},
    {PROP_SUBSCRIPTION_ID, "01", "PS", "P", "00", REASON_PROTOCOL_ERROR},
    {PROP_SESSION_EXPIRY, "00000000", "CcD", "", NULL, 0},
    {PROP_ASSIGNED_CLIENT_ID, "<id>", "c", "", "0001 00", REASON_MALFORMED_PACKET},
    {PROP_SERVER_KEEP_ALIVE, "0000", "c", "", NULL, 0},
    {PROP_AUTH_METHOD, "<m>", "CcA", "", "0002 c080", REASON_MALFORMED_PACKET},
    {PROP_AUTH_DATA, "0002 00ff", "CcA", "", NULL, 0},
    {PROP_REQUEST_PROBLEM_INFO, "00", "C", "", "02", REASON_PROTOCOL_ERROR},
    {PROP_WILL_DELAY, "00000001", "W", "", NULL, 0},
    {PROP_REQUEST_RESPONSE_INFO, "01", "C", "", "ff", REASON_PROTOCOL_ERROR},
    {PROP_RESPONSE_INFO, "<i>", "c", "", "0003 eda080", REASON_MALFORMED_PACKET},
    {PROP_SERVER_REFERENCE, "<s>", "cD", "", "0001 80", REASON_MALFORMED_PACKET},
    {PROP_REASON_STRING, "<r>", "c1234suDA", "", "0001 80", REASON_MALFORMED_PACKET},
    {PROP_RECEIVE_MAXIMUM, "0001", "Cc", "", "0000", REASON_PROTOCOL_ERROR},
    {PROP_TOPIC_ALIAS_MAXIMUM, "0000", "Cc", "", NULL, 0},
    {PROP_TOPIC_ALIAS, "0001", "P", "", "0000", REASON_TOPIC_ALIAS_INVALID},
    {PROP_MAXIMUM_QOS, "01", "c", "", "02", REASON_PROTOCOL_ERROR},
    {PROP_RETAIN_AVAILABLE, "00", "c", "", "02", REASON_PROTOCOL_ERROR},
    {PROP_USER_PROPERTY, "<a><b>", "CWcP1234SsUuDA", "CWcP1234SsUuDA", "<a> 0001 ff", REASON_MALFORMED_PACKET},
    {PROP_MAXIMUM_PACKET_SIZE, "00000001", "Cc", "", "00000000", REASON_PROTOCOL_ERROR},
    {PROP_WILDCARD_AVAILABLE, "00", "c", "", "02", REASON_PROTOCOL_ERROR},
    {PROP_SUBSCRIPTION_ID_AVAILABLE, "01", "c", "", "02", REASON_PROTOCOL_ERROR},
    {PROP_SHARED_AVAILABLE, "01", "c", "", "02", REASON_PROTOCOL_ERROR},
};

#define ROWS (sizeof rows / sizeof *rows)

/* The packet at place with these properties, and the authentication method that some need to be right. */
static enum reason decode_with(const struct place *place, const struct row *row, const char *section, struct packet *p)
{
    char with_method[400], text[500];
    bool needs = row->id != PROP_AUTH_METHOD && (place->letter == 'A' || row->id == PROP_AUTH_DATA);

    needs = needs && strchr("CcA", place->letter) != NULL;
    snprintf(with_method, sizeof with_method, "%s %s", needs ? "15 <m>" : "", section);
    snprintf(text, sizeof text, place->packet, with_method);
    return decode_text(text, PROTO_5, p);
}

static void expect(const struct place *place, const struct row *row, const char *section, enum reason want)
{
    struct packet p;
    enum reason why = decode_with(place, row, section, &p);

    if (why != want)
        fail_msg("%s as \"%s\" in %s: 0x%02x (%s), not 0x%02x (%s)", prop_name(row->id), section, place->packet, why,
                 reason_name(why), want, reason_name(want));
}

static void there_are_27_properties(void **state)
{
    unsigned named = 0;

    (void)state;
    for (unsigned id = 0; id < 300; id++)
        named += strcmp(prop_name(id), "?") != 0;
    assert_int_equal(named, 27);
    assert_int_equal(ROWS, 27);
}

static void property_stands_only_where_the_standard_lists_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t k = 0; k < PLACES; k++) {
            char section[100];
            snprintf(section, sizeof section, "%02x %s", rows[i].id, rows[i].value);
            bool listed = strchr(rows[i].where, places[k].letter) != NULL;
            expect(&places[k], &rows[i], section, listed ? REASON_SUCCESS : REASON_MALFORMED_PACKET);
        }
    }
}

static void property_twice_is_a_protocol_error_where_it_may_not_repeat(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        for (const char *c = rows[i].where; *c != 0; c++) {
            size_t k = 0;
            while (places[k].letter != *c)
                k++;
            char section[200];
            snprintf(section, sizeof section, "%02x %s %02x %s", rows[i].id, rows[i].value, rows[i].id, rows[i].value);
            bool repeats = strchr(rows[i].repeats, *c) != NULL;
            expect(&places[k], &rows[i], section, repeats ? REASON_SUCCESS : REASON_PROTOCOL_ERROR);
        }
    }
}

static void property_with_wrong_value_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        for (const char *c = rows[i].where; rows[i].bad != NULL && *c != 0; c++) {
            size_t k = 0;
            while (places[k].letter != *c)
                k++;
            char section[100];
            snprintf(section, sizeof section, "%02x %s", rows[i].id, rows[i].bad);
            expect(&places[k], &rows[i], section, rows[i].why);
        }
    }
}

static void unknown_property_is_malformed_everywhere(void **state)
{
    (void)state;
    for (unsigned id = 0; id < 256; id++) {
        if (strcmp(prop_name(id), "?") != 0)
            continue;
        for (size_t k = 0; k < PLACES; k++) {
            static const struct row none = {.id = PROP_AUTH_METHOD};
            char section[100];
            snprintf(section, sizeof section, "%02x 00000000", id);
            expect(&places[k], &none, section, REASON_MALFORMED_PACKET);
        }
    }
}

/* A section that ends within its last property, for every property and every place to cut it. */
static void property_that_is_cut_is_malformed(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        uint8_t value[VECTOR_MAX];
        size_t n = vector_bytes(rows[i].value, value);
        size_t k = 0;
        while (places[k].letter != rows[i].where[0])
            k++;
        for (size_t cut = 0; cut < n; cut++) {
            char section[100];
            int at = snprintf(section, sizeof section, "%02x ", rows[i].id);
            for (size_t b = 0; b < cut; b++)
                at += snprintf(section + at, sizeof section - (size_t)at, "%02x", value[b]);
            expect(&places[k], &rows[i], section, REASON_MALFORMED_PACKET);
        }
    }
}

static void fields_hold_what_was_sent(void **state)
{
    struct packet p;

    (void)state;
    assert_int_equal(decode_text("20 ~ 00 00 {26 <a><b> 11 01020304 12 <id> 13 003c 15 <m> 16 <d> 1a <i> 1c <s> 1f <r> "
                                 "21 0506 22 0708 24 01 25 01 26 <c><> 27 090a0b0c 28 01 29 01 2a 01}",
                                 PROTO_5, &p),
                     REASON_SUCCESS);
    const struct props *c = &p.connack.props;
    assert_true(props_has(c, PROP_SESSION_EXPIRY) && !props_has(c, PROP_WILL_DELAY));
    assert_int_equal(c->session_expiry, 0x01020304);
    assert_true(bytes_equal(c->assigned_client_id, bytes_str("id")));
    assert_int_equal(c->server_keep_alive, 60);
    assert_true(bytes_equal(c->auth_method, bytes_str("m")));
    assert_true(bytes_equal(c->auth_data, bytes_str("d")));
    assert_true(bytes_equal(c->response_info, bytes_str("i")));
    assert_true(bytes_equal(c->server_reference, bytes_str("s")));
    assert_true(bytes_equal(c->reason_string, bytes_str("r")));
    assert_int_equal(c->receive_maximum, 0x0506);
    assert_int_equal(c->topic_alias_maximum, 0x0708);
    assert_int_equal(c->maximum_packet_size, 0x090a0b0c);
    assert_true(c->maximum_qos == 1 && c->retain_available == 1 && c->wildcard_available == 1);
    assert_true(c->sub_id_available == 1 && c->shared_available == 1);
    assert_int_equal(c->user_count, 2);
    assert_int_equal(c->sub_id_count, 0);

    assert_int_equal(
        decode_text("30 ~ <t> {01 01 02 01020304 03 <text> 08 <r> 09 <c> 23 0102 0b 05 0b 06} 'x'", PROTO_5, &p),
        REASON_SUCCESS);
    const struct props *m = &p.publish.props;
    assert_int_equal(m->payload_format, 1);
    assert_int_equal(m->message_expiry, 0x01020304);
    assert_true(bytes_equal(m->content_type, bytes_str("text")));
    assert_true(bytes_equal(m->response_topic, bytes_str("r")));
    assert_true(bytes_equal(m->correlation_data, bytes_str("c")));
    assert_int_equal(m->topic_alias, 0x0102);
    assert_int_equal(m->sub_id_count, 2);

    assert_int_equal(decode_text("10 ~ <MQTT> 05 06 0000 {17 01 19 01} <a> {18 01020304} <t> <p>", PROTO_5, &p),
                     REASON_SUCCESS);
    assert_true(p.connect.props.request_problem_info == 1 && p.connect.props.request_response_info == 1);
    assert_int_equal(p.connect.will.props.will_delay, 0x01020304);
    assert_int_equal(decode_text("82 ~ 0001 {0b ffffff7f} <a> 00", PROTO_5, &p), REASON_SUCCESS);
    assert_int_equal(p.subscribe.props.sub_id, 268435455);
}

static void properties_are_walked_in_order(void **state)
{
    struct packet p;
    struct prop_item item;

    (void)state;
    assert_int_equal(decode_text("30 ~ <t> {26 <a><1> 0b 8001 26 <b><2> 02 00000007} 'x'", PROTO_5, &p),
                     REASON_SUCCESS);
    struct rd r = rd_of(p.publish.props.raw);
    assert_true(prop_next(&r, &item) && item.id == PROP_USER_PROPERTY);
    assert_true(bytes_equal(item.name, bytes_str("a")) && bytes_equal(item.text, bytes_str("1")));
    assert_true(prop_next(&r, &item) && item.id == PROP_SUBSCRIPTION_ID && item.num == 128);
    assert_true(prop_next(&r, &item) && item.id == PROP_USER_PROPERTY);
    assert_true(bytes_equal(item.name, bytes_str("b")) && bytes_equal(item.text, bytes_str("2")));
    assert_true(prop_next(&r, &item) && item.id == PROP_MESSAGE_EXPIRY && item.num == 7);
    assert_false(prop_next(&r, &item));
}

static void packets_of_3_have_no_properties(void **state)
{
    struct packet p;
    struct prop_item item;

    (void)state;
    memset(&p, 0xff, sizeof p);
    assert_int_equal(decode_text("30 ~ <t> 'x'", PROTO_311, &p), REASON_SUCCESS);
    assert_true(p.publish.props.has == 0 && p.publish.props.raw.n == 0);
    assert_true(p.publish.props.user_count == 0 && p.publish.props.sub_id_count == 0);
    struct rd r = rd_of(p.publish.props.raw);
    assert_false(prop_next(&r, &item));
}

static void property_is_written_whole_or_not_at_all(void **state)
{
    uint8_t b[8];
    const struct prop_item item = {.id = PROP_USER_PROPERTY, .name = bytes_str("a"), .text = bytes_str("b")};

    (void)state;
    for (size_t cap = 0; cap < 7; cap++) {
        struct wr w = wr_of(b, cap);
        prop_write(&w, &item);
        assert_true(w.bad);
        assert_ptr_equal(w.p, b);
    }
    struct wr w = wr_of(b, 7);
    prop_write(&w, &item);
    assert_false(w.bad);
    assert_int_equal(w.p - b, 7);
}

static void user_property_with_long_text_is_the_writers_error(void **state)
{
    uint8_t *big = calloc(1, 65536);
    uint8_t *out = malloc(70000);
    struct wr w = wr_of(out, 70000);

    (void)state;
    assert_true(big != NULL && out != NULL);
    prop_write(&w, &(struct prop_item){.id = PROP_USER_PROPERTY, .text = bytes_of(big, 65535)});
    assert_false(w.bad);
    w = wr_of(out, 70000);
    prop_write(&w, &(struct prop_item){.id = PROP_USER_PROPERTY, .text = bytes_of(big, 65536)});
    assert_true(w.bad);
    free(big);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_are_27_properties),
        cmocka_unit_test(property_stands_only_where_the_standard_lists_it),
        cmocka_unit_test(property_twice_is_a_protocol_error_where_it_may_not_repeat),
        cmocka_unit_test(property_with_wrong_value_is_refused),
        cmocka_unit_test(unknown_property_is_malformed_everywhere),
        cmocka_unit_test(property_that_is_cut_is_malformed),
        cmocka_unit_test(fields_hold_what_was_sent),
        cmocka_unit_test(properties_are_walked_in_order),
        cmocka_unit_test(packets_of_3_have_no_properties),
        cmocka_unit_test(property_is_written_whole_or_not_at_all),
        cmocka_unit_test(user_property_with_long_text_is_the_writers_error),
    };
    return cmocka_run_group_tests_name("codec properties", tests, NULL, NULL);
}
