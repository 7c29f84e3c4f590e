/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Queues: bounded in messages and in bytes, with each policy, and readers that do not read. */
#include "scenario.h"

static void ten(struct limits *l)
{
    l->max_queued_messages = 10;
    l->max_inflight = 3;
}

static void ten_drop_newest(struct limits *l)
{
    ten(l);
    l->queue_policy = QUEUE_DROP_NEWEST;
}

static void ten_disconnect(struct limits *l)
{
    ten(l);
    l->queue_policy = QUEUE_DISCONNECT;
}

static void bytes(struct limits *l)
{
    l->max_queued_bytes = 100;
    l->max_inflight = 1;
}

static void bytes_drop_newest(struct limits *l)
{
    bytes(l);
    l->queue_policy = QUEUE_DROP_NEWEST;
}

static void publish_many(struct peer *p, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        rig_publish(p, "t", numbered(i), 1, false);
}

static void publish_over(struct peer *p, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        publish_refused(p, "t", numbered(i));
}

static void oldest_of_an_absent_client_go(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:1");
    rig_drop(a);
    publish_many(p, 0, 25);
    assert_int_equal(rig_stats(r).messages_dropped, 15);
    assert_int_equal(rig_rows(r), 10);
    a = rig_resume(r, "a");
    for (unsigned i = 15; i < 25; i++)
        rig_take(a, "t", numbered(i), 1, false, false);
    rig_expect_nothing(a);
}

/* What is in flight is not in the queue, and is never dropped. */
static void oldest_of_a_slow_client_go(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:1");
    publish_many(p, 0, 30);
    assert_int_equal(rig_stats(r).messages_dropped, 17);
    for (unsigned i = 0; i < 3; i++)
        rig_take(a, "t", numbered(i), 1, false, false);
    for (unsigned i = 20; i < 30; i++)
        rig_take(a, "t", numbered(i), 1, false, false);
    rig_expect_nothing(a);
}

static void newest_go(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:1");
    publish_many(p, 0, 13);
    publish_over(p, 13, 30);
    assert_int_equal(rig_stats(r).messages_dropped, 17);
    for (unsigned i = 0; i < 13; i++)
        rig_take(a, "t", numbered(i), 1, false, false);
    rig_expect_nothing(a);
    rig_drop(a);
    publish_many(p, 30, 40);
    publish_over(p, 40, 45);
    struct peer *other = rig_clean(r, "other"); /* somebody has it: that is enough */
    rig_subscribe(other, 1, "t:0");
    publish_many(p, 45, 46);
    rig_take(other, "t", numbered(45), 0, false, false);
    a = rig_resume(r, "a");
    for (unsigned i = 30; i < 40; i++)
        rig_take(a, "t", numbered(i), 1, false, false);
    rig_expect_nothing(a);
}

/* A client that is there is sent away; for one that is away, the newest go. */
static void slow_client_is_disconnected(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:1");
    publish_many(p, 0, 20);
    for (unsigned i = 0; i < 3; i++)
        rig_expect_publish(a, "t", numbered(i), 1, false, false);
    rig_expect_ended(a, REASON_QUOTA_EXCEEDED);
    a = rig_resume(r, "a");
    for (unsigned i = 0; i < 13; i++)
        rig_take(a, "t", numbered(i), 1, i < 3, false);
    rig_expect_nothing(a);
}

/* Who comes back to a full queue is not disconnected before it could take any of it. */
static void full_queue_waits_for_who_comes_back(void **state)
{
    struct rig *r = *state;
    struct packet suback;
    struct peer *p = rig_clean(r, "p"), *a = rig_start(r, &(struct rig_connect){.id = "a"});
    rig_commit(r, SIZE_MAX);
    rig_expect_connack(a, false, 0);
    rig_send_subscribe(a, 1, "t:1");
    rig_commit(r, SIZE_MAX);
    rig_expect_packet(a, PACKET_SUBACK, &suback);
    rig_drop(a);
    for (uint16_t i = 0; i < 10; i++)
        rig_send_publish(p, "t", numbered(i), 1, false, (uint16_t)(i + 1));
    rig_commit(r, SIZE_MAX);
    a = rig_start(r, &(struct rig_connect){.id = "a"});
    rig_run(r);
    rig_send_publish(p, "t", "over", 1, false, 11);
    rig_run(r);
    assert_int_equal(rig_stats(r).messages_dropped, 1);
    rig_commit(r, SIZE_MAX);
    rig_expect_connack(a, true, 0);
    for (unsigned i = 0; i < 10; i++)
        rig_take(a, "t", numbered(i), 1, false, false);
    rig_expect_nothing(a);
    rig_commit(r, SIZE_MAX);
}

static void bytes_count_as_well(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:2");
    rig_drop(a);
    char text[64];
    memset(text, 'x', 39);
    text[39] = '\0';
    for (unsigned i = 0; i < 5; i++) { /* 40 bytes each, with the topic */
        text[0] = (char)('0' + i);
        rig_publish(p, "t", text, 1, false);
    }
    a = rig_resume(r, "a");
    for (unsigned i = 3; i < 5; i++) {
        text[0] = (char)('0' + i);
        rig_take(a, "t", text, 1, false, false);
    }
    rig_expect_nothing(a);
}

