/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "sotto/base/mem.h"
#include "sotto/server/control.h"

#define BACKLOG 16
#define LOCK_STEP_MS 20
#define LOCK_STEPS 100

struct place {
    int folder; /* O_PATH; -1 where the path is short enough */
    struct sockaddr_un address;
};

static char *path_in(const char *data_dir)
{
    size_t n = strlen(data_dir) + sizeof("/" CONTROL_SOCKET);
    char *path = mem_alloc(n);
    snprintf(path, n, "%s/%s", data_dir, CONTROL_SOCKET);
    return path;
}

/* 0 or an errno value. */
static int find_place(struct place *p, const char *data_dir, const char *path)
{
    *p = (struct place){.folder = -1, .address.sun_family = AF_UNIX};
    size_t n = strlen(path);
    if (n < sizeof(p->address.sun_path)) {
        memcpy(p->address.sun_path, path, n + 1);
        return 0;
    }
    p->folder = open(data_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (p->folder < 0)
        return errno;
    snprintf(p->address.sun_path, sizeof(p->address.sun_path), "/proc/self/fd/%d/%s", p->folder, CONTROL_SOCKET);
    /* Where /proc is not mounted, the reason to give is the length. */
    return access("/proc/self/fd", X_OK) == 0 ? 0 : ENAMETOOLONG;
}

static void leave_place(struct place *p)
{
    if (p->folder >= 0)
        close(p->folder);
}

static int say(char *err, size_t cap, const char *path, int error)
{
    snprintf(err, cap, "%s can't be made: %s%s", path, strerror(error),
             error == ENAMETOOLONG ? " (107 bytes are the most where /proc is not mounted)" : "");
    return -1;
}

/* ---------------------------------------------------------------- listening */

static bool somebody_listens(const struct sockaddr_un *a)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return true;
    bool yes = connect(fd, (const struct sockaddr *)a, sizeof(*a)) == 0 || errno != ECONNREFUSED;
    close(fd);
    return yes;
}

static enum control_listened clear_path(const char *path, const struct sockaddr_un *a, char *err, size_t cap)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return CONTROL_LISTENS;
    if (!S_ISSOCK(st.st_mode)) {
        snprintf(err, cap, "%s can't be made: a file that is no socket is there; remove it", path);
        return CONTROL_IMPOSSIBLE;
    }
    if (somebody_listens(a)) {
        snprintf(err, cap,
                 "another broker uses this data directory: it listens on %s; stop it, or choose another "
                 "[broker] data_dir",
                 path);
        return CONTROL_IN_USE;
    }
    if (unlink(path) == 0)
        return CONTROL_LISTENS;
    snprintf(err, cap, "%s is left from another broker and can't be removed: %s; remove it", path, strerror(errno));
    return CONTROL_IMPOSSIBLE;
}

static int bind_it(struct control_socket *s, const struct sockaddr_un *a)
{
    struct stat st;
    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0 || bind(s->fd, (const struct sockaddr *)a, sizeof(*a)) != 0)
        return errno;
    /* Nobody can connect before we listen, so there is no moment in which the mode is wrong. */
    if (chmod(s->path, 0600) == 0 && stat(s->path, &st) == 0 && listen(s->fd, BACKLOG) == 0) {
        s->device = st.st_dev;
        s->number = st.st_ino;
        return 0;
    }
    int error = errno;
    unlink(s->path);
    return error;
}

/* Two brokers that start at the same time must not take each other's fresh socket for a stale one. */
static int lock_folder(const char *data_dir)
{
    int fd = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; fd >= 0 && i < LOCK_STEPS && flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK; i++)
        nanosleep(&(struct timespec){.tv_nsec = LOCK_STEP_MS * 1000000L}, NULL);
    return fd;
}

enum control_listened control_socket_listen(struct control_socket *s, const char *data_dir, char *err, size_t err_cap)
{
    struct place p;
    *s = (struct control_socket){.fd = -1, .path = path_in(data_dir)};
    int error = find_place(&p, data_dir, s->path), lock = lock_folder(data_dir);
    enum control_listened result = CONTROL_IMPOSSIBLE;
    if (error == 0)
        result = clear_path(s->path, &p.address, err, err_cap);
    if (result == CONTROL_LISTENS)
        error = bind_it(s, &p.address);
    if (error != 0) {
        result = CONTROL_IMPOSSIBLE;
        say(err, err_cap, s->path, error);
    }
    if (lock >= 0)
        close(lock);
    leave_place(&p);
    if (result != CONTROL_LISTENS)
        control_socket_close(s);
    return result;
}

void control_socket_close(struct control_socket *s)
{
    struct stat st;
    if (s->number != 0 && lstat(s->path, &st) == 0 && st.st_dev == s->device && st.st_ino == s->number)
        unlink(s->path);
    if (s->fd >= 0)
        close(s->fd);
    mem_free(s->path);
    *s = (struct control_socket){.fd = -1};
}

/* ---------------------------------------------------------------- connecting */

int control_socket_connect(const char *data_dir, unsigned timeout_ms, char **path)
{
    struct place p;
    struct timeval limit = {.tv_sec = timeout_ms / 1000, .tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000};
    *path = path_in(data_dir);
    int error = find_place(&p, data_dir, *path);
    int fd = error == 0 ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
        error = connect(fd, (const struct sockaddr *)&p.address, sizeof(p.address)) == 0 ? 0 : errno;
    } else if (error == 0) {
        error = errno;
    }
    leave_place(&p);
    if (error == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    errno = error;
    return -1;
}
