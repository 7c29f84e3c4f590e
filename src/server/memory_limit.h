/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <stdint.h>

/*
 * Bytes that this process may have: the machine's memory, or what its control group (version 2 or 1), or one that this
 * is in, allows, if that is less. `root` ends in a slash and stands before /proc and /sys: "/", or a test's folder.
 */
uint64_t memory_limit_find(const char *root);
