/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pre-shared keys: the identity is the user, a wrong key and an unknown identity are the same thing to a client. */
#include "e2e/e2e.h"
#include "e2e/tls_client.h"

#include <sys/stat.h>

#define KEY "8f1c9e3a5b7d2f4c6e8a0b1d3f5c7e9a2b4d6f8c1e3a5b7d9f0c2e4a6b8d0f1c"
#define OTHER "1111111111111111111111111111111111111111111111111111111111111111"

/* By port: keys only, keys beside certificates, the latter in TLS 1.2 only and with a password besides, plain. */
enum { KEYS, BOTH, STRICT, PLAIN };

static int setup(void **state)
{
    struct broker *b = broker_new(state);
    broker_make_certs(b, "certs");
    broker_make_client(b, "certs", "alice");
    broker_write(b, "psk.txt", "# the lamp\nlamp:" KEY "\r\nname:with:colons:" KEY "\n\nlocked:" OTHER "\n");
    broker_write(b, "users.ini", "[*]\nsubscribe = #\n[lamp]\npublish = home/%u/#\n");
    broker_passwd(b, "locked", "secret");
    broker_write(
        b, "sotto.ini",
        "[broker]\nthreads = 2\ndata_dir = @DIR@/data\n[auth]\nusers = users.ini\n"
        "[listener.keys]\naddress = 127.0.0.1\nport = @P0@\ntls = on\npsk_file = psk.txt\n"
        "[listener.both]\naddress = 127.0.0.1\nport = @P1@\ntls = on\npsk_file = psk.txt\nanonymous = on\n" EC_PAIR
        "client_cert = optional\nclient_ca = certs/ca.crt\nclient_cert_user = cn\n"
        "[listener.strict]\naddress = 127.0.0.1\nport = @P2@\ntls = on\npsk_file = psk.txt\nmax_version = 1.2\n"
        "password = required\n"
        "[listener.plain]\naddress = 127.0.0.1\nport = @P3@\nanonymous = on\n");
    broker_start(b);
    return 0;
}

static enum outcome come(void **state, int port, int minor, const char *id, const char *key, const char *more)
{
    struct broker *b = *state;
    struct visit v = {
        .port = b->ports[port], .minor = minor, .psk_id = id, .psk = key, .more = more, .user = "mallory"};
    return visit(&v);
}

static void right_wrong_and_unknown(void **state)
{
    for (int i = 0; i < 4; i++) {
        int port = i % 2, minor = 2 + i / 2;
        assert_int_equal(come(state, port, minor, "lamp", KEY, NULL), LET_IN);
        assert_int_equal(come(state, port, minor, "name:with:colons", KEY, NULL), LET_IN);
        assert_int_equal(come(state, port, minor, "lamp", OTHER, NULL), TLS_REFUSED);
        assert_int_equal(come(state, port, minor, "nobody", KEY, NULL), TLS_REFUSED);
        assert_int_equal(come(state, port, minor, "Lamp", KEY, NULL), TLS_REFUSED);
        /* What can't be a user's name. In TLS 1.3 such a client goes on with certificates where there are some. */
        assert_int_equal(come(state, port, minor, "a]", KEY, NULL),
                         port == BOTH && minor == 3 ? MQTT_REFUSED_BAD : TLS_REFUSED);
    }
    broker_expect_log(*state, "user=\"lamp\" version");
    broker_expect_log(*state, "user=\"name:with:colons\" version");
    broker_expect_log(*state, "the client has another key than psk_file for the identity lamp");
    broker_expect_log(*state, "the client's identity nobody is not in psk_file");
}

static void no_key_no_entry(void **state)
{
    struct broker *b = *state;
    for (int minor = 2; minor <= 3; minor++) {
        struct visit v = {.port = b->ports[KEYS], .minor = minor};
        assert_int_equal(visit(&v), TLS_REFUSED);
        v.cert = broker_path(b, "certs/alice");
        assert_int_equal(visit(&v), TLS_REFUSED);
        v.port = b->ports[BOTH];
        assert_int_equal(visit(&v), LET_IN);
        v.cert = NULL;
        assert_int_equal(visit(&v), LET_IN); /* anonymous */
        v.cert = broker_path(b, "certs/server-ec");
        assert_int_equal(visit(&v), TLS_REFUSED);
    }
    broker_expect_log(b, "user=\"alice\" version");
    broker_expect_log(b, "the client and this listener have no cipher suite with a pre-shared key in common");
}

