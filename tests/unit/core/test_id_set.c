/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The set of packet ids against a plain table, and without memory. */
#include "unit_core.h"

static void empty(void **state)
{
    (void)state;
    struct id_set s = {0};
    assert_false(id_set_has(&s, 1));
    assert_false(id_set_remove(&s, 1));
    id_set_fini(&s);
    assert_null(s.v);
}

static void limits(void **state)
{
    (void)state;
    struct id_set s = {0};
    static const uint16_t ids[] = {65535, 1, 32768, 2, 65534, 1, 65535};
    for (size_t i = 0; i < 7; i++)
        assert_true(id_set_add(&s, ids[i]));
    assert_int_equal(s.n, 5);
    assert_true(id_set_has(&s, 1) && id_set_has(&s, 65535) && id_set_has(&s, 32768));
    assert_false(id_set_has(&s, 3) || id_set_has(&s, 0) || id_set_has(&s, 32767));
    id_set_fini(&s);
}

static void same_as_a_table(void **state)
{
    (void)state;
    struct id_set s = {0};
    static bool table[65536];
    memset(table, 0, sizeof(table));
    uint32_t x = 12345;
    for (unsigned i = 0; i < 200000; i++) {
        x = x * 1664525 + 1013904223;
        uint16_t id = (uint16_t)(x >> 16 & (i < 100000 ? 0x3ff : 0xffff));
        if (id == 0) /* is no id */
            continue;
        if ((x >> 8 & 3) < (i < 150000 ? 2u : 1u)) {
            assert_true(id_set_add(&s, id));
            table[id] = true;
        } else {
            assert_int_equal(id_set_remove(&s, id), table[id]);
            table[id] = false;
        }
        assert_int_equal(id_set_has(&s, (uint16_t)(id + 1)), table[(uint16_t)(id + 1)]);
    }
    uint32_t n = 0;
    for (unsigned i = 0; i < 65536; i++) {
        assert_int_equal(id_set_has(&s, (uint16_t)i), table[i]);
        n += table[i];
    }
    assert_int_equal(s.n, n);
    for (unsigned i = 0; i < 65536; i++)
        assert_int_equal(id_set_remove(&s, (uint16_t)i), table[i]);
    assert_int_equal(s.n, 0);
    id_set_fini(&s);
}

static void without_memory(void **state)
{
    (void)state;
    struct id_set s = {0};
    mem_fail_at(1);
    assert_false(id_set_add(&s, 5));
    assert_false(id_set_has(&s, 5));
    assert_true(id_set_add(&s, 5));
    for (uint16_t i = 6; s.n < s.cap; i++)
        assert_true(id_set_add(&s, i));
    uint32_t n = s.n;
    mem_fail_at(1);
    assert_false(id_set_add(&s, 1000));
    assert_int_equal(s.n, n);
    assert_true(id_set_add(&s, 5)); /* what is there needs none */
    mem_fail_at(0);
    id_set_fini(&s);
}

static void large_one_gives_its_memory_back_when_empty(void **state)
{
    (void)state;
    size_t before = mem_in_use();
    struct id_set s = {0};
    for (unsigned i = 1; i < 5000; i++)
        assert_true(id_set_add(&s, (uint16_t)i));
    for (unsigned i = 1; i < 5000; i++)
        assert_true(id_set_remove(&s, (uint16_t)i));
    assert_int_equal(mem_in_use(), before);
    assert_true(id_set_add(&s, 9));
    id_set_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty),
        cmocka_unit_test(limits),
        cmocka_unit_test(same_as_a_table),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(large_one_gives_its_memory_back_when_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
