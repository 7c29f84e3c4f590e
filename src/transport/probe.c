/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "probe_private.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <wolfssl/error-ssl.h>

#include "sotto/base/mem.h"
#include "tls_private.h"

struct probe {
    int fd;
    bool timed_out, closed;
    msec deadline;
    WOLFSSL_CTX *ctx; /* NULL: no TLS */
    WOLFSSL *ssl;
    bool shaken, has_chain;
    int error;
    struct x509_pool chain;
    struct probe_records records;
    char trouble[WOLFSSL_MAX_ERROR_SZ];
};

struct probe_session {
    WOLFSSL_SESSION *session;
};

static const char *const suites_12[] = {"ECDHE-RSA-AES128-GCM-SHA256",
                                        "ECDHE-ECDSA-AES128-GCM-SHA256",
                                        "ECDHE-RSA-AES256-GCM-SHA384",
                                        "ECDHE-ECDSA-AES256-GCM-SHA384",
                                        "ECDHE-RSA-CHACHA20-POLY1305",
                                        "ECDHE-ECDSA-CHACHA20-POLY1305",
                                        NULL};
static const char *const suites_13[] = {"TLS13-AES128-GCM-SHA256", "TLS13-AES256-GCM-SHA384",
                                        "TLS13-CHACHA20-POLY1305-SHA256", NULL};

const char *const *probe_suites(enum tls_version v)
{
    return v == TLS_1_3 ? suites_13 : suites_12;
}

/* ---- time and sockets ---- */

static msec now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (msec)t.tv_sec * 1000 + (msec)t.tv_nsec / 1000000;
}

static void start_step(struct probe *p)
{
    p->deadline = now() + (msec)PROBE_SECONDS * 1000;
}

/* False: the time is over. */
static bool wait_for(struct probe *p, short events)
{
    for (;;) {
        msec t = now();
        struct pollfd f = {.fd = p->fd, .events = events};
        int n = t < p->deadline ? poll(&f, 1, (int)(p->deadline - t)) : 0;
        if (n > 0)
            return true;
        if (n == 0) {
            p->timed_out = true;
            return false;
        }
        if (errno != EINTR)
            return true;
    }
}

