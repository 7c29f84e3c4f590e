/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Shared subscriptions in trouble: members that are away, are slow, refuse a message, or whose session ends with what
 * they were given. A QoS 1 message is somebody's until it was acknowledged; one of QoS 2 stays with whom it was sent
 * to.
 */
#include "shared.h"

#define GROUP "$share/g/t:2"

/* ---------------------------------------------------------------- away */

static void who_is_there_comes_first(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, "p"), *a = joins(rig_keep(r, "a"), GROUP), *b = joins(rig_clean(r, "b"), GROUP);
    rig_drop(a);
    for (uint8_t qos = 0; qos < 3; qos++) {
        publish_row(p, 0, 3, qos);
        assert_row(b, 0, 3);
    }
    a = rig_resume(r, "a");
    rig_expect_nothing(a);
}

static void who_is_kept_gets_it_when_nobody_is_there(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, "p"), *m[2];
    for (unsigned i = 0; i < 2; i++) {
        m[i] = joins(rig_keep(r, numbered(i)), GROUP);
        rig_drop(m[i]);
    }
    publish_row(p, 0, 4, 1);
    publish_row(p, 4, 8, 2);
    publish_row(p, 8, 11, 0); /* nobody can take these */
    assert_int_equal(dropped(r), 3);
    struct peer *late = joins(rig_clean(r, "late"), GROUP); /* too late for them */
    publish_row(p, 11, 12, 1);
    assert_row(late, 11, 12);
    unsigned seen = 0;
    for (unsigned i = 0; i < 2; i++) {
        m[i] = rig_resume(r, numbered(i));
        struct taken t = takes(m[i]);
        assert_int_equal(t.n, 4); /* half of them, in order */
        for (unsigned k = 0; k < t.n; k++) {
            assert_true(k == 0 || t.v[k - 1] < t.v[k]);
            seen |= 1u << t.v[k];
        }
    }
    assert_int_equal(seen, 0xff);
}

/* Its subscription lets nothing be kept for it. */
static void at_qos_0_nothing_is_kept(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, "p"), *a = joins(rig_keep(r, "a"), "$share/g/t:0");
    rig_drop(a);
    publish_row(p, 0, 2, 1);
    assert_int_equal(dropped(r), 2);
    struct peer *b = joins(rig_keep(r, "b"), "$share/g/t:1");
    rig_drop(b);
    publish_row(p, 2, 4, 1);
    rig_expect_nothing(rig_resume(r, "a"));
    assert_row(rig_resume(r, "b"), 2, 4);
    assert_int_equal(dropped(r), 2);
}

static void who_comes_back_takes_turns_again(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, "p"), *a = joins(rig_keep(r, "a"), GROUP), *b = joins(rig_clean(r, "b"), GROUP);
    rig_drop(a);
    publish_row(p, 0, 3, 1);
    assert_row(b, 0, 3);
    a = rig_resume(r, "a");
    publish_row(p, 0, 6, 1);
    assert_int_equal(count(a), 3);
    assert_int_equal(count(b), 3);
}

/* ---------------------------------------------------------------- slow */

static void small_window(struct limits *l)
{
    l->max_inflight = 2;
}

static void who_acknowledges_gets_more(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, "p"), *m[3];
    for (unsigned i = 0; i < 3; i++)
        m[i] = joins(rig_clean(r, numbered(i)), GROUP);
    unsigned quick = 0;
    for (unsigned i = 0; i < 12; i++) {
        publish_row(p, i, i + 1, 1);
        quick += count(m[2]);
    }
    assert_int_equal(quick, 8);
    assert_int_equal(count(m[0]), 2);
    assert_int_equal(count(m[1]), 2);
}

static void tight(struct limits *l)
{
    l->max_inflight = 1;
    l->max_queued_messages = 2;
}

static void drop_newest(struct limits *l)
{
    tight(l);
    l->queue_policy = QUEUE_DROP_NEWEST;
}

static void disconnect(struct limits *l)
{
    tight(l);
    l->queue_policy = QUEUE_DISCONNECT;
}

