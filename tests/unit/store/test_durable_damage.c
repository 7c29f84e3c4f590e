/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A damaged database: moved aside under a name of its own, salvaged, and the store goes on. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk/shim_vfs.h"
#include "durable_harness.h"
#include "sotto/base/log.h"

#define SESSIONS 40
#define ROWS 60
#define RETAINED 2000
#define PAGE 4096

static char payload[200];

static int setup(void **state)
{
    static struct harness h;
    memset(payload, 'p', sizeof(payload) - 1);
    harness_init(&h);
    assert_true(harness_open(&h));
    for (unsigned n = 1; n <= SESSIONS; n++) {
        char text[32];
        put_session(&h, 0, n, true);
        snprintf(text, sizeof(text), "f/%u", n);
        put_filter(&h, 0, n, STORE_SUBSCRIBE, text);
        for (unsigned i = 1; i <= ROWS; i++)
            put_row(&h, 0, n, i, 0, payload);
    }
    for (unsigned i = 0; i < RETAINED; i++) {
        char topic[32];
        snprintf(topic, sizeof(topic), "r/%06u", i);
        put_retained(&h, 0, topic, payload, 1);
    }
    settle(&h);
    harness_close(&h);
    *state = &h;
    return 0;
}

static int teardown(void **state)
{
    harness_fini(*state);
    return 0;
}

static void path_of(const struct harness *h, char *path, size_t cap)
{
    snprintf(path, cap, "%s/sotto.db", h->dir);
}

static unsigned count(const char *text, const char *what)
{
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
        n++;
    return n;
}

static void overwrite(const struct harness *h, off_t at, size_t n)
{
    char path[128], junk[PAGE];
    path_of(h, path, sizeof(path));
    int fd = open(path, O_WRONLY);
    memset(junk, 0xa5, sizeof(junk));
    for (size_t i = 0; i < n; i += sizeof(junk))
        assert_int_equal(pwrite(fd, junk, n - i < sizeof(junk) ? n - i : sizeof(junk), at + (off_t)i),
                         (ssize_t)(n - i < sizeof(junk) ? n - i : sizeof(junk)));
    close(fd);
}

