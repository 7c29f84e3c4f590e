/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The stream at the bottom: a libuv handle over a connected socket.
 *
 * Writing. uv_try_write takes what the kernel takes now; that is nearly always everything. When it refuses, a small
 * piece (16 KiB at most) is copied into a uv_write request: its completion says that the socket can be written again,
 * and the rest follows from where it is, without a copy. So a slow peer costs 16 KiB here, not its whole queue.
 *
 * Reading. An idle stream owns no buffer: libuv asks for one when there are bytes. Where the owner has no room, libuv
 * is given none (it says UV_ENOBUFS, which means nothing) and asks again in the next turn.
 *
 * Some work has no socket event that would start it: bytes kept above TLS, an error found inside the owner's own
 * call. For these an idle handle is made, which runs once per turn, and is closed when the work is done.
 */
#include "transport_private.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sotto/base/mem.h"
#include "sotto/transport/tls_context.h"

#define VECTORS 64
#define REQUEST_MAX ((size_t)16 * 1024)
#define DISCARD_ROUNDS 8
/* A peer that vanished is noticed after 60 + 6 * 10 s, where neither side sends anything. */
#define PROBE_AFTER_S 60
#define PROBE_EVERY_S 10
#define PROBES 6

struct write_request {
    uv_write_t request;
    size_t n;
    uint8_t p[];
};

static void free_handle(uv_handle_t *h)
{
    mem_free(h);
}

static void destroy(struct transport *t)
{
    const struct transport_events *events = t->events;
    void *owner = t->owner;
    tls_free(t->tls, t->loop != NULL ? t->loop->pool : NULL);
    mem_free(t);
    events->closed(owner);
}

static void on_closed(uv_handle_t *h)
{
    struct transport *t = h->data;
    mem_free(h);
    destroy(t);
}

/* ---- Work without a socket event ---- */

static const char *words_of(int uv_error)
{
    switch (uv_error) {
    case UV_ECONNRESET:
        return "the connection was reset by the peer";
    case UV_EPIPE:
        return "the peer closed the connection while it was written to";
    case UV_ETIMEDOUT:
        return "the peer has stopped answering";
    default:
        return uv_strerror(uv_error);
    }
}

/*
 * A write that fails because the peer has gone is not the end yet: its last packets may wait to be read (a DISCONNECT
 * makes the difference between a will and none). The socket says the end itself, as long as somebody reads.
 */
static bool error_is_due(const struct transport *t)
{
    bool ours = t->error == UV_ENOMEM || t->error == UV_EPROTO;
    return t->error != 0 && !t->ended && (ours || !t->reading);
}

static void on_kick(uv_idle_t *k)
{
    struct transport *t = k->data;
    if (error_is_due(t)) {
        stream_unkick(t);
        if (t->tls != NULL)
            tls_eof(t, words_of(t->error), NULL);
        else
            stream_ended(t, words_of(t->error), NULL, false);
    } else if (t->tls != NULL && t->reading && tls_holds(t)) {
        tls_go_on(t);
    } else {
        stream_unkick(t);
    }
}

void stream_kick(struct transport *t)
{
    if (t->kick != NULL || t->closing || t->loop == NULL)
        return;
    t->kick = mem_alloc(sizeof(*t->kick));
    uv_idle_init(t->loop->uv, t->kick);
    t->kick->data = t;
    uv_idle_start(t->kick, on_kick);
}

void stream_unkick(struct transport *t)
{
    if (t->kick == NULL)
        return;
    uv_close((uv_handle_t *)t->kick, free_handle);
    t->kick = NULL;
}

static void stop_reading(struct transport *t)
{
    stream_pause(t);
    if (t->tls != NULL)
        tls_leave_queue(t->tls);
}

void stream_ended(struct transport *t, const char *why, const char *hint, bool during_handshake)
{
    if (t->ended || t->closing)
        return;
    t->ended = true;
    t->broken = t->broken || why != NULL;
    stop_reading(t);
    stream_unkick(t);
    if (t->tls != NULL)
        tls_give_place(t->tls);
    t->events->ended(t->owner, why, hint, during_handshake);
}

int stream_fail(struct transport *t, int uv_error)
{
    t->broken = true;
    if (t->error == 0)
        t->error = uv_error;
    if (error_is_due(t))
        stream_kick(t);
    return -1;
}

