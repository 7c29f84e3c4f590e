/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Answers that tell of stored state: they leave after the commit of that state, and in the order of what they
 * answer [MQTT-4.6.0-2] to [MQTT-4.6.0-4]. An answer with nothing to wait for, and none waiting before it, goes
 * straight into the output; else it joins the client's gate. What still waits dies with its connection.
 */
#include "core_private.h"

static void wait_for_commit(struct client *c)
{
    if (list_empty(&c->waiting_link))
        list_push_back(&c->shard->waiting, &c->waiting_link);
}

/* What it takes, with what it waits for. */
static size_t gated_bytes(const struct gated *g)
{
    return sizeof(*g) + g->n + (g->promise != NULL ? sizeof(struct exchange) : 0);
}

static void gate_add(struct client *c, const struct packet *p, uint64_t need, struct promise *promise)
{
    size_t n = packet_encode(p, c->proto, NULL, 0);
    if (client_too_large(c, n))
        return; /* as if it had been sent [MQTT-3.1.2-25] */
    struct gated *g = mem_try_alloc(sizeof(*g) + n);
    if (g == NULL) {
        client_refuse(c, REASON_SERVER_UNAVAILABLE, "no memory for its output");
        return;
    }
    g->need = need;
    g->promise = promise;
    if (promise != NULL)
        promise->refs++;
    g->n = (uint32_t)n;
    c->gate_bytes += (uint32_t)gated_bytes(g);
    packet_encode(p, c->proto, g->bytes, n);
    if (p->type == PACKET_PUBACK && c->v5 != NULL)
        c->v5->unacked++;
    list_init(&g->link);
    list_push_back(&c->gate, &g->link);
    wait_for_commit(c);
}

static void gated_free(struct gated *g)
{
    if (g->promise != NULL)
        promise_unref(g->promise);
    mem_free(g);
}

void client_answer(struct client *c, const struct packet *p, uint64_t need)
{
    if (need <= c->shard->committed && list_empty(&c->gate))
        client_send(c, p);
    else
        gate_add(c, p, need, NULL);
}

void client_reply(struct client *c, const struct packet *p)
{
    if (c->connack_waits)
        gate_add(c, p, 0, NULL);
    else
        client_send(c, p);
}

/* Success is four bytes in every version: the path of a message, without the general encoder. */
static void append_short_ack(struct client *c, enum packet_type type, uint16_t id)
{
    enum { SIZE = 4 };
    if (c->state == CLIENT_CLOSING)
        return;
    uint8_t *to = outq_reserve(&c->out, &c->shard->pool, SIZE);
    if (to == NULL) {
        client_refuse(c, REASON_SERVER_UNAVAILABLE, "no memory for its output");
        return;
    }
    to[0] = (uint8_t)(type << 4 | (type == PACKET_PUBREL ? 2 : 0));
    to[1] = 2;
    to[2] = (uint8_t)(id >> 8);
    to[3] = (uint8_t)id;
    c->acks = type == PACKET_PUBREL ? 0 : c->out.bytes == 0 ? SIZE : c->acks + SIZE;
    outq_commit(&c->out, SIZE);
    count_add(&c->shard->count.bytes_out, SIZE);
    client_wake(c);
}

static const char not_stored[] = "what it sent could not be stored";
static const char no_session[] = "its session could not be stored";
static const char all_full[] = "the queues of all who want it are full";

static struct packet refusal(const struct client *c, enum packet_type type, uint16_t id, enum reason reason,
                             const char *why)
{
    struct packet p = {.type = type, .ack = {.id = id, .reason = reason}};
    client_explain(c, &p.ack.props, why);
    if (client_too_large(c, packet_encode(&p, c->proto, NULL, 0)))
        p.ack.props.has = 0;
    return p;
}

RARE void client_answer_refusal(struct client *c, enum packet_type type, uint16_t id, enum reason reason,
                                const char *why)
{
    struct packet p = refusal(c, type, id, reason, why);
    client_answer(c, &p, 0);
}

RARE void client_answer_failure(struct client *c, enum packet_type type, uint16_t id, bool full)
{
    if (type == PACKET_PUBREC)
        id_set_remove(&c->session->received, id);
    if (c->v5 != NULL)
        client_answer_refusal(c, type, id, REASON_QUOTA_EXCEEDED, full ? all_full : not_stored);
    else
        client_refuse(c, REASON_QUOTA_EXCEEDED, not_stored);
}