/* Two who don't acknowledge hold three each. */
static void two_hold_six(struct rig *r, struct peer *m[2], struct peer **p)
{
    *p = rig_clean(r, "p");
    for (unsigned i = 0; i < 2; i++)
        m[i] = joins(rig_keep(r, numbered(i)), GROUP);
    publish_row(*p, 0, 6, 1);
    assert_int_equal(dropped(r), 0);
}

static void full_queues_drop_the_oldest(void **state)
{
    struct rig *r = *state;
    struct peer *p, *m[2];
    two_hold_six(r, m, &p);
    publish_row(p, 6, 8, 1); /* each drops its first that waits: 2 and 3 */
    assert_int_equal(dropped(r), 2);
    struct taken a = takes(m[0]), b = takes(m[1]);
    assert_int_equal(a.n + b.n, 6);
    unsigned seen = 0;
    for (unsigned k = 0; k < 3; k++)
        seen |= 1u << a.v[k] | 1u << b.v[k];
    assert_int_equal(seen, 0xf3);
}

static void full_queues_drop_the_newest(void **state)
{
    struct rig *r = *state;
    struct peer *p, *m[2];
    two_hold_six(r, m, &p);
    publish_refused(p, "t", numbered(6));
    publish_refused(p, "t", numbered(7));
    assert_int_equal(dropped(r), 2);
    assert_all(m, 2, 0, 6);
    publish_row(p, 8, 12, 1);
    assert_all(m, 2, 8, 12);
}

static void full_queues_disconnect(void **state)
{
    struct rig *r = *state;
    struct peer *p, *m[2];
    two_hold_six(r, m, &p);
    publish_row(p, 6, 7, 1);
    assert_int_equal(dropped(r), 1);
    assert_int_equal(m[0]->closed + m[1]->closed, 1);
    publish_row(p, 7, 8, 1);
    assert_int_equal(m[0]->closed + m[1]->closed, 2);
    publish_row(p, 8, 9, 1);
    assert_int_equal(dropped(r), 3);
    for (unsigned i = 0; i < 2; i++)
        m[i] = rig_resume(r, numbered(i));
    assert_all(m, 2, 0, 6);
}

/* One has room: it gets what the others can't take. */
static void full_queue_passes_on(void **state)
{
    struct rig *r = *state;
    struct peer *p, *m[2];
    two_hold_six(r, m, &p);
    struct peer *c = joins(rig_clean(r, "c"), GROUP);
    for (unsigned i = 6; i < 12; i++) {
        publish_row(p, i, i + 1, 1);
        assert_row(c, i, i + 1);
    }
    assert_int_equal(dropped(r), 0);
    assert_all(m, 2, 0, 6);
}

/* What is chosen by hints that have not caught up with a burst yet goes round until it finds room, and not for ever. */
static void burst_finds_all_the_room_there_is(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_keep(r, "p"), *m[4];
    for (unsigned i = 0; i < 4; i++)
        m[i] = joins(rig_clean(r, numbered(i)), GROUP);
    for (unsigned i = 0; i < 20; i++)
        rig_send_publish(p, "t", numbered(i), 1, false, (uint16_t)(i + 1));
    rig_run(r);
    assert_int_equal(dropped(r), 8);
    unsigned n = 0;
    for (unsigned i = 0; i < 4; i++)
        n += count(m[i]);
    assert_int_equal(n, 12);
}

/* At QoS 0 a stalled connection is passed over as well, and the queue has its limit in bytes. */
static void small_bytes(struct limits *l)
{
    l->max_queued_bytes = 100000;
}

static void stalled_member_is_passed_over(void **state)
{
    static char large[10001];
    memset(large, 'x', sizeof(large) - 1);
    struct rig *r = *state;
    struct peer *p = rig_clean(r, "p"), *a = joins(rig_clean(r, "a"), GROUP), *b = joins(rig_clean(r, "b"), GROUP);
    rig_stall(a, true);
    for (unsigned i = 0; i < 100; i++) {
        rig_publish(p, "t", large, 0, false);
        b->got_at = b->got_n; /* it reads */
    }
    assert_int_equal(dropped(r), 0);
    size_t to_b = b->got_n;
    rig_stall(a, false);
    assert_true(a->got_n + to_b > 100 * sizeof(large) && a->got_n < 20 * sizeof(large));
    a->got_at = a->got_n;
}

