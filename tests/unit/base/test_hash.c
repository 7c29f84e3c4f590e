/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit_base.h"

#include <stdio.h>
#include <stdlib.h>

#include "sotto/base/hash.h"

static const struct hash_key fixed = {{0x0123456789abcdef, 0xfedcba9876543210, 0x5a5a5a5a5a5a5a5b, 0x13579bdf02468ace}};

static void every_length_reads_every_byte_and_no_other(void **state)
{
    (void)state;
    struct rng r = {2};
    for (size_t n = 0; n < 200; n++) {
        uint8_t *p = malloc(n > 0 ? n : 1); /* exactly n bytes: the sanitizer sees a read beyond */
        for (size_t i = 0; i < n; i++)
            p[i] = (uint8_t)rng_next(&r);
        uint64_t h = hash_bytes(&fixed, bytes_of(p, n));
        assert_int_equal(h, hash_bytes(&fixed, bytes_of(p, n)));
        for (size_t i = 0; i < n; i++) {
            p[i] ^= 0x10;
            assert_int_not_equal(h, hash_bytes(&fixed, bytes_of(p, n)));
            p[i] ^= 0x10;
        }
        free(p);
    }
}

static void length_counts_even_among_zero_bytes(void **state)
{
    (void)state;
    static const uint8_t zeros[300];
    uint64_t seen[300];
    for (size_t n = 0; n < 300; n++) {
        seen[n] = hash_bytes(&fixed, bytes_of(zeros, n));
        for (size_t i = 0; i < n; i++)
            assert_int_not_equal(seen[i], seen[n]);
    }
    assert_int_equal(hash_bytes(&fixed, bytes_of(NULL, 0)), seen[0]);
}

static void the_key_decides(void **state)
{
    (void)state;
    struct hash_key a, b;
    hash_key_draw(&a);
    hash_key_draw(&b);
    assert_memory_not_equal(&a, &b, sizeof(a));
    assert_int_not_equal(hash_bytes(&a, bytes_str("home/kitchen")), hash_bytes(&b, bytes_str("home/kitchen")));
    for (unsigned i = 0; i < 4; i++) {
        b = a;
        b.k[i] ^= 1;
        const char *text = "a text of more than sixteen and thirty-two bytes";
        assert_int_not_equal(hash_bytes(&a, bytes_str(text)), hash_bytes(&b, bytes_str(text)));
    }
}

/*
 * An operand of a multiplication becomes zero where the input equals the key word it is xored with. Even someone who
 * knew the key could not make the other bytes disappear that way.
 */
static void a_zero_operand_hides_nothing(void **state)
{
    (void)state;
    uint8_t in[48];
    for (unsigned word = 0; word < 4; word++) {
        for (unsigned k = 0; k < 4; k++) {
            struct rng r = {3};
            memset(in, 0, sizeof(in));
            memcpy(in + 8 * word, &fixed.k[k], 8);
            uint64_t last = hash_bytes(&fixed, bytes_of(in, sizeof(in)));
            for (unsigned i = 0; i < 100; i++) {
                uint64_t other = rng_next(&r);
                memcpy(in + 8 * (word ^ 1), &other, 8);
                uint64_t h = hash_bytes(&fixed, bytes_of(in, sizeof(in)));
                assert_int_not_equal(h, last);
                last = h;
            }
        }
    }
}

/* 65,536 similar topics into 65,536 buckets by any 16 bits: as many empty ones as chance leaves (36.8 %). */
static void similar_topics_spread_evenly(void **state)
{
    (void)state;
    static uint8_t used[65536];
    for (unsigned shift = 0; shift <= 48; shift += 16) {
        memset(used, 0, sizeof(used));
        unsigned empty = 0;
        for (unsigned i = 0; i < 65536; i++) {
            char topic[40];
            int n = snprintf(topic, sizeof(topic), "dev/%05u/state", i);
            used[hash_bytes(&fixed, bytes_of(topic, (size_t)n)) >> shift & 0xffff] = 1;
        }
        for (unsigned i = 0; i < 65536; i++)
            empty += used[i] == 0;
        assert_in_range(empty, 23600, 24600);
    }
}

static void one_bit_of_input_turns_half_of_the_output(void **state)
{
    (void)state;
    struct rng r = {4};
    static const size_t lengths[] = {3, 7, 12, 16, 20, 33, 64, 100};
    for (size_t l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++) {
        uint64_t turned = 0, flips = 0;
        for (unsigned round = 0; round < 500; round++) {
            uint8_t p[100];
            for (size_t i = 0; i < lengths[l]; i++)
                p[i] = (uint8_t)rng_next(&r);
            uint64_t h = hash_bytes(&fixed, bytes_of(p, lengths[l]));
            size_t bit = rng_below(&r, (uint32_t)lengths[l] * 8);
            p[bit / 8] = (uint8_t)(p[bit / 8] ^ 1u << bit % 8);
            uint64_t diff = h ^ hash_bytes(&fixed, bytes_of(p, lengths[l]));
            turned += (uint64_t)__builtin_popcountll(diff);
            flips++;
        }
        assert_in_range(turned, flips * 31, flips * 33);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_reads_every_byte_and_no_other),
        cmocka_unit_test(length_counts_even_among_zero_bytes),
        cmocka_unit_test(the_key_decides),
        cmocka_unit_test(a_zero_operand_hides_nothing),
        cmocka_unit_test(similar_topics_spread_evenly),
        cmocka_unit_test(one_bit_of_input_turns_half_of_the_output),
    };
    return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
