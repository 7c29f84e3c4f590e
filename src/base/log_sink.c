/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sotto/base/log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sotto/base/mem.h"

#define SLICE_MS 50
#define PATIENCE_MS 1000
#define NAPS_MAX 100
/* Never blocks on a pipe that poll calls writable: such a pipe has a free page. */
#define PIECE 4096

static int open_file(const char *path, int *fd)
{
    *fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
    return *fd >= 0 ? 0 : errno;
}

static bool is_regular(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

int log_sink_open(struct log_sink *s, const struct log_config *c, const atomic_bool *stopping)
{
    s->target = c->target;
    s->format = c->format;
    s->path = NULL;
    s->torn = false;
    s->stopping = stopping;
    s->patience_ms = PATIENCE_MS;
    s->n = 0;
    s->fd = c->target == LOG_TO_STDOUT ? STDOUT_FILENO : STDERR_FILENO;
    if (c->target == LOG_TO_SYSLOG)
        log_syslog_open();
    if (c->target == LOG_TO_FILE) {
        int error = c->path != NULL ? open_file(c->path, &s->fd) : EINVAL;
        if (error != 0)
            return error;
        s->path = mem_strndup(c->path, strlen(c->path));
    }
    s->regular = is_regular(s->fd);
    return 0;
}

void log_sink_close(struct log_sink *s)
{
    if (s->target == LOG_TO_FILE)
        close(s->fd);
    if (s->target == LOG_TO_SYSLOG)
        log_syslog_close();
    mem_free(s->path);
    s->path = NULL;
}

int log_sink_reopen(struct log_sink *s)
{
    int fd;
    if (s->target != LOG_TO_FILE)
        return 0;
    int error = open_file(s->path, &fd);
    if (error != 0)
        return error;
    close(s->fd);
    s->fd = fd;
    s->regular = is_regular(fd);
    s->torn = false;
    return 0;
}

static void nap(void)
{
    struct timespec t = {.tv_nsec = 10 * 1000 * 1000};
    nanosleep(&t, NULL);
}

/* Waits until the reader takes something; false when it is time to give up. An error is left for write to find. */
static bool wait_writable(struct log_sink *s)
{
    struct pollfd p = {.fd = s->fd, .events = POLLOUT};
    while (poll(&p, 1, s->patience_ms > 0 ? SLICE_MS : 0) == 0) {
        if (!atomic_load_explicit(s->stopping, memory_order_relaxed))
            continue;
        s->patience_ms -= SLICE_MS;
        if (s->patience_ms <= 0)
            return false;
    }
    return true;
}

/* How much of n bytes was written. */
static size_t write_all(struct log_sink *s, const char *p, size_t n)
{
    size_t done = 0;
    unsigned naps = 0;
    while (done < n) {
        size_t piece = n - done < PIECE || s->regular ? n - done : PIECE;
        if (!s->regular && !wait_writable(s))
            return done;
        ssize_t wrote = write(s->fd, p + done, piece);
        if (wrote > 0)
            done += (size_t)wrote;
        else if (wrote < 0 && (errno == EAGAIN || errno == EINTR) && naps++ < NAPS_MAX)
            nap();
        else
            return done;
    }
    return done;
}

unsigned log_sink_flush(struct log_sink *s)
{
    unsigned lost = 0;
    size_t done = 0;
    if (s->n == 0)
        return 0;
    if (s->torn)
        s->torn = write_all(s, "\n", 1) == 0;
    if (!s->torn)
        done = write_all(s, s->pending, s->n);
    for (size_t i = done; i < s->n; i++)
        lost += s->pending[i] == '\n';
    if (done < s->n && done > 0)
        s->torn = s->pending[done - 1] != '\n';
    s->n = 0;
    return lost;
}

unsigned log_sink_line(struct log_sink *s, enum log_level level, const char *line, size_t n)
{
    unsigned lost = 0;
    if (s->n + n + 1 > sizeof(s->pending))
        lost = log_sink_flush(s);
    memcpy(s->pending + s->n, line, n);
    if (s->target == LOG_TO_SYSLOG) {
        s->pending[s->n + n] = '\0';
        log_syslog_write((int)level, s->pending + (s->format == LOG_TEXT ? LOG_TIME_LENGTH : 0));
        return 0;
    }
    s->pending[s->n + n] = '\n';
    s->n += n + 1;
    return lost;
}

bool log_sink_direct(int fd, const char *line, size_t n)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    if (poll(&p, 1, 100) <= 0)
        return false;
    return write(fd, line, n) == (ssize_t)n;
}
