/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a container does with the program, without a container: the image's own configuration on other ports,
 * environment variables, any user, folders with wrong permissions, a single mounted file, the health check.
 */
#include "e2e/e2e.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define UID "1234"

static int setup(void **state)
{
    struct broker *b = calloc(1, sizeof *b);
    static const char *const variables[] = {"SOTTO_DATA", "SOTTO_USER", "SOTTO_PASSWORD", "SOTTO_PASSWORD_FILE",
                                            "SOTTO_HOST"};
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        unsetenv(variables[i]);
    broker_init(b);
    if (chmod(b->dir, 0755) != 0) /* another user looks into it */
        fail_msg("%s: %s", b->dir, strerror(errno));
    *state = b;
    return 0;
}

/* out gets text with the first `what` replaced. */
static char *with(char *text, const char *what, const char *other)
{
    char *at = strstr(text, what);
    if (at == NULL)
        fail_msg("docker/sotto.ini has no '%s'", what);
    char *out = calloc(1, strlen(text) + strlen(other) + 1);
    memcpy(out, text, (size_t)(at - text));
    strcat(out, other);
    strcat(out, at + strlen(what));
    free(text);
    return out;
}

/* The configuration of the image, on loopback and free ports. */
static void write_image_config(struct broker *b)
{
    char path[512];
    const char *source = getenv("SOTTO_SOURCE");
    snprintf(path, sizeof path, "%s/docker/sotto.ini", source != NULL ? source : ".");
    FILE *f = fopen(path, "r");
    if (f == NULL)
        fail_msg("%s: %s", path, strerror(errno));
    char *text = calloc(1, 16384);
    assert_true(fread(text, 1, 16383, f) > 0);
    fclose(f);
    text = with(text, "port = 1883", "port = @P0@");
    text = with(text, "port = 8883", "port = @P1@");
    text = with(text, "address = ::\n", "address = 127.0.0.1\n");
    text = with(text, "address = ::\n", "address = 127.0.0.1\n");
    broker_write(b, "sotto.ini", text);
    free(text);
}

static void login(struct peer *p, const char *user, const char *password, unsigned code)
{
    peer_packet(p, 0x10, "0004 'MQTT' 04 c2 0000 <me> <%s> <%s>", user, password);
    peer_expect(p, "20 02 00 %02x", code);
    peer_close(p);
}

static void expect_output(struct program *p, const char *text)
{
    if (strstr(p->output, text) == NULL)
        fail_msg("'%s' is not in:\n%s", text, p->output);
    program_fini(p);
}

static void expect_health(struct broker *b, int status, const char *text)
{
    struct program p;
    /* It says that the broker is ill where the machine was too busy for an answer within some seconds. */
    for (struct waiting w = {0}; waiting(&w); program_fini(&p)) {
        program_start(&p, NULL, ARGV(sotto_bin(), "health", "-c", broker_path(b, "sotto.ini")));
        program_wait(&p);
        if (p.status == status)
            break;
    }
    assert_int_equal(p.status, status);
    if (strchr(p.output, '\n') == NULL || strchr(strchr(p.output, '\n') + 1, '\n') != NULL)
        fail_msg("not one line:\n%s", p.output);
    expect_output(&p, text);
}

static void environment_makes_the_first_user(void **state)
{
    struct broker *b = *state;
    struct stat before, after;
    write_image_config(b);
    setenv("SOTTO_DATA", broker_path(b, "volume"), 1);
    setenv("SOTTO_USER", "joe", 1);
    setenv("SOTTO_PASSWORD", "open-sesame", 1);
    setenv("SOTTO_HOST", "broker.example", 1);
    expect_health(b, 1, "/volume/control.sock: No such file or directory; no broker runs with this data directory");
    broker_start(b);
    expect_health(b, 0, "healthy: ");
    login(peer_tcp(b->ports[0]), "joe", "open-sesame", 0);
    login(peer_tcp(b->ports[0]), "joe", "another", 4);
    login(peer_tls(b->ports[1], broker_path(b, "volume/certs/ca.crt"), 0), "joe", "open-sesame", 0);
    struct peer *named = peer_tls_try(b->ports[1], broker_path(b, "volume/certs/ca.crt"), "broker.example", 0);
    assert_non_null(named);
    peer_close(named);
    broker_stop(b);
    expect_health(b, 1, "no answer from a broker on ");
    /* The second start makes nothing again, and has no use for the environment. */
    assert_int_equal(stat(broker_path(b, "volume/certs/server.crt"), &before), 0);
    setenv("SOTTO_PASSWORD", "changed", 1);
    broker_start(b);
    assert_int_equal(stat(broker_path(b, "volume/certs/server.crt"), &after), 0);
    assert_true(before.st_ino == after.st_ino);
    login(peer_tcp(b->ports[0]), "joe", "open-sesame", 0);
    broker_stop(b);
    char *log = broker_log(b);
    assert_null(strstr(log, "open-sesame"));
    assert_non_null(strstr(log, "start.user.kept"));
    free(log);
}

