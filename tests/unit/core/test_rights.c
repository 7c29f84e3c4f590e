/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <stdlib.h>

#include "sotto/base/mem.h"
#include "sotto/core/rights.h"

#define N(a) (sizeof(a) / sizeof(a)[0])
#define RULE(k, f)                                                                                                     \
    {                                                                                                                  \
        RULE_##k,                                                                                                      \
        {                                                                                                              \
            (const uint8_t *)(f), sizeof(f) - 1                                                                        \
        }                                                                                                              \
    }

static const struct rule alice[] = {
    RULE(PUBLISH, "home/alice/#"), RULE(SUBSCRIBE, "home/#"), RULE(DENY, "home/safe/#"),
    RULE(PUBLISH, "u/%u/+"),       RULE(PUBLISH, "c/%c/#"),   RULE(SUBSCRIBE, "x/%u-%c/%u"),
    RULE(SUBSCRIBE, "$SYS/#"),     RULE(PUBLISH, "#"),        RULE(DENY, "no/%c"),
};
static const struct rule few[] = {RULE(PUBLISH, "u/%u/#"), RULE(PUBLISH, "c/%c/#"),  RULE(SUBSCRIBE, "%u/#"),
                                  RULE(SUBSCRIBE, "%c/#"), RULE(SUBSCRIBE, "+/one"), RULE(PUBLISH, "%u/%c/t")};
static const struct rule all[] = {RULE(SUBSCRIBE, "#"), RULE(PUBLISH, "+/+")};
static const struct rule deny_all[] = {RULE(DENY, "#")};

struct question {
    enum right what;
    const char *topic, *id;
    bool allowed;
    int rule;
};

static void ask(const char *user, const struct rule *rules, size_t n, bool everything, const struct question *q,
                size_t m)
{
    size_t before = mem_in_use();
    struct rights *r = rights_new(bytes_str(user), rules, n, everything);
    for (size_t i = 0; i < m; i++) {
        bool allowed;
        struct bytes id = bytes_str(q[i].id), topic = bytes_str(q[i].topic);
        int rule = rights_deciding_rule(r, q[i].what, id, topic, &allowed);
        if (allowed != q[i].allowed || rule != q[i].rule || rights_allow(r, q[i].what, id, topic) != allowed)
            fail_msg("user %s id %s right %d on %s: %s by rule %d", user, q[i].id, (int)q[i].what, q[i].topic,
                     allowed ? "allowed" : "refused", rule);
    }
    rights_unref(r);
    assert_int_equal(mem_in_use(), before);
}

static void grants_and_denials(void **state)
{
    static const struct question questions[] = {
        {RIGHT_PUBLISH, "home/alice", "id", true, 0},
        {RIGHT_PUBLISH, "home/alice/x/y", "id", true, 0},
        {RIGHT_PUBLISH, "home/safe", "id", false, 2},
        {RIGHT_PUBLISH, "home/safe/x", "id", false, 2},
        {RIGHT_PUBLISH, "u/alice/1", "id", true, 3},
        {RIGHT_PUBLISH, "c/id/1", "id", true, 4},
        {RIGHT_PUBLISH, "other", "id", true, 7},
        {RIGHT_PUBLISH, "no/id", "id", false, 8},
        {RIGHT_PUBLISH, "no/id", "other", true, 7},
        {RIGHT_PUBLISH, "$SYS/x", "id", false, -1},
        {RIGHT_PUBLISH, "$SYS", "id", false, -1},
        {RIGHT_PUBLISH, "$other", "id", false, -1},
        {RIGHT_SUBSCRIBE, "home/#", "id", true, 1},
        {RIGHT_SUBSCRIBE, "home/+/x", "id", true, 1},
        {RIGHT_SUBSCRIBE, "home/safe/#", "id", false, 2},
        {RIGHT_SUBSCRIBE, "home/safe/x", "id", false, 2},
        {RIGHT_SUBSCRIBE, "home/safe/+", "id", false, 2},
        {RIGHT_SUBSCRIBE, "#", "id", false, -1},
        {RIGHT_SUBSCRIBE, "+/alice", "id", false, -1},
        {RIGHT_SUBSCRIBE, "x/alice-id/alice", "id", true, 5},
        {RIGHT_SUBSCRIBE, "x/alice-other/alice", "id", false, -1},
        {RIGHT_SUBSCRIBE, "$SYS/broker/#", "id", true, 6},
        {RIGHT_RECEIVE, "home/safe/x", "id", false, 2},
        {RIGHT_RECEIVE, "home/x", "id", true, -1},
        {RIGHT_RECEIVE, "anything", "id", true, -1},
        {RIGHT_RECEIVE, "no/id", "id", false, 8},
    };
    (void)state;
    ask("alice", alice, N(alice), false, questions, N(questions));
}

