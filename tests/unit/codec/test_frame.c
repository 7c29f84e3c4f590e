/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vector.h"

static const enum proto protos[] = {PROTO_NONE, PROTO_31, PROTO_311, PROTO_5};

#define PROTOS (sizeof protos / sizeof *protos)

/* The first bytes that each version allows, written out: an answer that doesn't come from the table under test. */
static bool first_byte_allowed(unsigned byte, enum proto proto)
{
    static const uint8_t all[] = {0x10, 0x20, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x3a, 0x3b, 0x3c, 0x3d,
                                  0x40, 0x50, 0x62, 0x70, 0x82, 0x90, 0xa2, 0xb0, 0xc0, 0xd0, 0xe0};
    if (memchr(all, (int)byte, sizeof all) != NULL)
        return true;
    if (byte == 0xf0)
        return proto == PROTO_5 || proto == PROTO_NONE;
    return proto == PROTO_31 && (byte == 0x6a || byte == 0x8a || byte == 0xaa);
}

static void first_byte_with_wrong_flags_is_malformed__MQTT5_2_1_3_1__MQTT_2_2_2_1__MQTT_2_2_2_2(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROTOS; i++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            uint8_t *one = exact_copy(&(uint8_t){(uint8_t)byte}, 1);
            struct frame f;
            enum reason why = REASON_SUCCESS;
            enum frame_result r = frame_parse(bytes_of(one, 1), 100, protos[i], &f, &why);
            if (first_byte_allowed(byte, protos[i]) ? r != FRAME_MORE
                                                    : r != FRAME_BAD || why != REASON_MALFORMED_PACKET)
                fail_msg("first byte 0x%02x, version %d: %d", byte, protos[i], r);
            free(one);
        }
    }
}

/* Short whole packets have a path of their own: it says what the general one says. */
static void short_packets_are_judged_as_all_others(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        for (unsigned i = 0; i < PROTOS * 256; i++) {
            uint8_t b[2 + 127] = {(uint8_t)byte, (uint8_t)(i % 256)};
            enum proto proto = protos[i / 256];
            for (unsigned k = 0; k < 9; k++) {
                size_t n = k < 3 ? k : b[1] + (size_t)k - 4, max = k < 6 ? n : n - 1;
                struct frame f = {0}, g = {0};
                enum reason why = REASON_SUCCESS, reason = REASON_SUCCESS;
                if (n > sizeof b)
                    continue;
                uint8_t *exact = exact_copy(b, n);
                assert_int_equal(frame_parse(bytes_of(exact, n), max, proto, &f, &why),
                                 frame_parse_any(bytes_of(exact, n), max, proto, &g, &reason));
                assert_memory_equal(&f, &g, sizeof f);
                assert_int_equal(why, reason);
                free(exact);
            }
        }
    }
}

static void empty_input_asks_for_more(void **state)
{
    struct frame f;
    enum reason why;

    (void)state;
    assert_int_equal(frame_parse(bytes_of(NULL, 0), 100, PROTO_311, &f, &why), FRAME_MORE);
    assert_int_equal(f.total, 0);
}

/* A fixed header with this length, in size bytes (0: as many as are needed). */
static size_t header(uint8_t *out, uint32_t length, unsigned size)
{
    size_t n = 0;

    out[n++] = 0x30;
    do {
        out[n++] = (uint8_t)((length & 0x7f) | 0x80);
        length >>= 7;
    } while (length > 0 || n < 1 + size);
    out[n - 1] &= 0x7f;
    return n;
}

static void length_is_known_before_the_body_comes(void **state)
{
    static const struct {
        uint32_t length;
        unsigned size;
    } rows[] = {{0, 1}, {1, 1}, {127, 1}, {128, 2}, {16383, 2}, {16384, 3}, {2097151, 3}, {2097152, 4}, {268435455, 4}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t b[8];
        struct frame f;
        enum reason why;
        size_t n = header(b, rows[i].length, 0);
        assert_int_equal(n, 1 + rows[i].size);
        assert_int_equal(varint_size(rows[i].length), rows[i].size);
        enum frame_result want = rows[i].length == 0 ? FRAME_WHOLE : FRAME_MORE;
        assert_int_equal(frame_parse(bytes_of(b, n), SIZE_MAX, PROTO_5, &f, &why), want);
        assert_int_equal(f.total, n + rows[i].length);
        assert_int_equal(frame_parse(bytes_of(b, n), f.total, PROTO_5, &f, &why), want);
        assert_int_equal(frame_parse(bytes_of(b, n), f.total - 1, PROTO_5, &f, &why), FRAME_BAD);
        assert_int_equal(why, REASON_PACKET_TOO_LARGE);
    }
}