static void a_password_comes_from_a_file(void **state)
{
    struct broker *b = *state;
    write_image_config(b);
    broker_write(b, "secret", "from the file\r\n");
    setenv("SOTTO_DATA", broker_path(b, "volume"), 1);
    setenv("SOTTO_USER", "ann", 1);
    setenv("SOTTO_PASSWORD_FILE", broker_path(b, "secret"), 1);
    broker_start(b);
    login(peer_tcp(b->ports[0]), "ann", "from the file", 0);
    broker_stop(b);
}

static void without_an_environment_the_password_is_random(void **state)
{
    struct broker *b = *state;
    write_image_config(b);
    setenv("SOTTO_DATA", broker_path(b, "volume"), 1);
    broker_start(b);
    char *password = broker_read_file(b, "volume/first-password"), *log = broker_log(b);
    password[strcspn(password, "\n")] = '\0';
    assert_int_equal(strlen(password), 16);
    login(peer_tcp(b->ports[0]), "sotto", password, 0);
    login(peer_tcp(b->ports[0]), "sotto", "sotto", 4);
    assert_null(strstr(log, password));
    assert_non_null(strstr(log, "/volume/first-password"));
    free(password);
    free(log);
    broker_stop(b);
}

/* `sotto ...` as the user 1234, who is nobody on this machine. */
static void run_as(struct program *p, int status, const char *command, const char *config)
{
    if (geteuid() != 0 || !program_exists("setpriv")) {
        print_message("skipped: needs root and setpriv\n");
        skip();
    }
    /* Without the sanitizer's options, which name a file that this user may not be able to read. */
    const char *options = getenv("TSAN_OPTIONS");
    char *kept = options != NULL ? strdup(options) : NULL;
    unsetenv("TSAN_OPTIONS");
    program_run(p, status, NULL,
                ARGV("setpriv", "--reuid", UID, "--regid", UID, "--clear-groups", sotto_bin(), command, "-c", config));
    if (kept != NULL)
        setenv("TSAN_OPTIONS", kept, 1);
    free(kept);
}

static void wrong_permissions_are_said_with_their_remedy(void **state)
{
    struct broker *b = *state;
    struct program p;
    char text[512];
    const char *config = broker_path(b, "sotto.ini"), *key = broker_path(b, "volume/certs/server.key"),
               *users = broker_path(b, "volume/users/users.ini");
    write_image_config(b);
    chmod(config, 0644);
    setenv("SOTTO_DATA", broker_path(b, "volume"), 1);
    assert_int_equal(mkdir(broker_path(b, "volume"), 0755), 0);
    run_as(&p, 1, "run", config);
    snprintf(text, sizeof text, "can't be written by user 1234 (it is mode 0755, owner 0): sudo chown -R 1234 %s",
             broker_path(b, "volume"));
    expect_output(&p, text);
    run_as(&p, 1, "check", config);
    expect_output(&p, text);
    /* As root all is made; then it is given to the other user, but for the key. */
    broker_start(b);
    broker_stop(b);
    assert_int_equal(chown(broker_path(b, "volume"), 1234, 1234), 0);
    assert_int_equal(chown(broker_path(b, "volume/users"), 1234, 1234), 0);
    assert_int_equal(chown(users, 1234, 1234), 0);
    assert_int_equal(chown(key, 0, 0), 0); /* whoever the broker became */
    run_as(&p, 1, "run", config);
    snprintf(text, sizeof text, "%s can't be read by user 1234 (it is mode 0600, owner 0): sudo chown 1234 %s", key,
             key);
    expect_output(&p, text);
    /* The same of what the store has made. */
    assert_int_equal(chown(key, 1234, 1234), 0);
    assert_int_equal(chown(broker_path(b, "volume/certs/server-ec.key"), 1234, 1234), 0);
    assert_int_equal(chown(broker_path(b, "volume/tickets.keys"), 1234, 1234), 0);
    static const char *const made[] = {"volume/sotto.lock", "volume/sotto.db"};
    for (size_t i = 0; i < 2; i++) {
        const char *file = broker_path(b, made[i]);
        assert_int_equal(chown(file, 4321, 4321), 0);
        run_as(&p, 1, "run", config);
        snprintf(text, sizeof text,
                 "%s can't be written by user 1234 (it is mode 0600, owner 4321): sudo chown -R 1234 %s", file, file);
        expect_output(&p, text);
        assert_int_equal(chown(file, 1234, 1234), 0);
    }
    assert_int_equal(chown(key, 0, 0), 0);
    assert_int_equal(chown(broker_path(b, "volume/certs/server-ec.key"), 0, 0), 0);
    /* Somebody else's file is as good as one's own where it can be read. */
    assert_int_equal(chmod(key, 0644), 0);
    assert_int_equal(chmod(broker_path(b, "volume/certs/server-ec.key"), 0644), 0);
    run_as(&p, 0, "check", config);
    program_fini(&p);
    assert_int_equal(chmod(key, 0666), 0);
    run_as(&p, 1, "check", config);
    expect_output(&p, "everybody on this machine may write this file (it is mode 0666): sudo chmod o-w ");
    assert_int_equal(chmod(key, 0644), 0);
    assert_int_equal(chmod(users, 0602), 0);
    run_as(&p, 1, "check", config);
    expect_output(&p, "everybody on this machine may write this file (it is mode 0602): sudo chmod o-w ");
}

