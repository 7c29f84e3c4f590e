/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * All groups of shared subscriptions: by filter (its node in the index) and name, by filter, and by number. Private to
 * the subscription index (index.h), whose lock guards it. A node only has a flag that there are groups for it,
 * so that filters without any pay nothing for them.
 */
#pragma once

#include "sotto/base/hmap.h"
#include "sotto/core/share.h"

struct share_groups {
    const struct hash_key *key;
    struct hmap by_name;   /* (node, name) -> share_group */
    struct hmap by_number; /* -> share_group */
    struct hmap by_node;   /* -> the groups of one filter */
    uint32_t number;       /* the last one given */
};

/* key outlives it. */
void share_groups_init(struct share_groups *s, const struct hash_key *key);
/* Drops all groups. */
void share_groups_fini(struct share_groups *s);
/* NULL: no such group. */
struct share_group *share_groups_find(const struct share_groups *s, const struct index_node *node, struct bytes name);
struct share_group *share_groups_numbered(const struct share_groups *s, uint32_t number);
/* Adds a member, or replaces its options; makes the group where needed. Without memory nothing is changed. */
enum index_result share_groups_put(struct share_groups *s, struct index_node *node, struct bytes name,
                                   struct match match, struct share_hint *hint, struct share_group **group);
/* False if h isn't there. */
bool share_groups_remove(struct share_groups *s, struct share_group *g, handle h);
/* Are there groups for this filter? */
bool share_groups_any(const struct share_groups *s, const struct index_node *node);
/* References to the lists of all groups of the filter, behind what m holds. False without memory. */
bool share_groups_copy(const struct share_groups *s, const struct index_node *node, struct matches *m);
