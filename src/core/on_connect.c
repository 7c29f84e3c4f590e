/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * CONNECT, in steps, each of which may end it:
 *
 *   on_connect            decode, version, client id, credentials taken aside; nothing of any session is touched
 *   client_authenticated  the authoriser's answer (or auth_begin and on_auth, step by step)
 *   connect_proceed       on to the session's shard where it is another one
 *   connect_attach        there: whose session, take-over, clean or resumed, CONNACK
 */
#include "core_private.h"

#include "sotto/base/random.h"

#include <assert.h>

void connect_refuse(struct client *c, enum reason reason, const char *why, const char *hint)
{
    struct packet p = {.type = PACKET_CONNACK, .connack = {.reason = reason}};
    client_explain(c, &p.connack.props, why);
    if (client_too_large(c, packet_encode(&p, c->proto, NULL, 0)))
        p.connack.props.has = 0;
    client_send(c, &p);
    client_refuse_hint(c, reason, why, hint);
}

/* What only 5.0 has. False without memory. */
static bool keep_v5(struct client *c, const struct props *p)
{
    if (!proto_traits(c->proto)->own_terms)
        return true;
    struct client_v5 *v = mem_try_alloc(sizeof(*v));
    c->v5 = v;
    if (v == NULL)
        return false;
    v->max_packet = props_has(p, PROP_MAXIMUM_PACKET_SIZE) ? p->maximum_packet_size : UINT32_MAX;
    v->alias_max = props_has(p, PROP_TOPIC_ALIAS_MAXIMUM) ? p->topic_alias_maximum : 0;
    v->quiet = props_has(p, PROP_REQUEST_PROBLEM_INFO) && p->request_problem_info == 0;
    if (v->alias_max == 0)
        return true;
    v->alias_out = alias_out_new(v->alias_max);
    return v->alias_out != NULL;
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

/* More than max_keepalive; 0 is for ever. */
static bool keep_alive_too_long(const struct client *c, uint16_t keep_alive)
{
    uint32_t max = c->shard->b->limits.max_keepalive;
    return max > 0 && (keep_alive == 0 || keep_alive > max);
}

static bool id_missing(const struct packet_connect *p)
{
    const struct proto_traits *t = proto_traits(p->proto);
    return p->client_id.n == 0 && !t->any_id && !(t->empty_clean && p->clean);
}

/* True: this client can't be served, whoever it is, and was told so. */
static bool refused(struct client *c, const struct packet_connect *p)
{
    const struct shard *s = c->shard;
    if ((c->origin->versions >> p->proto & 1) == 0)
        refuse_version(c, (uint8_t)p->proto);
    else if (props_too_many(s, &p->props) || (p->has_will && props_too_many(s, &p->will.props)))
        connect_refuse(c, REASON_QUOTA_EXCEEDED, "a CONNECT with too many properties",
                       "raise max_user_properties in [limits], or let the client send fewer");
    else if (id_missing(p))
        connect_refuse(c, REASON_CLIENT_ID_NOT_VALID, "an empty client id can't have a session to come back to",
                       "give the client an id of its own, or let it ask for a clean session");
    else if (keep_alive_too_long(c, p->keep_alive) && !proto_traits(p->proto)->own_terms)
        connect_refuse(c, REASON_CLIENT_ID_NOT_VALID, "its keep-alive is over max_keepalive",
                       "set a shorter keep-alive in the client, or raise max_keepalive in [limits]");
    else
        return false;
    return true;
}

/* A listener of 3.x only must not be answered in 5.0: it closes, as 3.x wants it. */
static void refuse_malformed(struct client *c, enum reason r)
{
    const char *why = "a CONNECT that breaks the rules of MQTT";
    if (proto_traits(c->proto)->own_terms && reason_allowed(r, PACKET_CONNACK))
        connect_refuse(c, r, why, NULL);
    else
        client_refuse(c, r, why);
}

static void authenticate(struct client *c, const struct packet_connect *p)
{
    heap_cancel(&c->shard->timers, &c->timer);
    c->state = CLIENT_AUTH;
    struct auth_request request = {.client_id = c->wait->id,
                                   .user = p->user,
                                   .password = p->password,
                                   .has_user = p->has_user,
                                   .has_password = p->has_password,
                                   .anonymous = c->origin->anonymous};
    c->shard->env.authenticate(c->shard->env.ctx, c, &request);
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
    c->proto = (uint8_t)p.connect.proto;
    if (r != REASON_SUCCESS) {
        refuse_malformed(c, r);
        return;
    }
    c->wait = keep(f);
    if (c->wait == NULL || !keep_v5(c, &p.connect.props)) {
        client_refuse(c, REASON_SERVER_UNAVAILABLE, "no memory");
        return;
    }
    if (refused(c, &p.connect))
        return;
    if (c->wait->id.n == 0)
        make_id(c, c->wait);
    c->wait->rights_number = atomic_load(&c->shard->b->rights_number);
    if (props_has(&p.connect.props, PROP_AUTH_METHOD))
        auth_begin(c);
    else
        authenticate(c, &p.connect);
}

static void refuse_login(struct client *c, enum reason result)
{
    if (result == REASON_BAD_USER_NAME_OR_PASSWORD)
        connect_refuse(c, result, "unknown user or wrong password",
                       "check both in the client; 'sotto passwd USERS-FILE NAME' and SIGHUP to the broker set them");
    else if (result == REASON_NOT_AUTHORIZED && c->identified)
        connect_refuse(c, result,
                       "no password was given, and this listener asks for one besides the certificate or key",
                       "give the client a password, or set password = optional in the listener's section");
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
    connect_proceed(c, rights);
}

void connect_proceed(struct client *c, struct rights *rights)
{
    c->rights = rights;
    c->state = CLIENT_AUTH;
    heap_cancel(&c->shard->timers, &c->timer);
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
    if (!connect_rights_stand(c)) {
        connect_refuse(c, REASON_BAD_USER_NAME_OR_PASSWORD, "its user has just been taken out of the users file", NULL);
        return NULL;
    }
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
        session = shard_short(s) ? NULL : session_new(s, w->id, c->rights);
        if (session == NULL)
            connect_refuse(c, REASON_SERVER_UNAVAILABLE, "no memory for a new session",
                           "raise max_memory in [limits], or lower what queues and retained messages may take");
        return session;
    }
    rights_unref(session->rights);
    session->rights = rights_ref(c->rights);
    heap_cancel(&s->timers, &session->timer);
    will_cancel(session);
    return session;
}

