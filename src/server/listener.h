/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Listeners: the addresses where we wait for clients, one socket per loop each.
 *
 * The kernel deals TCP connections out to the loops (SO_REUSEPORT). Unix sockets know no such thing: loop 0 accepts
 * there and deals out itself. Nothing is accepted while the system or we are full: what waits, waits in the kernel's
 * queue, and no time-out of ours runs for it.
 */
#pragma once

#include "loop.h"

struct listener {
    const struct config_listener *config;
    size_t number; /* of it among all: its place in a tls_set */
    struct client_origin origin;
    bool local; /* a unix socket */
    uint16_t port;
    int *fds; /* one per loop; a local one: fds[0] only */
    unsigned fds_n;
    unsigned next;                     /* local: the loop that gets the next connection */
    uint64_t file_device, file_number; /* local: which file is ours */
};

/* Binds and listens, for so many loops. 0, or -1 with one line in err: which address, why, what to do. */
int listener_open(struct listener *l, const struct config_listener *c, unsigned loops, char *err, size_t err_cap);
/* Closes what no loop has taken, removes the socket's file. */
void listener_close(struct listener *l);

/* The part of all listeners that belongs to one loop: starts accepting. Before the loop runs. 0 or a libuv error. */
int listener_attach(struct loop *l);
/* Ends accepting; the sockets are closed. On the loop's thread. */
void listener_detach(struct loop *l);
/* Accepts again, after a wait for descriptors. */
void listener_retry(struct loop *l);
/* Takes the sockets that loop 0 accepted for this one. */
void listener_receive(struct loop *l);
