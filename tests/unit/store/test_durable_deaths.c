/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The process dies in the middle of a salvage, before each of its calls to the system that change files: what the next
 * start finds is what a salvage that nobody disturbed gives. The calls of this program and of SQLite come through here.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "durable_harness.h"
#include "sotto/base/log.h"

#define DIED 77
#define PAGE 4096

static unsigned long left; /* calls until death; 0: it never comes */

static void step(void)
{
    if (left > 0 && --left == 0)
        _exit(DIED);
}

ssize_t write(int fd, const void *p, size_t n)
{
    step();
    return syscall(SYS_write, fd, p, n);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    step();
    return syscall(SYS_pwrite64, fd, p, n, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
    step();
    return syscall(SYS_pwrite64, fd, p, n, at);
}

int fsync(int fd)
{
    step();
    return fd < 0; /* nobody pulls the plug here */
}

int fdatasync(int fd)
{
    step();
    return fd < 0;
}

int rename(const char *from, const char *to)
{
    step();
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int unlink(const char *path)
{
    step();
    return unlinkat(AT_FDCWD, path, 0);
}

/* ---------------------------------------------------------------- files */

struct image {
    uint8_t *p;
    size_t n;
};

static void path_of(const struct harness *h, const char *end, char *path, size_t cap)
{
    snprintf(path, cap, "%s/sotto.db%s", h->dir, end);
}

static struct image load(const struct harness *h, const char *end)
{
    char path[128];
    struct stat st;
    path_of(h, end, path, sizeof(path));
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return (struct image){0};
    assert_int_equal(fstat(fd, &st), 0);
    struct image m = {malloc((size_t)st.st_size + 1), (size_t)st.st_size};
    assert_int_equal(read(fd, m.p, m.n), m.n);
    close(fd);
    return m;
}

static void save(const struct harness *h, const char *end, const struct image *m)
{
    char path[128];
    path_of(h, end, path, sizeof(path));
    if (m->p == NULL)
        return;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, m->p, m->n), m->n);
    close(fd);
}

struct damaged {
    struct image db, wal;
};

/* Nothing but the damaged database, and its log. */
static void lay(struct harness *h, const struct damaged *m)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -f %s/sotto.db*", h->dir);
    assert_int_equal(system(command), 0);
    save(h, "", &m->db);
    save(h, "-wal", &m->wal);
}

/* ---------------------------------------------------------------- deaths */

static void fill(struct harness *h, unsigned from, unsigned to)
{
    static char payload[200];
    memset(payload, 'p', sizeof(payload) - 1);
    for (unsigned n = from; n < to; n++) {
        char text[32];
        put_session(h, 0, n, true);
        snprintf(text, sizeof(text), "f/%u", n);
        put_filter(h, 0, n, STORE_SUBSCRIBE, text);
        for (unsigned i = 1; i <= 8; i++)
            put_row(h, 0, n, i, 0, payload);
        for (unsigned i = 0; i < 20; i++) {
            snprintf(text, sizeof(text), "r/%u/%u", n, i);
            put_retained(h, 0, text, payload, 1);
        }
    }
    settle(h);
}

/* In a process of its own, which dies before the n-th call. False: it lived. */
static bool dies(struct harness *h, unsigned long n)
{
    log_stop();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        left = n;
        _exit(harness_open_only(h) ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(log_start(&(struct log_config){.level = LOG_ERROR, .target = LOG_TO_FILE, .path = "/dev/null"}),
                     0);
    assert_true(WEXITSTATUS(status) == DIED || WEXITSTATUS(status) == 0);
    return WEXITSTATUS(status) == DIED;
}

/* One damaged file, perhaps with its first page and its log, and nothing of a salvage. None, where all that was damaged
 * was the first page, and the death came when a good one was in its place. */
static void expect_tidy(const struct harness *h)
{
    assert_int_equal(files_like(h, "sotto.db.salvage"), 0);
    unsigned beside = files_like(h, "sotto.db.damaged-20231114-221320-");
    unsigned damaged = files_like(h, "sotto.db.damaged") - beside;
    assert_true(damaged == 1 || (damaged == 0 && files_like(h, "sotto.db.damaged-20231114-221320-page1") == 1));
}

static void dies_everywhere(struct harness *h, const struct damaged *m)
{
    lay(h, m);
    assert_true(harness_open(h));
    char *whole = strdup(h->dump);
    harness_close(h);
    expect_tidy(h);
    unsigned long n = 1;
    for (bool died = true; died; n++) {
        lay(h, m);
        died = dies(h, n);
        assert_true(harness_open(h));
        assert_string_equal(h->dump, whole);
        harness_close(h);
        expect_tidy(h);
    }
    assert_true(n > 100);
    free(whole);
    free(m->db.p);
    free(m->wal.p);
}

static void with_a_log(void **state)
{
    struct harness *h = *state;
    struct damaged m;
    fill(h, 1, 12);
    harness_close(h);
    off_t at = (off_t)query(h, "SELECT pgoffset FROM dbstat WHERE name = 'retained' AND pagetype = 'leaf' LIMIT 1");
    assert_true(at > 0);
    assert_true(harness_open(h));
    fill(h, 12, 16);
    m.db = load(h, "");
    m.wal = load(h, "-wal");
    harness_close(h);
    memset(m.db.p + at, 0xa5, PAGE);
    lay(h, &m);
    assert_true(harness_open(h));
    assert_non_null(strstr(h->dump, "session c0.15 ")); /* what only the log has */
    harness_close(h);
    dies_everywhere(h, &m);
}

static void with_a_damaged_first_page(void **state)
{
    struct harness *h = *state;
    struct damaged m = {0};
    fill(h, 1, 12);
    harness_close(h);
    m.db = load(h, "");
    memset(m.db.p, 0xa5, PAGE);
    lay(h, &m);
    assert_true(harness_open(h));
    assert_non_null(strstr(h->dump, "session c0.11 "));
    harness_close(h);
    dies_everywhere(h, &m);
}

static int setup(void **state)
{
    static struct harness h;
    harness_init(&h);
    clock_set(INT64_C(1700000000000), 5000);
    assert_true(harness_open(&h));
    *state = &h;
    return 0;
}

static int teardown(void **state)
{
    harness_fini(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(with_a_log, setup, teardown),
        cmocka_unit_test_setup_teardown(with_a_damaged_first_page, setup, teardown),
    };
    assert_int_equal(log_start(&(struct log_config){.level = LOG_ERROR, .target = LOG_TO_FILE, .path = "/dev/null"}),
                     0);
    int rc = cmocka_run_group_tests_name("durable_deaths", tests, NULL, NULL);
    log_stop();
    return rc;
}