static void weak_suites_with_keys_are_refused(void **state)
{
    static const char *const weak[] = {"-cipher ECDHE-PSK-AES128-CBC-SHA256", "-cipher PSK-AES128-CBC-SHA",
                                       "-cipher PSK-NULL-SHA256:@SECLEVEL=0", "-cipher DHE-PSK-AES128-GCM-SHA256"};
    for (size_t i = 0; i < sizeof weak / sizeof *weak; i++) {
        assert_int_equal(come(state, KEYS, 2, "lamp", KEY, weak[i]), TLS_REFUSED);
        assert_int_equal(come(state, BOTH, 2, "lamp", KEY, weak[i]), TLS_REFUSED);
    }
    assert_int_equal(come(state, KEYS, 2, "lamp", KEY, "-cipher ECDHE-PSK-CHACHA20-POLY1305"), LET_IN);
}

/* Suites for devices without elliptic curves: there where the build has them, and said so where it hasn't. */
static void keys_without_curves_are_a_matter_of_the_build(void **state)
{
    struct program p;
    program_run(&p, 0, NULL, ARGV(sotto_bin(), "version"));
    const char *without = strstr(p.output, "without:");
    bool has = without == NULL || strstr(without, "static PSK") == NULL;
    program_fini(&p);
    assert_int_equal(come(state, KEYS, 2, "lamp", KEY, "-cipher PSK-AES128-GCM-SHA256"), has ? LET_IN : TLS_REFUSED);
    assert_int_equal(come(state, KEYS, 2, "lamp", OTHER, "-cipher PSK-AES128-GCM-SHA256"), TLS_REFUSED);
    struct broker b;
    broker_init(&b);
    broker_write(&b, "psk.txt", "lamp:" KEY "\n");
    broker_write(&b, "users.ini", "[lamp]\n");
    broker_write(&b, "sotto.ini",
                 "[broker]\ndata_dir = @DIR@/data\n[auth]\nusers = users.ini\n[listener.keys]\naddress = 127.0.0.1\n"
                 "port = @P0@\ntls = on\npsk_file = psk.txt\nciphers = PSK-AES128-GCM-SHA256\n");
    program_run(&p, has ? 0 : 1, NULL, ARGV(sotto_bin(), "check", "-c", broker_path(&b, "sotto.ini")));
    if (!has && strstr(p.output, "PSK-AES128-GCM-SHA256 needs static PSK") == NULL)
        fail_msg("%s", p.output);
    program_fini(&p);
    broker_fini(&b);
}

static void check(struct broker *b, int status, const char *words)
{
    struct program p;
    program_run(&p, status, NULL, ARGV(sotto_bin(), "check", "-c", broker_path(b, "sotto.ini")));
    if (strstr(p.output, words) == NULL)
        fail_msg("\"%s\" is not in:\n%s", words, p.output);
    program_fini(&p);
}

static void the_configuration_is_checked(void **state)
{
    struct broker b;
    (void)state;
    broker_init(&b);
    broker_write(&b, "users.ini", "[lamp]\n");
    broker_write(&b, "sotto.ini",
                 "[broker]\ndata_dir = @DIR@/data\n[auth]\nusers = users.ini\n[listener.keys]\naddress = 127.0.0.1\n"
                 "port = @P0@\ntls = on\npsk_file = psk.txt\n");
    check(&b, 1, "psk.txt does not exist: check the path, or write lines IDENTITY:HEXKEY into it");
    broker_write(&b, "psk.txt", "lamp:" KEY "\nlamp:" KEY "\n");
    check(&b, 1, "psk.txt: line 2: this identity has a key already, on line 1");
    broker_write(&b, "psk.txt", "lamp:" KEY "\ndoor:" KEY "\nbell:" KEY "\n");
    check(&b, 0, "2 of its identities, 'door' first, have no section in the users file and there is no [*]");
    broker_write(&b, "users.ini", "[*]\nsubscribe = #\n");
    check(&b, 0, "no errors");
    assert_int_equal(chmod(broker_path(&b, "psk.txt"), 0602), 0);
    check(&b, 1, "everybody on this machine may write this file");
    broker_fini(&b);
}

static void passwords_besides_keys(void **state)
{
    struct broker *b = *state;
    struct visit v = {.port = b->ports[STRICT], .minor = 2, .psk_id = "locked", .psk = OTHER, .user = "lamp"};
    assert_int_equal(visit(&v), MQTT_REFUSED_NONE);
    v.password = "secret";
    assert_int_equal(visit(&v), LET_IN);
    v.password = "wrong";
    assert_int_equal(visit(&v), MQTT_REFUSED_BAD);
    v.port = b->ports[KEYS];
    assert_int_equal(visit(&v), MQTT_REFUSED_BAD);
    v.password = NULL;
    assert_int_equal(visit(&v), LET_IN);
}

