/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A TLS connection that comes to nothing leaves one line that somebody with a device in hand can act on. Each cause is
 * brought about by a real peer: openssl, gnutls-cli, mbedTLS, or bytes that one of them once sent.
 *
 * Listeners: P0 plain; P1 RSA for localhost; P2 ECDSA only; P3 a certificate that has expired.
 */
#include "e2e/e2e.h"

#include <limits.h>
#include <unistd.h>

static void configure(struct broker *b, const char *connect_timeout)
{
    char text[2048];
    snprintf(text, sizeof text,
             ONE_LOOP
             "[limits]\n"
             "connect_timeout = %s\n"
             "[listener.plain]\naddress = 127.0.0.1\nport = @P0@\n"
             "[listener.tls]\naddress = 127.0.0.1\nport = @P1@\ntls = on\n" RSA_PAIR
             "[listener.ec]\naddress = 127.0.0.1\nport = @P2@\ntls = on\n" EC_PAIR
             "[listener.old]\naddress = 127.0.0.1\nport = @P3@\ntls = on\n"
             "cert = certs/old.crt\nkey = certs/server.key\n",
             connect_timeout);
    broker_write(b, "sotto.ini", text);
}

static int setup(void **state)
{
    struct broker *b = broker_new(state);
    broker_shell(b, "$2 cert init $1/certs >/dev/null && $2 cert init $1/others >/dev/null");
    if (program_exists("openssl"))
        broker_shell(
            b,
            "cd $1/certs && openssl req -new -key server.key -subj /CN=old -out old.csr 2>/dev/null && "
            "openssl x509 -req -in old.csr -CA ca.crt -CAkey ca.key -days 0 -out old.crt 2>/dev/null && sleep 2");
    else
        broker_shell(b, "cp $1/certs/server.crt $1/certs/old.crt");
    configure(b, "10m");
    broker_start(b);
    return 0;
}

/* ---- the log ---- */

static bool line_has(const char *line, size_t n, const char *const words[])
{
    char *copy = strndup(line, n);
    bool all = true;
    for (; *words != NULL && all; words++)
        all = strstr(copy, *words) != NULL;
    free(copy);
    return all;
}

/* A line with all of these in it. */
static void expect_line(const struct broker *b, const char *const words[])
{
    char *log = NULL;
    for (struct waiting w = {0}; waiting(&w);) {
        free(log);
        log = broker_log(b);
        for (const char *line = log; *line != '\0';) {
            size_t n = strcspn(line, "\n");
            if (line_has(line, n, words))
                goto out;
            line += n + (line[n] != '\0');
        }
    }
    for (; *words != NULL; words++)
        print_message("missing: %s\n", *words);
    fprintf(stderr, "%s", log);
    fail_msg("no line with all of these");
out:
    free(log);
}

#define LINE(b, ...) expect_line(b, ARGV(__VA_ARGS__))
#define FAILED(b, ...) expect_line(b, ARGV(" warn tls.failed peer=127.0.0.1:", __VA_ARGS__))

/* ---- peers ---- */

static void openssl(const struct broker *b, int port, const char *from, const char *options)
{
    static const char script[] = "exec openssl s_client -bind $1 -connect 127.0.0.1:$2 $3 </dev/null 2>&1";
    char number[8], expanded[512];
    struct program p;
    program_need("openssl");
    snprintf(number, sizeof number, "%u", b->ports[port]);
    snprintf(expanded, sizeof expanded, "%s", options);
    char *text = broker_expand((struct broker *)(uintptr_t)b, expanded);
    program_start(&p, NULL, ARGV("sh", "-c", script, "sh", from, number, text));
    program_wait(&p);
    free(text);
    program_fini(&p);
}

/* The first bytes of a connection as a client once sent them. */
static struct peer *sends_hello(const struct broker *b, int port, const char *sample)
{
    char path[512], bytes[2048];
    snprintf(path, sizeof path, "%s/tests/fuzz/corpus/hello/%s", getenv("SOTTO_SOURCE"), sample);
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        fail_msg("there is no %s", path);
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    struct peer *p = peer_tcp(b->ports[port]);
    peer_send_bytes(p, bytes, n);
    return p;
}

/* ---- the wrong protocol ---- */

