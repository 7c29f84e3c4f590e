/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The cache gives what the index would give, at any moment, within its bounds, and without memory. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "sotto/base/mem.h"
#include "sotto/core/index.h"

static const struct hash_key key = {{0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0, 0x082efa98ec4e6c89}};

static unsigned roll(uint64_t *s, unsigned n)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return (unsigned)((*s >> 16) % n);
}

static struct index_node *add(struct index *x, const char *filter, handle h)
{
    struct index_node *node = NULL;
    assert_int_not_equal(index_add(x, bytes_str(filter), h, (struct sub_options){(uint32_t)h, 1, 0, 0, 0}, &node),
                         INDEX_NO_MEMORY);
    return node;
}

static void check(struct index *x, struct match_cache *c, const char *topic)
{
    struct matches want;
    matches_init(&want);
    assert_true(index_match(x, bytes_str(topic), &want));
    const struct matches *got = match_cache_get(c, bytes_str(topic));
    assert_non_null(got);
    assert_int_equal(got->n, want.n);
    for (uint32_t i = 0; i < want.n; i++) {
        assert_true(got->v[i].h == want.v[i].h);
        assert_int_equal(got->v[i].o.id, want.v[i].o.id);
    }
    matches_fini(&want);
}

static void as_the_index_says(void **state)
{
    (void)state;
    size_t memory = mem_in_use();
    struct index *x = index_new(&key);
    struct match_cache *c = match_cache_new(x, &key);
    uint64_t s = 99;
    char filter[64], topic[64];
    for (unsigned i = 0; i < 60000; i++) {
        snprintf(topic, sizeof(topic), "t/%u/%u", roll(&s, 10), roll(&s, 10) * roll(&s, 10));
        check(x, c, topic);
        if (roll(&s, 20) != 0)
            continue;
        if (roll(&s, 2) == 0)
            snprintf(filter, sizeof(filter), "t/+/%u", roll(&s, 90));
        else
            snprintf(filter, sizeof(filter), "t/%u/%s", roll(&s, 10), roll(&s, 2) ? "#" : "7");
        handle h = 1 + roll(&s, 30);
        struct index_node *node = index_find(x, bytes_str(filter), h);
        if (node != NULL)
            assert_true(index_remove(x, node, h));
        else
            add(x, filter, h);
        check(x, c, topic);
    }
    match_cache_free(c);
    index_free(x);
    assert_int_equal(mem_in_use(), memory);
}

/* A change is seen by the next call, be it a new subscription, other options, or one that went. */
static void changes_show_at_once(void **state)
{
    (void)state;
    struct index *x = index_new(&key);
    struct match_cache *c = match_cache_new(x, &key);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(match_cache_get(c, bytes_str("a/b"))->n, 0);
    struct index_node *node = add(x, "a/+", 4);
    for (unsigned i = 0; i < 3; i++) {
        const struct matches *m = match_cache_get(c, bytes_str("a/b"));
        assert_int_equal(m->n, 1);
        assert_int_equal(m->v[0].o.qos, 1);
    }
    struct sub_options o = {9, 2, true, true, false};
    assert_int_equal(index_add(x, bytes_str("a/+"), 4, o, &node), INDEX_REPLACED);
    assert_int_equal(match_cache_get(c, bytes_str("a/b"))->v[0].o.qos, 2);
    assert_true(index_remove(x, node, 4));
    assert_int_equal(match_cache_get(c, bytes_str("a/b"))->n, 0);
    match_cache_free(c);
    index_free(x);
}

/* What is held for a topic stays where it is while nothing changes: it isn't made anew. */
static void held_after_two_misses(void **state)
{
    (void)state;
    struct index *x = index_new(&key);
    struct match_cache *c = match_cache_new(x, &key);
    add(x, "a/+", 4);
    (void)match_cache_get(c, bytes_str("a/b"));
    (void)match_cache_get(c, bytes_str("a/b"));
    size_t held = mem_in_use();
    const struct matches *m = match_cache_get(c, bytes_str("a/b"));
    mem_fail_at(1);
    assert_ptr_equal(match_cache_get(c, bytes_str("a/b")), m);
    mem_fail_at(0);
    (void)match_cache_get(c, bytes_str("other"));
    assert_ptr_equal(match_cache_get(c, bytes_str("a/b")), m);
    assert_int_equal(mem_in_use(), held);
    match_cache_free(c);
    index_free(x);
}

static void topics_that_come_once_leave_nothing(void **state)
{
    (void)state;
    struct index *x = index_new(&key);
    struct match_cache *c = match_cache_new(x, &key);
    char topic[64];
    for (handle h = 1; h <= 20; h++)
        add(x, "once/#", h);
    (void)match_cache_get(c, bytes_str("once/first"));
    size_t before = mem_in_use();
    for (unsigned i = 0; i < 100000; i++) {
        snprintf(topic, sizeof(topic), "once/%u", i);
        assert_int_equal(match_cache_get(c, bytes_str(topic))->n, 20);
    }
    assert_int_equal(mem_in_use(), before);
    match_cache_free(c);
    index_free(x);
}