/* A take-over was logged already, in a line that is gathered: a loop of two devices must not fill the log. */
static void log_connected(const struct client *c, bool present)
{
    const struct packet_connect *p = &c->wait->connect;
    log_event(c->wait->took_over ? LOG_DEBUG : LOG_INFO, "client.connected", LF_BYTES("client", session_id(c->session)),
              LF_STR("peer", c->peer), LF_STR("listener", c->origin->listener),
              LF_BYTES("user", rights_user(c->rights)), LF_STR("version", proto_traits(p->proto)->name),
              LF_STR("session", present    ? "resumed"
                                : p->clean ? "clean"
                                           : "new"),
              LF_INT("keepalive", p->keep_alive));
}

/* How long the session outlives its connection, seconds. 3.x reads up: a session that is kept, is kept for ever. */
static uint32_t session_expiry(const struct client *c, const struct packet_connect *p)
{
    uint64_t max = c->shard->b->limits.max_session_expiry;
    uint32_t asked = props_has(&p->props, PROP_SESSION_EXPIRY)       ? p->props.session_expiry
                     : proto_traits(c->proto)->own_terms || p->clean ? 0
                                                                     : UINT32_MAX;
    return asked < max ? asked : (uint32_t)max;
}

/* How many QoS 1 and 2 messages it may have unacknowledged. */
static uint16_t window(const struct client *c, const struct packet_connect *p)
{
    if (!proto_traits(c->proto)->own_terms)
        return shard_window(c->shard);
    uint32_t asked = props_has(&p->props, PROP_RECEIVE_MAXIMUM) ? p->props.receive_maximum : UINT16_MAX;
    return (uint16_t)(asked < RECEIVE_MAXIMUM ? asked : RECEIVE_MAXIMUM);
}

