/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the scenarios of shared subscriptions have in common. */
#pragma once

#include "v5.h"

/* The numbers ("m7") of what a peer was sent, in order. */
struct taken {
    unsigned n;
    unsigned v[64];
};

static inline void take_one(struct peer *c, const struct packet *p, struct taken *t)
{
    if (p->type == PACKET_PUBREL) {
        rig_send_ack(c, PACKET_PUBCOMP, p->ack.id);
        return;
    }
    assert_int_equal(p->type, PACKET_PUBLISH);
    assert_true(t->n < 64);
    t->v[t->n++] = number_in(p->publish.payload, 1);
    if (p->publish.qos > 0)
        rig_send_ack(c, p->publish.qos == 1 ? PACKET_PUBACK : PACKET_PUBREC, p->publish.id);
}

/* Takes all that comes, and acknowledges it to the end. */
static inline struct taken takes(struct peer *c)
{
    struct taken t = {0};
    struct packet p;
    while (rig_next(c, &p))
        take_one(c, &p, &t);
    return t;
}

static inline unsigned count(struct peer *c)
{
    return takes(c).n;
}

/* m<from> .. m<to - 1>, in that order, and no more. */
static inline void assert_row(struct peer *c, unsigned from, unsigned to)
{
    struct taken t = takes(c);
    for (unsigned i = 0; i < t.n && from + i < to; i++)
        assert_int_equal(t.v[i], from + i);
    assert_int_equal(t.n, to - from);
}

/* The same, with no order asked for, from several peers in all; no number twice. */
static inline void assert_all(struct peer *const *c, unsigned peers, unsigned from, unsigned to)
{
    unsigned seen[64] = {0};
    for (unsigned i = 0; i < peers; i++) {
        struct taken t = takes(c[i]);
        for (unsigned k = 0; k < t.n; k++) {
            assert_true(t.v[k] < 64);
            seen[t.v[k]]++;
        }
    }
    for (unsigned k = 0; k < 64; k++)
        assert_int_equal(seen[k], k >= from && k < to);
}

/* m<from> .. m<to - 1> to topic t. */
static inline void publish_row(struct peer *c, unsigned from, unsigned to, uint8_t qos)
{
    for (unsigned i = from; i < to; i++)
        rig_publish(c, "t", numbered(i), qos, false);
}

static inline struct peer *joins(struct peer *c, const char *filters)
{
    rig_subscribe(c, 1, filters);
    return c;
}

static inline uint64_t dropped(const struct rig *r)
{
    return rig_stats(r).messages_dropped;
}