size_t probe_resolve(const char *host, uint16_t port, struct probe_address out[PROBE_ADDRESSES], char *why, size_t cap)
{
    char service[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    snprintf(service, sizeof(service), "%u", port);
    /* The resolver has no other way to be told of a limit. */
    setenv("RES_OPTIONS", "timeout:2 attempts:1", 0);
    int rc = getaddrinfo(host, service, &hints, &list);
    if (rc != 0) {
        snprintf(why, cap, "%s", rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
        return 0;
    }
    size_t n = 0;
    for (const struct addrinfo *i = list; i != NULL && n < PROBE_ADDRESSES; i = i->ai_next, n++) {
        memcpy(&out[n].address, i->ai_addr, i->ai_addrlen);
        out[n].size = i->ai_addrlen;
        if (getnameinfo(i->ai_addr, i->ai_addrlen, out[n].text, sizeof(out[n].text), NULL, 0, NI_NUMERICHOST) != 0)
            snprintf(out[n].text, sizeof(out[n].text), "?");
    }
    freeaddrinfo(list);
    return n;
}

static int connect_error(struct probe *p, const struct probe_address *a)
{
    int error = 0;
    socklen_t n = sizeof(error);
    if (connect(p->fd, (const struct sockaddr *)&a->address, a->size) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return errno;
    if (!wait_for(p, POLLOUT))
        return ETIMEDOUT;
    return getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 ? error : errno;
}

struct probe *probe_open(const struct probe_address *a, int *error)
{
    struct probe *p = mem_alloc(sizeof(*p));
    start_step(p);
    p->fd = socket(a->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    *error = p->fd < 0 ? errno : connect_error(p, a);
    if (*error == 0)
        return p;
    probe_close(p);
    return NULL;
}

void probe_close(struct probe *p)
{
    if (p == NULL)
        return;
    start_step(p);
    if (p->shaken)
        wolfSSL_shutdown(p->ssl);
    wolfSSL_free(p->ssl);
    wolfSSL_CTX_free(p->ctx);
    x509_pool_fini(&p->chain);
    if (p->fd >= 0)
        close(p->fd);
    mem_free(p);
}

/* At least one byte, or 0: there will be none (p says why). */
static size_t receive_some(struct probe *p, uint8_t *out, size_t n)
{
    for (;;) {
        if (!wait_for(p, POLLIN))
            return 0;
        ssize_t got = recv(p->fd, out, n, 0);
        if (got > 0) {
            probe_records_watch(&p->records, bytes_of(out, (size_t)got));
            return (size_t)got;
        }
        if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            p->closed = true;
            return 0;
        }
    }
}

static size_t send_some(struct probe *p, const uint8_t *b, size_t n)
{
    for (;;) {
        if (!wait_for(p, POLLOUT))
            return 0;
        ssize_t done = send(p->fd, b, n, MSG_NOSIGNAL);
        if (done > 0)
            return (size_t)done;
        if (done < 0 && errno != EAGAIN && errno != EINTR) {
            p->closed = true;
            return 0;
        }
    }
}

/* ---- TLS ---- */

static int on_receive(WOLFSSL *ssl, char *buf, int size, void *ctx)
{
    struct probe *p = ctx;
    (void)ssl;
    size_t n = receive_some(p, (uint8_t *)buf, (size_t)size);
    if (n > 0)
        return (int)n;
    return p->timed_out ? WOLFSSL_CBIO_ERR_TIMEOUT : WOLFSSL_CBIO_ERR_CONN_CLOSE;
}

static int on_send(WOLFSSL *ssl, char *buf, int size, void *ctx)
{
    (void)ssl;
    size_t n = send_some(ctx, (const uint8_t *)buf, (size_t)size);
    return n > 0 ? (int)n : WOLFSSL_CBIO_ERR_CONN_CLOSE;
}

/* Believes everything, and keeps it. */
static int on_certificate(int ok, WOLFSSL_X509_STORE_CTX *store)
{
    struct probe *p = store->userCtx;
    (void)ok;
    for (int i = 0; !p->has_chain && i < store->totalCerts; i++)
        x509_pool_add(&p->chain, bytes_of(store->certs[i].buffer, store->certs[i].length));
    p->has_chain = true;
    return 1;
}

static WOLFSSL_METHOD *method_of(const struct probe_offer *o)
{
    if (o->max == TLS_1_2)
        return wolfTLSv1_2_client_method();
    return o->min == TLS_1_3 ? wolfTLSv1_3_client_method() : wolfSSLv23_client_method();
}

static void list_suites(const struct probe_offer *o, char *out, size_t cap)
{
    size_t n = 0;
    for (enum tls_version v = o->max; v >= o->min; v--) {
        for (const char *const *s = probe_suites(v); *s != NULL && n < cap; s++)
            n += (size_t)snprintf(out + n, cap - n, "%s%s", n > 0 ? ":" : "", *s);
    }
}

static bool make_context(struct probe *p, const struct probe_offer *o)
{
    char all[512];
    list_suites(o, all, sizeof(all));
    p->ctx = wolfSSL_CTX_new(method_of(o));
    if (p->ctx == NULL || (o->min == TLS_1_2 && o->max == TLS_1_3 &&
                           wolfSSL_CTX_SetMinVersion(p->ctx, WOLFSSL_TLSV1_2) != WOLFSSL_SUCCESS))
        return false;
    wolfSSL_CTX_SetIORecv(p->ctx, on_receive);
    wolfSSL_CTX_SetIOSend(p->ctx, on_send);
    wolfSSL_CTX_set_verify(p->ctx, WOLFSSL_VERIFY_PEER, on_certificate);
    return wolfSSL_CTX_set_cipher_list(p->ctx, o->suites != NULL ? o->suites : all) == WOLFSSL_SUCCESS;
}

static unsigned char fragment_code(unsigned n)
{
    return n == 512 ? WOLFSSL_MFL_2_9 : n == 1024 ? WOLFSSL_MFL_2_10 : n == 2048 ? WOLFSSL_MFL_2_11 : WOLFSSL_MFL_2_12;
}

static bool make_session(struct probe *p, const struct probe_offer *o)
{
    p->ssl = wolfSSL_new(p->ctx);
    if (p->ssl == NULL)
        return false;
    wolfSSL_SetIOReadCtx(p->ssl, p);
    wolfSSL_SetIOWriteCtx(p->ssl, p);
    wolfSSL_SetCertCbCtx(p->ssl, p);
    bool ok = true;
    if (o->name != NULL)
        ok = wolfSSL_UseSNI(p->ssl, WOLFSSL_SNI_HOST_NAME, o->name, (unsigned short)strlen(o->name)) == WOLFSSL_SUCCESS;
    if (ok && o->max_fragment > 0)
        ok = wolfSSL_UseMaxFragment(p->ssl, fragment_code(o->max_fragment)) == WOLFSSL_SUCCESS;
    if (ok && o->only_p256)
        ok = wolfSSL_UseSupportedCurve(p->ssl, WOLFSSL_ECC_SECP256R1) == WOLFSSL_SUCCESS;
    if (ok && o->tickets)
        ok = wolfSSL_UseSessionTicket(p->ssl) == WOLFSSL_SUCCESS;
    /* Refused where the server gave nothing to come back with: then it is an ordinary handshake. */
    if (ok && o->resume != NULL)
        (void)wolfSSL_set_session(p->ssl, o->resume->session);
    return ok;
}

int probe_alert(const struct probe *p)
{
    WOLFSSL_ALERT_HISTORY h;
    if (p->ssl == NULL || wolfSSL_get_alert_history(p->ssl, &h) != WOLFSSL_SUCCESS || h.last_rx.level != alert_fatal)
        return -1;
    return h.last_rx.code;
}

const char *probe_alert_words(int alert)
{
    return tls_alert_in_words(alert);
}

static enum probe_end ended(const struct probe *p)
{
    if (probe_alert(p) >= 0)
        return PROBE_ALERT;
    return p->timed_out ? PROBE_TIMEOUT : p->closed ? PROBE_CLOSED : PROBE_BROKEN;
}

enum probe_end probe_tls(struct probe *p, const struct probe_offer *o)
{
    start_step(p);
    if (!make_context(p, o) || !make_session(p, o))
        return PROBE_UNABLE;
    int rc = wolfSSL_connect(p->ssl);
    p->error = rc == WOLFSSL_SUCCESS ? 0 : wolfSSL_get_error(p->ssl, rc);
    p->shaken = rc == WOLFSSL_SUCCESS;
    return p->shaken ? PROBE_FINE : ended(p);
}

enum probe_end probe_send(struct probe *p, struct bytes b)
{
    start_step(p);
    if (p->ssl != NULL) {
        int rc = wolfSSL_write(p->ssl, b.p, (int)b.n);
        p->error = rc == (int)b.n ? 0 : wolfSSL_get_error(p->ssl, rc);
        return rc == (int)b.n ? PROBE_FINE : ended(p);
    }
    for (size_t done = 0; done < b.n;) {
        size_t n = send_some(p, b.p + done, b.n - done);
        if (n == 0)
            return ended(p);
        done += n;
    }
    return PROBE_FINE;
}

enum probe_end probe_receive(struct probe *p, uint8_t *out, size_t n)
{
    start_step(p);
    for (size_t got = 0; got < n;) {
        size_t some = 0;
        if (p->ssl != NULL) {
            int rc = wolfSSL_read(p->ssl, out + got, (int)(n - got));
            p->error = rc > 0 ? 0 : wolfSSL_get_error(p->ssl, rc);
            p->closed = p->closed || p->error == WOLFSSL_ERROR_ZERO_RETURN;
            some = rc > 0 ? (size_t)rc : 0;
        } else {
            some = receive_some(p, out + got, n - got);
        }
        if (some == 0)
            return ended(p);
        got += some;
    }
    return PROBE_FINE;
}

struct probe_session *probe_session_take(struct probe *p)
{
    WOLFSSL_SESSION *session = p->shaken ? wolfSSL_get1_session(p->ssl) : NULL;
    if (session == NULL)
        return NULL;
    struct probe_session *s = mem_alloc(sizeof(*s));
    s->session = session;
    return s;
}

void probe_session_free(struct probe_session *s)
{
    if (s != NULL)
        wolfSSL_SESSION_free(s->session);
    mem_free(s);
}

/* ---- what came ---- */

const struct x509_pool *probe_chain(const struct probe *p)
{
    return &p->chain;
}

const char *probe_version(const struct probe *p)
{
    return p->shaken ? wolfSSL_get_version(p->ssl) : NULL;
}

const char *probe_suite(const struct probe *p)
{
    return p->shaken ? wolfSSL_get_cipher_name(p->ssl) : NULL;
}

bool probe_resumed(const struct probe *p)
{
    return p->shaken && wolfSSL_session_reused(p->ssl) != 0;
}

struct bytes probe_first_bytes(const struct probe *p)
{
    return bytes_of(p->records.first, p->records.first_n);
}

size_t probe_longest_record(const struct probe *p)
{
    return p->records.longest;
}

bool probe_message_spans(const struct probe *p)
{
    return p->records.spans;
}

const char *probe_trouble(struct probe *p)
{
    if (p->timed_out)
        return "no answer in time";
    if (p->error == 0)
        return "nothing";
    wolfSSL_ERR_error_string_n((unsigned long)p->error, p->trouble, sizeof(p->trouble));
    return p->trouble;
}