/* ---------------------------------------------------------------- ends */

/* a is alone with m0 .. m5, of which two are in flight; then b comes. */
static void alone_with_six(struct rig *r, struct peer *a, struct peer **p, struct peer **b, uint8_t qos)
{
    *p = rig_clean(r, "p");
    joins(a, GROUP);
    publish_row(*p, 0, 6, qos);
    *b = joins(rig_clean(r, "b"), GROUP);
    rig_expect_nothing(*b);
}

static void expect_all_go_on(struct rig *r, struct peer *b)
{
    assert_false(rig_has_session(r, "a"));
    assert_row(b, 0, 6);
    assert_int_equal(dropped(r), 0);
}

static void what_it_leaves_goes_to_another(void **state)
{
    struct rig *r = *state;
    struct peer *p, *b, *a = rig_clean(r, "a");
    alone_with_six(r, a, &p, &b, 1);
    rig_drop(a);
    expect_all_go_on(r, b);
}

static void after_disconnect_too(void **state)
{
    struct rig *r = *state;
    struct peer *p, *b, *a = rig_clean(r, "a");
    alone_with_six(r, a, &p, &b, 1);
    rig_send_disconnect(a, REASON_SUCCESS, NULL);
    rig_run(r);
    expect_all_go_on(r, b);
}

static void and_when_its_session_expires(void **state)
{
    struct rig *r = *state;
    struct peer *p, *b,
        *a = rig_connect(r, .id = "a",
                         .props = PROPS(.has = RIG_HAS(SESSION_EXPIRY) | RIG_HAS(RECEIVE_MAXIMUM), .session_expiry = 10,
                                        .receive_maximum = 2));
    alone_with_six(r, a, &p, &b, 1);
    rig_drop(a);
    rig_expect_nothing(b);
    rig_advance(r, 9 * SECOND);
    assert_true(rig_has_session(r, "a"));
    rig_expect_nothing(b);
    rig_advance(r, 2 * SECOND);
    expect_all_go_on(r, b);
}

/* A clean start ends the session, taken over or not. */
static void and_when_it_starts_anew(void **state)
{
    struct rig *r = *state;
    struct peer *p, *b, *a = rig_keep(r, "a");
    alone_with_six(r, a, &p, &b, 1);
    struct peer *again = rig_clean(r, "a");
    assert_row(b, 0, 6);
    rig_expect_nothing(again);
    assert_int_equal(dropped(r), 0);
    publish_row(p, 6, 8, 1);
    assert_row(b, 6, 8);
    rig_expect_nothing(again);
}

static void take_over_keeps_it(void **state)
{
    struct rig *r = *state;
    struct peer *p, *b, *a = rig_keep(r, "a");
    alone_with_six(r, a, &p, &b, 1);
    a = rig_resume(r, "a");
    rig_take(a, "t", "m0", 1, true, false);
    rig_take(a, "t", "m1", 1, true, false);
    assert_row(a, 2, 6);
    rig_expect_nothing(b);
    rig_drop(a);
    rig_expect_nothing(b);
}

/* Before it was sent to anybody, and after it was acknowledged, is what counts; unsubscribing changes nothing. */
static void after_unsubscribing_too(void **state)
{
    struct rig *r = *state;
    struct peer *p, *b, *a = rig_clean(r, "a");
    alone_with_six(r, a, &p, &b, 1);
    rig_expect_publish(a, "t", "m0", 1, false, false);
    uint16_t id = rig_expect_publish(a, "t", "m1", 1, false, false);
    rig_unsubscribe(a, 2, "$share/g/t");
    rig_send_ack(a, PACKET_PUBACK, id);
    rig_expect_publish(a, "t", "m2", 1, false, false); /* what it had stays its own */
    rig_expect_nothing(b);
    rig_drop(a);
    struct taken t = takes(b);
    assert_int_equal(t.n, 5);
    for (unsigned i = 0; i < t.n; i++)
        assert_int_equal(t.v[i], i == 0 ? 0 : i + 1);
    assert_int_equal(dropped(r), 0);
}

