/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Every combination once, by foreign clients: TLS 1.2 and 1.3 x a server with RSA, with ECDSA, with both x the ways to
 * authenticate. Three brokers, one for each kind of certificate; the four listeners of each are the ways: none, client
 * certificates optional, required, and pre-shared keys beside the certificate. openssl and mosquitto's clients talk
 * MQTT; gnutls says what was agreed on; mbedTLS is what an ESP32 has, BearSSL what an ESP8266 has.
 */
#include "e2e/e2e.h"
#include "e2e/tls_client.h"

#define KEY "8f1c9e3a5b7d2f4c6e8a0b1d3f5c7e9a"
#define OTHER_KEY "11111111111111111111111111111111"

enum kind { RSA, ECDSA, BOTH, KINDS };
static const char *const kinds[] = {"RSA", "ECDSA", "both"};

/* By port. */
enum { NONE, OPTIONAL, REQUIRED, SHARED };

struct way {
    const char *what;
    int port;
    const char *cert; /* of `cert client` in certs or others */
    const char *key;  /* shared, for the identity "lamp" */
    bool let_in;
};

static const struct way ways[] = {
    {"no authentication", NONE, NULL, NULL, true},
    {"optional, none shown", OPTIONAL, NULL, NULL, true},
    {"optional, a good one", OPTIONAL, "certs/alice", NULL, true},
    {"optional, another CA's", OPTIONAL, "others/eve", NULL, false},
    {"required, a good one", REQUIRED, "certs/alice", NULL, true},
    {"required, an RSA one", REQUIRED, "certs/bob", NULL, true},
    {"required, none shown", REQUIRED, NULL, NULL, false},
    {"required, another CA's", REQUIRED, "others/eve", NULL, false},
    {"a shared key", SHARED, NULL, KEY, true},
    {"a wrong shared key", SHARED, NULL, OTHER_KEY, false},
    {"a certificate where keys are known too", SHARED, NULL, NULL, true},
};
#define WAYS (sizeof ways / sizeof ways[0])

static void put_pair(char *out, size_t cap, enum kind k)
{
    snprintf(out, cap, "%s%s", k != ECDSA ? "cert = %s/certs/server.crt\nkey = %s/certs/server.key\n" : "",
             k != RSA ? "cert = %s/certs/server-ec.crt\nkey = %s/certs/server-ec.key\n" : "");
}

/* The first broker's folder has the certificates of all. */
static void start(struct broker *b, enum kind k, const char *made_in)
{
    static const char *const listeners[] = {"", "client_cert = optional\n", "client_cert = required\n",
                                            "psk_file = psk.txt\n"};
    char pair[256], certs[1024], text[8192];
    put_pair(pair, sizeof pair, k);
    /* At most four times the folder. */
    snprintf(certs, sizeof certs, pair, made_in, made_in, made_in, made_in);
    int n = snprintf(text, sizeof text, ONE_LOOP "users = users.ini\n");
    for (int i = 0; i < (int)(sizeof listeners / sizeof *listeners); i++) {
        n += snprintf(text + n, sizeof text - (size_t)n,
                      "[listener.l%d]\naddress = 127.0.0.1\nport = @P%d@\ntls = on\n%s%s", i, i, certs, listeners[i]);
        if (i == OPTIONAL || i == REQUIRED)
            n += snprintf(text + n, sizeof text - (size_t)n, "client_ca = %s/certs/ca.crt\nclient_cert_user = cn\n",
                          made_in);
    }
    broker_write(b, "psk.txt", "lamp:" KEY "\n");
    broker_write(b, "users.ini", "[*]\nsubscribe = #\npublish = #\n");
    broker_write(b, "sotto.ini", text);
    broker_start(b);
}

static int setup(void **state)
{
    struct broker *b = calloc(KINDS, sizeof *b);
    struct program p;
    *state = b;
    for (int k = 0; k < KINDS; k++)
        broker_init(&b[k]);
    broker_make_certs(b, "certs");
    broker_make_certs(b, "others");
    broker_make_client(b, "certs", "alice");
    broker_make_client(b, "others", "eve");
    program_run(&p, 0, NULL, ARGV(sotto_bin(), "cert", "client", broker_path(b, "certs"), "bob", "--rsa"));
    program_fini(&p);
    for (int k = 0; k < KINDS; k++)
        start(&b[k], (enum kind)k, b->dir);
    return 0;
}

static int teardown(void **state)
{
    struct broker *b = *state;
    for (int k = KINDS; k-- > 0;) {
        broker_stop(&b[k]);
        broker_fini(&b[k]);
    }
    free(b);
    return 0;
}

/* One cell: the brokers, the server's kind of certificate, the version, the way. */
typedef void peer_tries(struct broker *b, enum kind k, int minor, const struct way *w);

static void each_cell(void **state, int lowest, int highest, peer_tries *tries)
{
    for (size_t i = 0; i < 2 * (size_t)KINDS * WAYS; i++) {
        int minor = 2 + (int)(i % 2);
        if (minor >= lowest && minor <= highest)
            tries(*state, (enum kind)(i / 2 % KINDS), minor, &ways[i / 2 / KINDS]);
    }
}

