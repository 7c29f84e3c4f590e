/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One bound on memory for all. From seven eighths of it on nothing more is kept: queues don't grow, and no session,
 * subscription or retained message is added. What is there goes on, and when it has gone, all is as before.
 */
#include "scenario.h"

#include "sotto/base/mem.h"

#define BALLAST (16u * 1024 * 1024)
#define PAYLOAD 1000

static void *ballast;

static void let_go(void)
{
    mem_free(ballast);
    ballast = NULL;
}

/* So many bytes more, and memory is short; the eighth above is for what passes. */
static void room_for(size_t bytes)
{
    ballast = mem_alloc(BALLAST);
    mem_set_limit((mem_in_use() + bytes) / 7 * 8);
}

/* It is, whatever goes: but by far not all of that eighth is taken. */
static void no_room(void)
{
    ballast = mem_alloc(BALLAST);
    mem_set_limit((mem_in_use() - BALLAST / 16) / 7 * 8);
    assert_true(mem_short());
}

static int no_limit(void **state)
{
    (void)state;
    mem_set_limit(0);
    let_go();
    return 0;
}

static void plenty(struct limits *l)
{
    l->max_queued_messages = 100000;
    l->max_queued_bytes = BALLAST;
}

static void plenty_newest(struct limits *l)
{
    plenty(l);
    l->queue_policy = QUEUE_DROP_NEWEST;
}

static const char *large(unsigned i)
{
    static char text[PAYLOAD + 1];
    memset(text, 'x', PAYLOAD);
    memcpy(text + snprintf(text, 16, "m%u", i), "x", 1);
    return text;
}

static void queues_stop_growing_and_the_oldest_go(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:1");
    rig_drop(a);
    room_for(400 * 1000);
    size_t before = mem_in_use();
    unsigned n = 0;
    for (; n < 1000; n++)
        rig_publish(p, "t", large(n), 1, false);
    unsigned dropped = (unsigned)rig_stats(r).messages_dropped;
    assert_true(dropped > 500 && dropped < n - 50);
    assert_true(mem_in_use() < before + 420 * 1000);
    a = rig_resume(r, "a");
    for (unsigned i = dropped; i < n; i++)
        rig_take(a, "t", large(i), 1, false, false);
    rig_expect_nothing(a);
    no_limit(NULL);
}

static void queues_stop_growing_and_the_newest_are_refused(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:1");
    rig_drop(a);
    room_for(400 * 1000);
    unsigned n = 0;
    struct packet answer = {0};
    for (; rig_stats(r).messages_dropped == 0; n++) {
        assert_int_equal(answer.ack.reason, REASON_SUCCESS);
        rig_send_publish(p, "t", large(n), 1, false, (uint16_t)(n + 1));
        rig_expect_packet(p, PACKET_PUBACK, &answer);
    }
    assert_int_equal(answer.ack.reason, p->proto == PROTO_5 ? REASON_QUOTA_EXCEEDED : REASON_SUCCESS);
    assert_true(n-- > 50);
    a = rig_resume(r, "a");
    for (unsigned i = 0; i < n; i++)
        rig_take(a, "t", large(i), 1, false, false);
    rig_expect_nothing(a);
    no_limit(NULL);
    rig_publish(p, "t", "again", 1, false);
    rig_take(a, "t", "again", 1, false, false);
}

/* What passes goes on: nothing waits, so nothing is kept. */
static void messages_pass_while_memory_is_short(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:1");
    no_room();
    for (unsigned i = 0; i < 200; i++) {
        rig_publish(p, "t", numbered(i), 1, false);
        rig_take(a, "t", numbered(i), 1, false, false);
    }
    assert_int_equal(rig_stats(r).messages_dropped, 0);
    no_limit(NULL);
}

static void new_sessions_and_subscriptions_are_refused(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a");
    rig_subscribe(a, 1, "t:1");
    rig_drop(a);
    no_room();
    rig_expect_refused(rig_start(r, &(struct rig_connect){.id = "b"}), REASON_SERVER_UNAVAILABLE);
    a = rig_resume(r, "a"); /* who has one goes on with it */
    rig_subscribe(a, 2, "t:1");
    rig_send_subscribe(a, 3, "u:1");
    rig_expect_suback(a, 3, a->proto == PROTO_5 ? "97" : "80");
    no_limit(NULL);
    rig_subscribe(a, 4, "u:1");
    rig_keep(r, "b");
}

static void new_retained_messages_are_refused(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, "p"), *a = rig_clean(r, "a");
    rig_publish(p, "old", "12345678", 1, true);
    no_room();
    rig_publish(p, "old", "1234", 1, true); /* one that is there may shrink */
    rig_publish(p, "new", "1", 1, true);
    no_limit(NULL);
    rig_subscribe(a, 1, "#:1");
    rig_take(a, "old", "1234", 1, false, true);
    rig_expect_nothing(a);
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST_LIMITS(queues_stop_growing_and_the_oldest_go, RIG_HEAVY, plenty),
        RIG_TEST_LIMITS(queues_stop_growing_and_the_newest_are_refused, RIG_HEAVY, plenty_newest),
        RIG_TEST_LIMITS(messages_pass_while_memory_is_short, 0, plenty),
        RIG_TEST_LIMITS(new_sessions_and_subscriptions_are_refused, 0, plenty),
        RIG_TEST_LIMITS(new_retained_messages_are_refused, 0, plenty),
    };
    return RIG_MAIN(tests);
}