static void nobody_is_left(void **state)
{
    struct rig *r = *state;
    struct peer *p, *b, *a = rig_clean(r, "a");
    alone_with_six(r, a, &p, &b, 1);
    rig_drop(b);
    rig_drop(a);
    assert_int_equal(dropped(r), 6);
    rig_expect_nothing(joins(rig_clean(r, "c"), GROUP));
}

/* Each hands on to the next, to the last one. */
static void from_one_to_the_next(void **state)
{
    struct rig *r = *state;
    struct peer *p, *b, *a = rig_clean(r, "a");
    alone_with_six(r, a, &p, &b, 1);
    for (unsigned i = 0; i < 8; i++) {
        struct peer *next = joins(rig_clean(r, numbered(i)), GROUP);
        rig_drop(i % 2 == 0 ? a : b);
        if (i % 2 == 0)
            a = next;
        else
            b = next;
    }
    assert_int_equal(dropped(r), 0);
    struct peer *left[] = {a, b};
    assert_all(left, 2, 0, 6);
}

static void qos_2_stays_with_whom_it_was_sent_to__MQTT5_4_8_2_4__MQTT5_4_8_2_5(void **state)
{
    struct rig *r = *state;
    struct peer *p, *b, *a = rig_keep(r, "a");
    alone_with_six(r, a, &p, &b, 2);
    uint16_t first = rig_expect_publish(a, "t", "m0", 2, false, false);
    uint16_t second = rig_expect_publish(a, "t", "m1", 2, false, false);
    rig_send_ack(a, PACKET_PUBREC, first);
    rig_expect_ack(a, PACKET_PUBREL, first);
    rig_drop(a);
    rig_expect_nothing(b);
    a = rig_resume(r, "a");
    rig_expect_ack(a, PACKET_PUBREL, first);
    assert_int_equal(rig_expect_publish(a, "t", "m1", 2, true, false), second);
    rig_expect_nothing(b);
    rig_clean(r, "a"); /* its session ends: with it, those two */
    assert_row(b, 2, 6);
    assert_int_equal(dropped(r), 0);
}

static void what_a_member_refuses_is_dropped__MQTT5_4_8_2_6(void **state)
{
    struct rig *r = *state;
    static const enum reason reasons[] = {REASON_UNSPECIFIED, REASON_IMPLEMENTATION_SPECIFIC, REASON_QUOTA_EXCEEDED};
    struct peer *p = rig_clean(r, "p"), *a = joins(rig_keep(r, "a"), GROUP);
    for (unsigned i = 0; i < 3; i++) {
        for (uint8_t qos = 1; qos < 3; qos++) {
            rig_publish(p, "t", "x", qos, false);
            uint16_t id = rig_expect_publish(a, "t", "x", qos, false, false);
            struct peer *b = joins(rig_clean(r, "b"), GROUP);
            rig_send_ack_reason(a, qos == 1 ? PACKET_PUBACK : PACKET_PUBREC, id, reasons[i]);
            rig_expect_nothing(a);
            rig_expect_nothing(b);
            rig_drop(a);
            a = rig_resume(r, "a");
            rig_expect_nothing(a);
            rig_drop(b);
        }
    }
    rig_drop(a);
    assert_int_equal(rig_rows(r), 0);
}

/* ----------------------------------------------------------- on its way */

/* A member that lives on that shard. */
static struct peer *member_on(struct rig *r, unsigned shard, unsigned *n, bool clean)
{
    while (rig_shard_of(r, numbered(*n)) != shard)
        (*n)++;
    return joins(rig_connect(r, .id = numbered((*n)++), .clean = clean), GROUP);
}

