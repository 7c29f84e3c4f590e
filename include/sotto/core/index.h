/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The subscription index: topic filter -> who wants it. Shared by all loops.
 *
 * Exact filters stand in a flat hash by their whole text; filters with wildcards in a
 * trie of levels whose edges live in one open-addressing table (parent, level). Both name sessions by handles, never by
 * pointers. Every change raises the generation; each loop keeps a cache topic -> matches that is
 * good as long as the generation stands, so the steady path of a message takes no lock.
 */
#pragma once

#include <stdatomic.h>

#include "sotto/base/hash.h"
#include "sotto/base/slots.h"

/* What a subscription asks for. */
struct sub_options {
    uint32_t id; /* subscription identifier of 5.0; 0: none */
    uint8_t qos;
    bool no_local, retain_as_published;
    bool durable; /* the session is stored: its owner says so, and it is so for all its life */
};

/* One filter in the index. Lives as long as somebody subscribes to it: a session that added itself may keep the pointer
 * till it removes itself. */
struct index_node;

struct index;

/* See share.h. */
struct share_group;
struct share_members;
struct share_hint;

struct index *index_new(const struct hash_key *key);
/* All subscriptions must be removed before, or are dropped. */
void index_free(struct index *x);

enum index_result { INDEX_NEW, INDEX_REPLACED, INDEX_NO_MEMORY };

/* Adds h under filter (valid, not a shared one) or replaces its options [MQTT-3.8.4-3]. Takes the write lock. *node
 * stays valid until h is removed from it. */
enum index_result index_add(struct index *x, struct bytes filter, handle h, struct sub_options o,
                            struct index_node **node);
/* Finds the node of a filter if h is under it; else NULL. */
struct index_node *index_find(struct index *x, struct bytes filter, handle h);
/* Takes h from the node; false if it wasn't there. Takes the write lock. */
bool index_remove(struct index *x, struct index_node *node, handle h);
/* The filter's text: valid as long as the node. */
struct bytes index_node_filter(const struct index_node *node);

/*
 * The same for the shared subscription $share/name/filter: h becomes a member of that group, or has its options
 * replaced. hint: h's; the index takes references of its own. *group stays valid until h is removed from it.
 * That it gets no retained messages, and that no_local is an error [MQTT-3.8.3-4], is the caller's business.
 */
enum index_result index_add_shared(struct index *x, struct bytes name, struct bytes filter, handle h,
                                   struct sub_options o, struct share_hint *hint, struct share_group **group);
/* Finds the group if h is in it; else NULL. Takes the read lock. */
struct share_group *index_find_shared(struct index *x, struct bytes name, struct bytes filter, handle h);
/* Takes h from the group, which ends with its last member; false if it wasn't there. Needs no memory. Takes the write
 * lock. */
bool index_remove_shared(struct index *x, struct share_group *group, handle h);
/* The members, now, of the group with this number (struct share_turn): a reference for the caller. NULL: it is no
 * more. Takes the read lock. */
struct share_members *index_share(struct index *x, uint32_t number);
/* The number of that group; 0: there is none. Takes the read lock. */
uint32_t index_share_number(struct index *x, struct bytes name, struct bytes filter);

/* Subscriptions, shared ones too; not filters. */
size_t index_count(struct index *x);
/* Grows with every change. Takes no lock: what was matched after a load that gave g is good while
 * another load gives g. */
uint64_t index_generation(const struct index *x);

struct match {
    handle h;
    struct sub_options o;
};

/*
 * Who gets a message. The ordinary subscriptions, sorted by handle, thus by owner; a session that matches by several
 * filters has several entries in a row. And the groups of shared subscriptions, in no order: one member of each list
 * gets the message as well, whatever else it gets. The lists are references.
 */
struct matches {
    struct match *v;
    struct share_members **shared;
    uint32_t n, cap, shared_n, shared_cap;
    uint64_t topic; /* in answers that a cache holds: its number for this topic, never of another one; else 0 */
};

void matches_init(struct matches *m);
/* Drops the references as well. */
void matches_fini(struct matches *m);
/* Fills m (emptied first) with all that match the topic name. Takes the read lock. False without memory. */
bool index_match(struct index *x, struct bytes topic, struct matches *m);

/*
 * A loop's cache: topic -> matches, for one thread. Holds up to 4,096 topics that came more than once, in at most 4
 * MiB; what doesn't fit is matched anew. While nothing changes in the index, a topic that is held costs no lock.
 */
struct match_cache;
struct match_cache *match_cache_new(struct index *x, const struct hash_key *key);
/* NULL is fine. Before the index is freed or after, both are good. */
void match_cache_free(struct match_cache *c);
/* The matches of topic, now. Valid until the next call. NULL without memory. */
const struct matches *match_cache_get(struct match_cache *c, struct bytes topic);
/* The same, where hash_bytes(key, topic) is known already. */
const struct matches *match_cache_find(struct match_cache *c, struct bytes topic, uint64_t hash);