static void plain_mqtt_on_a_tls_port(void **state)
{
    struct peer *p = peer_tcp(((struct broker *)*state)->ports[1]);
    peer_send(p, "10 0f <MQTT> 04 02 003c <abc>");
    peer_expect_close_after_anything(p);
    peer_close(p);
    FAILED(*state, "the client spoke plain MQTT on a TLS port", "turn TLS on in the client", "(usually 1883)");
}

static void http_on_a_tls_port(void **state)
{
    struct peer *p = peer_tcp(((struct broker *)*state)->ports[1]);
    peer_send(p, "'GET / HTTP/1.1' 0d0a 0d0a");
    peer_expect_close_after_anything(p);
    peer_close(p);
    FAILED(*state, "the client spoke plain HTTP on a TLS port");
}

static void tls_on_a_plain_port(void **state)
{
    openssl(*state, 0, "127.0.0.1", "");
    LINE(*state, "connect.refused", "listener=plain", "the client spoke TLS on a port without TLS", "(usually 8883)");
}

/* ---- nothing in common ---- */

static void tls_1_1_only(void **state)
{
    openssl(*state, 1, "127.0.0.1", "-tls1_1 -cipher ALL:@SECLEVEL=0");
    FAILED(*state, "offers TLS 1.1 at most, this listener takes TLS 1.2 or newer", "update the client's TLS library",
           "offered=\"TLS 1.1, looks like OpenSSL", "allowed=\"TLS 1.3 and TLS 1.2 with ECDHE",
           "groups P-256, X25519, P-384", "RSA-2048 for localhost");
}

static void no_common_suite(void **state)
{
    openssl(*state, 1, "127.0.0.1", "-tls1_2 -cipher AES128-SHA");
    FAILED(*state, "old cipher suites only (static RSA, CBC", "offered=\"TLS 1.2", "suites AES128-SHA;");
}

static void no_common_group(void **state)
{
    openssl(*state, 1, "127.0.0.1", "-tls1_3 -groups X448");
    FAILED(*state, "no group (elliptic curve) in common", "switch P-256", "groups X448;");
    openssl(*state, 1, "127.0.0.3", "-tls1_2 -groups P-521");
    LINE(*state, "tls.failed peer=127.0.0.3:", "no group (elliptic curve) in common", "switch P-256",
         "offered=\"TLS 1.2", "groups P-521;");
}

static void no_common_signature(void **state)
{
    openssl(*state, 1, "127.0.0.1", "-tls1_3 -sigalgs ed25519");
    FAILED(*state, "no signature algorithm that goes with", "signatures Ed25519");
}

static void only_rsa_wanted_and_only_ecdsa_here(void **state)
{
    openssl(*state, 2, "127.0.0.10", "-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256");
    LINE(*state, "tls.failed peer=127.0.0.10:", "listener=ec",
         "takes RSA certificates only, this listener has an ECDSA one", "give the listener an RSA certificate besides",
         "allowed=", "ECDSA P-256 for localhost");
    openssl(*state, 2, "127.0.0.2", "-tls1_3 -sigalgs rsa_pss_rsae_sha256");
    LINE(*state, "tls.failed peer=127.0.0.2:", "takes RSA certificates only");
    openssl(*state, 1, "127.0.0.1", "-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256");
    FAILED(*state, "listener=tls", "takes ECDSA certificates only, this listener has an RSA one");
}

/* What a small device with one suite sent. */
static void a_small_device_is_recognized(void **state)
{
    struct peer *p = sends_hello(*state, 2, "bearssl");
    peer_expect_close_after_anything(p);
    peer_close(p);
    FAILED(*state, "takes RSA certificates only", "looks like BearSSL (Tasmota", "name broker.lan; fragments of 1024");
}

static void a_broken_fragment_length(void **state)
{
    struct peer *p = sends_hello(*state, 1, "broken-fragment");
    peer_expect_close_after_anything(p);
    peer_close(p);
    FAILED(*state, "a maximum fragment length that does not exist", "set 512, 1024, 2048 or 4096");
}

/* ---- our certificate is refused ---- */

