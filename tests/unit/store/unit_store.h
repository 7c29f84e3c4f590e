/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the unit tests of this layer share: cmocka with its includes, and a transcript that callbacks write into. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct transcript {
    char text[4096];
    size_t n;
};

static inline void transcript_add(struct transcript *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline void transcript_add(struct transcript *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(t->text + t->n, sizeof t->text - t->n, format, args);
    va_end(args);
    if (n > 0)
        t->n += (size_t)n < sizeof t->text - t->n ? (size_t)n : sizeof t->text - t->n - 1;
}
