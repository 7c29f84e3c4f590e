/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Logging in by SCRAM-SHA-256 over the wire: CONNECT, AUTH and CONNACK of MQTT 5.0, with a client of the test's. */
#include "e2e/e2e.h"
#include "scram_client.h"

#define METHOD "SCRAM-SHA-256"
#define CONTINUE 0x18u
#define AGAIN 0x19u

static int setup(void **state)
{
    struct broker *b = broker_new(state);
    char *text, *own;
    broker_passwd(b, "alice", "wonder land\n");
    broker_passwd(b, "bob", "b\n");
    /* alice: both lines, bob: without the one of SCRAM, carol: with alice's only. */
    text = broker_read_file(b, "users.ini");
    char *scram = strstr(text, "scram = "), *bobs = strstr(strstr(text, "[bob]"), "scram = ");
    assert_non_null(scram);
    assert_non_null(bobs);
    int line = (int)strcspn(scram, "\n");
    size_t cap = strlen(text) + 1024;
    own = malloc(cap);
    snprintf(own, cap, "%.*s\n[carol]\n%.*s\npublish = carol/#\n", (int)(bobs - text), text, line, scram);
    broker_write(b, "users.ini", own);
    free(own);
    free(text);
    broker_make_certs(b, "certs");
    broker_make_client(b, "certs", "alice");
    broker_write(b, "sotto.ini",
                 "[broker]\nthreads = 2\ndata_dir = @DIR@/data\n[auth]\nanonymous = off\nusers = users.ini\n"
                 "[listener.a]\naddress = 127.0.0.1\nport = @P0@\n"
                 "[listener.b]\naddress = 127.0.0.1\nport = @P1@\ntls = on\ncert = certs/server.crt\nkey = "
                 "certs/server.key\nclient_ca = certs/ca.crt\nclient_cert = required\nclient_cert_user = cn\n"
                 "password = required\n");
    broker_start(b);
    return 0;
}

/* The values of a property's kind: how many bytes; 0: a string; two strings where that is what it is. */
static size_t value_size(const uint8_t *p)
{
    static const char ones[] = "\x01\x17\x19\x24\x25\x28\x29\x2a", twos[] = "\x13\x21\x22\x23",
                      fours[] = "\x02\x11\x18\x27";
    if (strchr(ones, p[0]) != NULL)
        return 1;
    if (strchr(twos, p[0]) != NULL)
        return 2;
    if (strchr(fours, p[0]) != NULL)
        return 4;
    size_t n = 2 + ((size_t)p[1] << 8 | p[2]);
    return p[0] == 0x26 ? n + 2 + ((size_t)p[1 + n] << 8 | p[2 + n]) : n;
}

/* The authentication data among properties, "" without; the method has to be there, and ours. */
static void read_data(const uint8_t *p, const uint8_t *end, char *out, size_t cap)
{
    bool method = false;
    out[0] = '\0';
    assert_true(p < end && *p < 128 && p + 1 + *p == end);
    for (p++; p < end; p += 1 + value_size(p)) {
        int n = (int)value_size(p) - 2;
        if (p[0] == 0x16)
            snprintf(out, cap, "%.*s", n, (const char *)p + 3);
        if (p[0] == 0x15)
            method = n == (int)strlen(METHOD) && memcmp(p + 3, METHOD, strlen(METHOD)) == 0;
    }
    assert_true(p == end && method);
}

/* The next packet has to be this one, with that reason. */
static void expect(struct peer *p, unsigned first, unsigned reason, char *data, size_t cap)
{
    uint8_t *body;
    size_t n, skip = first == 0x20;
    assert_int_equal(peer_read_packet(p, &body, &n), first);
    assert_true(n > skip);
    assert_int_equal(body[skip], reason);
    if (reason < 0x80)
        read_data(body + skip + 1, body + n, data, cap);
    free(body);
}

static struct peer *start_on(struct peer *p, const char *id, const char *method, const char *data)
{
    size_t props = 6 + strlen(method) + strlen(data);
    assert_true(props < 128);
    peer_packet(p, 0x10, "<MQTT> 05 02 0000 %02x 15 <%s> 16 <%s> <%s>", (unsigned)props, method, data, id);
    return p;
}

static struct peer *start(void **state, const char *id, const char *method, const char *data)
{
    struct broker *b = *state;
    return start_on(peer_tcp(b->ports[0]), id, method, data);
}

static void send_auth(struct peer *p, unsigned reason, const char *data)
{
    size_t props = 6 + strlen(METHOD) + strlen(data);
    assert_true(props < 128);
    peer_packet(p, 0xf0, "%02x %02x 15 <" METHOD "> 16 <%s>", reason, (unsigned)props, data);
}

