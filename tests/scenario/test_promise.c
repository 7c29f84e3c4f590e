/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The promise over shards: an acknowledgement leaves when the rows of all stored receivers are committed, wherever they
 * live; and what fails anywhere is acknowledged nowhere. Commits come when the test says so, shard by shard.
 */
#include "scenario.h"

#include "sotto/base/mem.h"

/* One publisher and two stored receivers, on three shards where there are as many. */
struct world {
    struct rig *r;
    unsigned here, one, two;
    struct peer *p, *a, *b;
};

static struct peer *settled(struct rig *r, const char *id, bool clean, const char *filters)
{
    struct packet p;
    struct peer *c = rig_start(r, &(struct rig_connect){.id = id, .clean = clean});
    rig_commit(r, SIZE_MAX);
    rig_expect_connack(c, false, 0);
    if (filters == NULL)
        return c;
    rig_send_subscribe(c, 1, filters);
    rig_commit(r, SIZE_MAX);
    rig_expect_packet(c, PACKET_SUBACK, &p);
    return c;
}

static struct world world_of(void **state, const char *one, const char *two)
{
    struct world w = {.r = *state, .one = 1};
    w.two = w.r->n > 2 ? 2 : 0;
    w.a = settled(w.r, id_on(w.r, w.one, 1), false, one);
    w.b = settled(w.r, id_on(w.r, w.two, 2), false, two);
    w.p = settled(w.r, id_on(w.r, 0, 3), true, NULL);
    return w;
}

static void commit_on(struct world *w, unsigned shard, bool fails)
{
    rig_run(w->r);
    rig_commit_on(w->r, shard, SIZE_MAX, fails);
    rig_run(w->r);
}

static void publish_x(struct world *w, uint16_t id)
{
    rig_send_publish(w->p, "t", "x", 1, false, id);
    rig_expect_nothing(w->p);
}

static void waits_for_all(void **state)
{
    struct world w = world_of(state, "t:1", "t:1");
    for (uint16_t id = 1; id < 5; id++) {
        publish_x(&w, id);
        commit_on(&w, id % 2 != 0 ? w.one : w.two, false);
        rig_expect_nothing(w.p);
        commit_on(&w, id % 2 != 0 ? w.two : w.one, false);
        rig_expect_ack(w.p, PACKET_PUBACK, id);
    }
}

static void order_is_that_of_receipt(void **state)
{
    struct world w = world_of(state, "t:1 far:1", "near:1");
    rig_send_publish(w.p, "far", "x", 1, false, 1);
    rig_send_publish(w.p, "near", "x", 1, false, 2);
    rig_send_publish(w.p, "nobody", "x", 1, false, 3);
    rig_expect_nothing(w.p);
    commit_on(&w, w.two, false);
    rig_expect_nothing(w.p);
    commit_on(&w, w.one, false);
    for (uint16_t id = 1; id < 4; id++)
        rig_expect_ack(w.p, PACKET_PUBACK, id);
}

/* The receiver has it, and has said so, before anything is committed. */
static void acknowledged_before_the_commit(void **state)
{
    struct world w = world_of(state, "t:1", "u:1");
    publish_x(&w, 7);
    rig_send_ack(w.a, PACKET_PUBACK, rig_expect_publish(w.a, "t", "x", 1, false, false));
    rig_expect_nothing(w.p);
    commit_on(&w, w.one, false);
    rig_expect_ack(w.p, PACKET_PUBACK, 7);
    assert_int_equal(rig_rows(w.r), 0);
}

static void one_failure_is_enough(void **state)
{
    for (unsigned first = 0; first < 2; first++)
        for (unsigned failing = 0; failing < 2; failing++) {
            struct world w = world_of(state, "t:1", "t:1");
            publish_x(&w, 7);
            commit_on(&w, first == 0 ? w.one : w.two, failing == 0);
            commit_on(&w, first == 0 ? w.two : w.one, failing == 1);
            is_refused(w.p, PACKET_PUBACK, 7);
            rig_disconnect(settled(w.r, id_on(w.r, w.one, 1), true, NULL));
            rig_disconnect(settled(w.r, id_on(w.r, w.two, 2), true, NULL));
            rig_disconnect(settled(w.r, id_on(w.r, 0, 3), true, NULL));
        }
}

