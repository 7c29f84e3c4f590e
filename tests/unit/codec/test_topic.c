/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sotto/codec/topic.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static void name_without_wildcards_is_valid__MQTT5_4_7_0_1__MQTT_4_7_1_1(void **state)
{
    static const char *const good[] = {"a",     "/",        "//",       "a/b",       "/a",
                                       "a/",    " ",        "$SYS/x",   "$",         "ACCOUNTS",
                                       "a b/c", "\xc3\xbc", "abcdefgh", "abcdefghi", "abcdefgh/ijklmnop/qrst",
                                       "*",     "\""};
    static const char *const bad[] = {"",
                                      "+",
                                      "#",
                                      "a/+",
                                      "a/#",
                                      "a+",
                                      "#a",
                                      "abcdefg+",
                                      "+bcdefgh",
                                      "abcdefgh#",
                                      "abcdefghijk+lmnopqrstuv",
                                      "\xc3\xbc+",
                                      "\xc3\xbc/#"};
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        if (!topic_name_valid(bytes_str(good[i])))
            fail_msg("\"%s\" is a topic name", good[i]);
    for (size_t i = 0; i < COUNT(bad); i++)
        if (topic_name_valid(bytes_str(bad[i])))
            fail_msg("\"%s\" is no topic name", bad[i]);
}

/* Each byte in each position of names around the word size. */
static void name_is_judged_by_each_of_its_bytes__MQTT5_4_7_3_2__MQTT_4_7_3_2(void **state)
{
    (void)state;
    for (size_t n = 1; n < 20; n++) {
        uint8_t *p = malloc(n);
        assert_non_null(p);
        for (size_t at = 0; at < n; at++) {
            for (unsigned c = 0; c < 256; c++) {
                memset(p, 'x', n);
                p[at] = (uint8_t)c;
                bool want = c != 0 && c != '+' && c != '#';
                if (topic_name_valid(bytes_of(p, n)) != want)
                    fail_msg("byte 0x%02x at %zu of %zu", c, at, n);
            }
        }
        free(p);
    }
}

static void name_and_filter_have_at_most_65535_bytes__MQTT5_4_7_3_3__MQTT_4_7_3_3(void **state)
{
    uint8_t *p = malloc(65536);

    (void)state;
    assert_non_null(p);
    memset(p, 'x', 65536);
    assert_true(topic_name_valid(bytes_of(p, 65535)));
    assert_false(topic_name_valid(bytes_of(p, 65536)));
    assert_true(filter_valid(bytes_of(p, 65535)));
    assert_false(filter_valid(bytes_of(p, 65536)));
    free(p);
}

static void filter_has_wildcards_as_whole_levels__MQTT5_4_7_1_1__MQTT5_4_7_1_2__MQTT_4_7_1_2__MQTT_4_7_1_3(void **state)
{
    static const char *const good[] = {"a",   "/",      "#",     "+",          "a/#",
                                       "/#",  "+/#",    "+/+",   "/+",         "+/",
                                       "a/+", "+/a",    "a/+/b", "+/tennis/#", "sport/+/player1",
                                       "//",  "$SYS/#", "/a/",   "$share/g/a", "\xc3\xbc/+"};
    static const char *const bad[] = {"",     "a#", "#a",     "a/#/b", "#/", "a/b#", "##",  "a+",           "+a",
                                      "a/b+", "++", "a/+b/c", "+#",    "#+", "a/+#", "#/#", "sport/tennis#"};
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        if (!filter_valid(bytes_str(good[i])))
            fail_msg("\"%s\" is a filter", good[i]);
    for (size_t i = 0; i < COUNT(bad); i++)
        if (filter_valid(bytes_str(bad[i])))
            fail_msg("\"%s\" is no filter", bad[i]);
    assert_false(filter_valid(bytes_of("a\0b", 3)));
}

static void wildcards_are_seen(void **state)
{
    (void)state;
    assert_true(filter_has_wildcard(bytes_str("+")));
    assert_true(filter_has_wildcard(bytes_str("a/#")));
    assert_false(filter_has_wildcard(bytes_str("a/b")));
    assert_false(filter_has_wildcard(bytes_str("")));
}

static void levels_are_one_more_than_slashes(void **state)
{
    (void)state;
    assert_int_equal(topic_levels(bytes_str("")), 1);
    assert_int_equal(topic_levels(bytes_str("a")), 1);
    assert_int_equal(topic_levels(bytes_str("/")), 2);
    assert_int_equal(topic_levels(bytes_str("a/b/c/")), 4);
}

