/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Accepting. A loop polls its own sockets and accepts a few connections at a time. What can't be served now is left
 * in the kernel's queue where that is possible: for a moment, when the system is out of descriptors. Only where the
 * broker itself is full, a connection is accepted and closed, so that the peer knows.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "connection.h"
#include "listener.h"
#include "sotto/base/mem.h"

#define ACCEPTS 64          /* per socket and turn */
#define PAUSE 100           /* ms, when the system is out of something */
#define COMPLAIN_EACH 10000 /* ms */
#define PEER_MAX 96

struct acceptor {
    uv_poll_t poll;
    struct listener *listener;
    struct loop *loop;
    int fd;
};

/* A socket on its way from loop 0 to another one. */
struct accepted {
    struct list node;
    const struct listener *from;
    int fd;
    char peer[PEER_MAX];
};

/* ---------------------------------------------------------------- who is it */

static void name_ip6(const struct sockaddr_in6 *a, char *out, size_t cap)
{
    char text[INET6_ADDRSTRLEN];
    if (IN6_IS_ADDR_V4MAPPED(&a->sin6_addr)) {
        inet_ntop(AF_INET, a->sin6_addr.s6_addr + 12, text, sizeof(text));
        snprintf(out, cap, "%s:%u", text, (unsigned)ntohs(a->sin6_port));
        return;
    }
    inet_ntop(AF_INET6, &a->sin6_addr, text, sizeof(text));
    snprintf(out, cap, "[%s]:%u", text, (unsigned)ntohs(a->sin6_port));
}

static void name_local(int fd, char *out, size_t cap)
{
    struct ucred who;
    socklen_t n = sizeof(who);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0)
        snprintf(out, cap, "local-user-%u:%u", (unsigned)who.uid, (unsigned)who.pid);
    else
        snprintf(out, cap, "local");
}

static void name_peer(int fd, const struct sockaddr_storage *a, char *out, size_t cap)
{
    if (a->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)a;
        char text[INET_ADDRSTRLEN];
        inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
        snprintf(out, cap, "%s:%u", text, (unsigned)ntohs(in->sin_port));
    } else if (a->ss_family == AF_INET6) {
        name_ip6((const struct sockaddr_in6 *)a, out, cap);
    } else {
        name_local(fd, out, cap);
    }
}

/* ---------------------------------------------------------------- accepting */

static void pause_all(struct loop *l)
{
    for (size_t i = 0; i < l->acceptors_n; i++)
        uv_poll_stop(&l->acceptors[i].poll);
    l->accept_again = loop_now(l) + PAUSE;
}

static void complain(const struct acceptor *a, int error)
{
    struct server *s = a->loop->server;
    msec now = loop_now(a->loop), last = atomic_load(&s->accept_complained);
    if ((last != 0 && now - last < COMPLAIN_EACH) || !atomic_compare_exchange_strong(&s->accept_complained, &last, now))
        return;
    bool files = error == EMFILE || error == ENFILE;
    log_event(
        LOG_ERROR, "accept.failed", LF_STR("listener", a->listener->config->name), LF_STR("reason", strerror(error)),
        LF_STR("hint", files ? "raise the open-file limit (LimitNOFILE, ulimit -n) or lower max_connections" : ""));
}

/* accept4 failed. True: try the next one. */
static bool goes_on(struct acceptor *a, int error)
{
    switch (error) {
    case EAGAIN:
        return false;
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM: /* a firewall */
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
        return true; /* it was that connection's error */
    default:
        complain(a, error);
        pause_all(a->loop);
        return false;
    }
}

static void full(struct loop *l, const struct listener *from, int fd, const char *peer)
{
    close(fd);
    log_event(LOG_WARN, "connect.refused", LF_PEER("peer", peer), LF_STR("listener", from->config->name),
              LF_STR("reason", "max_connections is reached"), LF_INT("max_connections", l->server->max_connections),
              LF_STR("hint", "raise max_connections, and the open-file limit with it"));
}

static void deal_out(struct loop *l, struct listener *from, int fd, const char *peer)
{
    struct loop *to = &l->server->loops[from->local ? from->next++ % l->server->loops_n : l->number];
    if (to == l) {
        connection_accept(l, from, fd, peer);
        return;
    }
    struct accepted *a = mem_alloc(sizeof(*a));
    *a = (struct accepted){.from = from, .fd = fd};
    snprintf(a->peer, sizeof(a->peer), "%s", peer);
    struct list one;
    list_init(&one);
    list_push_back(&one, &a->node);
    inbox_push(&to->accepted, &one, 0);
    loop_wake(to);
}

static bool accept_one(struct acceptor *a)
{
    struct sockaddr_storage from = {0};
    socklen_t n = sizeof(from);
    int fd = accept4(a->fd, (struct sockaddr *)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return goes_on(a, errno);
    char peer[PEER_MAX];
    name_peer(fd, &from, peer, sizeof(peer));
    if (server_take_connection(a->loop->server))
        deal_out(a->loop, a->listener, fd, peer);
    else
        full(a->loop, a->listener, fd, peer);
    return true;
}

static void on_acceptable(uv_poll_t *p, int status, int events)
{
    (void)events;
    struct acceptor *a = p->data;
    if (status < 0) {
        complain(a, -status);
        pause_all(a->loop);
        return;
    }
    for (unsigned i = 0; i < ACCEPTS; i++) {
        if (!accept_one(a))
            return;
    }
}

void listener_retry(struct loop *l)
{
    if (l->stopping || l->accept_again != MSEC_NEVER)
        return;
    for (size_t i = 0; i < l->acceptors_n; i++)
        uv_poll_start(&l->acceptors[i].poll, UV_READABLE, on_acceptable);
}

void listener_receive(struct loop *l)
{
    struct list items, *n;
    list_init(&items);
    inbox_take(&l->accepted, &items);
    while ((n = list_pop_front(&items)) != NULL) {
        struct accepted *a = container_of(n, struct accepted, node);
        if (!l->stopping) {
            connection_accept(l, a->from, a->fd, a->peer);
        } else {
            close(a->fd);
            server_give_connection(l->server);
        }
        mem_free(a);
    }
}

/* ---------------------------------------------------------------- life */

int listener_attach(struct loop *l)
{
    struct server *s = l->server;
    l->acceptors = mem_alloc(s->listeners_n * sizeof(*l->acceptors));
    for (size_t i = 0; i < s->listeners_n; i++) {
        struct listener *from = &s->listeners[i];
        if (l->number >= from->fds_n)
            continue;
        struct acceptor *a = &l->acceptors[l->acceptors_n];
        *a = (struct acceptor){.listener = from, .loop = l, .fd = from->fds[l->number]};
        int err = uv_poll_init_socket(&l->uv, &a->poll, a->fd);
        if (err != 0)
            return err;
        a->poll.data = a;
        from->fds[l->number] = -1;
        l->acceptors_n++;
        atomic_fetch_add(&s->listening, 1);
    }
    listener_retry(l);
    return 0;
}

void listener_detach(struct loop *l)
{
    for (size_t i = 0; i < l->acceptors_n; i++) {
        uv_poll_stop(&l->acceptors[i].poll);
        uv_close((uv_handle_t *)&l->acceptors[i].poll, NULL);
        close(l->acceptors[i].fd);
        atomic_fetch_sub(&l->server->listening, 1);
    }
    l->acceptors_n = 0;
}