/* 5.0 goes on after a refusal; what was refused may be sent again under the same id. */
static void refusals_keep_their_place(void **state)
{
    struct world w = world_of(state, "far:1", "near:1");
    rig_send_publish(w.p, "far", "x", 1, false, 1);
    rig_send_publish(w.p, "nobody", "x", 1, false, 2);
    rig_expect_nothing(w.p);
    commit_on(&w, w.one, true);
    is_refused(w.p, PACKET_PUBACK, 1);
    rig_expect_ack(w.p, PACKET_PUBACK, 2);
    rig_send_publish(w.p, "far", "x", 1, false, 1);
    rig_commit(w.r, SIZE_MAX);
    rig_expect_ack(w.p, PACKET_PUBACK, 1);
}

static void publisher_is_gone_meanwhile(void **state)
{
    struct world w = world_of(state, "t:1", "t:1");
    publish_x(&w, 1);
    commit_on(&w, w.one, false);
    rig_drop(w.p);
    commit_on(&w, w.two, false);
    rig_expect_publish(w.a, "t", "x", 1, false, false);
    w.p = settled(w.r, id_on(w.r, 0, 3), true, NULL);
    publish_x(&w, 1);
    rig_drop(w.p); /* the other way round: gone before any commit */
    rig_commit(w.r, SIZE_MAX);
    rig_expect_publish(w.b, "t", "x", 1, false, false);
}

/* What is sent to a session that is no more is nothing to wait for. */
static void receiver_ends_while_mail_is_on_its_way(void **state)
{
    struct world w = world_of(state, "t:1", "u:1");
    rig_drop(w.a);
    rig_send_publish(w.p, "t", "x", 1, false, 7);
    while (rig_turn(w.r, 0)) { /* the other shards have no turn yet */
    }
    struct peer *again = rig_start(w.r, &(struct rig_connect){.id = id_on(w.r, w.one, 1), .clean = true, .at = 2});
    rig_turn(w.r, w.one); /* takes the mail first */
    rig_commit(w.r, SIZE_MAX);
    rig_expect_connack(again, false, 0);
    rig_expect_ack(w.p, PACKET_PUBACK, 7);
}

static void sessions_that_are_not_stored_cost_nothing(void **state)
{
    struct rig *r = *state;
    struct peer *a = settled(r, id_on(r, 1, 1), true, "t:1"), *p = settled(r, id_on(r, 0, 2), true, NULL);
    rig_send_publish(p, "t", "x", 1, false, 7);
    rig_turn(r, 0);
    rig_turn(r, 0);
    struct packet ack;
    assert_true(rig_poll(p, &ack)); /* before the other shard has heard of it */
    assert_int_equal(ack.type, PACKET_PUBACK);
    rig_expect_publish(a, "t", "x", 1, false, false);
    struct peer *q = settled(r, id_on(r, 1, 3), false, "t:0"); /* nor does a stored one at QoS 0 */
    rig_send_publish(p, "t", "x", 1, false, 8);
    rig_turn(r, 0);
    rig_turn(r, 0);
    assert_true(rig_poll(p, &ack));
    rig_expect_publish(q, "t", "x", 0, false, false);
}

static void qos_2_of_a_clean_session(void **state)
{
    struct world w = world_of(state, "t:2", "t:1");
    rig_send_publish(w.p, "t", "x", 2, false, 7);
    rig_expect_nothing(w.p);
    commit_on(&w, w.one, false);
    rig_expect_nothing(w.p);
    commit_on(&w, w.two, false);
    rig_expect_ack(w.p, PACKET_PUBREC, 7);
    rig_send_ack(w.p, PACKET_PUBREL, 7);
    rig_expect_ack(w.p, PACKET_PUBCOMP, 7);
    rig_commit(w.r, SIZE_MAX);
    rig_expect_publish(w.a, "t", "x", 2, false, false);
}

static void retained_messages_too(void **state)
{
    struct world w = world_of(state, "t:1", "u:1");
    for (unsigned i = 0; i < 2; i++) {
        rig_send_publish(w.p, "t", i == 0 ? "x" : "", 1, true, 7);
        rig_expect_nothing(w.p);
        commit_on(&w, i == 0 ? 0 : w.one, false);
        rig_expect_nothing(w.p);
        commit_on(&w, i == 0 ? w.one : 0, false);
        rig_expect_ack(w.p, PACKET_PUBACK, 7);
    }
}

static void tight(struct limits *l)
{
    l->max_queued_messages = 1;
    l->queue_policy = QUEUE_DROP_NEWEST;
}

