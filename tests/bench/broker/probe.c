/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The CPU clock of a process counts nanoseconds of all its threads, where /proc/PID/stat has steps of 10 ms: what a
 * broker spends for a run of one second is told to a few microseconds, and other work on the machine disturbs it
 * little.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fail.h"
#include "probe.h"

static uint64_t read_clock(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) != 0)
        fail(FAIL_CONNECTION, "a CPU clock can't be read: %s (has the broker ended?)", strerror(errno));
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t probe_clock(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

static uint64_t resident(long pid)
{
    char path[64];
    unsigned long all, pages;
    snprintf(path, sizeof path, "/proc/%ld/statm", pid);
    FILE *file = fopen(path, "r");
    if (!file || fscanf(file, "%lu %lu", &all, &pages) != 2)
        fail(FAIL_CONNECTION, "%s can't be read (has the broker ended?)", path);
    fclose(file);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void probe_take(struct probe *probe, long pid)
{
    memset(probe, 0, sizeof *probe);
    if (pid) {
        clockid_t clock;
        int error = clock_getcpuclockid((pid_t)pid, &clock);
        if (error)
            fail(FAIL_USAGE, "--pid %ld: %s", pid, strerror(error));
        probe->broker_rss = resident(pid);
        probe->broker_cpu = read_clock(clock);
    }
    probe->own_cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    probe->time = probe_clock();
}
