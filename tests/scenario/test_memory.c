/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Memory that fails at the first allocation whose size a peer chooses, then at the second, and so on to the last: the
 * broker may close connections and drop what it says it drops, but it never crashes, leaks, sends a half packet with
 * something behind it, or forgets what it has acknowledged at QoS 2; and when there is memory again, it works.
 */
#include "scenario.h"

#include "sotto/base/mem.h"

#define MOST_PEERS 8

struct script {
    struct rig *r;
    struct peer *peers[MOST_PEERS];
    unsigned n;
};

static struct peer *opens(struct script *s, const char *id, bool clean)
{
    struct peer *c = rig_start(
        s->r, &(struct rig_connect){
                  .id = id, .clean = clean, .will_topic = "will", .will = "xxxx", .will_qos = 1, .will_retain = true});
    c->takes = 7;
    s->peers[s->n++] = c;
    rig_run(s->r);
    return c;
}

static void connecting(struct script *s)
{
    opens(s, "a", true);
    opens(s, "b", false);
    opens(s, "b", false);
    struct peer *c = opens(s, NULL, true);
    rig_drop(c);
}

static void subscribing(struct script *s)
{
    struct peer *a = opens(s, "a", true), *b = opens(s, "b", false);
    rig_send_subscribe(a, 1, "t:1 t/+:2 #:0 a/b/c/d/e:1");
    rig_send_subscribe(b, 1, "t:2 +/+:1 t/#:2");
    rig_run(s->r);
    rig_send_subscribe(b, 2, "t:0 x:1");
    rig_send_unsubscribe(a, 3, "t #");
    rig_run(s->r);
    rig_drop(b);
    rig_send_unsubscribe(a, 4, "t/+");
}

static void publishing(struct script *s)
{
    static char large[6000], topic[5000];
    memset(large, 'x', sizeof(large) - 1);
    memset(topic, 't', sizeof(topic) - 1);
    struct peer *a = opens(s, "a", true), *b = opens(s, "b", false), *c = opens(s, "c", true);
    rig_send_subscribe(b, 1, "#:2");
    rig_send_subscribe(c, 1, "#:1");
    rig_run(s->r);
    for (uint16_t i = 0; i < 9; i++) {
        rig_send_publish(a, i % 2 == 0 ? "t" : "t/longer", i < 4 ? "xxxx" : large, (uint8_t)(i % 3), false,
                         i % 3 > 0 ? i : 0);
        rig_send_publish(c, i == 8 ? topic : "own", "xxxx", (uint8_t)(i % 3), false, i % 3 > 0 ? i : 0);
    }
    for (uint16_t i = 2; i < 9; i += 3)
        rig_send_ack(a, PACKET_PUBREL, i);
    rig_run(s->r);
    struct packet p;
    while (b->client != NULL && rig_poll(b, &p))
        if (p.type == PACKET_PUBLISH && p.publish.qos > 0)
            rig_send_ack(b, p.publish.qos == 1 ? PACKET_PUBACK : PACKET_PUBREC, p.publish.id);
    rig_drop(b);
    opens(s, "b", false);
}

static void retaining(struct script *s)
{
    static char large[3000];
    memset(large, 'x', sizeof(large) - 1);
    struct peer *a = opens(s, "a", true), *b = opens(s, "b", false);
    rig_send_publish(a, "r/1", "xxxx", 0, true, 0);
    rig_send_publish(a, "r/2/3/4", large, 1, true, 2);
    rig_send_publish(a, "r/1", "xxxxxxxx", 2, true, 3);
    rig_send_publish(a, "r/2/3/5", "xxxx", 1, true, 4);
    rig_run(s->r);
    rig_send_subscribe(b, 1, "r/#:2 +/1:0");
    rig_run(s->r);
    rig_send_publish(a, "r/1", "", 1, true, 5);
    rig_drop(a); /* a retained will */
}

static void resuming(struct script *s)
{
    struct peer *b = opens(s, "b", false);
    rig_send_subscribe(b, 1, "t:2");
    rig_run(s->r);
    rig_drop(b);
    struct peer *a = opens(s, "a", true);
    for (uint16_t i = 1; i < 40; i++)
        rig_send_publish(a, "t", "xxxx", 1, false, i);
    rig_run(s->r);
    b = opens(s, "b", false);
    struct packet p;
    for (unsigned i = 0; i < 40 && b->client != NULL; i++) {
        rig_run(s->r);
        while (rig_poll(b, &p))
            if (p.type == PACKET_PUBLISH)
                rig_send_ack(b, PACKET_PUBACK, p.publish.id);
    }
    opens(s, "b", false);
}

