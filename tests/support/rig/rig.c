/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The rig's loops: turns, the environment that shards ask, time, and the authoriser. */
#include "rig_private.h"

#include <stdio.h>
#include <stdlib.h>

#include "sotto/base/log.h"
#include "sotto/base/mem.h"

#define READ_MOST (64u * 1024)  /* what a loop reads from one connection in a turn */
#define PULL_AGAIN (16u * 1024) /* output of this length is followed by another pull in the same turn */
#define ROUNDS 4
#define MANY_TURNS 200000u

struct answer {
    struct list link;
    unsigned shard;
    handle client;
    enum reason reason;
    struct rights *rights;
};

/* ------------------------------------------------------- the environment */

static void env_wake(void *ctx, void *link)
{
    struct rig_shard *s = ctx;
    struct peer *c = link;
    if (c->shard != s->number)
        rig_die("%s was woken by a shard that it isn't on", c->name);
    c->woken = true;
}

static void env_ring(void *ctx, unsigned to)
{
    struct rig_shard *s = ctx;
    s->rig->s[to].rung = true;
}

static msec env_waited(void *ctx, void *link)
{
    (void)ctx;
    struct peer *c = link;
    msec waited = c->waited;
    c->waited = 0;
    return waited;
}

static void env_move(void *ctx, void *link, unsigned to)
{
    struct rig_shard *s = ctx;
    struct peer *c = link;
    if (c->moving || c->shard != s->number || to == s->number || to >= s->rig->n)
        rig_die("%s is told to move to shard %u in a wrong way", c->name, to);
    c->moving = true;
    c->target = to;
    c->woken = true;
}

static enum reason judge(struct rig *r, const struct auth_request *q, struct rights **rights)
{
    static const struct rig_user nobody = {.name = ""};
    if (!q->has_user && !q->anonymous)
        return REASON_NOT_AUTHORIZED;
    if (r->users_n == 0 || (!q->has_user && q->anonymous)) {
        *rights = rights_new(q->has_user ? q->user : bytes_str(nobody.name), NULL, 0, true);
        return REASON_SUCCESS;
    }
    for (size_t i = 0; i < r->users_n; i++) {
        const struct rig_user *u = &r->users[i];
        if (!bytes_equal(q->user, bytes_str(u->name)))
            continue;
        if (u->password != NULL && !(q->has_password && bytes_equal(q->password, bytes_str(u->password))))
            return REASON_BAD_USER_NAME_OR_PASSWORD;
        *rights = rights_ref(u->rights);
        return REASON_SUCCESS;
    }
    return REASON_BAD_USER_NAME_OR_PASSWORD;
}

static struct rights *env_rights(void *ctx, enum rights_holder holder, struct bytes user)
{
    const struct rig *r = ((struct rig_shard *)ctx)->rig;
    for (size_t i = 0; i < r->users_n; i++) {
        if (bytes_equal(user, bytes_str(r->users[i].name)))
            return rights_ref(r->users[i].rights);
    }
    if (r->users_n == 0 || user.n == 0)
        return rights_new(user, NULL, 0, true);
    return holder == RIGHTS_OF_ABSENT ? rights_new(user, NULL, 0, false) : NULL;
}

static void env_authenticate(void *ctx, struct client *client, const struct auth_request *q)
{
    struct rig_shard *s = ctx;
    struct rights *rights = NULL;
    enum reason reason = judge(s->rig, q, &rights);
    if (!s->rig->auth_later) {
        client_authenticated(client, reason, rights, s->rig->now);
        return;
    }
    struct answer *a = rig_alloc(sizeof(*a));
    a->shard = s->number;
    a->client = client_handle(client);
    a->reason = reason;
    a->rights = rights;
    list_push_back(&s->rig->answers, &a->link);
}

static enum reason env_auth_step(void *ctx, struct client *client, struct auth_step *step)
{
    struct rig_shard *s = ctx;
    char **name = (char **)&step->state;
    if (client == NULL || !bytes_equal(step->method, bytes_str("toy")))
        return REASON_BAD_AUTHENTICATION_METHOD;
    bool first = *name == NULL;
    if (first) {
        *name = rig_alloc(step->data.n + 1);
        if (step->data.n > 0)
            memcpy(*name, step->data.p, step->data.n);
        s->rig->exchanges++;
    }
    if (bytes_equal(step->data, bytes_str(first ? "friend" : "yes"))) {
        if (step->user.n > 0 && !bytes_equal(step->user, bytes_str(*name)))
            return REASON_NOT_AUTHORIZED;
        step->rights = rights_new(bytes_str(*name), NULL, 0, true);
        step->answer_n = (size_t)snprintf((char *)step->answer, sizeof(step->answer), "welcome");
        return REASON_SUCCESS;
    }
    if (!first && !bytes_equal(step->data, bytes_str("more")))
        return REASON_NOT_AUTHORIZED;
    step->answer_n = (size_t)snprintf((char *)step->answer, sizeof(step->answer), "who is %s?", *name);
    return REASON_CONTINUE_AUTHENTICATION;
}

