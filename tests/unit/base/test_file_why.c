/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Why a file can't be used: who, the mode, the owner, the command. */
#include "unit_base.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sotto/base/file_why.h"

#define STRANGER 12345

static void expect(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' is not in '%s'", part, text);
}

static void a_missing_file_is_said_to_be_missing(void **state)
{
    char why[512];
    (void)state;
    file_why_read("/nowhere/x", ENOENT, why, sizeof why);
    expect(why, "can't be read: No such file or directory; check the name");
}

static void what_everybody_may_write_is_found(void **state)
{
    char why[512] = "as it was";
    (void)state;
    assert_false(file_why_open_to_all("/x", 0100644, why, sizeof why));
    assert_false(file_why_open_to_all("/x", 0100660, why, sizeof why));
    assert_string_equal(why, "as it was");
    assert_true(file_why_open_to_all("/x", 0100602, why, sizeof why));
    expect(why, "it is mode 0602): sudo chmod o-w /x");
}

static void a_folder_says_whom_it_refuses(void **state)
{
    char why[512], part[128];
    struct stat st;
    (void)state;
    assert_int_equal(stat("/tmp", &st), 0);
    file_why_folder("/tmp", STRANGER, EACCES, why, sizeof why);
    snprintf(part, sizeof part, "by user %d (it is mode %04o, owner %u): sudo chown -R %d /tmp", STRANGER,
             (unsigned)st.st_mode & 07777u, (unsigned)st.st_uid, STRANGER);
    expect(why, part);
    file_why_folder("/tmp", 0, EROFS, why, sizeof why);
    expect(why, "mounted read-only");
    file_why_folder("/nowhere/x", STRANGER, EACCES, why, sizeof why);
    expect(why, "sudo install -d -o 12345 /nowhere/x");
}

/* Whom the kernel refuses depends on who asks, so a stranger asks, in a process of its own. */
static void ask_as_stranger(const char *path, bool folder, char *why, size_t cap)
{
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (setgid(STRANGER) != 0 || setuid(STRANGER) != 0)
            _exit(1);
        if (folder)
            file_why_folder(path, STRANGER, EACCES, why, cap);
        else
            file_why_read(path, EACCES, why, cap);
        _exit(write(ends[1], why, strlen(why) + 1) > 0 ? 0 : 1);
    }
    close(ends[1]);
    assert_true(read(ends[0], why, cap) > 0);
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void a_refused_file_or_folder_is_named(void **state)
{
    char folder[] = "/tmp/sotto-why-XXXXXX", inner[64], file[80], why[512];
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chmod(folder, 0755), 0);
    snprintf(inner, sizeof inner, "%s/inner", folder);
    snprintf(file, sizeof file, "%s/file", inner);
    assert_int_equal(mkdir(inner, 0755), 0);
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(chmod(file, 0640), 0);
    ask_as_stranger(file, false, why, sizeof why);
    expect(why, "can't be read by user 12345 (it is mode 0640, owner 0): sudo chown 12345 ");
    expect(why, " && sudo chmod 0600 ");
    assert_int_equal(chmod(inner, 0700), 0);
    ask_as_stranger(file, false, why, sizeof why);
    expect(why, "/inner does not let it in (it is mode 0700, owner 0): sudo chmod o+x ");
    ask_as_stranger(file, true, why, sizeof why);
    expect(why, "/inner does not let it in (it is mode 0700, owner 0): sudo chmod o+x ");
    unlink(file);
    rmdir(inner);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_file_is_said_to_be_missing),
        cmocka_unit_test(what_everybody_may_write_is_found),
        cmocka_unit_test(a_folder_says_whom_it_refuses),
        cmocka_unit_test(a_refused_file_or_folder_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
