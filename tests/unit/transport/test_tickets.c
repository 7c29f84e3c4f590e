/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The ring of ticket keys and its file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../src/transport/tls_tickets_private.h"

#define T0 UINT64_C(1700000000)
#define LIFE 1000u

struct place {
    char dir[64], path[128], err[256];
};

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    strcpy(p->dir, "/tmp/sotto-tickets-XXXXXX");
    if (mkdtemp(p->dir) == NULL)
        return -1;
    snprintf(p->path, sizeof p->path, "%s/keys", p->dir);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    unlink(p->path);
    rmdir(p->dir);
    free(p);
    return 0;
}

static struct tls_tickets *open_at(struct place *p, uint64_t now)
{
    struct tls_tickets *t = tls_tickets_new(LIFE);
    assert_true(tls_tickets_open(t, p->path, now, p->err, sizeof p->err));
    return t;
}

static void newest_key_seals_and_older_ones_open_for_one_more_lifetime(void **state)
{
    struct place *p = *state;
    struct ticket_key first, second, found;
    bool newest;
    struct tls_tickets *t = open_at(p, T0);
    ticket_key_newest(t, &first);
    assert_true(tls_tickets_rotate(t, T0 + LIFE - 1, p->err, sizeof p->err));
    ticket_key_newest(t, &second);
    assert_memory_equal(first.id, second.id, sizeof first.id);
    assert_true(tls_tickets_rotate(t, T0 + LIFE, p->err, sizeof p->err));
    ticket_key_newest(t, &second);
    assert_memory_not_equal(first.id, second.id, sizeof first.id);
    assert_true(ticket_key_find(t, first.id, &found, &newest));
    assert_false(newest);
    assert_memory_equal(found.key, first.key, sizeof first.key);
    assert_true(tls_tickets_rotate(t, T0 + 2 * LIFE, p->err, sizeof p->err));
    assert_false(ticket_key_find(t, first.id, &found, &newest));
    assert_true(ticket_key_find(t, second.id, &found, &newest));
    tls_tickets_free(t);
}

static void keys_come_back_from_the_file(void **state)
{
    struct place *p = *state;
    struct ticket_key first, again;
    struct stat st;
    bool newest;
    struct tls_tickets *t = open_at(p, T0);
    ticket_key_newest(t, &first);
    tls_tickets_free(t);
    assert_int_equal(stat(p->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    t = open_at(p, T0 + 1);
    ticket_key_newest(t, &again);
    assert_memory_equal(first.key, again.key, sizeof first.key);
    tls_tickets_free(t);
    t = open_at(p, T0 + LIFE); /* seals no more, but opens */
    ticket_key_newest(t, &again);
    assert_memory_not_equal(first.key, again.key, sizeof first.key);
    assert_true(ticket_key_find(t, first.id, &again, &newest));
    tls_tickets_free(t);
    t = open_at(p, T0 + 3 * LIFE);
    assert_false(ticket_key_find(t, first.id, &again, &newest));
    tls_tickets_free(t);
}

static void a_clock_that_went_back_keeps_the_keys(void **state)
{
    struct place *p = *state;
    struct ticket_key first, again;
    struct tls_tickets *t = open_at(p, T0);
    ticket_key_newest(t, &first);
    tls_tickets_free(t);
    t = open_at(p, T0 - 100 * LIFE);
    ticket_key_newest(t, &again);
    assert_memory_equal(first.key, again.key, sizeof first.key);
    tls_tickets_free(t);
}

static void a_damaged_file_is_replaced(void **state)
{
    static const char *const texts[] = {
        "",
        "nonsense\n",
        "0123456789abcdef\n",
        "0123456789abcde 00000000000000000000000000000000000000000000000000000000000000 1700000000\n",
        "0123456789abcdef 0000000000000000000000000000000000000000000000000000000000000000 x\n",
        "0123456789ABCDEF 0000000000000000000000000000000000000000000000000000000000000000 1700000000\n",
    };
    struct place *p = *state;
    struct ticket_key k;
    static const uint8_t zero[32];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        FILE *f = fopen(p->path, "w");
        fputs(texts[i], f);
        fclose(f);
        chmod(p->path, 0600);
        struct tls_tickets *t = open_at(p, T0);
        ticket_key_newest(t, &k);
        assert_memory_not_equal(k.key, zero, sizeof zero);
        tls_tickets_free(t);
    }
}

static void without_a_place_the_keys_live_in_memory(void **state)
{
    struct place *p = *state;
    struct ticket_key k;
    struct tls_tickets *t = tls_tickets_new(LIFE);
    assert_false(tls_tickets_open(t, "/nowhere/at/all", T0, p->err, sizeof p->err));
    assert_non_null(strstr(p->err, "/nowhere/at/all"));
    ticket_key_newest(t, &k);
    assert_true(tls_tickets_rotate(t, T0 + LIFE, p->err, sizeof p->err));
    tls_tickets_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(newest_key_seals_and_older_ones_open_for_one_more_lifetime, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_come_back_from_the_file, setup, teardown),
        cmocka_unit_test_setup_teardown(a_clock_that_went_back_keeps_the_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_file_is_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(without_a_place_the_keys_live_in_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