static void env_auth_end(void *ctx, void *state)
{
    struct rig_shard *s = ctx;
    s->rig->exchanges--;
    free(state);
}

void rig_answer_auth(struct rig *r)
{
    struct list *l;
    while ((l = list_pop_front(&r->answers)) != NULL) {
        struct answer *a = container_of(l, struct answer, link);
        struct client *client = shard_find_client(r->s[a->shard].shard, a->client);
        if (client != NULL)
            client_authenticated(client, a->reason, a->rights, r->now);
        else
            rights_unref(a->rights);
        free(a);
    }
    rig_run(r);
}

void rig_user(struct rig *r, const char *name, const char *password, const struct rule *rules, size_t n,
              bool everything)
{
    if (r->users_n == sizeof(r->users) / sizeof(r->users[0]))
        rig_die("too many users");
    r->users[r->users_n++] = (struct rig_user){name, password, rights_new(bytes_str(name), rules, n, everything)};
}

void rig_change_user(struct rig *r, const char *name, const struct rule *rules, size_t n, bool everything)
{
    for (size_t i = 0; i < r->users_n; i++) {
        struct rig_user *u = &r->users[i];
        if (strcmp(u->name, name) != 0)
            continue;
        rights_unref(u->rights);
        bool gone = rules == NULL && n > 0;
        u->rights = gone ? NULL : rights_new(bytes_str(name), rules, n, everything);
        u->name = gone ? "nobody any more" : name;
        return;
    }
    rig_die("there is no user %s", name);
}

void rig_renew_rights(struct rig *r)
{
    broker_rights_changed(r->broker);
    for (unsigned i = 0; i < r->n; i++) {
        uint32_t at = 0;
        while (shard_renew_rights(r->s[i].shard, &at, r->now))
            ;
    }
    rig_run(r);
}

/* ------------------------------------------------------------------ turns */

static void gone(struct peer *c, const char *why)
{
    client_gone(c->client, why, c->rig->now);
    c->client = NULL;
}

/* Copies n bytes of the front of q to the peer. */
static void take_bytes(struct peer *c, struct outq *q, size_t n)
{
    struct bytes v[3];
    unsigned count = outq_peek(q, v, 3);
    size_t taken = 0;
    for (unsigned i = 0; i < count && taken < n; i++) {
        size_t part = v[i].n < n - taken ? v[i].n : n - taken;
        memcpy(c->got + c->got_n, v[i].p, part);
        c->got_n += part;
        taken += part;
    }
    outq_consume(q, shard_pool(c->rig->s[c->shard].shard), taken);
}

/* What the core has written goes to the peer, as much of it as that takes. */
static void take_output(struct peer *c)
{
    struct outq *q = client_outq(c->client);
    if (q->bytes > c->most_output)
        c->most_output = q->bytes;
    c->blocked = c->stalled && q->bytes > 0;
    if (c->stalled || q->bytes == 0)
        return;
    rig_reserve(&c->got, &c->got_cap, c->got_n + q->bytes);
    size_t left = c->takes > 0 && c->takes < q->bytes ? q->bytes - c->takes : 0;
    while (q->bytes > left)
        take_bytes(c, q, q->bytes - left);
    if (left > 0)
        c->blocked = c->woken = true; /* the socket will take more in the next round */
}

static void take_hot(struct rig *r, unsigned shard)
{
    for (struct list *l = r->peers.next; l != &r->peers; l = l->next) {
        struct peer *c = container_of(l, struct peer, link);
        if (c->client != NULL && !c->in_transit && c->shard == shard && client_outq(c->client)->bytes >= READ_MOST)
            take_output(c);
    }
}

static void leave(struct peer *c)
{
    take_output(c);
    if (client_outq(c->client)->bytes > 0)
        return;
    client_leave(c->client);
    c->moving = false;
    c->in_transit = true;
    c->shard = c->target;
}

