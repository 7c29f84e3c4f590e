/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit_base.h"

#include <pthread.h>

#include "sotto/base/blob.h"
#include "sotto/base/mem.h"

static void the_last_reference_frees(void **state)
{
    (void)state;
    size_t before = mem_in_use();
    struct blob *b = blob_new(1000);
    assert_int_equal(b->n, 1000);
    memset(b->p, 1, 1000);
    assert_ptr_equal(blob_ref(b), b);
    blob_unref(b);
    assert_int_equal(b->p[999], 1);
    assert_true(mem_in_use() > before);
    blob_unref(b);
    assert_int_equal(mem_in_use(), before);
    blob_unref(NULL);
    blob_unref(blob_new(0));
}

static void sizes_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    assert_null(blob_new((size_t)UINT32_MAX + 1));
    assert_null(blob_new(SIZE_MAX));
    mem_fail_at(1);
    assert_null(blob_new(10));
}

static void *refs_and_unrefs(void *arg)
{
    struct blob *b = arg;
    unsigned sum = 0;
    for (unsigned i = 0; i < 20000; i++) {
        blob_ref(b);
        sum += b->p[i % b->n];
        blob_unref(b);
    }
    blob_unref(b);
    return sum == 20000 ? NULL : b;
}

static void threads_share_and_exactly_one_frees(void **state)
{
    (void)state;
    pthread_t t[3];
    struct blob *b = blob_new(100);
    memset(b->p, 1, 100);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&t[i], NULL, refs_and_unrefs, blob_ref(b)), 0);
    blob_unref(b);
    for (unsigned i = 0; i < 3; i++) {
        void *wrong;
        pthread_join(t[i], &wrong);
        assert_null(wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_reference_frees),
        cmocka_unit_test(sizes_that_do_not_fit_are_refused),
        cmocka_unit_test(threads_share_and_exactly_one_frees),
    };
    return cmocka_run_group_tests_name("blob", tests, NULL, NULL);
}
