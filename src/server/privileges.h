/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From root to an ordinary user, for good. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct privileges {
    bool drop; /* false: stays as it is */
    char name[64];
    uid_t uid;
    gid_t gid;
};

/*
 * Who we shall be. Nothing to do unless we are root. A user that does not exist is an error (-1 with one line in
 * err), unless it is only the default: then we stay root, and warn of it.
 */
int privileges_find(struct privileges *p, const char *user, bool given, char *err, size_t err_cap);
/* Becomes that user: groups, group, user; checks that there is no way back. 0, or -1 with one line in err. */
int privileges_drop(const struct privileges *p, char *err, size_t err_cap);