static void a_name_or_id_never_says_more_than_one_level(void **state)
{
    static const char *const bad[] = {"a/b", "+", "#", "a+", "a#", "/"};
    (void)state;
    for (size_t i = 0; i < N(bad); i++) {
        char own[64], client[64], any[64];
        snprintf(own, sizeof own, "u/%s/x", bad[i]);
        snprintf(client, sizeof client, "c/%s/x", bad[i]);
        snprintf(any, sizeof any, "%s/#", bad[i]);
        const struct question questions[] = {
            {RIGHT_PUBLISH, own, "id", false, -1},
            {RIGHT_PUBLISH, "u/bob/x", "id", false, -1},
            {RIGHT_PUBLISH, client, bad[i], false, -1},
            {RIGHT_PUBLISH, "c/other/x", bad[i], false, -1},
            {RIGHT_SUBSCRIBE, "some/thing", "id", false, -1},
            {RIGHT_SUBSCRIBE, "some/thing", bad[i], false, -1},
            {RIGHT_SUBSCRIBE, "here/one", bad[i], true, 4},
        };
        ask(bad[i], few, N(few), false, questions, N(questions));
    }
}

static void nobody_and_dollar_names_match_no_variable(void **state)
{
    static const struct question nobody[] = {
        {RIGHT_PUBLISH, "u//x", "id", false, -1},
        {RIGHT_PUBLISH, "c//x", "", false, -1},
        {RIGHT_SUBSCRIBE, "/x", "id", false, -1},
        {RIGHT_SUBSCRIBE, "id/#", "id", true, 3},
    };
    static const struct question dollar[] = {
        {RIGHT_SUBSCRIBE, "$SYS/x", "id", false, -1},
        {RIGHT_SUBSCRIBE, "$SYS/x", "$SYS", false, -1},
        {RIGHT_PUBLISH, "u/$SYS/x", "id", true, 0},
        {RIGHT_PUBLISH, "c/$SYS/x", "$SYS", true, 1},
    };
    static const struct question percent[] = {
        {RIGHT_PUBLISH, "id/id/t", "id", false, -1}, {RIGHT_PUBLISH, "%c/id/t", "id", false, -1},
        {RIGHT_PUBLISH, "u/%c/t", "id", true, 0},    {RIGHT_PUBLISH, "u/id/t", "id", false, -1},
        {RIGHT_PUBLISH, "c/%c/t", "%c", true, 1},
    };
    (void)state;
    ask("", few, N(few), false, nobody, N(nobody));
    ask("$SYS", few, N(few), false, dollar, N(dollar));
    ask("%c", few, N(few), false, percent, N(percent));
}