/* As a connection does when the dirty list is walked. */
static void output(struct peer *c)
{
    c->woken = false;
    if (!client_closing(c->client)) {
        client_output(c->client, c->rig->now);
        size_t bytes = client_outq(c->client)->bytes;
        take_output(c);
        if (bytes >= PULL_AGAIN && !c->blocked)
            c->woken = true;
    }
    if (client_closing(c->client)) {
        take_output(c);
        if (!c->blocked) {
            gone(c, NULL);
            c->closed = true;
        }
    } else if (c->moving) {
        leave(c);
    } else if (c->stopped && !client_paused(c->client)) {
        c->stopped = false;
        c->fresh = true;
    }
}

static bool feed(struct peer *c)
{
    if (c->client == NULL || c->in_transit || c->moving || c->stopped || client_closing(c->client))
        return false;
    if (client_paused(c->client)) {
        c->stopped = true;
        return false;
    }
    size_t chunk = c->chunk > 0 ? c->chunk : READ_MOST;
    if (c->arrived < c->in_n) {
        c->arrived = c->in_n - c->arrived > chunk ? c->arrived + chunk : c->in_n;
        c->fresh = true;
    }
    if (!c->fresh || c->arrived == 0)
        return false;
    c->fresh = false;
    uint8_t *exact = rig_alloc(c->arrived); /* so that a read past the end is seen */
    memcpy(exact, c->in, c->arrived);
    size_t used = client_input(c->client, exact, c->arrived, c->rig->now);
    free(exact);
    if (used > c->arrived)
        rig_die("%s: the core used more than it was given", c->name);
    memmove(c->in, c->in + used, c->in_n - used);
    c->in_n -= used;
    c->arrived -= used;
    c->stopped = client_paused(c->client);
    return true;
}

static bool arrive(struct rig *r, unsigned shard)
{
    bool busy = false;
    for (struct list *l = r->peers.next; l != &r->peers; l = l->next) {
        struct peer *c = container_of(l, struct peer, link);
        if (!c->in_transit || c->shard != shard)
            continue;
        c->in_transit = false;
        c->stopped = true;
        client_arrived(c->client, r->s[shard].shard, c, r->now);
        c->woken = true;
        busy = true;
    }
    return busy;
}

static bool input(struct rig *r, unsigned shard)
{
    bool busy = false;
    for (struct list *l = r->peers.next; l != &r->peers; l = l->next) {
        struct peer *c = container_of(l, struct peer, link);
        if (c->client == NULL || c->shard != shard || c->in_transit)
            continue;
        if (feed(c)) {
            busy = true;
            take_hot(r, shard);
        }
        if (c->dropped && c->arrived == c->in_n) {
            gone(c, "broken by the peer");
            busy = true;
        }
    }
    return busy;
}

static bool outputs(struct rig *r, unsigned shard)
{
    bool busy = false;
    for (struct list *l = r->peers.next; l != &r->peers; l = l->next) {
        struct peer *c = container_of(l, struct peer, link);
        if (c->client == NULL || c->shard != shard || c->in_transit || !c->woken)
            continue;
        output(c);
        busy = true;
    }
    return busy;
}

bool rig_turn(struct rig *r, unsigned shard)
{
    struct rig_shard *s = &r->s[shard];
    bool busy = arrive(r, shard);
    if (s->rung) {
        s->rung = false;
        shard_mail(s->shard, r->now);
        take_hot(r, shard);
        busy = true;
    }
    busy |= input(r, shard);
    if (shard_next_deadline(s->shard) <= r->now) {
        shard_tick(s->shard, r->now);
        busy = true;
    }
    bool more = true;
    for (unsigned i = 0; i < ROUNDS && more; i++) {
        more = shard_turn_end(s->shard, r->now);
        more |= outputs(r, shard);
        busy |= more;
    }
    rig_check(r);
    return busy | more | rig_store_busy(&s->store);
}

void rig_run(struct rig *r)
{
    bool busy = true;
    for (unsigned turns = 0; busy; turns++) {
        busy = false;
        for (unsigned i = 0; i < r->n; i++)
            busy |= rig_turn(r, i);
        if (turns > MANY_TURNS)
            rig_die("the core never comes to rest");
    }
}

void rig_advance(struct rig *r, msec ms)
{
    msec end = r->now + ms;
    for (;;) {
        msec next = end;
        for (unsigned i = 0; i < r->n; i++) {
            msec due = shard_next_deadline(r->s[i].shard);
            next = due < next ? due : next;
        }
        r->now = next > r->now ? next : r->now;
        rig_run(r);
        if (r->now >= end)
            return;
    }
}

