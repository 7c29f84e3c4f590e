/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Connections of the load: one thread, one epoll, sockets that never block. A read takes up to 256 KiB into one buffer
 * that all connections share; only an unfinished packet is kept aside. Acknowledgements made while one connection's
 * input is looked at go out in one write. A lost connection or a broken packet ends the program (status 3): a benchmark
 * that goes on without it would measure something else.
 */
#ifndef BENCH_NET_H
#define BENCH_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "options.h"
#include "packet.h"

struct tls;
struct net_conn;

struct net_handler {
    char kind; /* part of the client id: PREFIX-<kind><index> */
    bool v5;
    bool kept;                       /* 3.1.1: sessions outlive their connections */
    uint16_t receive_max, alias_max; /* 5.0: what the client offers; 0: not said */
    void (*packet)(struct net_conn *conn, const struct packet_frame *frame);
    void (*writable)(struct net_conn *conn); /* what waited has been sent; may be NULL */
};

enum net_state { NET_CLOSED, NET_TLS, NET_MQTT, NET_UP };

struct net_conn {
    int fd;
    enum net_state state;
    bool wants_out;
    uint32_t index;
    const struct net_handler *handler;
    struct tls *tls;
    struct packet_terms terms; /* of the broker, from its CONNACK */
    uint8_t *part;             /* an unfinished packet */
    size_t part_size, part_capacity;
    uint8_t *back; /* output that the socket did not take: back_from <= i < back_size */
    size_t back_from, back_size, back_capacity;
};

/* Since net_init. */
struct net_counts {
    uint64_t up; /* connections with a CONNACK */
    uint64_t received_bytes;
    uint64_t read_time; /* monotonic clock right after the read that is being looked at, ns */
};
extern struct net_counts net_counts;

/* Once, before everything. `at_once`: how many connections there will be at a time; `in_all`: how many over the whole
 * run, since a closed one keeps its port for a minute. */
void net_init(const struct options *options, unsigned long at_once, unsigned long in_all);

/* Starts to connect; CONNECT follows by itself. `conn` is zeroed by this, and stays where it is. */
void net_open(struct net_conn *conn, uint32_t index, const struct net_handler *handler);

/* Opens `count` connections that lie `stride` bytes apart, the first with index `from`; returns when all are up. */
void net_open_all(void *first, size_t stride, uint32_t from, uint32_t count, const struct net_handler *handler);

/* Sends, or keeps what the socket does not take. */
void net_send(struct net_conn *conn, const uint8_t *data, size_t size);

/* Only in a packet handler: a packet of two id bytes back to the same connection. */
void net_reply(enum packet_type type, const uint8_t *id);

static inline bool net_blocked(const struct net_conn *conn)
{
    return conn->back_from != conn->back_size;
}

/* Waits for input, at most `ms`, and handles it. */
void net_turn(int ms);

/* Turns until the counter has reached `goal`; ends the program when it stands still for 10 s. */
void net_wait(const uint64_t *counter, uint64_t goal, const char *what);

/* Ends the program: the broker sent something that makes no sense. */
_Noreturn void net_broken(const struct net_conn *conn, const char *what);

/* DISCONNECT, then close; frees what the connection holds. */
void net_close(struct net_conn *conn);

#endif
