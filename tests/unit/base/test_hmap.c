/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit_base.h"

#include "sotto/base/hash.h"
#include "sotto/base/hmap.h"
#include "sotto/base/mem.h"

#define KEYS 3000

struct entry {
    uint32_t key;
    uint64_t hash;
    bool in;
};

static struct entry entries[KEYS];

static bool same(const void *entry, struct bytes key)
{
    uint32_t k;
    assert_int_equal(key.n, sizeof(k));
    memcpy(&k, key.p, sizeof(k));
    return ((const struct entry *)entry)->key == k;
}

static struct entry *find(const struct hmap *m, struct entry *e)
{
    return hmap_get(m, e->hash, bytes_of(&e->key, sizeof(e->key)), same);
}

static void check_walk(const struct hmap *m, size_t count)
{
    static uint8_t seen[KEYS];
    memset(seen, 0, sizeof(seen));
    size_t pos = 0, n = 0;
    for (struct entry *e; (e = hmap_next(m, &pos)) != NULL; n++) {
        assert_true(e->in);
        assert_int_equal(seen[e->key]++, 0);
    }
    assert_int_equal(n, count);
    assert_int_equal(m->count, count);
}

/* Random adding and removing against a flag in each entry; the hashes come from make_hash. */
static void compare_with_model(uint64_t (*make_hash)(uint32_t key))
{
    size_t before = mem_in_use();
    struct rng r = {5};
    struct hmap m;
    size_t count = 0;
    hmap_init(&m);
    for (uint32_t i = 0; i < KEYS; i++)
        entries[i] = (struct entry){.key = i, .hash = make_hash(i)};
    for (unsigned step = 0; step < 60000; step++) {
        struct entry *e = &entries[rng_below(&r, KEYS)];
        assert_ptr_equal(find(&m, e), e->in ? e : NULL);
        bool grow = step / 10000 % 2 == 0 || rng_below(&r, 4) == 0;
        if (grow && !e->in) {
            assert_true(hmap_add(&m, e->hash, e));
            e->in = true;
            count++;
        } else if (!grow) {
            assert_int_equal(hmap_remove(&m, e->hash, e), e->in);
            count -= e->in;
            e->in = false;
        }
        if (step % 5000 == 0)
            check_walk(&m, count);
    }
    check_walk(&m, count);
    hmap_fini(&m);
    assert_int_equal(mem_in_use(), before);
}

static uint64_t plain(uint32_t key)
{
    return key;
}

static uint64_t high_bits_only(uint32_t key)
{
    return (uint64_t)key << 40;
}

static uint64_t many_equal(uint32_t key)
{
    return key % 64;
}

static void behaves_like_a_set_whatever_the_hashes(void **state)
{
    (void)state;
    compare_with_model(plain);
    compare_with_model(high_bits_only);
    compare_with_model(many_equal);
}

/* Clustering would show as long ways from home: loops choose sessions by low bits of the same hash. */
static void hashes_that_share_low_bits_do_not_cluster(void **state)
{
    (void)state;
    static struct entry many[40000];
    struct hmap m;
    struct rng r = {6};
    hmap_init(&m);
    for (unsigned i = 0; i < 40000; i++) {
        many[i].hash = rng_next(&r) << 3;
        assert_true(hmap_add(&m, many[i].hash, &many[i]));
    }
    uint64_t steps = 0;
    for (size_t i = 0; i < m.cap; i++) {
        if (m.slots[i].entry != NULL)
            steps += (i - hmap_home(&m, m.slots[i].hash)) & (m.cap - 1);
    }
    assert_true(steps < 2 * 40000);
    hmap_fini(&m);
}

static void the_table_shrinks_when_entries_leave(void **state)
{
    (void)state;
    static struct entry many[KEYS];
    struct hmap m;
    hmap_init(&m);
    for (uint32_t i = 0; i < KEYS; i++)
        assert_true(hmap_add(&m, i, &many[i]));
    size_t full = m.cap;
    for (uint32_t i = 0; i < KEYS; i++)
        assert_true(hmap_remove(&m, i, &many[i]));
    assert_true(full >= KEYS && m.cap <= 16);
    hmap_fini(&m);
}

static void without_memory_the_map_stays_as_it_is(void **state)
{
    (void)state;
    struct hmap m;
    unsigned failures = 0;
    hmap_init(&m);
    for (uint32_t i = 0; i < KEYS; i++) {
        entries[i] = (struct entry){.key = i, .hash = i};
        mem_fail_at(1);
        if (!hmap_add(&m, i, &entries[i])) {
            failures++;
            assert_null(find(&m, &entries[i]));
            assert_true(hmap_add(&m, i, &entries[i]));
        }
    }
    assert_int_equal(failures, 11); /* 8, 16, ... 8192 slots */
    for (uint32_t i = 0; i < KEYS; i++) {
        mem_fail_at(1); /* shrinking fails; removing must not */
        assert_ptr_equal(find(&m, &entries[i]), &entries[i]);
        assert_true(hmap_remove(&m, i, &entries[i]));
    }
    mem_fail_at(0);
    assert_int_equal(m.count, 0);
    hmap_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(behaves_like_a_set_whatever_the_hashes),
        cmocka_unit_test(hashes_that_share_low_bits_do_not_cluster),
        cmocka_unit_test(the_table_shrinks_when_entries_leave),
        cmocka_unit_test(without_memory_the_map_stays_as_it_is),
    };
    return cmocka_run_group_tests_name("hmap", tests, NULL, NULL);
}
