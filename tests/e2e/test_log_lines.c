/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The mistakes that people make when they connect a device: one line each, which says what is wrong and what helps. */
#include "e2e/e2e.h"

static const char config[] =
    "[broker]\ndata_dir = @DIR@/data\n[log]\nlevel = info\n[auth]\nusers = users.ini\n[limits]\nmax_subscriptions = 1\n"
    "[listener.plain]\naddress = 127.0.0.1\nport = @P0@\n"
    "[listener.open]\naddress = 127.0.0.1\nport = @P1@\nanonymous = on\n";

static int setup(void **state)
{
    static struct broker b;

    broker_init(&b);
    broker_write(&b, "sotto.ini", config);
    broker_passwd(&b, "alice", "secret of alice\n");
    broker_start(&b);
    *state = &b;
    return 0;
}

static int teardown(void **state)
{
    struct broker *b = *state;
    broker_stop(b);
    broker_fini(b);
    return 0;
}

/* The first line of the log that contains the text. Malloced. */
static char *log_line(const struct broker *b, const char *text)
{
    broker_expect_log(b, text);
    char *log = broker_log(b), *at = strstr(log, text);
    while (at > log && at[-1] != '\n')
        at--;
    char *line = strndup(at, strcspn(at, "\n"));
    free(log);
    return line;
}

static void expect_in_line(const struct broker *b, const char *find, const char *const *parts)
{
    char *line = log_line(b, find);
    for (; *parts != NULL; parts++) {
        if (strstr(line, *parts) == NULL)
            fail_msg("there is no '%s' in: %s", *parts, line);
    }
    free(line);
}

#define EXPECT_LINE(b, find, ...) expect_in_line(b, find, ARGV(__VA_ARGS__))

static void tls_on_a_port_without_it_is_named(void **state)
{
    struct broker *b = *state;
    struct peer *p = peer_tcp(b->ports[0]);
    peer_send(p, "16 03 01 00 05 01 00 00 01 00");
    peer_expect_close(p);
    peer_close(p);
    EXPECT_LINE(b, "spoke TLS", "warn connect.refused", "listener=plain", "on a port without TLS", "hint=\"let it use");
}

static void http_is_named(void **state)
{
    struct broker *b = *state;
    struct peer *p = peer_tcp(b->ports[0]);
    peer_send(p, "'GET / HTTP/1.1' 0d0a 0d0a");
    peer_expect_close(p);
    peer_close(p);
    EXPECT_LINE(b, "spoke HTTP", "warn connect.refused", "listener=plain", "hint=\"this port is for MQTT");
}

static void a_wrong_password_comes_with_the_user_and_what_to_do(void **state)
{
    struct broker *b = *state;
    struct peer *p = peer_tcp(b->ports[0]);
    peer_packet(p, 0x10, "<MQTT> 04 c2 003c <kitchen> <alice> <wrong one>");
    peer_expect(p, "20 02 00 04");
    peer_expect_close(p);
    peer_close(p);
    EXPECT_LINE(b, "wrong password", "warn connect.refused", "client=\"kitchen\"", "user=\"alice\"", "sotto passwd");
    char *log = broker_log(b);
    assert_null(strstr(log, "wrong one"));
    free(log);
}

static void a_client_of_an_unknown_version_is_told_of(void **state)
{
    struct broker *b = *state;
    struct peer *p = peer_tcp(b->ports[1]);
    peer_packet(p, 0x10, "<MQTT> 06 02 003c 00 <newer>");
    peer_expect_close_after_anything(p);
    peer_close(p);
    EXPECT_LINE(b, "unknown version of MQTT", "warn connect.refused", "listener=open",
                "hint=\"set the client to MQTT 3.1.1\"");
}

static void a_take_over_is_one_line(void **state)
{
    struct broker *b = *state;
    struct peer *first = client(b->ports[1], "twin"), *second = client(b->ports[1], "twin");
    peer_expect_close(first);
    peer_close(first);
    peer_disconnect(second);
    EXPECT_LINE(b, "client.taken_over", "client=\"twin\"", "listener=open", "hint=\"if this repeats, two devices");
    broker_expect_log(b, "client.disconnected client=\"twin\"");
    char *log = broker_log(b), *connected = strstr(log, "client.connected client=\"twin\"");
    assert_non_null(connected);
    assert_null(strstr(connected + 1, "client.connected client=\"twin\""));
    free(log);
}

static void one_subscription_too_many_says_which_limit(void **state)
{
    struct broker *b = *state;
    struct peer *p = client(b->ports[1], "greedy");
    peer_subscribe(p, 1, "one", 0);
    peer_packet(p, 0x82, "0002 <two> 00");
    peer_expect(p, "90 03 0002 80");
    peer_disconnect(p);
    EXPECT_LINE(b, "subscribe.denied", "client=\"greedy\"", "filter=\"two\"", "hint=\"raise max_subscriptions");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tls_on_a_port_without_it_is_named),
        cmocka_unit_test(http_is_named),
        cmocka_unit_test(a_wrong_password_comes_with_the_user_and_what_to_do),
        cmocka_unit_test(a_client_of_an_unknown_version_is_told_of),
        cmocka_unit_test(a_take_over_is_one_line),
        cmocka_unit_test(one_subscription_too_many_says_which_limit),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
