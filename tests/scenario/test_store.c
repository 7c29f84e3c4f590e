/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What leaves only after a commit, in which order, and what happens when a commit fails: the connection is closed,
 * nothing is acknowledged, and what the client then sends again is neither lost nor doubled.
 */
#include "scenario.h"

static struct peer *durable(struct rig *r, const char *id, bool present)
{
    struct peer *c = rig_start(r, &(struct rig_connect){.id = id});
    rig_commit(r, SIZE_MAX);
    rig_expect_connack(c, present, 0);
    return c;
}

static struct peer *subscriber(struct rig *r, const char *id, const char *filters)
{
    struct peer *c = durable(r, id, false);
    rig_send_subscribe(c, 1, filters);
    rig_commit(r, SIZE_MAX);
    struct packet p;
    rig_expect_packet(c, PACKET_SUBACK, &p);
    return c;
}

static void connack_of_a_kept_session_waits(void **state)
{
    struct rig *r = *state;
    rig_clean(r, "clean"); /* nothing to keep, nothing to wait for */
    struct peer *c = rig_start(r, &(struct rig_connect){.id = "a"});
    rig_send_hex(c, "c0 00");
    rig_run(r);
    rig_expect(c, "");
    assert_true(c->got_n <= 2); /* a PINGRESP tells of nothing */
    c = durable(r, "b", false);
    rig_expect_nothing(c);
}

static void connack_comes_before_all_else(void **state)
{
    struct rig *r = *state;
    struct peer *a = subscriber(r, "a", "t:1");
    rig_drop(a);
    struct peer *p = rig_clean(r, "p");
    rig_send_publish(p, "t", "1", 1, false, 1);
    rig_commit(r, SIZE_MAX);
    rig_expect_ack(p, PACKET_PUBACK, 1);
    a = rig_start(r, &(struct rig_connect){.id = "a"});
    rig_expect_nothing(a);
    rig_send_publish(p, "t", "2", 1, false, 2);
    rig_expect_nothing(a);
    rig_commit(r, SIZE_MAX);
    rig_expect_connack(a, true, 0);
    rig_expect_publish(a, "t", "1", 1, false, false);
    rig_expect_publish(a, "t", "2", 1, false, false);
}

static void suback_and_unsuback_wait(void **state)
{
    struct rig *r = *state;
    struct peer *a = durable(r, "a", false);
    rig_send_subscribe(a, 1, "t:1 u:2");
    rig_expect_nothing(a);
    rig_commit(r, 1);
    rig_expect_nothing(a);
    rig_commit(r, 1);
    rig_expect_suback(a, 1, "01 02");
    rig_send_unsubscribe(a, 2, "t");
    rig_expect_nothing(a);
    rig_commit(r, 1);
    rig_expect_unsuback(a, 2, "00");
    rig_send_unsubscribe(a, 3, "nothing"); /* nothing is stored for it */
    rig_expect_unsuback(a, 3, "11");
}

static void retained_messages_come_behind_their_suback(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, "p"), *a = durable(r, "a", false);
    rig_send_publish(p, "t", "kept", 0, true, 0);
    rig_run(r);
    rig_send_subscribe(a, 1, "t:1");
    rig_expect_nothing(a);
    rig_send_unsubscribe(p, 9, "nothing"); /* other work meanwhile */
    rig_expect_unsuback(p, 9, "11");
    rig_expect_nothing(a);
    rig_commit(r, SIZE_MAX);
    rig_expect_suback(a, 1, "01");
    rig_expect_publish(a, "t", "kept", 0, false, true);
    rig_expect_nothing(a);
}

/* QoS 1 goes to its subscribers at once; only the promise to the publisher waits. */
static void puback_waits_for_the_subscribers_row(void **state)
{
    struct rig *r = *state;
    struct peer *a = subscriber(r, "a", "t:1"), *p = rig_clean(r, "p");
    rig_send_publish(p, "t", "x", 1, false, 7);
    rig_expect_nothing(p);
    rig_expect_publish(a, "t", "x", 1, false, false);
    rig_commit(r, SIZE_MAX);
    rig_expect_ack(p, PACKET_PUBACK, 7);
    rig_send_publish(p, "nobody", "x", 1, false, 8);
    rig_expect_ack(p, PACKET_PUBACK, 8);
    rig_send_publish(p, "t", "x", 0, false, 0);
    rig_expect_publish(a, "t", "x", 0, false, false);
}

