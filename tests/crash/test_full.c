/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The disk is full: what can't be stored is refused, loudly and without harm to anybody, and when there is room again
 * everything goes on. The broker is sotto_power, on two loops; a signal fills its disk.
 */
#include <signal.h>
#include <unistd.h>

#include "e2e/e2e.h"

enum { RECEIVERS = 4 };

static const char config[] = TWO_LOOPS "[listener.plain]\naddress = 127.0.0.1\nport = @P0@\n";

static int setup(void **state)
{
    struct broker *b = calloc(1, sizeof(*b));
    broker_init(b);
    broker_write(b, "sotto.ini", config);
    broker_start(b);
    *state = b;
    return 0;
}

static unsigned count(const struct broker *b, const char *text)
{
    char *log = broker_log(b);
    unsigned n = 0;
    for (const char *at = log; (at = strstr(at, text)) != NULL; at++)
        n++;
    free(log);
    return n;
}

static const char *receiver(unsigned i)
{
    static const char *const names[RECEIVERS] = {"ann", "bob", "cid", "dan"}; /* on both loops, by all likelihood */
    return names[i];
}

/* CONNECT of 5.0 that asks for a session of an hour, or none; no reason strings. */
static struct peer *client_5(uint16_t port, const char *name, bool kept)
{
    struct peer *p = peer_tcp(port);
    uint8_t *body;
    size_t n;
    if (kept)
        peer_packet(p, 0x10, "<MQTT> 05 00 0000 07 11 00000e10 17 00 <%s>", name);
    else
        peer_packet(p, 0x10, "<MQTT> 05 02 0000 02 17 00 <%s>", name);
    assert_int_equal(peer_read_packet(p, &body, &n), 0x20);
    assert_int_equal(body[1], 0);
    free(body);
    return p;
}

/* The reason of the next packet, which is that acknowledgement. */
static unsigned reason(struct peer *p, uint8_t first, uint16_t id)
{
    uint8_t *body;
    size_t n;
    assert_int_equal(peer_read_packet(p, &body, &n), first);
    assert_true(n >= 2);
    assert_int_equal(body[0] << 8 | body[1], id);
    unsigned r = n > 2 ? body[2] : 0;
    free(body);
    return r;
}

static unsigned publish(struct peer *p, unsigned qos, uint16_t id, const char *payload)
{
    peer_packet(p, (uint8_t)(0x30 | qos << 1), "<t> %04x 00 '%s'", id, payload);
    return reason(p, qos == 1 ? 0x40 : 0x50, id);
}

/* Until there is room: the store tries again within a second, and refuses meanwhile. */
static void publish_at_last(struct peer *p, unsigned qos, uint16_t id, const char *payload)
{
    for (unsigned tries = 0; publish(p, qos, id, payload) != 0; tries++) {
        assert_true(tries < 100 * patience());
        usleep(50000);
    }
    if (qos == 1)
        return;
    peer_packet(p, 0x62, "%04x", id);
    assert_int_equal(reason(p, 0x70, id), 0);
}

/* The next PUBLISH to "t". At QoS 1, what was refused may have been stored by one of two loops, and sent again: it is
 * acknowledged. */
static uint16_t expect_publish(struct peer *p, unsigned qos, const char *payload)
{
    for (;;) {
        uint8_t *body;
        size_t n;
        uint8_t first = peer_read_packet(p, &body, &n);
        assert_true(n >= 5);
        uint16_t id = (uint16_t)(body[3] << 8 | body[4]);
        bool same = n == 5 + strlen(payload) && memcmp(body + 5, payload, strlen(payload)) == 0;
        bool right = same && first == (0x30 | qos << 1);
        free(body);
        assert_true(right || first == 0x32);
        if (right)
            return id;
        peer_send(p, "40 02 %04x", id);
    }
}

