/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The list of members of a group, sorted by handle. Private to shared subscriptions.
 *
 * While somebody else holds the list it never changes but for the mark `gone`; a change then makes a new one. Nobody
 * else can get hold of it while the index's write lock is held, so one that only its group holds is changed where it
 * stands, and a thousand who subscribe in a row don't copy it a thousand times.
 */
#pragma once

#include "sotto/core/share.h"

struct share_member {
    handle h;
    struct share_hint *hint;
    uint32_t id;
    uint8_t qos;
    bool retain_as_published;
    _Atomic bool gone; /* it left, and there was no memory for a list without it */
};

struct share_members {
    _Atomic uint32_t refs;
    uint32_t n, cap;
    uint32_t gone; /* how many of n; for changes, under the lock */
    bool durable;  /* see share_members_durable */
    struct share_group *group;
    struct share_member v[];
};

/* What all loops know of a group. Counted: by the index while it has members, and by each list. */
struct share_group {
    _Atomic uint32_t refs;
    _Atomic uint32_t cursor;
    uint32_t number;
    /* The index's, guarded by its lock: */
    uint32_t place; /* among the groups of the node */
    struct index_node *node;
    struct share_members *now;
    uint32_t name_n, text_n;
    uint8_t text[]; /* $share/NAME/FILTER */
};

/* Where the name begins. */
#define SHARE_NAME_AT 7u

void share_group_unref(struct share_group *g);

/* The first list of a group, with nobody in it: its reference is the caller's. NULL without memory. */
struct share_members *share_members_new(struct share_group *g);
/* The place of h, or of the first one behind it. */
uint32_t share_members_place(const struct share_members *m, handle h);
bool share_members_has(const struct share_members *m, handle h);
/* What a holder of the list counts for in a bounded cache. */
size_t share_members_bytes(const struct share_members *m);

/* Changes, under the write lock; *m may be another list afterwards. */
enum index_result share_members_put(struct share_members **m, struct match match, struct share_hint *hint);
/* Needs no memory. False if h isn't there. */
bool share_members_remove(struct share_members **m, handle h);
