/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sotto/server/store_tool.h"

#include <time.h>

#include "sotto/store/durable.h"

int store_tool_show(const char *dir, void (*put)(void *ctx, const char *line), void *ctx, char *err, size_t cap)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return durable_show(dir, (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000, put, ctx, err, cap);
}

int store_tool_check(const char *dir, void (*put)(void *ctx, const char *line), void *ctx, char *err, size_t cap)
{
    return durable_check(dir, put, ctx, err, cap);
}