static void longer_length_than_needed_is_malformed_in_5_only__MQTT5_1_5_5_1(void **state)
{
    static const uint32_t lengths[] = {0, 1, 127, 128, 16383, 16384, 2097151};
    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        for (unsigned size = varint_size(lengths[i]) + 1; size <= 4; size++) {
            uint8_t b[8];
            struct frame f;
            size_t n = header(b, lengths[i], size);
            for (size_t k = 0; k < PROTOS; k++) {
                enum reason why = REASON_SUCCESS;
                enum frame_result r = frame_parse(bytes_of(b, n), SIZE_MAX, protos[k], &f, &why);
                assert_int_equal(r == FRAME_BAD, protos[k] == PROTO_5);
                assert_true(r == FRAME_BAD ? why == REASON_MALFORMED_PACKET : f.total == n + lengths[i]);
            }
        }
    }
}

static void fifth_length_byte_is_malformed_at_once(void **state)
{
    static const uint8_t b[] = {0x30, 0xff, 0xff, 0xff, 0xff};
    struct frame f;
    enum reason why;

    (void)state;
    for (size_t n = 1; n < sizeof b; n++)
        assert_int_equal(frame_parse(bytes_of(b, n), SIZE_MAX, PROTO_311, &f, &why), FRAME_MORE);
    assert_int_equal(frame_parse(bytes_of(b, sizeof b), SIZE_MAX, PROTO_311, &f, &why), FRAME_BAD);
    assert_int_equal(why, REASON_MALFORMED_PACKET);
}

static void what_follows_the_packet_is_left_alone(void **state)
{
    static const uint8_t b[] = {0x32, 5, 0, 1, 'a', 0, 7, 0xc0, 0};
    struct frame f;
    enum reason why;

    (void)state;
    assert_int_equal(frame_parse(bytes_of(b, sizeof b), 7, PROTO_311, &f, &why), FRAME_WHOLE);
    assert_int_equal(f.total, 7);
    assert_int_equal(f.type, PACKET_PUBLISH);
    assert_int_equal(f.flags, 2);
    assert_ptr_equal(f.body.p, b + 2);
    assert_int_equal(f.body.n, 5);
    assert_ptr_equal(f.raw.p, b);
    assert_int_equal(f.raw.n, 7);
}

static void varint_is_read_as_it_was_written(void **state)
{
    static const uint32_t around[] = {0, 127, 128, 16383, 16384, 2097151, 2097152, 268435455, 100, 77777};
    (void)state;
    for (size_t i = 0; i < sizeof around / sizeof *around; i++) {
        uint8_t b[4];
        struct wr w = wr_of(b, sizeof b);
        varint_write(&w, around[i]);
        assert_false(w.bad);
        size_t n = (size_t)(w.p - b);
        assert_int_equal(n, varint_size(around[i]));
        struct rd r = rd_of(bytes_of(b, n));
        assert_int_equal(varint_read(&r), around[i]);
        assert_false(r.bad);
        assert_int_equal(rd_left(&r), 0);
        for (size_t cut = 0; cut < n; cut++) {
            uint8_t *part = exact_copy(b, cut);
            r = rd_of(bytes_of(part, cut));
            varint_read(&r);
            assert_true(r.bad);
            w = wr_of(b, cut);
            varint_write(&w, around[i]);
            assert_true(w.bad);
            free(part);
        }
    }
}

static void varint_that_is_too_large_or_too_long_is_an_error__MQTT5_1_5_5_1(void **state)
{
    static const char *const bad[] = {"", "80", "8000", "ff00", "808000", "80808000", "8080808001", "ffffffff7f"};
    uint8_t b[VECTOR_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct rd r = rd_of(bytes_of(b, vector_bytes(bad[i], b)));
        assert_int_equal(varint_read(&r), 0);
        assert_true(r.bad);
    }
    struct wr w = wr_of(b, sizeof b);
    varint_write(&w, 268435456);
    assert_true(w.bad);
    assert_int_equal(varint_size(268435456), 0);
    assert_int_equal(varint_size(UINT32_MAX), 0);
}

static void every_type_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(packet_name(PACKET_CONNECT), "CONNECT");
    assert_string_equal(packet_name(PACKET_AUTH), "AUTH");
    assert_string_equal(packet_name(0), "?");
    assert_string_equal(packet_name(16), "?");
    for (unsigned type = 1; type < 16; type++)
        assert_string_not_equal(packet_name(type), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_packets_are_judged_as_all_others),
        cmocka_unit_test(first_byte_with_wrong_flags_is_malformed__MQTT5_2_1_3_1__MQTT_2_2_2_1__MQTT_2_2_2_2),
        cmocka_unit_test(empty_input_asks_for_more),
        cmocka_unit_test(length_is_known_before_the_body_comes),
        cmocka_unit_test(longer_length_than_needed_is_malformed_in_5_only__MQTT5_1_5_5_1),
        cmocka_unit_test(fifth_length_byte_is_malformed_at_once),
        cmocka_unit_test(what_follows_the_packet_is_left_alone),
        cmocka_unit_test(varint_is_read_as_it_was_written),
        cmocka_unit_test(varint_that_is_too_large_or_too_long_is_an_error__MQTT5_1_5_5_1),
        cmocka_unit_test(every_type_has_a_name),
    };
    return cmocka_run_group_tests_name("codec frame", tests, NULL, NULL);
}
