/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fail.h"
#include "net.h"
#include "probe.h"
#include "tls.h"

#define READ_SIZE (256u << 10)
#define EVENTS 512
#define PER_ADDRESS 10000u /* connections from one source address: a loopback address has some 28,000 ports */
#define PATIENCE 10000000000u

struct net_counts net_counts;

static const struct options *settings;
static struct sockaddr_in target;
static uint32_t addresses;
static int poller;
static size_t packet_max;
static uint8_t *input;  /* plain text: the part kept of a connection, then what was read */
static uint8_t *cipher; /* with TLS: what was read */
static uint8_t *replies;
static size_t replies_size;

static void allow_files(unsigned long count)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < count + 32)
        fail(FAIL_USAGE, "%lu open files are needed, the hard limit is %lu (ulimit -Hn)", count + 32,
             (unsigned long)limit.rlim_max);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

void net_init(const struct options *options, unsigned long at_once, unsigned long in_all)
{
    settings = options;
    allow_files(at_once);
    target = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)options->port)};
    inet_pton(AF_INET, options->host, &target.sin_addr);
    bool local = (ntohl(target.sin_addr.s_addr) >> 24) == 127;
    addresses = local ? (uint32_t)(in_all / PER_ADDRESS + 1) : 1;
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0)
        fail(FAIL_CONNECTION, "epoll_create1: %s", strerror(errno));
    packet_max = (size_t)options->size + 1024;
    size_t room = packet_max + READ_SIZE + (32u << 10);
    input = fail_alloc(1, room);
    replies = fail_alloc(1, room);
    if (options->cafile) {
        cipher = fail_alloc(1, READ_SIZE);
        tls_setup(options->cafile, options->tls_minor);
    }
}

static _Noreturn void lost(const struct net_conn *conn, const char *why)
{
    const char *when = conn->state == NET_UP ? "connection lost" : "no connection";
    fail(FAIL_CONNECTION, "%s:%ld, client %s-%c%u: %s: %s", settings->host, settings->port, settings->prefix,
         conn->handler->kind, conn->index, when, why);
}

void net_broken(const struct net_conn *conn, const char *what)
{
    fail(FAIL_CONNECTION, "the broker's answer to client %s-%c%u makes no sense: %s", settings->prefix,
         conn->handler->kind, conn->index, what);
}

/* ---- output ---- */

static void want_out(struct net_conn *conn, bool wanted)
{
    if (conn->wants_out == wanted)
        return;
    struct epoll_event event = {.events = EPOLLIN | (wanted ? EPOLLOUT : 0), .data.ptr = conn};
    if (epoll_ctl(poller, EPOLL_CTL_MOD, conn->fd, &event) != 0)
        fail(FAIL_CONNECTION, "epoll_ctl: %s", strerror(errno));
    conn->wants_out = wanted;
}

/* Bytes the socket took. */
static size_t try_send(struct net_conn *conn, const uint8_t *data, size_t size)
{
    ssize_t sent = send(conn->fd, data, size, MSG_NOSIGNAL);
    if (sent >= 0)
        return (size_t)sent;
    if (errno != EAGAIN && errno != EINTR)
        lost(conn, strerror(errno));
    return 0;
}

static void keep_back(struct net_conn *conn, const uint8_t *data, size_t size)
{
    size_t held = conn->back_size - conn->back_from;
    if (conn->back_from) {
        memmove(conn->back, conn->back + conn->back_from, held);
        conn->back_from = 0;
        conn->back_size = held;
    }
    if (held + size > conn->back_capacity) {
        conn->back_capacity = 2 * (held + size);
        conn->back = realloc(conn->back, conn->back_capacity);
        if (!conn->back)
            fail(FAIL_CONNECTION, "out of memory (%zu bytes)", conn->back_capacity);
    }
    memcpy(conn->back + held, data, size);
    conn->back_size += size;
    want_out(conn, true);
}

static void send_raw(struct net_conn *conn, const uint8_t *data, size_t size)
{
    size_t sent = net_blocked(conn) || size == 0 ? 0 : try_send(conn, data, size);
    if (sent < size)
        keep_back(conn, data + sent, size - sent);
}

