/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit_base.h"

#include "sotto/base/mem.h"
#include "sotto/base/ring.h"

#define MODEL 400

struct element {
    uint32_t id;
    uint8_t odd[9];
};

static void new_elements_are_zeroed(void **state)
{
    (void)state;
    struct ring r;
    static const struct element zero;
    ring_init(&r, sizeof(struct element));
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 3; i++) {
            struct element *e = i % 2 == 0 ? ring_push_back(&r) : ring_push_front(&r);
            assert_memory_equal(e, &zero, sizeof(zero));
            memset(e, 0xff, sizeof(*e));
        }
        for (unsigned i = 0; i < 3; i++)
            ring_pop_front(&r);
    }
    ring_fini(&r);
}

static void check(const struct ring *r, const uint32_t *model, uint32_t n)
{
    assert_int_equal(r->n, n);
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(((struct element *)ring_at(r, i))->id, model[i]);
}

static uint32_t insert(uint32_t *model, uint32_t n, uint32_t at, uint32_t id)
{
    memmove(model + at + 1, model + at, (n - at) * sizeof(*model));
    model[at] = id;
    return n + 1;
}

static uint32_t drop(uint32_t *model, uint32_t n, uint32_t at)
{
    memmove(model + at, model + at + 1, (n - at - 1) * sizeof(*model));
    return n - 1;
}

static void behaves_like_an_array(void **state)
{
    (void)state;
    uint32_t model[MODEL + 1], n = 0;
    struct rng rng = {8};
    struct ring r;
    ring_init(&r, sizeof(struct element));
    for (uint32_t step = 1; step < 40000; step++) {
        bool shrink = n == MODEL || (step / 2000 % 2 == 1 && n > 0 && rng_below(&rng, 3) > 0);
        if (!shrink) {
            bool back = rng_below(&rng, 2) == 0;
            struct element *e = back ? ring_push_back_raw(&r) : ring_push_front(&r);
            *e = (struct element){.id = step};
            n = insert(model, n, back ? n : 0, step);
        } else {
            uint32_t how = rng_below(&rng, 3), at = how == 0 ? 0 : how == 1 ? n - 1 : rng_below(&rng, n);
            if (how == 0)
                ring_pop_front(&r);
            else if (how == 1)
                ring_pop_back(&r);
            else
                ring_remove(&r, at);
            n = drop(model, n, at);
        }
        if (step % 7 == 0)
            check(&r, model, n);
        else
            assert_int_equal(r.n, n);
    }
    check(&r, model, n);
    ring_fini(&r);
}

static void a_large_ring_owns_nothing_once_empty(void **state)
{
    (void)state;
    size_t before = mem_in_use();
    struct ring r;
    ring_init(&r, 100);
    for (unsigned i = 0; i < 50; i++)
        assert_non_null(ring_push_back(&r));
    while (r.n > 1)
        ring_pop_back(&r);
    assert_true(mem_in_use() > before);
    ring_remove(&r, 0);
    assert_int_equal(mem_in_use(), before);
    assert_non_null(ring_push_front(&r));
    ring_fini(&r);
    assert_int_equal(mem_in_use(), before);
}

static void without_memory_nothing_is_changed(void **state)
{
    (void)state;
    struct ring r;
    unsigned failures = 0;
    ring_init(&r, sizeof(uint32_t));
    for (uint32_t i = 0; i < 100; i++) {
        mem_fail_at(1);
        uint32_t *e = i % 2 == 0 ? ring_push_back(&r) : ring_push_front(&r);
        if (e == NULL) {
            failures++;
            assert_int_equal(r.n, i);
            assert_non_null(e = ring_push_back(&r));
        }
        *e = i;
    }
    mem_fail_at(0);
    assert_int_equal(failures, 6); /* 4, 8, ... 128 */
    uint32_t sum = 0;
    for (uint32_t i = 0; i < 100; i++)
        sum += *(uint32_t *)ring_at(&r, i);
    assert_int_equal(sum, 4950);
    ring_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_elements_are_zeroed),
        cmocka_unit_test(behaves_like_an_array),
        cmocka_unit_test(a_large_ring_owns_nothing_once_empty),
        cmocka_unit_test(without_memory_nothing_is_changed),
    };
    return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
