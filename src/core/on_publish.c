/* SPDX-License-Identifier: GPL-3.0-or-later */
/* PUBLISH from a client, and the acknowledgements of both directions. */
#include "core_private.h"

#include <assert.h>

static RARE void log_denied(const struct client *c, struct bytes topic)
{
    log_event(LOG_INFO, "publish.denied", LF_PEER("peer", c->peer), LF_STR("listener", c->origin->listener),
              LF_BYTES("client", session_id(c->session)), LF_BYTES("user", rights_user(c->rights)),
              LF_BYTES("topic", topic),
              LF_STR("reason", "no publish rule of the user grants it, or a deny rule takes it"),
              LF_STR("hint", "for what is meant to be allowed: a line 'publish = FILTER' in the users file"));
}

/* May this client write there? A refusal is silent in 3.x, but for the log. */
static bool allowed(const struct client *c, struct bytes topic)
{
    if (rights_unlimited(c->rights, RIGHT_PUBLISH) && topic.p[0] != '$')
        return true;
    if (rights_allow(c->rights, RIGHT_PUBLISH, session_id(c->session), topic))
        return true;
    log_denied(c, topic);
    return false;
}

static bool too_deep(const struct client *c, struct bytes topic)
{
    uint32_t max = c->shard->b->limits.max_topic_levels;
    return topic.n >= max && topic_levels(topic) > max;
}

/* A packet can go out as it came in at QoS 0, not retained, with a length of the usual form. */
static enum raw_form raw_form(const struct client *c, const struct frame *f)
{
    size_t length = f->raw.n - f->body.n - 1;
    if ((f->flags & 0x0f) != 0 || (length > 1 && length != varint_size((uint32_t)f->body.n)))
        return RAW_NONE;
    return c->v5 != NULL ? RAW_5 : RAW_3;
}

static inline enum reason said(bool wanted)
{
    return wanted ? REASON_SUCCESS : REASON_NO_MATCHING_SUBSCRIBERS;
}

/* It went to stored sessions of other shards, or somebody did not get it. */
static RARE void answer_noted(struct client *c, struct pub *p, enum packet_type type, uint16_t id, enum reason reason)
{
    struct shard *s = c->shard;
    struct promise *promise = p->promise;
    if (promise != NULL) {
        promise->client = c->h;
        promise->told_full = c->v5 != NULL;
        client_answer_promised(c, type, id, reason, s->need, promise);
        promise_return(s, promise, s->note & (NOTE_TAKEN | NOTE_FULL | NOTE_LOST));
        return;
    }
    bool lost = (s->note & NOTE_LOST) != 0, full = !lost && (s->note & NOTE_TAKEN) == 0 && c->v5 != NULL;
    if (lost || full)
        client_answer_failure(c, type, id, full);
    else
        client_answer_ack(c, type, id, reason, s->need);
}

static RARE void publish_qos2(struct client *c, struct pub *p, uint16_t id)
{
    struct session *n = c->session;
    struct exchange *e = exchange_find(c->shard, n->h, id);
    if (e != NULL) {
        e->promise.client = c->h;
        client_answer_promised(c, PACKET_PUBREC, id, REASON_SUCCESS, 0, &e->promise);
        return;
    }
    if (id_set_has(&n->received, id)) {
        client_answer_ack(c, PACKET_PUBREC, id, REASON_SUCCESS, 0);
        return;
    }
    if (!id_set_add(&n->received, id)) {
        client_refuse(c, REASON_SERVER_UNAVAILABLE, "no memory");
        return;
    }
    p->from_stored = session_durable(n);
    enum reason reason = said(route(c->shard, p));
    if (p->promise != NULL)
        exchange_begin(c, p, id, reason);
    else if (c->shard->note > NOTE_TAKEN)
        answer_noted(c, p, PACKET_PUBREC, id, reason);
    else
        client_answer_ack(c, PACKET_PUBREC, id, reason, c->shard->need);
}

/* The client keeps within what it may have unanswered here; 3.x has no such rule. */
static bool within_quota(struct client *c, unsigned qos, uint16_t id)
{
    if (qos == 0 || c->v5 == NULL || c->v5->unacked + c->session->received.n < RECEIVE_MAXIMUM)
        return true;
    if (qos == 2 && id_set_has(&c->session->received, id))
        return true;
    client_refuse(c, REASON_RECEIVE_MAXIMUM_EXCEEDED, "more unanswered QoS 1 and 2 messages than the receive maximum");
    return false;
}

static bool depth_fits(struct client *c, struct bytes topic)
{
    if (!too_deep(c, topic))
        return true;
    client_refuse(c, REASON_TOPIC_NAME_INVALID, "a topic deeper than max_topic_levels");
    return false;
}

