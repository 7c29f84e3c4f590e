/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The broker's core, as seen by the loops that run it.
 *
 * A broker is what all loops share (index, retained messages, limits); a shard is one loop's part of
 * it: the sessions whose client ids hash to it, and its connections' protocol machines (struct client). A
 * shard is touched
 * by its own thread only; shards speak to each other through inboxes.
 *
 * The core does no I/O and reads no clock: bytes and `now` go in, bytes come out. A turn of the loop is:
 *
 *   shard_mail          when rung: take what other shards sent
 *   client_input ...    for each connection that has bytes
 *   shard_tick          when shard_next_deadline is reached
 *   shard_turn_end      once, before the output is written: the store's answers, mail to other shards
 *   client_output ...   for each link that was woken; then write, once
 */
#pragma once

#include "sotto/base/hash.h"
#include "sotto/base/outq.h"
#include "sotto/base/slots.h"
#include "sotto/codec/packet.h"
#include "sotto/core/limits.h"
#include "sotto/core/rights.h"

struct broker;
struct shard;
struct client;
struct store_ops;

struct broker_config {
    unsigned shards;
    struct limits limits;
};

/* Draws its hash keys. Limits are copied. */
struct broker *broker_new(const struct broker_config *c);
/* After all shards are freed. */
void broker_free(struct broker *b);

/* The users, and so their rights, are others from now on: what the authoriser answers is new already. Any thread.
 * Then shard_renew_rights on every shard. */
void broker_rights_changed(struct broker *b);

/* A password besides a certificate or a shared key. */
enum auth_password {
    AUTH_PASSWORD_OPTIONAL, /* one that is given has to be right */
    AUTH_PASSWORD_REQUIRED,
    AUTH_PASSWORD_NONE, /* one that is given is not looked at */
};

struct auth_request {
    struct bytes client_id, user, password;
    bool has_user, has_password;
    bool anonymous; /* the listener lets in clients that give no user name */
    /* Filled in by the loop, which knows the connection: the user whom its certificate or shared key names; it stands
     * in place of the one in CONNECT. Empty: nobody. */
    struct bytes identity;
    enum auth_password password_rule; /* with an identity */
};

/* The longest that one step of an enhanced authentication may answer with. */
#define AUTH_ANSWER_MAX 512u

/* One step of an enhanced authentication (MQTT 5.0, 4.12): what the client sent, and what is answered. */
struct auth_step {
    void *state;               /* of the exchange: NULL in its first step; set by the authoriser, ended by auth_end */
    struct bytes method, data; /* data: empty when none was sent */
    struct bytes client_id;
    struct bytes user; /* re-authentication: who it was so far, and has to be again; else empty */
    uint8_t answer[AUTH_ANSWER_MAX];
    size_t answer_n;
    struct rights *rights; /* with REASON_SUCCESS: a reference for the caller */
};

/* Whose rights are asked for anew, see shard_env. */
enum rights_holder {
    RIGHTS_OF_LOGIN,    /* a connected client that has logged in, or is anonymous (no user name) */
    RIGHTS_OF_IDENTITY, /* one whom a certificate or a shared key names */
    RIGHTS_OF_ABSENT    /* a session without a connection */
};

/* What a shard asks of the loop that runs it (or of a test's rig). Called on the shard's thread, from inside the
 * doors below. */
struct shard_env {
    void *ctx;
    /* How long (ms) the loop has let this connection wait in queues of its own before CONNECT, since this was asked the
     * last time: its time-out is put off by so much. NULL: never. */
    msec (*waited)(void *ctx, void *link);
    /* The bell: this connection has output, or wants to be closed, moved on or read again: look at it before the
     * turn ends. Notes it, and may write output that has grown long; never calls back into the core. */
    void (*wake)(void *ctx, void *link);
    /* Check these credentials; the answer is given by client_authenticated, at once or later. The request's bytes
     * are valid during the call only. */
    void (*authenticate)(void *ctx, struct client *c, const struct auth_request *r);
    /* The next step of an enhanced authentication, answered at once: REASON_CONTINUE_AUTHENTICATION (the answer goes
     * to the client), REASON_SUCCESS (with rights, and perhaps an answer), REASON_BAD_AUTHENTICATION_METHOD, or why it
     * is refused. NULL where there is no such authentication. */
    enum reason (*auth_step)(void *ctx, struct client *c, struct auth_step *step);
    /* The rights that this user has by now, a reference; NULL: none, it may not be here. NULL where they never change.
     */
    struct rights *(*rights)(void *ctx, enum rights_holder holder, struct bytes user);
    /* Frees the state of an exchange, finished or not. Never called with NULL. */
    void (*auth_end)(void *ctx, void *state);
    /* The client's session lives on shard `to`: bring the connection there (after its unsent output, if any, is gone
     * or taken along), then call client_arrived there. Called once per client at most. */
    void (*move)(void *ctx, void *link, unsigned to);
    /* Shard `to` has mail: have its thread call shard_mail soon. */
    void (*ring)(void *ctx, unsigned to);
};