static off_t size_of(const struct harness *h)
{
    char path[128];
    struct stat st;
    path_of(h, path, sizeof(path));
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

/* A page of the given table. */
static off_t a_page_of(const struct harness *h, const char *table)
{
    char sql[256];
    snprintf(sql, sizeof(sql),
             "SELECT pgoffset FROM dbstat WHERE name = '%s' AND pagetype = 'leaf' LIMIT 1 OFFSET"
             " (SELECT count(*) / 2 FROM dbstat WHERE name = '%s' AND pagetype = 'leaf')",
             table, table);
    return (off_t)query(h, sql);
}

/* The damaged file itself; behind it may lie its first page, and its log. */
static unsigned damaged_files(const struct harness *h)
{
    return files_like(h, "sotto.db.damaged") - files_like(h, "sotto.db.damaged-20231114-221320-");
}

/* Whatever was damaged: the store works, references are whole, and a restart gives the same. */
static void expect_sound(struct harness *h)
{
    assert_int_equal(damaged_files(h), 1);
    assert_int_equal(query(h, "SELECT count(*) FROM queue WHERE message NOT IN (SELECT id FROM message)"), 0);
    assert_int_equal(query(h,
                           "SELECT count(*) FROM message m WHERE refs <> (SELECT count(*) FROM queue"
                           " WHERE message = m.id)"),
                     0);
    unsigned sessions = count(h->dump, "session c"), rows = count(h->dump, "  row "),
             retained = count(h->dump, "retained r/");
    put_session(h, 1, 99, true);
    settle(h);
    harness_restart(h);
    assert_int_equal(count(h->dump, "session c"), sessions + 1);
    assert_int_equal(count(h->dump, "  row "), rows);
    assert_int_equal(count(h->dump, "retained r/"), retained);
    assert_int_equal(damaged_files(h), 1);
}

static void a_page_in_the_middle(void **state, const char *table, unsigned *sessions, unsigned *rows,
                                 unsigned *retained)
{
    struct harness *h = *state;
    off_t at = a_page_of(h, table);
    assert_true(at > 0);
    overwrite(h, at, PAGE);
    assert_true(harness_open(h));
    *sessions = count(h->dump, "session c");
    *rows = count(h->dump, "  row ");
    *retained = count(h->dump, "retained r/");
    expect_sound(h);
}

static void damaged_retained_messages(void **state)
{
    unsigned sessions, rows, retained;
    a_page_in_the_middle(state, "retained", &sessions, &rows, &retained);
    assert_int_equal(sessions, SESSIONS);
    assert_int_equal(rows, SESSIONS * ROWS);
    assert_in_range(retained, RETAINED - 30, RETAINED - 1);
}

static void damaged_messages(void **state)
{
    unsigned sessions, rows, retained;
    a_page_in_the_middle(state, "message", &sessions, &rows, &retained);
    assert_int_equal(sessions, SESSIONS);
    assert_in_range(rows, SESSIONS * ROWS - 30, SESSIONS * ROWS - 1);
    assert_int_equal(retained, RETAINED);
}

static void damaged_queue(void **state)
{
    unsigned sessions, rows, retained;
    a_page_in_the_middle(state, "queue", &sessions, &rows, &retained);
    assert_int_equal(sessions, SESSIONS);
    assert_in_range(rows, SESSIONS * ROWS / 2, SESSIONS * ROWS - 1);
    assert_int_equal(retained, RETAINED);
}

static void damaged_index(void **state)
{
    unsigned sessions, rows, retained;
    a_page_in_the_middle(state, "sqlite_autoindex_retained_1", &sessions, &rows, &retained);
    assert_int_equal(sessions, SESSIONS);
    assert_int_equal(rows, SESSIONS * ROWS);
    assert_int_equal(retained, RETAINED);
}

static void a_file_that_is_no_database(void **state)
{
    struct harness *h = *state;
    overwrite(h, 0, (size_t)size_of(h));
    assert_true(harness_open(h));
    assert_string_equal(h->dump, "");
    expect_sound(h);
}

static void a_file_that_was_cut_off(void **state)
{
    struct harness *h = *state;
    char path[128];
    path_of(h, path, sizeof(path));
    assert_int_equal(truncate(path, size_of(h) / 2 / PAGE * PAGE), 0);
    assert_true(harness_open(h));
    assert_int_equal(count(h->dump, "session c"), SESSIONS);
    assert_in_range(count(h->dump, "  row "), SESSIONS * ROWS / 4, SESSIONS * ROWS);
    expect_sound(h);
}

static void a_first_page_that_is_damaged(void **state)
{
    struct harness *h = *state;
    overwrite(h, 0, PAGE);
    assert_true(harness_open(h));
    assert_int_equal(count(h->dump, "session c"), SESSIONS);
    assert_int_equal(count(h->dump, "  row "), SESSIONS * ROWS);
    assert_int_equal(count(h->dump, "retained r/"), RETAINED);
    assert_int_equal(files_like(h, "sotto.db.damaged-20231114-221320-page1"), 1);
    expect_sound(h);
}

static void an_empty_file_is_a_new_one(void **state)
{
    struct harness *h = *state;
    char path[128];
    path_of(h, path, sizeof(path));
    assert_int_equal(truncate(path, 0), 0);
    assert_true(harness_open(h));
    assert_string_equal(h->dump, "");
    assert_int_equal(files_like(h, "sotto.db.damaged"), 0);
}

static void a_table_that_is_missing(void **state)
{
    struct harness *h = *state;
    query(h, "DROP TABLE queue");
    assert_true(harness_open(h));
    assert_int_equal(count(h->dump, "session c"), SESSIONS);
    assert_int_equal(count(h->dump, "retained r/"), RETAINED);
    expect_sound(h);
}

/* Found by the store thread, in the middle of its work. */
static void damage_that_is_met_later(void **state)
{
    struct harness *h = *state;
    static char big[20001];
    memset(big, 'b', sizeof(big) - 1);
    assert_true(harness_open(h));
    put_session(h, 0, 50, true);
    for (unsigned i = 1; i <= 600; i++) /* more than SQLite keeps in memory */
        put_row(h, 0, 50, i, 0, big);
    settle(h);
    harness_close(h);
    off_t at = (off_t)query(h, "SELECT pgoffset FROM dbstat WHERE name = 'message' AND pagetype = 'leaf' LIMIT 1");
    assert_true(harness_open(h));
    overwrite(h, at, PAGE);
    for (unsigned n = 1; n <= SESSIONS; n++)
        for (unsigned i = 1; i <= ROWS; i++)
            put_state(h, 0, n, STORE_DONE, i, 0);
    for (unsigned i = 1; i <= 600; i++)
        put_state(h, 0, 50, STORE_DONE, i, 0);
    put_row(h, 0, 1, 1000, 0, "after");
    settle(h);
    put_row(h, 0, 1, 1001, 0, "last");
    settle(h);
    harness_restart(h);
    assert_in_range(files_like(h, "sotto.db.damaged-"), 1, 2); /* perhaps with its log */
    assert_int_equal(count(h->dump, "session c"), SESSIONS + 1);
    assert_int_equal(count(h->dump, "  row "), 2);
    assert_int_equal(count(h->dump, "t::last"), 1);
}

static bool is_refused(struct harness *h, uint64_t number)
{
    settle(h);
    return h->told[0].failed_upto >= number;
}

/* The damaged one stays where it is until there is room, and then nothing of it is missing that can be read. */
static void damage_that_is_met_without_room(void **state)
{
    struct harness *h = *state;
    shim_reset();
    h->c.vfs = SHIM_VFS;
    off_t at = a_page_of(h, "retained");
    assert_true(harness_open(h));
    overwrite(h, at, PAGE);
    /* Somebody else has written: SQLite forgets the pages that it has read, else it may mend the damage from them. */
    query(h, "CREATE TABLE touched (n)");
    query(h, "DROP TABLE touched");
    shim_full(true);
    for (unsigned i = 0; i < RETAINED; i++) {
        char topic[32];
        snprintf(topic, sizeof(topic), "r/%06u", i);
        put_retained(h, 0, topic, "", 1);
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_true(is_refused(h, put_row(h, 0, 1, 1000 + i, 0, "refused")));
        assert_int_equal(damaged_files(h), 0);
        clock_pass(100000); /* so that it is tried again */
    }
    shim_full(false);
    for (unsigned i = 0; is_refused(h, put_session(h, 0, 1, true)); i++)
        assert_true(i < 50);
    put_row(h, 0, 1, 1003, 0, "at last");
    settle(h);
    harness_restart(h);
    assert_int_equal(damaged_files(h), 1);
    assert_int_equal(files_like(h, "sotto.db.salvage"), 0);
    assert_int_equal(count(h->dump, "session c"), SESSIONS);
    assert_int_equal(count(h->dump, "  row "), SESSIONS * ROWS + 1);
    assert_int_equal(count(h->dump, "retained r/"), 0);
}

static void put_line(void *ctx, const char *line)
{
    transcript_add(ctx, "%s\n", line);
}

static void check_finds_it(void **state)
{
    struct harness *h = *state;
    struct transcript t = {0};
    assert_int_equal(durable_check(h->dir, put_line, &t, h->err, sizeof(h->err)), 0);
    overwrite(h, a_page_of(h, "message"), PAGE);
    t.n = 0;
    assert_int_equal(durable_check(h->dir, put_line, &t, h->err, sizeof(h->err)), 1);
    assert_true(t.n > 0);
    for (const char *line = t.text; *line != '\0'; line = strchr(line, '\n') + 1) /* in lines, without headings */
        assert_true(strncmp(line, h->dir, strlen(h->dir)) == 0 && strstr(line, "***") == NULL);
}

static void check_of_a_file_that_is_new(void **state)
{
    struct harness *h = *state;
    struct transcript t = {0};
    char path[128];
    path_of(h, path, sizeof(path));
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(durable_check(h->dir, put_line, &t, h->err, sizeof(h->err)), 0);
    assert_int_equal(t.n, 0);
    assert_int_equal(durable_show(h->dir, 0, put_line, &t, h->err, sizeof(h->err)), 0);
    assert_string_equal(t.text, "Nothing is stored yet.\n");
}

static void check_refuses_a_later_schema(void **state)
{
    struct harness *h = *state;
    struct transcript t = {0};
    query(h, "PRAGMA user_version = 99");
    assert_int_equal(durable_check(h->dir, put_line, &t, h->err, sizeof(h->err)), -1);
    assert_non_null(strstr(h->err, "newer version of sotto (schema 99, "));
    assert_int_equal(durable_show(h->dir, 0, put_line, &t, h->err, sizeof(h->err)), -1);
    assert_int_equal(t.n, 0);
    assert_false(harness_open_only(h));
    query(h, "PRAGMA user_version = 2");
    query(h, "PRAGMA application_id = 7");
    query(h, "ALTER TABLE session RENAME TO other");
    assert_int_equal(durable_check(h->dir, put_line, &t, h->err, sizeof(h->err)), -1);
    assert_non_null(strstr(h->err, "another program"));
}

/* Numbers of the first page that no program wrote, beside all that is ours. */
static void a_first_page_that_lies(void **state)
{
    static const char *const lies[] = {"PRAGMA user_version = 3476069", "PRAGMA user_version = -1",
                                       "PRAGMA user_version = 0", "PRAGMA user_version = 1",
                                       "PRAGMA application_id = 7"};
    struct harness *h = *state;
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        query(h, lies[i]);
        assert_true(harness_open(h));
        assert_int_equal(count(h->dump, "session c"), SESSIONS);
        assert_int_equal(count(h->dump, "  row "), SESSIONS * ROWS);
        assert_int_equal(count(h->dump, "retained r/"), RETAINED);
        assert_int_equal(files_like(h, "sotto.db.damaged"), i + 1);
        harness_close(h);
    }
}

