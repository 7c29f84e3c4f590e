/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a first start makes, and what `sotto check` finds outside the file. */
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "sotto/server/accounts.h"
#include "sotto/server/environment.h"
#include "sotto/server/first_start.h"
#include "sotto/server/server.h"
#include "sotto/store/password.h"
#include "sotto/store/users.h"

static const char *const variables[] = {"SOTTO_DATA", "SOTTO_USER", "SOTTO_PASSWORD", "SOTTO_PASSWORD_FILE",
                                        "SOTTO_HOST"};

struct rig {
    char folder[64], data[96], file[128], report[4096];
};

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    strcpy(r->folder, "/tmp/sotto-first-XXXXXX");
    assert_non_null(mkdtemp(r->folder));
    chmod(r->folder, 0755); /* a check as another user looks into it */
    snprintf(r->data, sizeof r->data, "%s/a/data", r->folder);
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        unsetenv(variables[i]);
    setenv("SOTTO_DATA", r->data, 1);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", r->folder);
    int status = system(command);
    free(r);
    return status;
}

static const char *in(struct rig *r, const char *name)
{
    snprintf(r->file, sizeof r->file, "%s/%s", r->folder, name);
    return r->file;
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    chmod(path, 0600);
}

static unsigned mode(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_mode & 07777 : 0;
}

static bool opens(const char *path, const char *name, const char *password)
{
    struct users *u = users_load(path, NULL, NULL);
    assert_non_null(u);
    const char *hash = users_password(u, bytes_str(name));
    bool good = hash != NULL && password_verify(bytes_str(password), hash);
    /* The other line has to be of the same password. */
    struct scram_verifier v, made;
    bool scram = users_scram(u, bytes_str(name), &v) &&
                 scram_verifier_make(bytes_str(password), bytes_of(v.salt, v.salt_n), v.iterations, &made) &&
                 memcmp(made.stored_key, v.stored_key, sizeof(v.stored_key)) == 0;
    assert_int_equal(scram, good);
    users_unref(u);
    return good;
}

static void the_builtin_configuration_gets_all_it_needs(void **state)
{
    struct rig *r = *state;
    char err[512] = "";
    setenv("SOTTO_USER", "joe", 1);
    setenv("SOTTO_PASSWORD", "secret", 1);
    struct config *c = config_default();
    if (first_start(c, err, sizeof err) != 0)
        fail_msg("%s", err);
    assert_int_equal(mode(r->data), 0700);
    assert_int_equal(mode(in(r, "a/data/server.key")), 0600);
    assert_int_equal(mode(in(r, "a/data/users.ini")), 0600);
    assert_string_equal(c->users, in(r, "a/data/users.ini"));
    assert_true(opens(c->users, "joe", "secret"));
    config_free(c);
    /* Once more: what is there stays, whatever the environment says by now. */
    struct stat before, after;
    assert_int_equal(stat(in(r, "a/data/server.crt"), &before), 0);
    setenv("SOTTO_PASSWORD", "another", 1);
    c = config_default();
    assert_int_equal(first_start(c, err, sizeof err), 0);
    assert_int_equal(stat(in(r, "a/data/server.crt"), &after), 0);
    assert_true(before.st_ino == after.st_ino && before.st_size == after.st_size);
    assert_true(opens(c->users, "joe", "secret"));
    config_free(c);
}

static void ignore(void *ctx, const char *line)
{
    (void)ctx, (void)line;
}

static struct config *configured(struct rig *r, const char *auth)
{
    char text[1024];
    snprintf(text, sizeof text,
             "[broker]\ndata_dir = data\n[auth]\nanonymous = on\n%s[listener.a]\naddress = 127.0.0.1\n", auth);
    struct config *c = config_parse(in(r, "sotto.ini"), bytes_str(text), ignore, NULL);
    assert_non_null(c);
    return c;
}

static void a_configuration_gets_its_first_user(void **state)
{
    struct rig *r = *state;
    char err[512] = "";
    write_text(in(r, "password"), "from a file\nnot this\n");
    setenv("SOTTO_USER", "joe", 1);
    setenv("SOTTO_PASSWORD_FILE", in(r, "password"), 1);
    struct config *c = configured(r, "users = u.ini\n");
    assert_int_equal(first_start(c, err, sizeof err), 0);
    assert_true(opens(in(r, "u.ini"), "joe", "from a file"));
    assert_int_equal(access(in(r, "data/ca.crt"), F_OK), -1); /* certificates are the configuration's affair */
    config_free(c);
}