static void send_back(struct net_conn *conn)
{
    conn->back_from += try_send(conn, conn->back + conn->back_from, conn->back_size - conn->back_from);
    if (net_blocked(conn))
        return;
    conn->back_from = conn->back_size = 0;
    want_out(conn, false);
    if (conn->state == NET_UP && conn->handler->writable)
        conn->handler->writable(conn);
}

static void send_sealed(struct net_conn *conn)
{
    send_raw(conn, tls_pipe.out, tls_pipe.out_size);
    tls_pipe.out_size = 0;
}

void net_send(struct net_conn *conn, const uint8_t *data, size_t size)
{
    if (!conn->tls) {
        send_raw(conn, data, size);
        return;
    }
    if (!tls_seal(conn->tls, data, size))
        lost(conn, "TLS can't write");
    send_sealed(conn);
}

void net_reply(enum packet_type type, const uint8_t *id)
{
    uint8_t *at = replies + replies_size;
    at[0] = (uint8_t)type;
    at[1] = 2;
    at[2] = id[0];
    at[3] = id[1];
    replies_size += 4;
}

/* ---- connecting ---- */

static void send_connect(struct net_conn *conn)
{
    char id[100];
    uint8_t packet[PACKET_CONNECT_MAX];
    snprintf(id, sizeof id, "%s-%c%u", settings->prefix, conn->handler->kind, conn->index);
    conn->state = NET_MQTT;
    struct packet_client client = {.id = id,
                                   .user = settings->user,
                                   .password = settings->password,
                                   .v5 = conn->handler->v5,
                                   .kept = conn->handler->kept,
                                   .receive_max = conn->handler->receive_max,
                                   .alias_max = conn->handler->alias_max};
    net_send(conn, packet, packet_connect(packet, &client));
}

static void shake_hands(struct net_conn *conn)
{
    const char *why = "";
    int result = tls_handshake(conn->tls, &why);
    if (result < 0)
        lost(conn, why && *why ? why : "TLS handshake failed");
    send_sealed(conn);
    if (result > 0)
        send_connect(conn);
}

/* Source addresses 127.0.0.1, .2, ...: each has ports of its own. */
static void choose_source(struct net_conn *conn)
{
    int on = 1;
    struct sockaddr_in source = {.sin_family = AF_INET};
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + conn->index % addresses);
    setsockopt(conn->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(conn->fd, (struct sockaddr *)&source, sizeof source) != 0)
        lost(conn, strerror(errno));
}

void net_open(struct net_conn *conn, uint32_t index, const struct net_handler *handler)
{
    int on = 1;
    memset(conn, 0, sizeof *conn);
    conn->index = index;
    conn->handler = handler;
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0)
        lost(conn, strerror(errno));
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (addresses > 1)
        choose_source(conn);
    if (connect(conn->fd, (struct sockaddr *)&target, sizeof target) != 0 && errno != EINPROGRESS)
        lost(conn, strerror(errno));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, conn->fd, &event) != 0)
        fail(FAIL_CONNECTION, "epoll_ctl: %s", strerror(errno));
    if (!settings->cafile) {
        send_connect(conn);
        return;
    }
    conn->state = NET_TLS;
    conn->tls = tls_new();
    shake_hands(conn);
}

void net_open_all(void *first, size_t stride, uint32_t from, uint32_t count, const struct net_handler *handler)
{
    uint64_t before = net_counts.up;
    for (uint32_t i = 0; i < count; i++) {
        net_open((struct net_conn *)((char *)first + i * stride), from + i, handler);
        if (i + 1 >= (uint32_t)settings->concurrent)
            net_wait(&net_counts.up, before + i + 1 - (uint32_t)settings->concurrent, "CONNACK");
    }
    net_wait(&net_counts.up, before + count, "CONNACK");
}

/* ---- input ---- */

static void on_connack(struct net_conn *conn, const struct packet_frame *frame)
{
    if (!packet_read_connack(frame, conn->handler->v5, &conn->terms))
        net_broken(conn, "CONNACK was expected");
    if (conn->terms.code)
        fail(FAIL_CONNECTION, "the broker refused client %s-%c%u: CONNACK code %u", settings->prefix,
             conn->handler->kind, conn->index, conn->terms.code);
    conn->state = NET_UP;
    net_counts.up++;
}

