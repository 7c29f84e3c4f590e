/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One broker a data directory: it holds a lock on a file of its own, so that tools may read the database meanwhile. The
 * system gives the lock back when the broker ends, however that happens; the file stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "durable_private.h"
#include "sotto/base/file_why.h"
#include "sotto/base/mem.h"

static void explain(const char *dir, const char *path, int error, char *err, size_t cap)
{
    char why[DURABLE_TEXT];
    if (error == EWOULDBLOCK) {
        snprintf(err, cap,
                 "data_dir %s: another broker runs on it (it holds %s); stop that one, or give this one a data_dir of "
                 "its own",
                 dir, path);
        return;
    }
    /* The file that is there may be somebody else's, in a folder that is ours. */
    bool file = access(path, F_OK) == 0;
    file_why_folder(file ? path : dir, geteuid(), error, why, sizeof(why));
    snprintf(err, cap, "%s%s %s", file ? "" : "data_dir ", file ? path : dir, why);
}

int durable_lock(const char *dir, char *err, size_t cap)
{
    char *path = durable_path(dir, DURABLE_LOCK);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        fd = -1;
    }
    if (fd < 0)
        explain(dir, path, errno, err, cap);
    mem_free(path);
    return fd;
}

void durable_unlock(int fd)
{
    if (fd >= 0)
        close(fd);
}