static void what_has_no_room_is_refused(void **state)
{
    struct broker *b = *state;
    for (unsigned i = 0; i < RECEIVERS; i++) {
        struct peer *r = durable_client(b->ports[0], receiver(i), false);
        peer_subscribe(r, 1, "t", 2);
        peer_disconnect(r);
    }
    peer_disconnect(durable_client(b->ports[0], "eve", false));
    struct peer *clean = client_5(b->ports[0], "clean", false), *kept = client_5(b->ports[0], "kept", true);
    struct peer *old = client(b->ports[0], "old"), *watch = client(b->ports[0], "watch");
    assert_int_equal(publish(clean, 1, 1, "before"), 0);
    peer_subscribe(watch, 1, "live", 0);

    kill(b->pid, SIGRTMIN);
    while (publish(clean, 1, 1, "refused") != 0x97) { /* the signal is on its way */
    }
    for (uint16_t id = 2; id < 4; id++) {
        assert_int_equal(publish(clean, 1, id, "refused"), 0x97);
        assert_int_equal(publish(clean, 2, id, "refused 2"), 0x97);
        assert_int_equal(publish(kept, 2, id, "refused 2"), 0x97);
    }
    peer_packet(clean, 0x32, "<live> 0009 00 'x'"); /* what nothing is kept of goes on */
    assert_int_equal(reason(clean, 0x40, 9), 0);
    peer_expect_publish(watch, 0, "live", "x");
    peer_packet(old, 0x32, "<t> 0002 'refused'"); /* 3.1.1 has no word for it */
    peer_expect_close(old);
    peer_close(old);
    peer_disconnect(durable_client(b->ports[0], "eve", true)); /* nothing about her has to be stored */
    broker_expect_log(b, "store.failed");
    assert_int_equal(count(b, "store.failed"), 1);

    kill(b->pid, SIGRTMIN);
    publish_at_last(clean, 1, 2, "after 1");
    publish_at_last(clean, 2, 2, "after 2");
    publish_at_last(kept, 2, 2, "after 2 kept");
    broker_expect_log(b, "store.works");
    old = client(b->ports[0], "old");
    peer_packet(old, 0x32, "<t> 0002 'after 3'");
    peer_expect(old, "40 02 0002");

    broker_kill(b); /* only what is on the disk counts now: at QoS 2 none of those that were refused */
    broker_start(b);
    static const char *const all[] = {"before", "after 1", "after 2", "after 2 kept", "after 3"};
    for (unsigned i = 0; i < RECEIVERS; i++) {
        struct peer *r = durable_client(b->ports[0], receiver(i), true);
        uint16_t id[5];
        for (unsigned k = 0; k < 5; k++)
            id[k] = expect_publish(r, k == 2 || k == 3 ? 2 : 1, all[k]);
        peer_send(r, "40 02 %04x 40 02 %04x 40 02 %04x 50 02 %04x", id[0], id[1], id[4], id[2]);
        peer_expect(r, "62 02 %04x", id[2]);
        peer_send(r, "50 02 %04x 70 02 %04x", id[3], id[2]);
        peer_expect(r, "62 02 %04x", id[3]);
        peer_send(r, "70 02 %04x", id[3]);
        peer_ping(r);
        peer_disconnect(r);
    }
    peer_disconnect(durable_client(b->ports[0], "eve", true));
    peer_close(clean);
    peer_close(kept);
    peer_close(old);
    peer_close(watch);
}

/* What is stored can be served without room, and whoever fills the disk doesn't keep the broker from starting. */
static void starts_without_room(void **state)
{
    struct broker *b = *state;
    struct peer *r = durable_client(b->ports[0], "ann", false), *p = client_5(b->ports[0], "clean", false);
    peer_subscribe(r, 1, "t", 2);
    peer_disconnect(r);
    peer_packet(p, 0x33, "<t> 0001 00 'before'"); /* retained */
    assert_int_equal(reason(p, 0x40, 1), 0);
    peer_close(p);
    for (unsigned i = 0; i < 2; i++) {
        if (i == 0)
            broker_kill(b);
        else
            broker_stop(b);
        setenv("SOTTO_POWER", "1 0 full", 1);
        broker_start(b);
        setenv("SOTTO_POWER", "1 0", 1);
        broker_expect_log(b, "store.cramped");
        p = client_5(b->ports[0], "clean", false);
        struct peer *watch = client(b->ports[0], "watch");
        peer_subscribe(watch, 1, "t", 0);
        peer_expect_publish(watch, 1, "t", "before");
        peer_close(watch);
        assert_int_equal(publish(p, 1, 2, "refused"), 0x97);
        kill(b->pid, SIGRTMIN);
        publish_at_last(p, 1, 2, "after");
        peer_close(p);
    }
    broker_kill(b);
    broker_start(b);
    r = durable_client(b->ports[0], "ann", true);
    static const char *const all[] = {"before", "after", "after"};
    for (unsigned i = 0; i < 3; i++)
        peer_send(r, "40 02 %04x", expect_publish(r, 1, all[i]));
    peer_ping(r);
    peer_disconnect(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_has_no_room_is_refused, setup, broker_teardown),
        cmocka_unit_test_setup_teardown(starts_without_room, setup, broker_teardown)};
    if (getenv("SOTTO_POWER_BIN") != NULL)
        setenv("SOTTO_BIN", getenv("SOTTO_POWER_BIN"), 1);
    setenv("SOTTO_POWER", "1 0", 1);
    return cmocka_run_group_tests_name("full", tests, NULL, NULL);
}
