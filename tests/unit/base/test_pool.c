/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit_base.h"

#include "sotto/base/mem.h"
#include "sotto/base/pool.h"

static void a_returned_block_is_the_next_of_its_class(void **state)
{
    (void)state;
    struct pool p;
    pool_init(&p);
    void *a = pool_get(&p, 65), *b = pool_get(&p, 64);
    pool_put(&p, a, 65);
    pool_put(&p, b, 64);
    assert_ptr_equal(pool_get(&p, 128), a);
    assert_ptr_equal(pool_get(&p, 1), b);
    assert_int_equal(pool_kept(&p), 0);
    pool_put(&p, a, 128);
    pool_put(&p, b, 1);
    pool_put(&p, NULL, 10);
    pool_fini(&p);
}

static void every_size_has_a_class_that_holds_it(void **state)
{
    (void)state;
    for (size_t n = 0; n <= POOL_LARGEST; n++) {
        unsigned c = pool_class(n);
        assert_true(c < POOL_CLASSES);
        assert_true(POOL_SMALLEST << c >= n);
        assert_true(c == 0 || POOL_SMALLEST << (c - 1) < n);
    }
}

static void blocks_are_as_large_as_asked_for(void **state)
{
    (void)state;
    size_t before = mem_in_use();
    struct pool p;
    struct rng r = {10};
    struct {
        uint8_t *block;
        size_t n;
        uint8_t fill;
    } held[64] = {0};
    pool_init(&p);
    for (unsigned step = 0; step < 20000; step++) {
        unsigned i = rng_below(&r, 64);
        for (size_t k = 0; k < held[i].n; k += 1 + held[i].n / 16)
            assert_int_equal(held[i].block[k], held[i].fill);
        pool_put(&p, held[i].block, held[i].n);
        held[i].n = 1 + rng_below(&r, rng_below(&r, 10) == 0 ? 20000 : 1000);
        held[i].fill = (uint8_t)step;
        held[i].block = pool_get(&p, held[i].n);
        memset(held[i].block, held[i].fill, held[i].n);
    }
    for (unsigned i = 0; i < 64; i++)
        pool_put(&p, held[i].block, held[i].n);
    pool_fini(&p);
    assert_int_equal(mem_in_use(), before);
}

static void what_is_kept_is_bounded(void **state)
{
    (void)state;
    enum { N = 20000 };
    static void *blocks[N];
    size_t before = mem_in_use();
    struct pool p;
    pool_init(&p);
    for (unsigned i = 0; i < N; i++)
        blocks[i] = pool_get(&p, 64);
    for (unsigned i = 0; i < N; i++)
        pool_put(&p, blocks[i], 64);
    assert_int_equal(pool_kept(&p), POOL_KEEP_BYTES);
    for (unsigned i = 0; i < 1000; i++)
        blocks[i] = pool_get(&p, 4096);
    for (unsigned i = 0; i < 1000; i++)
        pool_put(&p, blocks[i], 4096);
    assert_int_equal(pool_kept(&p), POOL_KEEP_BYTES + POOL_KEEP_BLOCKS * 4096);
    pool_fini(&p);
    assert_int_equal(mem_in_use(), before);
}

static void without_memory_there_is_no_block(void **state)
{
    (void)state;
    struct pool p;
    pool_init(&p);
    mem_fail_at(1);
    assert_null(pool_get(&p, 100));
    mem_fail_at(1);
    assert_null(pool_get(&p, 100000));
    void *a = pool_get(&p, 100);
    assert_non_null(a);
    pool_put(&p, a, 100);
    pool_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_returned_block_is_the_next_of_its_class),
        cmocka_unit_test(every_size_has_a_class_that_holds_it),
        cmocka_unit_test(blocks_are_as_large_as_asked_for),
        cmocka_unit_test(what_is_kept_is_bounded),
        cmocka_unit_test(without_memory_there_is_no_block),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
