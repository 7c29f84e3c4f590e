/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * TLS as a filter: wolfSSL works on memory and never sees a socket.
 *
 *   loop's read buffer -> in -> wolfSSL_accept / wolfSSL_read -> room()/data()
 *   the owner's outq -> up to 16 KiB gathered on the stack -> wolfSSL_write -> out -> one vectored write
 *
 * A record costs far more than a packet, so everything that waits goes into as few records as possible. Ciphertext is
 * copied into `out` (chunks of the loop's pool) and flushed once per call. While the kernel refuses, nothing is
 * encrypted: the owner's queue is where bytes wait, so that limits and policies hold there.
 *
 * When the owner has no room, the rest of the read buffer is kept aside in `rest`, and the socket isn't read until it
 * is worked through; so `rest` never holds more than one read. Idle connections hold neither `rest` nor `out`, and
 * silent ones no wolfSSL object: it is made when the hello is there. Until the handshake is done, nothing is read but
 * in the turn that handshakes.c gives.
 */
#include "transport_private.h"

#include <assert.h>
#include <stdio.h>

#include "sotto/base/buf.h"
#include "sotto/base/mem.h"
#include "handshakes_private.h"
#include "tls_keylog_private.h"
#include "tls_pair_private.h"
#include "tls_peer_private.h"

#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

#define RECORD_ALERT 21
#define RECORD_HANDSHAKE 22
#define LATE_MS 5
#define LOCAL_MAX 64
#define RECORD_MAX ((size_t)16 * 1024)
/* Ciphertext in `out` at which it is flushed, within one call. */
#define FLUSH_AT ((size_t)64 * 1024)

struct tls {
    struct tls_context *context;
    WOLFSSL *ssl; /* NULL until the hello is there */
    struct transport *stream;
    struct list turn;   /* in the loop's queue of handshakes, or in none */
    uint64_t queued_at; /* by uv_now, while it is in the queue */
    uint64_t waited;    /* ms in the queue, not yet told */
    const uint8_t *in;
    size_t in_n; /* ciphertext not yet taken by wolfSSL, during a call only */
    struct buf rest;
    struct outq out;
    struct pool *pool; /* for out, during a call only */
    bool *moved;       /* on the stack of tls_pump while it runs: set when the owner gives t away inside an event */
    const struct tls_pair *pair; /* which certificate it gets; NULL until then */
    struct client_hello *hello; /* what it offered, in a struct greeting; NULL before the first byte, and from the first
                                   packet on */
    bool late;                  /* it has waited for its turn so long that its peer may have left */
    bool placed;                /* it holds one of the places for handshakes */
    bool established;
    bool answered; /* more than an alert was sent: the client has seen our certificate */
    bool in_is_rest;
    bool said_goodbye;
    uint8_t resumptions;
    uint8_t plain_alert;    /* that came unencrypted, before the handshake was done; 0: none */
    struct tls_peer peer[]; /* one, where the listener asks who its clients are; else none */
};

/* What only a handshake needs. */
struct greeting {
    struct client_hello hello;
    struct handshake_wait wait;
    struct tls *of;
};

static struct greeting *greeting(const struct tls *s)
{
    return container_of(s->hello, struct greeting, hello);
}

/* From the first packet on TLS is beyond doubt. */
static void forget_hello(struct tls *s)
{
    mem_free(s->hello != NULL ? greeting(s) : NULL);
    s->hello = NULL;
}

static bool asks(const struct tls *s)
{
    return tls_context_auth(s->context) != NULL;
}

/* ---- wolfSSL's side ---- */

uint8_t *tls_resumptions(void *arg)
{
    return &((struct tls *)arg)->resumptions;
}

const struct ticket_policy *tls_session_policy(void *arg)
{
    const struct tls *s = arg;
    return s->hello != NULL && s->hello->read && !s->hello->ticket ? tls_context_tickets(s->context) : NULL;
}

int tls_take_cipher(WOLFSSL *ssl, char *buf, int size, void *arg)
{
    (void)ssl;
    struct tls *s = arg;
    if (s->in_n == 0)
        return WOLFSSL_CBIO_ERR_WANT_READ;
    size_t n = (size_t)size < s->in_n ? (size_t)size : s->in_n;
    memcpy(buf, s->in, n);
    s->in += n;
    s->in_n -= n;
    return (int)n;
}

int tls_give_cipher(WOLFSSL *ssl, char *buf, int size, void *arg)
{
    (void)ssl;
    struct tls *s = arg;
    assert(s->pool != NULL);
    if (!outq_append(&s->out, s->pool, buf, (size_t)size))
        return WOLFSSL_CBIO_ERR_GENERAL;
    if (asks(s) && !s->established)
        tls_peer_see_output(s->peer, bytes_of(buf, (size_t)size));
    s->answered = s->answered || (uint8_t)buf[0] == RECORD_HANDSHAKE;
    return size;
}

struct tls_peer *tls_peer_of(WOLFSSL *ssl)
{
    struct tls *s = wolfSSL_GetIOReadCtx(ssl);
    return s->peer;
}

struct tls *tls_new(struct transport *t, struct tls_context *context)
{
    const struct tls_auth *auth = tls_context_auth(context);
    struct tls *s = mem_alloc(sizeof(*s) + (auth != NULL ? sizeof(s->peer[0]) : 0));
    s->context = context;
    s->stream = t;
    list_init(&s->turn);
    if (auth != NULL)
        tls_peer_init(s->peer, auth);
    outq_init(&s->out);
    return s;
}

void tls_free(struct tls *s, struct pool *pool)
{
    if (s == NULL)
        return;
    assert(list_empty(&s->turn));
    if (s->ssl != NULL)
        wolfSSL_free(s->ssl);
    forget_hello(s);
    if (asks(s))
        tls_peer_fini(s->peer);
    buf_fini(&s->rest);
    if (pool != NULL)
        outq_fini(&s->out, pool);
    tls_context_unref(s->context);
    mem_free(s);
}

static bool make_object(struct tls *s)
{
    s->pair = tls_context_choose(s->context, s->hello);
    s->ssl = wolfSSL_new(s->pair->native);
    if (s->ssl == NULL)
        return false;
    wolfSSL_SetIOReadCtx(s->ssl, s);
    wolfSSL_SetIOWriteCtx(s->ssl, s);
    if (tls_context_keylog(s->context) != NULL)
        tls_keylog_begin(tls_context_keylog(s->context), s->ssl);
    if (asks(s))
        wolfSSL_SetCertCbCtx(s->ssl, s->peer);
    return true;
}

/* ---- Failure ---- */

static int alert_received(WOLFSSL *ssl)
{
    WOLFSSL_ALERT_HISTORY h;
    if (ssl == NULL || wolfSSL_get_alert_history(ssl, &h) != WOLFSSL_SUCCESS)
        return -1;
    /* A close_notify (0) is no trouble. */
    return h.last_rx.code > 0 ? h.last_rx.code : -1;
}

/*
 * A TLS 1.3 client of OpenSSL's says without encryption why it refuses our certificate: it has no keys yet. wolfSSL
 * expects it encrypted and only says that it can't be read, so what it was is noted before. A change of cipher may come
 * first.
 */
static void note_plain_alert(struct tls *s)
{
    static const uint8_t change[] = {20, 3, 3, 0, 1, 1}, alert[] = {RECORD_ALERT, 3, 3, 0, 2, 2};
    size_t at = s->in_n > sizeof(change) && memcmp(s->in, change, sizeof(change)) == 0 ? sizeof(change) : 0;
    if (s->answered && s->in_n - at == sizeof(alert) + 1 && memcmp(s->in + at, alert, sizeof(alert)) == 0)
        s->plain_alert = s->in[at + sizeof(alert)];
}

static void trouble_of(const struct transport *t, struct tls_trouble *f, char local[LOCAL_MAX])
{
    static const struct client_hello nothing = {.first_n = 0};
    const struct tls *s = t->tls;
    stream_local(t, local, LOCAL_MAX);
    int alert = alert_received(s->ssl);
    *f = (struct tls_trouble){.context = s->context,
                              .pair = s->pair,
                              .hello = s->hello != NULL ? s->hello : &nothing,
                              .peer = asks(s) ? s->peer : NULL,
                              .alert_received = alert < 0 && s->plain_alert > 0 ? s->plain_alert : alert,
                              .answered = s->answered,
                              .established = s->established && s->hello != NULL,
                              .local = local};
}

static void tell_trouble(struct transport *t, int error, const char *closed)
{
    struct tls_trouble f;
    char local[LOCAL_MAX], why[TLS_WORDS], hint[TLS_WORDS];
    trouble_of(t, &f, local);
    f.error = error;
    f.closed = closed;
    tls_trouble_in_words(&f, why, hint);
    stream_ended(t, why, hint[0] != '\0' ? hint : NULL, !t->tls->established || t->tls->hello != NULL);
}

void tls_explain_delay(const struct transport *t, char *why, size_t why_cap, char *hint, size_t hint_cap)
{
    struct tls_trouble f;
    char local[LOCAL_MAX], long_why[TLS_WORDS], long_hint[TLS_WORDS];
    trouble_of(t, &f, local);
    f.late = true;
    tls_trouble_in_words(&f, long_why, long_hint);
    snprintf(why, why_cap, "%s", long_why);
    snprintf(hint, hint_cap, "%s", long_hint);
}

void tls_offer(const struct tls *s, char *offered, size_t offered_cap, char *allowed, size_t allowed_cap)
{
    offered[0] = '\0';
    if (s->hello != NULL && s->hello->read)
        client_hello_describe(s->hello, offered, offered_cap);
    tls_context_describe(s->context, allowed, allowed_cap);
}

/* What the client gets next it expects without encryption: a full handshake of TLS 1.2 has it to the end. */
static bool in_the_clear(struct tls *s)
{
    return !s->answered || (wolfSSL_GetVersion(s->ssl) == WOLFSSL_TLSV1_2 && !wolfSSL_session_reused(s->ssl));
}

/* wolfSSL leaves some refusals without a word, and a client that is told nothing has nothing to tell. */
static void put_alert(struct tls *s)
{
    static const uint8_t handshake_failure[] = {RECORD_ALERT, 3, 3, 0, 2, 2, 40};
    WOLFSSL_ALERT_HISTORY h;
    bool silent = s->ssl == NULL || (wolfSSL_get_alert_history(s->ssl, &h) == WOLFSSL_SUCCESS && h.last_tx.code < 0 &&
                                     h.last_rx.code < 0);
    if (silent && s->hello != NULL && s->hello->read && in_the_clear(s) && !s->established && s->out.bytes == 0)
        (void)outq_append(&s->out, s->pool, handshake_failure, sizeof(handshake_failure));
}

static void fail(struct transport *t, int error)
{
    put_alert(t->tls);
    /* The alert that wolfSSL has written for the peer goes out before the socket is closed. */
    stream_flush_last(t, &t->tls->out);
    t->broken = true;
    t->refused =
        t->tls->hello != NULL && t->tls->hello->read && t->tls->plain_alert == 0 && alert_received(t->tls->ssl) < 0;
    tell_trouble(t, error, NULL);
}

void tls_eof(struct transport *t, const char *why, const char *hint)
{
    if (t->tls->established && t->tls->hello == NULL)
        stream_ended(t, why, hint, false);
    else
        tell_trouble(t, 0, why);
}

/* ---- Input ---- */

bool tls_holds(const struct transport *t)
{
    const struct tls *s = t->tls;
    /* The beginning of a hello waits for more of it. */
    if (s->ssl == NULL)
        return false;
    return s->rest.n > 0 || s->in_n > 0 || (s->established && wolfSSL_pending(s->ssl) > 0);
}

bool tls_is_pumping(const struct tls *s)
{
    return s->moved != NULL;
}

size_t tls_room(struct transport *t)
{
    size_t cap = 0;
    return t->tls->established && t->events->room(t->owner, &cap) != NULL ? t->loop->read_cap : 0;
}

void tls_want_turn(struct transport *t)
{
    struct tls *s = t->tls;
    if (s->established)
        return;
    if (!list_empty(&s->turn)) {
        stream_pause(t); /* it waits longer than a turn */
        return;
    }
    if (s->hello != NULL)
        handshakes_wait_ends(t->loop, &greeting(s)->wait);
    s->queued_at = uv_now(t->loop->uv);
    handshakes_add(t->loop, &s->turn, s->ssl != NULL);
}

void tls_leave_queue(struct tls *s)
{
    list_remove(&s->turn);
}

static bool take_place(struct tls *s)
{
    const struct transport_loop *l = s->stream->loop;
    if (s->ssl != NULL || l->take_place == NULL)
        return true;
    s->placed = l->take_place(l->ctx);
    return s->placed;
}

static void give_place(struct tls *s)
{
    if (!s->placed)
        return;
    s->placed = false;
    s->stream->loop->give_place(s->stream->loop->ctx);
}

void tls_give_place(struct tls *s)
{
    if (s->hello != NULL)
        handshakes_wait_ends(s->stream->loop, &greeting(s)->wait);
    give_place(s);
}

void tls_lose_place(struct handshake_wait *w)
{
    give_place(container_of(w, struct greeting, wait)->of);
}

void tls_give_up(struct handshake_wait *w)
{
    struct transport *t = container_of(w, struct greeting, wait)->of->stream;
    t->broken = true;
    stream_ended(t, "the client was silent in its TLS handshake for so long that room was made for others",
                 "thousands do that at a time: an attack, or a network that loses packets; see where they come from",
                 true);
}

void tls_got_nothing(struct tls *s)
{
    if (s->ssl == NULL)
        tls_give_place(s);
}

bool tls_take_turn(struct list *node)
{
    struct tls *s = container_of(node, struct tls, turn);
    if (!take_place(s))
        return false;
    uint64_t waited = uv_now(s->stream->loop->uv) - s->queued_at;
    s->waited += waited;
    s->late = waited > LATE_MS;
    stream_fetch(s->stream);
    return true;
}

uint64_t tls_waited(struct tls *s)
{
    uint64_t now = s->stream->loop != NULL ? uv_now(s->stream->loop->uv) : 0, waited = s->waited;
    if (!list_empty(&s->turn)) {
        waited += now - s->queued_at;
        s->queued_at = now;
    }
    s->waited = 0;
    return waited;
}

/* wolfSSL would begin all the same, and find out that it has no certificate when it is to send it. */
static bool lacks_key(const struct tls *s)
{
    return asks(s) && s->peer->auth->keys_only && s->hello->read && s->hello->tls13 && !s->hello->psk &&
           tls_context_max_version(s->context) == TLS_1_3;
}

/* Would wolfSSL agree on a suite and then have no group to go with it? It notices only after its ServerHello (TLS 1.2),
 * or asks for a group that was not offered (1.3). A key that both share may do without. */
static bool has_no_group(const struct tls *s)
{
    const struct client_hello *h = s->hello;
    const struct tls_auth *auth = tls_context_auth(s->context);
    bool tls13 = h->tls13 && tls_context_max_version(s->context) == TLS_1_3;
    bool tls12 = h->tls12 && tls_context_min_version(s->context) == TLS_1_2;
    unsigned suites = tls13 ? OFFER_TLS13 : tls12 ? OFFER_ECDHE_RSA_AEAD | OFFER_ECDHE_ECDSA_AEAD : 0;
    if (!h->read || (h->offers & suites) == 0 || !tls_choose_no_group(h))
        return false;
    return auth == NULL || auth->keys == NULL || (!h->psk && (h->offers & OFFER_PSK) == 0);
}

static bool make_greeting(struct tls *s)
{
    struct greeting *g = mem_try_alloc(sizeof(*g));
    if (g == NULL)
        return false;
    handshake_wait_init(&g->wait);
    g->of = s;
    s->hello = &g->hello;
    return true;
}

/* Reads the hello and makes wolfSSL's object, once the hello is there as a whole or is seen to be none. */
static bool begin(struct transport *t)
{
    struct tls *s = t->tls;
    if (s->hello == NULL && !make_greeting(s)) {
        fail(t, MEMORY_E);
        return false;
    }
    if (client_hello_read(s->hello, bytes_of(s->in, s->in_n)) == HELLO_PARTLY && s->in_n < HELLO_WIRE_MAX) {
        tls_give_place(s);
        return false;
    }
    /* Its peer may have waited less long. */
    if (s->late && s->hello->read && stream_peer_left(t)) {
        t->broken = true;
        tell_trouble(t, 0, NULL);
        return false;
    }
    if (lacks_key(s) || has_no_group(s)) {
        fail(t, lacks_key(s) ? NO_CERT_ERROR : MATCH_SUITE_ERROR);
        return false;
    }
    if (make_object(s))
        return true;
    fail(t, MEMORY_E);
    return false;
}

static void wait_for_peer(struct transport *t)
{
    struct tls *s = t->tls;
    stream_flush(t, &s->out);
    handshakes_wait(t->loop, &greeting(s)->wait, s->placed || t->loop->take_place == NULL);
}

/* One step of the handshake. True: it is done, and t is still ours. */
static bool shake_hands(struct transport *t, const bool *moved)
{
    struct tls *s = t->tls;
    if (s->ssl == NULL && !begin(t))
        return false;
    note_plain_alert(s);
    int rc = wolfSSL_accept(s->ssl);
    if (rc != WOLFSSL_SUCCESS) {
        int error = wolfSSL_get_error(s->ssl, rc);
        if (error == WOLFSSL_ERROR_WANT_READ)
            wait_for_peer(t);
        else
            fail(t, error);
        return false;
    }
    if (asks(s) && !tls_peer_settle(s->peer, s->ssl)) {
        fail(t, VERIFY_CERT_ERROR);
        return false;
    }
    s->established = true;
    tls_give_place(s);
    if (tls_context_keylog(s->context) != NULL)
        tls_keylog_end(s->ssl);
    stream_flush(t, &s->out);
    t->events->established(t->owner);
    if (*moved || t->closing)
        return false;
    if (t->wanted && t->writing == NULL && !t->broken) {
        t->wanted = false;
        t->events->drained(t->owner);
    }
    return !*moved && !t->closing;
}

/* One wolfSSL_read into the owner's room. True: there may be more, and t is still ours. */
static bool read_some(struct transport *t, const bool *moved)
{
    struct tls *s = t->tls;
    size_t cap = 0;
    uint8_t *room = t->events->room(t->owner, &cap);
    if (room == NULL || cap == 0)
        return false;
    int n = wolfSSL_read(s->ssl, room, cap < INT32_MAX ? (int)cap : INT32_MAX);
    if (n > 0) {
        forget_hello(s);
        t->events->data(t->owner, (size_t)n);
        return !*moved && !t->closing && !t->ended && t->reading;
    }
    int error = wolfSSL_get_error(s->ssl, n);
    if (error == WOLFSSL_ERROR_WANT_READ)
        return false;
    if (error == WOLFSSL_ERROR_ZERO_RETURN)
        tls_eof(t, NULL, NULL);
    else
        fail(t, error);
    return false;
}

/* What is left of the input is put where it may stay after this call. */
static bool keep_rest(struct tls *s)
{
    bool ok = true;
    if (s->in_is_rest)
        buf_consume(&s->rest, s->rest.n - s->in_n);
    else
        ok = buf_append(&s->rest, s->in, s->in_n);
    s->in = NULL;
    s->in_n = 0;
    s->in_is_rest = false;
    return ok;
}

/* Works through `in`. Afterwards t may be on another loop. */
static void tls_pump(struct transport *t)
{
    struct tls *s = t->tls;
    bool moved = false;
    s->moved = &moved;
    s->pool = t->loop->pool;
    if (s->established || shake_hands(t, &moved)) {
        while (read_some(t, &moved))
            continue;
    }
    if (moved)
        return;
    s->moved = NULL;
    if (t->closing || t->ended) {
        s->in = NULL;
        s->in_n = 0;
        return;
    }
    if (!keep_rest(s)) {
        stream_fail(t, UV_ENOMEM);
        return;
    }
    /* An answer of wolfSSL's own (a key update). */
    if (s->out.bytes > 0)
        stream_flush(t, &s->out);
    if (t->closing || t->ended || !t->reading)
        return;
    if (tls_holds(t)) {
        stream_pause(t);
        stream_kick(t);
    } else {
        stream_unkick(t);
        stream_resume(t);
    }
}

void tls_input(struct transport *t, const uint8_t *p, size_t n)
{
    struct tls *s = t->tls;
    assert((s->rest.n == 0 || s->ssl == NULL) && s->in_n == 0);
    s->rest.max = t->loop->read_cap + HELLO_WIRE_MAX;
    if (s->rest.n > 0 && !buf_append(&s->rest, p, n)) {
        stream_fail(t, UV_ENOMEM);
        return;
    }
    s->in_is_rest = s->rest.n > 0;
    s->in = s->in_is_rest ? s->rest.p : p;
    s->in_n = s->in_is_rest ? s->rest.n : n;
    tls_pump(t);
}

void tls_go_on(struct transport *t)
{
    struct tls *s = t->tls;
    assert(s->in_n == 0);
    s->in_is_rest = s->rest.n > 0;
    s->in = s->rest.p;
    s->in_n = s->rest.n;
    tls_pump(t);
}

/* ---- Output ---- */

int tls_flush(struct transport *t)
{
    return stream_flush(t, &t->tls->out);
}

size_t tls_unsent(const struct tls *s)
{
    return s->out.bytes;
}

/* The front of q as one piece of at most RECORD_MAX: where it lies, or gathered in scratch. */
static struct bytes gather(const struct outq *q, uint8_t *scratch)
{
    struct bytes v[RECORD_MAX / 512];
    unsigned n = outq_peek(q, v, sizeof(v) / sizeof(v[0]));
    if (n == 1 || v[0].n >= RECORD_MAX)
        return bytes_of(v[0].p, v[0].n < RECORD_MAX ? v[0].n : RECORD_MAX);
    size_t used = 0;
    for (unsigned i = 0; i < n && used < RECORD_MAX; i++) {
        size_t part = v[i].n < RECORD_MAX - used ? v[i].n : RECORD_MAX - used;
        memcpy(scratch + used, v[i].p, part);
        used += part;
    }
    return bytes_of(scratch, used);
}

/* Encrypts from the front of q, up to FLUSH_AT. False: broken. */
static bool encrypt_some(struct transport *t, struct outq *q)
{
    struct tls *s = t->tls;
    uint8_t scratch[RECORD_MAX];
    s->pool = t->loop->pool;
    while (q->bytes > 0 && s->out.bytes < FLUSH_AT) {
        struct bytes record = gather(q, scratch);
        int n = wolfSSL_write(s->ssl, record.p, (int)record.n);
        if (n <= 0)
            return false;
        outq_consume(q, t->loop->pool, (size_t)n);
    }
    return true;
}

int tls_send(struct transport *t, struct outq *q)
{
    struct tls *s = t->tls;
    if (!s->established)
        return 0;
    while (q->bytes > 0) {
        if (!encrypt_some(t, q))
            return stream_fail(t, UV_EPROTO);
        int rc = stream_flush(t, &s->out);
        if (rc < 0 || (rc == 0 && q->bytes > 0))
            return rc;
    }
    return 1;
}

void tls_say_goodbye(struct transport *t)
{
    struct tls *s = t->tls;
    if (!s->established || s->said_goodbye)
        return;
    s->said_goodbye = true;
    s->pool = t->loop->pool;
    wolfSSL_shutdown(s->ssl);
    stream_flush_last(t, &s->out);
}

/* ---- Moving, describing ---- */

bool tls_leave(struct transport *t)
{
    struct tls *s = t->tls;
    if (s->moved != NULL && !keep_rest(s))
        return false;
    if (s->moved != NULL)
        *s->moved = true;
    s->moved = NULL;
    s->pool = NULL;
    return true;
}

enum transport_proof tls_user(const struct tls *s, struct bytes *user)
{
    *user = (struct bytes){NULL, 0};
    if (!s->established || !asks(s))
        return TRANSPORT_NO_PROOF;
    *user = bytes_of(s->peer->user, s->peer->user_n);
    return s->peer->proof;
}

void tls_describe(const struct tls *s, char *out, size_t cap)
{
    if (s->established)
        snprintf(out, cap, "%s %s", wolfSSL_get_version(s->ssl), wolfSSL_get_cipher_name(s->ssl));
    else
        snprintf(out, cap, "TLS, no handshake yet");
}