/* What the look over the file doesn't see is told all the same. */
static void rows_that_are_hidden(void **state)
{
    struct harness *h = *state;
    query(h, "DELETE FROM message WHERE id IN (SELECT message FROM queue LIMIT 2)");
    query(h, "UPDATE queue SET session = 7777 WHERE session = (SELECT max(session) FROM queue) AND row = 3");
    assert_true(harness_open(h));
    assert_int_equal(count(h->dump, "  row "), SESSIONS * ROWS - 3);
    assert_non_null(strstr(h->dump, "lost 3\n"));
}

/* ---------------------------------------------------------------- the log */

#define MORE 30 /* sessions, each in a transaction of its own */

static void copy(const char *from, const char *to)
{
    char buf[PAGE];
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(in >= 0 && out >= 0);
    for (ssize_t n; (n = read(in, buf, sizeof(buf))) > 0;)
        assert_int_equal(write(out, buf, (size_t)n), n);
    close(in);
    close(out);
}

static void beside(const struct harness *h, const char *suffix, char *path, size_t cap)
{
    snprintf(path, cap, "%s/sotto.db%s", h->dir, suffix);
}

/* As SIGKILL leaves it: with more sessions, which are in the log. */
static void kill_with_a_log(struct harness *h)
{
    static const char *const files[] = {"", "-wal", "-shm"};
    char path[128], kept[128];
    assert_true(harness_open(h));
    for (unsigned n = 1; n <= MORE; n++) {
        put_session(h, 1, n, true);
        settle(h);
    }
    for (int back = 0; back < 2; back++) {
        for (unsigned i = 0; i < 3; i++) {
            beside(h, files[i], path, sizeof(path));
            snprintf(kept, sizeof(kept), "%s/kept%s", h->dir, files[i]);
            copy(back ? kept : path, back ? path : kept);
            if (back)
                unlink(kept);
        }
        if (!back)
            harness_close(h);
    }
}

