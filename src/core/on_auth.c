/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Enhanced authentication of 5.0: the client names a method in CONNECT, and both sides exchange AUTH packets until the
 * authoriser is content. Later the client may show itself once more, by the same method and as the same user, while the
 * rest of the connection goes on.
 *
 *   CONNECT (method) ──► AUTH 0x18 ◄──► AUTH 0x18 ... ──► CONNACK
 *   AUTH 0x19        ──► AUTH 0x18 ◄──► AUTH 0x18 ... ──► AUTH 0x00
 */
#include "core_private.h"

#include <assert.h>

struct client_auth {
    void *state; /* the authoriser's, while an exchange is under way */
    bool running;
    uint8_t answer[AUTH_ANSWER_MAX]; /* for CONNACK */
    size_t answer_n;
    size_t method_n;
    uint8_t method[];
};

static struct bytes method_of(const struct client_auth *a)
{
    return bytes_of(a->method, a->method_n);
}

static void end_exchange(struct client *c)
{
    struct client_auth *a = c->v5->auth;
    const struct shard_env *env = &c->shard->env;
    if (a->state != NULL)
        env->auth_end(env->ctx, a->state);
    a->state = NULL;
    a->running = false;
}

void auth_free(struct client *c)
{
    if (c->v5->auth == NULL)
        return;
    end_exchange(c);
    mem_free(c->v5->auth);
    c->v5->auth = NULL;
}

static struct client_auth *auth_new(struct bytes method)
{
    struct client_auth *a = mem_try_alloc(sizeof(*a) + method.n);
    if (a == NULL)
        return NULL;
    a->method_n = method.n;
    memcpy(a->method, method.p, method.n);
    return a;
}

static void refuse(struct client *c, enum reason r)
{
    const char *why = r == REASON_BAD_AUTHENTICATION_METHOD ? "an authentication method that is not supported"
                      : r == REASON_SERVER_UNAVAILABLE      ? "no memory"
                      : r == REASON_PACKET_TOO_LARGE        ? "its maximum packet size leaves no room for AUTH"
                                                            : "enhanced authentication failed";
    const char *hint = r == REASON_BAD_AUTHENTICATION_METHOD
                           ? "the method that is supported is SCRAM-SHA-256; or use a user name and password"
                       : r == REASON_PACKET_TOO_LARGE
                           ? "let the client take packets of 1 KiB at least"
                           : "check user and password in the client; 'sotto passwd USERS-FILE NAME' sets them";
    if (c->state == CLIENT_UP)
        client_refuse_hint(c, r, why, hint);
    else
        connect_refuse(c, r, why, hint);
}

static void say(struct client *c, enum reason reason, struct bytes data)
{
    struct packet p = {.type = PACKET_AUTH, .end = {.reason = reason}};
    p.end.props.has = 1ull << PROP_AUTH_METHOD;
    p.end.props.auth_method = method_of(c->v5->auth);
    if (data.n > 0) {
        p.end.props.has |= 1ull << PROP_AUTH_DATA;
        p.end.props.auth_data = data;
    }
    if (client_too_large(c, packet_encode(&p, c->proto, NULL, 0)))
        refuse(c, REASON_PACKET_TOO_LARGE);
    else
        client_reply(c, &p);
}

/* Who it is has been shown: on with CONNECT, or with the connection as it was. */
static void done(struct client *c, struct auth_step *step)
{
    struct client_auth *a = c->v5->auth;
    end_exchange(c);
    if (c->state != CLIENT_UP) {
        memcpy(a->answer, step->answer, step->answer_n);
        a->answer_n = step->answer_n;
        connect_proceed(c, step->rights);
        return;
    }
    rights_unref(c->rights);
    c->rights = step->rights;
    rights_unref(c->session->rights);
    c->session->rights = rights_ref(c->rights);
    say(c, REASON_SUCCESS, bytes_of(step->answer, step->answer_n));
}

static void take_step(struct client *c, const struct props *p)
{
    const struct shard_env *env = &c->shard->env;
    struct client_auth *a = c->v5->auth;
    struct auth_step step = {.state = a->state, .method = method_of(a), .client_id = client_id(c)};
    if (props_has(p, PROP_AUTH_DATA))
        step.data = p->auth_data;
    if (c->state == CLIENT_UP)
        step.user = rights_user(c->rights);
    a->running = true;
    enum reason r = env->auth_step != NULL ? env->auth_step(env->ctx, c, &step) : REASON_BAD_AUTHENTICATION_METHOD;
    a->state = step.state;
    assert(step.answer_n <= AUTH_ANSWER_MAX);
    if (r == REASON_SUCCESS) {
        done(c, &step);
    } else if (r == REASON_CONTINUE_AUTHENTICATION) {
        say(c, r, bytes_of(step.answer, step.answer_n));
    } else {
        end_exchange(c);
        refuse(c, r);
    }
}

void auth_begin(struct client *c)
{
    const struct props *p = &c->wait->connect.props;
    c->v5->auth = auth_new(p->auth_method);
    if (c->v5->auth == NULL) {
        refuse(c, REASON_SERVER_UNAVAILABLE);
        return;
    }
    c->state = CLIENT_EXCHANGE;
    take_step(c, p);
}

void on_auth(struct client *c, const struct packet *p)
{
    struct client_auth *a = c->v5 != NULL ? c->v5->auth : NULL;
    if (a == NULL || !props_has(&p->end.props, PROP_AUTH_METHOD) ||
        !bytes_equal(p->end.props.auth_method, method_of(a))) {
        client_refuse(c, REASON_PROTOCOL_ERROR, "AUTH with another method than that of CONNECT");
        return;
    }
    bool again = p->end.reason == REASON_REAUTHENTICATE && c->state == CLIENT_UP && !a->running;
    bool goes_on = p->end.reason == REASON_CONTINUE_AUTHENTICATION && a->running;
    if (!again && !goes_on) {
        client_refuse(c, REASON_PROTOCOL_ERROR, "AUTH with a reason that doesn't fit");
        return;
    }
    take_step(c, &p->end.props);
}

void auth_connack(const struct client *c, struct props *p)
{
    const struct client_auth *a = c->v5 != NULL ? c->v5->auth : NULL;
    if (a == NULL)
        return;
    p->has |= 1ull << PROP_AUTH_METHOD;
    p->auth_method = method_of(a);
    if (a->answer_n == 0)
        return;
    p->has |= 1ull << PROP_AUTH_DATA;
    p->auth_data = bytes_of(a->answer, a->answer_n);
}