static void mosquitto_takes_and_gives_by_key(void **state)
{
    struct broker *b = *state;
    struct program sub, pub;
    char port[16];
    program_need("mosquitto_sub");
    static const int ports[] = {KEYS, BOTH};
    for (size_t i = 0; i < 2; i++) {
        snprintf(port, sizeof port, "%u", b->ports[ports[i]]);
        program_start(&sub, NULL,
                      ARGV("stdbuf", "-oL", "mosquitto_sub", "-h", "127.0.0.1", "-p", port, "--psk", KEY,
                           "--psk-identity", "name:with:colons", "-d", "-C", "1", "-v", "-t", "home/#"));
        program_expect(&sub, "Subscribed");
        /* Refused by its rights, then allowed. */
        program_run(&pub, 0, NULL,
                    ARGV("mosquitto_pub", "-h", "127.0.0.1", "-p", port, "--psk", KEY, "--psk-identity", "lamp", "-t",
                         "home/other/x", "-m", "no"));
        program_fini(&pub);
        program_run(&pub, 0, NULL,
                    ARGV("mosquitto_pub", "-h", "127.0.0.1", "-p", port, "--psk", KEY, "--psk-identity", "lamp", "-t",
                         "home/lamp/x", "-m", "light"));
        program_fini(&pub);
        program_wait(&sub);
        if (strstr(sub.output, "home/lamp/x light") == NULL || strstr(sub.output, "other") != NULL)
            fail_msg("%s", sub.output);
        program_fini(&sub);
    }
}

static void gnutls(void **state, int port, int minor, const char *id, const char *key, bool gets_in)
{
    char where[16], priority[96];
    struct program p;
    snprintf(where, sizeof where, "%u", ((struct broker *)*state)->ports[port]);
    snprintf(priority, sizeof priority, "NORMAL:-VERS-ALL:+VERS-TLS1.%d:-KX-ALL:+ECDHE-PSK", minor);
    program_start(&p, "hello\n",
                  ARGV("gnutls-cli", "-d", "4", "--no-ca-verification", "--priority", priority, "--pskusername", id,
                       "--pskkey", key, "-p", where, "127.0.0.1"));
    program_wait(&p);
    /* 3.7.9 in TLS 1.2 falls over its own feet when all is done: what it says before that counts. */
    bool told = strstr(p.output, "Fatal error") != NULL || strstr(p.output, "fatal alert") != NULL;
    bool done = strstr(p.output, "FINISHED (20) was received") != NULL;
    if (told == gets_in || done != gets_in)
        fail_msg("gnutls-cli as %s in TLS 1.%d at %d:\n%s", id, minor, port, p.output);
    program_fini(&p);
}

static void gnutls_agrees(void **state)
{
    program_need("gnutls-cli");
    for (int i = 0; i < 4; i++) {
        gnutls(state, i % 2, 2 + i / 2, "lamp", KEY, true);
        gnutls(state, i % 2, 2 + i / 2, "lamp", OTHER, false);
        gnutls(state, i % 2, 2 + i / 2, "nobody", KEY, false);
    }
}

/* How openssl names what happened, without addresses and line numbers. */
static void failure_of(struct broker *b, int port, int minor, const char *id, char *out, size_t cap)
{
    struct program p;
    char where[32];
    snprintf(where, sizeof where, "127.0.0.1:%u", b->ports[port]);
    program_start(&p, "",
                  ARGV("openssl", "s_client", "-connect", where, minor == 2 ? "-tls1_2" : "-tls1_3", "-psk_identity",
                       id, "-psk", "2222222222222222"));
    program_wait(&p);
    const char *error = strstr(p.output, "error:");
    if (error == NULL)
        fail_msg("%s", p.output);
    const char *place = strstr(error, ".c:"), *end = strchr(error, '\n');
    size_t n = place != NULL && place < end ? (size_t)(place - error) : (size_t)(end - error);
    snprintf(out, cap, "%.*s", (int)n, error);
    program_fini(&p);
}

static void unknown_identity_and_wrong_key_look_the_same(void **state)
{
    program_need("openssl");
    for (int i = 0; i < 4; i++) {
        char wrong[256], unknown[256];
        failure_of(*state, i % 2, 2 + i / 2, "lamp", wrong, sizeof wrong);
        failure_of(*state, i % 2, 2 + i / 2, "nobody", unknown, sizeof unknown);
        assert_string_equal(wrong, unknown);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_wrong_and_unknown),
        cmocka_unit_test(no_key_no_entry),
        cmocka_unit_test(weak_suites_with_keys_are_refused),
        cmocka_unit_test(keys_without_curves_are_a_matter_of_the_build),
        cmocka_unit_test(the_configuration_is_checked),
        cmocka_unit_test(passwords_besides_keys),
        cmocka_unit_test(mosquitto_takes_and_gives_by_key),
        cmocka_unit_test(gnutls_agrees),
        cmocka_unit_test(unknown_identity_and_wrong_key_look_the_same),
    };
    return cmocka_run_group_tests(tests, setup, broker_teardown);
}