/* An IPv4 address is written as one, on a socket of both families too. */
void stream_local(const struct transport *t, char *out, size_t cap)
{
    struct sockaddr_storage a = {0};
    int n = sizeof(a);
    out[0] = '\0';
    if (t->handle == NULL || t->handle->type != UV_TCP ||
        uv_tcp_getsockname((const uv_tcp_t *)t->handle, (struct sockaddr *)&a, &n) != 0)
        return;
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&a;
    if (a.ss_family == AF_INET)
        uv_ip4_name((const struct sockaddr_in *)&a, out, cap);
    else if (a.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
        uv_inet_ntop(AF_INET, six->sin6_addr.s6_addr + 12, out, cap);
    else if (a.ss_family == AF_INET6)
        uv_ip6_name(six, out, cap);
}

/* ---- Reading ---- */

static void give_room(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct transport *t = h->data;
    size_t cap = 0;
    uint8_t *p = NULL;
    if (t->tls == NULL) {
        p = t->events->room(t->owner, &cap);
    } else if ((cap = tls_room(t)) > 0) {
        p = t->loop->read_buf;
    }
    *buf = uv_buf_init((char *)p, p != NULL ? (unsigned)cap : 0);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct transport *t = stream->data;
    if (n == 0 || t->closing)
        return;
    if (n == UV_ENOBUFS) {
        if (t->tls != NULL)
            tls_want_turn(t);
        return;
    }
    if (n < 0) {
        const char *why = n != UV_EOF ? words_of((int)n) : t->error != 0 ? words_of(t->error) : NULL;
        if (t->tls != NULL)
            tls_eof(t, why, NULL);
        else
            stream_ended(t, why, NULL, false);
        return;
    }
    if (t->tls != NULL)
        tls_input(t, (const uint8_t *)buf->base, (size_t)n);
    else
        t->events->data(t->owner, (size_t)n);
}

static int fd_of(const struct transport *t)
{
    uv_os_fd_t fd;
    return uv_fileno((uv_handle_t *)t->handle, &fd) == 0 ? fd : -1;
}

void stream_fetch(struct transport *t)
{
    uv_buf_t buf = uv_buf_init((char *)t->loop->read_buf, (unsigned)t->loop->read_cap);
    ssize_t n = recv(fd_of(t), buf.base, buf.len, MSG_DONTWAIT);
    int error = n < 0 ? uv_translate_sys_error(errno) : UV_EOF;
    if (error == UV_EAGAIN || error == UV_EINTR) {
        tls_got_nothing(t->tls);
        stream_resume(t);
    } else {
        on_read(t->handle, n > 0 ? n : error, &buf);
    }
}

bool stream_peer_left(const struct transport *t)
{
    struct pollfd p = {.fd = fd_of(t), .events = POLLRDHUP};
    return poll(&p, 1, 0) == 1 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void stream_pause(struct transport *t)
{
    if (t->handle != NULL && !t->closing)
        uv_read_stop(t->handle);
}

void stream_resume(struct transport *t)
{
    int rc = uv_read_start(t->handle, give_room, on_read);
    if (rc != 0 && rc != UV_EALREADY)
        stream_fail(t, rc);
}

void transport_start(struct transport *t)
{
    assert(t->loop != NULL);
    t->reading = true;
    if (t->closing || t->ended)
        return;
    if (error_is_due(t))
        stream_kick(t);
    else if (t->tls != NULL && tls_is_pumping(t->tls))
        return;
    else if (t->tls != NULL && tls_holds(t))
        stream_kick(t);
    else
        stream_resume(t);
}

void transport_stop(struct transport *t)
{
    t->reading = false;
    stop_reading(t);
    if (error_is_due(t))
        stream_kick(t);
}

/* ---- Writing ---- */

static void on_written(uv_write_t *request, int status)
{
    struct transport *t = request->handle->data;
    mem_free(t->writing);
    t->writing = NULL;
    if (t->closing)
        return;
    if (status < 0) {
        stream_fail(t, status);
        return;
    }
    if (t->tls != NULL && tls_flush(t) != 1)
        return;
    if (t->wanted && !t->ended) {
        t->wanted = false;
        t->events->drained(t->owner);
    }
}

static int hand_to_libuv(struct transport *t, struct outq *q)
{
    size_t n = q->bytes < REQUEST_MAX ? q->bytes : REQUEST_MAX;
    struct write_request *w = mem_try_alloc(sizeof(*w) + n);
    if (w == NULL)
        return stream_fail(t, UV_ENOMEM);
    struct bytes v[VECTORS];
    unsigned count = outq_peek(q, v, VECTORS);
    for (unsigned i = 0; i < count && w->n < n; i++) {
        size_t part = v[i].n < n - w->n ? v[i].n : n - w->n;
        memcpy(w->p + w->n, v[i].p, part);
        w->n += part;
    }
    outq_consume(q, t->loop->pool, w->n);
    uv_buf_t buf = uv_buf_init((char *)w->p, (unsigned)w->n);
    t->writing = w;
    int rc = uv_write(&w->request, t->handle, &buf, 1, on_written);
    if (rc == 0)
        return 0;
    t->writing = NULL;
    mem_free(w);
    return stream_fail(t, rc);
}

/* One vectored write. The bytes that the kernel took, or a libuv error; *refused: it did not take all it was offered.
 */
static int write_once(struct transport *t, struct outq *q, bool *refused)
{
    struct bytes v[VECTORS];
    uv_buf_t bufs[VECTORS];
    unsigned n = outq_peek(q, v, VECTORS);
    size_t offered = 0;
    for (unsigned i = 0; i < n; i++) {
        bufs[i] = (uv_buf_t){.base = (char *)(uintptr_t)v[i].p, .len = v[i].n};
        offered += v[i].n;
    }
    int rc = uv_try_write(t->handle, bufs, n);
    if (rc == UV_EAGAIN)
        rc = 0;
    if (rc > 0)
        outq_consume(q, t->loop->pool, (size_t)rc);
    *refused = rc >= 0 && (size_t)rc < offered;
    return rc;
}

int stream_flush(struct transport *t, struct outq *q)
{
    if (t->writing != NULL)
        return 0;
    while (q->bytes > 0) {
        bool refused = false;
        int rc = write_once(t, q, &refused);
        if (rc < 0)
            return stream_fail(t, rc);
        if (refused)
            return hand_to_libuv(t, q);
    }
    return 1;
}

void stream_flush_last(struct transport *t, struct outq *q)
{
    bool refused = false;
    while (q->bytes > 0 && !refused && t->writing == NULL) {
        if (write_once(t, q, &refused) < 0)
            return;
    }
}

int transport_send(struct transport *t, struct outq *q)
{
    assert(t->loop != NULL);
    if (t->broken || t->closing)
        return -1;
    int rc = t->writing != NULL ? 0 : t->tls != NULL ? tls_send(t, q) : stream_flush(t, q);
    t->wanted = t->wanted || rc == 0;
    return rc;
}

size_t transport_unsent(const struct transport *t)
{
    return (t->writing != NULL ? t->writing->n : 0) + (t->tls != NULL ? tls_unsent(t->tls) : 0);
}

/* ---- Life ---- */

static void set_option(int fd, int level, int name, int value)
{
    /* What a kernel doesn't know is no reason to refuse a client. */
    (void)setsockopt(fd, level, name, &value, sizeof(value));
}

void transport_tune_listener(int fd)
{
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, PROBE_AFTER_S);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, PROBE_EVERY_S);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, PROBES);
}

