/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Client certificates and their revocation, as openssl and wolfSSL see them. */
#include "folder.h"

#include <sys/stat.h>
#include <time.h>

#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

static int client(const struct folder *f, const char *name, bool rsa, bool force)
{
    struct certificate_client_request r = {.dir = f->path, .name = name, .rsa = rsa, .force = force};
    err[0] = '\0';
    int rc = certificate_client(&r, err, sizeof(err));
    assert_int_equal(rc != 0, err[0] != '\0');
    assert_null(strchr(err, '\n'));
    return rc;
}

static void has_client(const struct folder *f, const char *name, bool rsa, bool force)
{
    if (client(f, name, rsa, force) != 0)
        fail_msg("%s", err);
}

static int revoke_client(const struct folder *f, const char *name)
{
    err[0] = '\0';
    int n = certificate_revoke(f->path, name, err, sizeof(err));
    assert_int_equal(n < 0, err[0] != '\0');
    assert_null(strchr(err, '\n'));
    return n;
}

/* What openssl says with the revocation list. */
static bool is_good(const struct folder *f, const char *crt)
{
    char line[200];
    snprintf(line, sizeof(line),
             "openssl verify -x509_strict -crl_check -purpose sslclient -CAfile ca.crt -CRLfile crl.pem '%s'", crt);
    return shell(f, line);
}

static int wolfssl_verdict(const struct folder *f, const char *crt)
{
    WOLFSSL_CERT_MANAGER *m = wolfSSL_CertManagerNew();
    char *list = slurp(in(f, "crl.pem"));
    assert_int_equal(wolfSSL_CertManagerLoadCA(m, in(f, "ca.crt"), NULL), WOLFSSL_SUCCESS);
    assert_int_equal(wolfSSL_CertManagerEnableCRL(m, WOLFSSL_CRL_CHECK), WOLFSSL_SUCCESS);
    assert_int_equal(
        wolfSSL_CertManagerLoadCRLBuffer(m, (const uint8_t *)list, (long)strlen(list), WOLFSSL_FILETYPE_PEM),
        WOLFSSL_SUCCESS);
    int rc = wolfSSL_CertManagerVerify(m, in(f, crt), WOLFSSL_FILETYPE_PEM);
    mem_free(list);
    wolfSSL_CertManagerFree(m);
    return rc;
}

