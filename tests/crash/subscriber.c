/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash.h"

#define RETRY_MS 4
#define STAY_MS 250
#define AWAY_MS 1500
#define HOLD_MS 60

void subscriber_init(struct subscriber *s, unsigned index)
{
    memset(s, 0, sizeof(*s));
    wire_init(&s->w, index / 3 % 2 != 0);
    wire_init(&s->old, false);
    s->index = index;
    s->habit = (enum habit)(index % 3);
    s->qos = index % 4 == 3 ? 1 : 2;
}

void subscriber_fini(struct subscriber *s)
{
    wire_close(&s->w, false);
    wire_close(&s->old, false);
    free(s->w.out);
}

static void lost(struct subscriber *s)
{
    wire_close(&s->w, false);
    s->connected = false;
    s->acks_n = 0; /* they belong to their connection */
    s->retry_at = now_ms() + RETRY_MS;
}

static void acknowledge(struct subscriber *s, uint8_t first, uint16_t id)
{
    if (s->acks_n == sizeof(s->acks) / sizeof(s->acks[0])) {
        wrong("subscriber %u is sent more than it allows", s->index);
        return;
    }
    s->acks[s->acks_n].first = first;
    s->acks[s->acks_n++].id = id;
}

static void send_acks(struct subscriber *s)
{
    for (unsigned i = 0; i < s->acks_n; i++)
        send_ack(&s->w, s->acks[i].first, s->acks[i].id);
    s->acks_n = 0;
}

static void on_connack(struct subscriber *s, struct packet *k)
{
    bool present = get_8(k) == 1;
    uint8_t code = get_8(k);
    if (code != 0)
        wrong("subscriber %u was refused: CONNACK %02x", s->index, code);
    if (s->had_session && !present)
        wrong("subscriber %u: its session is gone", s->index);
    if (!present)
        memset(s->received, 0, sizeof(s->received));
    s->connected = s->had_session = true;
    s->leave_at = now_ms() + draw(STAY_MS);
    if (!s->subscribed)
        send_subscribe(&s->w, 1, "t/#", s->qos);
}

/* The application's part: a message that is new to the protocol. */
static void hand_over(struct subscriber *s, const struct packet *k, uint8_t qos)
{
    char text[64] = "";
    unsigned publisher, kind, number;
    size_t n = (size_t)(k->end - k->p);
    if (n < sizeof(text))
        memcpy(text, k->p, n);
    if (n >= sizeof(text) || sscanf(text, "%u %u %u", &publisher, &kind, &number) != 3) {
        wrong("subscriber %u got a message that nobody sent", s->index);
        return;
    }
    s->arrivals++;
    ledger_arrived(s->index, publisher, kind, number, qos == 2);
    if (qos != (kind == KIND_2 ? s->qos : 1))
        wrong("subscriber %u got message %u of topic %u of publisher %u with QoS %u", s->index, number, kind, publisher,
              qos);
}

static void on_publish(struct subscriber *s, struct packet *k)
{
    uint8_t qos = k->first >> 1 & 3;
    uint16_t topic_n = get_16(k);
    k->p = topic_n <= k->end - k->p ? k->p + topic_n : k->end;
    uint16_t id = qos > 0 ? get_16(k) : 0;
    s->last_id = id;
    if (s->w.v5)
        get_properties(k);
    bool known = qos == 2 && (s->received[id / 8] & 1u << id % 8) != 0;
    if (!known)
        hand_over(s, k, qos);
    if (qos == 2)
        s->received[id / 8] |= (uint8_t)(1u << id % 8);
    if (qos > 0)
        acknowledge(s, qos == 1 ? 0x40 : 0x50, id);
}

static void on_packet(struct subscriber *s, struct packet *k)
{
    uint16_t id;
    switch (k->first & 0xf0) {
    case 0x20:
        on_connack(s, k);
        break;
    case 0x30:
        on_publish(s, k);
        break;
    case 0x60:
        id = get_16(k);
        s->received[id / 8] &= (uint8_t) ~(1u << id % 8);
        acknowledge(s, 0x70, id);
        break;
    case 0x90:
        if (!s->subscribed)
            ledger_subscribed(s->index);
        s->subscribed = true;
        break;
    case 0xe0: /* taken over, or the broker stops */
        break;
    default:
        wrong("subscriber %u got packet %02x", s->index, k->first);
    }
}

static void join(struct subscriber *s, uint16_t port)
{
    char id[16];
    if (!wire_open(&s->w, port)) {
        s->retry_at = now_ms() + RETRY_MS;
        return;
    }
    snprintf(id, sizeof(id), "sub%u", s->index);
    send_connect(&s->w, id, false, s->index % 2 != 0 ? 5 : 40);
}

/* In order, torn, or to be taken over by the next connection. */
static void leave(struct subscriber *s)
{
    uint64_t how = draw(4);
    wire_close(&s->old, false);
    if (how == 0) {
        s->old.fd = s->w.fd;
        s->w.fd = -1;
    } else if (how < 3) {
        send_disconnect(&s->w);
        (void)wire_turn(&s->w);
    }
    wire_close(&s->w, how == 3);
    lost(s);
    s->join_at = how == 0 ? 0 : now_ms() + draw(s->habit == AWAY ? 2 * AWAY_MS : STAY_MS);
}

void subscriber_turn(struct subscriber *s, uint16_t port, bool all)
{
    uint64_t now = now_ms();
    if (s->w.fd < 0 && now >= s->retry_at && (all || now >= s->join_at))
        join(s, port);
    if (s->w.fd < 0)
        return;
    if (all || now >= s->hold_until) {
        send_acks(s);
        s->hold_until = draw(10) == 0 ? now + draw(HOLD_MS) : 0;
    }
    bool on = wire_turn(&s->w);
    struct packet k;
    size_t at = 0;
    while (wire_next(&s->w, &at, &k))
        on_packet(s, &k);
    wire_done(&s->w, at);
    if (!on)
        lost(s);
    else if (!all && s->connected && s->subscribed && s->habit != ONLINE && now >= s->leave_at)
        leave(s);
}
