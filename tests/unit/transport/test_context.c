/* SPDX-License-Identifier: GPL-3.0-or-later */
/* TLS settings: which files, versions and suites are taken, which are refused, and in which words. */
#include "harness.h"

#include "sotto/transport/tls_features.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct loop_rig rig;
static char err[1024];
static const char *setting;

/* The one certificate of what good() gives. */
static struct tls_pair_files pair;

static struct tls_settings good(void)
{
    pair = (struct tls_pair_files){.cert = cert_path("server.crt"), .key = cert_path("server.key")};
    return (struct tls_settings){.pairs = &pair, .pairs_n = 1, .min_version = TLS_1_2, .max_version = TLS_1_3};
}

static void refused(const struct tls_settings *s, const char *at, const char *words)
{
    err[0] = '\0';
    setting = "none";
    struct tls_context *c = tls_context_new(s, err, sizeof(err), &setting);
    assert_null(c);
    assert_string_equal(setting, at);
    if (strstr(err, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err, words);
    assert_null(strchr(err, '\n'));
}

static void taken(const struct tls_settings *s)
{
    struct tls_context *c = tls_context_new(s, err, sizeof(err), &setting);
    if (c == NULL)
        fail_msg("%s: %s", setting != NULL ? setting : "?", err);
    tls_context_unref(tls_context_ref(c));
    tls_context_unref(c);
}

static const char *scratch(const char *name, const char *text)
{
    const char *path = cert_path(name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static bool shell(const char *command)
{
    char line[1024];
    snprintf(line, sizeof(line), "cd '%s' && (%s) >/dev/null 2>&1", certs(), command);
    return system(line) == 0;
}

static void files_are_named_when_they_are_at_fault(void **state)
{
    (void)state;
    struct tls_settings s = good();
    taken(&s);
    pair.cert = cert_path("missing.crt");
    refused(&s, "cert", "missing.crt does not exist");
    s = good();
    pair.key = cert_path("missing.key");
    refused(&s, "key", "missing.key does not exist");
    s = good();
    pair.chain = cert_path("missing.pem");
    refused(&s, "chain", "missing.pem does not exist");
    s = good();
    pair.chain = pair.key;
    refused(&s, "chain", "holds no certificate");
    s = good();
    pair.cert = pair.key;
    refused(&s, "cert", "holds no certificate");
    s = good();
    pair.key = pair.cert;
    refused(&s, "key", "holds no private key");
    s = good();
    pair.cert = certs();
    refused(&s, "cert", "is a folder");
    s = good();
    pair.cert = scratch("empty.pem", "");
    refused(&s, "cert", "holds no certificate");
    pair.cert = scratch("bad.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    refused(&s, "cert", "holds no certificate");
    s = good();
    pair.chain = scratch("bad.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    refused(&s, "chain", "holds no certificate");
    assert_true(shell("cat server.crt bad.pem > half.pem"));
    s = good();
    pair.cert = cert_path("half.pem");
    refused(&s, "cert", "a certificate in it is damaged (1 of 2 can be read)");
    s = good();
    pair.key = scratch("bad.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    refused(&s, "key", "is not the key of the certificate");
}

static void a_key_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct tls_settings s = good();
    pair.key = cert_path("server-ec.key");
    refused(&s, "key", "is not the key of the certificate");
    pair.key = cert_path("ca.key");
    refused(&s, "key", "is not the key of the certificate");
    pair.cert = cert_path("server-ec.crt");
    pair.key = cert_path("server-ec.key");
    taken(&s);
    /* Of the same kind and curve. */
    if (!shell("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out other.key; chmod 600 other.key; "
               "openssl ec -in other.key -no_public -out bare.key; chmod 600 bare.key"))
        skip();
    pair.key = cert_path("other.key");
    refused(&s, "key", "is not the key of the certificate");
    pair.key = cert_path("bare.key");
    refused(&s, "key", "is not the key of the certificate");
}

/* As another user, where that can be tried. */
static void an_unreadable_file_is_mended_by_a_command(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    const char *key = cert_path("server.key");
    chmod(certs(), 0755);
    pid_t pid = fork();
    if (pid == 0) {
        if (setegid(65534) != 0 || seteuid(65534) != 0)
            _exit(3);
        struct tls_settings s = good();
        const char *at = NULL;
        struct tls_context *c = tls_context_new(&s, err, sizeof(err), &at);
        bool ok = c == NULL && strstr(err, key) != NULL && strstr(err, "user 65534") != NULL &&
                  strstr(err, "mode 0600, owner 0") != NULL && strstr(err, "sudo chown 65534") != NULL;
        _exit(ok ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void all_forms_of_keys_are_read(void **state)
{
    (void)state;
    if (!shell("openssl version"))
        skip();
    assert_true(
        shell("openssl rsa -in server.key -traditional -out pkcs1.key && openssl ec -in server-ec.key -out sec1.key"
              " && openssl ecparam -name prime256v1 -out params && cat params sec1.key > both.key"
              " && cat server.crt server.key > all.pem"));
    struct tls_settings s = good();
    pair.key = cert_path("pkcs1.key");
    taken(&s);
    pair.cert = pair.key = cert_path("all.pem");
    taken(&s);
    pair.cert = cert_path("server-ec.crt");
    pair.key = cert_path("sec1.key");
    taken(&s);
    pair.key = cert_path("both.key");
    taken(&s);
}

static const char *phrase_file(const char *phrase)
{
    const char *path = scratch("phrase", phrase);
    chmod(path, 0600);
    return path;
}

static void locked_keys_are_opened(void **state)
{
    (void)state;
    if (!shell("openssl version"))
        skip();
    static const struct {
        const char *make, *cert;
        enum tls_feature needs;
    } keys[] = {
        {"openssl pkcs8 -topk8 -v2 aes256 -in server.key", "server.crt", TLS_FEATURES},
        {"openssl pkcs8 -topk8 -v2 aes128 -v2prf hmacWithSHA256 -in server-ec.key", "server-ec.crt", TLS_FEATURES},
        {"openssl pkcs8 -topk8 -v2 des3 -in server.key", "server.crt", TLS_FEATURE_OLD_KEYS},
        {"openssl rsa -traditional -aes128 -in server.key", "server.crt", TLS_FEATURE_OLD_KEYS},
        {"openssl rsa -traditional -aes256 -in server.key", "server.crt", TLS_FEATURE_OLD_KEYS},
        {"openssl rsa -traditional -des3 -in server.key", "server.crt", TLS_FEATURE_OLD_KEYS},
        {"openssl ec -des3 -in server-ec.key", "server-ec.crt", TLS_FEATURE_OLD_KEYS},
    };
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        char command[256];
        snprintf(command, sizeof(command), "%s -passout pass:'Two words' -out locked.key", keys[i].make);
        print_message("%s\n", keys[i].make);
        assert_true(shell(command));
        struct tls_settings s = good();
        pair.cert = cert_path(keys[i].cert);
        pair.key = cert_path("locked.key");
        bool old = keys[i].needs != TLS_FEATURES && !tls_has(keys[i].needs);
        refused(&s, "key", old ? "this build of wolfSSL does not know" : "locked with a passphrase: write it into");
        pair.key_passphrase_file = phrase_file("Two words\nand what follows\n");
        if (old) {
            refused(&s, "key", "this build of wolfSSL does not know");
            continue;
        }
        taken(&s);
        pair.key_passphrase_file = phrase_file("two words");
        refused(&s, "key_passphrase_file", "does not unlock");
        /* The right phrase, and the key of another certificate. */
        pair.key_passphrase_file = phrase_file("Two words\r\n");
        pair.cert = cert_path(strcmp(keys[i].cert, "server.crt") == 0 ? "server-ec.crt" : "server.crt");
        refused(&s, "key", "is not the key of the certificate");
    }
}

static void passphrase_files_are_looked_at(void **state)
{
    (void)state;
    if (!shell("openssl pkcs8 -topk8 -v2 aes256 -in server.key -passout pass:secret -out locked.key"))
        skip();
    struct tls_settings s = good();
    pair.key = cert_path("locked.key");
    pair.key_passphrase_file = cert_path("missing");
    refused(&s, "key_passphrase_file", "missing does not exist");
    pair.key_passphrase_file = phrase_file("\nsecret\n");
    refused(&s, "key_passphrase_file", "its first line must be the passphrase");
    pair.key_passphrase_file = phrase_file("secret");
    chmod(pair.key_passphrase_file, 0666);
    refused(&s, "key_passphrase_file", "everybody on this machine may write this file");
    phrase_file("secret");
    taken(&s);
}

/* The context's warnings, one a line. */
static const char *warnings_of(const struct tls_settings *s)
{
    static char text[4096];
    size_t n = 0;
    const struct tls_warning *v;
    struct tls_context *c = tls_context_new(s, err, sizeof(err), &setting);
    if (c == NULL)
        fail_msg("%s: %s", setting != NULL ? setting : "?", err);
    size_t count = tls_context_warnings(c, &v);
    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        assert_non_null(v[i].hint);
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s: %s\n", v[i].setting, v[i].reason);
    }
    tls_context_unref(c);
    return text;
}

static void warns(const struct tls_settings *s, const char *of)
{
    const char *text = warnings_of(s);
    if (strstr(text, of) == NULL || strchr(text, '\n')[1] != '\0')
        fail_msg("'%s' is not the one warning that has '%s'", text, of);
}

/* It is used all the same: a broker that doesn't start helps nobody. But it is said. */
static void an_expired_certificate_is_warned_of(void **state)
{
    (void)state;
    if (!shell("openssl req -new -key server.key -subj /CN=old -out old.csr && "
               "openssl x509 -req -in old.csr -CA ca.crt -CAkey ca.key -days 0 -out old.crt"))
        skip();
    sleep(2);
    struct tls_settings s = good();
    assert_string_equal(warnings_of(&s), "");
    pair.cert = cert_path("old.crt");
    warns(&s, "cert: the certificate has expired on ");
}

static void what_breaks_small_devices_is_warned_of(void **state)
{
    (void)state;
    struct tls_settings s = good();
    s.min_version = TLS_1_3;
    warns(&s, "min_version: most small devices know TLS 1.2 only");
    s = good();
    pair.cert = cert_path("server-ec.crt");
    pair.key = cert_path("server-ec.key");
    warns(&s, "cert: there is no RSA certificate");
    s = good();
    s.ciphers = "ECDHE-RSA-AES256-GCM-SHA384:TLS_AES_128_GCM_SHA256";
    warns(&s, "ciphers: ECDHE-RSA-AES128-GCM-SHA256 is not in the list");
    s.ciphers = "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256";
    assert_string_equal(warnings_of(&s), "");
    s = good();
    pair.key_passphrase_file = phrase_file("needless");
    warns(&s, "key_passphrase_file: its key is not locked");
    if (!shell("openssl req -x509 -newkey rsa:3072 -nodes -keyout big.key -subj /CN=big -days 9 -out big.crt"))
        skip();
    s = good();
    pair.cert = cert_path("big.crt");
    pair.key = cert_path("big.key");
    warns(&s, "cert: small devices (Tasmota, ESP8266) often can't verify RSA-3072");
    assert_true(
        shell("n=$(seq -s, -f 'DNS:host%04g.a-long-name-that-fills-some-room.example.org' 1 70) && "
              "openssl req -x509 -key server.key -subj /CN=long -days 9 -addext subjectAltName=$n -out long.crt"));
    s = good();
    pair.cert = cert_path("long.crt");
    warns(&s, "cert: the certificate and its chain have ");
    assert_true(shell("cat server.crt big.crt > stranger.crt"));
    s = good();
    pair.cert = cert_path("stranger.crt");
    warns(&s, "cert: 1 certificates in its files are not part of its chain");
    assert_true(shell("cat server.crt ca.crt > with-root.crt"));
    pair.cert = cert_path("with-root.crt");
    assert_string_equal(warnings_of(&s), "");
}

static void lists_of_suites(void **state)
{
    (void)state;
    static const char *const fine[] = {
        "", "TLS13-AES128-GCM-SHA256", "TLS_AES_256_GCM_SHA384:ECDHE-RSA-AES128-GCM-SHA256",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"};
    static const char *const wrong[] = {"NULL-SHA",
                                        "RC4-SHA",
                                        "ADH-AES128-SHA",
                                        "AES128-GCM-SHA256",
                                        "AES256-SHA",
                                        "DHE-RSA-AES128-GCM-SHA256",
                                        "ECDHE-RSA-AES128-SHA256",
                                        "DES-CBC3-SHA",
                                        "ECDHE-RSA-AES128-GCM-SHA256:NULL-MD5",
                                        "HIGH",
                                        "ALL",
                                        "ecdhe-rsa-aes128-gcm-sha256",
                                        "ECDHE+AESGCM"};
    struct tls_settings s = good();
    for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
        s.ciphers = fine[i];
        taken(&s);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        s.ciphers = wrong[i];
        refused(&s, "ciphers", "is no cipher suite that Sotto takes");
    }
    s.max_version = TLS_1_2;
    s.ciphers = "TLS13-AES128-GCM-SHA256";
    refused(&s, "ciphers", "rule out");
    s = good();
    s.min_version = TLS_1_3;
    s.ciphers = "ECDHE-RSA-AES128-GCM-SHA256";
    refused(&s, "ciphers", "rule out");
    s.max_version = TLS_1_2;
    refused(&s, "min_version", "newer than max_version");
}

/* ---- What is agreed on ---- */

struct agreed {
    bool ok;
    char words[100], why[300], hint[300];
};

static struct agreed try(struct tls_context *c, WOLFSSL_METHOD *method, const char *ciphers)
{
    struct side s;
    struct peer p;
    struct agreed a = {false, "", "", ""};
    int fd = side_open(&s, &rig, c, false);
    peer_open(&p, fd, method, ciphers, cert_path("ca.crt"));
    shake(&s, &p);
    a.ok = s.established && p.connected;
    transport_describe(s.t, a.words, sizeof(a.words));
    snprintf(a.why, sizeof(a.why), "%s", s.why);
    snprintf(a.hint, sizeof(a.hint), "%s", s.hint);
    peer_close(&p);
    side_close(&s);
    return a;
}

static void versions_are_kept_to(void **state)
{
    (void)state;
    assert_true(try(context(false, TLS_1_2, TLS_1_2, NULL), wolfTLSv1_2_client_method(), NULL).ok);
    assert_true(try(context(false, TLS_1_3, TLS_1_3, NULL), wolfTLSv1_3_client_method(), NULL).ok);
    struct agreed a = try(context(false, TLS_1_3, TLS_1_3, NULL), wolfTLSv1_2_client_method(), NULL);
    assert_false(a.ok);
    assert_string_equal(a.why, "the client offers TLS 1.2 at most, this listener takes TLS 1.3 or newer");
    assert_non_null(strstr(a.hint, "min_version"));
    assert_false(try(context(false, TLS_1_2, TLS_1_2, NULL), wolfTLSv1_3_client_method(), NULL).ok);
}

#ifndef NO_OLD_TLS
static void old_versions_are_refused(void **state)
{
    (void)state;
    struct agreed a = try(context(false, TLS_1_2, TLS_1_3, NULL), wolfTLSv1_1_client_method(), NULL);
    assert_false(a.ok);
    assert_string_equal(a.why, "the client offers TLS 1.1 at most, this listener takes TLS 1.2 or newer");
    assert_false(try(context(false, TLS_1_2, TLS_1_2, NULL), wolfTLSv1_1_client_method(), NULL).ok);
}
#else
static void old_versions_are_refused(void **state)
{
    (void)state;
    skip();
}
#endif

static bool client_knows(const char *suite)
{
    WOLFSSL_CTX *c = wolfSSL_CTX_new(wolfTLSv1_2_client_method());
    bool known = wolfSSL_CTX_set_cipher_list(c, suite) == WOLFSSL_SUCCESS;
    wolfSSL_CTX_free(c);
    return known;
}

static void weak_suites_are_refused(void **state)
{
    (void)state;
    static const char *const weak[] = {"NULL-SHA256",
                                       "RC4-SHA",
                                       "ECDHE-RSA-RC4-SHA",
                                       "ADH-AES128-SHA",
                                       "AES128-GCM-SHA256",
                                       "AES256-SHA256",
                                       "ECDHE-RSA-AES128-SHA256",
                                       "ECDHE-RSA-AES256-SHA",
                                       "DHE-RSA-AES128-GCM-SHA256"};
    unsigned tried = 0;
    for (size_t i = 0; i < sizeof(weak) / sizeof(weak[0]); i++) {
        if (!client_knows(weak[i]))
            continue;
        tried++;
        struct agreed a = try(context(false, TLS_1_2, TLS_1_3, NULL), wolfTLSv1_2_client_method(), weak[i]);
        if (a.ok)
            fail_msg("%s was agreed on", weak[i]);
        assert_string_not_equal(a.why, "");
    }
    assert_true(tried > 0);
}

static void each_good_suite_works(void **state)
{
    (void)state;
    static const char *const suites[][2] = {
        {"TLS13-AES128-GCM-SHA256", "3r"},        {"TLS13-AES256-GCM-SHA384", "3r"},
        {"TLS13-CHACHA20-POLY1305-SHA256", "3e"}, {"ECDHE-RSA-AES128-GCM-SHA256", "2r"},
        {"ECDHE-RSA-AES256-GCM-SHA384", "2r"},    {"ECDHE-RSA-CHACHA20-POLY1305", "2r"},
        {"ECDHE-ECDSA-AES128-GCM-SHA256", "2e"},  {"ECDHE-ECDSA-AES256-GCM-SHA384", "2e"},
        {"ECDHE-ECDSA-CHACHA20-POLY1305", "2e"}};
    for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
        bool ec = suites[i][1][1] == 'e', new = suites[i][1][0] == '3';
        /* Named by the client, then by the listener. */
        for (int by = 0; by < 2; by++) {
            struct agreed a =
                try(context(ec, TLS_1_2, TLS_1_3, by ? suites[i][0] : NULL),
                    new ? wolfTLSv1_3_client_method() : wolfTLSv1_2_client_method(), by ? NULL : suites[i][0]);
            if (!a.ok)
                fail_msg("%s: %s", suites[i][0], a.why);
        }
    }
}

/* The server's order decides, whichever way round the client has it. */
static void the_servers_order_decides(void **state)
{
    (void)state;
    static const char *const lists[2][2] = {{"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305",
                                             "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256"},
                                            {"TLS13-AES128-GCM-SHA256:TLS13-CHACHA20-POLY1305-SHA256",
                                             "TLS13-CHACHA20-POLY1305-SHA256:TLS13-AES128-GCM-SHA256"}};
    for (int v = 0; v < 2; v++) {
        for (int server = 0; server < 2; server++) {
            for (int client = 0; client < 2; client++) {
                struct agreed a = try(context(false, TLS_1_2, TLS_1_3, lists[v][server]),
                                      v ? wolfTLSv1_3_client_method() : wolfTLSv1_2_client_method(), lists[v][client]);
                assert_true(a.ok);
                bool chacha = strstr(a.words, "CHACHA20") != NULL;
                if (chacha != (server == 1))
                    fail_msg("server %s, client %s: %s", lists[v][server], lists[v][client], a.words);
            }
        }
    }
}

static void a_certificate_of_the_other_kind_is_named(void **state)
{
    (void)state;
    struct agreed a =
        try(context(false, TLS_1_2, TLS_1_3, NULL), wolfTLSv1_2_client_method(), "ECDHE-ECDSA-AES128-GCM-SHA256");
    assert_false(a.ok);
    assert_string_equal(a.why, "the client takes ECDSA certificates only, this listener has an RSA one");
    a = try(context(true, TLS_1_2, TLS_1_3, NULL), wolfTLSv1_2_client_method(), "ECDHE-RSA-AES128-GCM-SHA256");
    assert_false(a.ok);
    assert_string_equal(a.why, "the client takes RSA certificates only, this listener has an ECDSA one");
}

/* A second client of another make: its order loses too. */
static void openssl_agrees(void **state)
{
    (void)state;
    if (!shell("openssl version"))
        skip();
    static const char *const cases[][3] = {
        {"-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
         "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256"},
        {"-tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256",
         "TLS13-CHACHA20-POLY1305-SHA256:TLS13-AES128-GCM-SHA256"},
        {"-tls1_2 -cipher ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",
         "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305"},
        {"-tls1_3 -ciphersuites TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256",
         "TLS13-AES128-GCM-SHA256:TLS13-CHACHA20-POLY1305-SHA256"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct side s;
        unsigned port;
        int listener = listen_on_loopback(&port);
        char command[512];
        snprintf(command, sizeof(command),
                 "openssl s_client -connect 127.0.0.1:%u -CAfile '%s' -verify_return_error -servername localhost %s "
                 "</dev/null 2>&1",
                 port, cert_path("ca.crt"), cases[i][0]);
        FILE *client = popen(command, "r");
        assert_non_null(client);
        side_accept(&s, &rig, context(false, TLS_1_2, TLS_1_3, cases[i][2]), listener);
        for (int n = 0; n < 5000 && !s.ended; n++) {
            uv_run(&rig.uv, UV_RUN_NOWAIT);
            usleep(1000);
        }
        char out[8192];
        size_t got = fread(out, 1, sizeof(out) - 1, client);
        out[got] = '\0';
        assert_int_equal(s.established, 1);
        side_close(&s);
        int status = pclose(client);
        if (status != 0 || strstr(out, "Verification: OK") == NULL || strstr(out, cases[i][1]) == NULL)
            fail_msg("%s: status %d, %s\n%s", cases[i][0], status, s.why, out);
    }
}

static int start(void **state)
{
    (void)state;
    rig_init(&rig);
    return tls_init();
}

static int stop(void **state)
{
    int rc = certs_remove(state);
    rig_fini(&rig);
    tls_fini();
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_named_when_they_are_at_fault),
        cmocka_unit_test(a_key_that_does_not_fit_is_refused),
        cmocka_unit_test(an_unreadable_file_is_mended_by_a_command),
        cmocka_unit_test(all_forms_of_keys_are_read),
        cmocka_unit_test(locked_keys_are_opened),
        cmocka_unit_test(passphrase_files_are_looked_at),
        cmocka_unit_test(an_expired_certificate_is_warned_of),
        cmocka_unit_test(what_breaks_small_devices_is_warned_of),
        cmocka_unit_test(lists_of_suites),
        cmocka_unit_test(versions_are_kept_to),
        cmocka_unit_test(old_versions_are_refused),
        cmocka_unit_test(weak_suites_are_refused),
        cmocka_unit_test(each_good_suite_works),
        cmocka_unit_test(the_servers_order_decides),
        cmocka_unit_test(a_certificate_of_the_other_kind_is_named),
        cmocka_unit_test(openssl_agrees),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
