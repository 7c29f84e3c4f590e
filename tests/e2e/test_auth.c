/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who may connect, and what they may do. */
#include "e2e/e2e.h"

static const char users[] =
    "[alice]\n"
    "publish = home/alice/#\n"
    "subscribe = home/#\n"
    "deny = home/safe/#\n"
    "[bob]\n"
    "publish = users/%u/#\n"
    "subscribe = clients/%c/#\n"
    "[carol]\n"
    "publish = #\n"
    "subscribe = #\n"
    "subscribe = $SYS/#\n"
    "[*]\n"
    "subscribe = public/#\n";

static int setup(void **state)
{
    struct broker *b = broker_new(state);
    broker_write(b, "users.ini", users);
    broker_passwd(b, "alice", "wonder land\n");
    broker_passwd(b, "bob", "b\n");
    broker_passwd(b, "carol", "c\n");
    broker_write(b, "sotto.ini",
                 "[broker]\nthreads = 1\ndata_dir = @DIR@/data\n[auth]\nanonymous = off\nusers = users.ini\n"
                 "[listener.closed]\naddress = 127.0.0.1\nport = @P0@\n"
                 "[listener.open]\naddress = 127.0.0.1\nport = @P1@\nanonymous = on\n");
    broker_start(b);
    return 0;
}

/* Connects as that user (NULL: none) and expects the return code. The peer, when that is 0. */
static struct peer *login(void **state, unsigned code, const char *id, const char *user, const char *password)
{
    struct broker *b = *state;
    struct peer *p = peer_tcp(b->ports[0]);

    if (user == NULL)
        peer_packet(p, 0x10, "<MQTT> 04 02 0000 <%s>", id);
    else if (password == NULL)
        peer_packet(p, 0x10, "<MQTT> 04 82 0000 <%s> <%s>", id, user);
    else
        peer_packet(p, 0x10, "<MQTT> 04 c2 0000 <%s> <%s> <%s>", id, user, password);
    peer_expect(p, "20 02 00 %02x", code);
    if (code == 0)
        return p;
    peer_expect_close(p);
    peer_close(p);
    return NULL;
}

static void right_password_is_accepted(void **state)
{
    peer_disconnect(login(state, 0, "right", "alice", "wonder land"));
    /* And again, now that it is remembered. */
    peer_disconnect(login(state, 0, "right", "alice", "wonder land"));
}

static void wrong_password_and_unknown_user_get_code_4(void **state)
{
    login(state, 4, "wrong", "alice", "wonderland");
    login(state, 4, "wrong", "alice", "");
    login(state, 4, "wrong", "alice", NULL);
    login(state, 4, "wrong", "mallory", "wonder land");
    login(state, 4, "wrong", "*", "wonder land");
    login(state, 4, "wrong", "", "pass word");
}

static void no_user_name_gets_code_5(void **state)
{
    login(state, 5, "nobody", NULL, NULL);
    login(state, 5, "empty", "", ""); /* a form that was left empty */
}

static void a_listener_may_let_anonymous_clients_in(void **state)
{
    struct broker *b = *state;
    struct peer *p = client(b->ports[1], "anonymous");
    peer_disconnect(p);
    /* Credentials that are given are checked there too. */
    p = peer_tcp(b->ports[1]);
    peer_packet(p, 0x10, "<MQTT> 04 c2 0000 <anonymous> <alice> <wrong>");
    peer_expect(p, "20 02 00 04");
    peer_expect_close(p);
    peer_close(p);
}

static void refusals_are_logged_with_the_address_and_without_the_password(void **state)
{
    /* A broker of its own, because equal refusals from one address become one line with a count. */
    void *fresh = NULL;
    (void)state;
    setup(&fresh);
    login(&fresh, 4, "logged-client", "alice", "not-to-be-logged");
    broker_expect_log(fresh, "connect.refused");
    broker_expect_log(fresh, "127.0.0.1");
    broker_expect_log(fresh, "logged-client");
    char *log = broker_log(fresh);
    assert_null(strstr(log, "not-to-be-logged"));
    free(log);
    broker_teardown(&fresh);
}

static void what_is_not_granted_is_refused(void **state)
{
    struct peer *p = login(state, 0, "grants", "alice", "wonder land");
    peer_subscribe(p, 1, "home/alice/#", 1);
    peer_packet(p, 0x82, "0002 <home/#> 00 <elsewhere/#> 00 <#> 00 <public/news> 00 <home> 00");
    peer_expect(p, "90 07 0002 00 80 80 00 00");
    peer_disconnect(p);
}

static void publish_that_is_not_granted_reaches_nobody__MQTT_3_3_5_2(void **state)
{
    struct peer *watcher = login(state, 0, "watcher", "carol", "c");
    struct peer *p = login(state, 0, "refused-publisher", "alice", "wonder land");
    peer_subscribe(watcher, 1, "home/#", 0);
    peer_packet(p, 0x32, "<home/bob/t> 0001 'no'");
    peer_expect(p, "40 02 0001");
    peer_packet(p, 0x32, "<home/alice/t> 0002 'yes'");
    peer_expect(p, "40 02 0002");
    peer_expect_publish(watcher, 0, "home/alice/t", "yes");
    peer_ping(watcher);
    peer_disconnect(p);
    peer_disconnect(watcher);
}

static void deny_withholds_at_delivery(void **state)
{
    struct peer *publisher = login(state, 0, "deny-publisher", "carol", "c");
    struct peer *p = login(state, 0, "deny", "alice", "wonder land");
    peer_subscribe(p, 1, "home/#", 0);
    peer_packet(publisher, 0x30, "<home/safe/code> '1234'");
    peer_packet(publisher, 0x30, "<home/door> 'open'");
    peer_expect_publish(p, 0, "home/door", "open");
    peer_ping(p);
    peer_disconnect(publisher);
    peer_disconnect(p);
}

