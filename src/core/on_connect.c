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

static void connect_refuse(struct client *c, enum reason reason, const char *why, const char *hint)
{
    client_send(c, &(struct packet){.type = PACKET_CONNACK, .connack = {.reason = reason}});
    client_refuse_hint(c, reason, why, hint);
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

static void refuse_version(struct client *c, uint8_t proto)
{
    bool speaks_311 = (c->origin->versions >> PROTO_311 & 1) != 0;
    connect_refuse(c, REASON_UNSUPPORTED_PROTOCOL_VERSION,
                   proto == PROTO_5     ? "the client asks for MQTT 5.0, which this listener does not speak"
                   : proto == PROTO_311 ? "the client asks for MQTT 3.1.1, which this listener does not speak"
                   : proto == PROTO_31  ? "the client asks for MQTT 3.1, which this listener does not speak"
                                        : "the client asks for an unknown version of MQTT",
                   speaks_311 ? "set the client to MQTT 3.1.1" : "see mqtt_version in the listener's section");
}

/* True: this client can't be served, whoever it is, and was told so. */
static bool refused(struct client *c, const struct packet_connect *p)
{
    const struct limits *l = &c->shard->b->limits;
    if ((c->origin->versions >> p->proto & 1) == 0)
        refuse_version(c, (uint8_t)p->proto);
    else if (p->client_id.n == 0 && (p->proto == PROTO_31 || (p->proto == PROTO_311 && !p->clean)))
        connect_refuse(c, REASON_CLIENT_ID_NOT_VALID, "an empty client id can't have a session to come back to",
                       "give the client an id of its own, or let it ask for a clean session");
    else if (l->max_keepalive > 0 && (p->keep_alive == 0 || p->keep_alive > l->max_keepalive))
        connect_refuse(c, REASON_CLIENT_ID_NOT_VALID, "its keep-alive is over max_keepalive",
                       "set a shorter keep-alive in the client, or raise max_keepalive in [limits]");
    else
        return false;
    return true;
}

void on_connect(struct client *c, const struct frame *f)
{
    struct packet p;
    enum reason r = packet_decode(f, PROTO_NONE, &p);
    if (r == REASON_UNSUPPORTED_PROTOCOL_VERSION) {
        c->proto = PROTO_311;
        refuse_version(c, PROTO_NONE);
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
    if (refused(c, &p.connect))
        return;
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

static void refuse_login(struct client *c, enum reason result)
{
    if (result == REASON_BAD_USER_NAME_OR_PASSWORD)
        connect_refuse(c, result, "unknown user or wrong password",
                       "check both in the client; 'sotto passwd USERS-FILE NAME' and a restart of the broker set them");
    else if (result == REASON_NOT_AUTHORIZED)
        connect_refuse(c, result, "no user name was given, and this listener asks for one",
                       "give the client a user name and password, or set anonymous = on");
    else
        connect_refuse(c, result, reason_name(result), NULL);
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
        refuse_login(c, result);
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
    c->wait->took_over = true;
    log_event(LOG_INFO, "client.taken_over", LF_BYTES("client", c->wait->id), LF_PEER("peer", c->peer),
              LF_STR("from", old->peer), LF_STR("listener", c->origin->listener),
              LF_BYTES("user", rights_user(c->rights)),
              LF_STR("hint", "if this repeats, two devices use the same client id: give each its own"));
    client_refuse(old, REASON_SESSION_TAKEN_OVER, "its session was taken over by a new connection");
    client_detach(old);
}

/* The session of this client id, after take-over and clean start have done their work; NULL when the client was
 * refused. */
static struct session *attach_session(struct client *c, bool *present)
{
    struct shard *s = c->shard;
    const struct connect_wait *w = c->wait;
    struct session *session = session_find(s, w->id);
    if (session != NULL && !bytes_equal(rights_user(session->rights), rights_user(c->rights))) {
        connect_refuse(c, REASON_CLIENT_ID_NOT_VALID, "its client id has a session of another user",
                       "give each device a client id of its own");
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
    if (session == NULL) {
        session = session_new(s, w->id, c->rights);
        if (session == NULL)
            connect_refuse(c, REASON_SERVER_UNAVAILABLE, "no memory", NULL);
        return session;
    }
    rights_unref(session->rights);
    session->rights = rights_ref(c->rights);
    heap_cancel(&s->timers, &session->timer);
    return session;
}

/* A take-over was logged already, in a line that is gathered: a loop of two devices must not fill the log. */
static void log_connected(const struct client *c, bool present)
{
    const struct packet_connect *p = &c->wait->connect;
    log_event(c->wait->took_over ? LOG_DEBUG : LOG_INFO, "client.connected", LF_BYTES("client", session_id(c->session)),
              LF_STR("peer", c->peer), LF_STR("listener", c->origin->listener),
              LF_BYTES("user", rights_user(c->rights)),
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
    struct client_will *will = p->has_will ? will_new(&p->will) : NULL;
    if (p->has_will && will == NULL) {
        connect_refuse(c, REASON_SERVER_UNAVAILABLE, "no memory", NULL);
        return;
    }
    struct session *session = attach_session(c, &present);
    if (session == NULL) {
        will_free(will);
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
