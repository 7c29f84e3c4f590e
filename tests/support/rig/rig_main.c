/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Runs each test in the worlds that it is for. */
#include "rig_private.h"

#include <stdio.h>
#include <stdlib.h>

#include "sotto/base/log.h"

static const struct world {
    enum proto proto;
    unsigned shards;
    enum rig_commits commits;
    size_t chunk;
    bool light_only; /* not for heavy tests */
} worlds[] = {
    {PROTO_311, 1, RIG_AT_ONCE, 0, false},   {PROTO_311, 2, RIG_DELAYED, 0, false},
    {PROTO_311, 4, RIG_BATCHED, 0, true},    {PROTO_311, 2, RIG_AT_ONCE, 1, true},
    {PROTO_311, 1, RIG_BATCHED, 3, true},    {PROTO_31, 1, RIG_DELAYED, 0, true},
    {PROTO_31, 2, RIG_AT_ONCE, 0, false},    {PROTO_31, 4, RIG_BATCHED, 1, true},
    {PROTO_311, 4, RIG_AT_ONCE, 0, false},   {PROTO_311, 1, RIG_ON_DEMAND, 0, false},
    {PROTO_311, 2, RIG_ON_DEMAND, 0, false}, {PROTO_31, 2, RIG_ON_DEMAND, 0, false},
    {PROTO_5, 1, RIG_AT_ONCE, 0, false},     {PROTO_5, 2, RIG_DELAYED, 0, false},
    {PROTO_5, 4, RIG_BATCHED, 1, true},      {PROTO_5, 2, RIG_AT_ONCE, 3, true},
    {PROTO_5, 1, RIG_ON_DEMAND, 0, false},   {PROTO_5, 2, RIG_ON_DEMAND, 0, false},
};
#define WORLDS (sizeof(worlds) / sizeof(*worlds))

struct run {
    const struct rig_test *test;
    const struct world *world;
    char name[160];
};

static int setup(void **state)
{
    const struct run *run = *state;
    struct limits l = rig_limits();
    if (run->test->limits != NULL)
        run->test->limits(&l);
    struct rig *r = rig_new(run->world->shards, &l, run->world->commits);
    r->proto = run->world->proto;
    r->chunk = run->world->chunk;
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    rig_free(*state);
    return 0;
}

static bool is_for(const struct rig_test *t, const struct world *w)
{
    unsigned f = t->where;
    bool manual = w->commits == RIG_ON_DEMAND;
    unsigned mine = w->proto == PROTO_31 ? RIG_31 : w->proto == PROTO_311 ? RIG_311 : RIG_5;
    unsigned versions = f & (RIG_3 | RIG_5);
    if ((versions != 0 && (versions & mine) == 0) || (w->proto == PROTO_5 && !RIG_SPEAKS_5))
        return false;
    if (((f & RIG_ONE_SHARD) && w->shards != 1) || ((f & RIG_MANY) && w->shards == 1))
        return false;
    if (((f & RIG_HEAVY) && w->light_only) || ((f & (RIG_HEAVY | RIG_WHOLE)) && w->chunk != 0))
        return false;
    return manual == ((f & RIG_MANUAL) != 0) && !((f & RIG_IMMEDIATE) && w->commits != RIG_AT_ONCE);
}

static void add(struct run *run, struct CMUnitTest *out, const struct rig_test *t, const struct world *w)
{
    static const char *const commits[] = {"at once", "delayed", "batched", "on demand"};
    static const char *const versions[] = {[PROTO_31] = "3.1", [PROTO_311] = "3.1.1", [PROTO_5] = "5.0"};
    run->test = t;
    run->world = w;
    snprintf(run->name, sizeof(run->name), "%s [%s, %u shards, commits %s%s]", t->name, versions[w->proto], w->shards,
             commits[w->commits], w->chunk == 0 ? "" : ", in bits");
    *out = (struct CMUnitTest){run->name, t->run, setup, teardown, run};
}

/* Warnings and errors of the core are part of what is tested, but not worth reading; SOTTO_RIG_LOG=1 shows them. */
static void quiet(void)
{
    if (getenv("SOTTO_RIG_LOG") != NULL)
        return;
    struct log_config c = {.level = LOG_INFO, .target = LOG_TO_FILE, .path = "/dev/null"};
    if (log_start(&c) == 0)
        log_event(LOG_INFO, "rig.start", LF_STR("what", "tests"));
}

int rig_main(const char *group, const struct rig_test *tests, size_t n)
{
    const char *only = getenv("SOTTO_RIG_TEST");
    struct run *runs = rig_alloc(n * WORLDS * sizeof(*runs));
    struct CMUnitTest *all = rig_alloc(n * WORLDS * sizeof(*all));
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t w = 0; w < WORLDS; w++)
            if (is_for(&tests[i], &worlds[w]) && (only == NULL || strstr(tests[i].name, only) != NULL)) {
                add(&runs[count], &all[count], &tests[i], &worlds[w]);
                count++;
            }
    quiet();
    int failed = _cmocka_run_group_tests(group, all, count, NULL, NULL);
    log_stop();
    free(all);
    free(runs);
    return failed;
}
