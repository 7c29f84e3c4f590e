/* SPDX-License-Identifier: GPL-3.0-or-later */
/* PUBLISH from a client, and the acknowledgements of both directions. */
#include "core_private.h"

#include <assert.h>

/* May this client write there? A refusal is silent in 3.x, but for the log. */
static bool allowed(const struct client *c, struct bytes topic)
{
    if (rights_unlimited(c->rights, RIGHT_PUBLISH) && topic.p[0] != '$')
        return true;
    if (rights_allow(c->rights, RIGHT_PUBLISH, session_id(c->session), topic))
        return true;
    log_event(LOG_INFO, "publish.denied", LF_PEER("peer", c->peer), LF_STR("listener", c->origin->listener),
              LF_BYTES("client", session_id(c->session)), LF_BYTES("user", rights_user(c->rights)),
              LF_BYTES("topic", topic),
              LF_STR("reason", "no publish rule of the user grants it, or a deny rule takes it"),
              LF_STR("hint", "for what is meant to be allowed: a line 'publish = FILTER' in the users file"));
    return false;
}

static bool too_deep(const struct client *c, struct bytes topic)
{
    uint32_t max = c->shard->b->limits.max_topic_levels;
    return topic.n >= max && topic_levels(topic) > max;
}

/* A packet of 3.x that can go out as it came in: QoS 0, not retained, with a length of the usual form. */
static struct bytes reusable(const struct client *c, const struct frame *f)
{
    bool same = c->proto < PROTO_5 && (f->flags & 0x0f) == 0;
    return same && f->raw.n == 1 + varint_size((uint32_t)f->body.n) + f->body.n ? f->raw : (struct bytes){NULL, 0};
}

/* QoS 2 of a session that is stored: routed after the commit which allows PUBREC, so that a crash can't make it twice.
 */
static void publish_stored(struct client *c, struct pub *p, uint16_t id)
{
    struct session *n = c->session;
    struct message *m = pub_message(c->shard, p);
    if (m == NULL || !id_set_add(&n->received, id)) {
        client_refuse(c, REASON_SERVER_UNAVAILABLE, "no memory");
        return;
    }
    uint64_t need = session_store(n, &(struct store_record){.kind = STORE_RECEIVED,
                                                            .packet_id = id,
                                                            .topic = p->topic,
                                                            .payload = p->payload,
                                                            .props = p->props,
                                                            .qos = 2,
                                                            .retain = p->retain,
                                                            .expires = p->expires});
    if (client_answer_routing(c, &(struct packet){.type = PACKET_PUBREC, .ack = {.id = id}}, need, m))
        return;
    id_set_remove(&n->received, id); /* it will come again, as a new one */
    session_store(n, &(struct store_record){.kind = STORE_RECEIVED_DONE, .packet_id = id});
}

static void publish_qos2(struct client *c, struct pub *p, uint16_t id)
{
    struct session *n = c->session;
    if (id_set_has(&n->received, id)) {
        client_answer_ack(c, PACKET_PUBREC, id, REASON_SUCCESS, 0);
        return;
    }
    if (session_durable(n)) {
        publish_stored(c, p, id);
        return;
    }
    if (!id_set_add(&n->received, id)) {
        client_refuse(c, REASON_SERVER_UNAVAILABLE, "no memory");
        return;
    }
    route(c->shard, p);
    client_answer_ack(c, PACKET_PUBREC, id, REASON_SUCCESS, c->shard->need);
}

void on_publish(struct client *c, const struct frame *f)
{
    struct shard *s = c->shard;
    struct packet_publish p;
    enum reason r = publish_decode(f, c->proto, &p);
    if (r != REASON_SUCCESS || too_deep(c, p.topic)) {
        client_refuse(c, r != REASON_SUCCESS ? r : REASON_TOPIC_NAME_INVALID,
                      r != REASON_SUCCESS ? "a PUBLISH that breaks the rules of MQTT"
                                          : "a topic deeper than max_topic_levels");
        return;
    }
    count_add(&s->count.received, 1);
    struct pub pub = {.topic = p.topic,
                      .payload = p.payload,
                      .raw = reusable(c, f),
                      .qos = p.qos,
                      .retain = p.retain,
                      .expires = MSEC_NEVER,
                      .from = c->session->h};
    s->need = 0;
    bool ok = allowed(c, p.topic);
    enum reason answer = ok ? REASON_SUCCESS : REASON_NOT_AUTHORIZED;
    if (p.qos == 2 && ok)
        publish_qos2(c, &pub, p.id);
    else if (ok)
        route(s, &pub);
    if (p.qos == 1)
        client_answer_ack(c, PACKET_PUBACK, p.id, answer, s->need);
    else if (p.qos == 2 && !ok)
        client_answer_ack(c, PACKET_PUBREC, p.id, answer, 0);
    pub_fini(s, &pub);
    unsigned behind;
    if (s->has_mail && mail_congested(s, &behind) && c->state == CLIENT_UP) {
        c->paused = true;
        list_push_back(&s->paused, &c->paused_link);
    }
}

static void acknowledged(struct session *n, uint16_t id)
{
    uint32_t i;
    const struct delivery *d = session_inflight(n, id, &i);
    if (d != NULL && d->qos == 1)
        session_done(n, i);
}

void on_puback(struct client *c, const struct packet *p)
{
    acknowledged(c->session, p->ack.id);
}

void on_short_puback(struct client *c, const struct frame *f)
{
    struct rd r = rd_of(f->body);
    uint16_t id = rd_u16(&r);
    if (id == 0)
        client_refuse(c, REASON_MALFORMED_PACKET, "a packet id of 0");
    else
        acknowledged(c->session, id);
}

void on_pubrec(struct client *c, const struct packet *p)
{
    struct session *n = c->session;
    uint32_t i;
    uint64_t need = 0;
    struct delivery *d = session_inflight(n, p->ack.id, &i);
    if (d != NULL && d->qos == 2 &&
        p->ack.reason >= REASON_UNSPECIFIED) { /* 5.0: the client refuses it [MQTT-4.3.3-4] */
        session_done(n, i);
        return;
    }
    if (d != NULL && d->qos == 2 && !d->released) {
        d->released = true;
        if (d->row != 0)
            need = session_store(n, &(struct store_record){.kind = STORE_RELEASED, .row = d->row, .packet_id = d->id});
        message_unref(c->shard, d->msg);
        d->msg = NULL;
        d->need = need;
        if (i >= n->unsent) /* from an earlier connection; PUBREL will be sent in its turn */
            return;
    }
    client_answer_ack(c, PACKET_PUBREL, p->ack.id, d != NULL ? REASON_SUCCESS : REASON_PACKET_ID_NOT_FOUND, need);
}

void on_pubrel(struct client *c, const struct packet *p)
{
    struct session *n = c->session;
    uint64_t need = 0;
    bool known = id_set_remove(&n->received, p->ack.id);
    if (known && session_durable(n))
        need = session_store(n, &(struct store_record){.kind = STORE_RECEIVED_DONE, .packet_id = p->ack.id});
    client_answer_ack(c, PACKET_PUBCOMP, p->ack.id, known ? REASON_SUCCESS : REASON_PACKET_ID_NOT_FOUND, need);
}

void on_pubcomp(struct client *c, const struct packet *p)
{
    uint32_t i;
    const struct delivery *d = session_inflight(c->session, p->ack.id, &i);
    if (d != NULL && d->qos == 2 && d->released)
        session_done(c->session, i);
}
