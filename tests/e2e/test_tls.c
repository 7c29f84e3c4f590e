/* SPDX-License-Identifier: GPL-3.0-or-later */
/* TLS as clients meet it: versions, certificates, failures, and what must not hurt. */
#include "e2e/e2e.h"

static uint16_t plain_port(void **state)
{
    return ((struct broker *)*state)->ports[0];
}

static uint16_t tls_port(void **state)
{
    return ((struct broker *)*state)->ports[1];
}

static const char *ca(void **state)
{
    return broker_path(*state, "certs/ca.crt");
}

static void works(struct peer *p)
{
    peer_connect(p, "tls", true, false);
    peer_subscribe(p, 1, "tls/t", 1);
    peer_packet(p, 0x32, "<tls/t> 0001 'hello'");
    uint8_t *body, first;
    size_t size;
    uint16_t id = 0;
    /* The PUBACK and the delivery, in either order. */
    for (int i = 0; i < 2; i++) {
        first = peer_read_packet(p, &body, &size);
        if (first == 0x32)
            id = (uint16_t)(body[7] << 8 | body[8]);
        else
            assert_int_equal(first, 0x40);
        free(body);
    }
    assert_int_not_equal(id, 0);
    peer_send(p, "40 02 %04x", id);
    peer_ping(p);
    peer_disconnect(p);
}

static void tls_1_2_and_1_3_are_spoken(void **state)
{
    works(peer_tls(tls_port(state), ca(state), 2));
    works(peer_tls(tls_port(state), ca(state), 3));
    works(peer_tls(tls_port(state), ca(state), 0));
}

static void certificate_is_for_localhost_and_addresses_and_no_other(void **state)
{
    struct peer *p = peer_tls_try(tls_port(state), ca(state), "localhost", 0);
    assert_non_null(p);
    peer_close(p);
    assert_null(peer_tls_try(tls_port(state), ca(state), "example.org", 0));
}

static void plain_and_tls_clients_meet(void **state)
{
    struct peer *p = client(plain_port(state), "meets-plain"), *t = peer_tls(tls_port(state), ca(state), 3);
    peer_connect(t, "meets-tls", true, false);
    peer_subscribe(t, 1, "meets/t", 0);
    peer_packet(p, 0x30, "<meets/t> 'through'");
    peer_expect_publish(t, 0, "meets/t", "through");
    peer_disconnect(p);
    peer_disconnect(t);
}

static void plain_bytes_on_the_tls_port_are_refused_and_logged(void **state)
{
    static const char *const bytes[] = {
        "10 0f <MQTT> 04 02 003c <abc>",    "'GET / HTTP/1.1' 0d0a 0d0a", "00 00 00 00 00 00",
        "16 03 01 ff ff ff ff ff ff ff ff", "16 03 01 00 02 00 00",       "ff"};
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) {
        struct peer *p = peer_tcp(tls_port(state));
        peer_send(p, "%s", bytes[i]);
        if (i < 3)
            peer_expect_close_after_anything(p);
        peer_close(p);
    }
    broker_expect_log(*state, "tls.failed");
    works(peer_tls(tls_port(state), ca(state), 3));
}

static void tls_on_the_plain_port_is_refused(void **state)
{
    assert_null(peer_tls_try(plain_port(state), ca(state), NULL, 0));
    peer_disconnect(client(plain_port(state), "after-tls"));
}

static void client_that_does_not_trust_us_is_logged_in_words(void **state)
{
    struct broker *b = *state;
    broker_make_certs(b, "others");
    assert_null(peer_tls_try(tls_port(state), broker_path(b, "others/ca.crt"), "localhost", 2));
    broker_expect_log(b, "tls.failed");
    broker_expect_log(b, "127.0.0.1");
}

static void openssl(void **state, int expected, const char *option, const char *value)
{
    struct program s_client;
    char where[32];

    program_need("openssl");
    snprintf(where, sizeof where, "127.0.0.1:%u", tls_port(state));
    program_start(&s_client, "",
                  ARGV("openssl", "s_client", "-connect", where, "-CAfile", ca(state), "-verify_return_error", option,
                       "-cipher", value));
    program_wait(&s_client);
    bool agreed = strstr(s_client.output, "Cipher is (NONE)") == NULL && strstr(s_client.output, "Cipher is ") != NULL;
    if (agreed != (expected == 0))
        fail_msg("openssl s_client %s -cipher %s:\n%s", option, value, s_client.output);
    program_fini(&s_client);
}

static void old_versions_and_weak_suites_are_refused(void **state)
{
    openssl(state, 0, "-tls1_2", "ECDHE-RSA-AES128-GCM-SHA256");
    openssl(state, 1, "-tls1_2", "AES128-GCM-SHA256");
    openssl(state, 1, "-tls1_2", "ECDHE-RSA-AES128-SHA:@SECLEVEL=0");
    openssl(state, 1, "-tls1_2", "NULL:aNULL:@SECLEVEL=0");
    openssl(state, 1, "-tls1_1", "ALL:@SECLEVEL=0");
    openssl(state, 1, "-tls1", "ALL:@SECLEVEL=0");
}