static void refused(struct peer *p, unsigned first, unsigned reason)
{
    char data[600];
    expect(p, first, reason, data, sizeof data);
    peer_expect_close(p);
    peer_close(p);
}

/* CONNECT and the client's last message; what the broker says to that is the caller's. */
static struct peer *begin(void **state, struct scram_client *c, const char *id, const char *name, const char *password)
{
    char text[600], data[600];
    struct peer *p = start(state, id, METHOD, scram_client_first(c, "n,,", name, "0123456789", text, sizeof text));
    expect(p, 0xf0, CONTINUE, data, sizeof data);
    assert_non_null(scram_client_final(c, data, password, text, sizeof text));
    send_auth(p, CONTINUE, text);
    return p;
}

static struct peer *login(void **state, const char *id, const char *name, const char *password)
{
    struct scram_client c;
    char data[600];
    struct peer *p = begin(state, &c, id, name, password);
    expect(p, 0x20, 0, data, sizeof data);
    assert_true(scram_client_accepts(&c, data));
    return p;
}

static void leave(struct peer *p)
{
    peer_send(p, "e000");
    peer_expect_close(p);
    peer_close(p);
}

static void the_right_password_logs_in_and_the_server_proves_itself(void **state)
{
    struct peer *p = login(state, "right", "alice", "wonder land");
    peer_ping(p);
    leave(p);
    /* Ids of both loops: the connection moves behind the exchange. */
    for (unsigned i = 0; i < 8; i++) {
        char id[16];
        snprintf(id, sizeof id, "right-%u", i);
        p = login(state, id, "carol", "wonder land");
        peer_ping(p);
        leave(p);
    }
}

static void the_user_has_its_own_rights(void **state)
{
    struct peer *p = login(state, "rights", "carol", "wonder land");
    peer_packet(p, 0x32, "<carol/x> 0001 00 'x'");
    peer_packet(p, 0x32, "<alice/x> 0002 00 'x'");
    uint8_t *body;
    size_t n;
    assert_int_equal(peer_read_packet(p, &body, &n), 0x40);
    assert_true(n == 2 || body[2] < 0x80);
    free(body);
    assert_int_equal(peer_read_packet(p, &body, &n), 0x40);
    assert_true(n > 2 && body[2] == 0x87);
    free(body);
    leave(p);
}

static void wrong_password_unknown_user_and_user_without_the_line_are_refused_alike(void **state)
{
    static const char *const who[][2] = {
        {"alice", "wonderland"}, {"alice", ""}, {"mallory", "wonder land"}, {"bob", "b"}};
    for (size_t i = 0; i < sizeof who / sizeof *who; i++) {
        struct scram_client c;
        refused(begin(state, &c, "wrong", who[i][0], who[i][1]), 0x20, 0x87);
    }
    broker_expect_log(*state, "auth.refused");
    broker_expect_log(*state, "unknown user or wrong password");
}

static void other_methods_and_foreign_data_are_refused_at_once(void **state)
{
    refused(start(state, "m", "SCRAM-SHA-1", "n,,n=alice,r=abcd"), 0x20, 0x8c);
    refused(start(state, "m", METHOD, "p=tls-unique,,n=alice,r=abcd"), 0x20, 0x87);
    refused(start(state, "m", METHOD, "alice"), 0x20, 0x87);
}

/* A user with only that line has no password that 3.1.1 could send. */
static void a_user_of_scram_alone_has_no_password(void **state)
{
    struct broker *b = *state;
    struct peer *p = peer_tcp(b->ports[0]);
    peer_packet(p, 0x10, "<MQTT> 04 c2 0000 <plain> <carol> <wonder land>");
    peer_expect(p, "20 02 00 04");
    peer_expect_close(p);
    peer_close(p);
    p = peer_tcp(b->ports[0]);
    peer_packet(p, 0x10, "<MQTT> 04 c2 0000 <plain> <alice> <wonder land>");
    peer_expect(p, "20 02 00 00");
    peer_disconnect(p);
}

/* The exchange within the connection; the last message is sent, its answer is the caller's. */
static void again(struct peer *p, struct scram_client *c, const char *password)
{
    char text[600], data[600];
    send_auth(p, AGAIN, scram_client_first(c, "y,,", "alice", "9876543210", text, sizeof text));
    expect(p, 0xf0, CONTINUE, data, sizeof data);
    /* The connection goes on meanwhile. */
    peer_ping(p);
    assert_non_null(scram_client_final(c, data, password, text, sizeof text));
    send_auth(p, CONTINUE, text);
}

