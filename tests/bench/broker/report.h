/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdbool.h>
#include <stdint.h>

/* One line of results, collected, then printed. */
struct report {
    char text[4096];
    unsigned used;
    bool json;
};

void report_begin(struct report *report, bool json);
void report_text(struct report *report, const char *key, const char *value); /* a word without quotes */
void report_bool(struct report *report, const char *key, bool value);
void report_count(struct report *report, const char *key, uint64_t value);
void report_figure(struct report *report, const char *key, double value); /* four digits after the point */
void report_print(struct report *report);

#endif