static void keep_part(struct net_conn *conn, const uint8_t *data, size_t size)
{
    if (size > packet_max)
        net_broken(conn, "a packet larger than any that was published");
    if (size > conn->part_capacity) {
        conn->part_capacity = packet_max;
        conn->part = fail_alloc(1, conn->part_capacity);
    }
    if (size)
        memcpy(conn->part, data, size);
    conn->part_size = size;
}

static void handle_input(struct net_conn *conn, size_t size)
{
    struct packet_frame frame;
    size_t at = 0;
    replies_size = 0;
    while (size - at >= 2) {
        if (packet_read(&frame, input + at, size - at) != 0)
            net_broken(conn, "a malformed length");
        if (!frame.size)
            break;
        if (conn->state == NET_UP)
            conn->handler->packet(conn, &frame);
        else
            on_connack(conn, &frame);
        at += frame.size;
    }
    keep_part(conn, input + at, size - at);
    if (replies_size)
        net_send(conn, replies, replies_size);
}

static size_t read_socket(struct net_conn *conn, uint8_t *to)
{
    ssize_t got = recv(conn->fd, to, READ_SIZE, 0);
    net_counts.read_time = probe_clock();
    if (got == 0)
        lost(conn, "closed by the broker");
    if (got < 0 && errno != EAGAIN && errno != EINTR)
        lost(conn, strerror(errno));
    net_counts.received_bytes += got > 0 ? (uint64_t)got : 0;
    return got > 0 ? (size_t)got : 0;
}

static void read_tls(struct net_conn *conn)
{
    tls_pipe.in = cipher;
    tls_pipe.in_size = read_socket(conn, cipher);
    if (conn->state == NET_TLS)
        shake_hands(conn);
    if (conn->state == NET_TLS)
        return;
    if (conn->part_size)
        memcpy(input, conn->part, conn->part_size);
    long got = tls_open(conn->tls, input + conn->part_size, READ_SIZE + (32u << 10));
    if (got < 0)
        lost(conn, "closed by the broker, or TLS failed");
    send_sealed(conn);
    if (got > 0)
        handle_input(conn, conn->part_size + (size_t)got);
}

static void read_input(struct net_conn *conn)
{
    if (conn->tls) {
        read_tls(conn);
        return;
    }
    if (conn->part_size)
        memcpy(input, conn->part, conn->part_size);
    size_t got = read_socket(conn, input + conn->part_size);
    if (got)
        handle_input(conn, conn->part_size + got);
}

void net_turn(int ms)
{
    static struct epoll_event events[EVENTS];
    int count = epoll_wait(poller, events, EVENTS, ms);
    for (int i = 0; i < count; i++) {
        struct net_conn *conn = events[i].data.ptr;
        if ((events[i].events & EPOLLOUT) && net_blocked(conn))
            send_back(conn);
        if (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP))
            read_input(conn);
    }
}

void net_wait(const uint64_t *counter, uint64_t goal, const char *what)
{
    uint64_t last = *counter, since = probe_clock();
    while (*counter < goal) {
        net_turn(100);
        uint64_t now = probe_clock();
        if (*counter != last) {
            last = *counter;
            since = now;
        } else if (now - since > PATIENCE) {
            fail(FAIL_CONNECTION, "10 s without progress, waiting for %s (%" PRIu64 " of %" PRIu64 ")", what, last,
                 goal);
        }
    }
}

void net_close(struct net_conn *conn)
{
    static const uint8_t disconnect[2] = {0xe0, 0};
    if (conn->state == NET_CLOSED)
        return;
    if (conn->tls)
        tls_seal(conn->tls, disconnect, sizeof disconnect);
    const uint8_t *bytes = conn->tls ? tls_pipe.out : disconnect;
    size_t size = conn->tls ? tls_pipe.out_size : sizeof disconnect;
    if (!net_blocked(conn) && send(conn->fd, bytes, size, MSG_NOSIGNAL) < 0)
        errno = 0; /* it closes the connection as well */
    tls_pipe.out_size = 0;
    if (conn->tls)
        tls_free(conn->tls);
    close(conn->fd);
    free(conn->part);
    free(conn->back);
    conn->state = NET_CLOSED;
}