static void a_user_without_a_place_or_a_password_is_an_error(void **state)
{
    struct rig *r = *state;
    char err[512] = "";
    setenv("SOTTO_USER", "joe", 1);
    struct config *c = configured(r, "users = u.ini\n");
    assert_int_equal(first_start(c, err, sizeof err), -1);
    assert_non_null(strstr(err, "SOTTO_USER is set without a password"));
    setenv("SOTTO_PASSWORD_FILE", in(r, "none"), 1);
    assert_int_equal(first_start(c, err, sizeof err), -1);
    assert_non_null(strstr(err, "No such file"));
    setenv("SOTTO_PASSWORD", "x", 1);
    setenv("SOTTO_USER", "*", 1);
    assert_int_equal(first_start(c, err, sizeof err), -1);
    assert_non_null(strstr(err, "reserved"));
    config_free(c);
    c = configured(r, "");
    assert_int_equal(first_start(c, err, sizeof err), -1);
    assert_non_null(strstr(err, "[auth] users names no file"));
    config_free(c);
    unsetenv("SOTTO_USER");
    unsetenv("SOTTO_PASSWORD");
    unsetenv("SOTTO_PASSWORD_FILE");
    c = configured(r, "");
    assert_int_equal(first_start(c, err, sizeof err), 0);
    config_free(c);
}

static void an_account_needs_a_name_and_a_password(void **state)
{
    struct rig *r = *state;
    char err[512] = "";
    assert_int_equal(accounts_set(in(r, "u.ini"), bytes_str("a]"), bytes_str("x"), err, sizeof err), -1);
    assert_int_equal(accounts_set(in(r, "u.ini"), bytes_str("a"), bytes_str(""), err, sizeof err), -1);
    assert_non_null(strstr(err, "a password of 0 bytes"));
    assert_int_equal(access(in(r, "u.ini"), F_OK), -1);
    assert_int_equal(accounts_set(in(r, "u.ini"), bytes_str("a"), bytes_str("x"), err, sizeof err), 0);
    assert_true(opens(r->file, "a", "x"));
    assert_int_equal(accounts_delete(in(r, "u.ini"), bytes_str("a"), err, sizeof err), 0);
    assert_int_equal(accounts_delete(in(r, "u.ini"), bytes_str("a"), err, sizeof err), -1);
}

static void collect(void *ctx, const char *line)
{
    struct rig *r = ctx;
    size_t n = strlen(r->report);
    snprintf(r->report + n, sizeof r->report - n, "%s\n", line);
}

static unsigned check(struct rig *r, const char *text)
{
    r->report[0] = '\0';
    struct config *c = config_parse(in(r, "sotto.ini"), bytes_str(text), collect, r);
    if (c == NULL)
        fail_msg("%s", r->report);
    unsigned n = server_check(c, collect, r);
    config_free(c);
    return n;
}

static void a_check_finds_everything_that_is_named(void **state)
{
    struct rig *r = *state;
    char err[512] = "";
    chmod(r->folder, 0777); /* for whichever user the check becomes */
    assert_int_equal(
        check(r, "[broker]\ndata_dir = new/er\n[auth]\nanonymous = on\n[listener.a]\naddress = 127.0.0.1\n"), 0);
    write_text(in(r, "empty.ini"), "# nobody\n");
    chmod(r->file, 0644);
    write_text(in(r, "bad.ini"), "[a]\npassword = x\nfoo = y\n");
    chmod(r->file, 0644);
    assert_int_equal(check(r,
                           "[broker]\ndata_dir = empty.ini\n[auth]\nusers = bad.ini\n"
                           "[listener.a]\naddress = 192.0.2.77\n"
                           "[listener.b]\naddress = unix:none/s\n"
                           "[listener.c]\naddress = 127.0.0.1\ntls = on\ncert = no.crt\nkey = no.key\n"),
                     7);
    static const char *const expected[] = {"bad.ini:2: [a] password: not a password hash",
                                           "bad.ini:3: [a] foo: unknown key",
                                           "sotto.ini: [broker] data_dir: ",
                                           "sotto.ini:5: [listener.a] address: 192.0.2.77 can't be listened on",
                                           "sotto.ini:7: [listener.b] address: no socket can be made in",
                                           "sotto.ini:9: [listener.c] cert: ",
                                           "sotto.ini:9: [listener.c] key: "};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        if (strstr(r->report, expected[i]) == NULL)
            fail_msg("'%s' is not in\n%s", expected[i], r->report);
    }
    assert_int_equal(check(r, "[broker]\ndata_dir = .\n[auth]\nusers = empty.ini\n[listener.a]\naddress = 127.0.0.1\n"),
                     1);
    assert_non_null(strstr(r->report, "[auth] users: "));
    assert_int_equal(accounts_set(in(r, "empty.ini"), bytes_str("a"), bytes_str("x"), err, sizeof err), 0);
    assert_int_equal(check(r, "[broker]\ndata_dir = .\n[auth]\nusers = empty.ini\n[listener.a]\naddress = 127.0.0.1\n"),
                     0);
}