/* Mail for a member waits while its shard hears that it is gone: the message finds another, or one that is kept. */
static void member_leaves_while_mail_is_on_its_way(void **state)
{
    struct rig *r = *state;
    unsigned n = 0;
    while (rig_shard_of(r, numbered(n)) != 0)
        n++;
    struct peer *p = rig_clean(r, numbered(n++));
    struct peer *kept = member_on(r, 0, &n, false);
    char id[16];
    snprintf(id, sizeof(id), "m%u", n - 1);
    rig_drop(kept);
    for (unsigned i = 0; i < 6; i++) {
        struct peer *leaves = member_on(r, 1, &n, true);
        struct peer *stays = i % 2 == 0 ? NULL : member_on(r, r->n - 1, &n, true);
        rig_send_publish(p, "t", numbered(2 * i), 1, false, 1);
        rig_send_publish(p, "t", numbered(2 * i + 1), 1, false, 2);
        rig_turn(r, 0);
        assert_true(r->s[1].rung);
        r->s[1].rung = false;
        leaves->dropped = true;
        rig_turn(r, 1);
        assert_null(leaves->client);
        r->s[1].rung = true;
        rig_run(r);
        p->got_at = p->got_n;
        if (stays == NULL)
            continue;
        assert_all(&stays, 1, 2 * i, 2 * i + 2); /* one of them by a detour */
        rig_drop(stays);
    }
    kept = rig_resume(r, id);
    struct taken t = takes(kept);
    assert_int_equal(t.n, 6);
    for (unsigned i = 0; i < t.n; i++)
        assert_int_equal(t.v[i], i / 2 * 4 + i % 2);
    assert_int_equal(dropped(r), 0);
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST(who_is_there_comes_first),
        RIG_TEST(who_is_kept_gets_it_when_nobody_is_there),
        RIG_TEST(at_qos_0_nothing_is_kept),
        RIG_TEST(who_comes_back_takes_turns_again),
        RIG_TEST_LIMITS(who_acknowledges_gets_more, 0, small_window),
        RIG_TEST_LIMITS(full_queues_drop_the_oldest, 0, tight),
        RIG_TEST_LIMITS(full_queues_drop_the_newest, 0, drop_newest),
        RIG_TEST_LIMITS(full_queues_disconnect, 0, disconnect),
        RIG_TEST_LIMITS(full_queue_passes_on, 0, tight),
        RIG_TEST_LIMITS(full_queue_passes_on, 0, disconnect),
        RIG_TEST_LIMITS(burst_finds_all_the_room_there_is, 0, drop_newest),
        RIG_TEST_LIMITS(burst_finds_all_the_room_there_is, 0, tight),
        RIG_TEST_LIMITS(stalled_member_is_passed_over, RIG_WHOLE, small_bytes),
        RIG_TEST_LIMITS(what_it_leaves_goes_to_another, 0, small_window),
        RIG_TEST_LIMITS(after_disconnect_too, 0, small_window),
        RIG_TEST_LIMITS(and_when_its_session_expires, RIG_5, small_window),
        RIG_TEST_LIMITS(and_when_it_starts_anew, 0, small_window),
        RIG_TEST_LIMITS(take_over_keeps_it, 0, small_window),
        RIG_TEST_LIMITS(after_unsubscribing_too, 0, small_window),
        RIG_TEST_LIMITS(nobody_is_left, 0, small_window),
        RIG_TEST_LIMITS(from_one_to_the_next, 0, small_window),
        RIG_TEST_LIMITS(qos_2_stays_with_whom_it_was_sent_to__MQTT5_4_8_2_4__MQTT5_4_8_2_5, 0, small_window),
        RIG_TEST_IN(what_a_member_refuses_is_dropped__MQTT5_4_8_2_6, RIG_5),
        RIG_TEST_IN(member_leaves_while_mail_is_on_its_way, RIG_MANY | RIG_WHOLE),
    };
    return RIG_MAIN(tests);
}
