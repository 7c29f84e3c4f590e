/* SPDX-License-Identifier: GPL-3.0-or-later */
/* docs/configuration.md is what the schema says now, and the version is the build's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sotto/server/config.h"
#include "sotto/server/versions.h"

#define TEXT_MAX 65536

static void put(void *ctx, const char *text)
{
    char *all = ctx;
    assert_true(strlen(all) + strlen(text) < TEXT_MAX);
    strcat(all, text);
}

static char *read_source(const char *name)
{
    char path[512];
    const char *source = getenv("SOTTO_SOURCE");
    assert_non_null(source);
    snprintf(path, sizeof path, "%s/%s", source, name);
    FILE *f = fopen(path, "r");
    if (f == NULL)
        fail_msg("%s is not there", path);
    char *text = calloc(1, TEXT_MAX);
    assert_true(fread(text, 1, TEXT_MAX - 1, f) < TEXT_MAX - 1);
    fclose(f);
    return text;
}

static void the_reference_is_up_to_date(void **state)
{
    char *made = calloc(1, TEXT_MAX), *kept = read_source("docs/configuration.md");
    (void)state;
    config_write_reference(put, made);
    if (strcmp(made, kept) != 0)
        fail_msg("docs/configuration.md is not what `sotto help --reference` prints: write it anew");
    assert_non_null(strstr(made, "| `max_inflight` | a number from 1 to 65535 | `20` |"));
    free(made);
    free(kept);
}

static void the_version_is_the_builds(void **state)
{
    char *cmake = read_source("CMakeLists.txt"), *lines = calloc(1, TEXT_MAX);
    (void)state;
    assert_non_null(strstr(cmake, "project(sotto VERSION " SOTTO_VERSION " "));
    versions_write(put, lines);
    static const char *const expected[] = {
        "sotto " SOTTO_VERSION "\n", "libuv ", "wolfSSL ", "inih ", "libargon2 ", "SQLite "};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        assert_non_null(strstr(lines, expected[i]));
    free(cmake);
    free(lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reference_is_up_to_date),
        cmocka_unit_test(the_version_is_the_builds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