static off_t log_size(const struct harness *h)
{
    char path[128];
    struct stat st;
    beside(h, "-wal", path, sizeof(path));
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

static void flip_in_log(const struct harness *h, off_t at)
{
    char path[128];
    uint8_t b;
    beside(h, "-wal", path, sizeof(path));
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, &b, 1, at), 1);
    b ^= 0x10;
    assert_int_equal(pwrite(fd, &b, 1, at), 1);
    close(fd);
}

static void remove_index(const struct harness *h)
{
    char path[128];
    beside(h, "-shm", path, sizeof(path));
    assert_int_equal(unlink(path), 0);
}

static int check(struct harness *h)
{
    struct transcript t = {0};
    return durable_check(h->dir, put_line, &t, h->err, sizeof(h->err));
}

static void expect_log(struct harness *h, unsigned least, unsigned most)
{
    assert_true(harness_open(h));
    assert_in_range(count(h->dump, "session c1."), least, most);
    assert_int_equal(count(h->dump, "session c0."), SESSIONS);
    assert_int_equal(count(h->dump, "  row "), SESSIONS * ROWS);
    assert_int_equal(count(h->dump, "retained r/"), RETAINED);
}

static void a_log_that_is_whole(void **state)
{
    struct harness *h = *state;
    kill_with_a_log(h);
    remove_index(h);
    assert_int_equal(check(h), 0);
    expect_log(h, MORE, MORE);
    assert_int_equal(files_like(h, "sotto.db.damaged"), 0);
}

