/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit_base.h"

#include "sotto/base/heap.h"
#include "sotto/base/mem.h"

#define TIMERS 500

static void timers_come_out_in_order_and_only_when_due(void **state)
{
    (void)state;
    struct heap h;
    struct timer t[4] = {0};
    heap_init(&h);
    assert_int_equal(heap_next(&h), MSEC_NEVER);
    assert_null(heap_pop(&h, MSEC_NEVER));
    heap_set(&h, &t[0], 30);
    heap_set(&h, &t[1], 10);
    heap_set(&h, &t[2], 20);
    heap_set(&h, &t[3], MSEC_NEVER);
    assert_int_equal(heap_next(&h), 10);
    assert_null(heap_pop(&h, 9));
    assert_ptr_equal(heap_pop(&h, 10), &t[1]);
    assert_false(timer_is_set(&t[1]));
    heap_set(&h, &t[0], 5);
    assert_ptr_equal(heap_pop(&h, 100), &t[0]);
    heap_cancel(&h, &t[0]);
    heap_cancel(&h, &t[2]);
    assert_null(heap_pop(&h, 1000));
    assert_true(timer_is_set(&t[3]));
    heap_fini(&h);
    assert_false(timer_is_set(&t[3]));
}

static msec earliest(const struct timer *t)
{
    msec best = MSEC_NEVER;
    for (unsigned i = 0; i < TIMERS; i++) {
        if (timer_is_set(&t[i]) && t[i].due < best)
            best = t[i].due;
    }
    return best;
}

static void behaves_like_a_sorted_list(void **state)
{
    (void)state;
    static struct timer t[TIMERS];
    size_t before = mem_in_use();
    struct rng r = {7};
    struct heap h;
    heap_init(&h);
    for (unsigned step = 0; step < 30000; step++) {
        struct timer *one = &t[rng_below(&r, TIMERS)];
        switch (rng_below(&r, 4)) {
        case 0:
        case 1:
            heap_set(&h, one, rng_below(&r, 1000));
            assert_true(timer_is_set(one));
            break;
        case 2:
            heap_cancel(&h, one);
            assert_false(timer_is_set(one));
            break;
        default: {
            msec best = earliest(t), now = rng_below(&r, 1000);
            struct timer *due = heap_pop(&h, now);
            assert_int_equal(due != NULL, best <= now);
            if (due != NULL)
                assert_int_equal(due->due, best);
        }
        }
        if (step % 16 == 0)
            assert_int_equal(heap_next(&h), earliest(t));
    }
    msec last = 0;
    for (struct timer *due; (due = heap_pop(&h, 1000)) != NULL; last = due->due)
        assert_true(due->due >= last);
    assert_int_equal(h.n, 0);
    heap_fini(&h);
    assert_int_equal(mem_in_use(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_come_out_in_order_and_only_when_due),
        cmocka_unit_test(behaves_like_a_sorted_list),
    };
    return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