/* What only 5.0 has: aliases both ways, properties, identifiers, wills that wait, groups, AUTH. */
static void speaking_5(struct script *s)
{
    struct props terms = {.has = RIG_HAS(SESSION_EXPIRY) | RIG_HAS(TOPIC_ALIAS_MAXIMUM) | RIG_HAS(RECEIVE_MAXIMUM),
                          .session_expiry = 100,
                          .topic_alias_maximum = 3,
                          .receive_maximum = 2};
    struct props will = {.has = RIG_HAS(WILL_DELAY) | RIG_HAS(CONTENT_TYPE), .will_delay = 5};
    struct props props = {.has = RIG_HAS(MESSAGE_EXPIRY) | RIG_HAS(TOPIC_ALIAS) | RIG_HAS(RESPONSE_TOPIC),
                          .message_expiry = 3};
    struct props auth = {.has = RIG_HAS(AUTH_METHOD) | RIG_HAS(AUTH_DATA)};
    will.content_type = bytes_str("c");
    will.raw = props.raw = rig_user_props("a=b c=d");
    props.response_topic = bytes_str("answers");
    auth.auth_method = bytes_str("toy");
    auth.auth_data = bytes_str("ann");
    const struct rig_connect how[] = {
        {.id = "a", .props = &terms, .will_topic = "will", .will = "xxxx", .will_qos = 1, .will_props = &will},
        {.id = "b", .props = &terms},
        {.clean = true, .props = &auth}};
    for (unsigned i = 0; i < 3; i++)
        s->peers[s->n++] = rig_start(s->r, &how[i]);
    struct peer *a = s->peers[0], *b = s->peers[1];
    rig_run(s->r);
    rig_send_auth(s->peers[2], REASON_CONTINUE_AUTHENTICATION, "toy", "yes");
    rig_send_subscribe_id(a, 1, "t/#:2p $share/g/t/+:1", 1);
    rig_send_subscribe_id(a, 2, "+/1:1 t/1:0", 7);
    rig_send_subscribe_id(b, 1, "t/1:1 $share/g/t/+:2", 200);
    rig_run(s->r);
    for (uint16_t i = 0; i < 12; i++) {
        props.topic_alias = 1 + i % 3;
        rig_send_publish_props(b, i < 3 ? "t/1" : "", "xxxx", (uint8_t)(i % 3), i % 4 == 0, i % 3 > 0 ? i : 0, &props);
    }
    rig_run(s->r);
    rig_drop(a);
    rig_advance(s->r, 4000);
    s->peers[s->n++] = rig_start(s->r, &how[0]);
    rig_run(s->r);
    rig_drop(s->peers[s->n - 1]);
    rig_advance(s->r, 6000);
}

/* Members of groups that leave with what they were given. */
static void sharing(struct script *s)
{
    struct peer *a = opens(s, "a", true), *b = opens(s, "b", false), *c = opens(s, "c", true);
    rig_send_subscribe(a, 1, "$share/g/t:1 $share/h/t:2");
    rig_send_subscribe(b, 1, "$share/g/t:2 t:1");
    rig_send_subscribe(c, 1, "$share/g/t:1 $share/g/+:0");
    rig_run(s->r);
    for (uint16_t i = 1; i < 14; i++)
        rig_send_publish(b, "t", "xxxx", (uint8_t)(i % 3), false, i % 3 > 0 ? i : 0);
    rig_run(s->r);
    rig_send_unsubscribe(c, 2, "$share/g/+");
    rig_drop(a);
    rig_drop(c);
    c = opens(s, "c", false);
    rig_send_subscribe(c, 1, "$share/g/t:2 $share/h/t:2");
    rig_run(s->r);
    rig_drop(b);
    opens(s, "b", true);
}

static void look_at_packet(const struct packet *p)
{
    if (p->type != PACKET_PUBLISH)
        return;
    for (size_t i = 0; i < p->publish.payload.n; i++)
        assert_int_equal(p->publish.payload.p[i], 'x');
}

/* Whole packets from the first byte on; on a connection that was closed, the last one may be cut off. */
static void look_at_stream(struct peer *c)
{
    size_t at = 0;
    while (at < c->got_n) {
        struct frame f;
        struct packet p;
        enum reason why;
        enum frame_result result = frame_parse(bytes_of(c->got + at, c->got_n - at), SIZE_MAX, c->proto, &f, &why);
        assert_int_not_equal(result, FRAME_BAD);
        if (result == FRAME_MORE) {
            assert_null(c->client);
            break;
        }
        assert_int_equal(packet_decode(&f, c->proto, &p), REASON_SUCCESS);
        look_at_packet(&p);
        at += f.total;
    }
    c->got_at = c->got_n;
}

