/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "loop.h"

#include <assert.h>

#include "connection.h"
#include "enhanced_auth.h"
#include "handover.h"
#include "listener.h"
#include "persist.h"
#include "reload.h"
#include "sotto/base/mem.h"
#include "sotto/core/shard.h"

/* How often a turn's end is repeated while it makes more work, before the next turn is to have the rest. */
#define ROUNDS 8
/* A turn that read from so many connections is a busy one; the loop is busy for so long after it, and acknowledgments
 * alone wait for more of their kind so long. */
#define BUSY 16
#define GATHER_MS 4
/* On a stop, clients have so long to take what we still have for them. */
#define STOP_MS 1000
/* Shorter turns are counted as they are, in a longer one each of so many parts for itself. */
#define LONG_TURN_US 500
#define LAG_PARTS 8

/* An answer about a password, on its way from a thread of the authenticator. */
struct auth_result {
    struct list node;
    uint64_t tag;
    enum reason reason;
    struct rights *rights;
};

static void on_unfinished(uv_idle_t *h);

static void post(struct loop *l, struct inbox *inbox, struct list *node)
{
    struct list one;
    list_init(&one);
    list_push_back(&one, node);
    inbox_push(inbox, &one, 0);
    loop_wake(l);
}

void loop_wake(struct loop *l)
{
    uv_async_send(&l->bell);
}

/* ---------------------------------------------------------------- what the shard asks */

void loop_queue(struct loop *l, struct connection *c)
{
    if (c->flags & (CONNECTION_QUEUED | CONNECTION_RESUMES))
        return;
    c->flags |= CONNECTION_QUEUED;
    list_remove(&c->turn);
    list_push_back(&l->dirty, &c->turn);
}

bool loop_is_busy(const struct loop *l)
{
    return l->reads >= BUSY || loop_now(l) < l->busy_until;
}

void loop_queue_later(struct loop *l, struct connection *c)
{
    list_remove(&c->turn);
    c->flags &= (uint16_t)~CONNECTION_QUEUED;
    if (list_empty(&l->later))
        l->later_due = loop_now(l) + GATHER_MS;
    list_push_back(&l->later, &c->turn);
}

/* What they waited for has come, or won't be waited for any longer. */
static void end_later(struct loop *l)
{
    struct list *n;
    l->later_due = MSEC_NEVER;
    while ((n = list_pop_front(&l->later)) != NULL) {
        struct connection *c = container_of(n, struct connection, turn);
        c->flags |= CONNECTION_WAITED;
        loop_queue(l, c);
    }
}

void loop_resume(struct loop *l, struct connection *c)
{
    if (c->flags & CONNECTION_RESUMES)
        return;
    list_remove(&c->turn);
    c->flags = (uint16_t)((c->flags & ~CONNECTION_QUEUED) | CONNECTION_RESUMES);
    list_push_back(&l->resume, &c->turn);
    uv_idle_start(&l->unfinished, on_unfinished);
}

/*
 * Output that is long already is written at once, in the middle of what makes it: a burst to one receiver (mail from
 * other loops, above all) does not pile up, and its memory is used again at once. Sending never calls back, see
 * transport.h.
 */
static void env_wake(void *ctx, void *link)
{
    struct connection *c = link;
    loop_queue(ctx, c);
    if (c->client != NULL && !(c->flags & (CONNECTION_BLOCKED | CONNECTION_MOVING)) &&
        client_outq(c->client)->bytes >= LOOP_HOT)
        connection_send(c);
}

static void env_move(void *ctx, void *link, unsigned to)
{
    struct connection *c = link;
    c->flags |= CONNECTION_MOVING;
    c->target = (uint8_t)to;
    loop_queue(ctx, c);
}

static void env_ring(void *ctx, unsigned to)
{
    struct loop *target = &((struct loop *)ctx)->server->loops[to];
    if (!target->closed)
        loop_wake(target);
}

static msec env_waited(void *ctx, void *link)
{
    (void)ctx;
    const struct connection *c = link;
    return transport_waited(c->transport);
}

static void take_answer(struct loop *l, uint64_t tag, enum reason reason, struct rights *rights)
{
    struct client *c = shard_find_client(l->shard, tag);
    if (c != NULL)
        client_authenticated(c, reason, rights, loop_now(l));
    else
        rights_unref(rights);
}

