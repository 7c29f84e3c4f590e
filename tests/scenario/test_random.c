/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Thousands of random steps, seeded: publishing, acknowledging or not, breaking connections, taking over, commits that
 * come late or fail, shards that have turns in any order. The oracle is simple because subscriptions stand from the
 * start and limits are wide: of each publisher's messages of one QoS, every subscriber sees
 *
 *   QoS 0   no message twice, none before an earlier one
 *   QoS 1   each at least once; first sights in order
 *   QoS 2   each exactly once, in order; in 5.0, those that were refused not at all
 *
 * Clients do what the standard asks of clients: they send again, in order and with DUP, what was not acknowledged.
 */
#include "rig/rig_walk.h"
#include "scenario.h"

enum { CLIENTS = RIG_WALKERS, MOST_OPEN = 12, STEPS = 6000, MOST_NUMBERS = 6000 };

struct sent {
    unsigned number;
    uint16_t id;
    uint8_t qos;
    bool released;
};

struct client_model {
    struct peer *peer;
    unsigned index;
    bool up, ever;
    struct sent open[MOST_OPEN]; /* published and not acknowledged, in order */
    unsigned open_n, next[3];    /* numbers, by QoS */
    bool refused[MOST_NUMBERS];  /* 5.0, at QoS 2, for want of a commit: they are not sent again */
    bool seen2[CLIENTS][MOST_NUMBERS];
    uint16_t next_id;
    uint16_t unacked[64]; /* QoS 1 that this client has taken and not answered yet */
    unsigned unacked_n;
    uint8_t pending2[65536 / 8]; /* QoS 2 that it has taken and whose PUBREL has not come */
    unsigned seen[CLIENTS][3];   /* the next number, from each publisher, by QoS */
};

struct model {
    struct rig *r;
    struct client_model c[CLIENTS];
    uint64_t seed;
    unsigned delivered, resumed, heard;
    bool settle; /* no more trouble: everybody answers everything */
};

static void send_one(struct client_model *c, const struct sent *s, bool dup)
{
    char topic[16], payload[16];
    snprintf(topic, sizeof(topic), "t/%u/%u", c->index, s->qos);
    snprintf(payload, sizeof(payload), "%u", s->number);
    if (s->released)
        rig_send_ack(c->peer, PACKET_PUBREL, s->id);
    else if (dup)
        rig_send_publish_dup(c->peer, topic, payload, s->qos, false, s->id);
    else
        rig_send_publish(c->peer, topic, payload, s->qos, false, s->id);
}

static void publish(struct model *m, struct client_model *c)
{
    uint8_t qos = (uint8_t)rig_roll(&m->seed, 3);
    if (!c->up || (qos > 0 && c->open_n == MOST_OPEN))
        return;
    struct sent s = {.number = c->next[qos]++, .qos = qos};
    if (qos > 0) {
        s.id = c->next_id = c->next_id == UINT16_MAX ? 1 : (uint16_t)(c->next_id + 1);
        c->open[c->open_n++] = s;
    }
    send_one(c, &s, false);
}

static void connect(struct model *m, struct client_model *c)
{
    c->up = false;
    int at = 1 + (int)rig_roll(&m->seed, m->r->n);
    struct props props = {.has = RIG_HAS(SESSION_EXPIRY), .session_expiry = RIG_FOREVER};
    if (m->r->proto == PROTO_5) { /* each connection with terms of its own */
        props.has |= RIG_HAS(RECEIVE_MAXIMUM) | RIG_HAS(TOPIC_ALIAS_MAXIMUM);
        props.receive_maximum = (uint16_t)(1 + rig_roll(&m->seed, 30));
        props.topic_alias_maximum = (uint16_t)rig_roll(&m->seed, 6);
    }
    c->peer = rig_start(m->r, &(struct rig_connect){.id = rig_walker(c->index), .at = at, .props = &props});
    c->peer->chunk = rig_roll(&m->seed, 3) == 0 ? 1 + rig_roll(&m->seed, 40) : 0;
}