static void puback_of_a_retained_message_waits(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, "p");
    rig_send_publish(p, "t", "x", 1, true, 7);
    rig_expect_nothing(p);
    rig_commit(r, SIZE_MAX);
    rig_expect_ack(p, PACKET_PUBACK, 7);
    rig_send_publish(p, "t", "", 1, true, 8);
    rig_expect_nothing(p);
    rig_commit(r, SIZE_MAX);
    rig_expect_ack(p, PACKET_PUBACK, 8);
}

static void received_qos_2_is_routed_after_the_commit(void **state)
{
    struct rig *r = *state;
    struct peer *w = rig_clean(r, "w"), *a = durable(r, "a", false);
    rig_subscribe(w, 1, "t:2");
    rig_send_publish(a, "t", "x", 2, false, 7);
    rig_expect_nothing(a);
    rig_expect_nothing(w);
    rig_commit(r, SIZE_MAX);
    rig_expect_ack(a, PACKET_PUBREC, 7);
    rig_expect_publish(w, "t", "x", 2, false, false);
    rig_send_ack(a, PACKET_PUBREL, 7);
    rig_expect_nothing(a);
    rig_commit(r, SIZE_MAX);
    rig_expect_ack(a, PACKET_PUBCOMP, 7);
}

static void outgoing_qos_2_waits_for_its_packet_id(void **state)
{
    struct rig *r = *state;
    struct peer *a = subscriber(r, "a", "t:2"), *p = rig_clean(r, "p");
    rig_send_publish(p, "t", "x", 2, false, 7);
    rig_expect_nothing(a);
    rig_commit(r, SIZE_MAX);
    rig_expect_ack(p, PACKET_PUBREC, 7);
    uint16_t id = rig_expect_publish(a, "t", "x", 2, false, false);
    rig_send_ack(a, PACKET_PUBREC, id);
    rig_expect_nothing(a);
    rig_commit(r, SIZE_MAX);
    rig_expect_ack(a, PACKET_PUBREL, id);
    rig_send_ack(a, PACKET_PUBCOMP, id);
    rig_commit(r, SIZE_MAX);
    assert_int_equal(rig_rows(r), 0);
}

/* QoS 0 and 1 don't overtake a QoS 2 message that waits for its commit. */
/* In order, whatever QoS they have; those of a group but one at a time, since another member may still get them. */
static void one_commit_serves_a_window_of_qos_2(void **state)
{
    struct rig *r = *state;
    rig_drop(subscriber(r, "a", "t:2 $share/g/s:2"));
    struct peer *p = rig_clean(r, "p");
    for (unsigned i = 0; i < 8; i++) {
        rig_send_publish(p, i < 6 ? "t" : "s", numbered(i), i % 3 == 1 ? 1 : 2, false, (uint16_t)(i + 1));
        rig_commit(r, SIZE_MAX);
    }
    struct peer *a = rig_start(r, &(struct rig_connect){.id = "a"});
    rig_commit(r, 100);
    rig_expect_connack(a, true, 0);
    rig_expect_nothing(a);
    rig_commit(r, 100);
    for (unsigned i = 0; i < 6; i++)
        rig_expect_publish(a, "t", numbered(i), i % 3 == 1 ? 1 : 2, false, false);
    rig_expect_nothing(a);
    rig_commit(r, 100);
    rig_expect_publish(a, "s", "m6", 2, false, false);
    rig_expect_publish(a, "s", "m7", 1, false, false);
    rig_expect_nothing(a);
}

static void others_wait_behind_it(void **state)
{
    struct rig *r = *state;
    struct peer *a = subscriber(r, "a", "t:2"), *p = rig_clean(r, "p");
    rig_send_publish(p, "t", "1", 2, false, 1);
    rig_send_publish(p, "t", "2", 1, false, 2);
    rig_send_publish(p, "t", "3", 0, false, 0);
    rig_expect_nothing(a);
    rig_commit(r, SIZE_MAX);
    rig_expect_publish(a, "t", "1", 2, false, false);
    rig_expect_publish(a, "t", "2", 1, false, false);
    rig_expect_publish(a, "t", "3", 0, false, false);
}