/* Makes the handle. On failure the handle exists all the same, without a socket, and must be closed by uv_close. */
static int open_handle(struct transport *t, int fd)
{
    int domain = 0;
    socklen_t size = sizeof(domain);
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0)
        domain = AF_UNIX; /* no socket: a pipe, perhaps */
    int rc;
    if (domain == AF_UNIX) {
        uv_pipe_t *pipe = mem_alloc(sizeof(*pipe));
        rc = uv_pipe_init(t->loop->uv, pipe, 0);
        assert(rc == 0);
        t->handle = (uv_stream_t *)pipe;
        t->handle->data = t;
        return uv_pipe_open(pipe, fd);
    }
    uv_tcp_t *tcp = mem_alloc(sizeof(*tcp));
    rc = uv_tcp_init(t->loop->uv, tcp);
    assert(rc == 0);
    t->handle = (uv_stream_t *)tcp;
    t->handle->data = t;
    return uv_tcp_open(tcp, fd);
}

struct transport *transport_new(struct transport_loop *loop, int fd, struct tls_context *tls,
                                const struct transport_events *events, void *owner, int *err)
{
    struct transport *t = mem_alloc(sizeof(*t));
    *t = (struct transport){.loop = loop, .events = events, .owner = owner, .fd = -1};
    *err = open_handle(t, fd);
    if (*err != 0) {
        close(fd);
        uv_close((uv_handle_t *)t->handle, free_handle);
        mem_free(t);
        tls_context_unref(tls);
        return NULL;
    }
    if (tls != NULL)
        t->tls = tls_new(t, tls);
    return t;
}

