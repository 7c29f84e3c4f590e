/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A view of bytes that somebody else owns: what decoders hand out, what
 * encoders take. Never terminated by a zero byte, never freed through.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const uint8_t *p;
    size_t n;
};

/* Milliseconds on the monotonic clock. Passed in wherever time matters: no layer below server reads a clock. */
typedef uint64_t msec;
#define MSEC_NEVER UINT64_MAX

static inline struct bytes bytes_of(const void *p, size_t n)
{
    return (struct bytes){p, n};
}

/* The view of a C string, without its zero byte. NULL gives an empty view. */
static inline struct bytes bytes_str(const char *s)
{
    return (struct bytes){(const uint8_t *)s, s != NULL ? strlen(s) : 0};
}

/* memcpy; for short ones, without a call: two words that may overlap. */
static inline void bytes_copy(uint8_t *to, const uint8_t *from, size_t n)
{
    uint64_t first, last;
    if (n < 8 || n > 16) {
        if (n > 0)
            memcpy(to, from, n);
        return;
    }
    memcpy(&first, from, 8);
    memcpy(&last, from + n - 8, 8);
    memcpy(to, &first, 8);
    memcpy(to + n - 8, &last, 8);
}

/* Are the n bytes at p and q equal? For short ones, without a call: two words that may overlap. */
static inline bool bytes_same(const uint8_t *p, const uint8_t *q, size_t n)
{
    uint64_t a[2], b[2];
    if (n < 8 || n > 16)
        return n == 0 || memcmp(p, q, n) == 0;
    memcpy(&a[0], p, 8);
    memcpy(&b[0], q, 8);
    memcpy(&a[1], p + n - 8, 8);
    memcpy(&b[1], q + n - 8, 8);
    return ((a[0] ^ b[0]) | (a[1] ^ b[1])) == 0;
}

/* Equality; not for secrets (see bytes_equal_secret). */
static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.n == b.n && bytes_same(a.p, b.p, a.n);
}

/* Compares n bytes in a time that depends on n only. */
bool bytes_equal_secret(const void *a, const void *b, size_t n);

/* Overwrites n bytes so that the compiler can't leave it out. */
void bytes_wipe(void *p, size_t n);