/* ------------------------------------------------------------------- life */

struct limits rig_limits(void)
{
    return (struct limits){.connect_timeout = 10000,
                           .max_packet_size = 1024 * 1024,
                           .max_inflight = 20,
                           .max_queued_messages = 1000,
                           .max_queued_bytes = 16u * 1024 * 1024,
                           .queue_policy = QUEUE_DROP_OLDEST,
                           .max_retained_messages = 1000000,
                           .max_retained_bytes = 256u * 1024 * 1024,
                           .max_subscriptions = 10000,
                           .max_topic_levels = 200,
                           .max_user_properties = 64,
                           .max_session_expiry = 60u * 24 * 3600};
}

static void shard_init(struct rig *r, unsigned i)
{
    struct rig_shard *s = &r->s[i];
    struct shard_env env = {.ctx = s,
                            .wake = env_wake,
                            .authenticate = env_authenticate,
                            .auth_step = env_auth_step,
                            .auth_end = env_auth_end,
                            .rights = env_rights,
                            .move = env_move,
                            .ring = env_ring,
                            .waited = env_waited};
    s->rig = r;
    s->number = i;
    s->store.commits = r->commits;
    s->shard = shard_new(r->broker, i, &env, &rig_store_ops, &s->store);
}

struct rig *rig_new(unsigned shards, const struct limits *limits, enum rig_commits commits)
{
    struct rig *r = rig_alloc(sizeof(*r));
    r->memory_before = mem_in_use();
    r->limits = limits != NULL ? *limits : rig_limits();
    r->n = shards;
    r->commits = commits;
    r->now = 1000000;
    r->proto = PROTO_311;
    r->origin =
        (struct client_origin){.listener = "rig", .anonymous = true, .versions = 1u << PROTO_31 | 1u << PROTO_311};
    if (RIG_SPEAKS_5)
        r->origin.versions |= 1u << PROTO_5;
    list_init(&r->peers);
    list_init(&r->answers);
    r->broker = broker_new(&(struct broker_config){.shards = shards, .limits = r->limits});
    rig_fix_key(r->broker);
    for (unsigned i = 0; i < shards; i++)
        shard_init(r, i);
    return r;
}

static void end_peers(struct rig *r)
{
    for (struct list *l = r->peers.next; l != &r->peers; l = l->next) {
        struct peer *c = container_of(l, struct peer, link);
        c->dropped = true;
        c->stalled = false;
        c->in_n = c->arrived = 0;
        c->woken = true;
    }
    rig_commit(r, SIZE_MAX);
    rig_answer_auth(r);
    rig_commit(r, SIZE_MAX);
}

void rig_free(struct rig *r)
{
    mem_fail_at(0);
    end_peers(r);
    struct shard_stats left = rig_stats(r);
    if (left.clients != 0 || r->exchanges != 0)
        rig_die("%d clients and %u authentications are left", (int)left.clients, r->exchanges);
    rig_advance(r, (msec)r->limits.max_session_expiry * 1000 + 1);
    rig_commit(r, SIZE_MAX);
    left = rig_stats(r);
    size_t rows = rig_rows(r) - (r->short_of_memory ? rig_given(r) : 0);
    if (left.sessions != 0 || left.subscriptions != 0 || rows != 0)
        rig_die("%d sessions, %d subscriptions, %d stored messages are left", (int)left.sessions,
                (int)left.subscriptions, (int)rows);
    rig_abandon(r);
}

void rig_abandon(struct rig *r)
{
    struct list *l;
    for (l = r->peers.next; l != &r->peers; l = l->next)
        if (container_of(l, struct peer, link)->client != NULL)
            gone(container_of(l, struct peer, link), NULL);
    for (unsigned i = 0; i < r->n; i++)
        shard_free(r->s[i].shard);
    broker_free(r->broker);
    while ((l = list_pop_front(&r->peers)) != NULL) {
        struct peer *c = container_of(l, struct peer, link);
        free(c->in);
        free(c->got);
        for (size_t i = 0; i < sizeof(c->terms.topics) / sizeof(c->terms.topics[0]); i++)
            free(c->terms.topics[i]);
        free(c);
    }
    for (size_t i = 0; i < r->users_n; i++)
        rights_unref(r->users[i].rights);
    for (unsigned i = 0; i < r->n; i++)
        free(r->s[i].store.rows);
    size_t left = mem_in_use() - r->memory_before;
    free(r);
    if (left != 0)
        rig_die("%d bytes were not given back", (int)left);
}
