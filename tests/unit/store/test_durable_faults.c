/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A disk that fails: each call once, then all of them for a time, and one that is full. What failed was said to have
 * failed, what was answered for is there, and the store works again by itself.
 */
#include <time.h>

#include "durable_model.h"
#include "disk/shim_vfs.h"
#include "sotto/base/log.h"

#define STEPS 60
#define CHECKPOINT_ROWS 66

/* Records until the store takes one again. */
static void works_again(struct harness *h)
{
    for (unsigned i = 0; i < 50; i++) {
        uint64_t number = put_session(h, 0, 1, true);
        settle(h);
        if (h->told[0].failed_upto < number)
            return;
    }
    fail_msg("the store does not work again");
}

/* One run in which the n-th call fails. False: there are not so many. */
static bool run_failing(uint64_t n, uint64_t more)
{
    struct harness h;
    harness_init(&h);
    shim_reset();
    h.c.vfs = SHIM_VFS;
    assert_true(harness_open(&h));
    struct model *m = model_new(&h, 1);
    shim_fail(n, more);
    for (unsigned i = 0; i < STEPS; i++) {
        model_step(m);
        if (i % 6 == 0)
            settle(&h);
    }
    settle(&h);
    bool failed = shim_failed();
    shim_fail(0, 0);
    works_again(&h);
    harness_restart(&h);
    model_check(m, true);
    assert_int_equal(query(&h,
                           "SELECT count(*) FROM message m WHERE refs <> (SELECT count(*) FROM queue"
                           " WHERE message = m.id)"),
                     0);
    model_free(m);
    harness_fini(&h);
    return failed;
}

static void each_call_fails_once(void **state)
{
    (void)state;
    uint64_t n = 1;
    while (run_failing(n, 1))
        n++;
    assert_true(n > 100);
}

/* Nothing that was answered for is missing in h->dump; rows "row 1" to "row n". */
static void check_rows(const struct harness *h, const uint64_t *numbers, unsigned n)
{
    const struct told *t = &h->before[0];
    char line[32];
    for (unsigned i = 0; i < n; i++) {
        bool refused = false;
        for (unsigned k = 0; k < t->failures_n; k++)
            refused |= numbers[i] >= t->failures[k].from && numbers[i] <= t->failures[k].to;
        snprintf(line, sizeof(line), "  row %u waiting", i + 1);
        assert_true(refused || strstr(h->dump, line) != NULL);
    }
}

/* Enough for a checkpoint, in which (or before) the n-th call fails. False: there are not so many. */
static bool checkpoint_failing(uint64_t n)
{
    static char payload[65536];
    uint64_t numbers[CHECKPOINT_ROWS];
    struct harness h;
    harness_init(&h);
    shim_reset();
    h.c.vfs = SHIM_VFS;
    assert_true(harness_open(&h));
    put_session(&h, 0, 1, true);
    settle(&h);
    shim_fail(n, 1);
    memset(payload, 'x', sizeof(payload) - 1);
    for (unsigned i = 0; i < CHECKPOINT_ROWS; i++) {
        numbers[i] = put_row(&h, 0, 1, i + 1, 0, i + 4 < CHECKPOINT_ROWS ? payload : "small");
        if (i % 16 == 0 || i + 4 >= CHECKPOINT_ROWS)
            settle(&h);
    }
    bool failed = shim_failed();
    shim_fail(0, 0);
    works_again(&h);
    harness_restart(&h);
    check_rows(&h, numbers, CHECKPOINT_ROWS);
    harness_fini(&h);
    return failed;
}

/* There are some thousand calls, most of them alike: some of each sort. */
static void calls_of_a_checkpoint_fail(void **state)
{
    (void)state;
    uint64_t n = 1;
    while (checkpoint_failing(n))
        n += 131;
    assert_true(n > 2000);
}

static void several_calls_in_a_row_fail(void **state)
{
    (void)state;
    for (uint64_t n = 1; n < 200; n += 40)
        run_failing(n, 5);
}

/* Opening: it works, or says why not; and later everything is there. */
static void each_call_of_the_start_fails_once(void **state)
{
    (void)state;
    struct harness h;
    harness_init(&h);
    shim_reset();
    h.c.vfs = SHIM_VFS;
    assert_true(harness_open(&h));
    put_session(&h, 0, 1, true);
    put_row(&h, 0, 1, 1, 0, "x");
    put_retained(&h, 0, "r", "1", 1);
    settle(&h);
    bool failed = true;
    unsigned refused = 0;
    for (uint64_t n = 1; failed; n++) {
        harness_close(&h);
        shim_fail(n, 1);
        bool opened = harness_open(&h);
        failed = shim_failed();
        refused += !opened;
        assert_true(opened || h.err[0] != '\0');
        shim_fail(0, 0);
        harness_restart(&h);
        assert_non_null(strstr(h.dump, "row 1 waiting qos=1/1 retain=0 sub=0 t::x\n"));
        assert_non_null(strstr(h.dump, "retained r::1 qos=1\n"));
    }
    assert_true(refused > 0);
    harness_fini(&h);
}

