/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the tests of hostile peers share: the broker on two loops, with a plain listener on P0, TLS on P1 and a unix
 * socket, and a pair of ordinary clients, one plain and one over TLS, that keeps exchanging messages whatever the
 * others do. Memory stays within bounds meanwhile, and in the end none of the others' sockets is left.
 */
#pragma once

#include "e2e/e2e.h"

#define MIB (1024L * 1024)

struct world {
    struct broker b;
    struct peer *sender, *receiver; /* the ordinary pair */
    unsigned sockets;               /* open in the broker while there is nobody but the pair */
    uint64_t random;
};

struct sample {
    const char *bytes;
    size_t n;
};

#define SAMPLE(text)                                                                                                   \
    {                                                                                                                  \
        (text), sizeof(text) - 1                                                                                       \
    }

/* Who says nothing may do so for connect_timeout seconds. */
struct world *world_new(unsigned connect_timeout);
void world_free(struct world *w);
/* Group fixtures; *state is a struct world in which nobody is disconnected for being slow. */
int world_setup(void **state);
int world_teardown(void **state);
/* A number from 0 to below - 1; the same ones in every run. */
unsigned world_draw(struct world *w, unsigned below);
/* A fresh connection. kind: 0 plain, 1 TLS, else the unix socket. */
struct peer *world_arrive(struct world *w, unsigned kind);
/* The pair exchanges a message at QoS 1, before the broker has done much else. */
void world_beat(struct world *w);
/* All sockets but the pair's are closed again, and the pair is well. */
void world_expect_alone(struct world *w);
/* The broker's resident memory in bytes. */
long world_memory(const struct world *w);
/* It has grown by no more than `most` bytes. Sanitizers keep what was freed, so there nothing is judged. */
void world_expect_growth(const struct world *w, long before, long most, const char *who);
