/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * QoS 2 from publishers whose sessions are stored, over shards: receivers get a message when nothing can undo it any
 * more, exactly once, or nobody gets it at all and its packet id is free. Commits come when the test says so, shard by
 * shard; the rig's store sees that rows count only when those of all shards are committed.
 */
#include "scenario.h"

#include "sotto/base/mem.h"

/* The publisher on shard 0; a stored receiver there or on 2, one on 1, and one on 1 that isn't stored. */
struct world {
    struct rig *r;
    unsigned one, two;
    struct peer *p, *a, *b, *c;
};

static struct peer *settled(struct rig *r, const char *id, bool clean, bool present, const char *filters)
{
    struct packet p;
    struct peer *c = rig_start(r, &(struct rig_connect){.id = id, .clean = clean});
    rig_commit(r, SIZE_MAX);
    rig_expect_connack(c, present, 0);
    if (filters == NULL)
        return c;
    rig_send_subscribe(c, 1, filters);
    rig_commit(r, SIZE_MAX);
    rig_expect_packet(c, PACKET_SUBACK, &p);
    return c;
}

static const char *name_a(const struct world *w)
{
    return id_on(w->r, w->one, 1);
}

static const char *name_p(const struct world *w)
{
    return id_on(w->r, 0, 3);
}

static struct world world_of(void **state)
{
    struct world w = {.r = *state};
    w.one = w.r->n > 1 ? 1 : 0;
    w.two = w.r->n > 2 ? 2 : 0;
    w.a = settled(w.r, name_a(&w), false, false, "t:2");
    w.b = settled(w.r, id_on(w.r, w.two, 2), false, false, "t:1");
    w.c = settled(w.r, id_on(w.r, w.one, 4), true, false, "t:2");
    w.p = settled(w.r, name_p(&w), false, false, NULL);
    return w;
}

static void commit_on(struct world *w, unsigned shard, bool fails)
{
    rig_run(w->r);
    rig_commit_on(w->r, shard, SIZE_MAX, fails);
    rig_run(w->r);
}

static void nobody_has_it(struct world *w)
{
    rig_expect_nothing(w->a);
    rig_expect_nothing(w->b);
    rig_expect_nothing(w->c);
}

/* A receiver takes what comes, and acknowledges it to the end; how often `text` came. */
static unsigned times(struct world *w, struct peer *c, const char *text)
{
    unsigned n = 0;
    struct packet p;
    for (rig_commit(w->r, SIZE_MAX); rig_next(c, &p); rig_commit(w->r, SIZE_MAX)) {
        if (p.type == PACKET_PUBREL)
            rig_send_ack(c, PACKET_PUBCOMP, p.ack.id);
        if (p.type != PACKET_PUBLISH)
            continue;
        n += bytes_equal(p.publish.payload, bytes_str(text));
        if (p.publish.qos > 0)
            rig_send_ack(c, p.publish.qos == 1 ? PACKET_PUBACK : PACKET_PUBREC, p.publish.id);
    }
    return n;
}

static void all_have_it_once(struct world *w, const char *text)
{
    assert_int_equal(times(w, w->a, text), 1);
    assert_int_equal(times(w, w->b, text), 1);
    assert_int_equal(times(w, w->c, text), 1);
    assert_int_equal(rig_rows(w->r), 0);
}

static void finish(struct world *w, uint16_t id)
{
    struct packet p;
    rig_send_ack(w->p, PACKET_PUBREL, id);
    rig_commit(w->r, SIZE_MAX);
    rig_expect_packet(w->p, PACKET_PUBCOMP, &p);
    assert_int_equal(p.ack.id, id);
}

static void sends_again(struct world *w, uint16_t id, const char *text)
{
    if (w->p->client == NULL)
        w->p = settled(w->r, name_p(w), false, true, NULL);
    rig_send_publish_dup(w->p, "t", text, 2, false, id);
    rig_commit(w->r, SIZE_MAX);
    rig_expect_ack(w->p, PACKET_PUBREC, id);
    finish(w, id);
}

/* ---------------------------------------------------------------- the usual way */

static void waits_for_the_last_of_three(void **state)
{
    struct world w = world_of(state);
    rig_send_publish(w.p, "t", "x", 2, false, 7);
    rig_expect_nothing(w.p);
    nobody_has_it(&w);
    commit_on(&w, w.two, false); /* with two shards, this is the publisher's */
    rig_expect_nothing(w.p);
    commit_on(&w, w.one, false);
    rig_expect_nothing(w.p);
    nobody_has_it(&w);
    assert_int_equal(rig_stored(w.r, STORE_RECEIVED), 1);
    commit_on(&w, 0, false);
    rig_expect_ack(w.p, PACKET_PUBREC, 7);
    rig_expect_publish(w.b, "t", "x", 1, false, false);
    rig_expect_publish(w.c, "t", "x", 2, false, false);
    rig_expect_nothing(w.a); /* its packet id is to be stored, first */
    commit_on(&w, w.one, false);
    rig_expect_publish(w.a, "t", "x", 2, false, false);
    finish(&w, 7);
}

