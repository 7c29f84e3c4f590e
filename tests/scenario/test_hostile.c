/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Clients that mean ill, or ask for more than can be done at once: what they can make the broker keep has a bound. */
#include "v5.h"

#include "sotto/base/mem.h"

/* What is asked right behind CONNECT is answered behind CONNACK. [MQTT-3.2.0-1] [MQTT5-3.2.0-1] */
static void nothing_comes_before_connack(void **state)
{
    struct rig *r = *state;
    for (unsigned i = 0; i < 2; i++) {
        struct peer *c = rig_start(r, &(struct rig_connect){.id = "a"});
        rig_send_hex(c, "c0 00 c0 00");
        rig_expect_connack(c, i > 0, 0);
        rig_expect(c, "d0 00 d0 00");
        rig_drop(c);
    }
}

/* One commit lets a message go, and the CONNACK of who will get it. */
static void not_even_what_the_same_commit_lets_go(void **state)
{
    struct rig *r = *state;
    struct packet p;
    struct peer *a = rig_start(r, &(struct rig_connect){.id = "a"}),
                *b = rig_start(r, &(struct rig_connect){.id = "b"});
    rig_commit(r, SIZE_MAX);
    rig_expect_connack(a, false, 0);
    rig_expect_connack(b, false, 0);
    rig_send_subscribe(b, 1, "t:0");
    rig_commit(r, SIZE_MAX);
    rig_expect_packet(b, PACKET_SUBACK, &p);
    rig_send_publish(a, "t", "x", 2, false, 1);
    rig_run(r);
    b = rig_start(r, &(struct rig_connect){.id = "b"});
    rig_commit(r, SIZE_MAX);
    rig_expect_connack(b, true, 0);
    rig_take(b, "t", "x", 0, false, false);
    rig_expect_ack(a, PACKET_PUBREC, 1);
}

/* Who sends on while its answers wait for a commit is not read without end. */
static void answers_that_wait_have_a_bound(void **state)
{
    struct rig *r = *state;
    const unsigned n = 60000;
    struct peer *c = rig_start(r, &(struct rig_connect){.id = "a"});
    rig_commit(r, SIZE_MAX);
    rig_expect_connack(c, false, 0);
    rig_send_subscribe(c, 1, "t:1");
    for (unsigned i = 1; i <= n; i++)
        rig_send_ack(c, PACKET_PUBREL, (uint16_t)i);
    size_t before = mem_in_use();
    rig_run(r);
    assert_true(client_paused(c->client));
    assert_in_range(mem_in_use() - before, 1, 2 * 1024 * 1024);
    rig_commit(r, SIZE_MAX);
    struct packet p;
    rig_expect_packet(c, PACKET_SUBACK, &p);
    for (unsigned i = 1; i <= n; i++) {
        assert_true(rig_poll(c, &p));
        assert_true(p.type == PACKET_PUBCOMP && p.ack.id == i);
    }
    rig_expect_nothing(c);
}

static void wide_window(struct limits *l)
{
    l->max_inflight = 1000;
    l->max_queued_bytes = 100000;
}

/* What is in flight has the limit in bytes that what waits has; a QoS 2 message counts until the client has it. */
static void in_flight_has_a_bound_in_bytes(void **state)
{
    static char text[10001];
    memset(text, 'x', sizeof(text) - 1);
    struct rig *r = *state;
    for (uint8_t qos = 1; qos < 3; qos++) {
        struct peer *c = rig_keep(r, "a"), *p = rig_clean(r, "p");
        rig_subscribe(c, 1, "t:2");
        uint16_t ids[10];
        for (unsigned i = 0; i < 18; i++) {
            snprintf(text, sizeof(text), "%02u", i);
            text[2] = 'x';
            rig_publish(p, "t", text, qos, false);
        }
        for (unsigned i = 0; i < 10; i++) {
            snprintf(text, sizeof(text), "%02u", i);
            text[2] = 'x';
            ids[i] = rig_expect_publish(c, "t", text, qos, false, false);
        }
        rig_expect_nothing(c);
        for (unsigned i = 0; i < 8; i++) {
            struct packet q;
            rig_send_ack(c, qos == 1 ? PACKET_PUBACK : PACKET_PUBREC, ids[i]);
            if (qos == 2)
                rig_expect_ack(c, PACKET_PUBREL, ids[i]);
            rig_expect_packet(c, PACKET_PUBLISH, &q);
            assert_int_equal(number_in(q.publish.payload, 0), i + 10);
            rig_expect_nothing(c);
        }
        assert_int_equal(rig_stats(r).messages_dropped, 0);
        rig_drop(c);
        rig_drop(rig_clean(r, "a"));
        rig_drop(p);
    }
}

/* One that is larger than the limit alone goes, but alone. */
static void tiny_bytes(struct limits *l)
{
    l->max_inflight = 1000;
    l->max_queued_bytes = 100;
}

