/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * CONNECT, in steps, each of which may end it:
 *
 *   on_connect             decode, version, client id, credentials taken aside; nothing of any session is touched
 *   connect_authenticated  the authoriser's answer; on to the session's shard where it is another one
 *   connect_attach         there: whose session, take-over, clean or resumed, CONNACK
 */
#include "core_private.h"

#include "sotto/base/random.h"

#include <assert.h>

static void connect_refuse(struct client *c, enum reason reason, const char *why)
{
    client_send(c, &(struct packet){.type = PACKET_CONNACK, .connack = {.reason = reason}});
    client_refuse(c, reason, why);
}

static unsigned owner_of(const struct broker *b, struct bytes id)
{
    return (unsigned)(hash_bytes(&b->key, id) % b->n);
}

/* An id for a client that has none: drawn until its session would live here, so that the connection stays. */
static void make_id(struct client *c, struct connect_wait *w)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    struct shard *s = c->shard;
    do {
        uint8_t r[20];
        random_bytes(r, sizeof(r));
        memcpy(w->made_id, "auto-", 5);
        for (size_t i = 0; i < sizeof(r); i++)
            w->made_id[5 + i] = letters[r[i] & 31];
        w->id = bytes_of(w->made_id, 5 + sizeof(r));
    } while (owner_of(s->b, w->id) != s->number || session_find(s, w->id) != NULL);
}

/* A copy of the packet that outlives the read buffer, with views into the copy. */
static struct connect_wait *keep(const struct frame *f)
{
    struct connect_wait *w = mem_try_alloc(sizeof(*w) + f->body.n);
    if (w == NULL)
        return NULL;
    memcpy(w->raw, f->body.p, f->body.n);
    struct frame copy = *f;
    copy.body.p = w->raw;
    struct packet p;
    enum reason r = packet_decode(&copy, PROTO_NONE, &p);
    assert(r == REASON_SUCCESS);
    w->connect = p.connect;
    w->id = p.connect.client_id;
    return w;
}

/* Why this client can't be served, before anybody asks who it is; NULL when it can. */
static const char *check(const struct client *c, const struct packet_connect *p, enum reason *reason)
{
    const struct limits *l = &c->shard->b->limits;
    if ((c->origin->versions >> p->proto & 1) == 0) {
        *reason = REASON_UNSUPPORTED_PROTOCOL_VERSION;
        return "this listener doesn't speak its version of MQTT";
    }
    *reason = REASON_CLIENT_ID_NOT_VALID;
    if (p->client_id.n == 0 && (p->proto == PROTO_31 || (p->proto == PROTO_311 && !p->clean)))
        return "an empty client id can't have a session to come back to";
    if (l->max_keepalive > 0 && (p->keep_alive == 0 || p->keep_alive > l->max_keepalive))
        return "its keep-alive is over max_keepalive";
    return NULL;
}

void on_connect(struct client *c, const struct frame *f)
{
    struct packet p;
    enum reason r = packet_decode(f, PROTO_NONE, &p);
    if (r == REASON_UNSUPPORTED_PROTOCOL_VERSION) {
        c->proto = PROTO_311;
        connect_refuse(c, r, "it asks for an unknown version of MQTT");
        return;
    }
    if (r != REASON_SUCCESS) {
        client_refuse(c, r, "a CONNECT that breaks the rules of MQTT");
        return;
    }
    c->proto = (uint8_t)p.connect.proto;
    c->wait = keep(f);
    if (c->wait == NULL) {
        client_refuse(c, REASON_SERVER_UNAVAILABLE, "no memory");
        return;
    }
    const char *why = check(c, &p.connect, &r);
    if (why != NULL) {
        connect_refuse(c, r, why);
        return;
    }
    if (c->wait->id.n == 0)
        make_id(c, c->wait);
    heap_cancel(&c->shard->timers, &c->timer);
    c->state = CLIENT_AUTH;
    struct auth_request request = {.client_id = c->wait->id,
                                   .user = p.connect.user,
                                   .password = p.connect.password,
                                   .has_user = p.connect.has_user,
                                   .has_password = p.connect.has_password,
                                   .anonymous = c->origin->anonymous};
    c->shard->env.authenticate(c->shard->env.ctx, c, &request);
}

