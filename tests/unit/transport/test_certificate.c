/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The private CA: what is made, for whom, until when, with which rights, and what is never overwritten. */
#include "folder.h"
#include "../../../src/transport/tls_files_private.h"

#include <sys/stat.h>
#include <time.h>

#include <wolfssl/wolfcrypt/asn.h>

#define DAY ((time_t)24 * 3600)

static const char *const all[] = {"ca.crt", "ca.key", "server.crt", "server.key", "server-ec.crt", "server-ec.key"};

static void keep(const struct folder *f, char *texts[6])
{
    for (int i = 0; i < 6; i++)
        texts[i] = slurp(in(f, all[i]));
}

/* Which files are as they were: bit i for all[i]. */
static unsigned unchanged(const struct folder *f, char *texts[6])
{
    unsigned same = 0;
    for (int i = 0; i < 6; i++) {
        char *now = slurp(in(f, all[i]));
        same |= strcmp(now, texts[i]) == 0 ? 1u << i : 0;
        mem_free(now);
    }
    return same;
}

static void six_files_with_the_right_modes(void **state)
{
    struct folder *f = *state;
    const char *dir = in(f, "new/deep/folder/");
    mode_t old = umask(0);
    made(dir, NULL, false, false);
    umask(old);
    for (int i = 0; i < 6; i++) {
        struct stat st;
        char path[300];
        snprintf(path, sizeof(path), "%s/%s", dir, all[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, strstr(all[i], ".key") != NULL ? 0600 : 0644);
        snprintf(path, sizeof(path), "%s/%s.new", dir, all[i]);
        assert_int_not_equal(stat(path, &st), 0);
    }
}

static void nothing_is_overwritten_unasked(void **state)
{
    struct folder *f = *state;
    char *texts[6];
    made(f->path, NULL, false, false);
    keep(f, texts);
    assert_int_equal(make(f->path, NULL, false, false), -1);
    assert_non_null(strstr(err, "--force"));
    assert_int_equal(make(f->path, NULL, false, true), -1);
    assert_int_equal(unchanged(f, texts), 0x3f);
    made(f->path, NULL, true, false);
    assert_int_equal(unchanged(f, texts), 0x03);
    made(f->path, NULL, true, true);
    assert_int_equal(unchanged(f, texts), 0);
    for (int i = 0; i < 6; i++)
        mem_free(texts[i]);
}

static void a_ca_alone_is_used_but_half_a_ca_is_not(void **state)
{
    struct folder *f = *state;
    char *texts[6];
    made(f->path, NULL, false, false);
    keep(f, texts);
    for (int i = 2; i < 6; i++)
        assert_int_equal(unlink(in(f, all[i])), 0);
    assert_int_equal(make(f->path, NULL, false, true), -1);
    assert_non_null(strstr(err, "--force --new-ca"));
    made(f->path, NULL, false, false);
    assert_int_equal(unchanged(f, texts), 0x03);
    assert_int_equal(unlink(in(f, "ca.key")), 0);
    assert_int_equal(make(f->path, NULL, true, false), -1);
    assert_non_null(strstr(err, "ca.crt but not ca.key"));
    for (int i = 0; i < 6; i++)
        mem_free(texts[i]);
}

static void a_wrong_ca_key_is_noticed(void **state)
{
    struct folder *f = *state;
    made(f->path, NULL, false, false);
    assert_true(shell(f, "cp ca.key good.key && cp server.key ca.key"));
    assert_int_equal(make(f->path, NULL, true, false), -1);
    assert_non_null(strstr(err, "is not the key of ca.crt"));
    assert_true(shell(f, "echo nonsense > ca.key"));
    assert_int_equal(make(f->path, NULL, true, false), -1);
    assert_true(shell(f, "cp good.key ca.key; cp server.crt ca.crt"));
    assert_int_equal(make(f->path, NULL, true, false), -1);
    assert_non_null(strstr(err, "no certificate of a CA"));
}

static void expect_missing(const struct folder *f, const char *name, const char *way)
{
    struct pem_file p;
    assert_false(pem_file_read(&p, in(f, name), err, sizeof(err)));
    if (strstr(err, "does not exist") == NULL || strstr(err, way) == NULL)
        fail_msg("'%s' is not in: %s", way, err);
}

static void expect_way(const struct folder *f, const char *name, const char *way)
{
    certificate_way(in(f, name), err, sizeof(err));
    if (strstr(err, way) == NULL)
        fail_msg("'%s' is not in: %s", way, err);
}

/* A new CA is no advice where the old one's certificate lies. */
static void advice_depends_on_where_the_key_of_the_ca_is(void **state)
{
    struct folder *f = *state;
    struct certificate_request r = {.dir = f->path};
    char command[300];
    made(f->path, NULL, false, false);
    snprintf(command, sizeof(command), "`sotto cert renew %s`", f->path);
    expect_way(f, "server.crt", command);
    expect_way(f, "server-ec.crt", command);
    assert_true(shell(f, "cp server.crt other.crt"));
    expect_way(f, "other.crt", "its CA's tool");
    expect_missing(f, "third.crt", "from the CA that is there: `sotto cert init ");
    assert_true(shell(f, "mv server.crt kept.crt"));
    expect_missing(f, "server.crt", command);
    assert_true(shell(f, "mv server.key kept.key"));
    expect_missing(f, "server.crt", "--force`");
    assert_true(shell(f, "mv kept.crt server.crt; mv kept.key server.key; mv ca.key kept.key"));
    expect_way(f, "server.crt", "/ca.key, isn't there, so it can't be renewed here");
    expect_missing(f, "third.crt", "where the CA's key lies and copy them");
    assert_int_equal(certificate_renew(&r, err, sizeof(err)), -1);
    assert_non_null(strstr(err, "nothing can be signed here without it: put it there"));
    for (int force = 0; force < 2; force++) {
        assert_int_equal(make(f->path, NULL, force, false), -1);
        assert_non_null(strstr(err, "ca.crt but not ca.key"));
    }
    assert_true(shell(f, "mv kept.key ca.key; rm ca.crt"));
    expect_missing(f, "ca.crt", "put it back (it is no secret");
    expect_way(f, "server.crt", "its CA's tool");
    assert_true(shell(f, "rm *"));
    expect_missing(f, "server.crt", "make certificates with `sotto cert init DIR`");
}

static void hosts_are_checked(void **state)
{
    struct folder *f = *state;
    static const char *const wrong[] = {
        "",   "a b",  "-..-", "a..b",
        ".a", "a.",   "a/b",  "1.2.3.4/8",
        "*",  "a*.b", "x\n",  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct certificate_request r = {.dir = in(f, "x"), .hosts = &wrong[i], .hosts_n = 1};
        assert_int_equal(certificate_init(&r, err, sizeof(err)), -1);
        assert_non_null(strstr(err, "neither a host name nor an address"));
        assert_int_not_equal(access(in(f, "x"), F_OK), 0);
    }
    const char *fine[] = {"broker.example.org", "*.lan", "10.9.8.7", "fd00::1", "LOCALHOST", "a_b"};
    struct certificate_request r = {.dir = f->path, .hosts = fine, .hosts_n = 6};
    assert_int_equal(certificate_names(&r, err, sizeof(err)), 0);
    assert_memory_equal(err, "localhost, 127.0.0.1, ::1, broker.example.org, *.lan, 10.9.8.7, fd00::1, a_b", 72);
    assert_null(strstr(err, "LOCALHOST"));
    assert_null(strstr(err, "fe80"));
}

static void too_many_hosts_are_refused(void **state)
{
    struct folder *f = *state;
    static char names[300][32];
    const char *hosts[300];
    for (int i = 0; i < 300; i++) {
        snprintf(names[i], sizeof(names[i]), "h%d.example", i);
        hosts[i] = names[i];
    }
    struct certificate_request r = {.dir = f->path, .hosts = hosts, .hosts_n = 300};
    assert_int_equal(certificate_init(&r, err, sizeof(err)), -1);
    /* As many as fit: a certificate of several KB. */
    r.hosts_n = 110;
    assert_int_equal(certificate_init(&r, err, sizeof(err)), 0);
    struct tls_pair_files pair = {.cert = in(f, "server.crt"), .key = in(f, "server.key")};
    struct tls_settings s = {.pairs = &pair, .pairs_n = 1, .min_version = TLS_1_2, .max_version = TLS_1_3};
    struct tls_context *c = tls_context_new(&s, err, sizeof(err), NULL);
    if (c == NULL)
        fail_msg("%s", err);
    tls_context_unref(c);
}

static void a_folder_that_can_not_be_made(void **state)
{
    struct folder *f = *state;
    assert_true(shell(f, "echo > file"));
    assert_int_equal(make(in(f, "file"), NULL, false, false), -1);
    assert_int_equal(make(in(f, "file/below"), NULL, false, false), -1);
    assert_int_equal(make("", NULL, false, false), -1);
    assert_int_equal(make("/proc/nowhere", NULL, false, false), -1);
}

/* ---- What stands in them ---- */

static DecodedCert *decode(const char *path, DerBuffer **der)
{
    char *text = slurp(path);
    assert_int_equal(wc_PemToDer((const uint8_t *)text, (long)strlen(text), CERT_TYPE, der, NULL, NULL, NULL), 0);
    mem_free(text);
    DecodedCert *d = mem_alloc(sizeof(*d));
    wc_InitDecodedCert(d, (*der)->buffer, (*der)->length, NULL);
    assert_int_equal(wc_ParseCert(d, CERT_TYPE, NO_VERIFY, NULL), 0);
    return d;
}

static void drop(DecodedCert *d, DerBuffer **der)
{
    wc_FreeDecodedCert(d);
    mem_free(d);
    wc_FreeDer(der);
}

static time_t date(const uint8_t *der, int n)
{
    const byte *p;
    byte format;
    int length;
    struct tm tm = {0};
    assert_int_equal(wc_GetDateInfo(der, n, &p, &format, &length), 0);
    assert_int_equal(wc_GetDateAsCalendarTime(p, length, format, &tm), 0);
    return timegm(&tm);
}

static void contents_are_right(void **state)
{
    struct folder *f = *state;
    made(f->path, "broker.example.org", false, false);
    static const char *const names[] = {"ca.crt", "server.crt", "server-ec.crt"};
    static const word32 kinds[] = {RSAk, RSAk, ECDSAk};
    uint8_t serials[3][32], ca_id[20] = {0};
    for (int i = 0; i < 3; i++) {
        DerBuffer *der = NULL;
        DecodedCert *d = decode(in(f, names[i]), &der);
        bool ca = i == 0;
        assert_int_equal(d->keyOID, kinds[i]);
        assert_int_equal(d->isCA, ca);
        assert_int_equal(d->extKeyUsage, ca       ? KEYUSE_KEY_CERT_SIGN | KEYUSE_CRL_SIGN
                                         : i == 1 ? KEYUSE_DIGITAL_SIG | KEYUSE_KEY_ENCIPHER
                                                  : KEYUSE_DIGITAL_SIG);
        assert_int_equal(d->extExtKeyUsage, ca ? 0 : EXTKEYUSE_SERVER_AUTH);
        assert_int_equal(date(d->beforeDate, d->beforeDateLen), 1546300800);
        time_t days = (date(d->afterDate, d->afterDateLen) - time(NULL) + DAY / 2) / DAY;
        assert_int_equal(days, ca ? 7305 : 397);
        assert_int_equal(d->serialSz, 16);
        memcpy(serials[i], d->serial, 16);
        if (ca)
            memcpy(ca_id, d->extSubjKeyId, 20);
        else
            assert_memory_equal(d->extAuthKeyId, ca_id, 20);
        drop(d, &der);
    }
    assert_memory_not_equal(serials[0], serials[1], 16);
    assert_memory_not_equal(serials[1], serials[2], 16);
}

static void wolfssl_verifies_them(void **state)
{
    struct folder *f = *state;
    made(f->path, NULL, false, false);
    made(f->path, "again.example", true, false);
    WOLFSSL_CERT_MANAGER *m = wolfSSL_CertManagerNew();
    assert_int_equal(wolfSSL_CertManagerLoadCA(m, in(f, "ca.crt"), NULL), WOLFSSL_SUCCESS);
    assert_int_equal(wolfSSL_CertManagerVerify(m, in(f, "server.crt"), WOLFSSL_FILETYPE_PEM), WOLFSSL_SUCCESS);
    assert_int_equal(wolfSSL_CertManagerVerify(m, in(f, "server-ec.crt"), WOLFSSL_FILETYPE_PEM), WOLFSSL_SUCCESS);
    wolfSSL_CertManagerFree(m);
}

static void openssl_verifies_them_strictly(void **state)
{
    struct folder *f = *state;
    if (!shell(f, "openssl version"))
        skip();
    made(f->path, "broker.example.org", false, false);
    const char *const fine[] = {"-verify_hostname broker.example.org", "-verify_hostname localhost",
                                "-verify_ip 127.0.0.1", "-verify_ip ::1",
                                /* A device whose clock stands at its firmware's build date, and the last day. */
                                "-attime 1546387200", "-attime $(($(date +%s) + 396 * 86400))"};
    const char *const wrong[] = {"-verify_hostname other.example.org", "-verify_ip 192.0.2.99",
                                 "-attime $(($(date +%s) + 398 * 86400))"};
    char line[400];
    for (size_t i = 0; i < 6; i++) {
        snprintf(line, sizeof(line),
                 "openssl verify -x509_strict -purpose sslserver -CAfile ca.crt %s server.crt server-ec.crt", fine[i]);
        if (!shell(f, line))
            fail_msg("%s", line);
    }
    for (size_t i = 0; i < 3; i++) {
        snprintf(line, sizeof(line), "openssl verify -x509_strict -purpose sslserver -CAfile ca.crt %s server.crt",
                 wrong[i]);
        if (shell(f, line))
            fail_msg("%s", line);
    }
    assert_false(shell(f, "openssl verify -purpose sslclient -CAfile ca.crt server.crt"));
    assert_true(shell(f,
                      "openssl pkey -in ca.key -check && openssl pkey -in server.key -check &&"
                      "openssl pkey -in server-ec.key -check && grep -q 'BEGIN PRIVATE KEY' server-ec.key"));
}

/* A CA of somebody else's making, with an EC key, is good for --force as well. */
static void a_ca_from_openssl_is_used(void **state)
{
    struct folder *f = *state;
    if (!shell(f, "openssl version"))
        skip();
    assert_true(
        shell(f,
              "openssl ecparam -name prime256v1 -genkey -noout -out ca.key &&"
              "openssl req -x509 -new -key ca.key -days 1000 -out ca.crt -subj '/C=DE/O=A rather long name of an "
              "organization/OU=and of its department, too/CN=EC CA' -addext keyUsage=critical,keyCertSign"));
    made(f->path, NULL, false, false);
    assert_true(shell(f, "openssl verify -x509_strict -CAfile ca.crt server.crt server-ec.crt"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(six_files_with_the_right_modes),
        IN_FOLDER(nothing_is_overwritten_unasked),
        IN_FOLDER(a_ca_alone_is_used_but_half_a_ca_is_not),
        IN_FOLDER(a_wrong_ca_key_is_noticed),
        IN_FOLDER(advice_depends_on_where_the_key_of_the_ca_is),
        IN_FOLDER(hosts_are_checked),
        IN_FOLDER(too_many_hosts_are_refused),
        IN_FOLDER(a_folder_that_can_not_be_made),
        IN_FOLDER(contents_are_right),
        IN_FOLDER(wolfssl_verifies_them),
        IN_FOLDER(openssl_verifies_them_strictly),
        IN_FOLDER(a_ca_from_openssl_is_used),
    };
    return cmocka_run_group_tests(tests, start_wolfssl, stop_wolfssl);
}
