/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "fail.h"

void fail(enum fail_status status, const char *format, ...)
{
    va_list args;
    fflush(stdout);
    fputs("bench_broker: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit((int)status);
}

void *fail_alloc(unsigned long count, unsigned long size)
{
    void *memory = calloc(count ? count : 1, size ? size : 1);
    if (!memory)
        fail(FAIL_CONNECTION, "out of memory (%lu times %lu bytes)", count, size);
    return memory;
}