/* All members but the last are full or gone: the message goes from shard to shard, and its promise with it. */
static void shared_and_handed_on(void **state)
{
    struct rig *r = *state;
    struct peer *p = settled(r, id_on(r, 0, 9), true, NULL);
    unsigned members = 2 * r->n;
    for (unsigned i = 0; i < members; i++)
        rig_drop(settled(r, id_on(r, i % r->n, 10 + i), false, "$share/g/t:1"));
    for (uint16_t id = 1; id <= members; id++) { /* each can take one; hints may be behind */
        rig_send_publish(p, "t", "x", 1, false, id);
        if (id % 2 == 0)
            rig_expect_nothing(p);
    }
    for (unsigned i = 0; i < r->n; i++) {
        size_t before = rig_rows(r);
        assert_int_equal(before, members);
        rig_commit_on(r, i, SIZE_MAX, false);
        rig_run(r);
    }
    for (uint16_t id = 1; id <= members; id++)
        rig_expect_ack(p, PACKET_PUBACK, id);
    publish_refused(p, "t", "over");
}

static void told_when_all_are_full(void **state)
{
    struct world w = world_of(state, "t:1", "t:1");
    rig_drop(w.a);
    rig_drop(w.b);
    rig_commit(w.r, SIZE_MAX);
    publish_x(&w, 1);
    rig_commit(w.r, SIZE_MAX);
    rig_expect_ack(w.p, PACKET_PUBACK, 1);
    publish_refused(w.p, "t", "over");
    struct peer *c = settled(w.r, id_on(w.r, w.one, 5), true, "t:0"); /* who has no queue has it */
    rig_send_publish(w.p, "t", "y", 1, false, 3);
    rig_expect_ack(w.p, PACKET_PUBACK, 3);
    rig_expect_publish(c, "t", "y", 0, false, false);
}

/* Wherever memory ends, what is acknowledged is with both. */
static void without_memory_nothing_is_promised(void **state)
{
    struct world w = world_of(state, "t:1", "t:1");
    char text[2000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (unsigned i = 0; i < 60; i++) {
        rig_drop(w.a);
        rig_drop(w.b);
        rig_commit(w.r, SIZE_MAX);
        size_t before = rig_rows(w.r);
        rig_send_publish(w.p, "t", text, 1, false, 7);
        mem_fail_at(i + 1);
        for (unsigned turn = 0; turn < 8; turn++)
            for (unsigned k = 0; k < w.r->n; k++)
                rig_turn(w.r, k);
        mem_fail_at(0);
        rig_commit(w.r, SIZE_MAX);
        struct packet p;
        bool kept = rig_next(w.p, &p) && p.type == PACKET_PUBACK && p.ack.reason == REASON_SUCCESS;
        assert_true(!kept || rig_rows(w.r) == before + 2);
        if (w.p->client == NULL)
            w.p = settled(w.r, id_on(w.r, 0, 3), true, NULL);
        w.a = rig_start(w.r, &(struct rig_connect){.id = id_on(w.r, w.one, 1)});
        w.b = rig_start(w.r, &(struct rig_connect){.id = id_on(w.r, w.two, 2)});
        rig_commit(w.r, SIZE_MAX);
    }
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST_IN(waits_for_all, RIG_MANUAL | RIG_MANY),
        RIG_TEST_IN(order_is_that_of_receipt, RIG_MANUAL | RIG_MANY),
        RIG_TEST_IN(acknowledged_before_the_commit, RIG_MANUAL | RIG_MANY),
        RIG_TEST_IN(one_failure_is_enough, RIG_MANUAL | RIG_MANY),
        RIG_TEST_IN(refusals_keep_their_place, RIG_MANUAL | RIG_MANY | RIG_5),
        RIG_TEST_IN(publisher_is_gone_meanwhile, RIG_MANUAL | RIG_MANY),
        RIG_TEST_IN(receiver_ends_while_mail_is_on_its_way, RIG_MANUAL | RIG_MANY | RIG_WHOLE),
        RIG_TEST_IN(sessions_that_are_not_stored_cost_nothing, RIG_MANUAL | RIG_MANY | RIG_WHOLE),
        RIG_TEST_IN(qos_2_of_a_clean_session, RIG_MANUAL | RIG_MANY),
        RIG_TEST_IN(retained_messages_too, RIG_MANUAL | RIG_MANY),
        RIG_TEST_LIMITS(shared_and_handed_on, RIG_MANUAL | RIG_MANY, tight),
        RIG_TEST_LIMITS(told_when_all_are_full, RIG_MANUAL | RIG_MANY, tight),
        RIG_TEST_IN(without_memory_nothing_is_promised, RIG_MANUAL | RIG_MANY | RIG_WHOLE),
    };
    return RIG_MAIN(tests);
}