/* Each transaction has the sessions' last page anew, so what is lost with a frame is in the next one. */
static void a_hole_in_the_log(void **state)
{
    struct harness *h = *state;
    kill_with_a_log(h);
    remove_index(h);
    flip_in_log(h, 32 + (log_size(h) / 4120 / 2) * 4120 + 2000);
    assert_int_equal(check(h), 1);
    expect_log(h, MORE - 1, MORE);
    assert_int_equal(files_like(h, "sotto.db.damaged-20231114-221320-wal-applied"), 1);
    put_session(h, 1, 99, true);
    settle(h);
    harness_restart(h);
    assert_int_equal(files_like(h, "sotto.db.damaged"), 2);
}

static void a_log_without_its_header(void **state)
{
    struct harness *h = *state;
    for (off_t at = 0; at < 32; at += 9) {
        kill_with_a_log(h);
        flip_in_log(h, at);
        assert_int_equal(check(h), 1);
        expect_log(h, MORE - 1, MORE);
        harness_close(h);
    }
}

/* The index tells, where the broker was killed; after a power cut nobody can know. */
static void a_log_that_was_cut_off(void **state)
{
    struct harness *h = *state;
    char path[128];
    kill_with_a_log(h);
    beside(h, "-wal", path, sizeof(path));
    assert_int_equal(truncate(path, log_size(h) / 2), 0);
    expect_log(h, 1, MORE - 1);
    assert_int_equal(files_like(h, "sotto.db.damaged-20231114-221320-wal-applied"), 1);
}

/* As a power cut leaves it: the last transaction is not all there, and was not acknowledged. */
static void a_transaction_that_was_not_synced(void **state)
{
    struct harness *h = *state;
    kill_with_a_log(h);
    remove_index(h);
    flip_in_log(h, log_size(h) - 100);
    assert_int_equal(check(h), 0);
    expect_log(h, MORE - 1, MORE - 1);
    assert_int_equal(files_like(h, "sotto.db.damaged"), 0);
}

static void a_log_of_an_empty_file(void **state)
{
    struct harness *h = *state;
    char path[128];
    path_of(h, path, sizeof(path));
    assert_int_equal(unlink(path), 0);
    kill_with_a_log(h);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(check(h), 1);
    assert_true(harness_open(h));
    assert_int_equal(count(h->dump, "session c1."), MORE);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(damaged_retained_messages),
        T(damaged_messages),
        T(damaged_queue),
        T(damaged_index),
        T(a_file_that_is_no_database),
        T(a_file_that_was_cut_off),
        T(a_first_page_that_is_damaged),
        T(an_empty_file_is_a_new_one),
        T(a_table_that_is_missing),
        T(damage_that_is_met_later),
        T(damage_that_is_met_without_room),
        T(check_finds_it),
        T(check_of_a_file_that_is_new),
        T(check_refuses_a_later_schema),
        T(a_first_page_that_lies),
        T(rows_that_are_hidden),
        T(a_log_that_is_whole),
        T(a_hole_in_the_log),
        T(a_log_without_its_header),
        T(a_log_that_was_cut_off),
        T(a_transaction_that_was_not_synced),
        T(a_log_of_an_empty_file),
    };
    assert_int_equal(log_start(&(struct log_config){.level = LOG_ERROR, .target = LOG_TO_FILE, .path = "/dev/null"}),
                     0);
    int rc = cmocka_run_group_tests_name("durable_damage", tests, NULL, NULL);
    log_stop();
    return rc;
}
