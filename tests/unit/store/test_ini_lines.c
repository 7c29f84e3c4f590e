/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit_store.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "sotto/base/mem.h"
#include "sotto/store/ini_lines.h"

static void on_section(void *ctx, unsigned line, const char *section)
{
    transcript_add(ctx, "%u [%s]\n", line, section);
}

static void on_entry(void *ctx, unsigned line, const char *section, const char *key, const char *value)
{
    transcript_add(ctx, "%u [%s] %s=%s.\n", line, section, key, value);
}

static void on_fault(void *ctx, unsigned line, const char *section, const char *key, const char *text)
{
    size_t n = strcspn(text, ";");
    transcript_add(ctx, "%u fault [%s] %s: %.*s\n", line, section != NULL ? section : "", key != NULL ? key : "",
                   (int)n, text);
}

static const struct ini_events events = {on_section, on_entry, on_fault};

#define TEN "0123456789"
#define FORTYNINE TEN TEN TEN TEN "012345678"

static const struct {
    const char *text, *expected;
} cases[] = {
    {"", ""},
    {"[a]\nk = v\n", "1 [a]\n2 [a] k=v.\n"},
    {"[a]\r\nk=v\r\n", "1 [a]\n2 [a] k=v.\n"},
    {"\xef\xbb\xbf[a]\nk=v", "1 [a]\n2 [a] k=v.\n"},
    {"  [a]  \n\t k\t= \t v w \t\n", "1 [a]\n2 [a] k=v w.\n"},
    {"# c\n\n ; c = d\n[a]\n #x=y\nk = v", "4 [a]\n6 [a] k=v.\n"},
    /* What inih would fold into the line above. */
    {"[a]\ng = x\n    d = y\n", "1 [a]\n2 [a] g=x.\n3 [a] d=y.\n"},
    {"[a]\ng = x\n    y\n", "1 [a]\n2 [a] g=x.\n3 fault [a] : neither a section, nor key = value, nor a comment\n"},
    /* Values. */
    {"[a]\nk =\n", "1 [a]\n2 [a] k=.\n"},
    {"[a]\nk = #\n", "1 [a]\n2 [a] k=#.\n"},
    {"[a]\nk = a=b:c\n", "1 [a]\n2 [a] k=a=b:c.\n"},
    {"[a]\nk = a;b#c\n", "1 [a]\n2 [a] k=a;b#c.\n"},
    {"[a]\nk = \"a b\"\n", "1 [a]\n2 [a] k=\"a b\".\n"},
    {"[a]\nk = v # c\nl = v ;c\nm = ; c\n",
     "1 [a]\n2 fault [a] k: white space followed by '\n3 fault [a] l: white space followed by '\n"
     "4 fault [a] m: white space followed by '\n"},
    {"[a]\nk = a\tb\n", "1 [a]\n2 fault [a] k: a tab in the middle of a value\n"},
    {"[a]\nk = a\x01\n", "1 [a]\n2 fault [a] : a control character or zero byte in the line\n"},
    {"[a]\nk = \xc3\xa4\n", "1 [a]\n2 [a] k=\xc3\xa4.\n"},
    /* Keys. */
    {"k = v\n[a]\n", "1 fault [] k: a key before the first section\n2 [a]\n"},
    {"[a]\n= v\n", "1 [a]\n2 fault [a] : a value without a key\n"},
    {"[a]\nk: v\n", "1 [a]\n2 fault [a] : neither a section, nor key = value, nor a comment\n"},
    {"[a]\nk:l = v\n", "1 [a]\n2 fault [a] : a ':' in front of the '='\n"},
    {"[a]\nk l = v\n", "1 [a]\n2 fault [a] : this is not a key: it has a blank, '\n"},
    {"[a]\nk;l = v\n", "1 [a]\n2 fault [a] : this is not a key: it has a blank, '\n"},
    {"[a]\n" FORTYNINE " = v\n", "1 [a]\n2 [a] " FORTYNINE "=v.\n"},
    {"[a]\n" FORTYNINE "9 = v\n", "1 [a]\n2 fault [a] : the key is longer than 49 bytes\n"},
    /* Sections. What stands under a faulty one belongs to none. */
    {"[a b;c ;d]\nk=v\n", "1 [a b;c ;d]\n2 [a b;c ;d] k=v.\n"},
    {"[]\nk=v\n[a]\n", "1 fault [] : a section without a name\n3 [a]\n"},
    {"[a]\n[b\nk=v\n", "1 [a]\n2 fault [] : a section without its ']'\n"},
    {"[a]\n[b] c\nk=v\n", "1 [a]\n2 fault [] : text after the ']' of a section\n"},
    {"[a]b]\n", "1 fault [] : text after the ']' of a section\n"},
    {"[ a]\n", "1 fault [] : the section's name begins or ends with a blank, or has a tab in it\n"},
    {"[a]\n[\x02]\nk=v\n", "1 [a]\n2 fault [] : a control character or zero byte in the line\n"},
    {"[" FORTYNINE "]\nk=v", "1 [" FORTYNINE "]\n2 [" FORTYNINE "] k=v.\n"},
    {"[" FORTYNINE "9]\nk=v", "1 fault [] : the section's name is longer than 49 bytes\n"},
    {"[a]\n[a]\n", "1 [a]\n2 [a]\n"},
};

