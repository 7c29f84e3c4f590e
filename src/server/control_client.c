/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "control_socket.h"
#include "sotto/base/mem.h"
#include "sotto/server/control.h"

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool send_line(int fd, const char *request)
{
    char line[300];
    int n = snprintf(line, sizeof(line), "%s\n", request);
    if (n < 0 || (size_t)n >= sizeof(line)) {
        errno = EMSGSIZE;
        return false;
    }
    return send(fd, line, (size_t)n, MSG_NOSIGNAL) == n;
}

/* The first line, without its end; the whole wait is bounded, however slowly bytes come. */
static bool read_line(int fd, unsigned timeout_ms, char *line, size_t cap)
{
    uint64_t end = now_ms() + timeout_ms;
    size_t n = 0;
    while (n + 1 < cap && now_ms() <= end) {
        ssize_t got = recv(fd, line + n, cap - 1 - n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        n += (size_t)got;
        line[n] = '\0';
        char *stop = memchr(line, '\n', n);
        if (stop != NULL) {
            *stop = '\0';
            return true;
        }
        if (got == 0) {
            errno = ECONNRESET;
            return false;
        }
    }
    errno = n + 1 < cap ? EAGAIN : EMSGSIZE;
    return false;
}

static const char *hint(int error)
{
    switch (error) {
    case ENOENT:
    case ECONNREFUSED:
        return "no broker runs with this data directory; start it, or name its configuration with -c";
    case EACCES:
    case EPERM:
        return "only the broker's user and root may ask it";
    case ETIMEDOUT:
        return "the broker did not answer in time; see its log";
    default:
        return "see the broker's log";
    }
}

enum control_answer control_ask(const char *data_dir, const char *request, unsigned timeout_ms, char *text, size_t cap)
{
    static const char ok[] = "ok ", failed[] = "failed ";
    char line[1024], *path = NULL;
    int fd = control_socket_connect(data_dir, timeout_ms, &path);
    bool answered = fd >= 0 && send_line(fd, request) && read_line(fd, timeout_ms, line, sizeof(line));
    int error = errno == EAGAIN ? ETIMEDOUT : errno;
    enum control_answer answer = CONTROL_NOBODY;
    if (fd >= 0)
        close(fd);
    if (answered && strncmp(line, ok, sizeof(ok) - 1) == 0) {
        answer = CONTROL_OK;
        snprintf(text, cap, "%s", line + sizeof(ok) - 1);
    } else if (answered && strncmp(line, failed, sizeof(failed) - 1) == 0) {
        answer = CONTROL_FAILED;
        snprintf(text, cap, "%s", line + sizeof(failed) - 1);
    } else if (answered) {
        snprintf(text, cap, "%s: the answer is not a broker's; what listens there?", path);
    } else {
        snprintf(text, cap, "no answer from a broker on %s: %s; %s", path, strerror(error), hint(error));
    }
    mem_free(path);
    return answer;
}