/* On the loop's own thread when the answer was known at once; else on one of the authenticator's. */
static void on_answer(void *arg, uint64_t tag, enum reason reason, struct rights *rights)
{
    struct loop *l = arg;
    if (pthread_equal(l->thread, pthread_self())) {
        take_answer(l, tag, reason, rights);
        return;
    }
    struct auth_result *a = mem_alloc(sizeof(*a));
    *a = (struct auth_result){.tag = tag, .reason = reason, .rights = rights};
    post(l, &l->answers, &a->node);
}

static void env_authenticate(void *ctx, struct client *c, const struct auth_request *r)
{
    struct loop *l = ctx;
    struct auth_request known = *r;
    connection_identify(client_link(c), &known);
    authenticator_check(l->server->authenticator, &known, on_answer, l, client_handle(c));
}

static enum reason env_auth_step(void *ctx, struct client *c, struct auth_step *step)
{
    const struct loop *l = ctx;
    struct auth_request known = {0};
    connection_identify(client_link(c), &known);
    if (step->user.n == 0)
        step->user = known.identity;
    struct users *users = authenticator_users(l->server->authenticator);
    enum reason reason = enhanced_auth_step(users, client_peer(c), step);
    users_unref(users);
    return reason;
}

static struct rights *env_rights(void *ctx, enum rights_holder holder, struct bytes user)
{
    const struct loop *l = ctx;
    if (holder == RIGHTS_OF_ABSENT)
        return persist_rights(l->server, user);
    struct users *users = authenticator_users(l->server->authenticator);
    struct rights *rights = user.n == 0                    ? users_anonymous_rights(users)
                            : holder == RIGHTS_OF_IDENTITY ? users_identity_rights(users, user)
                                                           : users_rights(users, user);
    users_unref(users);
    return rights;
}

static void env_auth_end(void *ctx, void *state)
{
    (void)ctx;
    enhanced_auth_end(state);
}

static void take_answers(struct loop *l)
{
    struct list items, *n;
    list_init(&items);
    inbox_take(&l->answers, &items);
    while ((n = list_pop_front(&items)) != NULL) {
        struct auth_result *a = container_of(n, struct auth_result, node);
        take_answer(l, a->tag, a->reason, a->rights);
        mem_free(a);
    }
}

/* ---------------------------------------------------------------- the turn */

/* Whoever is woken meanwhile is served in the next round. */
static void walk_dirty(struct loop *l)
{
    struct list now, *n;
    list_init(&now);
    list_splice(&now, &l->dirty);
    while ((n = list_pop_front(&now)) != NULL) {
        struct connection *c = container_of(n, struct connection, turn);
        c->flags &= (uint16_t)~CONNECTION_QUEUED;
        connection_turn(c);
    }
}

static msec linger_due(const struct loop *l, msec now)
{
    if (list_empty(&l->lingering))
        return MSEC_NEVER;
    const struct connection *c = container_of(l->lingering.next, struct connection, all);
    int32_t left = (int32_t)(c->linger_due - (uint32_t)now);
    return left > 0 ? now + (msec)left : now;
}

static msec earlier(msec a, msec b)
{
    return a < b ? a : b;
}

static void on_deadline(uv_timer_t *t);

static void arm(struct loop *l)
{
    msec now = loop_now(l);
    msec due = earlier(shard_next_deadline(l->shard), linger_due(l, now));
    due = earlier(due, earlier(l->accept_again, l->stop_due));
    due = earlier(due, l->later_due);
    if (due == l->armed)
        return;
    l->armed = due;
    if (due == MSEC_NEVER)
        uv_timer_stop(&l->deadline);
    else
        uv_timer_start(&l->deadline, on_deadline, due > now ? due - now : 0, 0);
}

/* Its bells are answered: mail is under way, output is written. False: there is no more to do now. */
static bool answer_all(struct loop *l)
{
    bool more = true;
    for (unsigned i = 0; i < ROUNDS && more; i++) {
        more = shard_turn_end(l->shard, loop_now(l));
        if (!list_empty(&l->dirty)) {
            walk_dirty(l);
            more = true;
        }
    }
    return more;
}

/* Behind the events that the poll brought; its end is what libuv takes for the time since. */
static void on_polled(uv_check_t *h)
{
    struct loop *l = h->data;
    if (!l->restless)
        l->turn_began = loop_now(l) * 1000;
    /* Who was there before isn't to wait for them. */
    if (transport_loop_shakes_hands(&l->transport))
        answer_all(l);
}

/*
 * The lag is how long it takes until somebody is listened to who comes at any moment of the time that the loop is busy:
 * of a turn, from the end of a poll to the next one, the rest. Where a poll could not sleep, what it took counts, too.
 */
