/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What random walks have in common: thousands of seeded steps by a few clients, for as many seeds as one wants.
 *
 *   SOTTO_RIG_SEED    the first seed (1)
 *   SOTTO_RIG_SEEDS   how many (1); each is said before it begins, so that one that fails can be had again
 */
#pragma once

#include "rig/rig.h"

#define RIG_WALKERS 6

struct rig_walk {
    struct rig *r;
    void *model;
    /* A whole walk: from nothing to nothing, since the next seed follows in the same world. */
    void (*once)(void *model, struct rig *r, uint64_t seed);
};

void rig_walk(const struct rig_walk *w);
/* 0 to n - 1. */
unsigned rig_roll(uint64_t *seed, unsigned n);
/* The client ids of those who walk: i below RIG_WALKERS. */
const char *rig_walker(unsigned i);
/* Breaks the connection, and removes the session. */
void rig_end_session(struct rig *r, struct peer *p, const char *id);
/* Limits under which nothing is ever dropped. */
void rig_wide(struct limits *l);
