/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What no listener may agree to, whatever it has besides: old versions, weak suites, compression, renegotiation. The
 * first messages are made by hand, since today's libraries can't send most of them; the server's first byte decides.
 * Any handshake record in answer (22) would mean that it goes on. The same message with something good in it shows each
 * time that the refusal is meant for what is bad. Who is refused for a certificate: test_tls_client_cert.c.
 */
#include "e2e/e2e.h"
#include "e2e/tls_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ALERT 21
#define HANDSHAKE 22
#define CLOSED 0
#define SERVER_HELLO 2

/* By port: both kinds of certificates; those and shared keys; a client certificate is asked for. */
enum { BOTH, KEYS, REQUIRED, LISTENERS };

static int setup(void **state)
{
    struct broker *b = broker_new(state);
    broker_make_certs(b, "certs");
    broker_write(b, "psk.txt", "lamp:8f1c9e3a5b7d2f4c6e8a0b1d3f5c7e9a\n");
    broker_write(b, "users.ini", "[lamp]\n");
    broker_write(b, "sotto.ini",
                 ONE_LOOP
                 "users = users.ini\n"
                 "[listener.both]\naddress = 127.0.0.1\nport = @P0@\ntls = on\n" RSA_PAIR EC_PAIR
                 "[listener.keys]\naddress = 127.0.0.1\nport = @P1@\ntls = on\npsk_file = psk.txt\n" RSA_PAIR
                 "[listener.required]\naddress = 127.0.0.1\nport = @P2@\ntls = on\n" RSA_PAIR
                 "client_cert = required\nclient_ca = certs/ca.crt\n");
    broker_start(b);
    return 0;
}

/* ---- ClientHello by hand: numbers in hexadecimal, NULL for the usual ---- */

struct hello {
    const char *what;
    const char *suites;
    const char *version;     /* legacy_version: 0303 */
    const char *versions;    /* supported_versions: none */
    const char *compression; /* methods: 00 */
    const char *groups;      /* 0017 001d */
    const char *signatures;  /* what RSA and ECDSA can do with SHA-256 */
};

#define GOOD_SUITES "c02fc02bc030c02c"
#define GOOD_SUITES_1_3 "130113021303"

static const char *or_else(const char *text, const char *usual)
{
    return text != NULL ? text : usual;
}

static void add(char *out, size_t cap, const char *text)
{
    size_t n = strlen(out);
    assert_true(n + strlen(text) < cap);
    strcpy(out + n, text);
}

/* What is in `text`, behind its length in so many bytes. */
static void add_sized(char *out, size_t cap, unsigned bytes, const char *text)
{
    char number[2 * sizeof(size_t) + 1];
    snprintf(number, sizeof number, "%0*zx", (int)(2 * bytes), strlen(text) / 2);
    add(out, cap, number);
    add(out, cap, text);
}

static void add_extension(char *out, size_t cap, const char *type, unsigned bytes, const char *list)
{
    char body[512] = "";
    if (list == NULL)
        return;
    add_sized(body, sizeof body, bytes, list);
    add(out, cap, type);
    add_sized(out, cap, 2, body);
}