static void a_closed_tls_connection_publishes_the_will(void **state)
{
    struct peer *watcher = client(plain_port(state), "tls-will-watcher");
    peer_subscribe(watcher, 1, "tls-will/#", 0);
    struct peer *p = peer_tls(tls_port(state), ca(state), 3);
    peer_packet(p, 0x10, "<MQTT> 04 06 0000 <tls-will> <tls-will/t> <gone>");
    peer_expect(p, "20 02 00 00");
    peer_abort(p);
    peer_expect_publish(watcher, 0, "tls-will/t", "gone");
    peer_disconnect(watcher);
}

/* A root, an intermediate CA and a leaf, as Let's Encrypt hands them out: cert.pem, chain.pem, fullchain.pem,
 * privkey.pem. */
static void make_chain(struct broker *b, const char *key_options)
{
    static const char script[] =
        "set -e; cd \"$1\"; "
        "printf 'basicConstraints=critical,CA:TRUE\\nkeyUsage=critical,keyCertSign,cRLSign\\n' > ca.ext; "
        "printf 'basicConstraints=CA:FALSE\\nsubjectAltName=DNS:localhost,DNS:mqtt.example.org\\n' > leaf.ext; "
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.pem -subj /CN=Root -days 30; "
        "openssl req -newkey rsa:2048 -nodes -keyout middle.key -out middle.csr -subj /CN=Middle; "
        "openssl x509 -req -in middle.csr -CA root.pem -CAkey root.key -CAcreateserial -days 30 -extfile ca.ext "
        "-out chain.pem; "
        "openssl req -newkey $2 -nodes -keyout privkey.pem -out leaf.csr -subj /CN=mqtt.example.org; "
        "openssl x509 -req -in leaf.csr -CA chain.pem -CAkey middle.key -CAcreateserial -days 30 -extfile leaf.ext "
        "-out cert.pem; "
        "cat cert.pem chain.pem > fullchain.pem; chmod 600 *.key privkey.pem";
    struct program sh;

    program_need("openssl");
    program_run(&sh, 0, NULL, ARGV("sh", "-c", script, "sh", b->dir, key_options));
    program_fini(&sh);
}

static void serves_chain(const char *key_options)
{
    struct broker b;

    broker_init(&b);
    make_chain(&b, key_options);
    broker_write(&b, "sotto.ini",
                 ONE_LOOP
                 "[listener.separate]\naddress = 127.0.0.1\nport = @P0@\ntls = on\n"
                 "cert = cert.pem\nkey = privkey.pem\nchain = chain.pem\n"
                 "[listener.full]\naddress = 127.0.0.1\nport = @P1@\ntls = on\n"
                 "cert = fullchain.pem\nkey = privkey.pem\n");
    broker_start(&b);
    for (int i = 0; i < 4; i++) {
        struct peer *p = peer_tls(b.ports[i % 2], broker_path(&b, "root.pem"), 2 + i / 2);
        peer_connect(p, "chain", true, false);
        peer_disconnect(p);
    }
    broker_stop(&b);
    broker_fini(&b);
}

static void lets_encrypt_files_are_served(void **state)
{
    (void)state;
    serves_chain("rsa:2048");
    serves_chain("ec -pkeyopt ec_paramgen_curve:P-256");
}

static void own_ec_certificate_is_served(void **state)
{
    struct broker *b = *state, other;

    broker_init(&other);
    char *ini = malloc(2048);
    snprintf(ini, 2048,
             ONE_LOOP
             "[listener.ec]\naddress = 127.0.0.1\nport = @P0@\ntls = on\ncert = %s/certs/server-ec.crt\n"
             "key = %s/certs/server-ec.key\n",
             b->dir, b->dir);
    broker_write(&other, "sotto.ini", ini);
    free(ini);
    broker_start(&other);
    for (int minor = 2; minor <= 3; minor++) {
        struct peer *p = peer_tls(other.ports[0], ca(state), minor);
        peer_connect(p, "ec", true, false);
        peer_disconnect(p);
    }
    broker_stop(&other);
    broker_fini(&other);
}

static void unfinished_handshakes_do_not_pile_up(void **state)
{
    struct broker *b = *state;
    unsigned before = broker_sockets(b);
    for (int i = 0; i < 30; i++) {
        struct peer *p = peer_tcp(tls_port(state));
        peer_send(p, "16 03 01 00 a0 01 00 00");
        peer_close(p);
    }
    works(peer_tls(tls_port(state), ca(state), 3));
    broker_expect_sockets(b, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tls_1_2_and_1_3_are_spoken),
        cmocka_unit_test(certificate_is_for_localhost_and_addresses_and_no_other),
        cmocka_unit_test(plain_and_tls_clients_meet),
        cmocka_unit_test(plain_bytes_on_the_tls_port_are_refused_and_logged),
        cmocka_unit_test(tls_on_the_plain_port_is_refused),
        cmocka_unit_test(client_that_does_not_trust_us_is_logged_in_words),
        cmocka_unit_test(old_versions_and_weak_suites_are_refused),
        cmocka_unit_test(a_closed_tls_connection_publishes_the_will),
        cmocka_unit_test(lets_encrypt_files_are_served),
        cmocka_unit_test(own_ec_certificate_is_served),
        cmocka_unit_test(unfinished_handshakes_do_not_pile_up),
    };
    return cmocka_run_group_tests(tests, broker_group_setup, broker_teardown);
}