static void one_commit_where_all_is_on_one_shard(void **state)
{
    struct world w = world_of(state);
    rig_send_publish(w.p, "t", "x", 2, false, 7);
    rig_expect_nothing(w.p);
    nobody_has_it(&w);
    commit_on(&w, 0, false);
    rig_expect_ack(w.p, PACKET_PUBREC, 7);
    all_have_it_once(&w, "x");
}

/* QoS 0 and 1 to who keeps nothing go on meanwhile; a stored session keeps its order. */
static void others_go_on_meanwhile(void **state)
{
    struct world w = world_of(state);
    rig_send_publish(w.p, "t", "2", 2, false, 7);
    rig_send_publish(w.p, "t", "1", 1, false, 8);
    rig_send_publish(w.p, "t", "0", 0, false, 0);
    rig_expect_publish(w.c, "t", "1", 1, false, false);
    rig_expect_publish(w.c, "t", "0", 0, false, false);
    rig_expect_nothing(w.a);
    rig_commit(w.r, SIZE_MAX);
    rig_expect_publish(w.a, "t", "2", 2, false, false);
    rig_expect_publish(w.a, "t", "1", 1, false, false);
    rig_expect_publish(w.a, "t", "0", 0, false, false);
    rig_expect_publish(w.c, "t", "2", 2, false, false);
    rig_expect_ack(w.p, PACKET_PUBREC, 7);
    rig_expect_ack(w.p, PACKET_PUBACK, 8);
}

static void many_end_in_order(void **state)
{
    struct world w = world_of(state);
    for (uint16_t id = 1; id <= 8; id++)
        rig_send_publish(w.p, "t", numbered(id), 2, false, id);
    rig_expect_nothing(w.p);
    commit_on(&w, w.one, false);
    commit_on(&w, w.two, false);
    commit_on(&w, 0, false); /* all in three commits */
    for (uint16_t id = 1; id <= 8; id++)
        rig_expect_ack(w.p, PACKET_PUBREC, id);
    for (uint16_t id = 1; id <= 8; id++)
        rig_expect_publish(w.c, "t", numbered(id), 2, false, false);
}

/* ---------------------------------------------------------------- failures */

/* The n-th of the three commits fails. */
static void fails_at(void **state, unsigned n)
{
    struct world w = world_of(state);
    const unsigned order[] = {w.two, w.one, 0};
    rig_send_publish(w.p, "t", "x", 2, false, 7);
    rig_expect_nothing(w.p);
    for (unsigned i = 0; i < 3; i++)
        commit_on(&w, order[i], i == n);
    is_refused(w.p, PACKET_PUBREC, 7);
    nobody_has_it(&w);
    rig_commit(w.r, SIZE_MAX);
    nobody_has_it(&w);
    assert_int_equal(rig_rows(w.r), 0);
    sends_again(&w, 7, "x");
    all_have_it_once(&w, "x");
}

static void rows_fail_here_or_there(void **state)
{
    fails_at(state, 0);
}

static void rows_fail_there(void **state)
{
    fails_at(state, 1);
}

static void packet_id_fails(void **state)
{
    fails_at(state, 2);
}

/* What comes behind one that fails fails with it: sent again, all are in order. */
static void those_behind_fail_too(void **state)
{
    struct world w = world_of(state);
    struct packet p;
    rig_send_publish(w.p, "t", "m1", 2, false, 1);
    rig_expect_nothing(w.p);
    while (rig_turn(w.r, w.one)) {
    }
    rig_commit_on(w.r, w.one, SIZE_MAX, true); /* and nobody has heard of it yet */
    rig_send_publish(w.p, "t", "m2", 2, false, 2);
    rig_turn(w.r, 0);
    rig_commit(w.r, SIZE_MAX);
    while (rig_poll(w.p, &p))
        assert_true(p.type == PACKET_DISCONNECT || p.ack.reason == REASON_QUOTA_EXCEEDED);
    for (uint16_t id = 1; id <= 2; id++)
        sends_again(&w, id, numbered(id));
    rig_commit(w.r, SIZE_MAX);
    for (uint16_t id = 1; id <= 2; id++)
        rig_expect_publish(w.c, "t", numbered(id), 2, false, false);
    rig_expect_nothing(w.c);
}

