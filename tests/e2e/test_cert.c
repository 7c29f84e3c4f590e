/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sotto cert`, with openssl as the judge of what it makes. */
#include "e2e/e2e.h"

#include <sys/stat.h>
#include <unistd.h>

/* Runs `sotto cert ARG...`, expects the status and the texts in its output, which must be one line where it failed. */
static void cert(int status, const char *const arguments[], const char *const texts[])
{
    const char *argv[16] = {sotto_bin(), "cert"};
    struct program p;
    for (size_t n = 0; arguments[n] != NULL && n < 13; n++)
        argv[n + 2] = arguments[n];
    program_run(&p, status, NULL, argv);
    for (; *texts != NULL; texts++) {
        if (strstr(p.output, *texts) == NULL)
            fail_msg("'%s' is not in:\n%s", *texts, p.output);
    }
    if (status != 0)
        assert_ptr_equal(strchr(p.output, '\n') + 1, p.output + strlen(p.output));
    program_fini(&p);
}

/* openssl, or what a shell makes of it, in the folder of the test. */
static void judge(struct broker *b, int status, const char *command)
{
    char line[1024];
    struct program p;
    snprintf(line, sizeof line, "cd '%s/certs' && %s", b->dir, command);
    program_run(&p, status, NULL, ARGV("sh", "-c", line));
    program_fini(&p);
}

static void a_client_comes_and_goes(void **state)
{
    struct broker *b = *state;
    const char *dir = broker_path(b, "certs");
    struct stat info;
    cert(0, ARGV("init", dir), ARGV("ca.crt"));
    cert(0, ARGV("client", dir, "alice"), ARGV("alice.crt", "alice.key", "sotto cert revoke"));
    cert(0, ARGV("client", dir, "bob", "--rsa"), ARGV("RSA", "; bob.key is secret, "));
    assert_int_equal(stat(broker_path(b, "certs/alice.key"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    judge(b, 0, "openssl verify -x509_strict -purpose sslclient -CAfile ca.crt alice.crt bob.crt");
    judge(b, 2, "openssl verify -purpose sslserver -CAfile ca.crt alice.crt");
    cert(1, ARGV("client", dir, "alice"), ARGV("--force"));
    cert(0, ARGV("revoke", dir, "alice"), ARGV("Revoked: alice (1 certificate)"));
    judge(b, 0, "openssl verify -crl_check -CAfile ca.crt -CRLfile crl.pem bob.crt");
    judge(b, 2, "openssl verify -crl_check -CAfile ca.crt -CRLfile crl.pem alice.crt");
    judge(b, 0, "openssl crl -in crl.pem -noout -text | grep -A1 'CRL Number' | grep -qw 1");
    cert(0, ARGV("revoke", dir, "alice"), ARGV("Already revoked: alice"));
    judge(b, 0, "openssl crl -in crl.pem -noout -text | grep -A1 'CRL Number' | grep -qw 2");
    cert(1, ARGV("revoke", dir, "carol"), ARGV("carol"));
    cert(0, ARGV("client", dir, "alice", "--force"), ARGV("Made in"));
    judge(b, 0, "openssl verify -crl_check -CAfile ca.crt -CRLfile crl.pem alice.crt");
    cert(0, ARGV("show", dir), ARGV("alice.crt", "client certificate", "revocation list", "alice until", "bob until"));
}

static void renewal_keeps_names_and_keys(void **state)
{
    struct broker *b = *state;
    const char *dir = broker_path(b, "certs");
    cert(0, ARGV("init", dir, "--host", "broker.example.org"), ARGV("broker.example.org"));
    judge(b, 0, "for i in *; do cp $i $i.before; done");
    cert(0, ARGV("renew", dir, "--host", "192.0.2.7"), ARGV("server.crt and server-ec.crt", "broker.example.org"));
    judge(b, 0, "for i in ca.crt ca.key server.key server-ec.key; do cmp $i $i.before || exit 1; done");
    judge(b, 1, "cmp server.crt server.crt.before");
    judge(b, 0,
          "openssl verify -x509_strict -CAfile ca.crt -verify_hostname broker.example.org server.crt server-ec.crt");
    judge(b, 0, "openssl verify -CAfile ca.crt -verify_ip 192.0.2.7 server.crt server-ec.crt");
    cert(1, ARGV("renew", broker_path(b, "nowhere")), ARGV("nowhere"));
    cert(2, ARGV("renew", dir, "--host", "a b"), ARGV("--host"));
}

static void show_says_what_is_there_and_what_is_wrong(void **state)
{
    struct broker *b = *state;
    const char *dir = broker_path(b, "certs");
    cert(0, ARGV("init", dir, "--host", "broker.example.org"), ARGV("ca.crt"));
    cert(0, ARGV("show", broker_path(b, "certs/server.crt")),
         ARGV("server certificate", "broker.example.org", " days left", "RSA, 2048 bits", "server.key, which fits",
              "server authentication", "SHA-256  ", "SHA-1  ", "Tasmota  ", "Tasmota old", "<- Sotto CA "));
    cert(0, ARGV("show", broker_path(b, "certs/ca.crt")), ARGV("CA certificate (a root)", "signs certificates"));
    cert(0, ARGV("show", broker_path(b, "certs/server.key")), ARGV("private key, RSA, 2048 bits"));
    judge(b, 0, "cp ca.key server.key");
    cert(0, ARGV("show", broker_path(b, "certs/server.crt")), ARGV("warning", "server.key is not its key"));
    judge(b, 0, "mkdir alone && cp server-ec.crt alone/x.pem");
    cert(0, ARGV("show", broker_path(b, "certs/alone/x.pem")), ARGV("ECDSA P-256", "warning", "chain incomplete"));
    judge(b, 0,
          "mkdir old && cd old && openssl req -newkey rsa:4096 -nodes -keyout o.key -out o.csr -subj /CN=old.example "
          "&& openssl x509 -req -in o.csr -signkey o.key -days 10 -out o.pem");
    cert(0, ARGV("show", broker_path(b, "certs/old")),
         ARGV("RSA above 2048 bits", "no alternative names", "ends soon", "o.key, which fits"));
    judge(b, 0, "openssl genrsa -aes128 -passout pass:x -out closed.pem 2048");
    cert(0, ARGV("show", broker_path(b, "certs/closed.pem")), ARGV("private key with a passphrase"));
    judge(b, 0, "echo nothing > nothing");
    cert(1, ARGV("show", broker_path(b, "certs/nothing")), ARGV("nothing", "name one that has"));
    cert(1, ARGV("show", broker_path(b, "certs/missing")), ARGV("does not exist"));
    cert(1, ARGV("show", b->dir), ARGV("has no certificates in it"));
}

static void fingerprints_are_openssl_s(void **state)
{
    struct broker *b = *state;
    char line[1024];
    struct program p;
    cert(0, ARGV("init", broker_path(b, "certs")), ARGV("ca.crt"));
    for (int i = 0; i < 2; i++) {
        const char *digest = i == 0 ? "SHA-256" : "SHA-1";
        snprintf(line, sizeof line,
                 "cd '%s/certs' && test \"$('%s' cert show server.crt | awk '$1 == \"%s\" {print $2}')\" = "
                 "\"$(openssl x509 -in server.crt -noout -fingerprint -%s | cut -d= -f2)\"",
                 b->dir, sotto_bin(), digest, i == 0 ? "sha256" : "sha1");
        program_run(&p, 0, NULL, ARGV("sh", "-c", line));
        program_fini(&p);
    }
}

static void wrong_usage_is_told(void **state)
{
    struct broker *b = *state;
    const char *dir = broker_path(b, "certs");
    cert(2, ARGV("renew"), ARGV("no folder"));
    cert(2, ARGV("client", dir), ARGV("no name"));
    cert(2, ARGV("revoke", dir), ARGV("no name"));
    cert(2, ARGV("show"), ARGV("no file or folder"));
    cert(2, ARGV("show", dir, "more"), ARGV("unexpected argument 'more'"));
    cert(2, ARGV("renew", dir, "--new-ca"), ARGV("--new-ca"));
    cert(2, ARGV("client", dir, "alice", "--host", "x"), ARGV("--host"));
    static const char *const names[] = {"ca", "server", "a/b", "..", "*", "group:x", "a]", " a", "a\nb"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cert(2, ARGV("client", dir, names[i]), ARGV("name"));
        cert(2, ARGV("revoke", dir, names[i]), ARGV("name"));
    }
    assert_int_not_equal(access(dir, F_OK), 0);
}

#define WITH_FOLDER(f) cmocka_unit_test_setup_teardown(f, broker_setup, broker_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(a_client_comes_and_goes),
        WITH_FOLDER(renewal_keeps_names_and_keys),
        WITH_FOLDER(show_says_what_is_there_and_what_is_wrong),
        WITH_FOLDER(fingerprints_are_openssl_s),
        WITH_FOLDER(wrong_usage_is_told),
    };
    if (!program_exists("openssl")) {
        print_message("skipped: there is no openssl\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