/* One that could never fit doesn't push out those that do. */
static void message_over_the_limit_of_bytes_goes_alone(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:1");
    rig_drop(a);
    char text[128];
    memset(text, 'x', 100);
    text[100] = '\0';
    rig_publish(p, "t", "1", 1, false);
    if (r->limits.queue_policy == QUEUE_DROP_NEWEST)
        publish_refused(p, "t", text);
    else
        rig_publish(p, "t", text, 1, false);
    rig_publish(p, "t", "2", 1, false);
    assert_int_equal(rig_stats(r).messages_dropped, 1);
    a = rig_resume(r, "a");
    rig_take(a, "t", "1", 1, false, false);
    rig_take(a, "t", "2", 1, false, false);
    rig_expect_nothing(a);
}

static void two_megabytes(struct limits *l)
{
    l->max_queued_bytes = 2 * 1024 * 1024;
}

/* A reader that takes nothing: output up to the mark, queue up to the limit, then the policy; the others go on. */
static void reader_that_takes_nothing_costs_a_bounded_amount(void **state)
{
    struct rig *r = *state;
    static char text[2001];
    memset(text, 'x', 2000);
    struct peer *a = rig_clean(r, "a"), *b = rig_clean(r, "b"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:0");
    rig_subscribe(b, 1, "t:0");
    rig_stall(a, true);
    unsigned sent = 3000;
    for (unsigned i = 0; i < sent; i++) {
        memcpy(text, "0000", 4);
        snprintf(text, 5, "%04u", i);
        text[4] = 'x';
        rig_send_publish(p, "t", text, 0, false, 0);
        if (i % 10 == 9) {
            struct packet q;
            while (rig_next(b, &q))
                ;
            b->got_n = b->got_at = 0;
        }
    }
    assert_true(a->most_output <= 128 * 1024 + 2048);
    uint64_t dropped = rig_stats(r).messages_dropped;
    assert_true(dropped > sent - 66 - 1050 && dropped < sent - 66 - 950);
    rig_stall(a, false);
    struct packet q;
    unsigned got = 0, last = 0;
    while (rig_next(a, &q)) {
        unsigned i = number_in(q.publish.payload, 0);
        assert_true(got == 0 || i > last);
        last = i;
        got++;
    }
    assert_int_equal(got, sent - dropped);
    assert_int_equal(last, sent - 1);
}

/* Its answers too: a client that asks and asks and never reads. */
static void pings_of_a_deaf_client(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a");
    rig_stall(a, true);
    static uint8_t pings[64 * 1024];
    for (size_t i = 0; i < sizeof(pings); i += 2)
        pings[i] = 0xc0;
    for (unsigned i = 0; i < 64; i++) {
        rig_send_bytes(a, pings, sizeof(pings));
        rig_run(r);
    }
    rig_stall(a, false);
    for (unsigned i = 0; i < 64; i++) {
        for (size_t k = 0; k < sizeof(pings); k += 2)
            pings[k] = 0xd0;
        assert_true(a->got_n - a->got_at >= sizeof(pings));
        assert_memory_equal(a->got + a->got_at, pings, sizeof(pings));
        a->got_at += sizeof(pings);
    }
    rig_expect_nothing(a);
    assert_true(a->most_output <= 2 * 128 * 1024 + 1024);
}

static void window_of_one(struct limits *l)
{
    l->max_inflight = 1;
}

static void one_at_a_time(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:2");
    for (unsigned i = 0; i < 9; i++)
        rig_publish(p, "t", numbered(i), i % 3 == 0 ? 2 : 1, false);
    for (unsigned i = 0; i < 9; i++) {
        uint16_t id = rig_expect_publish(a, "t", numbered(i), i % 3 == 0 ? 2 : 1, false, false);
        rig_expect_nothing(a);
        if (i % 3 != 0) {
            rig_send_ack(a, PACKET_PUBACK, id);
            continue;
        }
        rig_send_ack(a, PACKET_PUBREC, id);
        rig_expect_ack(a, PACKET_PUBREL, id);
        rig_expect_nothing(a);
        rig_send_ack(a, PACKET_PUBCOMP, id);
    }
    rig_expect_nothing(a);
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST_LIMITS(oldest_of_an_absent_client_go, 0, ten),
        RIG_TEST_LIMITS(oldest_of_a_slow_client_go, 0, ten),
        RIG_TEST_LIMITS(newest_go, 0, ten_drop_newest),
        RIG_TEST_LIMITS(slow_client_is_disconnected, 0, ten_disconnect),
        RIG_TEST_LIMITS(full_queue_waits_for_who_comes_back, RIG_MANUAL, ten_disconnect),
        RIG_TEST_LIMITS(bytes_count_as_well, 0, bytes),
        RIG_TEST_LIMITS(message_over_the_limit_of_bytes_goes_alone, 0, bytes),
        RIG_TEST_LIMITS(message_over_the_limit_of_bytes_goes_alone, 0, bytes_drop_newest),
        RIG_TEST_LIMITS(reader_that_takes_nothing_costs_a_bounded_amount, RIG_HEAVY, two_megabytes),
        RIG_TEST_IN(pings_of_a_deaf_client, RIG_HEAVY | RIG_311),
        RIG_TEST_LIMITS(one_at_a_time, 0, window_of_one),
    };
    return RIG_MAIN(tests);
}
