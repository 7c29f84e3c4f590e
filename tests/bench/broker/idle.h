/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BENCH_IDLE_H
#define BENCH_IDLE_H

#include <stdbool.h>

#include "options.h"
#include "report.h"

/*
 * Mode idle: memory of the broker per connection that does nothing, its session included, as the slope between two
 * numbers of connections, so that what the broker needs anyway does not count. Start the broker afresh for it.
 */
bool idle_run(const struct options *options, struct report *report);

#endif
