/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A broker of two shards whose environment only counts: what the tests of the core's own files stand on. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../../src/core/core_private.h"

struct unit {
    struct broker *broker;
    struct shard *shard[2];
    struct memory_store store[2];
    unsigned rings[2]; /* that shard was rung so often */
    size_t memory_before;
};

static inline void unit_wake(void *ctx, void *link)
{
    (void)ctx;
    (void)link;
}

static inline void unit_authenticate(void *ctx, struct client *c, const struct auth_request *r)
{
    (void)ctx;
    (void)c;
    (void)r;
}

static inline void unit_move(void *ctx, void *link, unsigned to)
{
    (void)ctx;
    (void)link;
    (void)to;
}

static inline void unit_ring(void *ctx, unsigned to)
{
    struct unit *u = ctx;
    u->rings[to]++;
}

static inline int unit_setup(void **state)
{
    struct unit *u = calloc(1, sizeof(*u));
    u->memory_before = mem_in_use();
    struct limits l = {.connect_timeout = 1000,
                       .max_packet_size = 1u << 20,
                       .max_inflight = 20,
                       .max_queued_messages = 10,
                       .max_queued_bytes = 1u << 20,
                       .max_retained_messages = 100,
                       .max_retained_bytes = 1u << 20,
                       .max_subscriptions = 100,
                       .max_topic_levels = 100,
                       .max_user_properties = 64,
                       .max_session_expiry = 100};
    u->broker = broker_new(&(struct broker_config){.shards = 2, .limits = l});
    struct shard_env env = {
        .ctx = u, .wake = unit_wake, .authenticate = unit_authenticate, .move = unit_move, .ring = unit_ring};
    for (unsigned i = 0; i < 2; i++)
        u->shard[i] = shard_new(u->broker, i, &env, &memory_store_ops, &u->store[i]);
    for (unsigned i = 0; i < 2; i++)
        u->shard[i]->now = 1000; /* as a clock does, it began before */
    *state = u;
    return 0;
}

static inline int unit_teardown(void **state)
{
    struct unit *u = *state;
    mem_fail_at(0);
    for (unsigned i = 0; i < 2; i++)
        shard_free(u->shard[i]);
    broker_free(u->broker);
    size_t left = mem_in_use() - u->memory_before;
    free(u);
    return left == 0 ? 0 : -1;
}

static inline struct pub unit_pub(const char *topic, const char *payload, uint8_t qos)
{
    return (struct pub){
        .topic = bytes_str(topic), .payload = bytes_str(payload), .qos = qos, .expires = MSEC_NEVER, .from = 7};
}
