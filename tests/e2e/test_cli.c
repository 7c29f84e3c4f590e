/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The commands of the program, and its messages to people. */
#include "e2e/e2e.h"

#include <sys/stat.h>
#include <unistd.h>

/* Runs `sotto ARG...` and expects the status; the output is returned, malloced. */
static char *sotto(int status, const char *input, const char *const arguments[])
{
    const char *argv[16] = {sotto_bin()};
    struct program p;
    size_t n = 0;

    while (arguments[n] != NULL && n < 14) {
        argv[n + 1] = arguments[n];
        n++;
    }
    program_run(&p, status, input, argv);
    char *output = strdup(p.output);
    program_fini(&p);
    return output;
}

static void expect_text(char *output, const char *const texts[])
{
    for (; *texts != NULL; texts++) {
        if (strstr(output, *texts) == NULL)
            fail_msg("'%s' is not in:\n%s", *texts, output);
    }
    free(output);
}

static unsigned lines(const char *text)
{
    unsigned n = 0;
    for (; *text != '\0'; text++)
        n += *text == '\n';
    return n;
}

static unsigned mode(struct broker *b, const char *name)
{
    struct stat info;
    if (stat(broker_path(b, name), &info) != 0)
        fail_msg("%s is not there", name);
    return info.st_mode & 0777;
}

static void version_names_the_libraries(void **state)
{
    (void)state;
    expect_text(sotto(0, NULL, ARGV("version")), ARGV("sotto", "wolfSSL", "libuv"));
}

static void help_lists_the_commands(void **state)
{
    (void)state;
    expect_text(sotto(0, NULL, ARGV("help")), ARGV("run", "check", "passwd", "cert", "version"));
    expect_text(sotto(0, NULL, ARGV("help", "passwd")), ARGV("passwd FILE USER"));
}