static void re_authentication_succeeds_again_and_again(void **state)
{
    struct peer *p = login(state, "again", "alice", "wonder land");
    for (unsigned i = 0; i < 3; i++) {
        struct scram_client c;
        char data[600];
        again(p, &c, "wonder land");
        expect(p, 0xf0, 0, data, sizeof data);
        assert_true(scram_client_accepts(&c, data));
        peer_ping(p);
    }
    leave(p);
}

static void re_authentication_that_fails_ends_the_connection(void **state)
{
    struct scram_client c;
    struct peer *p = login(state, "again", "alice", "wonder land");
    again(p, &c, "wonderland");
    refused(p, 0xe0, 0x87);
    /* As another user, whose password it is. */
    char text[600];
    p = login(state, "again", "alice", "wonder land");
    send_auth(p, AGAIN, scram_client_first(&c, "n,,", "carol", "9876543210", text, sizeof text));
    refused(p, 0xe0, 0x87);
}

/* What was heard on the wire: the client's messages of a good exchange, sent again. */
static void a_recorded_exchange_logs_nobody_in(void **state)
{
    struct scram_client c;
    char first[600], last[600], data[600];
    struct peer *p = start(state, "one", METHOD, scram_client_first(&c, "n,,", "alice", "01", first, sizeof first));
    expect(p, 0xf0, CONTINUE, data, sizeof data);
    assert_non_null(scram_client_final(&c, data, "wonder land", last, sizeof last));
    send_auth(p, CONTINUE, last);
    expect(p, 0x20, 0, data, sizeof data);
    leave(p);
    p = start(state, "two", METHOD, first);
    expect(p, 0xf0, CONTINUE, data, sizeof data);
    send_auth(p, CONTINUE, last);
    refused(p, 0x20, 0x87);
}

/* Left in the middle, the exchange's memory goes with the connection (the sanitizers' word). */
static void leaving_in_the_middle_is_nothing_special(void **state)
{
    char text[600], data[600];
    struct scram_client c;
    struct peer *p = start(state, "left", METHOD, scram_client_first(&c, "n,,", "alice", "01", text, sizeof text));
    expect(p, 0xf0, CONTINUE, data, sizeof data);
    peer_abort(p);
    p = login(state, "left", "alice", "wonder land");
    send_auth(p, AGAIN, text);
    expect(p, 0xf0, CONTINUE, data, sizeof data);
    peer_abort(p);
    leave(login(state, "left", "alice", "wonder land"));
}

/* A certificate has named the user already: SCRAM is a password besides, and for that user only. */
static void a_certificate_and_scram_are_of_one_user(void **state)
{
    struct broker *b = *state;
    struct scram_client c;
    char text[600], data[600];
    const char *ca = broker_path(b, "certs/ca.crt"), *cert = broker_path(b, "certs/alice.crt");
    const char *key = broker_path(b, "certs/alice.key");
    struct peer *p = start_on(peer_tls_with(b->ports[1], ca, cert, key), "one", METHOD,
                              scram_client_first(&c, "n,,", "alice", "0123456789", text, sizeof text));
    expect(p, 0xf0, CONTINUE, data, sizeof data);
    assert_non_null(scram_client_final(&c, data, "wonder land", text, sizeof text));
    send_auth(p, CONTINUE, text);
    expect(p, 0x20, 0, data, sizeof data);
    leave(p);
    p = start_on(peer_tls_with(b->ports[1], ca, cert, key), "two", METHOD,
                 scram_client_first(&c, "n,,", "carol", "0123456789", text, sizeof text));
    refused(p, 0x20, 0x87);
    broker_expect_log(b, "the client is known as another user already");
    /* password = required, and none: refused in words. */
    p = peer_tls_with(b->ports[1], ca, cert, key);
    peer_packet(p, 0x10, "<MQTT> 05 02 0000 00 <three>");
    refused(p, 0x20, 0x87);
    broker_expect_log(b, "no password was given, and this listener asks for one besides the certificate or key");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_password_logs_in_and_the_server_proves_itself),
        cmocka_unit_test(the_user_has_its_own_rights),
        cmocka_unit_test(wrong_password_unknown_user_and_user_without_the_line_are_refused_alike),
        cmocka_unit_test(other_methods_and_foreign_data_are_refused_at_once),
        cmocka_unit_test(a_user_of_scram_alone_has_no_password),
        cmocka_unit_test(re_authentication_succeeds_again_and_again),
        cmocka_unit_test(re_authentication_that_fails_ends_the_connection),
        cmocka_unit_test(a_recorded_exchange_logs_nobody_in),
        cmocka_unit_test(leaving_in_the_middle_is_nothing_special),
        cmocka_unit_test(a_certificate_and_scram_are_of_one_user),
    };
    return cmocka_run_group_tests(tests, setup, broker_teardown);
}