static void a_client_gets_a_certificate_for_itself_only(void **state)
{
    struct folder *f = *state;
    struct stat st;
    made(f->path, NULL, false, false);
    has_client(f, "alice", false, false);
    has_client(f, "B\303\266b of 3", true, false);
    assert_int_equal(stat(in(f, "alice.key"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(in(f, "alice.crt"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
    assert_true(shell(f, "openssl version"));
    assert_true(
        shell(f, "openssl verify -x509_strict -purpose sslclient -CAfile ca.crt alice.crt 'B\303\266b of 3.crt'"));
    assert_false(shell(f, "openssl verify -purpose sslserver -CAfile ca.crt alice.crt"));
    assert_true(shell(f, "openssl x509 -in alice.crt -noout -subject -nameopt utf8 | grep -qx 'subject=CN *= *alice'"));
    assert_true(shell(f, "openssl x509 -in alice.crt -noout -text | grep -q prime256v1"));
    assert_true(shell(f, "openssl x509 -in B*.crt -noout -text | grep -q '(2048 bit)'"));
    assert_true(shell(f, "openssl x509 -in alice.crt -noout -checkend $((3650 * 86400))"));
    assert_true(
        shell(f, "test \"$(openssl x509 -in alice.crt -noout -pubkey)\" = \"$(openssl pkey -in alice.key -pubout)\""));
}

static void nothing_is_overwritten_unasked(void **state)
{
    struct folder *f = *state;
    made(f->path, NULL, false, false);
    has_client(f, "alice", false, false);
    char *before = slurp(in(f, "alice.crt"));
    assert_int_equal(client(f, "alice", false, false), -1);
    assert_non_null(strstr(err, "--force"));
    assert_int_equal(unlink(in(f, "alice.crt")), 0);
    assert_int_equal(client(f, "alice", false, false), -1);
    has_client(f, "alice", false, true);
    char *after = slurp(in(f, "alice.crt"));
    assert_string_not_equal(before, after);
    mem_free(before);
    mem_free(after);
}

static void names_that_can_not_be(void **state)
{
    struct folder *f = *state;
    made(f->path, NULL, false, false);
    char *ca = slurp(in(f, "ca.crt"));
    static const char *const wrong[] = {
        "",          "a/b",  "../x",  ".x",       "-x", "ca", "server",
        "Server-EC", "a\nb", "a\x7f", "\xff\xfe", " x", "x ", "12345678901234567890123456789012345678901234567890"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(client(f, wrong[i], false, true), -1);
        assert_int_equal(revoke_client(f, wrong[i]), -1);
    }
    assert_int_equal(client(f, "1234567890123456789012345678901234567890123456789", false, false), 0);
    char *still = slurp(in(f, "ca.crt"));
    assert_string_equal(ca, still);
    mem_free(ca);
    mem_free(still);
}

static void without_a_ca_there_is_no_client(void **state)
{
    struct folder *f = *state;
    assert_int_equal(client(f, "alice", false, false), -1);
    assert_non_null(strstr(err, "ca.crt"));
    made(f->path, NULL, false, false);
    assert_true(shell(f, "cp server.key ca.key"));
    assert_int_equal(client(f, "alice", false, false), -1);
    assert_int_not_equal(access(in(f, "alice.crt"), F_OK), 0);
    struct certificate_client_request r = {.dir = in(f, "nowhere"), .name = "alice"};
    assert_int_equal(certificate_client(&r, err, sizeof(err)), -1);
}

static void what_is_revoked_is_refused(void **state)
{
    struct folder *f = *state;
    made(f->path, NULL, false, false);
    has_client(f, "alice", false, false);
    has_client(f, "bob", true, false);
    assert_int_equal(revoke_client(f, "alice"), 1);
    assert_false(is_good(f, "alice.crt"));
    assert_true(is_good(f, "bob.crt"));
    assert_int_equal(wolfssl_verdict(f, "bob.crt"), WOLFSSL_SUCCESS);
    assert_int_equal(wolfssl_verdict(f, "alice.crt"), CRL_CERT_REVOKED);
    assert_true(shell(f, "openssl crl -in crl.pem -CAfile ca.crt -noout 2>&1 | grep -q 'verify OK'"));
    assert_true(shell(f, "openssl crl -in crl.pem -noout -crlnumber | grep -qi '=0x0*1$'"));
    /* Once more is fine, and a list with the next number. */
    assert_int_equal(revoke_client(f, "alice"), 0);
    assert_true(shell(f, "openssl crl -in crl.pem -noout -crlnumber | grep -qi '=0x0*2$'"));
    assert_true(shell(f, "test $(openssl crl -in crl.pem -noout -text | grep -c 'Serial Number') = 1"));
    assert_int_equal(revoke_client(f, "bob"), 1);
    assert_false(is_good(f, "bob.crt"));
    assert_false(is_good(f, "alice.crt"));
    assert_int_equal(wolfssl_verdict(f, "bob.crt"), CRL_CERT_REVOKED);
}

static void all_of_a_name_are_revoked_and_a_new_one_is_not(void **state)
{
    struct folder *f = *state;
    made(f->path, NULL, false, false);
    has_client(f, "alice", false, false);
    assert_true(shell(f, "cp alice.crt first.crt"));
    has_client(f, "alice", false, true);
    assert_int_equal(revoke_client(f, "alice"), 2);
    assert_false(is_good(f, "first.crt"));
    assert_false(is_good(f, "alice.crt"));
    has_client(f, "alice", false, true);
    assert_true(is_good(f, "alice.crt"));
    assert_int_equal(revoke_client(f, "alice"), 1);
    assert_false(is_good(f, "alice.crt"));
}

static void lost_files_lose_nothing(void **state)
{
    struct folder *f = *state;
    made(f->path, NULL, false, false);
    has_client(f, "alice", false, false);
    has_client(f, "bob", false, false);
    has_client(f, "carol", false, false);
    assert_int_equal(revoke_client(f, "alice"), 1);
    /* The index is gone: the list keeps alice, and bob is known by the certificate. */
    assert_int_equal(unlink(in(f, "issued.txt")), 0);
    assert_int_equal(revoke_client(f, "bob"), 1);
    assert_false(is_good(f, "alice.crt"));
    assert_false(is_good(f, "bob.crt"));
    /* The list is gone: the index knows. And a certificate is gone: so it does. */
    assert_int_equal(unlink(in(f, "crl.pem")), 0);
    assert_true(shell(f, "mv alice.crt alice; mv bob.crt bob"));
    assert_int_equal(revoke_client(f, "bob"), 0);
    assert_false(is_good(f, "alice"));
    assert_false(is_good(f, "bob"));
    assert_true(is_good(f, "carol.crt"));
    /* Nobody of that name. */
    assert_int_equal(revoke_client(f, "dave"), -1);
    assert_non_null(strstr(err, "dave"));
    /* Another CA's certificate is not ours to revoke. */
    assert_true(shell(f, "openssl req -x509 -newkey rsa:2048 -nodes -keyout x.key -subj /CN=eve -out eve.crt"));
    assert_int_equal(revoke_client(f, "eve"), -1);
}

static void broken_files_are_left_alone(void **state)
{
    struct folder *f = *state;
    made(f->path, NULL, false, false);
    has_client(f, "alice", false, false);
    assert_int_equal(revoke_client(f, "alice"), 1);
    assert_true(shell(f, "cp issued.txt good && echo nonsense >> issued.txt"));
    assert_int_equal(revoke_client(f, "alice"), -1);
    assert_non_null(strstr(err, "line 4"));
    assert_int_equal(client(f, "bob", false, false), -1);
    assert_true(shell(f, "cp good issued.txt && cp crl.pem list && echo nonsense > crl.pem"));
    assert_int_equal(revoke_client(f, "alice"), -1);
    assert_non_null(strstr(err, "crl.pem"));
    assert_true(shell(f, "grep -q nonsense crl.pem && cp list crl.pem"));
    assert_int_equal(revoke_client(f, "alice"), 0);
}

static void a_new_ca_starts_a_new_list(void **state)
{
    struct folder *f = *state;
    made(f->path, NULL, false, false);
    has_client(f, "alice", false, false);
    assert_int_equal(revoke_client(f, "alice"), 1);
    made(f->path, NULL, true, false);
    assert_false(is_good(f, "alice.crt"));
    made(f->path, NULL, true, true);
    has_client(f, "alice", false, true);
    assert_true(is_good(f, "alice.crt"));
    assert_int_equal(wolfssl_verdict(f, "alice.crt"), WOLFSSL_SUCCESS);
    assert_int_equal(revoke_client(f, "alice"), 1);
    assert_false(is_good(f, "alice.crt"));
}

/* An EC key, and a serial number and extensions of another's choice. */
static void a_ca_from_openssl_can_revoke(void **state)
{
    struct folder *f = *state;
    assert_true(shell(f,
                      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt "
                      "-days 100 -subj '/O=Somebody/CN=EC CA' -addext keyUsage=critical,keyCertSign,cRLSign"));
    has_client(f, "alice", false, false);
    /* Made by openssl, unknown to the index. */
    assert_true(shell(f,
                      "openssl req -newkey rsa:2048 -nodes -keyout bob.key -subj /CN=bob -out bob.csr && "
                      "openssl x509 -req -in bob.csr -CA ca.crt -CAkey ca.key -set_serial 5 -days 9 -out bob.crt"));
    assert_int_equal(revoke_client(f, "bob"), 1);
    assert_true(shell(f, "openssl verify -crl_check -CAfile ca.crt -CRLfile crl.pem alice.crt"));
    assert_false(shell(f, "openssl verify -crl_check -CAfile ca.crt -CRLfile crl.pem bob.crt"));
    assert_true(shell(f, "openssl crl -in crl.pem -noout -text | grep -q 'Serial Number: 05'"));
    /* Not longer than the CA. */
    assert_false(shell(f, "openssl x509 -in alice.crt -noout -checkend $((101 * 86400))"));
}

static void many_can_be_revoked(void **state)
{
    struct folder *f = *state;
    made(f->path, NULL, false, false);
    has_client(f, "alice", false, false);
    FILE *file = fopen(in(f, "issued.txt"), "a");
    for (int i = 0; i < 3000; i++)
        fprintf(file, "40%030X 2036-01-01T00:00:00Z 2026-01-01T00:00:00Z n%d\n", i, i);
    fclose(file);
    assert_int_equal(revoke_client(f, "alice"), 1);
    assert_true(shell(f, "test $(openssl crl -in crl.pem -CAfile ca.crt -text | grep -c 'Serial Number') = 3001"));
    assert_false(is_good(f, "alice.crt"));
    assert_int_equal(revoke_client(f, "n2999"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_client_gets_a_certificate_for_itself_only),
        IN_FOLDER(nothing_is_overwritten_unasked),
        IN_FOLDER(names_that_can_not_be),
        IN_FOLDER(without_a_ca_there_is_no_client),
        IN_FOLDER(what_is_revoked_is_refused),
        IN_FOLDER(all_of_a_name_are_revoked_and_a_new_one_is_not),
        IN_FOLDER(lost_files_lose_nothing),
        IN_FOLDER(broken_files_are_left_alone),
        IN_FOLDER(a_new_ca_starts_a_new_list),
        IN_FOLDER(a_ca_from_openssl_can_revoke),
        IN_FOLDER(many_can_be_revoked),
    };
    if (system("openssl version >/dev/null 2>&1") != 0) {
        print_message("skipped: there is no openssl\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, start_wolfssl, stop_wolfssl);
}