static void wrong_usage_ends_with_2_and_one_line(void **state)
{
    static const char *const wrong[][5] = {
        {"nonsense"}, {"run", "-x"},   {"run", "more"}, {"check", "-c"},  {"passwd"},           {"passwd", "a"},
        {"cert"},     {"cert", "bad"}, {"clients"},     {"cert", "init"}, {"help", "nonsense"}, {"acl", "explain"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char *output = sotto(2, NULL, wrong[i]);
        if (lines(output) != 1 || strncmp(output, "sotto", 5) != 0)
            fail_msg("not one line that begins with sotto, for '%s %s':\n%s", wrong[i][0],
                     wrong[i][1] != NULL ? wrong[i][1] : "", output);
        free(output);
    }
}

static void a_named_configuration_must_be_there(void **state)
{
    const char *missing = broker_path(*state, "missing.ini");
    expect_text(sotto(1, NULL, ARGV("run", "-c", missing)), ARGV(missing, "No such file"));
    expect_text(sotto(1, NULL, ARGV("check", "-c", missing)), ARGV(missing, "No such file"));
}

static void check_accepts_a_good_file(void **state)
{
    struct broker *b = *state;
    broker_write(
        b, "good.ini",
        "[broker]\ndata_dir = @DIR@\n[auth]\nanonymous = on\n[listener.a]\naddress = 127.0.0.1\nport = @P0@\n");
    free(sotto(0, NULL, ARGV("check", "-c", broker_path(b, "good.ini"))));
}

static void check_reports_all_errors_at_once(void **state)
{
    struct broker *b = *state;
    broker_write(b, "bad.ini",
                 "[broker]\n"
                 "threads = many\n"
                 "nonsense = on\n"
                 "[limits]\n"
                 "connect_timeout = 10 parsecs\n"
                 "[nowhere]\n"
                 "x = 1\n"
                 "[listener.a]\n"
                 "port = 70000\n"
                 "tls = perhaps\n"
                 "port = 1884 ; comment\n");
    char *output = sotto(1, NULL, ARGV("check", "-c", broker_path(b, "bad.ini")));
    static const char *const expected[] = {"bad.ini:2: [broker] threads: ",
                                           "bad.ini:3: [broker] nonsense: ",
                                           "bad.ini:5: [limits] connect_timeout: ",
                                           "bad.ini:6: [nowhere]",
                                           "bad.ini:9: [listener.a] port: ",
                                           "bad.ini:10: [listener.a] tls: ",
                                           "bad.ini:11: ",
                                           NULL};
    expect_text(output, expected);
    /* `run` says the same and does not start. */
    expect_text(sotto(1, NULL, ARGV("run", "-c", broker_path(b, "bad.ini"))), expected);
}

static void check_looks_at_the_files_that_are_named(void **state)
{
    struct broker *b = *state;
    broker_write(b, "files.ini",
                 "[auth]\nusers = nobody.ini\n[broker]\ndata_dir = @DIR@\n"
                 "[listener.a]\naddress = 127.0.0.1\nport = @P0@\ntls = on\ncert = no.crt\nkey = no.key\n");
    expect_text(sotto(1, NULL, ARGV("check", "-c", broker_path(b, "files.ini"))), ARGV("nobody.ini", "no.crt"));
}

static void check_reports_errors_in_the_users_file(void **state)
{
    struct broker *b = *state;
    broker_write(b, "users-bad.ini", "[alice]\npassword = plain text\npublsh = a/#\nsubscribe = a/#/b\n[]\n");
    broker_write(
        b, "users-check.ini",
        "[broker]\ndata_dir = @DIR@\n[auth]\nusers = users-bad.ini\n[listener.a]\naddress = 127.0.0.1\nport = @P0@\n");
    expect_text(sotto(1, NULL, ARGV("check", "-c", broker_path(b, "users-check.ini"))),
                ARGV("users-bad.ini:2", "users-bad.ini:3", "publsh", "users-bad.ini:4", "users-bad.ini:5"));
}

static void passwd_adds_changes_and_deletes(void **state)
{
    struct broker *b = *state;
    const char *file = broker_path(b, "users.ini");
    expect_text(sotto(0, "first\n", ARGV("passwd", file, "alice")), ARGV("alice", "at its next start"));
    assert_int_equal(mode(b, "users.ini"), 0600);
    char *one = broker_read_file(b, "users.ini");
    assert_non_null(strstr(one, "[alice]"));
    assert_non_null(strstr(one, "password = $argon2id$v=19$m=19456,t=2,p=1$"));
    assert_non_null(strstr(one, "scram = SCRAM-SHA-256$16384:"));
    assert_null(strstr(one, "first"));
    free(sotto(0, "second", ARGV("passwd", file, "alice")));
    free(sotto(0, "third\n", ARGV("passwd", file, "bob")));
    char *two = broker_read_file(b, "users.ini");
    assert_string_not_equal(one, two);
    assert_non_null(strstr(two, "[bob]"));
    free(one);
    free(two);
    free(sotto(0, NULL, ARGV("passwd", file, "-D", "alice")));
    two = broker_read_file(b, "users.ini");
    assert_null(strstr(two, "[alice]"));
    assert_non_null(strstr(two, "[bob]"));
    free(two);
    expect_text(sotto(1, NULL, ARGV("passwd", file, "-D", "alice")), ARGV("alice"));
}

static void passwd_keeps_what_people_wrote(void **state)
{
    struct broker *b = *state;
    broker_write(b, "kept.ini", "# ours\n[alice]\npublish = a/#\n\n; theirs\n[bob]\nsubscribe = b/#\n");
    free(sotto(0, "secret\n", ARGV("passwd", broker_path(b, "kept.ini"), "alice")));
    char *text = broker_read_file(b, "kept.ini");
    static const char *const kept[] = {"# ours\n", "publish = a/#\n", "; theirs\n", "subscribe = b/#\n", NULL};
    expect_text(text, kept);
}

static void passwd_refuses_names_that_cannot_be(void **state)
{
    struct broker *b = *state;
    static const char *const names[] = {
        "", "*", "group:all", "a]b", " a", "a\nb", "12345678901234567890123456789012345678901234567890"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *argv[] = {sotto_bin(), "passwd", broker_path(b, "names.ini"), names[i], NULL};
        struct program p;
        program_start(&p, "secret\n", argv);
        program_wait(&p);
        assert_int_not_equal(p.status, 0);
        program_fini(&p);
    }
    assert_int_not_equal(access(broker_path(b, "names.ini"), F_OK), 0);
}

static void cert_init_makes_what_it_should_and_overwrites_nothing(void **state)
{
    struct broker *b = *state;
    const char *dir = broker_path(b, "certs");
    free(sotto(0, NULL, ARGV("cert", "init", dir, "--host", "broker.example.org", "--host", "192.0.2.7")));
    static const char *const keys[] = {"certs/ca.key", "certs/server.key", "certs/server-ec.key"};
    static const char *const files[] = {"certs/ca.crt", "certs/server.crt", "certs/server-ec.crt"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(mode(b, keys[i]), 0600);
        (void)mode(b, files[i]);
    }
    char *ca = broker_read_file(b, "certs/ca.crt"), *server = broker_read_file(b, "certs/server.crt");
    char *refused = sotto(1, NULL, ARGV("cert", "init", dir));
    assert_int_equal(lines(refused), 1);
    expect_text(refused, ARGV("--force"));
    char *again = broker_read_file(b, "certs/server.crt");
    assert_string_equal(server, again);
    free(again);
    /* --force: new server certificates, the same CA; --new-ca: a new one. */
    free(sotto(0, NULL, ARGV("cert", "init", dir, "--force")));
    again = broker_read_file(b, "certs/server.crt");
    assert_string_not_equal(server, again);
    free(again);
    again = broker_read_file(b, "certs/ca.crt");
    assert_string_equal(ca, again);
    free(again);
    free(sotto(0, NULL, ARGV("cert", "init", dir, "--force", "--new-ca")));
    again = broker_read_file(b, "certs/ca.crt");
    assert_string_not_equal(ca, again);
    free(again);
    free(ca);
    free(server);
}

static void certificates_are_as_openssl_wants_them(void **state)
{
    struct broker *b = *state;
    struct program p;

    program_need("openssl");
    free(sotto(0, NULL,
               ARGV("cert", "init", broker_path(b, "look"), "--host", "broker.example.org", "--host", "192.0.2.7")));
    static const char *const names[] = {"look/server.crt", "look/server-ec.crt"};
    for (int i = 0; i < 2; i++) {
        program_run(&p, 0, NULL,
                    ARGV("openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname",
                         "broker.example.org", "-CAfile", broker_path(b, "look/ca.crt"), broker_path(b, names[i])));
        program_fini(&p);
        program_run(&p, 0, NULL, ARGV("openssl", "x509", "-in", broker_path(b, names[i]), "-noout", "-text"));
        static const char *const expected[] = {"DNS:localhost",
                                               "IP Address:127.0.0.1",
                                               "IP Address:0:0:0:0:0:0:0:1",
                                               "DNS:broker.example.org",
                                               "IP Address:192.0.2.7",
                                               "CA:FALSE",
                                               "TLS Web Server Authentication",
                                               "sha256",
                                               NULL};
        for (size_t k = 0; expected[k] != NULL; k++) {
            if (strstr(p.output, expected[k]) == NULL)
                fail_msg("%s has no '%s':\n%s", names[i], expected[k], p.output);
        }
        assert_non_null(strstr(p.output, i == 0 ? "(2048 bit)" : "prime256v1"));
        program_fini(&p);
    }
    program_run(&p, 0, NULL,
                ARGV("openssl", "x509", "-in", broker_path(b, "look/ca.crt"), "-noout", "-checkend", "536112000"));
    program_fini(&p);
}

static void without_configuration_it_works_at_once(void **state)
{
    struct broker *b = *state;
    char data[256];
    struct program p;

    if (access("/etc/sotto/sotto.ini", F_OK) == 0) {
        print_message("skipped: there is a /etc/sotto/sotto.ini\n");
        skip();
    }
    for (int port = 1883; port <= 8883; port += 7000) {
        char command[64];
        snprintf(command, sizeof command, "exec 3<>/dev/tcp/127.0.0.1/%d", port);
        program_start(&p, NULL, ARGV("bash", "-c", command));
        program_wait(&p);
        bool taken = p.status == 0;
        program_fini(&p);
        if (taken) {
            print_message("skipped: port %d is taken\n", port);
            skip();
        }
    }
    snprintf(data, sizeof data, "SOTTO_DATA=%s/data", b->dir);
    program_start(&p, NULL, ARGV("env", data, sotto_bin()));
    program_expect(&p, "mosquitto_pub");
    program_expect(&p, "server.ready");
    struct peer *peer = client(1883, "default");
    peer_disconnect(peer);
    peer = peer_tls(8883, broker_path(b, "data/ca.crt"), 0);
    peer_connect(peer, "default", true, false);
    peer_disconnect(peer);
    program_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_names_the_libraries),
        cmocka_unit_test(help_lists_the_commands),
        cmocka_unit_test(wrong_usage_ends_with_2_and_one_line),
        cmocka_unit_test(a_named_configuration_must_be_there),
        cmocka_unit_test(check_accepts_a_good_file),
        cmocka_unit_test(check_reports_all_errors_at_once),
        cmocka_unit_test(check_looks_at_the_files_that_are_named),
        cmocka_unit_test(check_reports_errors_in_the_users_file),
        cmocka_unit_test(passwd_adds_changes_and_deletes),
        cmocka_unit_test(passwd_keeps_what_people_wrote),
        cmocka_unit_test(passwd_refuses_names_that_cannot_be),
        cmocka_unit_test(cert_init_makes_what_it_should_and_overwrites_nothing),
        cmocka_unit_test(certificates_are_as_openssl_wants_them),
        cmocka_unit_test(without_configuration_it_works_at_once),
    };
    return cmocka_run_group_tests(tests, broker_setup, broker_teardown);
}