/* Our terms, where they differ from what the client asked for or from the standard's defaults. */
static void fill_terms(const struct client *c, const struct packet_connect *p, struct props *out)
{
    out->has = 1ull << PROP_RECEIVE_MAXIMUM | 1ull << PROP_TOPIC_ALIAS_MAXIMUM | 1ull << PROP_MAXIMUM_PACKET_SIZE;
    out->receive_maximum = RECEIVE_MAXIMUM;
    out->topic_alias_maximum = ALIAS_IN_MAX;
    out->maximum_packet_size = c->shard->b->limits.max_packet_size;
    uint32_t expiry = session_expiry(c, p);
    if (props_has(&p->props, PROP_SESSION_EXPIRY) && p->props.session_expiry != expiry) {
        out->has |= 1ull << PROP_SESSION_EXPIRY;
        out->session_expiry = expiry;
    }
    if (p->client_id.n == 0) {
        out->has |= 1ull << PROP_ASSIGNED_CLIENT_ID;
        out->assigned_client_id = session_id(c->session);
    }
    if (c->keep_alive != p->keep_alive) {
        out->has |= 1ull << PROP_SERVER_KEEP_ALIVE;
        out->server_keep_alive = c->keep_alive;
    }
    auth_connack(c, out);
}

static void welcome(struct client *c, const struct packet_connect *p, bool present, uint64_t need)
{
    struct packet_connack connack = {.session_present = present && proto_traits(c->proto)->session_flag};
    if (proto_traits(c->proto)->own_terms)
        fill_terms(c, p, &connack.props);
    struct packet packet = {.type = PACKET_CONNACK, .connack = connack};
    if (!client_too_large(c, packet_encode(&packet, c->proto, NULL, 0))) {
        client_answer(c, &packet, need);
        c->greeted = true;
        c->connack_waits = !list_empty(&c->gate);
        return;
    }
    will_free(c->will); /* a refusal, after all */
    c->will = NULL;
    c->state = CLIENT_AUTH;
    connect_refuse(c, REASON_PACKET_TOO_LARGE, "its maximum packet size leaves no room for CONNACK",
                   "let the client take packets of 64 bytes at least");
}

static void store_connected(struct client *c)
{
    struct session *n = c->session;
    struct store_record r = {
        .kind = STORE_SESSION, .expiry = n->ends ? 0 : n->expiry, .user = rights_user(c->rights), .connected = true};
    if (c->will != NULL) {
        r.has_will = true;
        r.topic = c->will->topic;
        r.props = c->will->props;
        r.payload = c->will->payload;
        r.qos = c->will->qos;
        r.retain = c->will->retain;
        r.will_delay = c->will->delay;
        r.will_expiry = c->will->has_expiry ? c->will->expiry : UINT32_MAX;
    }
    session_store(n, &r);
}

/*
 * Is there nothing in this connection that would have to be stored before CONNACK? That the session is in use again has
 * to be, too, but for no more than that its expiry begins anew. So where the store fails, that is no reason to refuse a
 * client that comes back.
 */
static bool resumes(const struct client *c, const struct session *session, uint32_t expiry)
{
    return session->settled && session->expiry == expiry && c->will == NULL;
}

/* The client has its session; the session has what this connection asks for. Returns what CONNACK waits for; 0: none.
 */
static void join(struct client *c, struct session *session, const struct packet_connect *p)
{
    struct shard *s = c->shard;
    uint32_t expiry = session_expiry(c, p);
    c->resumes = session->settled = resumes(c, session, expiry);
    session->ends = expiry == 0 && session_durable(session); /* what is stored of it is to be taken back then */
    if (!session->ends)
        session->expiry = expiry;
    session->window = window(c, p);
    session->client = c;
    session_resume(session);
    c->session = session;
    c->keep_alive = keep_alive_too_long(c, p->keep_alive) ? (uint16_t)s->b->limits.max_keepalive : p->keep_alive;
    c->last_packet = s->now;
    c->state = CLIENT_UP;
    c->was_up = true;
    client_set_keep_alive(c);
    if (session_durable(session))
        store_connected(c);
}

void connect_attach(struct client *c)
{
    struct shard *s = c->shard;
    const struct packet_connect *p = &c->wait->connect;
    bool present;
    struct client_will *will = p->has_will ? will_new(s, &p->will) : NULL;
    if (p->has_will && will == NULL) {
        connect_refuse(c, REASON_SERVER_UNAVAILABLE, "no memory", NULL);
        return;
    }
    s->need = 0;
    struct session *session = attach_session(c, &present);
    if (session == NULL) {
        will_free(will);
        return;
    }
    c->will = will;
    join(c, session, p);
    log_connected(c, present);
    welcome(c, p, present, s->need); /* that an old session is gone is promised, too */
    session_show(session);
    mem_free(c->wait);
    c->wait = NULL;
    client_give_large(c);
    client_wake(c);
}