static void measure_lag(struct loop *l)
{
    uint64_t now = uv_hrtime() / 1000;
    uint64_t turn = now > l->turn_began ? now - l->turn_began : 0;
    unsigned parts = turn < LONG_TURN_US ? 1 : LAG_PARTS;
    for (unsigned i = 1; i <= parts; i++)
        histogram_add(&l->lag, turn * i / parts, turn / parts + 1);
    l->turn_began = now;
    l->restless = uv_is_active((const uv_handle_t *)&l->unfinished) || transport_loop_shakes_hands(&l->transport);
}

void loop_take_lag(struct loop *l, struct loop_lag *out)
{
    struct histogram now;
    histogram_copy(&now, &l->lag);
    *out = (struct loop_lag){.median = histogram_quantile(&now, &l->lag_told, 500),
                             .p99 = histogram_quantile(&now, &l->lag_told, 990),
                             .longest = histogram_quantile(&now, &l->lag_told, 1000),
                             .busy = histogram_weight(&now, &l->lag_told)};
    histogram_copy(&l->lag_told, &now);
}

static void on_turn_end(uv_prepare_t *p)
{
    struct loop *l = p->data;
    bool more = answer_all(l);
    if (l->reads >= BUSY)
        l->busy_until = loop_now(l) + GATHER_MS;
    l->reads = 0;
    if (more || !list_empty(&l->resume) || !list_empty(&l->dirty))
        uv_idle_start(&l->unfinished, on_unfinished);
    else
        uv_idle_stop(&l->unfinished);
    l->turn++;
    arm(l);
    if (l->stopping && atomic_load(&l->server->connections) == 0)
        uv_stop(&l->uv);
    measure_lag(l);
}

static void on_unfinished(uv_idle_t *h)
{
    struct loop *l = h->data;
    struct list now, *n;
    list_init(&now);
    list_splice(&now, &l->resume);
    while ((n = list_pop_front(&now)) != NULL) {
        struct connection *c = container_of(n, struct connection, turn);
        c->flags &= (uint16_t)~CONNECTION_RESUMES;
        connection_resume(c);
    }
}

static void end_all(struct list *connections, const char *why)
{
    struct list now, *n;
    list_init(&now);
    list_splice(&now, connections);
    while ((n = list_pop_front(&now)) != NULL) {
        struct connection *c = container_of(n, struct connection, all);
        list_push_back(connections, n);
        if (c->client != NULL)
            connection_end(c, why);
    }
}

static void end_lingering(struct loop *l)
{
    while (linger_due(l, loop_now(l)) <= loop_now(l)) {
        struct connection *c = container_of(l->lingering.next, struct connection, all);
        connection_end(c, "the peer did not take its last bytes in time");
    }
}

static void on_deadline(uv_timer_t *t)
{
    struct loop *l = t->data;
    l->armed = MSEC_NEVER;
    shard_tick(l->shard, loop_now(l));
    if (loop_now(l) >= l->later_due)
        end_later(l);
    end_lingering(l);
    if (loop_now(l) >= l->accept_again) {
        l->accept_again = MSEC_NEVER;
        listener_retry(l);
    }
    if (loop_now(l) >= l->stop_due) {
        l->stop_due = MSEC_NEVER;
        end_all(&l->connections, "the server stops, and the peer did not take its last bytes in time");
        end_all(&l->lingering, "the server stops, and the peer did not take its last bytes in time");
    }
}

/* ---------------------------------------------------------------- mail, stop */

static void begin_stop(struct loop *l)
{
    l->stopping = true;
    l->stop_due = loop_now(l) + STOP_MS;
    l->accept_again = MSEC_NEVER;
    listener_detach(l);
    for (struct list *n = l->connections.next; n != &l->connections; n = n->next) {
        struct connection *c = container_of(n, struct connection, all);
        if (c->client == NULL)
            continue;
        client_end(c->client, REASON_SERVER_SHUTTING_DOWN, loop_now(l));
        loop_queue(l, c);
    }
}

static void on_bell(uv_async_t *a)
{
    struct loop *l = a->data;
    uint32_t ring = atomic_load(&l->server->ring);
    reload_receive(l);
    handover_receive(l);
    take_answers(l);
    listener_receive(l);
    if (atomic_exchange(&l->wants_handshake, false))
        transport_loop_places(&l->transport);
    shard_mail(l->shard, loop_now(l));
    atomic_store(&l->pulse, ring);
    if (atomic_load(&l->server->stopping) && !l->stopping)
        begin_stop(l);
}

