/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How a salvaged database takes the place of the damaged one, so that the process may end at any moment. Two files have
 * to go, the database and its log, and one without the other is worse than a damaged one: it may look sound.
 *
 *   sotto.db.salvage     is being made; forgotten when that was broken off: the damaged one has not moved yet
 *   sotto.db.salvaged    is whole and on disk: from here on the damaged one is moved aside, at the next start if needed
 *   sotto.db             once that is done
 *
 * The new file bears the time in the name of the damaged one, so that a second attempt finds the same name.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "durable_private.h"
#include "sotto/base/log.h"
#include "sotto/base/mem.h"

#define BEGUN ".salvage"
#define DONE ".salvaged"

char *durable_replace_path(const char *path)
{
    return durable_beside(path, BEGUN);
}

static void remove_file(const char *path, const char *end)
{
    char *file = durable_beside(path, end);
    unlink(file);
    mem_free(file);
}

void durable_replace_forget(const char *path)
{
    remove_file(path, BEGUN "-wal");
    remove_file(path, BEGUN "-shm");
    remove_file(path, BEGUN "-journal");
    remove_file(path, BEGUN);
}

char *durable_replace_aside(const char *path, int64_t wall)
{
    size_t cap = strlen(path) + 64;
    char *to = mem_alloc(cap), stamp[32];
    time_t t = (time_t)(wall / 1000);
    struct tm tm;
    strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", gmtime_r(&t, &tm));
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(to, cap, i > 0 ? "%s.damaged-%s-%u" : "%s.damaged-%s", path, stamp, i);
        if (access(to, F_OK) != 0)
            break;
    }
    return to;
}

/* What is not there was moved before. */
static bool move(const char *from, const char *to, const char *end)
{
    char *a = durable_beside(from, end), *b = durable_beside(to, end);
    bool good = rename(a, b) == 0 || errno == ENOENT;
    mem_free(a);
    mem_free(b);
    return good;
}

static bool put_in_place(const char *path, const char *to, const char *done)
{
    if (!move(path, to, "-wal") || !move(path, to, ""))
        return false;
    remove_file(path, "-shm");
    durable_db_sync_folder(path);
    bool good = rename(done, path) == 0;
    durable_db_sync_folder(path);
    return good;
}

/* On disk, with that time, and without a log of its own. */
static bool seal(const char *path, const char *begun, int64_t wall)
{
    char *log = durable_beside(path, BEGUN "-wal");
    bool good = access(log, F_OK) != 0;
    mem_free(log);
    int fd = good ? open(begun, O_RDWR | O_CLOEXEC) : -1;
    struct timespec t = {.tv_sec = (time_t)(wall / 1000)};
    good = fd >= 0 && futimens(fd, (struct timespec[]){t, t}) == 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return good;
}

bool durable_replace(const char *path, const char *to, int64_t wall)
{
    char *begun = durable_beside(path, BEGUN), *done = durable_beside(path, DONE);
    bool good = seal(path, begun, wall) && rename(begun, done) == 0;
    if (good) {
        durable_db_sync_folder(path);
        good = put_in_place(path, to, done);
    }
    mem_free(begun);
    mem_free(done);
    return good;
}

bool durable_replace_finish(const char *path, char *err, size_t cap)
{
    char *done = durable_beside(path, DONE);
    struct stat st;
    bool good = true;
    durable_replace_forget(path);
    if (stat(done, &st) == 0) {
        char *to = durable_replace_aside(path, (int64_t)st.st_mtim.tv_sec * 1000);
        good = put_in_place(path, to, done);
        if (good)
            log_event(LOG_WARN, "store.salvaged", LF_STR("file", path), LF_STR("moved_to", to),
                      LF_STR("reason", "the database was damaged, and its salvage broken off shortly before its end"));
        else
            snprintf(err, cap, "%s is damaged, and can't be moved to %s: %s", path, to, strerror(errno));
        mem_free(to);
    }
    mem_free(done);
    return good;
}
