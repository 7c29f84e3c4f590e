/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BENCH_KEPT_H
#define BENCH_KEPT_H

#include "options.h"
#include "report.h"

/* Kept sessions at QoS 1: kept, away and drain, see --help. False: a check did not hold. */
bool kept_run(const struct options *options, struct report *report);

#endif