/* A file that is a mount point can't be renamed over: it is written in place. */
static void passwd_works_on_a_mounted_file(void **state)
{
    struct broker *b = *state;
    struct program p;
    struct stat before, after;
    char script[1024];
    broker_write(b, "host.ini",
                 "# mine\n[ann]\npublish = a/#\n# and a long line, so that the new text is the shorter "
                 "one at first: it must be cut\n");
    broker_write(b, "mounted.ini", "");
    program_start(&p, NULL, ARGV("unshare", "-m", "true"));
    program_wait(&p);
    bool possible = p.status == 0;
    program_fini(&p);
    if (!possible) {
        print_message("skipped: mounting is not allowed here\n");
        skip();
    }
    assert_int_equal(stat(broker_path(b, "host.ini"), &before), 0);
    snprintf(script, sizeof script,
             "set -e; cd '%s'; mount --bind host.ini mounted.ini; echo pw | '%s' passwd mounted.ini ann; "
             "echo pw | '%s' passwd mounted.ini bob; '%s' passwd mounted.ini -D ann; ls",
             b->dir, sotto_bin(), sotto_bin(), sotto_bin());
    program_run(&p, 0, NULL, ARGV("unshare", "-m", "sh", "-c", script));
    assert_null(strstr(p.output, "mounted.ini.")); /* nothing is left beside it */
    program_fini(&p);
    assert_int_equal(stat(broker_path(b, "host.ini"), &after), 0);
    assert_true(before.st_ino == after.st_ino);
    char *text = broker_read_file(b, "host.ini");
    assert_null(strstr(text, "[ann]"));
    assert_non_null(strstr(text, "# mine\n"));
    assert_non_null(strstr(text, "[bob]\npassword = $argon2id$"));
    free(text);
}

static void health_needs_a_configuration_that_can_be_read(void **state)
{
    struct broker *b = *state;
    struct program p;
    program_run(&p, 1, NULL, ARGV(sotto_bin(), "health", "-c", broker_path(b, "none.ini")));
    expect_output(&p, "none.ini: can't be read: No such file or directory");
    program_run(&p, 2, NULL, ARGV(sotto_bin(), "health", "now"));
    expect_output(&p, "usage: sotto health [-c FILE]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(environment_makes_the_first_user, setup, broker_teardown),
        cmocka_unit_test_setup_teardown(a_password_comes_from_a_file, setup, broker_teardown),
        cmocka_unit_test_setup_teardown(without_an_environment_the_password_is_random, setup, broker_teardown),
        cmocka_unit_test_setup_teardown(wrong_permissions_are_said_with_their_remedy, setup, broker_teardown),
        cmocka_unit_test_setup_teardown(passwd_works_on_a_mounted_file, setup, broker_teardown),
        cmocka_unit_test_setup_teardown(health_needs_a_configuration_that_can_be_read, setup, broker_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
