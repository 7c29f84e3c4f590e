/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist.h"

#include <stdio.h>
#include <time.h>

#include "loop.h"
#include "sotto/base/mem.h"
#include "sotto/base/random.h"
#include "sotto/core/restore.h"
#include "sotto/store/durable.h"

/* Set by the build; a clock that is earlier is wrong. */
#ifndef SOTTO_BUILT
#define SOTTO_BUILT 0
#endif

static int64_t wall(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The loops' clock, see loop_now. */
static msec now(void)
{
    return uv_hrtime() / 1000000;
}

static void ring(void *ctx, unsigned loop)
{
    loop_wake(&((struct server *)ctx)->loops[loop]);
}

int persist_open(struct server *s, unsigned loops, char *err, size_t cap)
{
    const struct config *c = s->config;
    if (!c->persistence)
        return 0;
    struct durable_config d = {.dir = c->data_dir,
                               .shards = loops,
                               .durability = c->durability,
                               .flush_interval = (uint32_t)c->flush_interval,
                               .retained_flush = (uint32_t)c->retained_flush,
                               .built = INT64_C(1000) * SOTTO_BUILT,
                               .now = now,
                               .wall = wall,
                               .ring = ring,
                               .ctx = s};
    s->durable = durable_open(&d, err, cap);
    return s->durable != NULL ? 0 : -1;
}

void persist_stop(struct server *s)
{
    if (s->durable != NULL)
        durable_stop(s->durable);
}

void persist_close(struct server *s)
{
    durable_close(s->durable);
    s->durable = NULL;
}

const struct store_ops *persist_ops(const struct server *s)
{
    return s->durable != NULL ? &durable_ops : &memory_store_ops;
}

void *persist_context(struct server *s, unsigned loop, struct memory_store *otherwise)
{
    return s->durable != NULL ? durable_shard(s->durable, loop) : otherwise;
}

/* ---------------------------------------------------------------- restore */

struct restoring {
    struct server *server;
    struct restore *core;
    uint64_t lost, full; /* items without memory, or that make no sense; retained messages over the limits */
};

/* Certificates and shared keys may name users who have no section. */
static bool names_clients(const struct config *c)
{
    bool any = false;
    for (size_t i = 0; i < c->listeners_n; i++)
        any |= config_names_clients(&c->listeners[i]);
    return any;
}

/* A user who is not in the users file any more keeps the session, and may do nothing; or what all may, where it may be
 * one of a certificate or shared key. */
static struct rights *find_rights(const struct server *s, const struct users *users, struct bytes user)
{
    if (user.n == 0)
        return users_anonymous_rights(users);
    if (names_clients(s->config))
        return users_identity_rights(users, user);
    struct rights *rights = users_rights(users, user);
    return rights != NULL ? rights : rights_new(user, NULL, 0, false);
}

struct rights *persist_rights(const struct server *s, struct bytes user)
{
    struct users *users = authenticator_users(s->authenticator);
    struct rights *rights = find_rights(s, users, user);
    users_unref(users);
    return rights;
}

/* With durability commit, no QoS 2 message was sent that the store does not know of. */
static uint16_t first_id(const struct server *s)
{
    uint16_t id = 0;
    if (s->config->durability != DURABILITY_COMMIT)
        random_bytes(&id, sizeof(id));
    return id;
}

static bool on_session(void *ctx, const struct durable_session *from)
{
    struct restoring *r = ctx;
    bool will = from->has_will && restore_message_valid(from->will_topic, from->will_props, from->will_qos);
    struct restore_session s = {.client_id = from->client_id,
                                .rights = persist_rights(r->server, from->user),
                                .expiry = from->expiry,
                                .expires = from->expires,
                                .has_will = will,
                                .topic = from->will_topic,
                                .props = from->will_props,
                                .payload = from->will_payload,
                                .qos = from->will_qos,
                                .retain = from->will_retain,
                                .will_expiry = from->will_expiry,
                                .will_due = from->will_due,
                                .first_id = first_id(r->server)};
    handle h = restore_session(r->core, &s);
    rights_unref(s.rights);
    if (h != HANDLE_NONE)
        durable_bind(r->server->durable, h, from->id);
    r->lost += h == HANDLE_NONE;
    r->lost += from->has_will && !will;
    return h != HANDLE_NONE;
}

static void on_filter(void *ctx, const struct durable_filter *f)
{
    struct restoring *r = ctx;
    struct sub_options o = {
        .id = f->sub_id, .qos = f->qos, .no_local = (f->flags & 1) != 0, .retain_as_published = (f->flags & 2) != 0};
    r->lost += !restore_filter(r->core, f->filter, &o);
}

static void on_received(void *ctx, uint16_t packet_id)
{
    struct restoring *r = ctx;
    r->lost += !restore_received(r->core, packet_id);
}

static struct restore_row row_of(const struct durable_row *from)
{
    return (struct restore_row){.row = from->row,
                                .message = from->message,
                                .shared = from->shared,
                                .packet_id = from->state != DURABLE_WAITING ? from->packet_id : 0,
                                .released = from->state == DURABLE_RELEASED,
                                .qos = from->qos,
                                .retain = from->retain,
                                .sub_id = from->sub_id,
                                .share = from->share,
                                .topic = from->m.topic,
                                .props = from->m.props,
                                .payload = from->m.payload,
                                .expires = from->m.expires};
}

static void on_row(void *ctx, const struct durable_row *from)
{
    struct restoring *r = ctx;
    struct restore_row row = row_of(from);
    r->lost += !restore_message_valid(row.topic, row.props, row.qos) || !restore_row(r->core, &row);
}

static void on_session_over(void *ctx)
{
    restore_session_over(((struct restoring *)ctx)->core);
}

/* With the message's own QoS: what a member gets depends on its subscription. */
static void on_given(void *ctx, const struct durable_row *from)
{
    struct restoring *r = ctx;
    struct restore_row row = row_of(from);
    row.qos = from->m.qos;
    row.retain = from->m.retain;
    restore_sessions_over(r->core);
    restore_given(r->core, &row);
}

/* Those over the limits are deleted: the operator has lowered them. Those that make no sense too. */
static bool on_retained(void *ctx, const struct durable_message *m)
{
    struct restoring *r = ctx;
    if (m->payload.n == 0 || !restore_message_valid(m->topic, m->props, m->qos)) {
        r->lost++;
        return false;
    }
    enum restore_result result = restore_retained(r->core, m->topic, m->props, m->payload, m->qos, m->expires);
    r->full += result == RESTORE_FULL;
    r->lost += result == RESTORE_NO_MEMORY;
    return result != RESTORE_FULL;
}

static void on_lost(void *ctx, uint64_t rows)
{
    ((struct restoring *)ctx)->lost += rows;
}

static void say_losses(const struct restoring *r)
{
    if (r->full > 0)
        log_event(LOG_WARN, "store.over_limit", LF_INT("retained", r->full),
                  LF_STR("reason", "more retained messages are stored than the limits allow; these were deleted"),
                  LF_STR("hint", "see max_retained_messages and max_retained_bytes in [limits]"));
    if (r->lost > 0)
        log_event(
            LOG_ERROR, "store.incomplete", LF_INT("items", r->lost),
            LF_STR("reason", "what was stored could not all be restored: there is no memory for it, or it is damaged"),
            LF_STR("hint", "see `sotto store check`, and the memory of this machine"));
}

int persist_restore(struct server *s, char *err, size_t cap)
{
    if (s->durable == NULL)
        return 0;
    struct shard **shards = mem_alloc(s->loops_n * sizeof(*shards));
    for (unsigned i = 0; i < s->loops_n; i++)
        shards[i] = s->loops[i].shard;
    struct restoring r = {.server = s, .core = restore_new(s->broker, shards, now())};
    struct durable_visitor v = {.ctx = &r,
                                .session = on_session,
                                .filter = on_filter,
                                .received = on_received,
                                .row = on_row,
                                .session_over = on_session_over,
                                .given = on_given,
                                .retained = on_retained,
                                .lost = on_lost};
    int rc = durable_restore(s->durable, &v, err, cap);
    restore_sessions_over(r.core);
    restore_free(r.core);
    mem_free(shards);
    if (rc != 0)
        return rc;
    say_losses(&r);
    int error = durable_start(s->durable);
    if (error != 0)
        snprintf(err, cap, "the store's thread can't be started: %s; raise the system's limits", strerror(error));
    return error == 0 ? 0 : -1;
}
