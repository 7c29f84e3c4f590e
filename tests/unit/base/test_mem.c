/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit_base.h"

#include <pthread.h>

#include "sotto/base/mem.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool sanitized = true;
#elif defined(__has_feature)
static const bool sanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
static const bool sanitized = false;
#endif

static void allocated_memory_is_zeroed_and_never_null(void **state)
{
    (void)state;
    uint8_t *p = mem_alloc(1000);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(p[i], 0);
    mem_free(p);
    p = mem_alloc(0);
    assert_non_null(p);
    mem_free(p);
    mem_free(NULL);
}

static void a_size_no_system_has_is_refused_not_fatal(void **state)
{
    (void)state;
    if (sanitized)
        skip(); /* the sanitizers' allocators end the program instead */
    volatile size_t n = SIZE_MAX / 2 - 4096;
    assert_null(mem_try_alloc(n));
    void *p = mem_alloc(10);
    assert_null(mem_try_realloc(p, n));
    mem_free(p);
}

static void the_nth_fallible_call_fails_once(void **state)
{
    (void)state;
    mem_fail_at(3);
    void *a = mem_try_alloc(8);
    void *b = mem_try_realloc(NULL, 8);
    assert_non_null(a);
    assert_non_null(b);
    assert_non_null(a = mem_realloc(a, 16)); /* not counted: it may not fail */
    assert_null(mem_try_realloc(b, 100));
    b = mem_try_realloc(b, 100);
    assert_non_null(b);
    mem_fail_at(1);
    mem_fail_at(0);
    void *c = mem_try_alloc(1);
    assert_non_null(c);
    mem_free(a);
    mem_free(b);
    mem_free(c);
}

static void a_copy_ends_in_a_zero_byte(void **state)
{
    (void)state;
    char *s = mem_strndup("hello", 3);
    assert_string_equal(s, "hel");
    mem_free(s);
    s = mem_strndup(NULL, 0);
    assert_string_equal(s, "");
    mem_free(s);
}

static void what_is_in_use_is_counted(void **state)
{
    (void)state;
    size_t before = mem_in_use();
    char *a = mem_alloc(1000), *b = mem_try_alloc(300000);
    assert_true(mem_in_use() >= before + 301000);
    assert_true(mem_in_use() < before + 330000);
    a = mem_try_realloc(a, 50000);
    assert_true(mem_in_use() >= before + 350000);
    mem_free(b);
    a = mem_realloc(a, 10);
    assert_true(mem_in_use() < before + 5000);
    mem_free(a);
    assert_int_equal(mem_in_use(), before);
}

static void *frees_it(void *p)
{
    mem_free(p);
    return NULL;
}

static void blocks_may_be_freed_by_another_thread(void **state)
{
    (void)state;
    size_t before = mem_in_use();
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, frees_it, mem_alloc(10 * 1000 * 1000)), 0);
    pthread_join(t, NULL);
    assert_true(mem_in_use() <= before + 65536);
}

static void above_the_bound_only_what_grows_fails(void **state)
{
    (void)state;
    size_t before = mem_in_use();
    mem_set_limit(before + 8 * 1000 * 1000);
    char *a = mem_try_alloc(6 * 1000 * 1000);
    assert_non_null(a);
    assert_false(mem_short());
    char *b = mem_try_alloc(1500 * 1000);
    assert_non_null(b);
    assert_true(mem_short());
    char *c = mem_try_alloc(1000 * 1000); /* what passes the bound is had, the next is not */
    assert_non_null(c);
    assert_null(mem_try_alloc(1));
    assert_null(mem_try_realloc(NULL, 1));
    assert_null(mem_try_realloc(b, 1600 * 1000));
    b = mem_try_realloc(b, 1000);
    assert_non_null(b);
    char *own = mem_alloc(10); /* ours, not a peer's */
    mem_free(own);
    mem_free(c);
    mem_free(b);
    assert_false(mem_short());
    mem_set_limit(0);
    mem_free(a);
    assert_int_equal(mem_in_use(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocated_memory_is_zeroed_and_never_null),
        cmocka_unit_test(a_size_no_system_has_is_refused_not_fatal),
        cmocka_unit_test(the_nth_fallible_call_fails_once),
        cmocka_unit_test(a_copy_ends_in_a_zero_byte),
        cmocka_unit_test(what_is_in_use_is_counted),
        cmocka_unit_test(above_the_bound_only_what_grows_fails),
        cmocka_unit_test(blocks_may_be_freed_by_another_thread),
    };
    return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
