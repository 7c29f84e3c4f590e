/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BENCH_FLOW_H
#define BENCH_FLOW_H

#include <stdbool.h>

#include "options.h"
#include "report.h"

/* Modes in, out and pairs: connects, warms up, measures, reports. True: nothing was lost, repeated or out of order. */
bool flow_run(const struct options *options, struct report *report);

#endif