/* As docker/sotto.ini has it: all below the data directory. */
static struct config *contained(struct rig *r, const char *more)
{
    char text[1024];
    snprintf(text, sizeof text,
             "[broker]\ndata_dir = here\n%s[auth]\nusers = here/users/users.ini\n[listener.a]\naddress = 127.0.0.1\n"
             "tls = on\ncert = here/certs/server.crt\nkey = here/certs/server.key\n",
             more);
    struct config *c = config_parse(in(r, "sotto.ini"), bytes_str(text), ignore, NULL);
    assert_non_null(c);
    return c;
}

static void what_lies_in_the_data_directory_is_made(void **state)
{
    struct rig *r = *state;
    char err[512] = "", password[64] = "";
    unsetenv("SOTTO_DATA");
    setenv("SOTTO_HOST", "broker.example, 192.0.2.7", 1);
    struct config *c = contained(r, "");
    if (first_start(c, err, sizeof err) != 0)
        fail_msg("%s", err);
    assert_int_equal(mode(in(r, "here/certs/server.key")), 0600);
    assert_int_equal(mode(in(r, "here/certs/ca.crt")), 0644);
    assert_int_equal(mode(in(r, "here/users/users.ini")), 0600);
    assert_int_equal(mode(in(r, "here/first-password")), 0600);
    FILE *f = fopen(in(r, "here/first-password"), "r");
    assert_non_null(f);
    assert_non_null(fgets(password, sizeof password, f));
    fclose(f);
    password[strcspn(password, "\n")] = '\0';
    assert_int_equal(strlen(password), 16);
    assert_true(opens(in(r, "here/users/users.ini"), "sotto", password));
    config_free(c);
    /* A pair that is not there by the names we make, and a key without its certificate, are somebody's mistake. */
    assert_int_equal(unlink(in(r, "here/certs/server.crt")), 0);
    c = contained(r, "");
    assert_int_equal(first_start(c, err, sizeof err), 0);
    assert_int_equal(access(in(r, "here/certs/server.crt"), F_OK), -1);
    config_free(c);
}

/* Both pairs are named, and somebody's own stands in place of one. */
static void a_pair_of_somebody_else_stays_alone(void **state)
{
    struct rig *r = *state;
    char err[512] = "";
    static const char both[] =
        "[listener.b]\naddress = 127.0.0.1\ntls = on\ncert = here/certs/server.crt\n"
        "key = here/certs/server.key\ncert = here/certs/server-ec.crt\n"
        "key = here/certs/server-ec.key\n[auth]\nanonymous = on\n[broker]\ndata_dir = here\n";
    unsetenv("SOTTO_DATA");
    struct config *c = config_parse(in(r, "sotto.ini"), bytes_str(both), ignore, NULL);
    assert_non_null(c);
    assert_int_equal(first_start_leave_out(c), 0); /* both are to be made */
    if (first_start(c, err, sizeof err) != 0)
        fail_msg("%s", err);
    assert_int_equal(c->listeners[0].pairs_n, 2);
    assert_int_equal(first_start_leave_out(c), 0); /* both are there */
    assert_int_equal(unlink(in(r, "here/certs/server-ec.key")), 0);
    assert_int_equal(first_start_leave_out(c), 0); /* half of it is somebody's mistake */
    assert_int_equal(unlink(in(r, "here/certs/server-ec.crt")), 0);
    assert_int_equal(first_start(c, err, sizeof err), 0);
    assert_int_equal(c->listeners[0].pairs_n, 1);
    assert_non_null(strstr(c->listeners[0].pairs[0].cert, "/server.crt"));
    config_free(c);
    c = config_parse(in(r, "sotto.ini"), bytes_str(both), ignore, NULL);
    assert_int_equal(link(c->listeners[0].pairs[0].cert, c->listeners[0].pairs[1].cert), 0);
    assert_int_equal(link(c->listeners[0].pairs[0].key, c->listeners[0].pairs[1].key), 0);
    assert_int_equal(unlink(c->listeners[0].pairs[0].cert), 0);
    assert_int_equal(unlink(c->listeners[0].pairs[0].key), 0);
    assert_int_equal(first_start_leave_out(c), 1);
    assert_int_equal(c->listeners[0].pairs_n, 1);
    assert_non_null(strstr(c->listeners[0].pairs[0].key, "/server-ec.key"));
    config_free(c);
}

