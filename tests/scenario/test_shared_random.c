/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Thousands of random steps, seeded, with two groups whose members come, leave, break off, are taken over, expire, take
 * nothing or acknowledge late, on shards that have turns in any order. Two members are kept for ever, so that no group
 * is ever empty. What must hold:
 *
 *   QoS 1   each message is acknowledged once, by one member; or else counted as dropped, which with wide limits
 *           none is
 *   QoS 2   no message is seen by two members, or twice by one
 */
#include "rig/rig_walk.h"
#include "scenario.h"

enum { CLIENTS = RIG_WALKERS, STEPS = 8000, KEPT = 2, GROUPS = 2, MESSAGES = 4000, UNACKED = 256 };

struct unacked {
    uint16_t id;
    unsigned number;
};

struct member {
    struct peer *peer;
    const char *id;
    bool kept, up, in[GROUPS];
    struct unacked unacked[UNACKED]; /* QoS 1 that it took on this connection, not answered yet */
    unsigned unacked_n;
    uint8_t pending2[65536 / 8]; /* QoS 2 whose PUBREL has not come */
};

struct model {
    struct rig *r;
    struct member m[CLIENTS];
    struct peer *publisher[2];
    uint16_t next_id[2];
    unsigned n; /* messages published */
    uint8_t qos[MESSAGES], acknowledged[MESSAGES], seen[MESSAGES];
    unsigned ended, refused;
    uint64_t seed, dropped_before;
    bool only_1;
};

static const char *filter(unsigned group, bool with_qos)
{
    static const char *const filters[GROUPS][2] = {{"$share/g/t/0", "$share/g/t/0:2"},
                                                   {"$share/h/+/1", "$share/h/+/1:2"}};
    return filters[group][with_qos];
}

/* ------------------------------------------------------------ publishing */

static void publish(struct model *m)
{
    char payload[16];
    unsigned who = rig_roll(&m->seed, 2);
    uint8_t qos = m->only_1 ? 1 : (uint8_t)(1 + rig_roll(&m->seed, 2));
    if (m->n == MESSAGES)
        return;
    snprintf(payload, sizeof(payload), "%u", m->n);
    m->qos[m->n++] = qos;
    m->next_id[who] = m->next_id[who] == UINT16_MAX ? 1 : (uint16_t)(m->next_id[who] + 1);
    rig_send_publish(m->publisher[who], rig_roll(&m->seed, GROUPS) == 0 ? "t/0" : "t/1", payload, qos, false,
                     m->next_id[who]);
}

static void hear_answers(struct model *m)
{
    struct packet p;
    for (unsigned i = 0; i < 2; i++)
        while (rig_poll(m->publisher[i], &p)) {
            bool full = p.ack.reason == REASON_QUOTA_EXCEEDED;
            assert_true(full || p.ack.reason == REASON_SUCCESS); /* somebody wants it */
            if (p.type == PACKET_PUBREC && !full)
                rig_send_ack(m->publisher[i], PACKET_PUBREL, p.ack.id);
        }
}

/* --------------------------------------------------------------- members */

static void connect(struct model *m, struct member *c)
{
    bool clean = !c->kept && rig_roll(&m->seed, 2) == 0;
    struct props brief = {.has = RIG_HAS(SESSION_EXPIRY) | RIG_HAS(RECEIVE_MAXIMUM),
                          .session_expiry = 20,
                          .receive_maximum = (uint16_t)m->r->limits.max_inflight};
    c->up = false;
    c->unacked_n = 0;
    c->peer = rig_start(
        m->r, &(struct rig_connect){.id = c->id,
                                    .clean = clean,
                                    .at = 1 + (int)rig_roll(&m->seed, m->r->n),
                                    .props = !c->kept && !clean && rig_roll(&m->seed, 2) == 0 ? &brief : NULL});
}

static void subscribe(struct model *m, struct member *c, unsigned group)
{
    c->in[group] = c->kept || !c->in[group] || rig_roll(&m->seed, 4) == 0;
    if (c->in[group])
        rig_send_subscribe(c->peer, 1, filter(group, true));
    else
        rig_send_unsubscribe(c->peer, 1, filter(group, false));
}

static void on_connack(struct model *m, struct member *c, const struct packet_connack *p)
{
    c->up = p->reason == REASON_SUCCESS;
    if (p->reason == REASON_UNSPECIFIED) { /* taken over before it was told that it is in */
        m->refused++;
        return;
    }
    assert_int_equal(p->reason, REASON_SUCCESS);
    if (p->session_present)
        return;
    m->ended++;
    memset(c->pending2, 0, sizeof(c->pending2));
    memset(c->in, 0, sizeof(c->in));
}

