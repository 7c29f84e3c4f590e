/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How a list of matches is put together. For those who make one: the index and its cache. */
#pragma once

#include "sotto/core/index.h"

/* Room for n more behind the used ones; false without memory, and nothing is changed. */
bool matches_reserve(struct matches *m, uint32_t n);
/* The same for groups. */
bool matches_reserve_shared(struct matches *m, uint32_t n);
/* Keeps the room, drops the rest. */
void matches_clear(struct matches *m);
/* An exact copy of from, with references of its own, where to is empty and without room. False without memory. */
bool matches_copy(struct matches *to, const struct matches *from);
/* What it holds, in a bounded cache: lists of members that others hold as well are counted whole, as they may be the
 * last ones to hold them. */
size_t matches_bytes(const struct matches *m);
/* Brings runs that are each sorted by handle into one order; equal handles stay in the order of their runs. False
 * without memory, and nothing is changed. */
bool matches_sort(struct matches *m);
