/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Trees of topic levels keep all their edges in one hash map, parent and level -> child, so that a node with a
 * million children is as quick as one with two. Shared by the subscription index and the retained store.
 */
#pragma once

#include "sotto/base/hash.h"
#include "sotto/base/hmap.h"

/* What hmap_equal gets as its key, by edge_key_bytes. */
struct edge_key {
    const void *parent;
    struct bytes level;
};

static inline struct bytes edge_key_bytes(const struct edge_key *k)
{
    return bytes_of(k, sizeof(*k));
}

static inline const struct edge_key *edge_key_of(struct bytes key)
{
    return (const struct edge_key *)(const void *)key.p;
}

/* level_hash is keyed, so that where a parent lies in memory needs no secret of its own. */
static inline uint64_t edge_hash(const void *parent, uint64_t level_hash)
{
    uint64_t h = level_hash ^ (uint64_t)(uintptr_t)parent * 0x9e3779b97f4a7c15u;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return h ^ h >> 32;
}
