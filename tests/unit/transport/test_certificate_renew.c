/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Renewal: the same CA, the same keys, the same names, other dates. */
#include "folder.h"

#include <time.h>

#define DAY ((time_t)24 * 3600)

static int renew(const struct folder *f, const char *host, bool force)
{
    struct certificate_request r = {.dir = f->path, .hosts = &host, .hosts_n = host != NULL, .force = force};
    err[0] = '\0';
    int rc = certificate_renew(&r, err, sizeof(err));
    assert_null(strchr(err, '\n'));
    assert_int_not_equal(err[0], '\0');
    return rc;
}

static int renew_due(const struct folder *f, time_t now)
{
    err[0] = '\0';
    int rc = certificate_renew_due(f->path, now, err, sizeof(err));
    assert_int_equal(rc != 0, err[0] != '\0');
    return rc;
}

/* Which of server.crt and server-ec.crt are other than the copies beside them. */
static unsigned changed(const struct folder *f)
{
    return (shell(f, "cmp -s server.crt server.crt.before") ? 0 : 1) |
           (shell(f, "cmp -s server-ec.crt server-ec.crt.before") ? 0 : 2);
}

static void keep(const struct folder *f)
{
    assert_true(shell(f, "for i in *.crt *.key; do cp $i $i.before; done"));
}

static void keys_ca_and_names_stay(void **state)
{
    struct folder *f = *state;
    made(f->path, "broker.example.org", false, false);
    keep(f);
    assert_int_equal(renew(f, "new.example.org", false), 0);
    assert_non_null(strstr(err, "server.crt and server-ec.crt"));
    assert_int_equal(changed(f), 3);
    assert_true(shell(f, "for i in ca.crt ca.key server.key server-ec.key; do cmp -s $i $i.before || exit 1; done"));
    assert_true(shell(f,
                      "for i in server server-ec; do "
                      "test \"$(openssl x509 -in $i.crt -noout -pubkey)\" = "
                      "\"$(openssl x509 -in $i.crt.before -noout -pubkey)\" || exit 1; done"));
    assert_true(
        shell(f,
              "for i in localhost broker.example.org new.example.org; do openssl verify -x509_strict "
              "-purpose sslserver -CAfile ca.crt -verify_hostname $i server.crt server-ec.crt || exit 1; done"));
    assert_true(shell(f, "openssl x509 -in server.crt -noout -checkend $((396 * 86400))"));
    /* Once more: no name twice. */
    assert_int_equal(renew(f, NULL, false), 0);
    assert_true(
        shell(f,
              "test $(openssl x509 -in server.crt -noout -ext subjectAltName | grep -o new.example.org | wc -l) "
              "= 1"));
}

static void a_pair_that_is_not_there_is_not_made(void **state)
{
    struct folder *f = *state;
    made(f->path, NULL, false, false);
    assert_true(shell(f, "rm server-ec.*"));
    assert_int_equal(renew(f, NULL, false), 0);
    assert_null(strstr(err, "server-ec"));
    assert_int_not_equal(access(in(f, "server-ec.crt"), F_OK), 0);
    /* A certificate that got lost is made from its key. */
    assert_true(shell(f, "rm server.crt"));
    assert_int_equal(renew(f, NULL, false), 0);
    assert_true(shell(f, "openssl verify -CAfile ca.crt server.crt"));
    assert_true(shell(f, "rm server.key"));
    assert_int_equal(renew(f, NULL, false), -1);
    assert_non_null(strstr(err, "sotto cert init"));
}

static void a_stranger_s_certificate_is_not_replaced(void **state)
{
    struct folder *f = *state;
    made(f->path, NULL, false, false);
    assert_true(shell(f, "openssl req -x509 -key server.key -subj /CN=stranger -days 5 -out server.crt"));
    keep(f);
    assert_int_equal(renew(f, NULL, false), -1);
    assert_non_null(strstr(err, "--force"));
    assert_int_equal(changed(f), 0);
    /* The broker passes over it, but renews the other. */
    assert_int_equal(renew_due(f, time(NULL) + 380 * DAY), 1);
    assert_int_equal(changed(f), 2);
    assert_int_equal(renew(f, NULL, true), 0);
    assert_true(shell(f, "openssl verify -CAfile ca.crt server.crt"));
}

static void due_is_what_ends_within_thirty_days(void **state)
{
    struct folder *f = *state;
    time_t now = time(NULL);
    made(f->path, "broker.example.org", false, false);
    keep(f);
    assert_int_equal(renew_due(f, now), 0);
    assert_int_equal(renew_due(f, now + 366 * DAY), 0);
    assert_int_equal(changed(f), 0);
    assert_int_equal(renew_due(f, now + 368 * DAY), 2);
    assert_int_equal(changed(f), 3);
    assert_int_equal(renew_due(f, now + 368 * DAY), 0);
    assert_true(shell(f, "openssl verify -x509_strict -verify_hostname broker.example.org -CAfile ca.crt server.crt"));
    assert_true(shell(f, "openssl x509 -in server.crt -noout -checkend $((760 * 86400))"));
    /* Long overdue. */
    assert_int_equal(renew_due(f, now + 3000 * DAY), 2);
    /* When the CA itself ends, there is no use in it. */
    assert_int_equal(renew_due(f, now + 7300 * DAY), 2);
    assert_int_equal(renew_due(f, now + 7301 * DAY), 0);
}

static void due_without_a_ca_or_with_a_broken_one(void **state)
{
    struct folder *f = *state;
    time_t then = time(NULL) + 380 * DAY;
    assert_int_equal(renew_due(f, then), 0);
    made(f->path, NULL, false, false);
    keep(f);
    assert_true(shell(f, "cp server.key ca.key"));
    assert_int_equal(renew_due(f, then), -1);
    assert_int_equal(changed(f), 0);
    assert_true(shell(f, "rm ca.key"));
    assert_int_equal(renew_due(f, then), 0);
    assert_int_equal(changed(f), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(keys_ca_and_names_stay),
        IN_FOLDER(a_pair_that_is_not_there_is_not_made),
        IN_FOLDER(a_stranger_s_certificate_is_not_replaced),
        IN_FOLDER(due_is_what_ends_within_thirty_days),
        IN_FOLDER(due_without_a_ca_or_with_a_broken_one),
    };
    if (system("openssl version >/dev/null 2>&1") != 0) {
        print_message("skipped: there is no openssl\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, start_wolfssl, stop_wolfssl);
}
