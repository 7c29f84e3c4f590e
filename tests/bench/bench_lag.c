/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * More TLS handshakes than a broker can do, and how quick it stays for a client that was there before.
 *
 *   bench_lag TLS_PORT PLAIN_PORT HELLO CLIENTS SECONDS
 *
 * HELLO is a file with a recorded ClientHello. So many connections at a time each send it, wait for the beginning of
 * the answer, and break off for another one to come: the broker has all the work of a handshake up to the certificate,
 * and this program next to none. Meanwhile one plain connection sends PINGREQ after PINGREQ, each a millisecond behind
 * the last answer. The lag that the broker measures itself is fetched by tests/bench/lag, which starts both.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "sotto/base/histogram.h"

#define EVENTS 256

static uint8_t hello[4096];
static size_t hello_n;
static struct sockaddr_in tls_address, plain_address;
static struct histogram trips;
static uint64_t answered, refused, ping_sent;
static int epoll_fd, ping_fd, timer_fd;

static void die(const char *what)
{
    fprintf(stderr, "bench_lag: %s: %s\n", what, strerror(errno));
    exit(3);
}

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000;
}

static void watch(int fd, uint32_t events, int how)
{
    struct epoll_event e = {.events = events, .data.fd = fd};
    if (epoll_ctl(epoll_fd, how, fd, &e) != 0)
        die("epoll_ctl");
}

static void arrive(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket");
    if (connect(fd, (struct sockaddr *)&tls_address, sizeof(tls_address)) != 0 && errno != EINPROGRESS)
        die("connect");
    watch(fd, EPOLLOUT, EPOLL_CTL_ADD);
}

/* With a reset, so that no port is kept from being used again. */
static void leave(int fd)
{
    struct linger at_once = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd);
}

static void on_client(int fd, uint32_t events)
{
    uint8_t first = 0;
    if (events & EPOLLOUT && !(events & (EPOLLERR | EPOLLHUP))) {
        if (send(fd, hello, hello_n, MSG_NOSIGNAL) != (ssize_t)hello_n)
            die("send");
        watch(fd, EPOLLIN, EPOLL_CTL_MOD);
        return;
    }
    if (recv(fd, &first, 1, 0) == 1 && first == 22)
        answered++;
    else
        refused++;
    leave(fd);
    arrive();
}

static void send_ping(void)
{
    ping_sent = now_us();
    if (send(ping_fd, "\xc0\0", 2, MSG_NOSIGNAL) != 2)
        die("ping");
}

static void on_pong(void)
{
    uint8_t b[2];
    struct itimerspec soon = {.it_value.tv_nsec = 1000000};
    if (recv(ping_fd, b, 2, MSG_WAITALL) != 2 || b[0] != 0xd0)
        die("the broker does not answer a ping");
    histogram_add(&trips, now_us() - ping_sent, 1);
    timerfd_settime(timer_fd, 0, &soon, NULL);
}

static void open_ping(void)
{
    static const uint8_t connect_packet[] = "\x10\x10\0\4MQTT\4\2\0\0\0\4ping";
    uint8_t answer[4];
    ping_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(ping_fd, (struct sockaddr *)&plain_address, sizeof(plain_address)) != 0)
        die("connect");
    if (send(ping_fd, connect_packet, sizeof(connect_packet) - 1, MSG_NOSIGNAL) < 0 ||
        recv(ping_fd, answer, 4, MSG_WAITALL) != 4 || answer[3] != 0)
        die("CONNECT");
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    watch(ping_fd, EPOLLIN, EPOLL_CTL_ADD);
    watch(timer_fd, EPOLLIN, EPOLL_CTL_ADD);
    send_ping();
}

static void turn(void)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(epoll_fd, events, EVENTS, 100);
    for (int i = 0; i < n; i++) {
        uint64_t expired;
        if (events[i].data.fd == ping_fd)
            on_pong();
        else if (events[i].data.fd != timer_fd)
            on_client(events[i].data.fd, events[i].events);
        else if (read(timer_fd, &expired, sizeof(expired)) > 0)
            send_ping();
    }
}

static void read_hello(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        die(path);
    hello_n = fread(hello, 1, sizeof(hello), f);
    fclose(f);
}

static struct sockaddr_in loopback(const char *port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

int main(int count, char **words)
{
    struct rlimit files;
    if (count != 6) {
        fprintf(stderr, "usage: bench_lag TLS_PORT PLAIN_PORT HELLO CLIENTS SECONDS\n");
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    tls_address = loopback(words[1]);
    plain_address = loopback(words[2]);
    read_hello(words[3]);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    open_ping();
    uint64_t began = now_us(), seconds = (uint64_t)atoi(words[5]);
    for (int i = 0; i < atoi(words[4]); i++)
        arrive();
    while (now_us() - began < seconds * 1000000)
        turn();
    printf(
        "handshakes=%llu per_second=%llu refused=%llu pings=%llu ping_p50_us=%llu ping_p99_us=%llu "
        "ping_longest_us=%llu\n",
        (unsigned long long)answered, (unsigned long long)(answered / seconds), (unsigned long long)refused,
        (unsigned long long)histogram_weight(&trips, NULL), (unsigned long long)histogram_quantile(&trips, NULL, 500),
        (unsigned long long)histogram_quantile(&trips, NULL, 990),
        (unsigned long long)histogram_quantile(&trips, NULL, 1000));
    return 0;
}
