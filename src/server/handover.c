/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "handover.h"

#include "connection.h"
#include "sotto/core/shard.h"

static void post(struct loop *to, struct connection *c)
{
    struct list one;
    list_init(&one);
    list_push_back(&one, &c->turn);
    inbox_push(&to->arrivals, &one, 0);
    loop_wake(to);
}

void handover_leave(struct connection *c)
{
    connection_send(c);
    if (client_outq(c->client)->bytes > 0 || !transport_can_leave(c->transport))
        return;
    int err = transport_leave(c->transport);
    if (err != 0) {
        connection_end(c, uv_strerror(err));
        return;
    }
    client_leave(c->client);
    list_remove(&c->all);
    c->loop = &c->loop->server->loops[c->target];
    post(c->loop, c);
}

static void arrive(struct loop *l, struct connection *c)
{
    c->flags = CONNECTION_STOPPED;
    c->budget_turn = (uint16_t)l->turn;
    c->budget_used = 0;
    list_push_back(&l->connections, &c->all);
    int err = transport_arrive(c->transport, &l->transport);
    client_arrived(c->client, l->shard, c, loop_now(l));
    if (err != 0) {
        connection_end(c, uv_strerror(err));
        return;
    }
    if (l->stopping)
        client_end(c->client, REASON_SERVER_SHUTTING_DOWN, loop_now(l));
    loop_queue(l, c);
}

void handover_receive(struct loop *l)
{
    struct list items, *n;
    list_init(&items);
    inbox_take(&l->arrivals, &items);
    while ((n = list_pop_front(&items)) != NULL)
        arrive(l, container_of(n, struct connection, turn));
}
