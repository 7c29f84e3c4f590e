/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where bytes are put, so that a full-speed reader never copies a whole read and an idle connection owns nothing:
 *
 *   nothing kept    the loop's plaintext buffer
 *   a little kept   copied to the front of that buffer; the read goes behind it: one piece for the core
 *   much kept       the connection's own buffer, which grows as bytes really come, never to what is only promised
 *
 * What the core leaves (an unfinished packet, or everything while it is paused) is kept by the connection.
 */
#include "connection.h"

#include <assert.h>
#include <unistd.h>

#include "handover.h"
#include "listener.h"
#include "sotto/base/mem.h"
#include "sotto/core/shard.h"

/* Less room than this is not worth a read: the budget of the turn counts as used. */
#define LEAST_ROOM 4096
/* What is said about a handshake. */
#define OFFER_MAX 513
/* Output is pulled and written so often in one turn, while it fills a quarter of a read. */
#define PULLS 4
/* Acknowledgments alone wait for more of their kind, but not when they are so many bytes already (`held` keeps less).
 */
#define GATHERED 256
/* Who sends nothing more before it is answered is answered at once for a while, for so many times 2 at most. */
#define HASTE_MAX 7

static struct connection *live(void *owner)
{
    struct connection *c = owner;
    return c->client != NULL ? c : NULL;
}

/* ---------------------------------------------------------------- what is kept */

static size_t kept_n(const struct connection *c)
{
    return c->kept != NULL ? c->kept->n : 0;
}

static void forget_kept(struct connection *c)
{
    if (c->kept == NULL)
        return;
    buf_fini(c->kept);
    mem_free(c->kept);
    c->kept = NULL;
}

/* False without memory, or over what a packet and a read may be. */
static bool keep(struct connection *c, const uint8_t *p, size_t n)
{
    if (n == 0)
        return true;
    if (c->kept == NULL) {
        c->kept = mem_try_alloc(sizeof(*c->kept));
        if (c->kept == NULL)
            return false;
        buf_init(c->kept, (size_t)c->loop->server->config->limits.max_packet_size + 2 * LOOP_READ);
    }
    return buf_append(c->kept, p, n);
}

static void use_kept(struct connection *c, size_t n)
{
    if (n == kept_n(c))
        forget_kept(c);
    else
        buf_consume(c->kept, n);
}

void connection_end(struct connection *c, const char *why)
{
    struct client *client = c->client;
    c->client = NULL;
    if (c->flags & CONNECTION_LINGERS) {
        list_remove(&c->all);
        list_push_back(&c->loop->connections, &c->all);
    }
    c->flags &= (uint16_t)~CONNECTION_LINGERS;
    forget_kept(c);
    client_gone(client, why, loop_now(c->loop));
    /* Now: its own will may just have woken it. */
    list_remove(&c->turn);
    c->flags &= (uint16_t) ~(CONNECTION_QUEUED | CONNECTION_RESUMES);
    transport_close(c->transport);
}

/* ---------------------------------------------------------------- in */

static size_t budget_left(struct connection *c)
{
    if (c->budget_turn != (uint16_t)c->loop->turn) {
        c->budget_turn = (uint16_t)c->loop->turn;
        c->budget_used = 0;
    }
    return c->budget_used + LEAST_ROOM <= LOOP_READ ? LOOP_READ - c->budget_used : 0;
}

static uint8_t *own_room(struct connection *c, size_t *cap)
{
    size_t want = c->kept->n;
    size_t needs = client_needs(c->client);
    if (needs > c->kept->n && needs - c->kept->n < want)
        want = needs - c->kept->n;
    if (want < *cap)
        *cap = want;
    c->flags |= CONNECTION_OWN_ROOM;
    return buf_reserve(c->kept, *cap);
}

static uint8_t *on_room(void *owner, size_t *cap)
{
    struct connection *c = live(owner);
    if (c == NULL || c->flags & (CONNECTION_STOPPED | CONNECTION_MOVING | CONNECTION_LINGERS))
        return NULL;
    *cap = budget_left(c);
    if (*cap == 0)
        return NULL; /* the transport asks again in the next turn */
    if (kept_n(c) < LOOP_HEADROOM) {
        c->flags &= (uint16_t)~CONNECTION_OWN_ROOM;
        if (kept_n(c) > 0)
            memcpy(c->loop->plain, c->kept->p, c->kept->n);
        return c->loop->plain + kept_n(c);
    }
    uint8_t *room = own_room(c, cap);
    if (room == NULL)
        client_end(c->client, REASON_QUOTA_EXCEEDED, loop_now(c->loop));
    return room;
}

/* Stops reading where the core has had enough. */
static void after_input(struct connection *c)
{
    if (client_closing(c->client))
        loop_queue(c->loop, c);
    else if (!client_paused(c->client) && !(c->flags & CONNECTION_MOVING))
        return;
    c->flags |= CONNECTION_STOPPED;
    transport_stop(c->transport);
}

