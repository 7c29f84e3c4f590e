/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * filter_contains and filter_intersects against their definitions: all filters of up to three levels over a few
 * level texts, and all names of up to four levels. The names know one level text more than the filters do, since
 * a filter can't list all names that '+' matches. topic_matches is itself compared with a matcher that tries
 * everything.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sotto/codec/topic.h"

#define TEXT_MAX 16

struct texts {
    char (*v)[TEXT_MAX];
    size_t n, cap;
};

static void add(struct texts *t, const char *text)
{
    if (t->n == t->cap) {
        t->cap = t->cap > 0 ? t->cap * 2 : 64;
        t->v = realloc(t->v, t->cap * sizeof *t->v);
        assert_non_null(t->v);
    }
    snprintf(t->v[t->n++], TEXT_MAX, "%s", text);
}

/* All texts of up to depth levels made of these; what is not valid as such is left out. */
static void make(struct texts *t, const char *const *levels, const char *before, unsigned depth,
                 bool (*valid)(struct bytes))
{
    for (size_t i = 0; levels[i] != NULL; i++) {
        char text[TEXT_MAX];
        snprintf(text, sizeof text, "%s%s", before, levels[i]);
        if (valid(bytes_str(text)))
            add(t, text);
        if (depth > 1) {
            char longer[TEXT_MAX];
            snprintf(longer, sizeof longer, "%.*s/", TEXT_MAX - 2, text);
            make(t, levels, longer, depth - 1, valid);
        }
    }
}

static struct texts filters, names;
/* matches[f * names.n + n] */
static bool *matches;

static int set_up(void **state)
{
    static const char *const filter_levels[] = {"", "a", "$b", "+", "#", NULL};
    static const char *const name_levels[] = {"", "a", "$b", "z", "$y", NULL};

    (void)state;
    make(&filters, filter_levels, "", 3, filter_valid);
    make(&names, name_levels, "", 4, topic_name_valid);
    matches = malloc(filters.n * names.n * sizeof *matches);
    assert_non_null(matches);
    for (size_t f = 0; f < filters.n; f++)
        for (size_t n = 0; n < names.n; n++)
            matches[f * names.n + n] = topic_matches(bytes_str(filters.v[f]), bytes_str(names.v[n]));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(filters.v);
    free(names.v);
    free(matches);
    return 0;
}

/* The rules of section 4.7 as a search over characters. */
static bool matches_slowly(const char *filter, const char *name)
{
    if (strcmp(filter, "#") == 0)
        return true;
    if (*filter == '+') {
        for (;; name++) {
            if (matches_slowly(filter + 1, name))
                return true;
            if (*name == 0 || *name == '/')
                return false;
        }
    }
    if (*name == 0)
        return *filter == 0 || strcmp(filter, "/#") == 0;
    return *filter == *name && matches_slowly(filter + 1, name + 1);
}

static void matcher_agrees_with_the_rules__MQTT_4_7_1_2__MQTT_4_7_1_3__MQTT_4_7_2_1(void **state)
{
    (void)state;
    assert_true(filters.n > 80 && names.n > 700);
    for (size_t f = 0; f < filters.n; f++) {
        for (size_t n = 0; n < names.n; n++) {
            bool hidden = names.v[n][0] == '$' && (filters.v[f][0] == '+' || filters.v[f][0] == '#');
            bool want = !hidden && matches_slowly(filters.v[f], names.v[n]);
            if (matches[f * names.n + n] != want)
                fail_msg("\"%s\" should%s match \"%s\"", filters.v[f], want ? "" : " not", names.v[n]);
        }
    }
}

static void contains_is_what_its_names_say(void **state)
{
    (void)state;
    for (size_t o = 0; o < filters.n; o++) {
        for (size_t i = 0; i < filters.n; i++) {
            bool want = true;
            for (size_t n = 0; n < names.n; n++)
                want = want && (matches[o * names.n + n] || !matches[i * names.n + n]);
            if (filter_contains(bytes_str(filters.v[o]), bytes_str(filters.v[i])) != want)
                fail_msg("\"%s\" should%s contain \"%s\"", filters.v[o], want ? "" : " not", filters.v[i]);
        }
    }
}

static void intersects_is_what_its_names_say(void **state)
{
    (void)state;
    for (size_t a = 0; a < filters.n; a++) {
        for (size_t b = 0; b < filters.n; b++) {
            bool want = false;
            for (size_t n = 0; n < names.n; n++)
                want = want || (matches[a * names.n + n] && matches[b * names.n + n]);
            if (filter_intersects(bytes_str(filters.v[a]), bytes_str(filters.v[b])) != want)
                fail_msg("\"%s\" and \"%s\" should%s meet", filters.v[a], filters.v[b], want ? "" : " not");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matcher_agrees_with_the_rules__MQTT_4_7_1_2__MQTT_4_7_1_3__MQTT_4_7_2_1),
        cmocka_unit_test(contains_is_what_its_names_say),
        cmocka_unit_test(intersects_is_what_its_names_say),
    };
    return cmocka_run_group_tests_name("codec topic sets", tests, set_up, tear_down);
}