static RARE void refuse_publish(struct client *c, enum reason r)
{
    if (r == REASON_TOPIC_NAME_INVALID)
        client_refuse_hint(c, r, "a PUBLISH to a topic with a wildcard in its name",
                           "+ and # are for subscriptions: let the client publish to one topic");
    else
        client_refuse_hint(c, r, "a PUBLISH that breaks the rules of MQTT",
                           "the client's MQTT library is at fault, or what changes bytes on the way: update it");
}

/* The general half of read_publish: what is not plain. */
static RARE bool read_general(struct client *c, const struct frame *f, struct pub *pub, uint16_t *id)
{
    struct packet_publish p;
    enum reason r = publish_decode(f, c->proto, &p);
    if (r != REASON_SUCCESS) {
        refuse_publish(c, r);
        return false;
    }
    pub->topic = p.topic;
    pub->payload = p.payload;
    *id = p.id;
    if (p.props.raw.n > 0 && !publish_terms(c, &p, pub))
        return false;
    return depth_fits(c, pub->topic) && within_quota(c, p.qos, p.id);
}

/*
 * Checks the packet, makes a publication of it, and takes its id. False: refused, or not to be published. The views
 * of a usual one go straight into the publication, word by word: two words copied at once, right after each was written
 * by itself, would be waited for.
 */
static bool read_publish(struct client *c, const struct frame *f, struct pub *pub, uint16_t *id)
{
    pub->props = (struct bytes){NULL, 0};
    pub->raw.p = f->raw.p;
    pub->raw.n = f->raw.n;
    pub->raw_form = raw_form(c, f);
    pub->hash = pub->number = pub->identity = pub->held_as = 0;
    pub->qos = f->flags >> 1 & 3;
    pub->retain = (f->flags & 1) != 0;
    pub->expires = MSEC_NEVER;
    pub->from = c->session->h;
    pub->awaited = pub->qos > 0;
    pub->msg = NULL;
    pub->blob = NULL;
    pub->promise = NULL;
    if (c->v5 == NULL && publish_split3(f, &pub->topic, id, &pub->payload))
        return depth_fits(c, pub->topic);
    uint16_t alias;
    if (c->v5 == NULL || !publish_split5(f, &pub->topic, id, &pub->payload, &alias))
        return read_general(c, f, pub, id);
    return (alias == 0 || publish_alias(c, alias, pub)) && depth_fits(c, pub->topic) && within_quota(c, pub->qos, *id);
}

/* Its loop has more mail for another one than that has taken, or the store has more than it has written: nothing more
 * is read from this client for now. */
static void hold_back(struct client *c)
{
    struct shard *s = c->shard;
    if (!shard_holds_back(s) || c->state != CLIENT_UP)
        return;
    c->paused = true;
    list_push_back(&s->paused, &c->paused_link);
}

static void publish(struct client *c, struct pub *pub, uint16_t id)
{
    if (pub->qos == 2) {
        publish_qos2(c, pub, id);
        return;
    }
    bool wanted = route(c->shard, pub);
    if (pub->qos == 0)
        return;
    if (c->shard->note > NOTE_TAKEN)
        answer_noted(c, pub, PACKET_PUBACK, id, said(wanted));
    else
        client_answer_ack(c, PACKET_PUBACK, id, said(wanted), c->shard->need);
}

void on_publish(struct client *c, const struct frame *f)
{
    struct shard *s = c->shard;
    struct pub pub;
    uint16_t id;
    if (!read_publish(c, f, &pub, &id))
        return;
    count_add(&s->count.received, 1);
    s->need = 0;
    s->note = 0;
    if (allowed(c, pub.topic))
        publish(c, &pub, id);
    else if (pub.qos > 0)
        client_answer_refusal(c, pub.qos == 1 ? PACKET_PUBACK : PACKET_PUBREC, id, REASON_NOT_AUTHORIZED,
                              "no publish rule of the user grants it, or a deny rule takes it");
    pub_fini(s, &pub);
    if (s->has_mail || s->need > 0)
        hold_back(c);
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
        if (d->msg != NULL)
            session_forget_message(n, d);
        d->need = need;
        if (i >= n->unsent) /* from an earlier connection; PUBREL will be sent in its turn */
            return;
    }
    bool known = d != NULL && d->qos == 2;
    client_answer_ack(c, PACKET_PUBREL, p->ack.id, known ? REASON_SUCCESS : REASON_PACKET_ID_NOT_FOUND, need);
}

void on_pubrel(struct client *c, const struct packet *p)
{
    struct session *n = c->session;
    uint64_t need = 0;
    /* Before its PUBREC nothing can be released. */
    bool early = exchange_find(c->shard, n->h, p->ack.id) != NULL;
    bool known = !early && id_set_remove(&n->received, p->ack.id);
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