/* Field by field: the properties are large, and not looked at. */
static void fill_ack(struct packet *p, enum packet_type type, uint16_t id, enum reason reason)
{
    p->type = type;
    p->ack.id = id;
    p->ack.reason = reason;
    p->ack.props.has = 0;
    p->ack.props.raw = (struct bytes){NULL, 0};
    p->ack.props.user_count = p->ack.props.sub_id_count = 0;
}

static RARE void answer_long_ack(struct client *c, enum packet_type type, uint16_t id, enum reason reason,
                                 uint64_t need)
{
    struct packet p;
    fill_ack(&p, type, id, reason);
    client_answer(c, &p, need);
}

void client_answer_promised(struct client *c, enum packet_type type, uint16_t id, enum reason reason, uint64_t need,
                            struct promise *promise)
{
    struct packet p;
    fill_ack(&p, type, id, c->v5 == NULL && reason < REASON_UNSPECIFIED ? REASON_SUCCESS : reason);
    gate_add(c, &p, need, promise);
}

void client_answer_ack(struct client *c, enum packet_type type, uint16_t id, enum reason reason, uint64_t need)
{
    if (c->v5 == NULL && reason < REASON_UNSPECIFIED) /* 3.x has no codes */
        reason = REASON_SUCCESS;
    if (reason == REASON_SUCCESS && need <= c->shard->committed && list_empty(&c->gate))
        append_short_ack(c, type, id);
    else
        answer_long_ack(c, type, id, reason, need);
}

static bool waits(const struct client *c, const struct gated *g)
{
    return g->need > c->shard->committed || (g->promise != NULL && !g->promise->settled);
}

/* The front one can't be given. 5.0 has a word for PUBACK and PUBREC; else the connection ends, and the rest of what
 * waits with it. False: that. */
static RARE bool refuse(struct client *c, struct gated *g)
{
    enum packet_type type = (enum packet_type)(g->bytes[0] >> 4);
    if (c->v5 == NULL || (type != PACKET_PUBACK && type != PACKET_PUBREC)) {
        client_refuse(c, REASON_QUOTA_EXCEEDED, type == PACKET_CONNACK ? no_session : not_stored);
        return false;
    }
    uint16_t id = (uint16_t)(g->bytes[2] << 8 | g->bytes[3]); /* of a packet below 128 bytes */
    bool full = !g->failed && promise_full(g->promise);
    struct packet p = refusal(c, type, id, REASON_QUOTA_EXCEEDED, full ? all_full : not_stored);
    client_send(c, &p);
    g->n = 0;
    return true;
}

void client_release(struct client *c)
{
    while (!list_empty(&c->gate) && c->state != CLIENT_CLOSING) {
        struct gated *g = container_of(c->gate.next, struct gated, link);
        if (waits(c, g)) {
            wait_for_commit(c);
            return;
        }
        size_t bytes = gated_bytes(g);
        if ((g->failed || (g->promise != NULL && promise_broken(g->promise))) && !refuse(c, g))
            return;
        list_remove(&g->link);
        c->gate_bytes -= (uint32_t)bytes;
        if (c->connack_waits) { /* it is the first */
            c->connack_waits = false;
            c->session->settled = c->will == NULL && !c->session->ends;
        }
        if (g->bytes[0] >> 4 == PACKET_PUBACK && c->v5 != NULL)
            c->v5->unacked--;
        client_append(c, g->bytes, g->n);
        gated_free(g);
        client_wake(c);
    }
}

void client_drop_answers(struct client *c)
{
    struct list *l;
    while ((l = list_pop_front(&c->gate)) != NULL)
        gated_free(container_of(l, struct gated, link));
    c->gate_bytes = 0;
}

void client_not_stored(struct client *c)
{
    if (c->v5 == NULL)
        client_refuse(c, REASON_QUOTA_EXCEEDED, not_stored);
}

void client_store_failed(struct client *c, uint64_t from, uint64_t to)
{
    for (struct list *l = c->gate.next; l != &c->gate; l = l->next) {
        struct gated *g = container_of(l, struct gated, link);
        if (g->need < from || g->need > to || (c->connack_waits && c->resumes && g->link.prev == &c->gate))
            continue;
        g->failed = true;
        client_not_stored(c);
    }
}