/* ---- openssl ---- */

static void by_openssl(struct broker *b, enum kind k, int minor, const struct way *w)
{
    char trusting[256];
    snprintf(trusting, sizeof trusting, "-CAfile %s -verify_return_error", broker_path(b, "certs/ca.crt"));
    struct visit v = {.port = b[k].ports[w->port],
                      .minor = minor,
                      .cert = w->cert != NULL ? broker_path(b, w->cert) : NULL,
                      .psk_id = w->key != NULL ? "lamp" : NULL,
                      .psk = w->key,
                      .more = trusting};
    enum outcome o = visit(&v);
    if (o != (w->let_in ? LET_IN : TLS_REFUSED))
        fail_msg("openssl, TLS 1.%d, %s, %s: outcome %d", minor, kinds[k], w->what, o);
}

static void openssl_in_each_cell(void **state)
{
    each_cell(state, 2, 3, by_openssl);
}

/* As many connections as there are in a second, with and without taking up the session. */
static void openssl_s_time(void **state)
{
    struct broker *b = *state;
    char where[32];
    program_need("openssl");
    for (int i = 0; i < 2; i++) {
        struct program p;
        snprintf(where, sizeof where, "127.0.0.1:%u", b[RSA + i].ports[NONE]);
        program_run(&p, 0, NULL,
                    ARGV("openssl", "s_time", "-connect", where, "-CAfile", broker_path(b, "certs/ca.crt"), "-verify",
                         "3", "-time", "1", i == 0 ? "-new" : "-reuse"));
        const char *line = strstr(p.output, " connections in ");
        while (line != NULL && line > p.output && line[-1] >= '0' && line[-1] <= '9')
            line--;
        if (line == NULL || atoi(line) < 5)
            fail_msg("%s", p.output);
        program_fini(&p);
    }
}

/* ---- mosquitto's clients, which take the newest version there is ---- */

static void by_mosquitto(struct broker *b, enum kind k, int minor, const struct way *w)
{
    char port[8], crt[256], key[256];
    const char *argv[32] = {"mosquitto_pub", "-h", "localhost", "-p", port, "-q", "1", "-t", "matrix", "-m", "x"};
    size_t n = 11;
    struct program p;
    snprintf(port, sizeof port, "%u", b[k].ports[w->port]);
    if (w->key != NULL) {
        memcpy(&argv[n], ARGV("--psk-identity", "lamp", "--psk", w->key), 4 * sizeof argv[0]);
        n += 4;
    } else {
        memcpy(&argv[n], ARGV("--cafile", broker_path(b, "certs/ca.crt")), 2 * sizeof argv[0]);
        n += 2;
    }
    if (w->cert != NULL) {
        snprintf(crt, sizeof crt, "%s.crt", broker_path(b, w->cert));
        snprintf(key, sizeof key, "%s.key", broker_path(b, w->cert));
        memcpy(&argv[n], ARGV("--cert", crt, "--key", key), 4 * sizeof argv[0]);
    }
    program_start(&p, NULL, argv);
    program_wait(&p);
    if ((p.status == 0) != w->let_in)
        fail_msg("mosquitto_pub, TLS 1.%d, %s, %s: %s", minor, kinds[k], w->what, p.output);
    program_fini(&p);
}

static void mosquitto_in_each_cell(void **state)
{
    program_need("mosquitto_pub");
    each_cell(state, 3, 3, by_mosquitto);
}

/* ---- gnutls ---- */

static void by_gnutls(struct broker *b, enum kind k, int minor, const struct way *w)
{
    char port[8], priority[96], crt[256], key[256], agreed[32];
    const char *argv[32] = {
        "gnutls-cli", "-d", "4", "-p", port, "--priority", priority, "--x509cafile", broker_path(b, "certs/ca.crt")};
    size_t n = 9;
    struct program p;
    snprintf(port, sizeof port, "%u", b[k].ports[w->port]);
    snprintf(priority, sizeof priority, "NORMAL:-VERS-ALL:+VERS-TLS1.%d%s", minor,
             w->key != NULL ? ":-KX-ALL:+ECDHE-PSK" : "");
    if (w->key != NULL) {
        memcpy(&argv[n], ARGV("--pskusername", "lamp", "--pskkey", w->key), 4 * sizeof argv[0]);
        n += 4;
    }
    if (w->cert != NULL) {
        snprintf(crt, sizeof crt, "%s.crt", broker_path(b, w->cert));
        snprintf(key, sizeof key, "%s.key", broker_path(b, w->cert));
        memcpy(&argv[n], ARGV("--x509certfile", crt, "--x509keyfile", key), 4 * sizeof argv[0]);
        n += 4;
    }
    argv[n] = "localhost";
    program_start(&p, "no MQTT\n", argv);
    program_wait(&p);
    /* What the broker says of bytes that are no MQTT means that it let in. With a key in TLS 1.2, 3.7.9 falls over its
     * own feet when all is done, and says less. */
    bool told = strstr(p.output, "Fatal error") != NULL || strstr(p.output, "fatal alert") != NULL;
    snprintf(agreed, sizeof agreed, "Description: (TLS1.%d", minor);
    bool fits = w->key != NULL
                    ? strstr(p.output, "FINISHED (20) was received") != NULL
                    : strstr(p.output, agreed) != NULL && strstr(p.output, k == RSA ? "-(RSA-" : "-(ECDSA-") != NULL;
    if (told == w->let_in || (w->let_in && !fits))
        fail_msg("gnutls-cli, TLS 1.%d, %s, %s:\n%s", minor, kinds[k], w->what, p.output);
    program_fini(&p);
}