static void on_connack(struct model *m, struct client_model *c, const struct packet *p)
{
    if (p->connack.reason == REASON_QUOTA_EXCEEDED && m->r->proto == PROTO_5)
        return; /* the commit failed that it told of */
    assert_int_equal(p->connack.reason, REASON_SUCCESS);
    assert_int_equal(p->connack.session_present, c->ever && m->r->proto != PROTO_31);
    c->up = c->ever = true;
    c->unacked_n = 0; /* comes again */
    m->resumed++;
    for (unsigned i = 0; i < c->open_n; i++)
        send_one(c, &c->open[i], true);
}

/* Once each. In order, but in 5.0, where one that could not be stored may be refused when others are behind it. */
static void see_2(const struct model *m, struct client_model *c, unsigned from, unsigned number)
{
    unsigned *next = &c->seen[from][2];
    assert_true(number < MOST_NUMBERS && !c->seen2[from][number]);
    c->seen2[from][number] = true;
    if (m->r->proto != PROTO_5)
        assert_int_equal(number, *next);
    *next = number >= *next ? number + 1 : *next;
}

static void judge_2(const struct client_model *c, const struct client_model *from)
{
    for (unsigned i = 0; i < from->next[2]; i++)
        assert_int_equal(c->seen2[from->index][i], !from->refused[i]);
}

static void see(struct model *m, struct client_model *c, const struct packet_publish *p)
{
    unsigned from = number_in(p->topic, 2), qos = number_in(p->topic, 4), number = number_in(p->payload, 0);
    assert_int_equal(p->qos, qos);
    unsigned *next = &c->seen[from][qos];
    m->delivered++;
    if (qos == 0) {
        assert_true(number >= *next);
        *next = number + 1;
    } else if (qos == 1) {
        assert_true(number <= *next);
        *next += number == *next;
    } else if ((c->pending2[p->id / 8] & 1u << p->id % 8) == 0) {
        see_2(m, c, from, number);
        c->pending2[p->id / 8] |= (uint8_t)(1u << p->id % 8);
    } else {
        assert_true(p->dup);
    }
}

static void on_publish(struct model *m, struct client_model *c, const struct packet_publish *p)
{
    see(m, c, p);
    if (p->qos == 2) {
        rig_send_ack(c->peer, PACKET_PUBREC, p->id);
    } else if (p->qos == 1) {
        assert_true(c->unacked_n < 64);
        c->unacked[c->unacked_n++] = p->id;
    }
}

static struct sent *open_one(struct client_model *c, uint16_t id)
{
    for (unsigned i = 0; i < c->open_n; i++)
        if (c->open[i].id == id)
            return &c->open[i];
    return NULL;
}

static void forget(struct client_model *c, struct sent *s)
{
    memmove(s, s + 1, (size_t)(&c->open[--c->open_n] - s) * sizeof(*s));
}

static void on_ack(struct client_model *c, const struct packet *p)
{
    struct sent *s = open_one(c, p->ack.id);
    if (p->type == PACKET_PUBREL) {
        c->pending2[p->ack.id / 8] &= (uint8_t) ~(1u << p->ack.id % 8);
        rig_send_ack(c->peer, PACKET_PUBCOMP, p->ack.id);
    } else if (p->type == PACKET_PUBREC && p->ack.reason == REASON_QUOTA_EXCEEDED) {
        assert_non_null(s);
        assert_true(s->number < MOST_NUMBERS);
        c->refused[s->number] = true;
        forget(c, s);
    } else if (p->type == PACKET_PUBREC) {
        assert_non_null(s);
        s->released = true;
        rig_send_ack(c->peer, PACKET_PUBREL, s->id);
    } else {
        assert_non_null(s);
        assert_int_equal(p->type, s->qos == 1 ? PACKET_PUBACK : PACKET_PUBCOMP);
        forget(c, s);
    }
}

static void acknowledge(struct model *m, struct client_model *c)
{
    while (c->up && c->unacked_n > 0 && (m->settle || rig_roll(&m->seed, 4) > 0)) {
        rig_send_ack(c->peer, PACKET_PUBACK, c->unacked[0]);
        memmove(c->unacked, c->unacked + 1, --c->unacked_n * sizeof(c->unacked[0]));
    }
}

static void listen(struct model *m, struct client_model *c)
{
    struct packet p;
    for (unsigned most = m->settle ? 10000 : rig_roll(&m->seed, 30); most > 0 && rig_poll(c->peer, &p); most--) {
        m->heard++;
        if (p.type == PACKET_CONNACK)
            on_connack(m, c, &p);
        else if (p.type == PACKET_PUBLISH)
            on_publish(m, c, &p.publish);
        else if (p.type != PACKET_DISCONNECT)
            on_ack(c, &p);
    }
    acknowledge(m, c);
}

