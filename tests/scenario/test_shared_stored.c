/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the session of a member leaves when it ends, and the store keeps: at no moment may the store have less than what
 * was acknowledged to the publisher, whoever gets it then and wherever that one lives. Commits come when the test says
 * so.
 */
#include "shared.h"

#define GROUP "$share/g/t:2"

struct world {
    struct rig *r;
    unsigned one, two; /* shards, not the same where there are several */
    const char *a, *b;
    struct peer *p;
};

static struct peer *settled(struct rig *r, const char *id, bool clean, const char *filters)
{
    struct packet p;
    struct peer *c = rig_start(r, &(struct rig_connect){.id = id, .clean = clean});
    rig_commit(r, SIZE_MAX);
    rig_expect_packet(c, PACKET_CONNACK, &p);
    assert_int_equal(p.connack.reason, REASON_SUCCESS);
    if (filters == NULL)
        return c;
    rig_send_subscribe(c, 1, filters);
    rig_commit(r, SIZE_MAX);
    rig_expect_packet(c, PACKET_SUBACK, &p);
    return c;
}

/* a, which is stored and away, has m0 .. m3 of the group. */
static struct world four_are_with_a(void **state, uint8_t qos)
{
    struct world w = {.r = *state};
    w.two = w.r->n > 2 ? 2 : 0;
    w.one = w.r->n > 1 ? 1 : 0;
    w.a = id_on(w.r, w.one, 1);
    w.b = id_on(w.r, w.two, 2);
    w.p = settled(w.r, id_on(w.r, 0, 3), true, NULL);
    rig_drop(settled(w.r, w.a, false, GROUP));
    for (unsigned i = 0; i < 4; i++)
        rig_send_publish(w.p, "t", numbered(i), qos, false, (uint16_t)(i + 1));
    rig_commit(w.r, SIZE_MAX);
    for (uint16_t i = 1; i <= 4; i++)
        rig_expect_ack(w.p, qos == 1 ? PACKET_PUBACK : PACKET_PUBREC, i);
    assert_int_equal(rig_rows(w.r), 4);
    return w;
}

/* Its session ends by a clean start, turn by turn; before each, and in the end, the store has `rows` rows at least.
 * True: some of them belonged to nobody for a moment. */
static bool a_ends(struct world *w, size_t rows)
{
    bool given = false;
    rig_start(w->r, &(struct rig_connect){.id = w->a, .clean = true});
    for (unsigned i = 0; i < 40; i++) {
        rig_turn(w->r, i % w->r->n);
        given |= rig_given(w->r) > 0;
        assert_true(rig_rows(w->r) >= rows);
    }
    rig_run(w->r);
    return given;
}

/* It resumes, and gets m<from> .. m<to - 1>. */
static void expect_row_at(struct world *w, const char *id, unsigned from, unsigned to)
{
    struct taken t = {0};
    struct packet p;
    struct peer *c = settled(w->r, id, false, NULL);
    for (unsigned i = 0; i < 4; i++) {
        rig_commit(w->r, SIZE_MAX);
        while (rig_next(c, &p))
            take_one(c, &p, &t);
    }
    for (unsigned i = 0; i < t.n && from + i < to; i++)
        assert_int_equal(t.v[i], from + i);
    assert_int_equal(t.n, to - from);
}

static void to_one_that_is_stored(void **state, uint8_t qos)
{
    struct world w = four_are_with_a(state, qos);
    rig_drop(settled(w.r, w.b, false, GROUP));
    unsigned queued = rig_stored(w.r, STORE_QUEUE);
    bool on_its_way = a_ends(&w, 4);
    assert_true(on_its_way == (w.one != w.two));
    assert_int_equal(rig_rows(w.r), 4);
    assert_int_equal(rig_given(w.r), 0);
    assert_int_equal(rig_stored(w.r, STORE_QUEUE), queued); /* no message is written twice */
    expect_row_at(&w, w.b, 0, 4);
    assert_int_equal(rig_rows(w.r), 0);
}

static void qos_1_to_one_that_is_stored(void **state)
{
    to_one_that_is_stored(state, 1);
}

static void qos_2_to_one_that_is_stored(void **state)
{
    to_one_that_is_stored(state, 2);
}

/* The store has it until it is acknowledged. */
static void to_one_that_is_not_stored(void **state)
{
    struct world w = four_are_with_a(state, 1);
    struct peer *b = settled(w.r, w.b, true, GROUP);
    a_ends(&w, 4);
    assert_int_equal(rig_given(w.r), 4);
    for (unsigned i = 0; i < 4; i++) {
        uint16_t id = rig_expect_publish(b, "t", numbered(i), 1, false, false);
        assert_int_equal(rig_rows(w.r), 4 - i);
        rig_send_ack(b, PACKET_PUBACK, id);
        rig_run(w.r);
        assert_int_equal(rig_rows(w.r), 3 - i);
    }
}

/* It may be sent to nobody else then: the store forgets it before. */
static void qos_2_to_one_that_is_not_stored(void **state)
{
    struct world w = four_are_with_a(state, 2);
    struct peer *b = settled(w.r, w.b, true, GROUP);
    a_ends(&w, 3);
    rig_expect_nothing(b);
    assert_int_equal(rig_rows(w.r), 3); /* the first one waits for the commit */
    rig_commit(w.r, SIZE_MAX);
    assert_row(b, 0, 4);
    assert_int_equal(rig_rows(w.r), 0);
}

