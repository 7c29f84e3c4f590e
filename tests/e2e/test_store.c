/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is there again after the broker was killed, and after it was stopped. */
#include <fcntl.h>
#include <unistd.h>

#include "e2e/e2e.h"

static const char config[] =
    "[broker]\nthreads = 2\ndata_dir = @DIR@/data\n%s\n[auth]\nanonymous = on\n"
    "[listener.plain]\naddress = 127.0.0.1\nport = @P0@\n";

static void start_with(struct broker *b, const char *keys)
{
    char text[1024];
    snprintf(text, sizeof(text), config, keys);
    broker_write(b, "sotto.ini", text);
    broker_start(b);
}

static int setup(void **state)
{
    struct broker *b = calloc(1, sizeof(*b));
    broker_init(b);
    start_with(b, "");
    *state = b;
    return 0;
}

static uint16_t port(void **state)
{
    return ((struct broker *)*state)->ports[0];
}

static void crash(void **state)
{
    broker_kill(*state);
    broker_start(*state);
}

static void restart(void **state)
{
    broker_stop(*state);
    broker_start(*state);
}

static void publish_1(struct peer *p, uint16_t id, const char *topic, const char *payload)
{
    peer_packet(p, 0x32, "<%s> %04x '%s'", topic, id, payload);
    peer_expect(p, "40 02 %04x", id);
}

/* ---------------------------------------------------------------- sessions */

static void what_was_acknowledged_is_there(void **state)
{
    struct peer *p = durable_client(port(state), "away", false);
    peer_subscribe(p, 1, "away/#", 1);
    peer_subscribe(p, 2, "other/#", 1);
    peer_packet(p, 0xa2, "0003 <other/#>");
    peer_expect(p, "b0 02 0003");
    peer_disconnect(p);
    struct peer *publisher = client(port(state), "publisher");
    for (unsigned i = 1; i <= 20; i++) {
        char text[16];
        snprintf(text, sizeof(text), "m%u", i);
        publish_1(publisher, (uint16_t)i, "away/x", text);
    }
    crash(state);
    peer_close(publisher);
    publisher = client(port(state), "publisher");
    publish_1(publisher, 21, "away/x", "m21");
    publish_1(publisher, 22, "other/x", "unsubscribed");
    p = durable_client(port(state), "away", true);
    for (unsigned i = 1; i <= 21; i++) {
        char text[16];
        snprintf(text, sizeof(text), "m%u", i);
        uint16_t id = peer_expect_publish(p, 2, "away/x", text);
        peer_send(p, "40 02 %04x", id);
    }
    peer_ping(p);
    peer_disconnect(p);
    peer_disconnect(publisher);
}

static void what_was_done_does_not_come_again(void **state)
{
    struct peer *p = durable_client(port(state), "done", false);
    peer_subscribe(p, 1, "done", 1);
    struct peer *publisher = client(port(state), "publisher");
    publish_1(publisher, 1, "done", "one");
    publish_1(publisher, 2, "done", "two");
    peer_send(p, "40 02 %04x", peer_expect_publish(p, 2, "done", "one"));
    uint16_t two = peer_expect_publish(p, 2, "done", "two");
    peer_disconnect(p);
    peer_disconnect(publisher);
    restart(state);
    p = durable_client(port(state), "done", true);
    assert_int_equal(peer_expect_publish(p, 10, "done", "two"), two); /* DUP, and the same packet id */
    peer_send(p, "40 02 %04x", two);
    peer_ping(p);
    publisher = client(port(state), "publisher"); /* and what is new comes */
    publish_1(publisher, 3, "done", "three");
    peer_send(p, "40 02 %04x", peer_expect_publish(p, 2, "done", "three"));
    peer_ping(p);
    peer_disconnect(publisher);
    peer_disconnect(p);
    restart(state);
    p = durable_client(port(state), "done", true);
    peer_ping(p);
    peer_disconnect(p);
}