static void feed_kept(struct connection *c)
{
    size_t used = client_input(c->client, c->kept->p, c->kept->n, loop_now(c->loop));
    assert(used <= c->kept->n);
    use_kept(c, used);
}

/* p: n bytes in the loop's buffer, the kept ones first. */
static bool feed_shared(struct connection *c, const uint8_t *p, size_t n)
{
    size_t used = client_input(c->client, p, n, loop_now(c->loop));
    assert(used <= n);
    if (used == 0)
        return keep(c, p + kept_n(c), n - kept_n(c));
    forget_kept(c);
    return keep(c, p + used, n - used);
}

static void on_data(void *owner, size_t n)
{
    struct connection *c = live(owner);
    if (c == NULL)
        return;
    c->budget_used += (uint32_t)n;
    c->loop->reads++;
    if (c->flags & CONNECTION_OWN_ROOM) {
        buf_commit(c->kept, n);
        feed_kept(c);
    } else if (!feed_shared(c, c->loop->plain, kept_n(c) + n)) {
        client_end(c->client, REASON_QUOTA_EXCEEDED, loop_now(c->loop));
    }
    after_input(c);
}

void connection_resume(struct connection *c)
{
    loop_queue(c->loop, c);
    if (client_closing(c->client) || c->flags & (CONNECTION_MOVING | CONNECTION_LINGERS) || client_paused(c->client))
        return;
    if (c->flags & CONNECTION_STOPPED && c->kept != NULL) {
        c->flags &= (uint16_t)~CONNECTION_STOPPED;
        feed_kept(c);
        after_input(c);
        if (c->flags & CONNECTION_STOPPED)
            return;
    }
    c->flags &= (uint16_t)~CONNECTION_STOPPED;
    transport_start(c->transport);
}

void connection_identify(const struct connection *c, struct auth_request *r)
{
    transport_user(c->transport, &r->identity);
    r->password_rule = c->listener->config->password;
}

static void on_established(void *owner)
{
    struct connection *c = live(owner);
    struct bytes user;
    if (c == NULL)
        return;
    c->flags &= (uint16_t)~CONNECTION_HANDSHAKING;
    client_set_handshaking(c->client, false);
    transport_user(c->transport, &user);
    if (user.n > 0)
        client_set_identified(c->client);
    if (!log_enabled(LOG_DEBUG))
        return;
    char text[128];
    transport_describe(c->transport, text, sizeof(text));
    log_event(LOG_DEBUG, "tls.established", LF_PEER("peer", client_peer(c->client)),
              LF_STR("listener", c->listener->config->name), LF_STR("tls", text), LF_BYTES("user", user));
}

/* ---------------------------------------------------------------- out */

int connection_send(struct connection *c)
{
    if (c->flags & CONNECTION_BLOCKED)
        return 0;
    int rc = transport_send(c->transport, client_outq(c->client));
    if (rc == 0)
        c->flags |= CONNECTION_BLOCKED;
    return rc;
}

/* Waiting was in vain: nothing more came. The next answers don't wait, twice as many as the last time. */
static void lose_patience(struct connection *c)
{
    if (c->haste < HASTE_MAX)
        c->haste++;
    c->hasty = (uint8_t)(1u << c->haste);
}

/*
 * A publisher's window is larger than what it sends at once: while a loop is busy anyway, acknowledgments wait for the
 * next messages of the same client, and one write carries them all.
 */
static bool gathers(struct connection *c, size_t bytes)
{
    bool waited = c->held > 0;
    if (!loop_is_busy(c->loop) || bytes >= GATHERED || !client_patient(c->client)) {
        c->haste = waited ? 0 : c->haste;
        return false;
    }
    if (c->flags & CONNECTION_WAITED) {
        if (bytes == c->held)
            lose_patience(c);
        return false;
    }
    if (c->hasty > 0) {
        c->hasty--;
        return false;
    }
    if (!waited)
        c->held = (uint8_t)bytes;
    return true;
}

/* Pulls and writes; again where the output was long, because then there may be more behind the high-water mark. A
 * blocked connection is pulled for, too: the core is told by it that we have seen to its last wake. */
static void pull(struct connection *c)
{
    for (unsigned i = 0; i < PULLS; i++) {
        client_output(c->client, loop_now(c->loop));
        size_t bytes = client_outq(c->client)->bytes;
        if (bytes == 0)
            return;
        if (gathers(c, bytes)) {
            loop_queue_later(c->loop, c);
            return;
        }
        c->held = 0;
        c->flags &= (uint16_t)~CONNECTION_WAITED;
        if (connection_send(c) <= 0 || bytes < LOOP_READ / 4)
            return;
    }
    loop_queue(c->loop, c);
}