/* A commit that fails is no reason to send it: the store has it still. */
static void qos_2_waits_for_a_store_that_works(void **state)
{
    struct world w = four_are_with_a(state, 2);
    struct peer *b = settled(w.r, w.b, true, GROUP);
    a_ends(&w, 0);
    rig_commit_fails(w.r);
    rig_expect_nothing(b);
    rig_commit(w.r, SIZE_MAX);
    assert_row(b, 0, 4);
}

/* One who is not stored, and ends as well; c gets it, in the end. */
static void from_one_to_the_next(void **state)
{
    struct world w = four_are_with_a(state, 1);
    const char *c = id_on(w.r, w.one, 4);
    struct peer *b = settled(w.r, w.b, true, GROUP);
    rig_drop(settled(w.r, c, false, GROUP));
    a_ends(&w, 4);
    assert_int_equal(rig_given(w.r), 4);
    rig_expect_publish(b, "t", "m0", 1, false, false);
    b->dropped = true;
    for (unsigned i = 0; i < 40; i++) {
        rig_turn(w.r, i % w.r->n);
        assert_int_equal(rig_rows(w.r), 4);
    }
    assert_int_equal(rig_given(w.r), 0);
    expect_row_at(&w, c, 0, 4);
}

static void at_qos_0_it_is_over_at_once(void **state)
{
    struct world w = four_are_with_a(state, 1);
    struct peer *b = settled(w.r, w.b, true, "$share/g/t:0");
    a_ends(&w, 0);
    assert_row(b, 0, 4);
    assert_int_equal(rig_rows(w.r), 0);
}

static void nobody_is_left(void **state)
{
    struct world w = four_are_with_a(state, 1);
    a_ends(&w, 0);
    assert_int_equal(rig_rows(w.r), 0);
    assert_int_equal(dropped(w.r), 4);
}

static void three_at_most(struct limits *l)
{
    l->max_queued_messages = 4;
    l->max_inflight = 1;
    l->queue_policy = QUEUE_DROP_NEWEST;
}

/* What a limit drops, the store forgets. */
static void limits_hold(void **state)
{
    struct world w = four_are_with_a(state, 1);
    rig_drop(settled(w.r, w.b, false, "$share/g/t:2 other:1"));
    for (unsigned i = 0; i < 3; i++) {
        rig_send_publish(w.p, "other", numbered(i), 1, false, (uint16_t)(i + 1));
        rig_commit(w.r, SIZE_MAX);
        rig_expect_ack(w.p, PACKET_PUBACK, (uint16_t)(i + 1));
    }
    assert_int_equal(rig_rows(w.r), 7);
    a_ends(&w, 4);
    rig_commit(w.r, SIZE_MAX);
    assert_int_equal(rig_rows(w.r), 4);
    assert_int_equal(dropped(w.r), 3);
}

/* Held, for a publication whose fate isn't known when the session ends: it goes on with the good word, or is gone. */
static void held_when_it_ends(void **state, bool fails)
{
    struct world w = {.r = *state};
    w.one = w.r->n > 1 ? 1 : 0;
    w.a = id_on(w.r, w.one, 1);
    struct peer *a = settled(w.r, w.a, false, GROUP), *p = settled(w.r, id_on(w.r, 0, 3), false, NULL);
    rig_send_publish(p, "t", "m0", 2, false, 7);
    rig_run(w.r);
    assert_int_equal(rig_rows(w.r), 1);
    rig_drop(a);
    struct peer *b = rig_clean(w.r, id_on(w.r, 0, 2));
    rig_subscribe(b, 1, GROUP);
    a_ends(&w, 1);
    rig_expect_nothing(b);
    if (fails)
        rig_commit_fails(w.r);
    rig_commit(w.r, SIZE_MAX);
    struct taken t = takes(b);
    assert_int_equal(t.n, fails ? 0 : 1);
    rig_commit(w.r, SIZE_MAX);
    assert_int_equal(rig_rows(w.r), 0);
}

static void held_and_then_true(void **state)
{
    held_when_it_ends(state, false);
}

static void held_and_withdrawn(void **state)
{
    held_when_it_ends(state, true);
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST_IN(qos_1_to_one_that_is_stored, RIG_MANUAL | RIG_WHOLE),
        RIG_TEST_IN(qos_2_to_one_that_is_stored, RIG_MANUAL | RIG_WHOLE),
        RIG_TEST_IN(to_one_that_is_not_stored, RIG_MANUAL | RIG_WHOLE),
        RIG_TEST_IN(qos_2_to_one_that_is_not_stored, RIG_MANUAL | RIG_WHOLE),
        RIG_TEST_IN(qos_2_waits_for_a_store_that_works, RIG_MANUAL | RIG_WHOLE),
        RIG_TEST_IN(from_one_to_the_next, RIG_MANUAL | RIG_WHOLE),
        RIG_TEST_IN(at_qos_0_it_is_over_at_once, RIG_MANUAL | RIG_WHOLE),
        RIG_TEST_IN(nobody_is_left, RIG_MANUAL | RIG_WHOLE),
        RIG_TEST_LIMITS(limits_hold, RIG_MANUAL | RIG_WHOLE, three_at_most),
        RIG_TEST_IN(held_and_then_true, RIG_MANUAL | RIG_WHOLE),
        RIG_TEST_IN(held_and_withdrawn, RIG_MANUAL | RIG_WHOLE),
    };
    return RIG_MAIN(tests);
}
