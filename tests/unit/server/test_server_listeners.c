/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where the server listens, how many it lets in, and as whom it runs. */
#include "server_harness.h"

#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ANYBODY "[auth]\nanonymous = on\n"
#define PLAIN ANYBODY "[listener.plain]\naddress = 127.0.0.1\nport = @P\n"
#define LOCAL ANYBODY "[listener.local]\naddress = unix:@D/socket\n"

static int setup(void **state)
{
    struct run *r = calloc(1, sizeof(*r));
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

static void an_address_in_use_is_an_error(void **state)
{
    struct run *r = *state, other = *r;
    run_start(r, "threads = 2\n" PLAIN, 0);
    int fd = run_connect(r->ports[0]);
    for (int threads = 1; threads <= 3; threads++) {
        char config[256];
        snprintf(config, sizeof(config), "threads = %d\n" PLAIN, threads);
        run_start(&other, config, 0);
        assert_int_equal(run_wait(&other), 1);
        run_expect_log(r, "another program listens there");
    }
    run_hello(fd, "first");
    close(fd);
    assert_int_equal(run_stop(r), 0);
}

/* No time of waiting after a stop, although old connections are still being forgotten by the kernel. */
static void the_address_can_be_used_again_at_once(void **state)
{
    struct run *r = *state;
    for (int i = 0; i < 3; i++) {
        run_start(r, "threads = 2\n" PLAIN, 0);
        int fd = run_connect(r->ports[0]);
        run_hello(fd, "again");
        assert_int_equal(run_stop(r), 0);
        close(fd);
    }
}

static void one_listener_serves_both_families(void **state)
{
    struct run *r = *state;
    int probe = socket(AF_INET6, SOCK_STREAM, 0);
    if (probe < 0)
        skip();
    close(probe);
    run_start(r, "threads = 2\n" ANYBODY "[listener.all]\naddress = ::\nport = @P\n", 0);
    int fd = run_connect(r->ports[0]);
    run_hello(fd, "four");
    close(fd);
    run_expect_log(r, "peer=127.0.0.1:");
    assert_int_equal(run_stop(r), 0);
}

static void socket_path(const struct run *r, char *out, size_t cap)
{
    snprintf(out, cap, "%s/socket", r->dir);
}

static void unix_sockets_are_dealt_out_to_all_loops(void **state)
{
    struct run *r = *state;
    char path[80];
    socket_path(r, path, sizeof(path));
    run_start(r, "threads = 3\n" LOCAL, 0);
    int fd[12];
    for (int i = 0; i < 12; i++) {
        char id[32];
        snprintf(id, sizeof(id), "local-%d", i);
        fd[i] = run_connect_local(path);
        run_hello(fd[i], id);
    }
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    assert_int_equal(run_stop(r), 0);
    assert_int_not_equal(stat(path, &st), 0);
    for (int i = 0; i < 12; i++)
        close(fd[i]);
}

static void a_stale_socket_is_replaced_and_a_living_one_is_not(void **state)
{
    struct run *r = *state, other = *r;
    char path[80];
    socket_path(r, path, sizeof(path));
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    strcpy(a.sun_path, path);
    int stale = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(stale, (struct sockaddr *)&a, sizeof(a)), 0);
    close(stale);
    run_start(r, "threads = 1\n" LOCAL, 0);
    run_expect_log(r, "server.ready");
    int fd = run_connect_local(path);
    run_hello(fd, "living");
    run_start(&other, "threads = 1\n" LOCAL, 0);
    assert_int_equal(run_wait(&other), 1);
    int second = run_connect_local(path);
    run_hello(second, "still");
    close(fd);
    close(second);
    assert_int_equal(run_stop(r), 0);
}

static void a_file_that_is_no_socket_is_left_alone(void **state)
{
    struct run *r = *state;
    char path[80];
    socket_path(r, path, sizeof(path));
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
    run_start(r, "threads = 1\n" LOCAL, 0);
    assert_int_equal(run_wait(r), 1);
    run_expect_log(r, "a file that is no socket is there");
    assert_int_equal(access(path, F_OK), 0);
}