/* The n-th allocation did fail? Else the counter is still running. */
static bool it_failed(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        void *p = mem_try_alloc(1);
        if (p == NULL)
            return false;
        mem_free(p);
    }
    mem_fail_at(0);
    return true;
}

static void works_again(struct rig *r)
{
    struct peer *a = rig_connect(r, .id = "again", .clean = true), *b = rig_connect(r, .id = "also", .clean = true);
    rig_subscribe(b, 1, "again:2");
    for (uint8_t qos = 0; qos < 3; qos++) {
        rig_publish(a, "again", "y", qos, true);
        rig_take(b, "again", "y", qos, false, false);
    }
    rig_subscribe(b, 2, "again:1");
    rig_take(b, "again", "y", 1, false, true);
    rig_expect_nothing(b);
}

static void each_allocation_fails_once(struct rig *from, void (*run)(struct script *s))
{
    unsigned n = 0;
    for (bool failed = true; failed;) {
        struct script s = {.r = rig_new(from->n, NULL, from->commits)};
        s.r->proto = from->proto;
        s.r->short_of_memory = true;
        mem_fail_at(++n);
        run(&s);
        rig_run(s.r);
        failed = it_failed(n);
        for (unsigned i = 0; i < s.n; i++)
            look_at_stream(s.peers[i]);
        works_again(s.r);
        rig_free(s.r);
    }
    assert_true(n > 5);
}

static void memory_fails_while_connecting(void **state)
{
    each_allocation_fails_once(*state, connecting);
}

static void memory_fails_while_subscribing(void **state)
{
    each_allocation_fails_once(*state, subscribing);
}

static void memory_fails_while_publishing(void **state)
{
    each_allocation_fails_once(*state, publishing);
}

static void memory_fails_while_retaining(void **state)
{
    each_allocation_fails_once(*state, retaining);
}

static void memory_fails_while_resuming(void **state)
{
    each_allocation_fails_once(*state, resuming);
}

static void memory_fails_while_sharing(void **state)
{
    each_allocation_fails_once(*state, sharing);
}

static void memory_fails_in_5(void **state)
{
    each_allocation_fails_once(*state, speaking_5);
}

/* Whatever fails: a QoS 2 publication arrives once, when its publisher goes on until it is acknowledged. */
static void qos_2_stays_exactly_once(void **state)
{
    struct rig *from = *state;
    unsigned n = 0;
    for (bool failed = true; failed;) {
        struct rig *r = rig_new(from->n, NULL, from->commits);
        r->proto = from->proto;
        struct peer *w = rig_clean(r, "w"), *a = rig_keep(r, "a");
        rig_subscribe(w, 1, "t:0");
        mem_fail_at(++n);
        rig_send_publish(a, "t", "x", 2, false, 7);
        rig_run(r);
        failed = it_failed(n);
        unsigned recs = 0;
        for (unsigned round = 0; round < 4 && recs == 0; round++) {
            struct packet p;
            while (rig_poll(a, &p))
                recs += p.type == PACKET_PUBREC && p.ack.reason < REASON_UNSPECIFIED;
            if (recs > 0)
                break;
            if (a->client != NULL)
                rig_drop(a);
            a = rig_resume(r, "a");
            rig_send_publish_dup(a, "t", "x", 2, false, 7);
            rig_run(r);
        }
        assert_int_equal(recs, 1);
        if (w->client != NULL)
            rig_take(w, "t", "x", 0, false, false);
        if (w->client != NULL)
            rig_expect_nothing(w);
        rig_free(r);
    }
    assert_true(n > 2);
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST_IN(memory_fails_while_connecting, RIG_WHOLE), RIG_TEST_IN(memory_fails_while_subscribing, RIG_WHOLE),
        RIG_TEST_IN(memory_fails_while_publishing, RIG_WHOLE), RIG_TEST_IN(memory_fails_while_retaining, RIG_WHOLE),
        RIG_TEST_IN(memory_fails_while_resuming, RIG_WHOLE),   RIG_TEST_IN(qos_2_stays_exactly_once, RIG_WHOLE),
        RIG_TEST_IN(memory_fails_while_sharing, RIG_WHOLE),    RIG_TEST_IN(memory_fails_in_5, RIG_WHOLE | RIG_5),
    };
    return RIG_MAIN(tests);
}
