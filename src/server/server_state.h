/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the loops of one server share. Everything is set before the loops start and never changes while
 * they run, but for the counters, which are atomics; what a reload changes is in the loops (loop.h) and behind locks.
 */
#pragma once

#include <stdatomic.h>

#include "signals.h"
#include "sotto/server/server.h"
#include "sotto/store/authenticator.h"

struct control;
struct durable;
struct listener;
struct loop;
struct reload;
struct ticket_keys;
struct tls_keylog;

struct server {
    const struct config *config;
    struct broker *broker;
    struct authenticator *authenticator;
    struct ticket_keys *ticket_keys; /* NULL: no listener gives tickets */
    struct durable *durable;         /* NULL: persistence = off */
    struct tls_keylog *keylog;       /* NULL: none */
    struct reload *reload;           /* the TLS contexts of all listeners, and what changes them */
    struct listener *listeners;
    size_t listeners_n;
    struct loop *loops;
    unsigned loops_n;
    struct signals signals;  /* heard by loop 0 */
    struct control *control; /* served by loop 0; NULL: there is none */
    uint32_t max_connections, max_handshakes;
    uint64_t max_memory;            /* bytes of all that is held */
    _Atomic uint32_t connections;   /* accepted and not yet closed, in all loops and between them */
    _Atomic uint32_t handshakes;    /* of TLS, from the whole hello on, in progress */
    _Atomic msec accept_complained; /* when we last said that accept failed */
    _Atomic unsigned listening;     /* sockets that loops accept from */
    _Atomic uint32_t ring;          /* the last number that loops were asked to store as their pulse */
    atomic_bool stopping;
};

/* Takes one of the places for connections, or for handshakes; false when all are taken. Any loop. */
bool server_take_connection(struct server *s);
bool server_take_handshake(struct server *s);
/* Gives it back. A free place for a handshake wakes the loops that wait for one; the last connection, while the server
 * stops, wakes all. */
void server_give_connection(struct server *s);
void server_give_handshake(struct server *s);
/* Any thread. Tells all loops to close their listeners, take leave of their clients and end. */
void server_begin_stop(struct server *s);
