/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sotto/base/histogram.h"

static void quantiles_are_told_to_within_a_quarter(void **state)
{
    (void)state;
    for (uint64_t v = 0; v < (UINT64_C(1) << 26); v += v < 1000 ? 1 : v / 7) {
        struct histogram h = {0};
        histogram_add(&h, v, 1);
        uint64_t q = histogram_quantile(&h, NULL, 990);
        assert_true(q >= v && q <= v + v / 4);
        assert_int_equal(histogram_quantile(&h, NULL, 1), q);
    }
}

static void nothing_has_no_size_and_the_huge_is_the_largest(void **state)
{
    (void)state;
    struct histogram h = {0};
    assert_int_equal(histogram_quantile(&h, NULL, 500), 0);
    histogram_add(&h, UINT64_MAX, 1);
    assert_int_equal(histogram_quantile(&h, NULL, 500), (UINT64_C(1) << 26) - 1);
}

static void weights_move_quantiles(void **state)
{
    (void)state;
    struct histogram h = {0};
    histogram_add(&h, 1, 989);
    histogram_add(&h, 3, 11);
    assert_int_equal(histogram_quantile(&h, NULL, 989), 1);
    assert_int_equal(histogram_quantile(&h, NULL, 990), 3);
    assert_int_equal(histogram_weight(&h, NULL), 1000);
}

static void what_was_before_does_not_count(void **state)
{
    (void)state;
    struct histogram h = {0}, past;
    histogram_add(&h, 1000, 50);
    histogram_copy(&past, &h);
    assert_int_equal(histogram_weight(&h, &past), 0);
    assert_int_equal(histogram_quantile(&h, &past, 990), 0);
    histogram_add(&h, 2, 1);
    assert_int_equal(histogram_weight(&h, &past), 1);
    assert_int_equal(histogram_quantile(&h, &past, 990), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_told_to_within_a_quarter),
        cmocka_unit_test(nothing_has_no_size_and_the_huge_is_the_largest),
        cmocka_unit_test(weights_move_quantiles),
        cmocka_unit_test(what_was_before_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