static void large_message_still_goes(void **state)
{
    static char text[1001];
    memset(text, 'x', sizeof(text) - 1);
    struct rig *r = *state;
    struct peer *c = rig_keep(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(c, 1, "t:1");
    for (unsigned i = 0; i < 3; i++) {
        rig_publish(p, "t", text, 1, false);
        rig_publish(p, "t", numbered(i), 1, false);
        rig_take(c, "t", text, 1, false, false);
        rig_take(c, "t", numbered(i), 1, false, false);
    }
    rig_expect_nothing(c);
}

/* We keep what an alias stands for: only short topics are given one. */
static void long_topics_get_no_alias(void **state)
{
    static char topic[1026];
    struct rig *r = *state;
    struct props props = {.has = RIG_HAS(TOPIC_ALIAS_MAXIMUM), .topic_alias_maximum = 65535};
    struct peer *c = rig_connect(r, .id = "a", .clean = true, .props = &props), *p = rig_clean(r, "p");
    rig_subscribe(c, 1, "#:0");
    for (size_t n = 1024; n < 1026; n++) {
        memset(topic, 't', n);
        topic[n] = '\0';
        for (unsigned i = 0; i < 3; i++) {
            struct packet q;
            rig_publish(p, topic, "x", 0, false);
            expect_message(c, topic, "x", &q);
            assert_int_equal(props_has(&q.publish.props, PROP_TOPIC_ALIAS), n <= 1024);
        }
    }
}

static char *many_filters(unsigned n, const char *end)
{
    char *list = malloc(n * 16);
    size_t at = 0;
    assert_non_null(list);
    for (unsigned i = 0; i < n; i++)
        at += (size_t)snprintf(list + at, 16, "%sf/%u%s", i > 0 ? " " : "", i, end);
    return list;
}

/* An answer that the client doesn't take can't be left out either. [MQTT5-3.1.2-24] */
static void answer_over_the_clients_maximum(void **state)
{
    struct rig *r = *state;
    char *filters = many_filters(100, ":0"), *names = many_filters(100, "");
    for (unsigned kept = 0; kept < 2; kept++) {
        struct props props = {.has = RIG_HAS(MAXIMUM_PACKET_SIZE) | RIG_HAS(SESSION_EXPIRY),
                              .maximum_packet_size = 60,
                              .session_expiry = kept * 100};
        struct peer *c = rig_connect(r, .id = "a", .clean = true, .props = &props);
        rig_subscribe(c, 1, "a:0 b:0");
        rig_send_subscribe(c, 2, filters);
        rig_expect_ended(c, REASON_PACKET_TOO_LARGE);
        c = rig_connect(r, .id = "a", .clean = true, .props = &props);
        rig_send_unsubscribe(c, 2, names);
        rig_expect_ended(c, REASON_PACKET_TOO_LARGE);
    }
    free(filters);
    free(names);
}

static void hundred_subscriptions(struct limits *l)
{
    l->max_subscriptions = 100;
}

/* Filters count with what they take: 100 KiB are for a hundred, and 64 KiB beside. */
static void long_filters_count_for_more(void **state)
{
    static char filters[4][60010];
    struct rig *r = *state;
    struct peer *c = rig_clean(r, "a");
    for (unsigned i = 0; i < 4; i++) {
        memset(filters[i], 'x', 60000);
        snprintf(filters[i] + 60000, 10, "%s%u:1", i % 2 == 0 ? "" : "/+/", i);
    }
    rig_subscribe(c, 1, filters[0]);
    rig_subscribe(c, 1, filters[1]);
    rig_send_subscribe(c, 2, filters[2]);
    rig_expect_suback(c, 2, "97");
    rig_subscribe(c, 3, filters[0]); /* what it has costs no more */
    rig_subscribe(c, 4, "t:0");
    strrchr(filters[0], ':')[0] = '\0';
    rig_unsubscribe(c, 5, filters[0]);
    rig_subscribe(c, 6, filters[3]);
}

static void deep_filters_count_for_more(void **state)
{
    struct rig *r = *state;
    for (unsigned shared = 0; shared < 2; shared++) {
        struct peer *c = rig_clean(r, "a");
        size_t before = mem_in_use(), granted = 0;
        for (unsigned i = 0; i < 100; i++) {
            char filter[500];
            struct packet p;
            size_t n = (size_t)snprintf(filter, sizeof(filter), "%s%u", shared ? "$share/g/" : "", i);
            while (n < 390)
                n += (size_t)snprintf(filter + n, sizeof(filter) - n, "/x");
            snprintf(filter + n, sizeof(filter) - n, "/+:0");
            rig_send_subscribe(c, 1, filter);
            rig_expect_packet(c, PACKET_SUBACK, &p);
            granted += p.suback.codes.p[0] == 0;
        }
        assert_in_range(granted, 10, 20);
        assert_in_range(mem_in_use() - before, 1, 800 * 1024);
        rig_drop(c);
    }
}

/* A CONNECT that is refused, at last for the size of its CONNACK, leaves no will. */
static void refused_connect_has_no_will(void **state)
{
    struct rig *r = *state;
    struct peer *w = rig_clean(r, "w");
    rig_subscribe(w, 1, "#:0");
    struct props props = {.has = RIG_HAS(MAXIMUM_PACKET_SIZE), .maximum_packet_size = 8};
    struct peer *c =
        rig_start(r, &(struct rig_connect){.id = "a", .clean = true, .props = &props, .will_topic = "t", .will = "x"});
    rig_expect_refused(c, REASON_PACKET_TOO_LARGE);
    rig_expect_nothing(w);
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST(nothing_comes_before_connack),
        RIG_TEST_IN(not_even_what_the_same_commit_lets_go, RIG_MANUAL | RIG_ONE_SHARD),
        RIG_TEST_IN(answers_that_wait_have_a_bound, RIG_MANUAL),
        RIG_TEST_LIMITS(in_flight_has_a_bound_in_bytes, RIG_WHOLE, wide_window),
        RIG_TEST_LIMITS(large_message_still_goes, RIG_WHOLE, tiny_bytes),
        RIG_TEST_IN(long_topics_get_no_alias, RIG_5),
        RIG_TEST_IN(answer_over_the_clients_maximum, RIG_5),
        RIG_TEST_LIMITS(long_filters_count_for_more, RIG_WHOLE, hundred_subscriptions),
        RIG_TEST_LIMITS(deep_filters_count_for_more, RIG_WHOLE, hundred_subscriptions),
        RIG_TEST_IN(refused_connect_has_no_will, RIG_5),
    };
    return RIG_MAIN(tests);
}