static void filter_matches_name__MQTT5_4_7_1_1__MQTT_4_7_1_2__MQTT_4_7_1_3__MQTT_4_7_3_1(void **state)
{
    static const struct {
        const char *filter, *name;
        bool want;
    } rows[] = {
        {"sport/tennis/player1/#", "sport/tennis/player1", true},
        {"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
        {"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
        {"sport/tennis/player1/#", "sport/tennis/player12", false},
        {"sport/#", "sport", true},
        {"sport/#", "sport/", true},
        {"sport/#", "sports", false},
        {"#", "sport", true},
        {"#", "/", true},
        {"sport/tennis/+", "sport/tennis/player1", true},
        {"sport/tennis/+", "sport/tennis/player1/ranking", false},
        {"sport/+", "sport", false},
        {"sport/+", "sport/", true},
        {"+", "sport", true},
        {"+", "sport/tennis", false},
        {"+/tennis/#", "sport/tennis", true},
        {"+/+", "/finance", true},
        {"/+", "/finance", true},
        {"+", "/finance", false},
        {"a/+/c", "a//c", true},
        {"a/b", "a/b", true},
        {"a/b", "a/B", false},
        {"a/b", "a/b/", false},
        {"a/b/", "a/b", false},
        {"a/b", "/a/b", false},
        {"a/+/#", "a", false},
        {"a/+/#", "a/b", true},
        {"a/b/c", "a/b", false},
        {"+/+/+", "a/b", false},
        {"a b", "a b", true},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (topic_matches(bytes_str(rows[i].filter), bytes_str(rows[i].name)) != rows[i].want)
            fail_msg("\"%s\" should%s match \"%s\"", rows[i].filter, rows[i].want ? "" : " not", rows[i].name);
}

static void leading_wildcard_does_not_match_dollar__MQTT5_4_7_2_1__MQTT_4_7_2_1(void **state)
{
    (void)state;
    assert_false(topic_matches(bytes_str("#"), bytes_str("$SYS")));
    assert_false(topic_matches(bytes_str("#"), bytes_str("$SYS/a")));
    assert_false(topic_matches(bytes_str("+"), bytes_str("$SYS")));
    assert_false(topic_matches(bytes_str("+/monitor/Clients"), bytes_str("$SYS/monitor/Clients")));
    assert_false(topic_matches(bytes_str("+/#"), bytes_str("$SYS")));
    assert_true(topic_matches(bytes_str("$SYS/#"), bytes_str("$SYS/a")));
    assert_true(topic_matches(bytes_str("$SYS/#"), bytes_str("$SYS")));
    assert_true(topic_matches(bytes_str("$SYS/monitor/+"), bytes_str("$SYS/monitor/Clients")));
    assert_true(topic_matches(bytes_str("a/+"), bytes_str("a/$b")));
    assert_true(topic_matches(bytes_str("a/#"), bytes_str("a/$b")));
}

static void share_is_taken_apart__MQTT5_4_8_2_1__MQTT5_4_8_2_2(void **state)
{
    static const struct {
        const char *text;
        int want;
        const char *group, *filter;
    } rows[] = {
        {"$share/g/a", 1, "g", "a"},
        {"$share/g/a/b/#", 1, "g", "a/b/#"},
        {"$share/g//", 1, "g", "/"},
        {"$share/g//finance", 1, "g", "/finance"},
        {"$share/consumer 1/+", 1, "consumer 1", "+"},
        {"$share/g/$SYS/#", 1, "g", "$SYS/#"},
        {"$share/g", -1, NULL, NULL},
        {"$share/g/", -1, NULL, NULL},
        {"$share/", -1, NULL, NULL},
        {"$share", -1, NULL, NULL},
        {"$share//a", -1, NULL, NULL},
        {"$share/+/a", -1, NULL, NULL},
        {"$share/#/a", -1, NULL, NULL},
        {"$share/g+/a", -1, NULL, NULL},
        {"$share/g#h/a", -1, NULL, NULL},
        {"$share/g/a#", -1, NULL, NULL},
        {"$share/g/#/a", -1, NULL, NULL},
        {"$shared/g/a", 0, NULL, NULL},
        {"$SHARE/g/a", 0, NULL, NULL},
        {"/$share/g/a", 0, NULL, NULL},
        {"share/g/a", 0, NULL, NULL},
        {"a", 0, NULL, NULL},
        {"", 0, NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct share s;
        int got = share_parse(bytes_str(rows[i].text), &s);
        if (got != rows[i].want)
            fail_msg("\"%s\": %d, not %d", rows[i].text, got, rows[i].want);
        if (got == 1) {
            assert_true(bytes_equal(s.group, bytes_str(rows[i].group)));
            assert_true(bytes_equal(s.filter, bytes_str(rows[i].filter)));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(name_without_wildcards_is_valid__MQTT5_4_7_0_1__MQTT_4_7_1_1),
        cmocka_unit_test(name_is_judged_by_each_of_its_bytes__MQTT5_4_7_3_2__MQTT_4_7_3_2),
        cmocka_unit_test(name_and_filter_have_at_most_65535_bytes__MQTT5_4_7_3_3__MQTT_4_7_3_3),
        cmocka_unit_test(
            filter_has_wildcards_as_whole_levels__MQTT5_4_7_1_1__MQTT5_4_7_1_2__MQTT_4_7_1_2__MQTT_4_7_1_3),
        cmocka_unit_test(wildcards_are_seen),
        cmocka_unit_test(levels_are_one_more_than_slashes),
        cmocka_unit_test(filter_matches_name__MQTT5_4_7_1_1__MQTT_4_7_1_2__MQTT_4_7_1_3__MQTT_4_7_3_1),
        cmocka_unit_test(leading_wildcard_does_not_match_dollar__MQTT5_4_7_2_1__MQTT_4_7_2_1),
        cmocka_unit_test(share_is_taken_apart__MQTT5_4_8_2_1__MQTT5_4_8_2_2),
    };
    return cmocka_run_group_tests_name("codec topic", tests, NULL, NULL);
}