static struct peer *sends_hello(const struct broker *b, int port, const struct hello *h)
{
    char extensions[1024] = "", body[1500] = "", message[1600] = "01";
    add_extension(extensions, sizeof extensions, "000a", 2, or_else(h->groups, "0017001d"));
    add_extension(extensions, sizeof extensions, "000b", 1, "00");
    add_extension(extensions, sizeof extensions, "000d", 2,
                  or_else(h->signatures,
                          "08040401"
                          "0403"));
    add_extension(extensions, sizeof extensions, "002b", 1, h->versions);
    if (h->versions != NULL)
        add(extensions, sizeof extensions, "003300020000"); /* no key_share yet: the server may ask again */
    add(body, sizeof body, or_else(h->version, "0303"));
    add(body, sizeof body, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    add(body, sizeof body, "00"); /* no session */
    add_sized(body, sizeof body, 2, h->suites);
    add_sized(body, sizeof body, 1, or_else(h->compression, "00"));
    add_sized(body, sizeof body, 2, extensions);
    add_sized(message, sizeof message, 3, body);
    struct peer *p = peer_tcp(b->ports[port]);
    peer_send(p, "16 0301 %04zx %s", strlen(message) / 2, message);
    return p;
}

/* The first byte of the answer, CLOSED without one; *more: what follows, as far as it came at once. */
static unsigned answer(struct peer *p, uint8_t *more, size_t cap)
{
    struct pollfd wait = {.fd = peer_fd(p), .events = POLLIN};
    uint8_t bytes[256] = {0};
    assert_int_equal(poll(&wait, 1, (int)waiting_ms()), 1);
    ssize_t n = recv(wait.fd, bytes, sizeof bytes, 0);
    if (more != NULL)
        memcpy(more, bytes + 1, cap);
    return n <= 0 ? CLOSED : bytes[0];
}

static void expect_refusal(const struct broker *b, int port, const struct hello *h)
{
    struct peer *p = sends_hello(b, port, h);
    unsigned first = answer(p, NULL, 0);
    if (first != ALERT && first != CLOSED)
        fail_msg("%s at listener %d is answered by a record of type %u", h->what, port, first);
    if (first == ALERT)
        peer_expect_close_after_anything(p);
    peer_close(p);
}

static void expect_agreement(const struct broker *b, int port, const struct hello *h)
{
    struct peer *p = sends_hello(b, port, h);
    uint8_t more[5];
    if (answer(p, more, sizeof more) != HANDSHAKE || more[4] != SERVER_HELLO)
        fail_msg("%s at listener %d is not answered by a ServerHello", h->what, port);
    peer_close(p);
}

/* ---- versions ---- */

static void old_versions(void **state)
{
    static const struct hello old[] = {
        {"SSL 3.0", .suites = "c013c009002f0005000a" GOOD_SUITES, .version = "0300"},
        {"TLS 1.0", .suites = "c013c009002f0005000a" GOOD_SUITES, .version = "0301"},
        {"TLS 1.1", .suites = "c013c009002f0005000a" GOOD_SUITES, .version = "0302"},
        {"TLS 1.1 by its list", .suites = "c013" GOOD_SUITES GOOD_SUITES_1_3, .versions = "03020301"},
        {"a draft of TLS 1.3", .suites = GOOD_SUITES_1_3, .versions = "7f1c"},
    };
    static const struct hello good[] = {
        {"TLS 1.2", .suites = GOOD_SUITES},
        {"TLS 1.3", .suites = GOOD_SUITES_1_3, .versions = "0304"},
        {"TLS 1.2 by its list", .suites = GOOD_SUITES, .versions = "03030302"},
    };
    for (int port = 0; port < LISTENERS; port++) {
        for (size_t i = 0; i < sizeof old / sizeof old[0]; i++)
            expect_refusal(*state, port, &old[i]);
        for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
            expect_agreement(*state, port, &good[i]);
    }
}

/* The hello of SSL 2.0, also as programs of around 2005 sent it when they could do TLS 1.0. */
static void ssl_2(void **state)
{
    static const char *const hellos[] = {"802e 01 0002 0015 0000 0010 010080020080030080040080050080060040070000c0",
                                         "802e 01 0301 0015 0000 0010 00002f000035000005010080000013000007000020"};
    const struct broker *b = *state;
    for (int i = 0; i < 2 * LISTENERS; i++) {
        struct peer *p = peer_tcp(b->ports[i / 2]);
        peer_send(p, "%s 000102030405060708090a0b0c0d0e0f", hellos[i % 2]);
        unsigned first = answer(p, NULL, 0);
        assert_true(first == ALERT || first == CLOSED);
        peer_close(p);
    }
}

/* ---- suites ---- */

static void weak_suites(void **state)
{
    static const struct hello weak[] = {
        {"NULL, RSA", .suites = "00010002003b"},
        {"NULL, ECDHE", .suites = "c006c010"},
        {"NULL, PSK", .suites = "002cc039c03a00b0"},
        {"RC4", .suites = "00040005c007c011008a"},
        {"3DES", .suites = "000ac008c012008b"},
        {"DES and IDEA", .suites = "000900070015"},
        {"RC2, export", .suites = "000600030008001100140062"},
        {"anonymous", .suites = "001800340017001b00a6006cc018c016c015c017"},
        {"static RSA, CBC", .suites = "002f0035003c003d00410084"},
        {"static RSA, GCM and CCM", .suites = "009c009dc09cc09dc0a0c0a1"},
        {"static ECDH", .suites = "c02ec032c02dc031c004c00e"},
        {"ECDHE, CBC", .suites = "c009c00ac013c014c023c024c027c028"},
        {"ECDHE, Camellia and ARIA", .suites = "c072c073c076c077c08ac08bc05cc060"},
        {"DHE", .suites = "009e009f0033003900670016ccaa"},
        {"RSA-PSK and DHE-PSK", .suites = "00ac00aa00ad00ab0094009000b6"},
        {"SRP and Kerberos", .suites = "c01dc020c01e0020001e"},
        {"only signals", .suites = "00ff5600"},
        {"one that nobody knows", .suites = "0a0afafa"},
        {"those of TLS 1.3 in TLS 1.2", .suites = GOOD_SUITES_1_3},
        {"those of TLS 1.2 in TLS 1.3", .suites = GOOD_SUITES, .versions = "0304"},
        {"integrity only in TLS 1.3", .suites = "c0b4c0b5", .versions = "0304"},
    };
    for (int port = 0; port < LISTENERS; port++) {
        for (size_t i = 0; i < sizeof weak / sizeof weak[0]; i++)
            expect_refusal(*state, port, &weak[i]);
    }
    /* Each of the good ones by itself; RSA is everywhere, ECDSA at one. */
    static const char *const rsa[] = {"c02f", "c030", "cca8"}, *const ecdsa[] = {"c02b", "c02c", "cca9"},
                             *const tls_1_3[] = {"1301", "1302", "1303"};
    for (int i = 0; i < 3; i++) {
        expect_agreement(*state, i, &(struct hello){"RSA", .suites = rsa[i]});
        expect_agreement(*state, BOTH, &(struct hello){"ECDSA", .suites = ecdsa[i]});
        expect_agreement(*state, i, &(struct hello){"TLS 1.3", .suites = tls_1_3[i], .versions = "0304"});
    }
}

/* ---- what else may be offered ---- */

static void weak_groups_and_signatures(void **state)
{
    static const struct hello weak[] = {
        {"P-192 and P-224", .suites = GOOD_SUITES, .groups = "00130015"},
        {"MD5 and SHA-1", .suites = "c02fc02b", .signatures = "010102010203"},
        {"MD5 and SHA-1 in TLS 1.3", .suites = GOOD_SUITES_1_3, .versions = "0304", .signatures = "010102010203"},
    };
    for (int port = 0; port < LISTENERS; port++) {
        for (size_t i = 0; i < sizeof weak / sizeof weak[0]; i++)
            expect_refusal(*state, port, &weak[i]);
    }
}

/* With one that is good beside them each would be agreed on, see above. wolfSSL by itself sends a ServerHello first. */
static void groups_that_no_listener_has(void **state)
{
    static const char *const groups[] = {"0019", "001e", "0019001e", "01000101", "001a001b001c", "0a0a0019"};
    static const char *const versions[] = {NULL, "0304", "03040303", "0303"};
    for (int i = 0; i < LISTENERS * 6 * 4; i++) {
        const char *version = versions[i / 6 % 4];
        struct hello h = {"a group that is not ours", .suites = GOOD_SUITES GOOD_SUITES_1_3, .groups = groups[i % 6],
                          .versions = version};
        uint8_t more[6];
        struct peer *p = sends_hello(*state, i / 24, &h);
        unsigned first = answer(p, more, sizeof more);
        /* Version, length, level and description: fatal, handshake_failure. */
        if (first != ALERT || memcmp(more, "\x03\x03\x00\x02\x02\x28", 6) != 0)
            fail_msg("groups %s in %s at listener %d: %u, %u", h.groups, version, i / 24, first, more[5]);
        peer_expect_close(p);
        peer_close(p);
    }
    const struct hello beside = {"P-384 beside them", .suites = GOOD_SUITES, .groups = "0019001e0018"};
    for (int port = 0; port < LISTENERS; port++)
        expect_agreement(*state, port, &beside);
}

static void compression(void **state)
{
    static const struct hello only = {"compression only", .suites = GOOD_SUITES, .compression = "01"};
    static const struct hello in_1_3 = {"compression in TLS 1.3", .suites = GOOD_SUITES_1_3, .versions = "0304",
                                        .compression = "0001"};
    static const struct hello beside = {"compression beside none", .suites = "c02f", .compression = "0100"};
    for (int port = 0; port < LISTENERS; port++) {
        expect_refusal(*state, port, &only);
        expect_refusal(*state, port, &in_1_3);
        /* Version, random, session id, suite, method. */
        struct peer *p = sends_hello(*state, port, &beside);
        uint8_t more[128];
        assert_int_equal(answer(p, more, sizeof more), HANDSHAKE);
        assert_int_equal(more[4], SERVER_HELLO);
        size_t at = 8 + 2 + 32, session = more[at];
        assert_true(session <= 32);
        assert_int_equal(more[at + 1 + session], 0xc0);
        assert_int_equal(more[at + 2 + session], 0x2f);
        assert_int_equal(more[at + 3 + session], 0);
        peer_close(p);
    }
}

/* By openssl, which does so when it reads a line with R. */
static void renegotiation(void **state)
{
    static const char script[] = "openssl s_client -connect 127.0.0.1:$1 -tls1_2 $2 2>&1";
    const struct broker *b = *state;
    static const char *const ways[] = {"", "-legacy_renegotiation"};
    program_need("openssl");
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct program p;
        char port[8];
        snprintf(port, sizeof port, "%u", b->ports[BOTH]);
        program_start_open(&p, "R\n", ARGV("sh", "-c", script, "sh", port, ways[i]));
        program_wait(&p);
        const char *began = strstr(p.output, "RENEGOTIATING");
        if (strstr(p.output, "Secure Renegotiation IS supported") == NULL || began == NULL ||
            strstr(began, "error:") == NULL)
            fail_msg("%s:\n%s", ways[i], p.output);
        program_fini(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(old_versions),
        cmocka_unit_test(ssl_2),
        cmocka_unit_test(weak_suites),
        cmocka_unit_test(weak_groups_and_signatures),
        cmocka_unit_test(groups_that_no_listener_has),
        cmocka_unit_test(compression),
        cmocka_unit_test(renegotiation),
    };
    return cmocka_run_group_tests(tests, setup, broker_teardown);
}