/* ---------------------------------------------------------------- life */

static void init_lists(struct loop *l)
{
    inbox_init(&l->arrivals);
    inbox_init(&l->accepted);
    inbox_init(&l->answers);
    inbox_init(&l->swaps);
    list_init(&l->connections);
    list_init(&l->lingering);
    list_init(&l->dirty);
    list_init(&l->later);
    list_init(&l->resume);
    l->armed = l->accept_again = l->stop_due = l->later_due = MSEC_NEVER;
}

/* The second look closes the gap in which the last handshake ended before we said that we wait. */
static bool take_place(void *ctx)
{
    struct loop *l = ctx;
    if (server_take_handshake(l->server))
        return true;
    atomic_store(&l->wants_handshake, true);
    if (atomic_load(&l->server->handshakes) < l->server->max_handshakes)
        loop_wake(l);
    return false;
}

static void give_place(void *ctx)
{
    server_give_handshake(((struct loop *)ctx)->server);
}

static void init_handles(struct loop *l)
{
    uv_prepare_init(&l->uv, &l->turn_end);
    uv_idle_init(&l->uv, &l->unfinished);
    uv_timer_init(&l->uv, &l->deadline);
    uv_check_init(&l->uv, &l->polled);
    l->bell.data = l->turn_end.data = l->unfinished.data = l->deadline.data = l->polled.data = l;
    uv_prepare_start(&l->turn_end, on_turn_end);
    uv_check_start(&l->polled, on_polled);
}

int loop_init(struct loop *l, struct server *s, unsigned number)
{
    *l = (struct loop){.number = number, .server = s};
    init_lists(l);
    int err = uv_loop_init(&l->uv);
    if (err != 0)
        return err;
    err = uv_async_init(&l->uv, &l->bell, on_bell);
    if (err != 0) {
        uv_loop_close(&l->uv);
        return err;
    }
    init_handles(l);
    struct shard_env env = {.ctx = l,
                            .wake = env_wake,
                            .authenticate = env_authenticate,
                            .auth_step = env_auth_step,
                            .auth_end = env_auth_end,
                            .rights = env_rights,
                            .move = env_move,
                            .ring = env_ring,
                            .waited = env_waited};
    l->shard = shard_new(s->broker, number, &env, persist_ops(s), persist_context(s, number, &l->store));
    l->tls = reload_set(s->reload);
    l->plain = mem_alloc(LOOP_HEADROOM + LOOP_READ);
    l->transport = (struct transport_loop){.uv = &l->uv,
                                           .pool = shard_pool(l->shard),
                                           .read_buf = mem_alloc(LOOP_READ),
                                           .read_cap = LOOP_READ,
                                           .take_place = take_place,
                                           .give_place = give_place,
                                           .ctx = l};
    transport_loop_open(&l->transport);
    return 0;
}

void loop_run(struct loop *l)
{
    l->thread = pthread_self();
    uv_update_time(&l->uv);
    l->turn_began = loop_now(l) * 1000;
    uv_run(&l->uv, UV_RUN_DEFAULT);
}

void loop_close(struct loop *l)
{
    assert(list_empty(&l->connections) && list_empty(&l->lingering));
    listener_detach(l);
    uv_close((uv_handle_t *)&l->bell, NULL);
    uv_close((uv_handle_t *)&l->turn_end, NULL);
    uv_close((uv_handle_t *)&l->unfinished, NULL);
    uv_close((uv_handle_t *)&l->deadline, NULL);
    uv_close((uv_handle_t *)&l->polled, NULL);
    transport_loop_close(&l->transport);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    int err = uv_loop_close(&l->uv);
    assert(err == 0);
    (void)err;
    l->closed = true;
}

static void drop_answers(struct loop *l)
{
    struct list items, *n;
    list_init(&items);
    inbox_take(&l->answers, &items);
    while ((n = list_pop_front(&items)) != NULL) {
        struct auth_result *a = container_of(n, struct auth_result, node);
        rights_unref(a->rights);
        mem_free(a);
    }
}

void loop_fini(struct loop *l)
{
    drop_answers(l);
    shard_free(l->shard);
    inbox_fini(&l->arrivals);
    inbox_fini(&l->accepted);
    inbox_fini(&l->answers);
    reload_drop(l);
    inbox_fini(&l->swaps);
    mem_free(l->plain);
    mem_free(l->transport.read_buf);
    mem_free(l->acceptors);
}
