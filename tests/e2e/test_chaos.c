/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Clients that come, go, take each other over, send at every QoS, acknowledge what nobody sent, and send garbage, on
 * two loops and over every kind of connection, in an order that a seed decides. Nothing in particular is expected of a
 * single step; the broker must live through all of them, serve an ordinary client afterwards, and stop cleanly. With
 * the sanitizers on, it must also do so without a race, a leak or a stray byte.
 */
#include "e2e/e2e.h"

#define SLOTS 24
#define STEPS 4000

struct chaos {
    struct broker *broker;
    struct peer *slots[SLOTS];
    uint64_t state;
};

static unsigned draw(struct chaos *c, unsigned below)
{
    c->state = c->state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(c->state >> 33) % below;
}

static const char *draw_topic(struct chaos *c, const char *const list[], unsigned n)
{
    return list[draw(c, n)];
}

static const char *topic(struct chaos *c)
{
    static const char *const topics[] = {"t/1", "t/2", "t/1/x", "t", "u/1", "u/2/y/z", "/", "$private/1"};
    return draw_topic(c, topics, 8);
}

static const char *filter(struct chaos *c)
{
    static const char *const filters[] = {"t/1", "t/+", "t/#", "#", "+/+", "u/2/y/z", "+/1", "$private/#"};
    return draw_topic(c, filters, 8);
}

static struct peer *arrive(struct chaos *c)
{
    struct broker *b = c->broker;
    struct peer *p;

    switch (draw(c, 8)) {
    case 0:
        p = peer_tls(b->ports[1], broker_path(b, "certs/ca.crt"), 3);
        break;
    case 1:
        p = peer_unix(broker_path(b, "socket"));
        break;
    default:
        p = peer_tcp(b->ports[0]);
    }
    unsigned clean = draw(c, 2) * 2;
    if (draw(c, 3) == 0)
        peer_try_packet(p, 0x10, "<MQTT> 04 %02x 0002 <c%u> <%s> <a will>",
                        4 | clean | draw(c, 3) << 3 | draw(c, 2) << 5, draw(c, 16), topic(c));
    else
        peer_try_packet(p, 0x10, "<MQTT> 04 %02x 0000 <c%u>", clean, draw(c, 16));
    if (draw(c, 2) == 0)
        peer_try_packet(p, 0x82, "0001 <%s> %02x <%s> %02x", filter(c), draw(c, 3), filter(c), draw(c, 3));
    return p;
}

static bool publish(struct chaos *c, struct peer *p)
{
    unsigned qos = draw(c, 3), retain = draw(c, 8) == 0, size = draw(c, 6) == 0 ? draw(c, 3000) : draw(c, 40);

    if (qos == 0)
        return peer_try_packet(p, (uint8_t)(0x30 | retain), "<%s> '%0*d'", topic(c), (int)size, 0);
    return peer_try_packet(p, (uint8_t)(0x30 | qos << 1 | retain), "<%s> %04x '%0*d'", topic(c), 1 + draw(c, 30),
                           (int)size, 0);
}

/* Acknowledgements of ids that may or may not be in flight. */
static bool acknowledge(struct chaos *c, struct peer *p)
{
    static const uint8_t kinds[] = {0x40, 0x40, 0x50, 0x62, 0x70};
    bool open = true;

    for (int i = 0; i < 10 && open; i++)
        open = peer_try_packet(p, kinds[draw(c, 5)], "%04x", 1 + draw(c, 20));
    return open;
}

static bool act(struct chaos *c, struct peer *p)
{
    switch (draw(c, 16)) {
    case 0:
        return peer_try_packet(p, 0x82, "0002 <%s> %02x", filter(c), draw(c, 3));
    case 1:
        return peer_try_packet(p, 0xa2, "0003 <%s>", filter(c));
    case 2:
    case 3:
    case 4:
        return acknowledge(c, p);
    case 5:
        return peer_try_packet(p, 0xc0, "%s", "");
    case 6:
        return peer_try_packet(p, (uint8_t)draw(c, 256), "%08x %02x", draw(c, 0x7fffffff), draw(c, 256)) && false;
    case 7:
        return peer_try_packet(p, 0xe0, "%s", "") && false;
    case 8:
        return false;
    default:
        return publish(c, p);
    }
}

static void step(struct chaos *c)
{
    struct peer **slot = &c->slots[draw(c, SLOTS)];

    if (*slot == NULL) {
        *slot = arrive(c);
        return;
    }
    /* One in four is a slow reader for a while. */
    bool open = act(c, *slot) && (draw(c, 4) == 0 || peer_discard(*slot));
    if (open)
        return;
    if (draw(c, 2) == 0)
        peer_abort(*slot);
    else
        peer_close(*slot);
    *slot = NULL;
}

static void run(void **state, uint64_t seed)
{
    struct chaos c = {.broker = *state, .state = seed};

    for (int i = 0; i < STEPS; i++)
        step(&c);
    for (int i = 0; i < SLOTS; i++) {
        if (c.slots[i] != NULL)
            peer_abort(c.slots[i]);
    }
    struct peer *p = client(c.broker->ports[0], "after-the-storm");
    peer_subscribe(p, 1, "calm/sea", 1);
    peer_packet(p, 0x30, "<calm/sea> 'still here'");
    peer_expect_publish(p, 0, "calm/sea", "still here");
    peer_disconnect(p);
}

static void the_broker_lives_through_seed_1(void **state)
{
    run(state, 1);
}

static void the_broker_lives_through_seed_2(void **state)
{
    run(state, 2);
}

static void the_broker_lives_through_a_storm_and_a_stop_in_the_middle(void **state)
{
    struct chaos c = {.broker = *state, .state = 3};

    for (int i = 0; i < STEPS / 4; i++)
        step(&c);
    broker_stop(c.broker);
    for (int i = 0; i < SLOTS; i++) {
        if (c.slots[i] != NULL)
            peer_abort(c.slots[i]);
    }
    broker_start(c.broker);
}

static int setup(void **state)
{
    struct broker *b = broker_new(state);

    broker_make_certs(b, "certs");
    broker_write(b, "sotto.ini",
                 TWO_LOOPS
                 "[limits]\nmax_queued_messages = 50\nmax_queued_bytes = 64K\nmax_retained_messages = 5\n"
                 "[listener.plain]\naddress = 127.0.0.1\nport = @P0@\n"
                 "[listener.tls]\naddress = 127.0.0.1\nport = @P1@\ntls = on\n" RSA_PAIR
                 "[listener.local]\naddress = unix:@DIR@/socket\n");
    broker_start(b);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_broker_lives_through_seed_1),
        cmocka_unit_test(the_broker_lives_through_seed_2),
        cmocka_unit_test(the_broker_lives_through_a_storm_and_a_stop_in_the_middle),
    };
    return cmocka_run_group_tests(tests, setup, broker_teardown);
}
