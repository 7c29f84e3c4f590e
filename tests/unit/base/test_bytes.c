/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit_base.h"

#include <stdlib.h>

#include "sotto/base/bytes.h"
#include "sotto/base/cursor.h"
#include "sotto/base/list.h"
#include "sotto/base/random.h"

static void equality_looks_at_length_and_bytes(void **state)
{
    (void)state;
    assert_true(bytes_equal(bytes_str("abc"), bytes_of("abcd", 3)));
    assert_false(bytes_equal(bytes_str("abc"), bytes_str("abd")));
    assert_false(bytes_equal(bytes_str("abc"), bytes_str("ab")));
    assert_true(bytes_equal(bytes_str(NULL), bytes_str("")));
}

/* Exactly n bytes on the heap each: the sanitizer sees a read or a write beyond. */
static void every_length_is_compared_and_copied_whole(void **state)
{
    (void)state;
    for (size_t n = 0; n < 40; n++) {
        uint8_t *a = malloc(n > 0 ? n : 1), *b = malloc(n > 0 ? n : 1);
        random_bytes(a, n);
        memset(b, 0, n);
        bytes_copy(b, a, n);
        assert_true(n == 0 || memcmp(a, b, n) == 0);
        assert_true(bytes_equal(bytes_of(a, n), bytes_of(b, n)));
        for (size_t i = 0; i < n * 8; i++) {
            b[i / 8] = (uint8_t)(b[i / 8] ^ 1u << i % 8);
            assert_false(bytes_equal(bytes_of(a, n), bytes_of(b, n)));
            b[i / 8] = a[i / 8];
        }
        free(a);
        free(b);
    }
    bytes_copy(NULL, NULL, 0);
}

static void secrets_differ_in_any_single_bit(void **state)
{
    (void)state;
    uint8_t a[40], b[40];
    random_bytes(a, sizeof(a));
    memcpy(b, a, sizeof(a));
    assert_true(bytes_equal_secret(a, b, sizeof(a)));
    for (size_t i = 0; i < sizeof(a) * 8; i++) {
        b[i / 8] = (uint8_t)(b[i / 8] ^ 1u << i % 8);
        assert_false(bytes_equal_secret(a, b, sizeof(a)));
        b[i / 8] = a[i / 8];
    }
    assert_true(bytes_equal_secret(NULL, NULL, 0));
}

static void wiped_bytes_are_zero(void **state)
{
    (void)state;
    uint8_t a[9];
    memset(a, 7, sizeof(a));
    bytes_wipe(a, 8);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(a[i], 0);
    assert_int_equal(a[8], 7);
    bytes_wipe(NULL, 0);
}

static void random_bytes_fill_all_and_never_repeat(void **state)
{
    (void)state;
    uint8_t a[1024] = {0}, b[1024] = {0};
    random_bytes(a, sizeof(a));
    random_bytes(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    unsigned zeros = 0;
    for (unsigned i = 0; i < sizeof(a); i++)
        zeros += a[i] == 0;
    assert_true(zeros < 40);
}

static void a_reader_past_its_end_stays_bad_and_reads_nothing(void **state)
{
    (void)state;
    const uint8_t wire[] = {1, 2, 3, 4, 5, 6, 7, 0, 2, 'h', 'i', 0};
    struct rd r = rd_of(bytes_of(wire, sizeof(wire)));
    assert_int_equal(rd_u8(&r), 1);
    assert_int_equal(rd_u16(&r), 0x0203);
    assert_int_equal(rd_u32(&r), 0x04050607);
    assert_true(bytes_equal(rd_lp(&r), bytes_str("hi")));
    assert_int_equal(rd_left(&r), 1);
    assert_int_equal(rd_u16(&r), 0);
    assert_true(r.bad);
    assert_int_equal(rd_u8(&r), 0);
    assert_int_equal(rd_left(&r), 0);
    assert_null(rd_bytes(&r, 0).p);
}

static void a_writer_past_its_end_stays_bad_and_writes_nothing(void **state)
{
    (void)state;
    uint8_t out[12];
    memset(out, 0xee, sizeof(out));
    struct wr w = wr_of(out, 11);
    wr_u8(&w, 1);
    wr_u16(&w, 0x0203);
    wr_u32(&w, 0x04050607);
    wr_lp(&w, bytes_str("hi"));
    assert_false(w.bad);
    assert_memory_equal(out, "\1\2\3\4\5\6\7\0\2hi", 11);
    wr_u8(&w, 9);
    assert_true(w.bad);
    assert_int_equal(out[11], 0xee);
    static uint8_t big[70000];
    struct wr v = wr_of(big, sizeof(big));
    wr_lp(&v, bytes_of(big, 65536));
    assert_true(v.bad);
    assert_ptr_equal(v.p, big);
}

static void lists_keep_order_over_splice_and_removal(void **state)
{
    (void)state;
    struct list a, b, n[5];
    list_init(&a);
    list_init(&b);
    assert_null(list_pop_front(&a));
    for (unsigned i = 0; i < 5; i++)
        list_push_back(i < 2 ? &a : &b, &n[i]);
    list_splice(&a, &b);
    assert_true(list_empty(&b));
    list_splice(&a, &b);
    list_remove(&n[3]);
    list_remove(&n[3]);
    assert_ptr_equal(list_pop_front(&a), &n[0]);
    assert_ptr_equal(list_pop_front(&a), &n[1]);
    assert_ptr_equal(list_pop_front(&a), &n[2]);
    assert_ptr_equal(list_pop_front(&a), &n[4]);
    assert_true(list_empty(&a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equality_looks_at_length_and_bytes),
        cmocka_unit_test(every_length_is_compared_and_copied_whole),
        cmocka_unit_test(secrets_differ_in_any_single_bit),
        cmocka_unit_test(wiped_bytes_are_zero),
        cmocka_unit_test(random_bytes_fill_all_and_never_repeat),
        cmocka_unit_test(a_reader_past_its_end_stays_bad_and_reads_nothing),
        cmocka_unit_test(a_writer_past_its_end_stays_bad_and_writes_nothing),
        cmocka_unit_test(lists_keep_order_over_splice_and_removal),
    };
    return cmocka_run_group_tests_name("bytes", tests, NULL, NULL);
}