/* 20,000 topics, each with 150 matches, asked for again and again: 48 MB if all were held. */
static void bounded(void **state)
{
    (void)state;
    struct index *x = index_new(&key);
    struct match_cache *c = match_cache_new(x, &key);
    char topic[64];
    for (handle h = 1; h <= 150; h++)
        add(x, "many/#", h);
    size_t before = mem_in_use(), most = 0;
    for (unsigned i = 0; i < 20000; i++) {
        snprintf(topic, sizeof(topic), "many/%u", i);
        for (unsigned k = 0; k < 4; k++)
            assert_int_equal(match_cache_get(c, bytes_str(topic))->n, 150);
        size_t now = mem_in_use();
        most = now > most ? now : most;
    }
    /* 4 MiB and what malloc rounds up. */
    assert_true(most - before > 3u << 20);
    assert_true(most - before < 5u << 20);
    match_cache_free(c);
    index_free(x);
}

/* An answer larger than an entry may be is given all the same, and its list isn't kept for ever. */
static void large_answers(void **state)
{
    (void)state;
    struct index *x = index_new(&key);
    struct match_cache *c = match_cache_new(x, &key);
    size_t empty = mem_in_use();
    struct index_node *node = NULL;
    for (handle h = 1; h <= 100000; h++)
        node = add(x, "large", h);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(match_cache_get(c, bytes_str("large"))->n, 100000);
    for (handle h = 1; h <= 100000; h++)
        assert_true(index_remove(x, node, h));
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(match_cache_get(c, bytes_str("large"))->n, 0);
    assert_true(mem_in_use() < empty + 4096);
    match_cache_free(c);
    index_free(x);
}

/* Each allocation fails once: NULL or the right answer, and the right one afterwards. */
static void without_memory(void **state)
{
    (void)state;
    size_t memory = mem_in_use();
    for (unsigned k = 1; k < 10; k++) {
        struct index *x = index_new(&key);
        struct match_cache *c = match_cache_new(x, &key);
        struct index_node *node = add(x, "a/b", 1);
        add(x, "a/+", 2);
        unsigned failed = 0;
        mem_fail_at(k);
        for (unsigned i = 0; i < 3; i++) {
            const struct matches *m = match_cache_get(c, bytes_str("a/b"));
            failed += m == NULL;
            assert_true(m == NULL || m->n == 2);
        }
        mem_fail_at(0);
        assert_true(k == 1 ? failed == 1 : failed <= 1);
        check(x, c, "a/b");
        for (handle h = 3; h < 30; h++) {
            add(x, "a/#", h);
            mem_fail_at(k);
            const struct matches *m = match_cache_get(c, bytes_str("a/b"));
            mem_fail_at(0);
            assert_true(m == NULL || m->n == h);
            check(x, c, "a/b");
        }
        assert_true(index_remove(x, node, 1));
        check(x, c, "a/b");
        match_cache_free(c);
        index_free(x);
    }
    assert_int_equal(mem_in_use(), memory);
}

struct shared {
    struct index *x;
    _Atomic bool done;
};

static void *reader(void *arg)
{
    struct shared *s = arg;
    struct match_cache *c = match_cache_new(s->x, &key);
    char topic[16];
    for (unsigned i = 0; i < 2000 || !atomic_load(&s->done); i++) {
        snprintf(topic, sizeof(topic), "a/%u", i % 7);
        const struct matches *m = match_cache_get(c, bytes_str(topic));
        bool there = false;
        for (uint32_t k = 0; m != NULL && k < m->n; k++)
            there = there || m->v[k].h == 500;
        if (!there)
            abort();
    }
    match_cache_free(c);
    return NULL;
}

/* What the writer did before it said so is what the readers' caches give afterwards. */
static void two_loops_beside_a_writer(void **state)
{
    (void)state;
    struct shared s = {.x = index_new(&key)};
    struct match_cache *own = match_cache_new(s.x, &key);
    pthread_t t[2];
    add(s.x, "a/+", 500);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&t[i], NULL, reader, &s), 0);
    for (unsigned i = 0; i < 1500; i++) {
        char filter[16];
        snprintf(filter, sizeof(filter), "a/%u", i % 7);
        struct index_node *node = add(s.x, filter, 2);
        assert_int_equal(match_cache_get(own, bytes_str(filter))->n, 2);
        assert_true(index_remove(s.x, node, 2));
        assert_int_equal(match_cache_get(own, bytes_str(filter))->n, 1);
    }
    atomic_store(&s.done, true);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    match_cache_free(own);
    index_free(s.x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_index_says),
        cmocka_unit_test(changes_show_at_once),
        cmocka_unit_test(held_after_two_misses),
        cmocka_unit_test(topics_that_come_once_leave_nothing),
        cmocka_unit_test(bounded),
        cmocka_unit_test(large_answers),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(two_loops_beside_a_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
