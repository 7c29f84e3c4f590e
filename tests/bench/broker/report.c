/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "fail.h"
#include "report.h"

static void __attribute__((format(printf, 2, 3))) add(struct report *report, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int size = vsnprintf(report->text + report->used, sizeof report->text - report->used, format, args);
    va_end(args);
    if (size < 0 || report->used + (unsigned)size >= sizeof report->text)
        fail(FAIL_CONNECTION, "the results don't fit into one line");
    report->used += (unsigned)size;
}

static void add_key(struct report *report, const char *key)
{
    const char *between = report->used == 0 ? "" : report->json ? ", " : " ";
    if (report->json)
        add(report, "%s\"%s\": ", between, key);
    else
        add(report, "%s%s=", between, key);
}

void report_begin(struct report *report, bool json)
{
    report->used = 0;
    report->json = json;
}

void report_text(struct report *report, const char *key, const char *value)
{
    add_key(report, key);
    add(report, report->json ? "\"%s\"" : "%s", value);
}

void report_bool(struct report *report, const char *key, bool value)
{
    add_key(report, key);
    add(report, "%s", value ? "true" : "false");
}

void report_count(struct report *report, const char *key, uint64_t value)
{
    add_key(report, key);
    add(report, "%" PRIu64, value);
}

void report_figure(struct report *report, const char *key, double value)
{
    add_key(report, key);
    add(report, "%.4f", value);
}

void report_print(struct report *report)
{
    printf(report->json ? "{%s}\n" : "%s\n", report->text);
    fflush(stdout);
}
