/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How much memory there is for the broker: the machine's, or what its control group or one above it allows. */
#include "../../../src/server/memory_limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64];

/* Its folders, too. */
static void write_file(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s%s", root, name);
    for (char *p = path + 1; (p = strchr(p, '/')) != NULL; p++) {
        *p = '\0';
        mkdir(path, 0755);
        *p = '/';
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
    (void)state;
    strcpy(root, "/tmp/sotto-memory-XXXXXX");
    if (mkdtemp(root) == NULL)
        return -1;
    strcat(root, "/");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", root);
    return system(command);
}

static uint64_t machine(void)
{
    return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void without_groups_it_is_the_machine(void **state)
{
    (void)state;
    assert_int_equal(memory_limit_find(root), machine());
    write_file("proc/self/cgroup", "0::/\n");
    assert_int_equal(memory_limit_find(root), machine());
    write_file("sys/fs/cgroup/memory.max", "max\n");
    assert_int_equal(memory_limit_find(root), machine());
}

static void a_group_may_allow_less(void **state)
{
    (void)state;
    write_file("proc/self/cgroup", "0::/system.slice/sotto.service\n");
    write_file("sys/fs/cgroup/system.slice/sotto.service/memory.max", "67108864\n");
    assert_int_equal(memory_limit_find(root), 67108864);
}

static void a_group_above_it_may_allow_still_less(void **state)
{
    (void)state;
    a_group_may_allow_less(state);
    write_file("sys/fs/cgroup/system.slice/memory.max", "33554432\n");
    assert_int_equal(memory_limit_find(root), 33554432);
}

static void groups_of_version_1_count(void **state)
{
    (void)state;
    write_file("proc/self/cgroup", "9:cpu:/docker/1\n5:memory:/docker/1\n0::/docker/1\n");
    write_file("sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes", "50331648\n");
    assert_int_equal(memory_limit_find(root), 50331648);
}

/* A container sees the host's path, and its own files at the top. */
static void the_files_at_the_top_count_in_a_container(void **state)
{
    (void)state;
    write_file("proc/self/cgroup", "5:memory:/docker/0123456789\n");
    write_file("sys/fs/cgroup/memory/memory.limit_in_bytes", "41943040\n");
    assert_int_equal(memory_limit_find(root), 41943040);
}

static void nonsense_is_passed_over(void **state)
{
    (void)state;
    write_file("proc/self/cgroup", "\n::\nmemory\n0\n0:\n0::\n");
    write_file("sys/fs/cgroup/memory.max", "a lot\n");
    assert_int_equal(memory_limit_find(root), machine());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_groups_it_is_the_machine, setup, teardown),
        cmocka_unit_test_setup_teardown(a_group_may_allow_less, setup, teardown),
        cmocka_unit_test_setup_teardown(a_group_above_it_may_allow_still_less, setup, teardown),
        cmocka_unit_test_setup_teardown(groups_of_version_1_count, setup, teardown),
        cmocka_unit_test_setup_teardown(the_files_at_the_top_count_in_a_container, setup, teardown),
        cmocka_unit_test_setup_teardown(nonsense_is_passed_over, setup, teardown),
    };
    return cmocka_run_group_tests_name("memory_limit", tests, NULL, NULL);
}
