/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>

/* ---- Loop ---- */

void rig_init(struct loop_rig *r)
{
    memset(r, 0, sizeof(*r));
    signal(SIGPIPE, SIG_IGN); /* as every program with libuv must */
    assert_int_equal(uv_loop_init(&r->uv), 0);
    pool_init(&r->pool);
    r->shared = (struct transport_loop){
        .uv = &r->uv, .pool = &r->pool, .read_buf = r->read_buf, .read_cap = sizeof(r->read_buf)};
    transport_loop_open(&r->shared);
}

void rig_turns(struct loop_rig *r, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        uv_run(&r->uv, UV_RUN_NOWAIT);
}

void rig_fini(struct loop_rig *r)
{
    rig_turns(r, 3);
    transport_loop_close(&r->shared);
    rig_turns(r, 1);
    assert_int_equal(uv_loop_close(&r->uv), 0);
    pool_fini(&r->pool);
}

/* ---- Side ---- */

static uint8_t *on_room(void *owner, size_t *cap)
{
    struct side *s = owner;
    size_t n = s->room_cap < s->budget ? s->room_cap : s->budget;
    *cap = n;
    return n > 0 ? s->room : NULL;
}

static void on_data(void *owner, size_t n)
{
    struct side *s = owner;
    assert_true(n > 0 && n <= s->room_cap && n <= s->budget);
    assert_int_equal(s->ended, 0);
    assert_int_equal(s->closed, 0);
    assert_true(buf_append(&s->in, s->room, n));
    if (s->budget != SIZE_MAX)
        s->budget -= n;
    if (s->on_data != NULL)
        s->on_data(s);
}

static void on_established(void *owner)
{
    struct side *s = owner;
    s->established++;
}

static void on_drained(void *owner)
{
    struct side *s = owner;
    s->drained++;
    side_flush(s);
}

static void on_ended(void *owner, const char *why, const char *hint, bool during_handshake)
{
    struct side *s = owner;
    s->ended++;
    s->clean_end = why == NULL;
    s->during_handshake = during_handshake;
    snprintf(s->why, sizeof(s->why), "%s", why != NULL ? why : "");
    snprintf(s->hint, sizeof(s->hint), "%s", hint != NULL ? hint : "");
}

static void on_closed(void *owner)
{
    struct side *s = owner;
    s->closed++;
    s->t = NULL;
}

static const struct transport_events events = {.room = on_room,
                                               .data = on_data,
                                               .established = on_established,
                                               .drained = on_drained,
                                               .ended = on_ended,
                                               .closed = on_closed};

int listen_on_loopback(unsigned *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(l, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(l, 1), 0);
    transport_tune_listener(l);
    assert_int_equal(getsockname(l, (struct sockaddr *)&a, &n), 0);
    *port = ntohs(a.sin_port);
    return l;
}