static void trouble(struct model *m, struct client_model *c)
{
    switch (rig_roll(&m->seed, 6)) {
    case 0:
        c->peer->dropped = true;
        c->up = false;
        break;
    case 1:
        connect(m, c); /* takes over */
        break;
    case 2:
        rig_commit_on(m->r, rig_roll(&m->seed, m->r->n), SIZE_MAX, true);
        break;
    case 3:
        c->peer->stalled = !c->peer->stalled;
        c->peer->woken = true;
        break;
    default:
        m->r->now += rig_roll(&m->seed, 1000);
    }
}

static void step(struct model *m)
{
    struct client_model *c = &m->c[rig_roll(&m->seed, CLIENTS)];
    switch (rig_roll(&m->seed, 8)) {
    case 0:
    case 1:
        publish(m, c);
        break;
    case 2:
    case 3:
        listen(m, c);
        break;
    case 4:
        rig_commit_on(m->r, rig_roll(&m->seed, m->r->n), 1 + rig_roll(&m->seed, 20), false);
        break;
    case 5:
        if (rig_roll(&m->seed, 12) == 0)
            trouble(m, c);
        break;
    default:
        rig_turn(m->r, rig_roll(&m->seed, m->r->n));
    }
    if (c->peer->client == NULL)
        connect(m, c);
}

static void begin(struct model *m, struct rig *r, uint64_t seed)
{
    *m = (struct model){.r = r, .seed = seed};
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client_model *c = &m->c[i];
        c->index = i;
        connect(m, c);
        rig_commit(r, SIZE_MAX);
        listen(m, c);
        while (!c->up)
            listen(m, c);
        rig_send_subscribe(c->peer, 1, i % 2 == 0 ? "t/#:2" : "t/+/0:0 t/+/1:1 t/+/2:2 t/+/+:0");
        rig_commit(r, SIZE_MAX);
        struct packet p;
        rig_expect_packet(c->peer, PACKET_SUBACK, &p);
    }
}

static void settle(struct model *m)
{
    m->settle = true;
    for (unsigned quiet = 0, heard = m->heard; quiet < 20; quiet++) {
        if (m->heard != heard)
            quiet = 0; /* small windows take many rounds */
        heard = m->heard;
        for (unsigned k = 0; k < CLIENTS; k++) {
            struct client_model *c = &m->c[k];
            c->peer->stalled = false;
            c->peer->woken = true;
            if (c->peer->client == NULL)
                connect(m, c);
            c->peer->chunk = 0;
        }
        rig_commit(m->r, SIZE_MAX);
        for (unsigned k = 0; k < CLIENTS; k++)
            listen(m, &m->c[k]);
    }
}

static void judge(struct model *m)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        assert_int_equal(m->c[i].open_n, 0);
        for (unsigned k = 0; k < CLIENTS; k++) {
            assert_int_equal(m->c[i].seen[k][1], m->c[k].next[1]);
            judge_2(&m->c[i], &m->c[k]);
        }
    }
    assert_int_equal(rig_stats(m->r).messages_dropped, 0);
    assert_int_equal(rig_rows(m->r), 0);
    assert_true(m->delivered > STEPS / 4 && m->resumed > CLIENTS);
}

static void walk(void *model, struct rig *r, uint64_t seed)
{
    struct model *m = model;
    begin(m, r, seed);
    for (unsigned i = 0; i < STEPS; i++)
        step(m);
    settle(m);
    judge(m);
    for (unsigned i = 0; i < CLIENTS; i++)
        rig_end_session(r, m->c[i].peer, rig_walker(i));
}

static void nothing_is_lost_doubled_or_reordered(void **state)
{
    struct model *m = calloc(1, sizeof(*m));
    rig_walk(&(struct rig_walk){*state, m, walk});
    free(m);
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST_LIMITS(nothing_is_lost_doubled_or_reordered, RIG_MANUAL, rig_wide),
        RIG_TEST_LIMITS(nothing_is_lost_doubled_or_reordered, RIG_HEAVY, rig_wide),
    };
    return RIG_MAIN(tests);
}