static void our_ca_is_not_known(void **state)
{
    openssl(*state, 1, "127.0.0.3", "-tls1_2 -CAfile @DIR@/others/ca.crt -verify_return_error -servername localhost");
    LINE(*state, "tls.failed peer=127.0.0.3:", "alert \\\"unknown CA\\\" (48)",
         "give the client this broker's ca.crt, of ", "name localhost");
    /* wolfSSL loses the alert of OpenSSL's TLS 1.3. */
    openssl(*state, 1, "127.0.0.4", "-tls1_3 -CAfile @DIR@/others/ca.crt -verify_return_error");
    LINE(*state, "tls.failed peer=127.0.0.4:", "alert \\\"unknown CA\\\" (48)",
         "give the client this broker's ca.crt, of ", "no name");
}

static void gnutls_does_not_trust_us(void **state)
{
    struct program p;
    const struct broker *b = *state;
    char port[8];
    program_need("gnutls-cli");
    snprintf(port, sizeof port, "%u", b->ports[1]);
    program_start(&p, "", ARGV("gnutls-cli", "--x509cafile", broker_path(b, "others/ca.crt"), "-p", port, "localhost"));
    program_wait(&p);
    assert_int_not_equal(p.status, 0);
    program_fini(&p);
    FAILED(b, "looks like GnuTLS", "give the client this broker's ca.crt, of ");
}

/* They say nothing but "internal error". */
static void mosquitto_misses_its_name(void **state)
{
    struct program p;
    const struct broker *b = *state;
    char port[8];
    program_need("mosquitto_pub");
    snprintf(port, sizeof port, "%u", b->ports[1]);
    program_start(&p, "",
                  ARGV("mosquitto_pub", "-h", "0.0.0.0", "-p", port, "--cafile", broker_path(b, "certs/ca.crt"), "-t",
                       "a", "-n"));
    program_wait(&p);
    assert_int_not_equal(p.status, 0);
    program_fini(&p);
    FAILED(b, "alert \\\"internal error\\\" (80)",
           "the client asked for 0.0.0.0, and the certificate is for localhost");
}

/* A name that the certificate is not for, and an address where no name was given. */
static void names_are_held_against_the_certificate(void **state)
{
    openssl(*state, 1, "127.0.0.5",
            "-tls1_2 -CAfile @DIR@/certs/ca.crt -verify_return_error -servername mqtt.example.org "
            "-verify_hostname mqtt.example.org");
    LINE(*state, "tls.failed peer=127.0.0.5:", "(42)",
         "the client asked for mqtt.example.org, and the certificate is for ", "localhost", "--host mqtt.example.org");
    openssl(*state, 3, "127.0.0.6", "-tls1_2 -noservername -CAfile @DIR@/others/ca.crt -verify_return_error");
    LINE(*state, "tls.failed peer=127.0.0.6:", "(48)",
         "the client gave no name and came to 127.0.0.1, and the certificate is for old:");
}

static void an_expired_certificate(void **state)
{
    openssl(*state, 3, "127.0.0.7", "-tls1_2 -CAfile @DIR@/certs/ca.crt -verify_return_error");
    LINE(*state, "tls.failed peer=127.0.0.7:", "alert \\\"certificate expired\\\" (45)",
         "the certificate has expired on ", "cert renew");
}

static void the_clients_clock(void **state)
{
    openssl(*state, 1, "127.0.0.8", "-tls1_2 -CAfile @DIR@/certs/ca.crt -verify_return_error -attime 4000000000");
    LINE(*state, "tls.failed peer=127.0.0.8:", "(45)", "the certificate is good from 2019-01-01 to ",
         "set the client's clock");
    openssl(*state, 1, "127.0.0.9", "-tls1_2 -CAfile @DIR@/certs/ca.crt -verify_return_error -attime 86400");
    LINE(*state, "tls.failed peer=127.0.0.9:", "(42)", "or its clock stands before 2019-01-01");
}

static void closed_without_an_alert(void **state)
{
    struct peer *p = sends_hello(*state, 1, "mosquitto");
    uint8_t byte;
    peer_read_bytes(p, &byte, 1);
    assert_int_equal(byte, 0x16);
    usleep(100000);
    assert_true(peer_discard(p));
    peer_close(p);
    FAILED(*state, "closed the connection during the TLS handshake, after it had seen the server's certificate",
           "this broker's ca.crt", "looks like OpenSSL");
    peer_close(sends_hello(*state, 1, "half"));
    FAILED(*state, "closed the connection in the middle of its TLS hello", "hint=");
    /* Somebody looks whether the port is open, again and again, perhaps. */
    peer_close(peer_tcp(((struct broker *)*state)->ports[1]));
    LINE(*state, " info tls.failed peer=127.0.0.1:", "closed the connection before it sent anything");
}