static void lines_are_taken_as_they_stand(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct transcript t = {.n = 0};
        ini_lines_parse(bytes_str(cases[i].text), &events, &t);
        if (strcmp(t.text, cases[i].expected) != 0)
            fail_msg("case %zu:\n%s\ngave\n%s\nexpected\n%s", i, cases[i].text, t.text, cases[i].expected);
    }
}

static void a_zero_byte_is_refused(void **state)
{
    static const char text[] = "[a]\nk = v\0w\nl = x\n# c\0\n";
    struct transcript t = {.n = 0};
    (void)state;
    ini_lines_parse(bytes_of(text, sizeof text - 1), &events, &t);
    assert_string_equal(t.text,
                        "1 [a]\n2 fault [a] : a control character or zero byte in the line\n3 [a] l=x.\n"
                        "4 fault [a] : a control character or zero byte in the line\n");
}

static void the_longest_line_passes_whole_and_one_more_byte_does_not(void **state)
{
    char text[512], value[256];
    (void)state;
    for (size_t n = INI_LINE_MAX - 2; n <= INI_LINE_MAX + 1; n++) {
        struct transcript t = {.n = 0};
        memset(value, 'v', n - 2);
        value[n - 2] = '\0';
        snprintf(text, sizeof text, "[a]\n   k   =   %s   \nnext = 1\n", value);
        ini_lines_parse(bytes_str(text), &events, &t);
        char expected[512];
        if (n <= INI_LINE_MAX)
            snprintf(expected, sizeof expected, "1 [a]\n2 [a] k=%s.\n3 [a] next=1.\n", value);
        else
            snprintf(expected, sizeof expected, "1 [a]\n2 fault [a] k: the line is too long\n3 [a] next=1.\n");
        assert_string_equal(t.text, expected);
    }
}

static void files_are_read_whole(void **state)
{
    char path[] = "/tmp/sotto-ini-XXXXXX", text[9000];
    struct bytes got;
    unsigned mode;
    int fd = mkstemp(path);
    (void)state;
    memset(text, 'x', sizeof text);
    assert_int_equal(write(fd, text, sizeof text), sizeof text);
    close(fd);
    assert_int_equal(ini_lines_load(path, &got, &mode), 0);
    assert_int_equal(got.n, sizeof text);
    assert_memory_equal(got.p, text, sizeof text);
    assert_int_equal(mode, 0600);
    mem_free((void *)(uintptr_t)got.p);
    unlink(path);
    assert_int_equal(ini_lines_load(path, &got, NULL), ENOENT);
    assert_int_equal(ini_lines_load("/tmp", &got, NULL), EISDIR);
}

static void the_nearest_name_is_found(void **state)
{
    static const char *const names[] = {"publish", "subscribe", "deny", "max_connections", NULL};
    static const char *const pairs[][2] = {{"publsh", "publish"}, {"subcsribe", "subscribe"},
                                           {"dney", "deny"},      {"max_conections", "max_connections"},
                                           {"xyz", NULL},         {"", NULL}};
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        const char *near = ini_lines_nearest(pairs[i][0], names);
        if (pairs[i][1] == NULL)
            assert_null(near);
        else
            assert_string_equal(near != NULL ? near : "", pairs[i][1]);
    }
    assert_null(ini_lines_nearest(FORTYNINE FORTYNINE, names));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_taken_as_they_stand),
        cmocka_unit_test(a_zero_byte_is_refused),
        cmocka_unit_test(the_longest_line_passes_whole_and_one_more_byte_does_not),
        cmocka_unit_test(files_are_read_whole),
        cmocka_unit_test(the_nearest_name_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