/* The core is done with it: the peer gets its last bytes, if it takes them. */
static void close_gently(struct connection *c)
{
    bool broken = connection_send(c) < 0;
    if (broken || (client_outq(c->client)->bytes == 0 && transport_unsent(c->transport) == 0)) {
        connection_end(c, NULL);
        return;
    }
    if (c->flags & CONNECTION_LINGERS)
        return;
    transport_stop(c->transport);
    forget_kept(c);
    c->flags |= CONNECTION_LINGERS;
    c->linger_due = (uint32_t)loop_now(c->loop) + CONNECTION_LINGER;
    list_remove(&c->all);
    list_push_back(&c->loop->lingering, &c->all);
}

/* The line about a TLS handshake that came to nothing: who, why, what to do, and what both sides wanted. */
static void log_handshake(const struct connection *c, const char *why, const char *hint)
{
    char offered[OFFER_MAX], allowed[OFFER_MAX];
    transport_offer(c->transport, offered, sizeof(offered), allowed, sizeof(allowed));
    struct log_field f[6] = {LF_PEER("peer", client_peer(c->client)), LF_STR("listener", c->listener->config->name),
                             LF_STR("reason", why)};
    size_t n = 3;
    if (hint != NULL && hint[0] != '\0')
        f[n++] = LF_STR("hint", hint);
    if (offered[0] != '\0') {
        f[n++] = LF_STR("offered", offered);
        f[n++] = LF_STR("allowed", allowed);
    }
    /* Nothing came, so nothing is wrong with it: a look whether the port is open. */
    bool empty = hint == NULL && offered[0] == '\0';
    log_event_fields(empty ? LOG_INFO : LOG_WARN, "tls.failed", f, n);
}

/* connect_timeout ended it before it was one. */
static void log_delay(struct connection *c)
{
    char why[OFFER_MAX], hint[OFFER_MAX];
    transport_explain_delay(c->transport, why, sizeof(why), hint, sizeof(hint));
    log_handshake(c, why, hint);
    c->flags &= (uint16_t)~CONNECTION_HANDSHAKING;
}

void connection_turn(struct connection *c)
{
    if (client_closing(c->client) && c->flags & CONNECTION_HANDSHAKING && !c->loop->stopping)
        log_delay(c);
    if (!client_closing(c->client))
        pull(c);
    if (client_closing(c->client))
        close_gently(c);
    else if (c->flags & CONNECTION_MOVING)
        handover_leave(c);
    else if (c->flags & CONNECTION_STOPPED && !client_paused(c->client))
        loop_resume(c->loop, c);
}

static void on_drained(void *owner)
{
    struct connection *c = live(owner);
    if (c == NULL)
        return;
    c->flags &= (uint16_t)~CONNECTION_BLOCKED;
    loop_queue(c->loop, c);
}

/* ---------------------------------------------------------------- life */

static void on_ended(void *owner, const char *why, const char *hint, bool during_handshake)
{
    struct connection *c = live(owner);
    if (c == NULL)
        return;
    if (during_handshake)
        log_handshake(c, why != NULL ? why : "the peer closed the connection during the TLS handshake", hint);
    connection_end(c, why);
}

static void on_closed(void *owner)
{
    struct connection *c = owner;
    struct server *s = c->loop->server;
    assert(c->client == NULL);
    list_remove(&c->all);
    mem_free(c);
    server_give_connection(s);
}

static const struct transport_events events = {
    .room = on_room,
    .data = on_data,
    .established = on_established,
    .drained = on_drained,
    .ended = on_ended,
    .closed = on_closed,
};

static void refused(struct server *s, const struct listener *from, const char *peer, const char *why)
{
    log_event(LOG_WARN, "connect.refused", LF_PEER("peer", peer), LF_STR("listener", from->config->name),
              LF_STR("reason", why));
    server_give_connection(s);
}

void connection_accept(struct loop *l, const struct listener *from, int fd, const char *peer)
{
    struct connection *c = mem_try_alloc(sizeof(*c));
    if (c == NULL) {
        close(fd);
        refused(l->server, from, peer, "out of memory");
        return;
    }
    c->loop = l;
    c->listener = from;
    list_init(&c->turn);
    struct tls_context *tls = from->config->tls ? tls_context_ref(tls_set_at(l->tls, from->number)) : NULL;
    int err = 0;
    c->transport = transport_new(&l->transport, fd, tls, &events, c, &err);
    if (c->transport == NULL) {
        mem_free(c);
        refused(l->server, from, peer, uv_strerror(err));
        return;
    }
    list_push_back(&l->connections, &c->all);
    c->flags = from->config->tls ? CONNECTION_HANDSHAKING : 0;
    c->client = client_new(l->shard, c, &from->origin, peer, loop_now(l));
    if (from->config->tls)
        client_set_handshaking(c->client, true);
    transport_start(c->transport);
}
