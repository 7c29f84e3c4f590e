/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The control socket: who answers, who doesn't, and that nobody can harm the broker through it. */
#include "server_harness.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sotto/server/control.h"

#define TWO_LOOPS "threads = 2\n[auth]\nanonymous = on\n[listener.a]\naddress = 127.0.0.1\nport = @P\n"
#define ANSWERS_MS 3000

static int setup(void **state)
{
    struct run *r = malloc(sizeof *r);
    run_init(r);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    run_fini(*state);
    free(*state);
    return 0;
}

static const char *socket_of(const struct run *r)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/" CONTROL_SOCKET, r->dir);
    return path;
}

static void expect_answer(const char *data_dir, const char *request, enum control_answer expected, const char *part)
{
    char text[1024] = "";
    enum control_answer answer = control_ask(data_dir, request, ANSWERS_MS, text, sizeof text);
    if (answer != expected || strstr(text, part) == NULL)
        fail_msg("%s: answer %d: %s", request, answer, text);
}

static void start(struct run *r, const char *config)
{
    run_start(r, config, 0);
    run_expect_log(r, "server.ready");
}

static void a_broker_says_that_it_is_well(void **state)
{
    struct run *r = *state;
    struct stat st;
    expect_answer(r->dir, "health", CONTROL_NOBODY, "/control.sock: No such file");
    start(r, TWO_LOOPS);
    int fd = run_connect(r->ports[0]);
    run_hello(fd, "one");
    expect_answer(r->dir, "health", CONTROL_OK, "2 loops turn, 1 listeners are open, 1 connections");
    close(fd);
    assert_int_equal(stat(socket_of(r), &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(run_stop(r), 0);
    assert_int_equal(stat(socket_of(r), &st), -1);
    expect_answer(r->dir, "health", CONTROL_NOBODY, "no answer from a broker on");
}

/* The thread of that name, of another process. */
static pid_t thread_of(pid_t pid, const char *name)
{
    char path[64], text[32];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *d = opendir(path);
    assert_non_null(d);
    pid_t found = 0;
    for (const struct dirent *e; found == 0 && (e = readdir(d)) != NULL;) {
        char comm[128] = "";
        snprintf(comm, sizeof comm, "/proc/%d/task/%.16s/comm", (int)pid, e->d_name);
        FILE *f = fopen(comm, "r");
        if (f == NULL)
            continue;
        if (fgets(text, sizeof text, f) != NULL && strncmp(text, name, strlen(name)) == 0)
            found = (pid_t)atoi(e->d_name);
        fclose(f);
    }
    closedir(d);
    return found;
}

static void a_loop_that_hangs_is_named(void **state)
{
    struct run *r = *state;
    int status;
    start(r, TWO_LOOPS);
    pid_t loop = thread_of(r->pid, "sotto-loop-1");
    assert_int_not_equal(loop, 0);
    if (ptrace(PTRACE_SEIZE, loop, NULL, NULL) != 0) {
        print_message("ptrace is not allowed here: %s\n", strerror(errno));
        skip();
    }
    assert_int_equal(ptrace(PTRACE_INTERRUPT, loop, NULL, NULL), 0);
    assert_int_equal(waitpid(loop, &status, __WALL), loop);
    expect_answer(r->dir, "health", CONTROL_FAILED, "no answer within 2000 ms from loop 1");
    assert_int_equal(ptrace(PTRACE_DETACH, loop, NULL, NULL), 0);
    expect_answer(r->dir, "health", CONTROL_OK, "2 loops turn");
    assert_int_equal(run_stop(r), 0);
}

static void a_broker_that_stands_still_does_not_answer(void **state)
{
    struct run *r = *state;
    char text[1024];
    start(r, TWO_LOOPS);
    kill(r->pid, SIGSTOP);
    assert_int_equal(control_ask(r->dir, "health", 300, text, sizeof text), CONTROL_NOBODY);
    assert_non_null(strstr(text, "did not answer in time"));
    kill(r->pid, SIGCONT);
    expect_answer(r->dir, "health", CONTROL_OK, "2 loops turn");
    assert_int_equal(run_stop(r), 0);
}

static void a_long_path_works(void **state)
{
    struct run *r = *state;
    char dir[512];
    size_t n = (size_t)snprintf(dir, sizeof dir, "%s/", r->dir);
    memset(dir + n, 'd', 150);
    dir[n + 150] = '\0';
    assert_int_equal(mkdir(dir, 0777), 0);
    chmod(dir, 0777);
    run_start_with(r, dir, "[auth]\nanonymous = on\n[listener.a]\naddress = 127.0.0.1\nport = @P\n", 0);
    run_expect_log(r, "server.ready");
    expect_answer(dir, "health", CONTROL_OK, "loops turn");
    assert_int_equal(run_stop(r), 0);
    expect_answer(dir, "health", CONTROL_NOBODY, "No such file");
}

static void a_second_broker_leaves_the_socket_alone(void **state)
{
    struct run *r = *state, second = *r;
    start(r, TWO_LOOPS);
    run_start(&second, "[auth]\nanonymous = on\n[listener.a]\naddress = 127.0.0.1\nport = @Q\n", 0);
    assert_int_equal(run_wait(&second), 1);
    run_expect_log(r, "another broker uses this data directory");
    expect_answer(r->dir, "health", CONTROL_OK, "2 loops turn");
    /* Killed: the file stays, and is taken over by the next one. */
    kill(r->pid, SIGKILL);
    run_wait(r);
    assert_int_equal(access(socket_of(r), F_OK), 0);
    expect_answer(r->dir, "health", CONTROL_NOBODY, "Connection refused");
    run_start(r, TWO_LOOPS, 0);
    close(run_connect(r->ports[0]));
    expect_answer(r->dir, "health", CONTROL_OK, "2 loops turn");
    assert_int_equal(run_stop(r), 0);
}

static void what_is_no_socket_stays_and_the_broker_runs(void **state)
{
    struct run *r = *state;
    FILE *f = fopen(socket_of(r), "w");
    assert_non_null(f);
    fputs("mine", f);
    fclose(f);
    start(r, TWO_LOOPS);
    run_expect_log(r, "control.unavailable");
    expect_answer(r->dir, "health", CONTROL_NOBODY, "control.sock");
    assert_int_equal(run_stop(r), 0);
    assert_int_equal(access(socket_of(r), F_OK), 0);
}

static void expect_line(int fd, const char *part)
{
    char text[1024];
    size_t n = 0;
    ssize_t got;
    while (n < sizeof text - 1 && (got = recv(fd, text + n, sizeof text - 1 - n, 0)) > 0)
        n += (size_t)got;
    text[n] = '\0';
    if (strncmp(text, part, strlen(part)) != 0)
        fail_msg("'%s' does not begin with '%s'", text, part);
    close(fd);
}

static void strange_requests_are_refused(void **state)
{
    struct run *r = *state;
    char flood[4096];
    start(r, TWO_LOOPS);
    expect_answer(r->dir, "", CONTROL_FAILED, "no such command");
    expect_answer(r->dir, "healthy", CONTROL_FAILED, "no such command");
    expect_answer(r->dir, "heal", CONTROL_FAILED, "no such command");
    expect_answer(r->dir, "health now", CONTROL_FAILED, "takes no argument");
    int fd = run_connect_local(socket_of(r));
    memset(flood, 'a', sizeof flood);
    run_send(fd, flood, 256);
    expect_line(fd, "failed a request has 255 bytes at most");
    fd = run_connect_local(socket_of(r));
    run_send(fd, "health\0x\n", 9);
    expect_line(fd, "failed a request is text");
    fd = run_connect_local(socket_of(r));
    run_send(fd, "hea", 3);
    run_send(fd, "lth\nhealth\n", 11);
    expect_line(fd, "ok 2 loops turn");
    fd = run_connect_local(socket_of(r));
    run_send(fd, "hea", 3); /* and gone */
    close(fd);
    expect_answer(r->dir, "health", CONTROL_OK, "2 loops turn");
    assert_int_equal(run_stop(r), 0);
}

/* All places taken by peers who say nothing: they are sent away in time, and clients notice nothing. */
static void silent_peers_are_sent_away(void **state)
{
    struct run *r = *state;
    int fds[12];
    start(r, TWO_LOOPS);
    for (unsigned i = 0; i < 12; i++)
        fds[i] = run_connect_local(socket_of(r));
    int client = run_connect(r->ports[0]);
    run_hello(client, "one");
    expect_line(fds[0], "");
    char text[1024];
    assert_int_equal(control_ask(r->dir, "health", 20000, text, sizeof text), CONTROL_OK);
    for (unsigned i = 1; i < 12; i++)
        close(fds[i]);
    close(client);
    assert_int_equal(run_stop(r), 0);
}

/* Stopping does not wait for whoever sits on the socket. */
static void a_stop_does_not_wait_for_peers(void **state)
{
    struct run *r = *state;
    start(r, TWO_LOOPS);
    int fd = run_connect_local(socket_of(r));
    run_send(fd, "heal", 4);
    assert_int_equal(run_stop(r), 0);
    expect_line(fd, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_broker_says_that_it_is_well, setup, teardown),
        cmocka_unit_test_setup_teardown(a_loop_that_hangs_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(a_broker_that_stands_still_does_not_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(a_long_path_works, setup, teardown),
        cmocka_unit_test_setup_teardown(a_second_broker_leaves_the_socket_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_socket_stays_and_the_broker_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(strange_requests_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(silent_peers_are_sent_away, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stop_does_not_wait_for_peers, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