void client_authenticated(struct client *c, enum reason result, struct rights *rights, msec now)
{
    c->shard->now = now;
    if (c->state != CLIENT_AUTH) { /* it ended while it waited */
        rights_unref(rights);
        return;
    }
    if (c->wait->connect.has_password)
        bytes_wipe(c->wait->raw + (c->wait->connect.password.p - c->wait->raw), c->wait->connect.password.n);
    if (result != REASON_SUCCESS) {
        connect_refuse(c, result,
                       result == REASON_BAD_USER_NAME_OR_PASSWORD ? "unknown user or wrong password"
                       : result == REASON_NOT_AUTHORIZED ? "no user name was given, and this listener asks for one"
                                                         : reason_name(result));
        return;
    }
    c->rights = rights;
    unsigned owner = owner_of(c->shard->b, c->wait->id);
    if (owner != c->shard->number) {
        c->state = CLIENT_MOVING;
        c->shard->env.move(c->shard->env.ctx, c->link, owner);
        return;
    }
    connect_attach(c);
}

static void take_over(struct client *old, struct client *c)
{
    log_event(LOG_INFO, "client.taken_over", LF_BYTES("client", c->wait->id), LF_PEER("peer", c->peer),
              LF_STR("from", old->peer), LF_STR("hint", "if this repeats, two devices use the same client id"));
    client_refuse(old, REASON_SESSION_TAKEN_OVER, "its session was taken over by a new connection");
    client_detach(old);
}

/* The session of this client id, after take-over and clean start have done their work; NULL with the reason for a
 * refusal. */
static struct session *attach_session(struct client *c, bool *present, enum reason *reason)
{
    struct shard *s = c->shard;
    const struct connect_wait *w = c->wait;
    struct session *session = session_find(s, w->id);
    if (session != NULL && !bytes_equal(rights_user(session->rights), rights_user(c->rights))) {
        *reason = REASON_CLIENT_ID_NOT_VALID;
        return NULL;
    }
    if (session != NULL && session->client != NULL) {
        take_over(session->client, c);
        session = session_find(s, w->id);
    }
    if (session != NULL && w->connect.clean) {
        session_end(session);
        session = NULL;
    }
    *present = session != NULL;
    *reason = REASON_SERVER_UNAVAILABLE;
    if (session == NULL)
        return session_new(s, w->id, c->rights);
    rights_unref(session->rights);
    session->rights = rights_ref(c->rights);
    heap_cancel(&s->timers, &session->timer);
    return session;
}

static void log_connected(const struct client *c, bool present)
{
    const struct packet_connect *p = &c->wait->connect;
    log_event(LOG_INFO, "client.connected", LF_BYTES("client", session_id(c->session)), LF_STR("peer", c->peer),
              LF_STR("listener", c->origin->listener), LF_BYTES("user", rights_user(c->rights)),
              LF_STR("version", p->proto == PROTO_31    ? "3.1"
                                : p->proto == PROTO_311 ? "3.1.1"
                                                        : "5.0"),
              LF_STR("session", present    ? "resumed"
                                : p->clean ? "clean"
                                           : "new"),
              LF_INT("keepalive", p->keep_alive));
}

void connect_attach(struct client *c)
{
    struct shard *s = c->shard;
    const struct packet_connect *p = &c->wait->connect;
    bool present;
    enum reason reason;
    struct client_will *will = p->has_will ? will_new(&p->will) : NULL;
    if (p->has_will && will == NULL) {
        connect_refuse(c, REASON_SERVER_UNAVAILABLE, "no memory");
        return;
    }
    struct session *session = attach_session(c, &present, &reason);
    if (session == NULL) {
        will_free(will);
        connect_refuse(c, reason,
                       reason == REASON_CLIENT_ID_NOT_VALID ? "its client id has a session of another user"
                                                            : "no memory");
        return;
    }
    uint64_t expiry = s->b->limits.max_session_expiry;
    session->expiry = p->clean ? 0 : expiry < UINT32_MAX ? (uint32_t)expiry : UINT32_MAX;
    session->client = c;
    session_resume(session);
    c->session = session;
    c->will = will;
    c->keep_alive = p->keep_alive;
    c->last_packet = s->now;
    c->state = CLIENT_UP;
    c->was_up = true;
    client_set_keep_alive(c);
    if (session_durable(session))
        c->ready = session_store(session, &(struct store_record){.kind = STORE_SESSION,
                                                                 .expiry = session->expiry,
                                                                 .user = rights_user(c->rights),
                                                                 .connected = true});
    struct packet_connack connack = {.session_present = present && proto_traits(c->proto)->session_flag};
    log_connected(c, present);
    client_answer(c, &(struct packet){.type = PACKET_CONNACK, .connack = connack}, c->ready);
    mem_free(c->wait);
    c->wait = NULL;
    client_give_large(c);
    client_wake(c);
}