static void ended_before_connect(void **state)
{
    openssl(*state, 1, "127.0.0.1", "-CAfile @DIR@/certs/ca.crt");
    FAILED(*state, "after the TLS handshake, before its CONNECT (a health check does that, too)", "ca.crt");
}

/* ---- time ---- */

static void it_takes_too_long(void **state)
{
    broker_stop(*state);
    configure(*state, "2s");
    broker_start(*state);
    struct peer *silent = peer_tcp(((struct broker *)*state)->ports[1]);
    struct peer *half = sends_hello(*state, 1, "half");
    struct peer *stalled = sends_hello(*state, 1, "mbedtls");
    peer_expect_close_after_anything(silent);
    peer_expect_close_after_anything(half);
    peer_expect_close_after_anything(stalled);
    FAILED(*state, "nothing came from the client within connect_timeout");
    FAILED(*state, "the client's TLS hello was not complete within connect_timeout", "MTU");
    FAILED(*state, "did not go on with the TLS handshake within connect_timeout", "raise connect_timeout",
           "looks like mbedTLS (ESP32");
    peer_close(silent);
    peer_close(half);
    peer_close(stalled);
    /* Said once, and not by the core besides. */
    char *log = broker_log(*state);
    assert_null(strstr(log, "reason=\"the TLS handshake was not done"));
    free(log);
    broker_stop(*state);
    configure(*state, "10m");
    broker_start(*state);
}

/* What a good client leaves in the log. */
static void a_good_client_is_not_mentioned(void **state)
{
    struct broker *b = *state;
    char *before = broker_log(b);
    struct peer *p = peer_tls(b->ports[1], broker_path(b, "certs/ca.crt"), 0);
    peer_connect(p, "good", true, false);
    peer_disconnect(p);
    char *after = broker_log(b);
    assert_null(strstr(after + strlen(before), "tls.failed"));
    free(before);
    free(after);
}

static void small_devices_are_thought_of_at_the_start(void **state)
{
    LINE(*state, "warn tls.warning listener=ec", "there is no RSA certificate, and some small devices",
         "add a group with an RSA-2048 certificate");
    if (program_exists("openssl"))
        LINE(*state, "warn tls.warning listener=old", "has expired on", "file=", "old.crt");
    char *log = broker_log(*state);
    assert_null(strstr(log, "tls.warning listener=tls"));
    free(log);
    /* `sotto check` says the same, and that it is no error. */
    struct program p;
    program_run(&p, 0, NULL, ARGV(sotto_bin(), "check", "-c", broker_path(*state, "sotto.ini")));
    assert_non_null(strstr(p.output, "warning: [listener.ec] cert: there is no RSA certificate"));
    assert_null(strstr(p.output, "[listener.tls]"));
    program_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_mqtt_on_a_tls_port),
        cmocka_unit_test(http_on_a_tls_port),
        cmocka_unit_test(tls_on_a_plain_port),
        cmocka_unit_test(tls_1_1_only),
        cmocka_unit_test(no_common_suite),
        cmocka_unit_test(no_common_group),
        cmocka_unit_test(no_common_signature),
        cmocka_unit_test(only_rsa_wanted_and_only_ecdsa_here),
        cmocka_unit_test(a_small_device_is_recognized),
        cmocka_unit_test(a_broken_fragment_length),
        cmocka_unit_test(our_ca_is_not_known),
        cmocka_unit_test(gnutls_does_not_trust_us),
        cmocka_unit_test(mosquitto_misses_its_name),
        cmocka_unit_test(names_are_held_against_the_certificate),
        cmocka_unit_test(an_expired_certificate),
        cmocka_unit_test(the_clients_clock),
        cmocka_unit_test(closed_without_an_alert),
        cmocka_unit_test(ended_before_connect),
        cmocka_unit_test(it_takes_too_long),
        cmocka_unit_test(a_good_client_is_not_mentioned),
        cmocka_unit_test(small_devices_are_thought_of_at_the_start),
    };
    return cmocka_run_group_tests(tests, setup, broker_teardown);
}
