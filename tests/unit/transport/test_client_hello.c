/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The reader of hellos, with those of real clients (tests/fuzz/corpus/hello), whole, in parts, and damaged. */
#include "harness.h"

#include "../../../src/transport/client_hello_private.h"

static uint8_t bytes[4096];

static struct bytes sample(const char *name)
{
    char path[512];
    const char *source = getenv("SOTTO_SOURCE");
    assert_non_null(source);
    snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/hello/%s", source, name);
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        fail_msg("there is no %s", path);
    size_t n = fread(bytes, 1, sizeof(bytes), f);
    fclose(f);
    return bytes_of(bytes, n);
}

static struct client_hello read_sample(const char *name)
{
    struct client_hello h;
    if (client_hello_read(&h, sample(name)) != HELLO_WHOLE)
        fail_msg("%s is no whole hello", name);
    return h;
}

static void real_clients_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *sample, *looks_like, *name;
        uint16_t version;
        bool tls12, tls13;
        unsigned fragment;
        uint16_t ours;
    } cases[] = {
        {"openssl", "OpenSSL", "mqtt.example.org", 0x0304, true, true, 0, 0x1ff},
        {"openssl-12", "OpenSSL", "", 0x0303, true, false, 1024, 0x1f8},
        {"gnutls", "GnuTLS", "localhost", 0x0304, true, true, 0, 0x1ff},
        {"mbedtls", "mbedTLS", "localhost", 0x0303, true, false, 4096, 0x40},
        {"java", "Java", "", 0x0304, true, true, 0, 0x1ff},
        {"node", "OpenSSL", "", 0x0304, true, true, 0, 0x1ff},
        {"mosquitto", "OpenSSL", "localhost", 0x0304, true, true, 0, 0x1ff},
        {"bearssl", "BearSSL", "broker.lan", 0x0303, true, false, 1024, 0x40},
        {"go", "Go", "broker.lan", 0x0304, true, true, 0, 0x1ff},
        {"browser", "browser", "broker.lan", 0x0304, true, true, 0, 0x1ff},
        {"split", "BearSSL", "broker.lan", 0x0303, true, false, 1024, 0x40},
        {"tls10", NULL, "", 0x0301, false, false, 0, 0},
        {"static-rsa", NULL, "", 0x0303, true, false, 0, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct client_hello h = read_sample(cases[i].sample);
        print_message("%s\n", cases[i].sample);
        assert_int_equal(h.version, cases[i].version);
        assert_int_equal(h.tls12, cases[i].tls12);
        assert_int_equal(h.tls13, cases[i].tls13);
        assert_string_equal(h.name, cases[i].name);
        assert_int_equal(client_hello_fragment(&h), cases[i].fragment);
        assert_int_equal(h.ours, cases[i].ours);
        if (cases[i].looks_like == NULL)
            assert_null(h.looks_like);
        else if (h.looks_like == NULL || strstr(h.looks_like, cases[i].looks_like) == NULL)
            fail_msg("%s looks like %s", cases[i].sample, h.looks_like != NULL ? h.looks_like : "nobody");
    }
}

static void lists_are_read(void **state)
{
    (void)state;
    struct client_hello h = read_sample("bearssl");
    assert_int_equal(h.suites_n, 1);
    assert_int_equal(h.suites[0], 0xc02f);
    assert_int_equal(h.offers, OFFER_ECDHE_RSA_AEAD);
    assert_true(h.has_groups && h.has_signatures);
    assert_int_equal(h.groups_n, 1);
    assert_int_equal(h.groups[0], 0x17);
    assert_int_equal(h.signatures_n, 2);
    assert_true(client_hello_has(h.signatures, h.signatures_n, 0x0403));
    h = read_sample("browser");
    assert_int_equal(h.suites_n, 9); /* without what is there to be ignored */
    assert_int_equal(h.groups[0], 0x11ec);
    assert_string_equal(h.alpn, "h2");
    assert_true(h.ticket);
    assert_false(h.psk);
    h = read_sample("psk");
    assert_true(h.psk);
    assert_true(h.offers & OFFER_PSK);
    h = read_sample("tls10");
    assert_int_equal(h.offers, OFFER_STATIC_RSA);
    assert_false(h.has_groups || h.has_signatures);
}

/* A name with a zero byte in it must not pass for its beginning. */
static void odd_names_match_nothing(void **state)
{
    (void)state;
    struct client_hello h = read_sample("nul-name");
    assert_string_equal(h.name, "localhost?.evil.example");
    assert_false(h.plain_name);
    assert_true(read_sample("bearssl").plain_name);
}

static void a_broken_fragment_length_is_seen(void **state)
{
    (void)state;
    struct client_hello h = read_sample("broken-fragment");
    assert_int_equal(h.fragment, HELLO_FRAGMENT_BROKEN);
    assert_int_equal(client_hello_fragment(&h), 0);
}

static void every_part_of_a_hello_is_a_part(void **state)
{
    (void)state;
    static const char *const samples[] = {"openssl", "bearssl", "split", "tls10"};
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        struct bytes all = sample(samples[i]);
        for (size_t n = 0; n < all.n; n++) {
            struct client_hello h;
            assert_int_equal(client_hello_read(&h, bytes_of(all.p, n)), HELLO_PARTLY);
            assert_false(h.read);
            assert_int_equal(h.first_n, n < 4 ? n : 4);
        }
    }
}