static void qos_2_goes_on_where_it_was(void **state)
{
    struct peer *p = durable_client(port(state), "receiver", false);
    peer_subscribe(p, 1, "two/#", 2);
    struct peer *publisher = durable_client(port(state), "sender", false);
    peer_packet(publisher, 0x34, "<two/a> 0007 'once'");
    peer_expect(publisher, "50 02 0007");
    uint16_t id = peer_expect_publish(p, 4, "two/a", "once");
    peer_send(p, "50 02 %04x", id);
    peer_expect(p, "62 02 %04x", id);
    crash(state);
    peer_close(p);
    peer_close(publisher);
    /* The sender did not hear PUBREC, as far as it knows: it sends again, and nobody gets it again. */
    publisher = durable_client(port(state), "sender", true);
    peer_packet(publisher, 0x3c, "<two/a> 0007 'once'");
    peer_expect(publisher, "50 02 0007");
    peer_send(publisher, "62 02 0007");
    peer_expect(publisher, "70 02 0007");
    p = durable_client(port(state), "receiver", true);
    peer_expect(p, "62 02 %04x", id);
    peer_send(p, "70 02 %04x", id);
    peer_ping(p);
    /* The packet id is free again. */
    restart(state);
    peer_close(p);
    peer_close(publisher);
    publisher = durable_client(port(state), "sender", true);
    peer_packet(publisher, 0x34, "<two/a> 0007 'another'");
    peer_expect(publisher, "50 02 0007");
    p = durable_client(port(state), "receiver", true);
    peer_expect_publish(p, 4, "two/a", "another");
    peer_disconnect(p);
    peer_disconnect(publisher);
}

static void a_clean_start_ends_what_was_stored(void **state)
{
    struct peer *p = durable_client(port(state), "cleaned", false);
    peer_subscribe(p, 1, "cleaned", 1);
    peer_disconnect(p);
    peer_disconnect(client(port(state), "cleaned"));
    crash(state);
    peer_disconnect(durable_client(port(state), "cleaned", false));
}

/* ---------------------------------------------------------------- retained, wills */

static void retained_messages_are_there(void **state)
{
    struct peer *p = client(port(state), "publisher");
    peer_packet(p, 0x33, "<r/1> 0001 'kept'");
    peer_expect(p, "40 02 0001");
    peer_packet(p, 0x33, "<r/2> 0002 'deleted'");
    peer_expect(p, "40 02 0002");
    peer_packet(p, 0x33, "<r/2> 0003");
    peer_expect(p, "40 02 0003");
    peer_packet(p, 0x31, "<r/0> 'first'");
    peer_packet(p, 0x31, "<r/0> 'last'");
    peer_ping(p);
    peer_disconnect(p);
    restart(state); /* QoS 0 is written then */
    crash(state);
    p = client(port(state), "reader");
    peer_subscribe(p, 1, "r/1", 0);
    peer_expect_publish(p, 1, "r/1", "kept");
    peer_subscribe(p, 2, "r/0", 0);
    peer_expect_publish(p, 1, "r/0", "last");
    peer_subscribe(p, 3, "r/2", 0);
    peer_ping(p);
    peer_disconnect(p);
}

/* The broker's end is the end of the connection, seen from its next start. */
static void will_after(void **state, void (*end)(void **state))
{
    struct peer *p = peer_tcp(port(state));
    peer_packet(p, 0x10, "<MQTT> 04 2c 0000 <mortal> <will/topic> <gone>"); /* retained, QoS 1 */
    peer_expect(p, "20 02 00 00");
    end(state);
    peer_close(p);
    struct peer *reader = client(port(state), "reader");
    peer_subscribe(reader, 1, "will/#", 1);
    peer_send(reader, "40 02 %04x", peer_expect_publish(reader, 3, "will/topic", "gone"));
    peer_packet(reader, 0x33, "<will/topic> 0002");
    peer_send(reader, "40 02 %04x", peer_expect_publish(reader, 2, "will/topic", ""));
    peer_expect(reader, "40 02 0002");
    end(state); /* once is enough */
    peer_close(reader);
    reader = client(port(state), "reader");
    peer_subscribe(reader, 1, "will/#", 1);
    peer_ping(reader);
    peer_disconnect(reader);
    peer_disconnect(client(port(state), "mortal"));
}

static void wills_of_sessions_that_are_kept(void **state)
{
    will_after(state, crash);
    will_after(state, restart);
}

/* ---------------------------------------------------------------- modes, tools, damage */

static void without_persistence_nothing_is_kept(void **state)
{
    struct broker *b = *state;
    broker_stop(b);
    start_with(b, "persistence = off");
    struct peer *p = durable_client(port(state), "kept", false);
    peer_disconnect(p);
    restart(state);
    peer_disconnect(durable_client(port(state), "kept", false));
    broker_stop(b);
    start_with(b, "");
    peer_disconnect(durable_client(port(state), "kept", false));
}

static void the_other_modes_store_in_the_end(void **state)
{
    static const char *const modes[] = {"durability = interval\nflush_interval = 1h",
                                        "durability = off\nflush_interval = 1h"};
    struct broker *b = *state;
    for (size_t i = 0; i < 2; i++) {
        char id[16];
        snprintf(id, sizeof(id), "mode%u", (unsigned)i);
        broker_stop(b);
        start_with(b, modes[i]);
        peer_disconnect(durable_client(port(state), id, false));
        restart(state);
        peer_disconnect(durable_client(port(state), id, true));
    }
}

