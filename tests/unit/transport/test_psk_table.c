/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The file of shared keys: which lines are taken, what is said of others, and what an unknown name gets. */
#include "folder.h"

#include "../../../src/transport/psk_table_private.h"

#define KEY16 "00112233445566778899aabbccddeeff"

static struct psk_table *parse(const char *text)
{
    err[0] = '\0';
    struct psk_table *t = psk_table_parse(bytes_str(text), err, sizeof(err));
    assert_int_equal(t == NULL, err[0] != '\0');
    return t;
}

static void expect(const struct psk_table *t, const char *name, const char *key, size_t n)
{
    uint8_t out[PSK_KEY_MAX];
    bool known;
    assert_int_equal(psk_table_find(t, bytes_str(name), out, &known), n);
    assert_true(known);
    assert_memory_equal(out, key, n);
}

static void lines_become_keys(void **state)
{
    (void)state;
    struct psk_table *t = parse("# comment\n\nlamp:00aAFf\r\na:b:c:11\n:x:22\nZo\xc3\xab:33");
    assert_non_null(t);
    assert_int_equal(psk_table_count(t), 4);
    expect(t, "lamp", "\x00\xaa\xff", 3);
    expect(t, "a:b:c", "\x11", 1);
    expect(t, ":x", "\x22", 1);
    expect(t, "Zo\xc3\xab", "\x33", 1);
    assert_true(bytes_equal(psk_table_name(t, 1), bytes_str("a:b:c")));
    psk_table_free(t);
    psk_table_free(NULL);
}

static void other_lines_are_refused(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "there is no key in it"},
        {"# nothing\n\n", "there is no key in it"},
        {"lamp\n", "line 1: there is no colon"},
        {"a:11\n:22\n", "line 2: the identity can't be a user: a user name has 1 to 49 bytes"},
        {"a:\n", "line 1: there is no key behind the colon"},
        {"a:123\n", "line 1: the key has an odd number"},
        {"a:12 \n", "line 1: the key must be hexadecimal"},
        {"a:0x12\n", "line 1: the key must be hexadecimal"},
        {"a :12\n", "can't begin or end with a blank"},
        {" a:12\n", "can't begin or end with a blank"},
        {"*:12\n", "are reserved"},
        {"group:a:12\n", "are reserved"},
        {"a]:12\n", "can't contain ']'"},
        {"a\tb:12\n", "or a control character"},
        {"\xff:12\n", "must be UTF-8"},
        {"0123456789012345678901234567890123456789012345678x:12\n", "1 to 49 bytes"},
        {"a:11\nb:22\n#\na:33\n", "line 4: this identity has a key already, on line 1"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (parse(cases[i].text) != NULL || strstr(err, cases[i].why) == NULL)
            fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].text, err, cases[i].why);
        assert_null(strchr(err, '\n'));
    }
    assert_null(psk_table_parse(bytes_of("a\0b:12\n", 7), err, sizeof(err)));
    char text[200];
    snprintf(text, sizeof(text), "a:%0128d\n", 0);
    struct psk_table *t = parse(text);
    assert_non_null(t);
    psk_table_free(t);
    snprintf(text, sizeof(text), "a:%0130d\n", 0);
    assert_null(parse(text));
}

static void an_unknown_name_gets_a_key_of_its_own(void **state)
{
    uint8_t first[PSK_KEY_MAX], again[PSK_KEY_MAX], other[PSK_KEY_MAX];
    bool known;
    (void)state;
    struct psk_table *t = parse("lamp:" KEY16 "\ndoor:" KEY16 "\n"), *u = parse("lamp:" KEY16 "\n");
    assert_int_equal(psk_table_find(t, bytes_str("nobody"), first, &known), 16);
    assert_false(known);
    assert_int_equal(psk_table_find(t, bytes_str("nobody"), again, &known), 16);
    assert_memory_equal(first, again, 16);
    assert_int_equal(psk_table_find(t, bytes_str("nobodx"), other, &known), 16);
    assert_memory_not_equal(first, other, 16);
    /* Nobody can compute it. */
    assert_int_equal(psk_table_find(u, bytes_str("nobody"), other, &known), 16);
    assert_memory_not_equal(first, other, 16);
    expect(t, "lamp", "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff", 16);
    psk_table_free(t);
    psk_table_free(u);
}

static void many_keys(void **state)
{
    enum { N = 5000 };
    char *text = mem_alloc(N * 64);
    size_t n = 0;
    (void)state;
    for (unsigned i = 0; i < N; i++)
        n += (size_t)snprintf(text + n, 64, "device-%u:%08x%024x\n", i, i, i);
    struct psk_table *t = parse(text);
    assert_non_null(t);
    assert_int_equal(psk_table_count(t), N);
    for (unsigned i = 0; i < N; i += 7) {
        char name[32];
        uint8_t out[PSK_KEY_MAX];
        bool known;
        snprintf(name, sizeof(name), "device-%u", i);
        assert_int_equal(psk_table_find(t, bytes_str(name), out, &known), 16);
        assert_true(known);
        assert_int_equal((unsigned)out[2] << 8 | out[3], i);
    }
    psk_table_free(t);
    mem_free(text);
}

static void what_is_unwise_is_known(void **state)
{
    (void)state;
    struct psk_table *t = parse("a:11" KEY16 "\nb:1122\nc:" KEY16 "\nd:00\n");
    assert_int_equal(psk_table_short_key(t), 2);
    assert_int_equal(psk_table_zero_key(t), 3);
    psk_table_free(t);
    t = parse("a:11" KEY16 "\n");
    assert_int_equal(psk_table_short_key(t), 0);
    assert_int_equal(psk_table_zero_key(t), 0);
    psk_table_free(t);
}

static void files_and_who_may_write_them(void **state)
{
    const struct folder *f = *state;
    const char *path = in(f, "psk.txt");
    assert_null(psk_table_load(path, err, sizeof(err)));
    assert_non_null(strstr(err, "does not exist: check the path, or write lines IDENTITY:HEXKEY"));
    assert_true(shell(f, "echo lamp:11" KEY16 " > psk.txt; chmod 600 psk.txt"));
    struct psk_table *t = psk_table_load(path, err, sizeof(err));
    assert_non_null(t);
    psk_table_free(t);
    assert_true(shell(f, "chmod 602 psk.txt"));
    assert_null(psk_table_load(path, err, sizeof(err)));
    assert_non_null(strstr(err, "everybody on this machine may write this file"));
    assert_true(shell(f, "chmod 600 psk.txt; echo lamp >> psk.txt"));
    assert_null(psk_table_load(path, err, sizeof(err)));
    assert_non_null(strstr(err, "psk.txt: line 2: there is no colon"));
    assert_true(shell(f, "truncate -s 20M psk.txt"));
    assert_null(psk_table_load(path, err, sizeof(err)));
    assert_non_null(strstr(err, "larger than 16 MiB"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_become_keys),
        cmocka_unit_test(other_lines_are_refused),
        cmocka_unit_test(an_unknown_name_gets_a_key_of_its_own),
        cmocka_unit_test(many_keys),
        cmocka_unit_test(what_is_unwise_is_known),
        cmocka_unit_test_setup_teardown(files_and_who_may_write_them, new_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
