/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit_base.h"

#include "sotto/base/mem.h"
#include "sotto/base/outq.h"

static struct pool pool;

static int fresh_pool(void **state)
{
    (void)state;
    pool_init(&pool);
    return 0;
}

static int end_pool(void **state)
{
    (void)state;
    pool_fini(&pool);
    return 0;
}

static struct blob *random_blob(struct rng *r, size_t n)
{
    struct blob *b = blob_new(n);
    assert_non_null(b);
    for (size_t i = 0; i < n; i++)
        b->p[i] = (uint8_t)rng_next(r);
    return b;
}

static void small_appends_share_a_chunk(void **state)
{
    (void)state;
    struct outq q;
    struct bytes v[4];
    outq_init(&q);
    assert_int_equal(outq_peek(&q, v, 4), 0);
    for (unsigned i = 0; i < 100; i++)
        assert_true(outq_append(&q, &pool, "0123456789", 10));
    assert_int_equal(q.bytes, 1000);
    assert_int_equal(outq_peek(&q, v, 4), 1);
    assert_int_equal(v[0].n, 1000);
    outq_consume(&q, &pool, 995);
    assert_int_equal(outq_peek(&q, v, 4), 1);
    assert_true(bytes_equal(v[0], bytes_str("56789")));
    outq_consume(&q, &pool, 5);
    assert_null(q.first);
    assert_null(q.last);
    outq_fini(&q, &pool);
}

static void a_blob_is_referenced_not_copied(void **state)
{
    (void)state;
    struct rng r = {11};
    struct outq q;
    struct bytes v[4];
    struct blob *b = random_blob(&r, 5000);
    outq_init(&q);
    assert_true(outq_append(&q, &pool, "head", 4));
    assert_true(outq_append_blob(&q, &pool, b, 1000, 3000));
    assert_true(outq_append_blob(&q, &pool, b, 5000, 0));
    assert_true(outq_append(&q, &pool, "tail", 4));
    assert_int_equal(b->refs, 2);
    assert_int_equal(outq_peek(&q, v, 4), 3);
    assert_ptr_equal(v[1].p, b->p + 1000);
    assert_int_equal(v[1].n, 3000);
    assert_int_equal(outq_peek(&q, v, 2), 2);
    outq_consume(&q, &pool, 5);
    assert_int_equal(outq_peek(&q, v, 4), 2);
    assert_ptr_equal(v[0].p, b->p + 1001);
    outq_consume(&q, &pool, 2999);
    assert_int_equal(b->refs, 1);
    outq_fini(&q, &pool);
    blob_unref(b);
}

static void reserved_room_is_contiguous_up_to_a_chunk(void **state)
{
    (void)state;
    struct outq q;
    struct bytes v[4];
    outq_init(&q);
    assert_true(outq_append(&q, &pool, "ab", 2));
    uint8_t *p = outq_reserve(&q, &pool, OUTQ_ROOM);
    memset(p, 'x', OUTQ_ROOM);
    outq_commit(&q, 3);
    assert_int_equal(outq_peek(&q, v, 4), 2);
    assert_true(bytes_equal(v[1], bytes_str("xxx")));
    p = outq_reserve(&q, &pool, 100);
    assert_ptr_equal(p, v[1].p + 3);
    outq_commit(&q, 0);
    outq_consume(&q, &pool, 5);
    assert_null(q.first);
    assert_non_null(outq_reserve(&q, &pool, 1)); /* reserved, then thought better of it */
    assert_int_equal(outq_peek(&q, v, 4), 0);
    outq_consume(&q, &pool, 0);
    assert_null(q.first);
    outq_fini(&q, &pool);
}

static void add_something(struct outq *q, struct rng *r, uint8_t *model, size_t n)
{
    for (size_t i = 0; i < n; i++)
        model[i] = (uint8_t)rng_next(r);
    switch (rng_below(r, 3)) {
    case 0: {
        struct blob *b = blob_new(n + 7);
        memcpy(b->p + 7, model, n);
        assert_true(outq_append_blob(q, &pool, b, 7, n));
        blob_unref(b);
        break;
    }
    case 1:
        if (n <= OUTQ_ROOM) {
            uint8_t *p = outq_reserve(q, &pool, rng_below(r, 2) == 0 ? OUTQ_ROOM : n);
            memcpy(p, model, n);
            outq_commit(q, n);
            break;
        }
        /* fall through */
    default:
        assert_true(outq_append(q, &pool, model, n));
    }
}

static void check_front(const struct outq *q, const uint8_t *model, size_t n, unsigned max)
{
    struct bytes v[16];
    unsigned count = outq_peek(q, v, max);
    size_t at = 0;
    assert_int_equal(q->bytes, n);
    assert_true((count > 0) == (n > 0));
    for (unsigned i = 0; i < count; i++) {
        assert_true(v[i].n > 0 && v[i].n <= n - at);
        assert_memory_equal(v[i].p, model + at, v[i].n);
        at += v[i].n;
    }
    if (count < max)
        assert_int_equal(at, n);
}

static void bytes_come_out_as_they_went_in(void **state)
{
    (void)state;
    static uint8_t model[1 << 20];
    size_t from = 0, to = 0;
    struct rng r = {12};
    struct outq q;
    outq_init(&q);
    while (to < sizeof(model) - 20000) {
        size_t n = rng_below(&r, rng_below(&r, 10) == 0 ? 20000 : 200);
        add_something(&q, &r, model + to, n);
        to += n;
        check_front(&q, model + from, to - from, 1 + rng_below(&r, 16));
        size_t eat = rng_below(&r, 4) == 0 ? to - from : rng_below(&r, (uint32_t)(to - from) / 2 + 1);
        outq_consume(&q, &pool, eat);
        from += eat;
        check_front(&q, model + from, to - from, 16);
        assert_int_equal(q.first == NULL, from == to);
    }
    outq_fini(&q, &pool);
    assert_null(q.first);
}

static void without_memory_it_says_so_and_leaks_nothing(void **state)
{
    (void)state;
    struct rng r = {13};
    static uint8_t bytes[10000];
    size_t before = mem_in_use();
    struct blob *b = random_blob(&r, 100);
    for (unsigned at = 1;; at++) {
        struct pool empty;
        struct outq q;
        outq_init(&q);
        pool_init(&empty);
        mem_fail_at(at);
        bool ok = outq_append(&q, &empty, bytes, sizeof(bytes)) && outq_append_blob(&q, &empty, b, 0, 100) &&
                  outq_reserve(&q, &empty, 10) != NULL;
        mem_fail_at(0);
        outq_fini(&q, &empty);
        pool_fini(&empty);
        assert_int_equal(b->refs, 1);
        if (ok)
            break;
        assert_true(at < 6);
    }
    blob_unref(b);
    assert_int_equal(mem_in_use(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(small_appends_share_a_chunk, fresh_pool, end_pool),
        cmocka_unit_test_setup_teardown(a_blob_is_referenced_not_copied, fresh_pool, end_pool),
        cmocka_unit_test_setup_teardown(reserved_room_is_contiguous_up_to_a_chunk, fresh_pool, end_pool),
        cmocka_unit_test_setup_teardown(bytes_come_out_as_they_went_in, fresh_pool, end_pool),
        cmocka_unit_test(without_memory_it_says_so_and_leaks_nothing),
    };
    return cmocka_run_group_tests_name("outq", tests, NULL, NULL);
}