/* An outgoing packet id that could not be stored is not used before it is, however long that takes. */
static void sent_is_not_safe_before_good_news(void **state)
{
    struct world w = world_of(state);
    rig_send_publish(w.p, "t", "x", 2, false, 7);
    rig_run(w.r);
    commit_on(&w, w.two, false);
    commit_on(&w, w.one, false);
    commit_on(&w, 0, false);
    commit_on(&w, w.one, true);
    rig_expect_nothing(w.a);
    commit_on(&w, w.one, false);
    rig_expect_publish(w.a, "t", "x", 2, false, false);
}

/* ---------------------------------------------------------------- connections and sessions that end */

/* The publisher's connection breaks after so many of the three commits; it comes back and sends again. */
static void breaks_after(void **state, unsigned n)
{
    struct world w = world_of(state);
    const unsigned order[] = {w.two, w.one, 0};
    rig_send_publish(w.p, "t", "x", 2, false, 7);
    rig_run(w.r);
    for (unsigned i = 0; i < n; i++)
        commit_on(&w, order[i], false);
    rig_drop(w.p);
    w.p = rig_start(w.r, &(struct rig_connect){.id = name_p(&w)});
    rig_send_publish_dup(w.p, "t", "x", 2, false, 7);
    rig_run(w.r);
    rig_commit(w.r, SIZE_MAX);
    rig_expect_connack(w.p, true, 0);
    rig_expect_ack(w.p, PACKET_PUBREC, 7);
    finish(&w, 7);
    all_have_it_once(&w, "x");
}

static void connection_breaks_at_once(void **state)
{
    breaks_after(state, 0);
}

static void connection_breaks_in_between(void **state)
{
    breaks_after(state, 1);
}

static void connection_breaks_before_the_last(void **state)
{
    breaks_after(state, 2);
}

/* A publisher that starts anew before its packet id was put has never sent it. */
static void publishers_session_ends(void **state)
{
    struct world w = world_of(state);
    rig_send_publish(w.p, "t", "x", 2, false, 7);
    rig_run(w.r);
    rig_drop(w.p);
    w.p = settled(w.r, name_p(&w), true, false, NULL);
    unsigned n = times(&w, w.a, "x");
    assert_int_equal(times(&w, w.b, "x"), n);
    assert_int_equal(times(&w, w.c, "x"), n);
    assert_int_equal(n, w.r->n > 1 ? 0 : 1); /* on one shard it is put at once */
    assert_int_equal(rig_rows(w.r), 0);
}

static void receiver_starts_anew(void **state)
{
    struct world w = world_of(state);
    rig_send_publish(w.p, "t", "x", 2, false, 7);
    rig_run(w.r);
    rig_drop(w.a);
    rig_drop(w.c);
    w.a = rig_start(w.r, &(struct rig_connect){.id = name_a(&w), .clean = true});
    rig_commit(w.r, SIZE_MAX);
    rig_expect_ack(w.p, PACKET_PUBREC, 7);
    rig_expect_connack(w.a, false, 0);
    rig_expect_nothing(w.a);
    assert_int_equal(times(&w, w.b, "x"), 1);
    assert_int_equal(rig_rows(w.r), 0);
}

/* The member of a group that holds it ends: another one gets it, when it is true. */
static void member_ends_while_it_holds(void **state)
{
    struct rig *r = *state;
    struct world w = {.r = r, .one = r->n > 1 ? 1 : 0};
    struct peer *m = settled(r, id_on(r, w.one, 1), false, false, "$share/g/t:2");
    w.p = settled(r, name_p(&w), false, false, NULL);
    rig_send_publish(w.p, "t", "x", 2, false, 7);
    rig_run(r);
    struct peer *other = rig_clean(r, id_on(r, 0, 2));
    rig_subscribe(other, 1, "$share/g/t:2");
    rig_drop(m);
    m = rig_start(r, &(struct rig_connect){.id = id_on(r, w.one, 1), .clean = true});
    rig_expect_nothing(other);
    rig_commit(r, SIZE_MAX);
    rig_expect_connack(m, false, 0);
    rig_expect_ack(w.p, PACKET_PUBREC, 7);
    assert_int_equal(times(&w, other, "x"), 1);
}

/* ---------------------------------------------------------------- what is beside */

static void retained_too(void **state)
{
    struct world w = world_of(state);
    rig_send_publish(w.p, "t", "x", 2, true, 7);
    rig_expect_nothing(w.p);
    rig_commit(w.r, SIZE_MAX);
    rig_expect_ack(w.p, PACKET_PUBREC, 7);
    all_have_it_once(&w, "x");
    struct peer *late = settled(w.r, id_on(w.r, 0, 9), true, false, "t:0");
    rig_expect_publish(late, "t", "x", 0, false, true);
}

