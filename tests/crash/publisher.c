/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash.h"

#define RETRY_MS 4
#define PAUSE_MS 40

void publisher_init(struct publisher *p, unsigned index, unsigned qos)
{
    memset(p, 0, sizeof(*p));
    wire_init(&p->w, index % 2 != 0);
    p->index = index;
    p->qos = qos;
    p->kept = index % 4 < 2;
}

void publisher_fini(struct publisher *p)
{
    wire_close(&p->w, false);
    free(p->w.out);
}

static void lost(struct publisher *p)
{
    wire_close(&p->w, false);
    p->connected = false;
    p->retry_at = now_ms() + RETRY_MS;
    if (!p->kept)
        p->n = 0; /* what becomes of it nobody will know */
}

static void publish(struct publisher *p, const struct flight *f, bool again)
{
    char topic[32], payload[64];
    snprintf(topic, sizeof(topic), "%s/%u/%u", f->kind == KIND_RETAINED ? "r" : "t", p->index, f->kind);
    snprintf(payload, sizeof(payload), "%u %u %u", p->index, f->kind, f->number);
    uint8_t qos = f->kind == KIND_2 ? 2 : 1;
    send_publish(&p->w, (uint8_t)(qos << 1 | (again ? 8 : 0) | (f->kind == KIND_RETAINED)), topic, f->id, payload);
}

static void send_again(struct publisher *p)
{
    for (unsigned i = 0; i < p->n; i++) {
        if (p->flights[i].received)
            send_ack(&p->w, 0x62, p->flights[i].id);
        else
            publish(p, &p->flights[i], true);
    }
}

static struct flight *find(struct publisher *p, uint16_t id)
{
    for (unsigned i = 0; i < p->n; i++)
        if (p->flights[i].id == id)
            return &p->flights[i];
    return NULL;
}

static void drop(struct publisher *p, struct flight *f)
{
    memmove(f, f + 1, (size_t)(&p->flights[p->n] - (f + 1)) * sizeof(*f));
    p->n--;
}

static void on_connack(struct publisher *p, struct packet *k)
{
    bool present = get_8(k) == 1;
    uint8_t code = get_8(k);
    if (code != 0)
        wrong("publisher %u was refused: CONNACK %02x", p->index, code);
    if (p->kept && p->had_session && !present)
        wrong("publisher %u: its session is gone", p->index);
    if (!p->kept && present)
        wrong("publisher %u: a session where it asked for none", p->index);
    p->connected = true;
    p->had_session = p->kept;
    send_again(p);
}

static void on_answer(struct publisher *p, struct packet *k)
{
    uint16_t id = get_16(k);
    uint8_t code = get_8(k), type = k->first & 0xf0;
    struct flight *f = find(p, id);
    if (f == NULL || (f->kind == KIND_2) != (type != 0x40)) {
        wrong("publisher %u got packet %02x for packet id %u, which is none of its own", p->index, k->first, id);
        return;
    }
    if (code >= 0x80 && !(type == 0x70 && code == 0x92)) /* released already: the answer was lost [MQTT 3.7.2.1] */
        wrong("publisher %u: packet %02x with reason %02x", p->index, k->first, code);
    ledger_acknowledged(p->index, f->kind, f->number);
    if (type == 0x50) {
        f->received = true;
        send_ack(&p->w, 0x62, id);
        return;
    }
    drop(p, f);
}

static void on_packet(struct publisher *p, struct packet *k)
{
    switch (k->first & 0xf0) {
    case 0x20:
        on_connack(p, k);
        break;
    case 0x40:
    case 0x50:
    case 0x70:
        on_answer(p, k);
        break;
    case 0xe0: /* the broker stops */
        break;
    default:
        wrong("publisher %u got packet %02x", p->index, k->first);
    }
}

static void publish_more(struct publisher *p)
{
    unsigned burst = 1 + (unsigned)draw(WINDOW);
    while (p->n < WINDOW && burst-- > 0) {
        struct flight *f = &p->flights[p->n++];
        enum kind kind = draw(10) == 0 ? KIND_RETAINED : p->qos == 1 || draw(2) == 0 ? KIND_1 : KIND_2;
        p->last_id = p->last_id == UINT16_MAX ? 1 : (uint16_t)(p->last_id + 1);
        *f = (struct flight){.kind = kind, .number = ledger_sent(p->index, kind), .id = p->last_id};
        publish(p, f, false);
    }
    p->next_at = now_ms() + draw(PAUSE_MS);
}

void publisher_turn(struct publisher *p, uint16_t port, bool more)
{
    char id[16];
    if (p->w.fd < 0 && now_ms() >= p->retry_at) {
        if (!wire_open(&p->w, port)) {
            p->retry_at = now_ms() + RETRY_MS;
            return;
        }
        snprintf(id, sizeof(id), "pub%u", p->index);
        send_connect(&p->w, id, !p->kept, WINDOW);
    }
    if (p->w.fd < 0)
        return;
    if (p->connected && more && now_ms() >= p->next_at)
        publish_more(p);
    bool on = wire_turn(&p->w);
    struct packet k;
    size_t at = 0;
    while (wire_next(&p->w, &at, &k))
        on_packet(p, &k);
    wire_done(&p->w, at);
    if (!on)
        lost(p);
}