static void tcp_pair(int fd[2])
{
    unsigned port;
    int on = 1, l = listen_on_loopback(&port);
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    fd[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd[1], (struct sockaddr *)&a, sizeof(a)), 0);
    fd[0] = accept(l, NULL, NULL);
    assert_true(fd[0] >= 0);
    assert_int_equal(setsockopt(fd[1], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
    close(l);
}

static void side_on(struct side *s, struct loop_rig *rig, struct tls_context *tls, int fd)
{
    int err = 0;
    memset(s, 0, sizeof(*s));
    s->rig = rig;
    s->room_cap = sizeof(s->room);
    s->budget = SIZE_MAX;
    buf_init(&s->in, 64u * 1024 * 1024);
    outq_init(&s->out);
    s->t = transport_new(&rig->shared, fd, tls, &events, s, &err);
    assert_non_null(s->t);
    assert_int_equal(err, 0);
    transport_start(s->t);
}

int side_open(struct side *s, struct loop_rig *rig, struct tls_context *tls, bool tcp)
{
    int fd[2];
    if (tcp)
        tcp_pair(fd);
    else
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    assert_int_equal(fcntl(fd[1], F_SETFL, O_NONBLOCK), 0);
    side_on(s, rig, tls, fd[0]);
    return fd[1];
}

void side_accept(struct side *s, struct loop_rig *rig, struct tls_context *tls, int listener)
{
    int fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    close(listener);
    side_on(s, rig, tls, fd);
}

void side_close(struct side *s)
{
    if (s->t != NULL)
        transport_close(s->t);
    for (int i = 0; i < 5 && s->closed == 0; i++)
        rig_turns(s->rig, 1);
    assert_int_equal(s->closed, 1);
    outq_fini(&s->out, &s->rig->pool);
    buf_fini(&s->in);
}

int side_flush(struct side *s)
{
    return s->out.bytes > 0 ? transport_send(s->t, &s->out) : 1;
}

void side_queue(struct side *s, const void *p, size_t n)
{
    assert_true(outq_append(&s->out, &s->rig->pool, p, n));
}

/* ---- Peer ---- */

static int peer_recv(WOLFSSL *ssl, char *buf, int size, void *arg)
{
    (void)ssl;
    struct peer *p = arg;
    ssize_t n = recv(p->fd, buf, (size_t)size, MSG_DONTWAIT);
    if (n > 0)
        return (int)n;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return WOLFSSL_CBIO_ERR_WANT_READ;
    return n == 0 ? WOLFSSL_CBIO_ERR_CONN_CLOSE : WOLFSSL_CBIO_ERR_CONN_RST;
}

static int peer_send(WOLFSSL *ssl, char *buf, int size, void *arg)
{
    (void)ssl;
    struct peer *p = arg;
    assert_true(buf_append(&p->tx, buf, (size_t)size));
    return size;
}

void peer_open(struct peer *p, int fd, WOLFSSL_METHOD *method, const char *ciphers, const char *ca)
{
    *p = (struct peer){.fd = fd, .chunk = SIZE_MAX};
    buf_init(&p->tx, 64u * 1024 * 1024);
    buf_init(&p->in, 64u * 1024 * 1024);
    p->ctx = wolfSSL_CTX_new(method);
    assert_non_null(p->ctx);
    if (ca != NULL)
        assert_int_equal(wolfSSL_CTX_load_verify_locations(p->ctx, ca, NULL), WOLFSSL_SUCCESS);
    else
        wolfSSL_CTX_set_verify(p->ctx, WOLFSSL_VERIFY_NONE, NULL);
    if (ciphers != NULL)
        assert_int_equal(wolfSSL_CTX_set_cipher_list(p->ctx, ciphers), WOLFSSL_SUCCESS);
    wolfSSL_CTX_SetIORecv(p->ctx, peer_recv);
    wolfSSL_CTX_SetIOSend(p->ctx, peer_send);
    p->ssl = wolfSSL_new(p->ctx);
    assert_non_null(p->ssl);
    wolfSSL_SetIOReadCtx(p->ssl, p);
    wolfSSL_SetIOWriteCtx(p->ssl, p);
}

void peer_close(struct peer *p)
{
    wolfSSL_free(p->ssl);
    wolfSSL_CTX_free(p->ctx);
    if (p->fd >= 0)
        close(p->fd);
    buf_fini(&p->tx);
    buf_fini(&p->in);
}

static void hand_over(struct peer *p)
{
    size_t n = p->tx.n < p->chunk ? p->tx.n : p->chunk;
    ssize_t sent = n > 0 ? send(p->fd, p->tx.p, n, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
    if (sent > 0)
        buf_consume(&p->tx, (size_t)sent);
}

static void peer_trouble(struct peer *p, int rc)
{
    p->error = wolfSSL_get_error(p->ssl, rc);
    if (p->error == WOLFSSL_ERROR_WANT_READ || p->error == WOLFSSL_ERROR_WANT_WRITE)
        return;
    p->ended = p->connected;
    p->failed = !p->connected;
}

void peer_step(struct peer *p, size_t max)
{
    static uint8_t room[16384];
    if (!p->connected && !p->failed) {
        int rc = wolfSSL_connect(p->ssl);
        p->connected = rc == WOLFSSL_SUCCESS;
        if (!p->connected)
            peer_trouble(p, rc);
    }
    while (p->connected && !p->ended && max > 0) {
        int n = wolfSSL_read(p->ssl, room, (int)(max < sizeof(room) ? max : sizeof(room)));
        if (n <= 0) {
            peer_trouble(p, n);
            break;
        }
        assert_true(buf_append(&p->in, room, (size_t)n));
        max -= (size_t)n;
    }
    hand_over(p);
}

void peer_write(struct peer *p, const void *data, size_t n)
{
    assert_int_equal(wolfSSL_write(p->ssl, data, (int)n), (int)n);
}

void shake(struct side *s, struct peer *p)
{
    for (int i = 0; i < 20000; i++) {
        peer_step(p, 0);
        rig_turns(s->rig, 1);
        if (s->ended || p->failed || (s->established && p->connected && p->tx.n == 0))
            break;
    }
    for (int i = 0; i < 4; i++) {
        peer_step(p, 0);
        rig_turns(s->rig, 1);
    }
}

/* ---- Certificates ---- */

static char folder[64];

const char *certs(void)
{
    if (folder[0] != '\0')
        return folder;
    snprintf(folder, sizeof(folder), "/tmp/sotto-transport-XXXXXX");
    assert_non_null(mkdtemp(folder));
    char err[400] = "";
    struct certificate_request r = {.dir = folder};
    if (certificate_init(&r, err, sizeof(err)) != 0)
        fail_msg("%s", err);
    return folder;
}

const char *cert_path(const char *name)
{
    static char paths[8][160];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof(paths[0]), "%s/%s", certs(), name);
    return path;
}

int certs_remove(void **state)
{
    (void)state;
    char command[128];
    if (folder[0] == '\0')
        return 0;
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    folder[0] = '\0';
    return system(command);
}

struct tls_context *context(bool ec, enum tls_version min, enum tls_version max, const char *ciphers)
{
    char err[400] = "";
    const char *setting = NULL;
    struct tls_pair_files pair = {.cert = cert_path(ec ? "server-ec.crt" : "server.crt"),
                                  .key = cert_path(ec ? "server-ec.key" : "server.key")};
    struct tls_settings s = {.pairs = &pair, .pairs_n = 1, .min_version = min, .max_version = max, .ciphers = ciphers};
    struct tls_context *c = tls_context_new(&s, err, sizeof(err), &setting);
    if (c == NULL)
        fail_msg("%s: %s", setting != NULL ? setting : "?", err);
    return c;
}

/* ---- Bytes ---- */

static uint8_t byte_at(size_t i)
{
    return (uint8_t)(i * 31 + (i >> 8) * 7 + (i >> 16));
}

void fill(uint8_t *p, size_t n, size_t offset)
{
    for (size_t i = 0; i < n; i++)
        p[i] = byte_at(offset + i);
}

bool is_filled(const uint8_t *p, size_t n, size_t offset)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != byte_at(offset + i))
            return false;
    }
    return true;
}