/* An answer with nothing to wait for stays behind an earlier one that waits; each commit lets go what it covers. */
static void answers_keep_their_order__MQTT_4_6_0_2__MQTT_4_6_0_3(void **state)
{
    struct rig *r = *state;
    struct peer *a = durable(r, "a", false);
    rig_send_publish(a, "t", "x", 2, false, 1);
    rig_send_publish(a, "nobody", "x", 1, false, 2);
    rig_send_publish(a, "r", "x", 1, true, 3);
    rig_send_publish(a, "nobody", "x", 1, false, 4);
    rig_send_subscribe(a, 5, "u:0");
    rig_send_unsubscribe(a, 6, "nothing");
    rig_send_hex(a, "c0 00");
    rig_expect(a, "d0 00");
    rig_expect_nothing(a);
    rig_commit(r, 1);
    rig_expect_ack(a, PACKET_PUBREC, 1);
    rig_expect_ack(a, PACKET_PUBACK, 2);
    rig_expect_nothing(a);
    rig_commit(r, 1);
    rig_expect_ack(a, PACKET_PUBACK, 3);
    rig_expect_ack(a, PACKET_PUBACK, 4);
    rig_expect_nothing(a);
    rig_commit(r, 1);
    rig_expect_suback(a, 5, "00");
    rig_expect_unsuback(a, 6, "11");
}

static void failed_connack(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_start(r, &(struct rig_connect){.id = "a"});
    rig_expect_nothing(a);
    rig_commit_fails(r);
    ends_somehow(a);
    durable(r, "b", false);
}

/* Comes back as `how` says while nothing can be stored. */
static struct peer *come_back(struct rig *r, const struct rig_connect *how)
{
    struct peer *c = rig_start(r, how);
    rig_expect_nothing(c);
    rig_commit_fails(r);
    return c;
}

/* What CONNACK says of a session was promised before: it takes no commit to say it again. */
static void failed_connack_of_a_session_as_it_stood(void **state)
{
    struct rig *r = *state;
    rig_drop(subscriber(r, "a", "t:1"));
    struct peer *a = come_back(r, &(struct rig_connect){.id = "a"});
    rig_expect_connack(a, true, 0);
    struct peer *p = rig_clean(r, "p");
    rig_send_publish(p, "t", "x", 1, false, 1);
    rig_commit(r, SIZE_MAX);
    rig_expect_ack(p, PACKET_PUBACK, 1);
    rig_expect_publish(a, "t", "x", 1, false, false);
    rig_drop(a);
    for (unsigned i = 0; i < 2; i++) {
        a = come_back(r, &(struct rig_connect){.id = "a"});
        rig_expect_connack(a, true, 0);
        rig_expect_publish(a, "t", "x", 1, true, false);
        rig_drop(a);
    }
}

static void failed_connack_of_a_session_that_changes(void **state)
{
    struct rig *r = *state;
    rig_drop(durable(r, "a", false));
    ends_somehow(come_back(r, &(struct rig_connect){.id = "a", .will_topic = "w", .will = "x"}));
    ends_somehow(come_back(r, &(struct rig_connect){.id = "a"})); /* the will may be stored */
    rig_drop(durable(r, "a", true));
    rig_drop(come_back(r, &(struct rig_connect){.id = "a"}));
    ends_somehow(come_back(r, &(struct rig_connect){.id = "a", .clean = true}));

    ends_somehow(come_back(r, &(struct rig_connect){.id = "b"}));
    ends_somehow(come_back(r, &(struct rig_connect){.id = "b"})); /* it was never said to be stored */
    rig_drop(durable(r, "b", true));
    if (r->proto != PROTO_5)
        return;
    struct props other = {.has = UINT64_C(1) << PROP_SESSION_EXPIRY, .session_expiry = 77};
    ends_somehow(come_back(r, &(struct rig_connect){.id = "b", .props = &other}));
    ends_somehow(come_back(r, &(struct rig_connect){.id = "b"}));
}

static void failed_puback_is_a_refusal(void **state)
{
    struct rig *r = *state;
    struct peer *a = subscriber(r, "a", "t:1"), *p = rig_clean(r, "p"), *q = rig_clean(r, "q");
    rig_send_publish(q, "nobody", "x", 1, false, 1);
    rig_expect_ack(q, PACKET_PUBACK, 1);
    rig_send_publish(p, "t", "x", 1, false, 7);
    rig_expect_publish(a, "t", "x", 1, false, false);
    rig_commit_fails(r);
    is_refused(p, PACKET_PUBACK, 7);
    rig_expect_nothing(q);
    rig_expect_nothing(a);
}

static void failed_subscribe_closes(void **state)
{
    struct rig *r = *state;
    struct peer *a = durable(r, "a", false);
    rig_send_subscribe(a, 1, "t:1");
    rig_expect_nothing(a);
    rig_commit_fails(r);
    ends_with_an_error(a);
}

