/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit_base.h"

#include "sotto/base/mem.h"
#include "sotto/base/slots.h"

static void a_handle_finds_its_object_until_it_is_removed(void **state)
{
    (void)state;
    struct slots s;
    int a = 0, b = 0;
    slots_init(&s, 0xabcd);
    assert_null(slots_get(&s, HANDLE_NONE));
    handle h = slots_add(&s, &a), g = slots_add(&s, &b);
    assert_int_not_equal(h, HANDLE_NONE);
    assert_int_equal(handle_owner(h), 0xabcd);
    assert_ptr_equal(slots_get(&s, h), &a);
    assert_ptr_equal(slots_get(&s, g), &b);
    slots_remove(&s, h);
    assert_null(slots_get(&s, h));
    slots_remove(&s, h);
    slots_remove(&s, HANDLE_NONE);
    assert_ptr_equal(slots_get(&s, g), &b);
    slots_fini(&s);
}

static void a_stale_handle_does_not_find_the_next_object(void **state)
{
    (void)state;
    struct slots s;
    int a = 0, b = 0;
    slots_init(&s, 0);
    handle old = slots_add(&s, &a);
    slots_remove(&s, old);
    handle new = slots_add(&s, &b);
    assert_int_equal(old >> 24, new >> 24); /* the slot is used again */
    assert_null(slots_get(&s, old));
    slots_remove(&s, old);
    assert_ptr_equal(slots_get(&s, new), &b);
    slots_fini(&s);
}

static void generations_wrap_without_becoming_zero(void **state)
{
    (void)state;
    struct slots s;
    int a = 0;
    slots_init(&s, 0);
    slots_remove(&s, slots_add(&s, &a));
    s.v[0].generation = 0xffffff;
    handle h = slots_add(&s, &a);
    assert_int_equal(h, 0xffffff);
    assert_ptr_equal(slots_get(&s, h), &a);
    slots_remove(&s, h);
    h = slots_add(&s, &a);
    assert_int_equal(h, 1);
    assert_ptr_equal(slots_get(&s, h), &a);
    slots_fini(&s);
}

static void behaves_like_a_table_of_names(void **state)
{
    (void)state;
    enum { N = 1000 };
    static int objects[N];
    static handle handles[N], stale[N];
    struct slots s;
    struct rng r = {9};
    slots_init(&s, 7);
    for (unsigned step = 0; step < 50000; step++) {
        uint32_t i = rng_below(&r, N);
        assert_ptr_equal(slots_get(&s, handles[i]), handles[i] != HANDLE_NONE ? &objects[i] : NULL);
        assert_null(slots_get(&s, stale[i]));
        if (handles[i] != HANDLE_NONE) {
            slots_remove(&s, handles[i]);
            stale[i] = handles[i];
            handles[i] = HANDLE_NONE;
        } else {
            handles[i] = slots_add(&s, &objects[i]);
        }
    }
    assert_true(s.n <= N);
    slots_fini(&s);
}

static void all_slots_can_be_taken_and_no_more(void **state)
{
    (void)state;
    struct slots s;
    int a = 0;
    slots_init(&s, 1);
    assert_int_not_equal(slots_add(&s, &a), HANDLE_NONE);
    mem_fail_at(1);
    for (unsigned i = 1; i < s.cap; i++)
        assert_int_not_equal(slots_add(&s, &a), HANDLE_NONE);
    assert_int_equal(slots_add(&s, &a), HANDLE_NONE); /* no memory */
    handle h = slots_add(&s, &a);
    assert_ptr_equal(slots_get(&s, h), &a);
    uint32_t cap = s.cap;
    s.cap = s.n = 1u << 24; /* as if all were taken; nothing beyond the real table is touched */
    assert_int_equal(slots_add(&s, &a), HANDLE_NONE);
    s.cap = cap;
    slots_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handle_finds_its_object_until_it_is_removed),
        cmocka_unit_test(a_stale_handle_does_not_find_the_next_object),
        cmocka_unit_test(generations_wrap_without_becoming_zero),
        cmocka_unit_test(behaves_like_a_table_of_names),
        cmocka_unit_test(all_slots_can_be_taken_and_no_more),
    };
    return cmocka_run_group_tests_name("slots", tests, NULL, NULL);
}