static void the_store_can_be_looked_into(void **state)
{
    struct broker *b = *state;
    struct peer *p = durable_client(port(state), "shown", false);
    peer_subscribe(p, 1, "shown", 1);
    peer_disconnect(p);
    struct peer *publisher = client(port(state), "publisher");
    publish_1(publisher, 1, "shown", "12345");
    for (int running = 1; running >= 0; running--) {
        struct program show, check;
        program_run(&show, 0, NULL, ARGV(sotto_bin(), "store", "show", broker_path(b, "data")));
        assert_non_null(strstr(show.output, "shown"));
        assert_non_null(strstr(show.output, "Sessions: 1. Queued: 1, of 1 messages with 10 bytes."));
        program_fini(&show);
        program_run(&check, 0, NULL, ARGV(sotto_bin(), "store", "check", broker_path(b, "data")));
        assert_non_null(strstr(check.output, "sound"));
        program_fini(&check);
        if (running)
            broker_stop(b);
    }
    peer_close(publisher);
    struct program wrong;
    program_run(&wrong, 1, NULL, ARGV(sotto_bin(), "store", "show", broker_path(b, "nothing")));
    assert_non_null(strstr(wrong.output, "nothing/sotto.db"));
    program_fini(&wrong);
    program_run(&wrong, 2, NULL, ARGV(sotto_bin(), "store", "sow", "x"));
    program_fini(&wrong);
}

static void a_message_of_many_is_stored_once(void **state)
{
    struct broker *b = *state;
    for (unsigned i = 0; i < 3; i++) {
        char id[16];
        snprintf(id, sizeof(id), "many%u", i);
        struct peer *p = durable_client(port(state), id, false);
        peer_subscribe(p, 1, "many/#", 1);
        peer_disconnect(p);
    }
    struct peer *publisher = client(port(state), "publisher");
    publish_1(publisher, 1, "many/a", "one");
    publish_1(publisher, 2, "many/a", "two");
    struct program show;
    program_run(&show, 0, NULL, ARGV(sotto_bin(), "store", "show", broker_path(b, "data")));
    assert_non_null(strstr(show.output, "Sessions: 3. Queued: 6, of 2 messages with 18 bytes."));
    program_fini(&show);
    crash(state);
    peer_close(publisher);
    for (unsigned i = 0; i < 3; i++) {
        char id[16];
        snprintf(id, sizeof(id), "many%u", i);
        struct peer *p = durable_client(port(state), id, true);
        peer_send(p, "40 02 %04x", peer_expect_publish(p, 2, "many/a", "one"));
        peer_send(p, "40 02 %04x", peer_expect_publish(p, 2, "many/a", "two"));
        peer_ping(p);
        peer_disconnect(p);
    }
}

static void a_second_broker_is_refused(void **state)
{
    struct broker *b = *state;
    struct program second;
    broker_write(b, "second.ini",
                 "[broker]\ndata_dir = @DIR@/data\n[auth]\nanonymous = on\n"
                 "[listener.plain]\naddress = 127.0.0.1\nport = @P1@\n");
    program_run(&second, 1, NULL, ARGV(sotto_bin(), "run", "-c", broker_path(b, "second.ini")));
    assert_non_null(strstr(second.output, "another broker"));
    program_fini(&second);
}

static void a_damaged_database_is_moved_aside(void **state)
{
    struct broker *b = *state;
    struct program check;
    char junk[8192];
    memset(junk, 0x5a, sizeof(junk));
    broker_stop(b);
    int fd = open(broker_path(b, "data/sotto.db"), O_WRONLY);
    assert_int_equal(pwrite(fd, junk, sizeof(junk), 4096), sizeof(junk));
    close(fd);
    program_run(&check, 1, NULL, ARGV(sotto_bin(), "store", "check", broker_path(b, "data")));
    program_fini(&check);
    broker_start(b);
    broker_expect_log(b, "store.damaged");
    broker_expect_log(b, "sotto.db.damaged-");
    broker_expect_log(b, "store.salvaged");
    peer_disconnect(durable_client(port(state), "works", false));
    restart(state);
    peer_disconnect(durable_client(port(state), "works", true));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, broker_teardown)
    const struct CMUnitTest tests[] = {
        T(what_was_acknowledged_is_there),      T(what_was_done_does_not_come_again),
        T(qos_2_goes_on_where_it_was),          T(a_clean_start_ends_what_was_stored),
        T(retained_messages_are_there),         T(wills_of_sessions_that_are_kept),
        T(without_persistence_nothing_is_kept), T(the_other_modes_store_in_the_end),
        T(the_store_can_be_looked_into),        T(a_message_of_many_is_stored_once),
        T(a_second_broker_is_refused),          T(a_damaged_database_is_moved_aside),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
