/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The checker against a plain model that remembers every number: it must call lost, late and second copies by name. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static void in_order_is_clean(void **state)
{
    (void)state;
    struct check_stream stream = {0};
    struct check_totals totals = {0};
    for (uint64_t i = 0; i < 1000; i++)
        assert_int_equal(check_arrival(&stream, i, &totals), 1);
    assert_int_equal(totals.received, 1000);
    assert_int_equal(totals.duplicated + totals.reordered, 0);
    assert_null(stream.gaps);
}

static void late_is_not_a_copy(void **state)
{
    (void)state;
    struct check_stream stream = {0};
    struct check_totals totals = {0};
    assert_int_equal(check_arrival(&stream, 4, &totals), 5);
    assert_int_equal(check_arrival(&stream, 2, &totals), 0);
    assert_int_equal(totals.reordered, 1);
    assert_int_equal(check_arrival(&stream, 2, &totals), 0);
    assert_int_equal(check_arrival(&stream, 4, &totals), 0);
    assert_int_equal(totals.duplicated, 2);
    assert_int_equal(totals.received, 2);
    assert_int_equal(stream.gap_count, 2);
    check_fini(&stream);
}

enum { NUMBERS = 600, ARRIVALS = 2000 };

static void random_arrivals_match_the_model(void **state)
{
    (void)state;
    struct check_stream stream = {0};
    struct check_totals totals = {0}, model = {0};
    static unsigned char seen[NUMBERS];
    uint64_t highest = 0;
    srand(7);
    memset(seen, 0, sizeof seen);
    for (int i = 0; i < ARRIVALS; i++) {
        uint64_t number = (uint64_t)(rand() % NUMBERS);
        model.duplicated += seen[number];
        model.received += !seen[number];
        model.reordered += !seen[number] && number < highest;
        seen[number] = 1;
        highest = number + 1 > highest ? number + 1 : highest;
        check_arrival(&stream, number, &totals);
    }
    assert_memory_equal(&totals, &model, sizeof totals);
    check_fini(&stream);
}

static void too_many_gaps_are_said(void **state)
{
    (void)state;
    struct check_stream stream = {0};
    struct check_totals totals = {0};
    for (uint64_t i = 0; i <= CHECK_GAPS; i++)
        check_arrival(&stream, 2 * i + 1, &totals);
    assert_int_equal(totals.forgotten, 1);
    assert_int_equal(stream.gap_count, CHECK_GAPS);
    check_fini(&stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order_is_clean),
        cmocka_unit_test(late_is_not_a_copy),
        cmocka_unit_test(random_arrivals_match_the_model),
        cmocka_unit_test(too_many_gaps_are_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
