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

/* Equality; not for secrets (see bytes_equal_secret). */
static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Compares n bytes in a time that depends on n only. */
bool bytes_equal_secret(const void *a, const void *b, size_t n);

/* Overwrites n bytes so that the compiler can't leave it out. */
void bytes_wipe(void *p, size_t n);