static void on_publish(struct model *m, struct member *c, const struct packet_publish *p)
{
    unsigned number = number_in(p->payload, 0);
    assert_true(number < m->n && p->qos == m->qos[number]);
    if (p->qos == 1) {
        assert_true(c->unacked_n < UNACKED);
        c->unacked[c->unacked_n++] = (struct unacked){p->id, number};
        return;
    }
    rig_send_ack(c->peer, PACKET_PUBREC, p->id);
    if ((c->pending2[p->id / 8] & 1u << p->id % 8) == 0)
        m->seen[number]++;
    else
        assert_true(p->dup);
    assert_int_equal(m->seen[number], 1);
    c->pending2[p->id / 8] |= (uint8_t)(1u << p->id % 8);
}

static void on_packet(struct model *m, struct member *c, const struct packet *p)
{
    if (p->type == PACKET_CONNACK) {
        on_connack(m, c, &p->connack);
    } else if (p->type == PACKET_PUBLISH) {
        on_publish(m, c, &p->publish);
    } else if (p->type == PACKET_PUBREL) {
        c->pending2[p->ack.id / 8] &= (uint8_t) ~(1u << p->ack.id % 8);
        rig_send_ack(c->peer, PACKET_PUBCOMP, p->ack.id);
    } else if (p->type == PACKET_DISCONNECT) {
        m->refused++;
    } else {
        assert_true(p->type == PACKET_SUBACK || p->type == PACKET_UNSUBACK);
    }
}

static void listen(struct model *m, struct member *c, unsigned most)
{
    struct packet p;
    for (; most > 0 && rig_poll(c->peer, &p); most--)
        on_packet(m, c, &p);
}

/* The core has read all that the peer sent; what a connection that is over did not read was never sent. */
static bool arrives(struct model *m, struct member *c)
{
    for (unsigned i = 0; i < 4 && c->peer->client != NULL && c->peer->in_n > 0; i++)
        rig_turn(m->r, c->peer->shard);
    return c->peer->in_n == 0;
}

static void acknowledge(struct model *m, struct member *c, unsigned most)
{
    for (; c->up && c->unacked_n > 0 && most > 0; most--) {
        unsigned i = rig_roll(&m->seed, 4) == 0 ? rig_roll(&m->seed, c->unacked_n) : 0;
        struct unacked u = c->unacked[i];
        if (c->peer->client == NULL || !arrives(m, c))
            return;
        rig_send_ack(c->peer, PACKET_PUBACK, u.id);
        if (!arrives(m, c))
            return;
        memmove(&c->unacked[i], &c->unacked[i + 1], (--c->unacked_n - i) * sizeof(u));
        m->acknowledged[u.number]++;
        assert_int_equal(m->acknowledged[u.number], 1);
    }
}

static void trouble(struct model *m, struct member *c)
{
    switch (rig_roll(&m->seed, 6)) {
    case 0:
        c->peer->dropped = true;
        c->up = false;
        break;
    case 1:
        if (c->up)
            rig_send_disconnect(c->peer, REASON_SUCCESS, NULL);
        c->up = false;
        break;
    case 2:
        connect(m, c); /* takes over, or ends its own session */
        break;
    case 3:
        c->peer->stalled = !c->peer->stalled;
        c->peer->woken = true;
        break;
    case 4:
        m->r->now += rig_roll(&m->seed, 15000);
        break;
    default:
        if (c->up)
            subscribe(m, c, rig_roll(&m->seed, GROUPS));
    }
}

/* ----------------------------------------------------------------- steps */

static void step(struct model *m)
{
    struct member *c = &m->m[rig_roll(&m->seed, CLIENTS)];
    switch (rig_roll(&m->seed, 8)) {
    case 0:
    case 1:
        publish(m);
        break;
    case 2:
        listen(m, c, rig_roll(&m->seed, 20));
        break;
    case 3:
        acknowledge(m, c, rig_roll(&m->seed, 6));
        break;
    case 4:
        rig_commit_on(m->r, rig_roll(&m->seed, m->r->n), 1 + rig_roll(&m->seed, 20), false);
        hear_answers(m);
        break;
    case 5:
        if (rig_roll(&m->seed, 5) == 0)
            trouble(m, c);
        break;
    default:
        rig_turn(m->r, rig_roll(&m->seed, m->r->n));
    }
    if (c->peer->client == NULL && rig_roll(&m->seed, 6) == 0)
        connect(m, c);
}