static void failed_qos_2_is_neither_lost_nor_doubled(void **state)
{
    struct rig *r = *state;
    struct peer *w = rig_clean(r, "w"), *a = durable(r, "a", false);
    rig_subscribe(w, 1, "t:0");
    for (unsigned round = 0; round < 3; round++) {
        rig_send_publish_dup(a, "t", "x", 2, false, 7);
        rig_expect_nothing(a);
        rig_commit_fails(r);
        is_refused(a, PACKET_PUBREC, 7);
        rig_expect_nothing(w);
        rig_commit(r, SIZE_MAX);
        a = a->client == NULL || round == 1 ? durable(r, "a", true) : a;
    }
    rig_send_publish_dup(a, "t", "x", 2, false, 7);
    rig_commit(r, SIZE_MAX);
    rig_expect_ack(a, PACKET_PUBREC, 7);
    rig_expect_publish(w, "t", "x", 0, false, false);
    rig_send_ack(a, PACKET_PUBREL, 7);
    rig_expect_nothing(a);
    rig_commit_fails(r); /* the id is forgotten or not: nothing is delivered again */
    ends_with_an_error(a);
    a = durable(r, "a", true);
    rig_send_ack(a, PACKET_PUBREL, 7);
    rig_commit(r, SIZE_MAX);
    struct packet p;
    rig_expect_packet(a, PACKET_PUBCOMP, &p); /* 5.0 may hear that the id is known no more */
    assert_int_equal(p.ack.id, 7);
    rig_expect_nothing(w);
}

static void failed_pubrel_comes_after_the_reconnect(void **state)
{
    struct rig *r = *state;
    struct peer *a = subscriber(r, "a", "t:2"), *p = rig_clean(r, "p");
    rig_send_publish(p, "t", "x", 2, false, 7);
    rig_commit(r, SIZE_MAX);
    rig_expect_ack(p, PACKET_PUBREC, 7);
    uint16_t id = rig_expect_publish(a, "t", "x", 2, false, false);
    rig_send_ack(a, PACKET_PUBREC, id);
    rig_expect_nothing(a);
    rig_commit_fails(r);
    ends_with_an_error(a);
    a = durable(r, "a", true);
    rig_expect_ack(a, PACKET_PUBREL, id);
    rig_send_ack(a, PACKET_PUBCOMP, id);
    rig_expect_nothing(a);
}

/* The answers that waited when the connection broke die with it. */
static void connection_breaks_while_answers_wait(void **state)
{
    struct rig *r = *state;
    struct peer *w = rig_clean(r, "w"), *a = durable(r, "a", false);
    rig_subscribe(w, 1, "#:0");
    rig_send_publish(a, "two", "x", 2, false, 1);
    rig_send_publish(a, "one", "x", 1, true, 2);
    rig_send_subscribe(a, 3, "t:1");
    rig_expect_nothing(a);
    rig_expect_publish(w, "one", "x", 0, false, false);
    rig_drop(a);
    rig_expect_nothing(w);
    a = rig_start(r, &(struct rig_connect){.id = "a"});
    rig_send_publish_dup(a, "two", "x", 2, false, 1); /* PUBREC has not come, so it comes again, and finds itself */
    rig_expect_nothing(a);
    rig_expect_nothing(w);
    rig_commit(r, SIZE_MAX);
    rig_expect_publish(w, "two", "x", 0, false, false);
    rig_expect_connack(a, true, 0);
    rig_expect_ack(a, PACKET_PUBREC, 1);
    rig_expect_nothing(a);
    rig_expect_nothing(w);
}

/* DISCONNECT behind publications that wait: their routing must not be lost with the connection. */
static void disconnect_behind_publications_that_wait(void **state)
{
    struct rig *r = *state;
    struct peer *w = rig_clean(r, "w"), *a = durable(r, "a", false);
    rig_subscribe(w, 1, "#:0");
    rig_send_publish(a, "one", "x", 1, true, 2);
    rig_send(a, &(struct packet){.type = PACKET_DISCONNECT});
    rig_run(r);
    rig_commit(r, SIZE_MAX);
    rig_expect_publish(w, "one", "x", 0, false, false);
    assert_null(a->client);
}

static void clean_sessions_store_nothing(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a"), *b = rig_clean(r, "b");
    rig_subscribe(a, 1, "t:2");
    rig_publish(b, "t", "x", 1, false);
    rig_take(a, "t", "x", 1, false, false);
    rig_publish(b, "t", "x", 2, false);
    rig_take(a, "t", "x", 2, false, false);
    rig_unsubscribe(a, 2, "t");
    rig_disconnect(a);
    for (unsigned kind = 0; kind <= STORE_RETAIN; kind++)
        assert_int_equal(rig_stored(r, (enum store_kind)kind), 0);
}