static void deny_withholds_retained_messages(void **state)
{
    struct peer *publisher = login(state, 0, "deny-retainer", "carol", "c");
    peer_packet(publisher, 0x33, "<home/safe/kept> 0001 '1234'");
    peer_expect(publisher, "40 02 0001");
    struct peer *p = login(state, 0, "deny-retained", "alice", "wonder land");
    peer_subscribe(p, 1, "home/#", 0);
    peer_ping(p);
    peer_disconnect(p);
    peer_disconnect(publisher);
}

static void user_name_and_client_id_stand_in_rules(void **state)
{
    struct peer *watcher = login(state, 0, "u-watcher", "carol", "c");
    peer_subscribe(watcher, 1, "users/#", 0);
    struct peer *p = login(state, 0, "bobs-client", "bob", "b");
    peer_packet(p, 0x32, "<users/alice/t> 0001 'no'");
    peer_expect(p, "40 02 0001");
    peer_packet(p, 0x32, "<users/bob/t> 0002 'yes'");
    peer_expect(p, "40 02 0002");
    peer_expect_publish(watcher, 0, "users/bob/t", "yes");
    peer_packet(p, 0x82, "0003 <clients/bobs-client/x> 00 <clients/other/x> 00");
    peer_expect(p, "90 04 0003 00 80");
    peer_disconnect(p);
    peer_disconnect(watcher);
    p = login(state, 0, "a/b", "bob", "b");
    peer_packet(p, 0x82, "0001 <clients/a/b/x> 00");
    peer_expect(p, "90 03 0001 80");
    peer_disconnect(p);
}

static void a_session_belongs_to_its_user(void **state)
{
    struct broker *b = *state;
    struct peer *p = login(state, 0, "owned", "alice", "wonder land");
    login(state, 2, "owned", "bob", "b");
    peer_ping(p);
    peer_disconnect(p);
    p = peer_tcp(b->ports[0]);
    peer_packet(p, 0x10, "<MQTT> 04 c0 0000 <owned-kept> <alice> <wonder land>");
    peer_expect(p, "20 02 00 00");
    peer_disconnect(p);
    login(state, 2, "owned-kept", "bob", "b");
}

static void sys_topics_are_not_for_publishers(void **state)
{
    struct peer *p = login(state, 0, "sys", "carol", "c");
    peer_subscribe(p, 1, "$SYS/#", 0);
    peer_drain(p);
    peer_packet(p, 0x32, "<$SYS/broker/uptime> 0001 'forged'");
    peer_expect(p, "40 02 0001");
    peer_ping(p);
    peer_disconnect(p);
}

static void forty_devices_reconnect_at_once(void **state)
{
    struct broker *b = *state;
    struct peer *p[40];
    for (int i = 0; i < 40; i++) {
        p[i] = peer_tcp(b->ports[0]);
        peer_packet(p[i], 0x10, "<MQTT> 04 c2 0000 <storm-%d> <alice> <wonder land>", i);
    }
    for (int i = 0; i < 40; i++)
        peer_expect(p[i], "20 02 00 00");
    for (int i = 0; i < 40; i++)
        peer_disconnect(p[i]);
}

static void hashes_of_mosquitto_are_read(void **state)
{
    struct broker *b = *state, other;
    struct program passwd;
    char users_text[512];

    program_need("mosquitto_passwd");
    program_run(&passwd, 0, NULL, ARGV("mosquitto_passwd", "-c", "-b", broker_path(b, "theirs"), "dave", "d a v e"));
    program_fini(&passwd);
    char *line = broker_read_file(b, "theirs");
    line[strcspn(line, "\n")] = '\0';
    assert_int_equal(strncmp(line, "dave:$7$", 8), 0);
    snprintf(users_text, sizeof users_text, "[dave]\npassword = %s\n", line + 5);
    free(line);
    broker_init(&other);
    broker_write(&other, "users.ini", users_text);
    broker_write(&other, "sotto.ini",
                 "[broker]\nthreads = 1\ndata_dir = @DIR@/data\n[auth]\nusers = users.ini\n"
                 "[listener.plain]\naddress = 127.0.0.1\nport = @P0@\n");
    broker_start(&other);
    void *other_state = &other;
    peer_disconnect(login(&other_state, 0, "theirs", "dave", "d a v e"));
    login(&other_state, 4, "theirs", "dave", "dave");
    broker_stop(&other);
    broker_fini(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_password_is_accepted),
        cmocka_unit_test(wrong_password_and_unknown_user_get_code_4),
        cmocka_unit_test(no_user_name_gets_code_5),
        cmocka_unit_test(a_listener_may_let_anonymous_clients_in),
        cmocka_unit_test(refusals_are_logged_with_the_address_and_without_the_password),
        cmocka_unit_test(what_is_not_granted_is_refused),
        cmocka_unit_test(publish_that_is_not_granted_reaches_nobody__MQTT_3_3_5_2),
        cmocka_unit_test(deny_withholds_at_delivery),
        cmocka_unit_test(deny_withholds_retained_messages),
        cmocka_unit_test(user_name_and_client_id_stand_in_rules),
        cmocka_unit_test(a_session_belongs_to_its_user),
        cmocka_unit_test(sys_topics_are_not_for_publishers),
        cmocka_unit_test(forty_devices_reconnect_at_once),
        cmocka_unit_test(hashes_of_mosquitto_are_read),
    };
    return cmocka_run_group_tests(tests, setup, broker_teardown);
}
