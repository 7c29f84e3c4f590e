/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The machine loses its power at any call to the disk, and what was not synced is gone, or there in part: what was
 * answered for is there, and the database is whole.
 */
#include <stdlib.h>

#include "durable_model.h"
#include "disk/shim_vfs.h"
#include "sotto/base/log.h"

#define ROUNDS 20
#define RUNS 3

static void no_log(void)
{
    assert_int_equal(log_start(&(struct log_config){.level = LOG_ERROR, .target = LOG_TO_FILE, .path = "/dev/null"}),
                     0);
}

static void run_until_the_cut(struct model *m, struct harness *h)
{
    unsigned steps = 20 + (unsigned)model_draw(m, 150);
    shim_fail(1 + model_draw(m, 40 + model_draw(m, 3000)), UINT64_MAX / 2);
    for (unsigned i = 0; i < steps && !shim_failed(); i++) {
        model_step(m);
        if (model_draw(m, 12) == 0)
            settle(h);
    }
    shim_cut();
    harness_close(h);
}

static void power_cuts(uint64_t seed)
{
    struct harness h;
    harness_init(&h);
    shim_reset();
    h.c.vfs = SHIM_VFS;
    assert_true(harness_open(&h));
    struct model *m = model_new(&h, seed);
    for (unsigned round = 0; round < ROUNDS; round++) {
        run_until_the_cut(m, &h);
        shim_restart(model_draw(m, 3) == 0, model_draw(m, UINT32_MAX));
        shim_fail(0, 0);
        if (!harness_open(&h))
            fail_msg("seed %llu, round %u: %s", (unsigned long long)seed, round, h.err);
        assert_int_equal(files_like(&h, "sotto.db.damaged"), 0);
        model_check(m, false);
    }
    model_free(m);
    harness_fini(&h);
}

static void what_was_answered_for_survives(void **state)
{
    (void)state;
    const char *seed = getenv("SOTTO_SEED");
    for (uint64_t i = 1; i <= RUNS; i++)
        power_cuts(seed != NULL ? strtoull(seed, NULL, 10) + i : i);
}

/* The test itself: a disk that forgets what was synced is found out. */
static void a_lying_disk_is_noticed(void **state)
{
    (void)state;
    struct harness h;
    harness_init(&h);
    shim_reset();
    h.c.vfs = SHIM_VFS;
    h.c.durability = DURABILITY_OFF; /* never syncs */
    assert_true(harness_open(&h));
    put_session(&h, 0, 1, true);
    settle(&h);
    harness_close(&h);
    shim_restart(true, 0);
    bool there = harness_open(&h) && strstr(h.dump, "session c0.1") != NULL;
    assert_false(there);
    harness_fini(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_answered_for_survives),
        cmocka_unit_test(a_lying_disk_is_noticed),
    };
    no_log();
    int rc = cmocka_run_group_tests_name("durable_power", tests, NULL, NULL);
    log_stop();
    return rc;
}
