/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit_store.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sotto/store/users.h"

#define OLD "$argon2id$v=19$m=64,t=2,p=2$c29tZXNhbHRzYWx0$vT9ohAnsShQO1BHCSPk+XMVLL2yfuxnv"
#define NEW "$argon2id$v=19$m=64,t=3,p=1$MDEyMzQ1Njc4OWFiY2RlZg$7uDD4c2ZCroP6umVVTx+UE4Ty6zXKLJloo5YX7iRSCQ"

#define OLD_SCRAM                                                                                                      \
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"                        \
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define NEW_SCRAM                                                                                                      \
    "SCRAM-SHA-256$5000:MDEyMzQ1Njc4OWFiY2RlZg==$4f1Q4cJI1M9fkmMGJ7LtZM4QcTPk3Cb2aBxNFj3sK94=:V4ZLXI/"                 \
    "AylX5rqv2ANbTvLLCdPhu3WZoBb+6qEy/WTA="
#define NEW_LF NEW "\nscram = " NEW_SCRAM "\n"
#define NEW_CRLF NEW "\r\nscram = " NEW_SCRAM "\r\n"

struct rig {
    char folder[64], path[128];
};

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    strcpy(r->folder, "/tmp/sotto-users-XXXXXX");
    assert_non_null(mkdtemp(r->folder));
    snprintf(r->path, sizeof r->path, "%s/users.ini", r->folder);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    unlink(r->path);
    rmdir(r->folder); /* fails, and the next test too, where something was left behind */
    free(r);
    return 0;
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void expect_text(const char *path, const char *expected)
{
    char text[4096] = "";
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    assert_string_equal(text, expected);
}

static const struct {
    const char *before, *name; /* name with '-' in front: delete */
    const char *after;         /* NULL: refused, nothing changed */
} edits[] = {
    {"", "a", "[a]\npassword = " NEW_LF},
    {"[b]\n", "a", "[b]\n\n[a]\npassword = " NEW_LF},
    {"[b]", "a", "[b]\n\n[a]\npassword = " NEW_LF},
    {"# head\n[a]\n# mine\npassword = " OLD "\npublish = x\n\n# b's\n[b]\n", "a",
     "# head\n[a]\n# mine\npassword = " NEW_LF "publish = x\n\n# b's\n[b]\n"},
    {"[a]\npublish = x\n[b]\npassword = " OLD "\n", "a",
     "[a]\npassword = " NEW_LF "publish = x\n[b]\npassword = " OLD "\n"},
    {"  [a]\n\tpassword=" OLD, "a", "  [a]\npassword = " NEW_LF},
    {"[a]", "a", "[a]\npassword = " NEW_LF},
    {"[a]\r\npassword = " OLD "\r\npublish = x\r\n", "a", "[a]\r\npassword = " NEW_CRLF "publish = x\r\n"},
    {"[a]\npassword = " OLD "\n# c\nscram = " OLD_SCRAM "\npublish = x\n", "a",
     "[a]\npassword = " NEW_LF "# c\npublish = x\n"},
    {"[a]\nscram = " OLD_SCRAM "\n# c\npublish = x\npassword = " OLD, "a",
     "[a]\npassword = " NEW_LF "# c\npublish = x\n"},
    {"[a]\npublish = x\nscram = " OLD_SCRAM, "a", "[a]\npublish = x\npassword = " NEW_LF},
    {"[a]\nscram = " OLD_SCRAM "\n[b]\nscram = " OLD_SCRAM "\n", "-a", "[b]\nscram = " OLD_SCRAM "\n"},
    {"[a]\nscram = x\n", "a", NULL},
    {"[b]\r\n", "a", "[b]\r\n\r\n[a]\r\npassword = " NEW_CRLF},
    {"\xef\xbb\xbf[a]\n", "a", "\xef\xbb\xbf[a]\npassword = " NEW_LF},
    {"# [a]\n;password = x\n", "a", "# [a]\n;password = x\n\n[a]\npassword = " NEW_LF},
    {"[a]\n", "a ;b", "[a]\n\n[a ;b]\npassword = " NEW_LF},
    {"# head\n[a]\npassword = " OLD "\n# mine\npublish = x\n\n# b's\n[b]\npublish = y\n", "-a",
     "# head\n\n# b's\n[b]\npublish = y\n"},
    {"[b]\npublish = y\n[a]\n", "-a", "[b]\npublish = y\n"},
    {"[a]", "-a", ""},
    {"[b]\n", "-a", NULL},
    {"[a]\n[a]\n", "a", NULL},
    {"[a]\npassword = plain\n", "a", NULL},
    {"[b]\nfoo\n", "a", NULL},
};

static void only_the_users_lines_change(void **state)
{
    struct rig *r = *state;
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        char err[512] = "";
        const char *name = edits[i].name;
        write_text(r->path, edits[i].before);
        int status = name[0] == '-' ? users_file_delete(r->path, bytes_str(name + 1), err, sizeof err)
                                    : users_file_set(r->path, bytes_str(name), NEW, NEW_SCRAM, err, sizeof err);
        assert_int_equal(status, edits[i].after != NULL ? 0 : -1);
        assert_int_equal(err[0] != '\0', edits[i].after == NULL);
        assert_null(strchr(err, '\n'));
        expect_text(r->path, edits[i].after != NULL ? edits[i].after : edits[i].before);
    }
}

static void a_new_file_is_private_and_an_old_one_keeps_its_mode(void **state)
{
    struct rig *r = *state;
    struct stat st;
    char err[512];
    assert_int_equal(users_file_delete(r->path, bytes_str("a"), err, sizeof err), -1);
    assert_int_equal(access(r->path, F_OK), -1);
    assert_int_equal(users_file_set(r->path, bytes_str("a"), NEW, NEW_SCRAM, err, sizeof err), 0);
    assert_int_equal(stat(r->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    ino_t before = st.st_ino;
    chmod(r->path, 0640);
    assert_int_equal(users_file_set(r->path, bytes_str("b"), NEW, NEW_SCRAM, err, sizeof err), 0);
    assert_int_equal(stat(r->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_true(st.st_ino != before); /* a new file took its place: whoever reads sees the old or the new one */
}

static void a_link_stays_a_link(void **state)
{
    struct rig *r = *state;
    char link[160], err[512];
    struct stat st;
    snprintf(link, sizeof link, "%s/link.ini", r->folder);
    write_text(r->path, "[a]\n");
    assert_int_equal(symlink("users.ini", link), 0);
    assert_int_equal(users_file_set(link, bytes_str("a"), NEW, NEW_SCRAM, err, sizeof err), 0);
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    unlink(link);
    expect_text(r->path, "[a]\npassword = " NEW_LF);
}

static void what_cannot_be_done_is_said(void **state)
{
    struct rig *r = *state;
    char path[160], err[512];
    snprintf(path, sizeof path, "%s/none/users.ini", r->folder);
    assert_int_equal(users_file_set(path, bytes_str("a"), NEW, NEW_SCRAM, err, sizeof err), -1);
    assert_non_null(strstr(err, "No such file or directory"));
    assert_int_equal(users_file_set(r->folder, bytes_str("a"), NEW, NEW_SCRAM, err, sizeof err), -1);
    assert_non_null(strstr(err, "Is a directory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_the_users_lines_change, setup, teardown),
        cmocka_unit_test_setup_teardown(a_new_file_is_private_and_an_old_one_keeps_its_mode, setup, teardown),
        cmocka_unit_test_setup_teardown(a_link_stays_a_link, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_done_is_said, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
