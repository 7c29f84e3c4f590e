/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The log as its callers and readers see it: events from threads in, lines in a file, a pipe or on standard error out.
 */
#include "unit_base.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sotto/base/log.h"

#define TEXT_MAX (8 << 20)

static char folder[64];
static char path[96];
static char text[TEXT_MAX + 1];

static void nap_ms(long ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

static int make_folder(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    strcpy(folder, "/tmp/sotto-log-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/log", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char old[128];
    snprintf(old, sizeof(old), "%s.1", path);
    unlink(path);
    unlink(old);
    return rmdir(folder);
}

static void start(enum log_format format, unsigned gather_ms)
{
    struct log_config c = {LOG_INFO, format, LOG_TO_FILE, path, gather_ms};
    assert_int_equal(log_start(&c), 0);
}

/* Appends what can be read from fd to text without its zero byte at n; the new length. */
static size_t read_more(int fd, size_t n)
{
    ssize_t got;
    while (n < TEXT_MAX && (got = read(fd, text + n, TEXT_MAX - n)) > 0)
        n += (size_t)got;
    text[n] = '\0';
    return n;
}

static const char *read_file(const char *from)
{
    int fd = open(from, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    read_more(fd, 0);
    close(fd);
    return text;
}

static unsigned count_of(const char *in, const char *what)
{
    unsigned n = 0;
    for (const char *p = in; (p = strstr(p, what)) != NULL; p += strlen(what))
        n++;
    return n;
}

static void a_line_has_time_level_event_and_fields(void **state)
{
    (void)state;
    start(LOG_TEXT, 0);
    log_event(LOG_WARN, "connect.refused", LF_PEER("peer", "10.0.0.7:51234"), LF_STR("listener", "tls"),
              LF_BYTES("client", bytes_str("kitchen")), LF_STR("reason", "no such user"), LF_INT("n", -5),
              LF_STR("none", NULL));
    log_stop();
    read_file(path);
    assert_true(strlen(text) > 26);
    assert_true(text[4] == '-' && text[10] == 'T' && text[19] == '.' && text[23] == 'Z' && text[24] == ' ');
    assert_string_equal(text + 25,
                        "warn connect.refused peer=10.0.0.7:51234 listener=tls client=\"kitchen\" "
                        "reason=\"no such user\" n=-5 none=\"\"\n");
}

static void the_time_is_utc_and_of_now(void **state)
{
    (void)state;
    char before[32], after[32];
    setenv("TZ", "America/New_York", 1);
    tzset();
    time_t now = time(NULL);
    strftime(before, sizeof(before), "%Y-%m-%dT%H:%M:%S", gmtime(&now));
    start(LOG_TEXT, 0);
    log_event(LOG_INFO, "a.b", LF_INT("n", 1));
    log_stop();
    now = time(NULL) + 1;
    strftime(after, sizeof(after), "%Y-%m-%dT%H:%M:%S", gmtime(&now));
    read_file(path);
    text[19] = '\0';
    assert_true(strcmp(before, text) <= 0 && strcmp(text, after) <= 0);
}

static void json_is_one_object_a_line(void **state)
{
    (void)state;
    start(LOG_JSON, 0);
    log_event(LOG_ERROR, "a.b", LF_STR("s", "x\"y"), LF_INT("n", 7), LF_BYTES("b", bytes_of("\n\xff", 2)));
    log_event(LOG_INFO, "c", LF_STR("word", "plain"));
    log_stop();
    read_file(path);
    assert_memory_equal(text, "{\"time\":\"", 9);
    const char *rest = "\",\"level\":\"error\",\"event\":\"a.b\",\"s\":\"x\\\"y\",\"n\":7,\"b\":\"\\n\\ufffd\"}\n{";
    assert_memory_equal(text + 33, rest, strlen(rest));
    assert_non_null(strstr(text, "\"event\":\"c\",\"word\":\"plain\"}\n"));
}

static void levels_below_the_configured_one_are_silent(void **state)
{
    (void)state;
    start(LOG_TEXT, 0);
    assert_true(log_enabled(LOG_INFO));
    assert_false(log_enabled(LOG_DEBUG));
    log_event(LOG_DEBUG, "not.this", LF_INT("n", 1));
    log_event_fields(LOG_DEBUG, "nor.this", NULL, 0);
    log_event_fields(LOG_INFO, "but.this", NULL, 0);
    log_stop();
    read_file(path);
    assert_null(strstr(text, "not.this"));
    assert_null(strstr(text, "nor.this"));
    assert_non_null(strstr(text, " info but.this\n"));
}

static void an_event_after_a_quiet_time_is_written_promptly(void **state)
{
    (void)state;
    start(LOG_TEXT, 0);
    nap_ms(60);
    log_event(LOG_INFO, "now.please", LF_INT("n", 1));
    for (unsigned i = 0; i < 200 && strstr(read_file(path), "now.please") == NULL; i++)
        nap_ms(10);
    assert_non_null(strstr(text, "now.please"));
    log_stop();
}

static void equal_events_of_one_address_become_one_line_with_a_count(void **state)
{
    (void)state;
    start(LOG_TEXT, 400);
    for (int i = 0; i < 50; i++) {
        char peer[32], other[32];
        snprintf(peer, sizeof(peer), "10.0.0.7:%d", 1000 + i);
        snprintf(other, sizeof(other), "[fe80::1]:%d", 1000 + i);
        log_event(LOG_WARN, "refused", LF_PEER("peer", peer), LF_INT("i", i));
        log_event(LOG_WARN, "refused", LF_PEER("peer", other));
        log_event(LOG_WARN, "closed", LF_PEER("peer", peer));
        log_event(LOG_WARN, "refused", LF_STR("peer", peer));
    }
    for (unsigned i = 0; i < 300 && count_of(read_file(path), "repeated=") < 3; i++)
        nap_ms(10); /* the windows end by themselves */
    assert_int_equal(count_of(text, "repeated=49"), 3);
    assert_int_equal(count_of(text, "\n"), 2 + 2 + 2 + 50);
    assert_non_null(strstr(text, "refused peer=10.0.0.7:1000 i=0\n"));
    assert_non_null(strstr(text, "refused peer=10.0.0.7:1049 i=49 repeated=49\n"));
    log_event(LOG_WARN, "refused", LF_PEER("peer", "10.0.0.7:7"));
    log_stop();
    assert_non_null(strstr(read_file(path), "refused peer=10.0.0.7:7\n")); /* a new window */
}

static void listeners_and_reasons_are_told_apart(void **state)
{
    (void)state;
    start(LOG_TEXT, 0);
    for (int i = 0; i < 8; i++)
        log_event(LOG_WARN, "failed", LF_PEER("peer", "10.0.0.7:1"), LF_STR("listener", i & 1 ? "a" : "b"),
                  LF_STR("reason", i & 2 ? "expired" : "unknown"));
    log_stop();
    assert_int_equal(count_of(read_file(path), "repeated=1"), 4);
    assert_int_equal(count_of(text, "listener=a reason=expired"), 2);
}

static void stopping_tells_what_was_gathered(void **state)
{
    (void)state;
    start(LOG_TEXT, 0);
    for (int i = 0; i < 3; i++)
        log_event(LOG_WARN, "refused", LF_PEER("peer", "unix"), LF_INT("i", i));
    log_stop();
    assert_int_equal(count_of(read_file(path), "\n"), 2);
    assert_non_null(strstr(text, "refused peer=unix i=2 repeated=2\n"));
}

#define THREADS 4
#define EACH 2000

static void *logs_numbers(void *arg)
{
    for (int i = 0; i < EACH; i++) {
        log_event(LOG_INFO, "count", LF_INT("thread", *(int *)arg), LF_INT("number", i));
        if (i % 100 == 99)
            nap_ms(2);
    }
    return NULL;
}

/* Numbers of one thread rise; with the lines that were lost, all are accounted for. */
static void check_numbers(const char *lines)
{
    int next[THREADS] = {0}, seen = 0, lost = 0;
    for (const char *p = lines; *p != '\0'; p = strchr(p, '\n') + 1) {
        int thread, number, n;
        if (sscanf(p + 25, "info count thread=%d number=%d\n", &thread, &number) == 2) {
            assert_true(number >= next[thread]);
            next[thread] = number + 1;
            seen++;
        } else {
            assert_int_equal(sscanf(p + 25, "warn log.lost count=%d\n", &n), 1);
            lost += n;
        }
        assert_non_null(strchr(p, '\n'));
    }
    assert_int_equal(seen + lost, THREADS * EACH);
    assert_true(seen >= EACH);
}

static void threads_write_whole_lines_in_their_own_order(void **state)
{
    (void)state;
    pthread_t t[THREADS];
    int ids[THREADS];
    start(LOG_TEXT, 0);
    for (int round = 0; round < 2; round++) { /* the second set of threads takes over the rings of the first */
        for (int i = 0; i < THREADS / 2; i++) {
            ids[round * 2 + i] = round * 2 + i;
            assert_int_equal(pthread_create(&t[i], NULL, logs_numbers, &ids[round * 2 + i]), 0);
        }
        for (int i = 0; i < THREADS / 2; i++)
            pthread_join(t[i], NULL);
    }
    log_stop();
    check_numbers(read_file(path));
}

static void lines_stand_in_the_order_of_time(void **state)
{
    (void)state;
    pthread_t t[THREADS];
    int ids[THREADS] = {0, 1, 2, 3};
    start(LOG_TEXT, 0);
    log_event(LOG_INFO, "wakes.the.writer", LF_INT("n", 1));
    for (int i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, logs_numbers, &ids[i]);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    log_stop();
    char last[25] = "";
    unsigned steps_back = 0;
    for (char *p = (char *)(uintptr_t)read_file(path); *p != '\0'; p = strchr(p, '\n') + 1) {
        steps_back += memcmp(last, p, 24) > 0;
        memcpy(last, p, 24);
    }
    assert_true(steps_back < 200); /* only between batches, where a thread was interrupted between stamp and ring */
}

/* A pipe that nobody reads: neither the threads nor the stop may hang, and what is missing is said later. */
static int open_fifo(void)
{
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader >= 0);
    return reader;
}

static void a_full_pipe_stops_nobody_and_the_loss_is_told(void **state)
{
    (void)state;
    int reader = open_fifo();
    start(LOG_TEXT, 0);
    char filler[101];
    memset(filler, 'x', 100);
    filler[100] = '\0';
    for (int i = 0; i < 3000; i++)
        log_event(LOG_INFO, "fill", LF_STR("filler", filler));
    nap_ms(100);
    size_t n = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < 300 && strstr(text, "log.lost") == NULL; i++) {
        n = read_more(reader, n);
        nap_ms(10);
    }
    log_event(LOG_INFO, "again", LF_INT("n", 1));
    log_stop();
    n = read_more(reader, n);
    unsigned lost = 0, before = count_of(text, " info fill ");
    assert_int_equal(sscanf(strstr(text, "log.lost"), "log.lost count=%u", &lost), 1);
    assert_true(lost > 0);
    assert_int_equal(before + lost, 3000);
    assert_non_null(strstr(text, " info again n=1\n"));
    close(reader);
}

static void stopping_does_not_wait_forever_for_a_full_pipe(void **state)
{
    (void)state;
    int reader = open_fifo();
    start(LOG_TEXT, 0);
    char filler[501];
    memset(filler, 'x', 500);
    filler[500] = '\0';
    for (int i = 0; i < 1000; i++)
        log_event(LOG_INFO, "fill", LF_STR("filler", filler));
    nap_ms(50);
    time_t before = time(NULL);
    log_stop();
    assert_true(time(NULL) - before < 5);
    close(reader);
    unlink(path);
    start(LOG_TEXT, 0); /* and it can be started again */
    log_stop();
    assert_non_null(strstr(read_file(path), "log.lost count="));
}

static void a_pipe_without_a_reader_loses_lines_and_nothing_else(void **state)
{
    (void)state;
    int reader = open_fifo();
    start(LOG_TEXT, 0);
    close(reader);
    for (int i = 0; i < 10; i++) {
        log_event(LOG_INFO, "nobody", LF_INT("n", i));
        nap_ms(25);
    }
    reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    log_event(LOG_INFO, "somebody", LF_INT("n", 1));
    log_stop();
    read_more(reader, 0);
    assert_non_null(strstr(text, " info somebody n=1\n"));
    unsigned lost = 0;
    assert_non_null(strstr(text, "log.lost"));
    assert_int_equal(sscanf(strstr(text, "log.lost"), "log.lost count=%u", &lost), 1);
    assert_true(lost > 0);
    assert_int_equal(lost + count_of(text, " info nobody "), 10);
    close(reader);
}

static void a_rotated_file_is_opened_anew(void **state)
{
    (void)state;
    char old[128];
    struct stat st;
    snprintf(old, sizeof(old), "%s.1", path);
    start(LOG_TEXT, 0);
    log_event(LOG_INFO, "first", LF_INT("n", 1));
    for (unsigned i = 0; i < 200 && strstr(read_file(path), "first") == NULL; i++)
        nap_ms(10);
    assert_int_equal(rename(path, old), 0);
    log_reopen();
    for (unsigned i = 0; i < 200 && stat(path, &st) != 0; i++)
        nap_ms(10);
    log_event(LOG_INFO, "second", LF_INT("n", 2));
    log_stop();
    assert_non_null(strstr(read_file(path), "second"));
    assert_null(strstr(text, "first"));
    assert_int_equal(st.st_mode & 07, 0);
    assert_null(strstr(read_file(old), "second"));
}

static void a_file_that_cannot_be_opened_is_an_error(void **state)
{
    (void)state;
    struct log_config c = {LOG_INFO, LOG_TEXT, LOG_TO_FILE, "/nowhere/at/all", 0};
    assert_int_equal(log_start(&c), ENOENT);
    start(LOG_TEXT, 0);
    c.path = path;
    assert_int_equal(log_start(&c), EBUSY);
    log_stop();
    log_stop();
    log_reopen();
}

static void without_a_log_thread_lines_go_to_standard_error(void **state)
{
    (void)state;
    int saved = dup(STDERR_FILENO);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(saved >= 0 && fd >= 0);
    dup2(fd, STDERR_FILENO);
    log_event(LOG_WARN, "early", LF_STR("a", "b c"));
    log_event(LOG_DEBUG, "hidden", LF_STR("a", "b c"));
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(fd);
    assert_string_equal(read_file(path) + 25, "warn early a=\"b c\"\n");
}

static void syslog_takes_lines(void **state)
{
    (void)state;
    struct log_config c = {LOG_INFO, LOG_TEXT, LOG_TO_SYSLOG, NULL, 0};
    assert_int_equal(log_start(&c), 0);
    log_event(LOG_INFO, "to.syslog", LF_STR("percent", "%s%n"));
    log_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_has_time_level_event_and_fields, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(the_time_is_utc_and_of_now, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(json_is_one_object_a_line, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(levels_below_the_configured_one_are_silent, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(an_event_after_a_quiet_time_is_written_promptly, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(equal_events_of_one_address_become_one_line_with_a_count, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(listeners_and_reasons_are_told_apart, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(stopping_tells_what_was_gathered, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(threads_write_whole_lines_in_their_own_order, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(lines_stand_in_the_order_of_time, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_full_pipe_stops_nobody_and_the_loss_is_told, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(stopping_does_not_wait_forever_for_a_full_pipe, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_pipe_without_a_reader_loses_lines_and_nothing_else, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_rotated_file_is_opened_anew, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_opened_is_an_error, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(without_a_log_thread_lines_go_to_standard_error, make_folder, remove_folder),
        cmocka_unit_test(syslog_takes_lines),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