static void above_max_connections_a_connection_is_closed(void **state)
{
    struct run *r = *state;
    int fd[5];
    run_start(r, "threads = 3\n[limits]\nmax_connections = 5\n" PLAIN, 0);
    for (int i = 0; i < 5; i++) {
        char id[32];
        snprintf(id, sizeof(id), "in-%d", i);
        fd[i] = run_connect(r->ports[0]);
        run_hello(fd[i], id);
    }
    int more = run_connect(r->ports[0]);
    run_expect_closed(more);
    close(more);
    run_expect_log(r, "max_connections is reached");
    close(fd[0]);
    run_expect_log(r, "client=\"in-0\" peer");
    run_expect_log(r, "client.disconnected client=\"in-0\"");
    usleep(200000);
    more = run_connect(r->ports[0]);
    run_hello(more, "next");
    close(more);
    for (int i = 1; i < 5; i++)
        close(fd[i]);
    assert_int_equal(run_stop(r), 0);
}

/* max_connections is lowered to what the limit on files allows, but not below 64, which is too many here. */
static void out_of_descriptors_is_survived(void **state)
{
    struct run *r = *state;
    enum { N = 60 };
    int fd[N];
    run_start(r, "threads = 2\n" PLAIN, 40);
    for (int i = 0; i < N; i++)
        fd[i] = run_connect(r->ports[0]);
    run_expect_log(r, "accept.failed");
    for (int i = 1; i < N; i++)
        close(fd[i]);
    int fresh = run_connect(r->ports[0]);
    run_hello(fresh, "fresh");
    run_hello(fd[0], "old");
    close(fresh);
    close(fd[0]);
    assert_int_equal(run_stop(r), 0);
}

static void signals_that_are_no_stop(void **state)
{
    struct run *r = *state;
    run_start(r, "threads = 2\n" PLAIN, 0);
    run_expect_log(r, "server.ready");
    kill(r->pid, SIGHUP);
    run_expect_log(r, "reload.refused");
    char path[80], moved[80];
    snprintf(path, sizeof(path), "%s/log", r->dir);
    snprintf(moved, sizeof(moved), "%s/log.1", r->dir);
    assert_int_equal(rename(path, moved), 0);
    kill(r->pid, SIGUSR1);
    run_expect_log(r, "log.reopened");
    kill(r->pid, SIGPIPE);
    int fd = run_connect(r->ports[0]);
    run_hello(fd, "alive");
    close(fd);
    assert_int_equal(run_stop(r), 0);
}

static void expect_user(pid_t pid, unsigned uid)
{
    char path[64], line[256], want[64];
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    snprintf(want, sizeof(want), "Uid:\t%u\t%u\t%u\t%u\n", uid, uid, uid, uid);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    bool found = false;
    while (fgets(line, sizeof(line), f) != NULL)
        found = found || strcmp(line, want) == 0;
    fclose(f);
    assert_true(found);
}

static void root_becomes_the_named_user(void **state)
{
    struct run *r = *state;
    struct passwd *nobody = getpwnam("nobody");
    if (geteuid() != 0 || nobody == NULL)
        skip();
    unsigned uid = nobody->pw_uid;
    char path[80];
    struct stat st;
    socket_path(r, path, sizeof(path));
    run_start(r, "threads = 2\nuser = nobody\n" LOCAL, 0);
    run_expect_log(r, "server.ready");
    expect_user(r->pid, uid);
    int fd = run_connect_local(path);
    run_hello(fd, "nobody");
    close(fd);
    assert_int_equal(run_stop(r), 0);
    /* The socket's file is nobody's own, so it could be removed. */
    assert_int_not_equal(stat(path, &st), 0);
}

static void a_user_who_does_not_exist_is_an_error(void **state)
{
    struct run *r = *state;
    if (geteuid() != 0)
        skip();
    run_start(r, "threads = 1\nuser = sotto-nobody-has-this\n" PLAIN, 0);
    assert_int_equal(run_wait(r), 1);
    run_expect_log(r, "[broker] user: sotto-nobody-has-this: there is no such user");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_address_in_use_is_an_error),
        TEST(the_address_can_be_used_again_at_once),
        TEST(one_listener_serves_both_families),
        TEST(unix_sockets_are_dealt_out_to_all_loops),
        TEST(a_stale_socket_is_replaced_and_a_living_one_is_not),
        TEST(a_file_that_is_no_socket_is_left_alone),
        TEST(above_max_connections_a_connection_is_closed),
        TEST(out_of_descriptors_is_survived),
        TEST(signals_that_are_no_stop),
        TEST(root_becomes_the_named_user),
        TEST(a_user_who_does_not_exist_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