static void what_is_no_hello_is_not_waited_for(void **state)
{
    (void)state;
    struct client_hello h;
    static const struct {
        const char *p;
        size_t n;
    } cases[] = {
        {"\x10", 1}, /* MQTT */
        {"GET", 3},
        {"\x16\x02", 2},                             /* no major version 3 */
        {"\x16\x03\x01\xff\xff", 5},                 /* longer than a record may be */
        {"\x16\x03\x01\x00\x00", 5},                 /* empty */
        {"\x16\x03\x01\x00\x05\x02", 6},             /* another message */
        {"\x16\x03\x01\x00\x05\x01\x00\x40\x00", 9}, /* more than HELLO_MAX */
        {"\x16\x03\x01\x00\x02\x01\x00\x17", 8},     /* another record in the middle */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(client_hello_read(&h, bytes_of(cases[i].p, cases[i].n)), HELLO_NONE);
    assert_int_equal(client_hello_read(&h, sample("huge")), HELLO_NONE);
    assert_int_equal(client_hello_read(&h, bytes_of(NULL, 0)), HELLO_PARTLY);
}

/* One byte a record: nobody does that, and it would be dear to follow. */
static void records_are_counted(void **state)
{
    (void)state;
    struct client_hello h;
    uint8_t many[6 * (HELLO_RECORDS + 1)];
    for (size_t i = 0; i <= HELLO_RECORDS; i++)
        memcpy(many + 6 * i, (uint8_t[]){22, 3, 1, 0, 1, i == 0 ? 1 : i == 3 ? 200 : 0}, 6);
    assert_int_equal(client_hello_read(&h, bytes_of(many, (size_t)6 * HELLO_RECORDS)), HELLO_PARTLY);
    assert_int_equal(client_hello_read(&h, bytes_of(many, sizeof(many))), HELLO_NONE);
}

static void the_longest_hello_is_read(void **state)
{
    (void)state;
    size_t n = HELLO_MAX, records = (n + 1023) / 1024, used = 0;
    uint8_t *wire = calloc(1, HELLO_WIRE_MAX), *message = calloc(1, n);
    /* Version, random, no session, one suite, no compression, one extension that fills it. */
    uint8_t head[] = {1, 0, 0, 0, 3, 3};
    head[1] = (uint8_t)((n - 4) >> 16), head[2] = (uint8_t)((n - 4) >> 8), head[3] = (uint8_t)(n - 4);
    memcpy(message, head, sizeof(head));
    uint8_t tail[] = {0, 0, 2, 0xc0, 0x2f, 1, 0, 0, 0, 0x55, 0x55, 0, 0};
    size_t rest = n - 38 - sizeof(tail);
    tail[7] = (uint8_t)((rest + 4) >> 8), tail[8] = (uint8_t)(rest + 4);
    tail[11] = (uint8_t)(rest >> 8), tail[12] = (uint8_t)rest;
    memcpy(message + 38, tail, sizeof(tail));
    for (size_t i = 0; i < records; i++) {
        size_t part = n - i * 1024 < 1024 ? n - i * 1024 : 1024;
        memcpy(wire + used, (uint8_t[]){22, 3, 1, (uint8_t)(part >> 8), (uint8_t)part}, 5);
        memcpy(wire + used + 5, message + i * 1024, part);
        used += 5 + part;
    }
    struct client_hello h;
    assert_int_equal(client_hello_read(&h, bytes_of(wire, used - 1)), HELLO_PARTLY);
    assert_int_equal(client_hello_read(&h, bytes_of(wire, used)), HELLO_WHOLE);
    assert_int_equal(h.ours, 0x40);
    free(wire);
    free(message);
}

static void it_is_told_in_one_line(void **state)
{
    (void)state;
    char text[512];
    struct client_hello h = read_sample("bearssl");
    client_hello_describe(&h, text, sizeof(text));
    assert_string_equal(text,
                        "TLS 1.2, looks like BearSSL (Tasmota, ESP8266); name broker.lan; fragments of 1024; "
                        "suites ECDHE-RSA-AES128-GCM-SHA256; groups P-256; signatures RSA-SHA256:ECDSA-SHA256");
    h = read_sample("broken-fragment");
    client_hello_describe(&h, text, sizeof(text));
    assert_non_null(strstr(text, "; no name; a broken fragment length;"));
    char little[10];
    client_hello_describe(&h, little, sizeof(little));
    assert_string_equal(little, "TLS 1.2; ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_clients_are_understood),
        cmocka_unit_test(lists_are_read),
        cmocka_unit_test(odd_names_match_nothing),
        cmocka_unit_test(a_broken_fragment_length_is_seen),
        cmocka_unit_test(every_part_of_a_hello_is_a_part),
        cmocka_unit_test(what_is_no_hello_is_not_waited_for),
        cmocka_unit_test(records_are_counted),
        cmocka_unit_test(the_longest_hello_is_read),
        cmocka_unit_test(it_is_told_in_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
