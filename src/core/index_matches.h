/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How a list of matches is put together. For those who make one: the index and its cache. */
#pragma once

#include "sotto/core/index.h"

/* Room for n more behind the used ones; false without memory, and nothing is changed. */
bool matches_reserve(struct matches *m, uint32_t n);
/* Brings runs that are each sorted by handle into one order; equal handles stay in the order of their runs. False
 * without memory, and nothing is changed. */
bool matches_sort(struct matches *m);
