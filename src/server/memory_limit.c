/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How much memory there is for us.
 *
 *   /proc/self/cgroup           0::/system.slice/sotto.service       version 2
 *                               5:memory:/docker/1234                version 1
 *   /sys/fs/cgroup/system.slice/sotto.service/memory.max             a number, or "max"
 *   /sys/fs/cgroup/system.slice/memory.max                           and so on up: each may say less
 *   /sys/fs/cgroup/memory/docker/1234/memory.limit_in_bytes          version 1
 *
 * Inside a container the path is often that of the host, and the group's files lie at the top: so the way up always
 * ends there.
 */
#include "memory_limit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_CAP 1024

static uint64_t less(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* What the file says; UINT64_MAX where there is none, or it says "max". */
static uint64_t read_limit(const char *path)
{
    char text[32];
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return UINT64_MAX;
    bool any = fgets(text, sizeof(text), f) != NULL && text[0] >= '0' && text[0] <= '9';
    fclose(f);
    return any ? strtoull(text, NULL, 10) : UINT64_MAX;
}

/* The least of a group's limit and those of the groups that it is in. */
static uint64_t least_upwards(const char *mount, const char *group, const char *file)
{
    char path[2 * PATH_CAP + 32], at[PATH_CAP];
    uint64_t least = UINT64_MAX;
    snprintf(at, sizeof(at), "%s", group);
    for (;;) {
        snprintf(path, sizeof(path), "%s%s/%s", mount, at, file);
        least = less(least, read_limit(path));
        char *slash = strrchr(at, '/');
        if (slash == NULL)
            return least;
        *slash = '\0';
    }
}

/* A line of /proc/self/cgroup: NUMBER:CONTROLLERS:PATH. */
static uint64_t group_limit(const char *root, char *line)
{
    char mount[PATH_CAP];
    line[strcspn(line, "\n")] = '\0';
    char *controllers = strchr(line, ':');
    char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
    if (group == NULL)
        return UINT64_MAX;
    *group++ = '\0';
    bool unified = controllers[1] == '\0';
    if (!unified && strcmp(controllers + 1, "memory") != 0)
        return UINT64_MAX;
    snprintf(mount, sizeof(mount), "%ssys/fs/cgroup%s", root, unified ? "" : "/memory");
    return least_upwards(mount, group, unified ? "memory.max" : "memory.limit_in_bytes");
}

uint64_t memory_limit_find(const char *root)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    uint64_t least = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : UINT64_MAX;
    char path[PATH_CAP], line[PATH_CAP];
    snprintf(path, sizeof(path), "%sproc/self/cgroup", root);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return least;
    while (fgets(line, sizeof(line), f) != NULL)
        least = less(least, group_limit(root, line));
    fclose(f);
    return least;
}