static void gnutls_in_each_cell(void **state)
{
    program_need("gnutls-cli");
    each_cell(state, 2, 3, by_gnutls);
}

/* ---- small devices ---- */

/* The program's output: done, with that suite; or that the broker's alert came. */
static void check_device(const char *who, enum kind k, const struct way *w, struct program *p, const char *suite,
                         bool told)
{
    bool in = strstr(p->output, "done\n") != NULL && strstr(p->output, suite) != NULL;
    if (in != w->let_in || told == w->let_in)
        fail_msg("%s, %s, %s:\n%s", who, kinds[k], w->what, p->output);
    program_fini(p);
}

/* TLS 1.2 is what 2.28 has; TLS 1.3 came with 3.x, and the packages have no client of it. */
static void by_mbedtls(struct broker *b, enum kind k, int minor, const struct way *w)
{
    (void)minor;
    struct program p;
    char port[8];
    const char *own[3] = {NULL};
    if (w->cert != NULL)
        memcpy(own, ((const char *[]){"cert", broker_path(b, w->cert)}), 2 * sizeof own[0]);
    else if (w->key != NULL)
        memcpy(own, ((const char *[]){"psk", "lamp", w->key}), sizeof own);
    snprintf(port, sizeof port, "%u", b[k].ports[w->port]);
    program_start(&p, NULL,
                  ARGV(program_of_ours("mbedtls_client"), "localhost", port, broker_path(b, "certs/ca.crt"), "trusting",
                       "4096", "any", own[0], own[1], own[2]));
    program_wait(&p);
    check_device("mbedTLS", k, w, &p,
                 w->key != NULL ? "TLS-ECDHE-PSK-"
                 : k == RSA     ? "TLS-ECDHE-RSA-"
                                : "TLS-ECDHE-ECDSA-",
                 strstr(p.output, "handshake: SSL - A fatal alert message was received") != NULL);
}

static void mbedtls_in_each_cell_of_tls_1_2(void **state)
{
    program_of_ours_need("mbedtls_client");
    each_cell(state, 2, 2, by_mbedtls);
}

/*
 * In TLS 1.2 wolfSSL asks for client certificates with the kind of key that its own has; BearSSL keeps to that and
 * shows no other, which is then a visit without a certificate. The other peers here show what they have.
 */
static struct way as_bearssl_goes(const struct way *w, enum kind k)
{
    struct way seen = *w;
    bool rsa = w->cert != NULL && strcmp(w->cert, "certs/bob") == 0;
    if (w->cert != NULL && rsa != (k == RSA))
        seen.let_in = w->port == OPTIONAL;
    return seen;
}

/* It has no TLS 1.3 and no shared keys. */
static void by_bearssl(struct broker *b, enum kind k, int minor, const struct way *w)
{
    (void)minor;
    struct program p;
    char port[8];
    if (w->key != NULL)
        return;
    struct way seen = as_bearssl_goes(w, k);
    snprintf(port, sizeof port, "%u", b[k].ports[w->port]);
    program_start(&p, NULL,
                  ARGV(program_of_ours("bearssl_client"), "localhost", port, "4096", "trusting",
                       broker_path(b, "certs/ca.crt"), "any", w->cert != NULL ? broker_path(b, w->cert) : NULL));
    program_wait(&p);
    /* 256 and the alert. */
    const char *error = strstr(p.output, "BearSSL's error ");
    if (w->let_in && !seen.let_in)
        broker_expect_log(&b[k], k == RSA ? "with an RSA key like this listener's" : "with an ECDSA key like this");
    check_device("BearSSL", k, &seen, &p, k == RSA ? "suite c02f" : "suite c02b",
                 error != NULL && atoi(error + strlen("BearSSL's error ")) > 256);
}

static void bearssl_in_each_cell_of_tls_1_2(void **state)
{
    program_of_ours_need("bearssl_client");
    each_cell(state, 2, 2, by_bearssl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openssl_in_each_cell),
        cmocka_unit_test(openssl_s_time),
        cmocka_unit_test(mosquitto_in_each_cell),
        cmocka_unit_test(gnutls_in_each_cell),
        cmocka_unit_test(mbedtls_in_each_cell_of_tls_1_2),
        cmocka_unit_test(bearssl_in_each_cell_of_tls_1_2),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