static void a_full_disk(void **state)
{
    (void)state;
    struct harness h;
    harness_init(&h);
    shim_reset();
    h.c.vfs = SHIM_VFS;
    assert_true(harness_open(&h));
    put_session(&h, 0, 1, true);
    put_row(&h, 0, 1, 1, 0, "before");
    put_filter(&h, 0, 1, STORE_SUBSCRIBE, "f");
    settle(&h);
    shim_full(true);
    uint64_t number = put_row(&h, 0, 1, 2, 0, "refused");
    put_state(&h, 0, 1, STORE_DONE, 1, 0);
    put_filter(&h, 0, 1, STORE_UNSUBSCRIBE, "f");
    for (unsigned i = 0; i < 20; i++)
        put_session(&h, 0, 1, i % 2 == 0);
    settle(&h);
    assert_true(h.told[0].failed_upto >= number);
    shim_full(false);
    works_again(&h);
    harness_restart(&h);
    assert_null(strstr(h.dump, "  row"));
    assert_null(strstr(h.dump, "  filter"));
    assert_non_null(strstr(h.dump, "session c0.1"));
    harness_fini(&h);
}

static void wait_a_bit(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
}

/* What was put while nobody had heard of a failure fails too: it must not overtake what failed. What ends something is
 * written when it can be, and that is said without anything new. */
static void what_comes_during_a_failure_fails_with_it(void **state)
{
    (void)state;
    struct harness h;
    harness_init(&h);
    shim_reset();
    h.c.vfs = SHIM_VFS;
    assert_true(harness_open(&h));
    put_session(&h, 0, 1, true);
    put_row(&h, 0, 1, 1, 0, "before");
    settle(&h);
    shim_full(true);
    uint64_t first = put_row(&h, 0, 1, 2, 0, "fails");
    turn(&h, 0);
    wait_a_bit(); /* it has failed; the shard doesn't know */
    shim_full(false);
    uint64_t second = put_row(&h, 0, 1, 3, 0, "behind");
    put_received(&h, 0, 1, STORE_RECEIVED, 7, 0);
    uint64_t end = put_state(&h, 0, 1, STORE_SENT, 1, 9);
    settle(&h);
    assert_true(h.told[0].failures[0].from <= first && h.told[0].failures[0].to >= second);
    for (unsigned i = 0; i < 100 && h.told[0].safe < end; i++) {
        turn(&h, 0);
        wait_a_bit();
    }
    assert_true(h.told[0].safe >= end);
    harness_restart(&h);
    assert_non_null(strstr(h.dump, "row 1 sent"));
    assert_null(strstr(h.dump, "  row 2"));
    assert_null(strstr(h.dump, "  row 3"));
    assert_null(strstr(h.dump, "received"));
    harness_fini(&h);
}

/* Where acknowledgements don't wait for the disk, nothing is given up. */
static void a_full_disk_with_interval(void **state)
{
    (void)state;
    struct harness h;
    harness_init(&h);
    shim_reset();
    h.c.vfs = SHIM_VFS;
    h.c.durability = DURABILITY_INTERVAL;
    h.c.flush_interval = 5;
    assert_true(harness_open(&h));
    put_session(&h, 0, 1, true);
    turn(&h, 0);
    shim_full(true);
    for (unsigned i = 1; i <= 20; i++) {
        put_row(&h, 0, 1, i, 0, "kept");
        turn(&h, 0);
        assert_true(answered(&h));
    }
    assert_int_equal(h.told[0].failed_upto, 0);
    nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
    shim_full(false);
    harness_restart(&h);
    assert_non_null(strstr(h.dump, "  row 1 "));
    assert_non_null(strstr(h.dump, "  row 20 "));
    harness_fini(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_call_fails_once),
        cmocka_unit_test(calls_of_a_checkpoint_fail),
        cmocka_unit_test(several_calls_in_a_row_fail),
        cmocka_unit_test(each_call_of_the_start_fails_once),
        cmocka_unit_test(a_full_disk),
        cmocka_unit_test(a_full_disk_with_interval),
        cmocka_unit_test(what_comes_during_a_failure_fails_with_it),
    };
    assert_int_equal(log_start(&(struct log_config){.level = LOG_ERROR, .target = LOG_TO_FILE, .path = "/dev/null"}),
                     0);
    int rc = cmocka_run_group_tests_name("durable_faults", tests, NULL, NULL);
    log_stop();
    return rc;
}
