/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "vector.h"

/* What each packet's own section of the standard lists: the other way round than the table under test. */
static const struct list {
    enum packet_type type;
    const char *codes;
    const char *packet; /* a packet with the code in the place of %02x */
} lists[] = {
    {PACKET_CONNACK, "00 80 81 82 83 84 85 86 87 88 89 8a 8c 90 95 97 99 9a 9b 9c 9d 9f", "20 ~ 00 %02x {}"},
    {PACKET_PUBACK, "00 10 80 83 87 90 91 97 99", "40 ~ 0001 %02x"},
    {PACKET_PUBREC, "00 10 80 83 87 90 91 97 99", "50 ~ 0001 %02x {}"},
    {PACKET_PUBREL, "00 92", "62 ~ 0001 %02x"},
    {PACKET_PUBCOMP, "00 92", "70 ~ 0001 %02x"},
    {PACKET_SUBACK, "00 01 02 80 83 87 8f 91 97 9e a1 a2", "90 ~ 0001 {} 00 %02x"},
    {PACKET_UNSUBACK, "00 11 80 83 87 8f 91", "b0 ~ 0001 {} %02x"},
    {PACKET_DISCONNECT, "00 04 80 81 82 83 87 89 8b 8c 8d 8e 8f 90 93 94 95 96 97 98 99 9a 9b 9c 9d 9e 9f a0 a1 a2",
     "e0 ~ %02x"},
    {PACKET_AUTH, "00 18 19", "f0 ~ %02x {15 <m>}"},
};

#define LISTS (sizeof lists / sizeof *lists)

static bool listed(const struct list *l, unsigned code)
{
    uint8_t codes[VECTOR_MAX];
    size_t n = vector_bytes(l->codes, codes);
    return memchr(codes, (int)code, n) != NULL;
}

static void
reason_stands_only_where_the_standard_lists_it__MQTT5_3_2_2_8__MQTT5_3_4_2_1__MQTT5_3_5_2_1__MQTT5_3_6_2_1(void **state)
{
    (void)state;
    for (size_t i = 0; i < LISTS; i++) {
        for (unsigned code = 0; code < 256; code++) {
            char text[100];
            struct packet p;
            snprintf(text, sizeof text, lists[i].packet, code);
            bool want = listed(&lists[i], code);
            bool decodes = decode_text(text, PROTO_5, &p) == REASON_SUCCESS;
            if (decodes != want || reason_allowed((enum reason)code, lists[i].type) != want)
                fail_msg("code 0x%02x in %s: should%s be allowed", code, packet_name(lists[i].type),
                         want ? "" : " not");
        }
    }
}

static void other_packets_have_no_reason(void **state)
{
    static const enum packet_type types[] = {PACKET_CONNECT,     PACKET_PUBLISH, PACKET_SUBSCRIBE,
                                             PACKET_UNSUBSCRIBE, PACKET_PINGREQ, PACKET_PINGRESP};
    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        for (unsigned code = 0; code < 256; code++)
            assert_false(reason_allowed((enum reason)code, types[i]));
    assert_false(reason_allowed(REASON_SUCCESS, 0));
    assert_false(reason_allowed(REASON_SUCCESS, 16));
    assert_false(reason_allowed(REASON_SUCCESS, 33));
}

static void every_code_has_a_name(void **state)
{
    (void)state;
    for (unsigned code = 0; code < 256; code++) {
        bool known = false;
        for (size_t i = 0; i < LISTS; i++)
            known |= listed(&lists[i], code);
        bool named = strcmp(reason_name((enum reason)code), "unknown reason") != 0;
        assert_int_equal(named, known);
    }
    assert_string_equal(reason_name(REASON_NOT_AUTHORIZED), "not authorized");
    assert_string_equal(reason_name((enum reason)999), "unknown reason");
}

static void reason_is_written_down_to_the_six_codes_of_3(void **state)
{
    (void)state;
    assert_int_equal(reason_connack3(REASON_SUCCESS), 0);
    assert_int_equal(reason_connack3(REASON_UNSUPPORTED_PROTOCOL_VERSION), 1);
    assert_int_equal(reason_connack3(REASON_CLIENT_ID_NOT_VALID), 2);
    assert_int_equal(reason_connack3(REASON_SERVER_UNAVAILABLE), 3);
    assert_int_equal(reason_connack3(REASON_BAD_USER_NAME_OR_PASSWORD), 4);
    assert_int_equal(reason_connack3(REASON_NOT_AUTHORIZED), 5);
    for (unsigned code = 0x80; code < 256; code++)
        if (code < 0x84 || code > 0x87)
            assert_int_equal(reason_connack3((enum reason)code), 3);
}

static void code_of_3_is_read_up(void **state)
{
    static const enum reason want[] = {REASON_SUCCESS,
                                       REASON_UNSUPPORTED_PROTOCOL_VERSION,
                                       REASON_CLIENT_ID_NOT_VALID,
                                       REASON_SERVER_UNAVAILABLE,
                                       REASON_BAD_USER_NAME_OR_PASSWORD,
                                       REASON_NOT_AUTHORIZED};
    (void)state;
    for (unsigned code = 0; code < 6; code++) {
        char text[20];
        struct packet p;
        snprintf(text, sizeof text, "20 02 00 %02x", code);
        assert_int_equal(decode_text(text, PROTO_311, &p), REASON_SUCCESS);
        assert_int_equal(p.connack.reason, want[code]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            reason_stands_only_where_the_standard_lists_it__MQTT5_3_2_2_8__MQTT5_3_4_2_1__MQTT5_3_5_2_1__MQTT5_3_6_2_1),
        cmocka_unit_test(other_packets_have_no_reason),
        cmocka_unit_test(every_code_has_a_name),
        cmocka_unit_test(reason_is_written_down_to_the_six_codes_of_3),
        cmocka_unit_test(code_of_3_is_read_up),
    };
    return cmocka_run_group_tests_name("codec reason", tests, NULL, NULL);
}
