/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The tree of retained messages, for retained.c (which changes it) and retained_cursor.c (which walks it).
 *
 *        root
 *         |children
 *       "home" <-> "garden/pump/state" <-> "$SYS/broker"        siblings: a list, new ones in front
 *         |
 *       "hall/lamp" <-> "attic" ...
 *
 * A node's label is one level or several: levels are split apart only where ways part, so a message mostly costs one
 * node, however deep its topic is. Siblings differ in the first level of their labels; down by a name goes through
 * one hash map for the whole tree, keyed by parent and that first level (edge.h); down to all children goes through the
 * list.
 *
 *       "hall/lamp" and a new "hall/door":      "hall" takes the place of "hall/lamp" among its siblings,
 *                                               "lamp" is the old node with a shorter label
 *
 * A node exists as long as it has a message, a child, or a pin. A pin is a cursor that stopped there between two
 * slices: whatever is deleted meanwhile, the node keeps its place among its siblings and its parents stay, so the
 * cursor goes on exactly where it was. Siblings never change their order, and a node never changes the topic that it
 * stands for, so what is there all the time is met once.
 */
#pragma once

#include <stdatomic.h>

#include "sotto/base/heap.h"
#include "sotto/base/hmap.h"
#include "sotto/base/rwlock.h"
#include "sotto/core/retained.h"

struct retained_entry {
    struct timer expiry; /* set when the message expires at all */
    uint64_t number;
    struct blob *payload, *props;
    uint32_t topic_n;
    uint8_t qos;
    uint8_t topic[];
};

struct retained_node {
    struct retained_node *parent, *next, *prev, *children;
    struct retained_entry *entry; /* NULL: no message here */
    atomic_uint pins;             /* raised and lowered under the read lock, looked at under the write lock */
    uint32_t label_n;
    uint8_t label[];
};

struct retained {
    struct rwlock lock;
    struct hash_key key;
    struct hmap edges; /* (parent, first level of the label) -> node */
    struct heap expiries;
    struct retained_node *root;
    uint64_t number;
    uint64_t messages, bytes;
    uint64_t max_messages, max_bytes;
};

static inline struct bytes retained_label(const struct retained_node *n)
{
    return bytes_of(n->label, n->label_n);
}

/* Nothing below and nothing in it: goes when nobody has pinned it. The root stays. */
static inline bool retained_node_dead(const struct retained_node *n)
{
    return n->entry == NULL && n->children == NULL && n->parent != NULL;
}

/* Under a lock. The child whose label begins with this level. */
struct retained_node *retained_child(const struct retained *r, const struct retained_node *parent, struct bytes level);
/* Under the write lock: takes out dead nodes without pins, from here upwards. */
void retained_prune(struct retained *r, struct retained_node *n);