/* store: see core/store.h; store_ctx is its. */
struct shard *shard_new(struct broker *b, unsigned number, const struct shard_env *env, const struct store_ops *store,
                        void *store_ctx);
/* All clients must be gone. Sessions end with it. */
void shard_free(struct shard *s);
void shard_mail(struct shard *s, msec now);
void shard_tick(struct shard *s, msec now);
msec shard_next_deadline(const struct shard *s);
/* True: it made new mail or output (call again after the output was written, before the loop sleeps). Idempotent
 * otherwise. */
bool shard_turn_end(struct shard *s, msec now);
/*
 * After broker_rights_changed: gives the next sessions from *at (0 in the first call) the rights that they have now,
 * and ends connections of users who are no more. Some at a time; true: call again. Subscriptions stay: what they bring
 * is a matter of deny rules.
 */
bool shard_renew_rights(struct shard *s, uint32_t *at, msec now);
/* The pool that outputs of this shard's clients come from; the loop may use it for its own output chunks. */
struct pool *shard_pool(struct shard *s);
/* The shard's client with this handle, or NULL when it is gone. */
struct client *shard_find_client(struct shard *s, handle h);

struct shard_stats {
    uint64_t clients, sessions, subscriptions;
    uint64_t messages_received, messages_sent, messages_dropped; /* PUBLISH */
    uint64_t bytes_received, bytes_sent;
};
/* Any thread. */
void shard_stats(const struct shard *s, struct shard_stats *out);

/* ---------------------------------------------------------------- client */

/* Where a connection comes from: constant while the connection lives, owned by the listener. */
struct client_origin {
    const char *listener; /* name, for logs */
    bool anonymous;
    uint8_t versions; /* bit 1 << enum proto: allowed ones */
};

/*
 * A new connection: no byte read yet. link: the caller's, given back in env calls. peer: "address:port" for
 * logs, copied.
 * The connect timeout starts here. Never NULL.
 */
struct client *client_new(struct shard *s, void *link, const struct client_origin *origin, const char *peer, msec now);

/*
 * Feeds bytes from the peer. Returns how many were used: whole packets only. What is left belongs to the caller, who
 * offers it again with more behind it. It uses less than it could when client_paused() says so: then don't feed (and
 * don't read) until the link is woken and client_paused() is false. After client_closing() nothing is used.
 */
size_t client_input(struct client *c, const uint8_t *p, size_t n, msec now);
/* Bytes that the unfinished packet at the front will have in all, as far as known (0: not known). For sizing
 * buffers. */
size_t client_needs(const struct client *c);
bool client_paused(const struct client *c);

/* Moves what is due (queued messages, retained messages, acknowledgements) into the output, up to the high-water
 * mark. */
void client_output(struct client *c, msec now);
/* Nothing but acknowledgments of the client's own messages is in the output: it does no harm when they wait for more of
 * their kind, a few turns of a busy loop. */
bool client_patient(const struct client *c);
/* The output: the caller sends from its front and consumes. */
struct outq *client_outq(struct client *c);

/* The core is done with this connection: send what is in the output (as long as the peer takes it), then close it
 * and call client_gone. */
bool client_closing(const struct client *c);
/* Ends the connection from outside: server stop, operator. The peer is told where its version can be. */
void client_end(struct client *c, enum reason reason, msec now);
/* The connection is over, for whatever cause. why: in words, for the log, when the transport knows (NULL: peer
 * closed). Publishes the will where it is due, detaches the session, frees c. Once, and not from inside an env call. */
void client_gone(struct client *c, const char *why, msec now);

/* The answer to env.authenticate: REASON_SUCCESS and rights (a reference, taken), or the reason of the refusal. */
void client_authenticated(struct client *c, enum reason result, struct rights *rights, msec now);
/* After env.move: leaves its shard (on the old thread) ... */
void client_leave(struct client *c);
/* ... and arrives (on the new one): goes on with CONNECT. */
void client_arrived(struct client *c, struct shard *s, void *link, msec now);

handle client_handle(const struct client *c);
/* For logs: the client id (empty before CONNECT), peer. */
struct bytes client_id(const struct client *c);
const char *client_peer(const struct client *c);
/* CONNECT was accepted. */
bool client_connected(const struct client *c);
/* A certificate or a shared key has shown who it is: for the words of a refusal. */
void client_set_identified(struct client *c);
/* What client_new was given, or client_arrived. */
void *client_link(const struct client *c);
/* The time-out of the handshake: true when the transport still works on it, so that the log can say so. */
void client_set_handshaking(struct client *c, bool on);
