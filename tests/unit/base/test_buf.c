/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit_base.h"

#include "sotto/base/buf.h"
#include "sotto/base/mem.h"

static void an_empty_buffer_owns_no_memory(void **state)
{
    (void)state;
    size_t before = mem_in_use();
    struct buf b;
    buf_init(&b, 100);
    assert_true(buf_append(&b, "", 0));
    assert_null(b.p);
    assert_true(buf_append(&b, "abc", 3));
    assert_true(mem_in_use() > before);
    buf_consume(&b, 1);
    assert_memory_equal(b.p, "bc", 2);
    buf_consume(&b, 2);
    assert_null(b.p);
    assert_int_equal(mem_in_use(), before);
    buf_consume(&b, 0);
    assert_non_null(buf_reserve(&b, 10));
    buf_commit(&b, 0);
    assert_int_equal(mem_in_use(), before);
    assert_true(buf_append(&b, "abc", 3));
    buf_fini(&b);
    assert_int_equal(mem_in_use(), before);
    assert_int_equal(b.max, 100);
}

static void more_than_the_cap_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    struct buf b;
    uint8_t bytes[101] = {1, 2, 3};
    buf_init(&b, 100);
    assert_false(buf_append(&b, bytes, 101));
    assert_null(b.p);
    assert_true(buf_append(&b, bytes, 60));
    assert_false(buf_append(&b, bytes, 41));
    assert_null(buf_reserve(&b, SIZE_MAX));
    assert_int_equal(b.n, 60);
    assert_true(buf_append(&b, bytes, 40));
    assert_int_equal(b.n, 100);
    assert_true(b.head + b.cap <= 100);
    buf_consume(&b, 99);
    assert_true(buf_append(&b, bytes, 99));
    assert_false(buf_append(&b, bytes, 1));
    buf_fini(&b);
}

/* Whatever is appended comes out at the front, compared with a flat array that is never compacted. */
static void bytes_come_out_as_they_went_in(void **state)
{
    (void)state;
    static uint8_t model[1 << 20];
    size_t from = 0, to = 0;
    struct rng r = {1};
    struct buf b;
    buf_init(&b, 5000);
    while (to < sizeof(model) - 2000) {
        size_t n = rng_below(&r, rng_below(&r, 4) == 0 ? 1500 : 40);
        for (size_t i = 0; i < n; i++)
            model[to + i] = (uint8_t)rng_next(&r);
        bool fits = to - from + n <= 5000;
        if (rng_below(&r, 2) == 0) {
            assert_int_equal(buf_append(&b, model + to, n), fits);
        } else {
            uint8_t *room = buf_reserve(&b, n);
            assert_int_equal(room != NULL, fits);
            if (fits) {
                memcpy(room, model + to, n);
                buf_commit(&b, n);
            }
        }
        to += fits ? n : 0;
        size_t eat = rng_below(&r, 3) == 0 ? to - from : rng_below(&r, (uint32_t)(to - from) + 1);
        buf_consume(&b, rng_below(&r, 2) == 0 ? eat : (eat = 0));
        from += eat;
        assert_int_equal(b.n, to - from);
        if (b.n > 0)
            assert_memory_equal(b.p, model + from, b.n);
        else
            assert_null(b.p);
    }
    buf_fini(&b);
}

static void without_memory_nothing_is_changed(void **state)
{
    (void)state;
    struct buf b;
    uint8_t bytes[600] = {0};
    buf_init(&b, 10000);
    mem_fail_at(1);
    assert_false(buf_append(&b, "abc", 3));
    assert_null(b.p);
    assert_true(buf_append(&b, "abc", 3));
    mem_fail_at(1);
    assert_false(buf_append(&b, bytes, sizeof(bytes)));
    assert_int_equal(b.n, 3);
    assert_memory_equal(b.p, "abc", 3);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_buffer_owns_no_memory),
        cmocka_unit_test(more_than_the_cap_is_refused_and_changes_nothing),
        cmocka_unit_test(bytes_come_out_as_they_went_in),
        cmocka_unit_test(without_memory_nothing_is_changed),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