static void the_environment_moves_the_data_directory(void **state)
{
    struct rig *r = *state;
    char wanted[160];
    struct config *c = contained(r, "");
    environment_apply(c);
    assert_string_equal(c->data_dir, r->data);
    snprintf(wanted, sizeof wanted, "%s/users/users.ini", r->data);
    assert_string_equal(c->users, wanted);
    snprintf(wanted, sizeof wanted, "%s/certs/server.crt", r->data);
    assert_string_equal(c->listeners[0].pairs[0].cert, wanted);
    snprintf(wanted, sizeof wanted, "%s/certs/server.key", r->data);
    assert_string_equal(c->listeners[0].pairs[0].key, wanted);
    config_free(c);
    c = configured(r, "users = elsewhere.ini\n");
    environment_apply(c);
    assert_string_equal(c->users, in(r, "elsewhere.ini"));
    config_free(c);
    setenv("SOTTO_DATA", "", 1);
    c = configured(r, "");
    environment_apply(c);
    assert_string_equal(c->data_dir, in(r, "data"));
    config_free(c);
}

static void a_path_is_inside_or_not(void **state)
{
    (void)state;
    assert_true(environment_inside("/a", "/a/b"));
    assert_true(environment_inside("/a/", "/a/b/c"));
    assert_false(environment_inside("/a", "/ab/c"));
    assert_false(environment_inside("/a", "/a"));
    assert_false(environment_inside("/a", "/a/"));
    assert_false(environment_inside("/", "/a"));
    assert_false(environment_inside("", "/a"));
}

/* Docker makes missing folders for root; the broker becomes somebody else. */
static void a_fresh_folder_is_handed_over(void **state)
{
    struct rig *r = *state;
    char err[512] = "";
    struct stat st;
    if (geteuid() != 0)
        skip();
    unsetenv("SOTTO_DATA");
    const struct passwd *nobody = getpwnam("nobody");
    assert_non_null(nobody);
    assert_int_equal(mkdir(in(r, "here"), 0755), 0);
    assert_int_equal(mkdir(in(r, "here/certs"), 0755), 0);
    struct config *c = contained(r, "user = nobody\n");
    if (first_start(c, err, sizeof err) != 0)
        fail_msg("%s", err);
    assert_int_equal(stat(in(r, "here"), &st), 0);
    assert_int_equal(st.st_uid, nobody->pw_uid);
    assert_int_equal(stat(in(r, "here/certs/server.key"), &st), 0);
    assert_int_equal(st.st_uid, nobody->pw_uid);
    assert_int_equal(stat(in(r, "here/certs/ca.key"), &st), 0);
    assert_int_equal(st.st_uid, 0);
    assert_int_equal(stat(in(r, "here/users/users.ini"), &st), 0);
    assert_int_equal(st.st_uid, nobody->pw_uid);
    /* One that somebody uses is not taken, but said: who, whose, and what to do. */
    assert_int_equal(chown(in(r, "here"), 0, 0), 0);
    assert_int_equal(first_start(c, err, sizeof err), -1);
    snprintf(r->report, sizeof r->report, "can't be written by user %u (it is mode 0755, owner 0): sudo chown -R %u ",
             (unsigned)nobody->pw_uid, (unsigned)nobody->pw_uid);
    assert_non_null(strstr(err, r->report));
    config_free(c);
}

static void an_empty_configuration_folder_is_filled(void **state)
{
    struct rig *r = *state;
    char packaged[128], text[64] = "";
    write_text(in(r, "packaged.ini"), "# ours\n");
    strcpy(packaged, r->file);
    assert_false(first_start_copy_config(packaged, in(r, "etc/sotto.ini")));
    assert_int_equal(mkdir(in(r, "etc"), 0755), 0);
    assert_true(first_start_copy_config(packaged, in(r, "etc/sotto.ini")));
    assert_int_equal(mode(in(r, "etc/sotto.ini")), 0644);
    FILE *f = fopen(r->file, "r");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof text, f));
    fclose(f);
    assert_string_equal(text, "# ours\n");
    write_text(in(r, "etc/sotto.ini"), "# mine\n");
    assert_false(first_start_copy_config(packaged, in(r, "etc/sotto.ini")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_builtin_configuration_gets_all_it_needs, setup, teardown),
        cmocka_unit_test_setup_teardown(a_configuration_gets_its_first_user, setup, teardown),
        cmocka_unit_test_setup_teardown(a_user_without_a_place_or_a_password_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(an_account_needs_a_name_and_a_password, setup, teardown),
        cmocka_unit_test_setup_teardown(what_lies_in_the_data_directory_is_made, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pair_of_somebody_else_stays_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(the_environment_moves_the_data_directory, setup, teardown),
        cmocka_unit_test_setup_teardown(a_path_is_inside_or_not, setup, teardown),
        cmocka_unit_test_setup_teardown(a_fresh_folder_is_handed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(an_empty_configuration_folder_is_filled, setup, teardown),
        cmocka_unit_test_setup_teardown(a_check_finds_everything_that_is_named, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