static void rows_come_and_go(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_keep(r, "a"), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:2");
    for (unsigned i = 0; i < 30; i++)
        rig_publish(p, "t", numbered(i), (uint8_t)(1 + i % 2), false);
    assert_int_equal(rig_rows(r), 30);
    for (unsigned i = 0; i < 30; i++)
        rig_take(a, "t", numbered(i), (uint8_t)(1 + i % 2), false, false);
    rig_run(r);
    assert_int_equal(rig_rows(r), 0);
    assert_int_equal(rig_stored(r, STORE_QUEUE), 30);
    assert_int_equal(rig_stored(r, STORE_SENT), 30);
    assert_int_equal(rig_stored(r, STORE_RELEASED), 15);
    assert_int_equal(rig_stored(r, STORE_DONE), 30);
    rig_drop(a);
    for (unsigned i = 0; i < 10; i++)
        rig_publish(p, "t", numbered(i), 1, false);
    assert_int_equal(rig_rows(r), 10);
    rig_disconnect(rig_clean(r, "a"));
    assert_int_equal(rig_rows(r), 0);
    assert_int_equal(rig_stored(r, STORE_SESSION_END), 1);
}

static void publishers_wait_while_the_store_is_full(void **state)
{
    struct rig *r = *state;
    struct peer *a = subscriber(r, "a", "t:1");
    struct peer *p = rig_clean(r, "p");
    r->s[0].store.full = true;
    rig_send_publish(p, "t", "1", 1, false, 1);
    rig_send_publish(p, "t", "2", 1, false, 2);
    rig_commit(r, SIZE_MAX);
    rig_expect_publish(a, "t", "1", 1, false, false);
    rig_expect_nothing(a);
    rig_expect_ack(p, PACKET_PUBACK, 1);
    rig_expect_nothing(p);
    r->s[0].store.full = false;
    rig_send_hex(a, "c0 00"); /* some turn ends */
    rig_commit(r, SIZE_MAX);
    rig_expect_ack(p, PACKET_PUBACK, 2);
    struct packet pong;
    rig_expect_packet(a, PACKET_PINGRESP, &pong);
    rig_expect_publish(a, "t", "2", 1, false, false);
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST_IN(connack_of_a_kept_session_waits, RIG_MANUAL),
        RIG_TEST_IN(connack_comes_before_all_else, RIG_MANUAL | RIG_ONE_SHARD),
        RIG_TEST_IN(suback_and_unsuback_wait, RIG_MANUAL),
        RIG_TEST_IN(retained_messages_come_behind_their_suback, RIG_MANUAL),
        RIG_TEST_IN(puback_waits_for_the_subscribers_row, RIG_MANUAL | RIG_ONE_SHARD),
        RIG_TEST_IN(puback_of_a_retained_message_waits, RIG_MANUAL),
        RIG_TEST_IN(received_qos_2_is_routed_after_the_commit, RIG_MANUAL),
        RIG_TEST_IN(outgoing_qos_2_waits_for_its_packet_id, RIG_MANUAL),
        RIG_TEST_IN(one_commit_serves_a_window_of_qos_2, RIG_MANUAL),
        RIG_TEST_IN(others_wait_behind_it, RIG_MANUAL),
        RIG_TEST_IN(answers_keep_their_order__MQTT_4_6_0_2__MQTT_4_6_0_3, RIG_MANUAL),
        RIG_TEST_IN(failed_connack, RIG_MANUAL),
        RIG_TEST_IN(failed_connack_of_a_session_as_it_stood, RIG_MANUAL),
        RIG_TEST_IN(failed_connack_of_a_session_that_changes, RIG_MANUAL),
        RIG_TEST_IN(failed_puback_is_a_refusal, RIG_MANUAL | RIG_ONE_SHARD),
        RIG_TEST_IN(failed_subscribe_closes, RIG_MANUAL),
        RIG_TEST_IN(failed_qos_2_is_neither_lost_nor_doubled, RIG_MANUAL),
        RIG_TEST_IN(failed_pubrel_comes_after_the_reconnect, RIG_MANUAL),
        RIG_TEST_IN(connection_breaks_while_answers_wait, RIG_MANUAL),
        RIG_TEST_IN(disconnect_behind_publications_that_wait, RIG_MANUAL),
        RIG_TEST_IN(publishers_wait_while_the_store_is_full, RIG_MANUAL | RIG_ONE_SHARD),
        RIG_TEST_IN(clean_sessions_store_nothing, 0),
        RIG_TEST_IN(rows_come_and_go, 0),
    };
    return RIG_MAIN(tests);
}