/* Several subscriptions with identifiers have a copy of their own, which is held like the message. */
static void with_identifiers(void **state)
{
    struct world w = world_of(state);
    struct packet p;
    rig_send_subscribe_id(w.a, 2, "t:2", 5);
    rig_send_subscribe_id(w.a, 3, "+:2", 6);
    rig_commit(w.r, SIZE_MAX);
    rig_expect_packet(w.a, PACKET_SUBACK, &p);
    rig_expect_packet(w.a, PACKET_SUBACK, &p);
    rig_send_publish(w.p, "t", "x", 2, false, 7);
    rig_expect_nothing(w.p);
    nobody_has_it(&w);
    rig_commit(w.r, SIZE_MAX);
    rig_expect_ack(w.p, PACKET_PUBREC, 7);
    all_have_it_once(&w, "x");
}

static void released_before_its_time(void **state)
{
    struct world w = world_of(state);
    struct packet p;
    rig_send_publish(w.p, "t", "x", 2, false, 7);
    rig_send_ack(w.p, PACKET_PUBREL, 7); /* PUBREC has not come: the client breaks the rules, and harms nobody */
    rig_run(w.r);
    rig_commit(w.r, SIZE_MAX);
    rig_expect_ack(w.p, PACKET_PUBREC, 7);
    rig_expect_packet(w.p, PACKET_PUBCOMP, &p);
    finish(&w, 7);
    all_have_it_once(&w, "x");
}

/* Wherever memory ends: it arrives once, when its publisher goes on until it is acknowledged. */
static void without_memory(void **state)
{
    struct world w = world_of(state);
    char text[1500];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (unsigned i = 1; i < 60; i++) {
        snprintf(text, 8, "m%u", i);
        text[strlen(text)] = 'x';
        rig_send_publish(w.p, "t", text, 2, false, 7);
        mem_fail_at(i);
        for (unsigned turn = 0; turn < 12; turn++)
            for (unsigned k = 0; k < w.r->n; k++) {
                rig_turn(w.r, k);
                rig_commit_on(w.r, k, SIZE_MAX, false);
            }
        mem_fail_at(0);
        rig_commit(w.r, SIZE_MAX);
        struct packet p;
        bool done = false;
        while (rig_next(w.p, &p))
            done |= p.type == PACKET_PUBREC && p.ack.reason < REASON_UNSPECIFIED;
        if (done)
            finish(&w, 7);
        else
            sends_again(&w, 7, text);
        if (w.c->client == NULL || w.a->client == NULL || w.b->client == NULL)
            break; /* it was a receiver's connection that had no memory: another test's business */
        all_have_it_once(&w, text);
    }
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST_IN(waits_for_the_last_of_three, RIG_MANUAL | RIG_MANY),
        RIG_TEST_IN(one_commit_where_all_is_on_one_shard, RIG_MANUAL | RIG_ONE_SHARD),
        RIG_TEST_IN(others_go_on_meanwhile, RIG_MANUAL),
        RIG_TEST_IN(many_end_in_order, RIG_MANUAL),
        RIG_TEST_IN(rows_fail_here_or_there, RIG_MANUAL),
        RIG_TEST_IN(rows_fail_there, RIG_MANUAL | RIG_MANY),
        RIG_TEST_IN(packet_id_fails, RIG_MANUAL | RIG_MANY),
        RIG_TEST_IN(those_behind_fail_too, RIG_MANUAL | RIG_MANY),
        RIG_TEST_IN(sent_is_not_safe_before_good_news, RIG_MANUAL | RIG_MANY),
        RIG_TEST_IN(connection_breaks_at_once, RIG_MANUAL),
        RIG_TEST_IN(connection_breaks_in_between, RIG_MANUAL),
        RIG_TEST_IN(connection_breaks_before_the_last, RIG_MANUAL),
        RIG_TEST_IN(publishers_session_ends, RIG_MANUAL),
        RIG_TEST_IN(receiver_starts_anew, RIG_MANUAL),
        RIG_TEST_IN(member_ends_while_it_holds, RIG_MANUAL),
        RIG_TEST_IN(retained_too, RIG_MANUAL),
        RIG_TEST_IN(with_identifiers, RIG_MANUAL | RIG_5),
        RIG_TEST_IN(released_before_its_time, RIG_MANUAL),
        RIG_TEST_IN(without_memory, RIG_MANUAL | RIG_WHOLE),
    };
    return RIG_MAIN(tests);
}