static void everything_but_sys(void **state)
{
    static const struct question free_hand[] = {
        {RIGHT_PUBLISH, "a", "id", true, -1},        {RIGHT_PUBLISH, "$SYS/a", "id", false, -1},
        {RIGHT_PUBLISH, "$SYSTEM", "id", true, -1},  {RIGHT_SUBSCRIBE, "#", "id", true, -1},
        {RIGHT_SUBSCRIBE, "$SYS/#", "id", true, -1}, {RIGHT_RECEIVE, "$SYS/a", "id", true, -1},
    };
    static const struct question wildcards[] = {
        {RIGHT_SUBSCRIBE, "#", "id", true, 0},      {RIGHT_SUBSCRIBE, "$SYS/#", "id", false, -1},
        {RIGHT_SUBSCRIBE, "$SYS", "id", false, -1}, {RIGHT_PUBLISH, "a/b", "id", true, 1},
        {RIGHT_PUBLISH, "a/b/c", "id", false, -1},  {RIGHT_PUBLISH, "$a/b", "id", false, -1},
    };
    static const struct question denied[] = {
        {RIGHT_PUBLISH, "a", "id", false, 0},
        {RIGHT_SUBSCRIBE, "#", "id", false, 0},
        {RIGHT_RECEIVE, "a", "id", false, 0},
        {RIGHT_SUBSCRIBE, "$SYS/#", "id", true, -1},
    };
    (void)state;
    ask("u", NULL, 0, true, free_hand, N(free_hand));
    ask("u", all, N(all), false, wildcards, N(wildcards));
    ask("u", deny_all, N(deny_all), true, denied, N(denied));
}

static void the_shortcut_says_the_same(void **state)
{
    struct rights *free_hand = rights_new(bytes_str("u"), NULL, 0, true),
                  *named = rights_new(bytes_str("u"), all, 2, false);
    struct rights *denied = rights_new(bytes_str("u"), deny_all, 1, true);
    (void)state;
    for (enum right what = RIGHT_PUBLISH; what <= RIGHT_RECEIVE; what++) {
        assert_true(rights_unlimited(free_hand, what));
        assert_int_equal(rights_unlimited(named, what), what == RIGHT_RECEIVE);
        assert_false(rights_unlimited(denied, what));
    }
    rights_unref(free_hand);
    rights_unref(named);
    rights_unref(denied);
    rights_unref(NULL);
}

static void long_ids_need_memory_and_denials_hold_without_it(void **state)
{
    static const struct rule rules[] = {RULE(PUBLISH, "c/%c/%c/x"), RULE(DENY, "d/%c/x")};
    enum { LENGTH = 3000 };
    char *id = malloc(LENGTH + 1), *topic = malloc(2 * LENGTH + 16);
    struct rights *r = rights_new(bytes_str("u"), rules, 2, false);
    (void)state;
    memset(id, 'i', LENGTH);
    id[LENGTH] = '\0';
    sprintf(topic, "c/%s/%s/x", id, id);
    assert_true(rights_allow(r, RIGHT_PUBLISH, bytes_str(id), bytes_str(topic)));
    assert_false(rights_allow(r, RIGHT_PUBLISH, bytes_of(id, LENGTH - 1), bytes_str(topic)));
    assert_true(rights_allow(r, RIGHT_RECEIVE, bytes_str(id), bytes_str("d/y/x")));
    mem_fail_at(1); /* the deny rule has no memory: then it denies */
    assert_false(rights_allow(r, RIGHT_PUBLISH, bytes_str(id), bytes_str(topic)));
    mem_fail_at(2); /* the publish rule has none: then it grants nothing */
    assert_false(rights_allow(r, RIGHT_PUBLISH, bytes_str(id), bytes_str(topic)));
    mem_fail_at(0);
    rights_unref(r);
    free(id);
    free(topic);
}

static void a_short_question_allocates_nothing(void **state)
{
    struct rights *r = rights_new(bytes_str("alice"), alice, N(alice), false);
    (void)state;
    mem_fail_at(1);
    assert_true(rights_allow(r, RIGHT_PUBLISH, bytes_str("id"), bytes_str("c/id/1")));
    assert_null(mem_try_alloc(1)); /* the first to ask for memory */
    struct rights *same = rights_ref(r);
    rights_unref(r);
    assert_true(bytes_equal(rights_user(same), bytes_str("alice")));
    rights_unref(same);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grants_and_denials),
        cmocka_unit_test(a_name_or_id_never_says_more_than_one_level),
        cmocka_unit_test(nobody_and_dollar_names_match_no_variable),
        cmocka_unit_test(everything_but_sys),
        cmocka_unit_test(the_shortcut_says_the_same),
        cmocka_unit_test(long_ids_need_memory_and_denials_hold_without_it),
        cmocka_unit_test(a_short_question_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