static void begin(struct model *m, struct rig *r, uint64_t seed)
{
    *m = (struct model){.r = r, .seed = seed, .only_1 = r->limits.max_queued_messages < 100};
    m->dropped_before = rig_stats(r).messages_dropped;
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct member *c = &m->m[i];
        c->id = rig_walker(i);
        c->kept = i < KEPT;
        connect(m, c);
        rig_commit(r, SIZE_MAX);
        listen(m, c, UINT32_MAX);
        assert_true(c->up);
        for (unsigned g = 0; g < GROUPS; g++)
            subscribe(m, c, g);
        rig_commit(r, SIZE_MAX);
    }
    for (unsigned i = 0; i < 2; i++)
        m->publisher[i] = rig_clean(r, i == 0 ? "pat" : "quinn");
}

/* No more trouble: all are there and answer, and those who were not to stay leave, the kept ones last. */
static void settle(struct model *m)
{
    for (unsigned round = 0; round < 400; round++) {
        for (unsigned i = 0; i < CLIENTS; i++) {
            struct member *c = &m->m[i];
            c->peer->stalled = false;
            c->peer->woken = true;
            if (round == 200 && !c->kept)
                c->peer->dropped = true;
            else if (c->peer->client == NULL && (round < 200 || c->kept))
                connect(m, c);
        }
        rig_commit(m->r, SIZE_MAX);
        hear_answers(m);
        if (round == 300)
            rig_advance(m->r, 100000);
        for (unsigned i = 0; i < CLIENTS; i++) {
            listen(m, &m->m[i], UINT32_MAX);
            acknowledge(m, &m->m[i], UINT32_MAX);
        }
    }
}

static void judge(struct model *m)
{
    unsigned missing = 0, ones = 0;
    for (unsigned i = 0; i < m->n; i++) {
        ones += m->qos[i] == 1;
        missing += m->qos[i] == 1 && m->acknowledged[i] == 0;
    }
    assert_int_equal(missing, rig_stats(m->r).messages_dropped - m->dropped_before);
    assert_true(m->only_1 ? missing < ones : missing == 0);
    assert_true(ones > 100 && m->ended > CLIENTS);
}

/* Nothing stays for the next seed. */
static void end(struct model *m)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        rig_end_session(m->r, m->m[i].peer, m->m[i].id);
    for (unsigned i = 0; i < 2; i++)
        rig_drop(m->publisher[i]);
    rig_commit(m->r, SIZE_MAX);
    assert_int_equal(rig_stats(m->r).sessions, 0);
}

static void walk(void *model, struct rig *r, uint64_t seed)
{
    struct model *m = model;
    begin(m, r, seed);
    for (unsigned i = 0; i < STEPS; i++)
        step(m);
    settle(m);
    judge(m);
    end(m);
}

static void each_message_is_acknowledged_once(void **state)
{
    struct model *m = calloc(1, sizeof(*m));
    rig_walk(&(struct rig_walk){*state, m, walk});
    free(m);
}

static void drop_oldest(struct limits *l)
{
    l->max_inflight = 2;
    l->max_queued_messages = 3;
}

static void drop_newest(struct limits *l)
{
    drop_oldest(l);
    l->queue_policy = QUEUE_DROP_NEWEST;
}

static void disconnect(struct limits *l)
{
    drop_oldest(l);
    l->queue_policy = QUEUE_DISCONNECT;
}

#define WHERE (RIG_311 | RIG_5)

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST_LIMITS(each_message_is_acknowledged_once, WHERE | RIG_MANUAL, rig_wide),
        RIG_TEST_LIMITS(each_message_is_acknowledged_once, WHERE | RIG_HEAVY, rig_wide),
        RIG_TEST_LIMITS(each_message_is_acknowledged_once, WHERE | RIG_MANUAL, drop_oldest),
        RIG_TEST_LIMITS(each_message_is_acknowledged_once, WHERE | RIG_HEAVY, drop_oldest),
        RIG_TEST_LIMITS(each_message_is_acknowledged_once, WHERE | RIG_HEAVY, drop_newest),
        RIG_TEST_LIMITS(each_message_is_acknowledged_once, WHERE | RIG_HEAVY, disconnect),
    };
    return RIG_MAIN(tests);
}