/*
 * Closing a socket with unread bytes makes the kernel send a reset, which may overtake our last words (a DISCONNECT
 * with its reason, a TLS alert) and destroy them at the peer. So what has come already is thrown away first.
 */
static void discard_input(struct transport *t)
{
    int fd = fd_of(t);
    for (int i = 0; i < DISCARD_ROUNDS; i++) {
        ssize_t n = recv(fd, t->loop->read_buf, t->loop->read_cap, MSG_DONTWAIT);
        if (n < (ssize_t)t->loop->read_cap)
            return;
    }
}

void transport_close(struct transport *t)
{
    if (t->closing)
        return;
    if (t->loop == NULL) {
        t->closing = true;
        close(t->fd);
        destroy(t);
        return;
    }
    stream_unkick(t);
    stop_reading(t);
    if (t->tls != NULL)
        tls_give_place(t->tls);
    if (t->tls != NULL && !t->broken)
        tls_say_goodbye(t);
    if (!t->ended || t->broken)
        discard_input(t);
    t->closing = true;
    if (!t->refused || !farewell_begin(t, on_closed))
        uv_close((uv_handle_t *)t->handle, on_closed);
}

bool transport_can_leave(const struct transport *t)
{
    return t->loop != NULL && !t->closing && t->writing == NULL && (t->tls == NULL || tls_unsent(t->tls) == 0);
}

int transport_leave(struct transport *t)
{
    assert(transport_can_leave(t));
    uv_os_fd_t old;
    int rc = uv_fileno((uv_handle_t *)t->handle, &old);
    if (rc != 0)
        return rc;
    /* Duplicated first: libuv takes the old descriptor out of its epoll set only when it closes it. */
    int fd = fcntl(old, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return uv_translate_sys_error(errno);
    if (t->tls != NULL && !tls_leave(t)) {
        close(fd);
        return UV_ENOMEM;
    }
    stream_unkick(t);
    stop_reading(t);
    t->handle->data = NULL;
    uv_close((uv_handle_t *)t->handle, free_handle);
    t->handle = NULL;
    t->loop = NULL;
    t->fd = fd;
    t->reading = false;
    return 0;
}

int transport_arrive(struct transport *t, struct transport_loop *loop)
{
    assert(t->loop == NULL && !t->closing);
    t->loop = loop;
    int rc = open_handle(t, t->fd);
    if (rc != 0) {
        close(t->fd);
        t->broken = true;
    } else if (error_is_due(t)) {
        stream_kick(t);
    }
    t->fd = -1;
    return rc;
}

enum transport_proof transport_user(const struct transport *t, struct bytes *user)
{
    *user = (struct bytes){NULL, 0};
    return t->tls != NULL ? tls_user(t->tls, user) : TRANSPORT_NO_PROOF;
}

void transport_explain_delay(const struct transport *t, char *why, size_t why_cap, char *hint, size_t hint_cap)
{
    why[0] = hint[0] = '\0';
    if (t->tls != NULL)
        tls_explain_delay(t, why, why_cap, hint, hint_cap);
}

void transport_offer(const struct transport *t, char *offered, size_t offered_cap, char *allowed, size_t allowed_cap)
{
    offered[0] = allowed[0] = '\0';
    if (t->tls != NULL)
        tls_offer(t->tls, offered, offered_cap, allowed, allowed_cap);
}

uint64_t transport_waited(struct transport *t)
{
    return t->tls != NULL ? tls_waited(t->tls) : 0;
}

void transport_describe(const struct transport *t, char *out, size_t cap)
{
    if (t->tls != NULL)
        tls_describe(t->tls, out, cap);
    else
        snprintf(out, cap, "plain");
}
