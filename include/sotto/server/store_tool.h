/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sotto store`: what a data directory keeps, and whether it is sound. The broker may run meanwhile. */
#pragma once

#include <stddef.h>

/* Puts lines about sessions, their queues, and retained messages. 0, or -1 with one line in err. */
int store_tool_show(const char *dir, void (*put)(void *ctx, const char *line), void *ctx, char *err, size_t cap);
/* Puts a line for each trouble. 0: there is none; 1: there is; -1: it could not be found out, with one line in err. */
int store_tool_check(const char *dir, void (*put)(void *ctx, const char *line), void *ctx, char *err, size_t cap);
