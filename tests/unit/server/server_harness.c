/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server_harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sotto/base/mem.h"
#include "sotto/server/server.h"

#define STEP_MS 20
#define STEPS 1000

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000L}, NULL);
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static uint16_t free_port(void)
{
    struct sockaddr_in a = loopback(0);
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    close(fd);
    return ntohs(a.sin_port);
}

void run_init(struct run *r)
{
    *r = (struct run){.dir = "/tmp/sotto-unit-XXXXXX"};
    assert_non_null(mkdtemp(r->dir));
    /* Another user than ours may run the server. */
    assert_int_equal(chmod(r->dir, 0777), 0);
    r->ports[0] = free_port();
    do {
        r->ports[1] = free_port();
    } while (r->ports[1] == r->ports[0]);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)st, (void)type, (void)f;
    return remove(path);
}

void run_fini(struct run *r)
{
    if (r->pid != 0) {
        kill(r->pid, SIGKILL);
        waitpid(r->pid, NULL, 0);
    }
    nftw(r->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- The server ---- */

static void expand(const struct run *r, const char *config, char *out, size_t cap)
{
    size_t n = 0;
    for (; *config != '\0'; config++) {
        int part;
        if (config[0] == '@' && config[1] == 'D')
            part = snprintf(out + n, cap - n, "%s", r->dir);
        else if (config[0] == '@' && (config[1] == 'P' || config[1] == 'Q'))
            part = snprintf(out + n, cap - n, "%u", r->ports[config[1] - 'P']);
        else
            part = snprintf(out + n, cap - n, "%c", *config);
        config += config[0] == '@';
        n += (size_t)part;
        assert_true(n < cap);
    }
}

static void say(void *ctx, const char *line)
{
    (void)ctx;
    fprintf(stderr, "%s\n", line);
}

static int serve(const char *text, unsigned open_files)
{
    struct rlimit limit = {open_files, open_files};
    if (open_files != 0 && setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 3;
    struct config *c = config_parse("unit.ini", (struct bytes){(const uint8_t *)text, strlen(text)}, say, NULL);
    if (c == NULL)
        return 2;
    int status = server_run(c);
    config_free(c);
    return status;
}

void run_start(struct run *r, const char *config, unsigned open_files)
{
    run_start_with(r, "@D", config, open_files);
}

void run_start_with(struct run *r, const char *data_dir, const char *config, unsigned open_files)
{
    char with_log[4096], text[4096];
    snprintf(with_log, sizeof(with_log), "[broker]\ndata_dir = %s\n%s\n[log]\ntarget = @D/log\nlevel = debug\n",
             data_dir, config);
    expand(r, with_log, text, sizeof(text));
    fflush(NULL);
    r->pid = fork();
    assert_true(r->pid >= 0);
    if (r->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* it must not outlive a test that failed */
        exit(serve(text, open_files));
    }
}

int run_wait(struct run *r)
{
    int status = 0;
    for (int i = 0; i < STEPS; i++) {
        pid_t pid = waitpid(r->pid, &status, WNOHANG);
        if (pid == r->pid) {
            r->pid = 0;
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        nap();
    }
    fail_msg("the server does not end");
    return -1;
}

int run_stop(struct run *r)
{
    assert_int_equal(kill(r->pid, SIGTERM), 0);
    return run_wait(r);
}

static bool log_has(const struct run *r, const char *text)
{
    static char log[1 << 20];
    char path[80];
    snprintf(path, sizeof(path), "%s/log", r->dir);
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return false;
    size_t n = fread(log, 1, sizeof(log) - 1, f);
    log[n] = '\0';
    fclose(f);
    return strstr(log, text) != NULL;
}

void run_expect_log(const struct run *r, const char *text)
{
    for (int i = 0; i < STEPS; i++) {
        if (log_has(r, text))
            return;
        nap();
    }
    fail_msg("the log does not hold: %s", text);
}

/* ---- Peers ---- */

static int connect_to(int family, const void *address, socklen_t n)
{
    struct timeval limit = {.tv_sec = 5};
    for (int i = 0; i < STEPS; i++) {
        int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        if (connect(fd, address, n) == 0) {
            setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
            return fd;
        }
        close(fd);
        nap();
    }
    fail_msg("nobody listens");
    return -1;
}

int run_connect(uint16_t port)
{
    struct sockaddr_in a = loopback(port);
    return connect_to(AF_INET, &a, sizeof(a));
}

int run_connect_local(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    return connect_to(AF_UNIX, &a, sizeof(a));
}

void run_send(int fd, const void *p, size_t n)
{
    const uint8_t *from = p;
    while (n > 0) {
        ssize_t sent = send(fd, from, n, MSG_NOSIGNAL);
        assert_true(sent > 0);
        from += sent;
        n -= (size_t)sent;
    }
}

size_t run_connect_packet(uint8_t *out, const char *id)
{
    static const uint8_t head[] = {0x10, 0, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0};
    size_t n = strlen(id);
    assert_true(n <= 100);
    memcpy(out, head, sizeof(head));
    out[1] = (uint8_t)(12 + n);
    out[13] = (uint8_t)n;
    memcpy(out + 14, id, n);
    return 14 + n;
}

void run_expect(int fd, const void *p, size_t n)
{
    uint8_t got[256];
    size_t have = 0;
    assert_true(n <= sizeof(got));
    while (have < n) {
        ssize_t part = recv(fd, got + have, n - have, 0);
        assert_true(part > 0);
        have += (size_t)part;
    }
    assert_memory_equal(got, p, n);
}

void run_hello(int fd, const char *id)
{
    uint8_t packet[128];
    run_send(fd, packet, run_connect_packet(packet, id));
    run_expect(fd, "\x20\x02\x00\x00", 4);
}

void run_expect_closed(int fd)
{
    uint8_t rest[4096];
    ssize_t n;
    while ((n = recv(fd, rest, sizeof(rest), 0)) > 0)
        continue;
    if (n < 0 && errno != ECONNRESET)
        fail_msg("the server did not close: %s", strerror(errno));
}
