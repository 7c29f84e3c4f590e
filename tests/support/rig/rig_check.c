/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What must hold in the core after each turn. The only file of the rig that looks behind the core's doors.
 */
#include "rig_private.h"

#include "../../../src/core/core_private.h"

/* A packet may be added to an output that is just below the mark. */
#define OUTPUT_MOST(limits) (OUTPUT_HIGH + (limits).max_packet_size + 1024 * 1024)

/* With more rows or packet ids than these, looking at all of them after each turn would take too long. */
#define CHECKED_ROWS 200
#define CHECKED_QUEUE 1000

static void check_queue(const struct session *n)
{
    const struct limits *l = &n->shard->b->limits;
    size_t bytes = 0;
    uint32_t promised = 0;
    if (n->queued > l->max_queued_messages || n->queue_bytes > l->max_queued_bytes)
        rig_die("a queue is over its limits");
    if (session_waiting(n) > CHECKED_QUEUE)
        return;
    for (uint32_t i = n->inflight; i < n->deliveries.n; i++) {
        const struct delivery *d = ring_at(&n->deliveries, i);
        if (d->msg == NULL || d->id != 0)
            rig_die("a queued message was sent already");
        bytes += (size_t)d->msg->topic_n + d->msg->props_n + d->msg->payload_n + (d->shared ? d->text_n : 0u);
        bytes += d->qos > 0 ? 0 : sizeof(*d->msg) + sizeof(*d);
        promised += d->qos > 0;
    }
    if (n->queue_bytes != bytes || n->queued != promised)
        rig_die("the queue has %d bytes and counts %d", (int)bytes, (int)n->queue_bytes);
}

static void check_inflight(const struct session *n)
{
    uint8_t seen[65536 / 8] = {0};
    uint32_t under_way = 0; /* on this connection; an earlier one may have had a larger window */
    size_t bytes = 0;
    if (n->unsent > n->inflight || n->inflight > n->deliveries.n)
        rig_die("%u in flight, %u of them sent, of %u", n->inflight, n->unsent, n->deliveries.n);
    for (uint32_t i = 0; i < n->inflight; i++) {
        const struct delivery *d = ring_at(&n->deliveries, i);
        if (d->id == 0 || (seen[d->id / 8] & 1u << d->id % 8) != 0)
            rig_die("packet id %u is in use twice, or none", d->id);
        seen[d->id / 8] |= (uint8_t)(1u << d->id % 8);
        bool done_with = d->released || (d->sent && !session_durable(n) && !d->shared);
        if (d->qos == 0 || (d->msg == NULL) != done_with)
            rig_die("packet id %u is in a wrong state", d->id);
        under_way += i < n->unsent && !d->released;
        bytes += d->msg != NULL ? (size_t)d->msg->topic_n + d->msg->props_n + d->msg->payload_n : 0;
        bytes += d->shared ? d->text_n : 0u;
    }
    if (bytes != n->inflight_bytes)
        rig_die("%d bytes in flight, counted as %d", (int)bytes, (int)n->inflight_bytes);
    if (under_way > n->window)
        rig_die("%u are under way, where %u may be", under_way, n->window);
}

/* Packet ids of QoS 2 publications whose rows are not committed yet, elsewhere: they are put after those. */
static size_t not_put_yet(const struct session *n)
{
    size_t count = 0;
    for (const struct exchange *e = n->exchanges_last; e != NULL; e = e->before)
        count += e->stored && e->stage == EXCHANGE_ROWS && e->packet_id != 0;
    return count;
}

/* What the store would bring back is what the session has. */
static void check_stored(const struct rig_store *store, const struct session *n)
{
    size_t rows, received, stored = 0;
    rig_store_counts(store, n->h, &rows, &received);
    for (uint32_t i = 0; i < n->deliveries.n; i++) {
        const struct delivery *d = ring_at(&n->deliveries, i);
        stored += d->row != 0 && !d->given;
    }
    if (stored != rows || (session_durable(n) ? n->received.n - not_put_yet(n) : 0) != received)
        rig_die("the store has %d messages and %d packet ids for a session that has %d and %d", (int)rows,
                (int)received, (int)stored, (int)n->received.n);
}

static void check_session(const struct shard *s, const struct session *n)
{
    if (n->shard != s || slots_get(&s->sessions, n->h) != n)
        rig_die("a session is not where it should be");
    if (n->client != NULL && (n->client->session != n || n->client->shard != s))
        rig_die("a session and its client don't know each other");
    if (n->client == NULL && !session_durable(n))
        rig_die("a session that ends with its connection is left without one");
    if ((n->subs_n == 0) != (n->subs_units == 0))
        rig_die("%u subscriptions count for %d units", n->subs_n, (int)n->subs_units);
    check_queue(n);
    if (n->inflight > 0 || n->unsent > 0)
        check_inflight(n);
    for (uint32_t i = 1; i < n->received.n && n->received.n <= CHECKED_ROWS; i++)
        if (n->received.v[i - 1] >= n->received.v[i])
            rig_die("the set of received ids is not sorted");
}

static void check_peer(const struct peer *c)
{
    const struct client *client = c->client;
    if (client->out.bytes > OUTPUT_MOST(c->rig->limits))
        rig_die("%s: %d bytes of output", c->name, (int)client->out.bytes);
    if (!c->in_transit && client->shard != c->rig->s[c->shard].shard)
        rig_die("%s is on another shard than it thinks", c->name);
    if (client->session != NULL && client->session->client != client)
        rig_die("%s and its session don't know each other", c->name);
    if (c->proto == PROTO_5 && client->session != NULL && c->terms.receive_maximum > 0 &&
        client->session->window > c->terms.receive_maximum)
        rig_die("%s is sent %u at once, where it takes %u", c->name, client->session->window, c->terms.receive_maximum);
}

void rig_check(struct rig *r)
{
    size_t clients = 0, subscriptions = 0;
    for (struct list *l = r->peers.next; l != &r->peers; l = l->next) {
        const struct peer *c = container_of(l, struct peer, link);
        if (c->client == NULL)
            continue;
        clients += !c->in_transit;
        check_peer(c);
    }
    for (unsigned i = 0; i < r->n; i++) {
        const struct shard *s = r->s[i].shard;
        size_t pos = 0;
        const struct session *n;
        while ((n = hmap_next(&s->by_id, &pos)) != NULL) {
            subscriptions += n->subs_n;
            check_session(s, n);
            if (r->s[i].store.rows_n <= CHECKED_ROWS)
                check_stored(&r->s[i].store, n);
        }
    }
    struct shard_stats all = rig_stats(r);
    if (all.clients != clients || all.subscriptions != subscriptions || index_count(r->broker->index) != subscriptions)
        rig_die("%d clients (counted %d), %d subscriptions (counted %d, in the index %d)", (int)clients,
                (int)all.clients, (int)subscriptions, (int)all.subscriptions, (int)index_count(r->broker->index));
}

struct shard_stats rig_stats(const struct rig *r)
{
    struct shard_stats all = {0};
    for (unsigned i = 0; i < r->n; i++) {
        struct shard_stats s;
        shard_stats(r->s[i].shard, &s);
        all.clients += s.clients;
        all.sessions += s.sessions;
        all.subscriptions += s.subscriptions;
        all.messages_received += s.messages_received;
        all.messages_sent += s.messages_sent;
        all.messages_dropped += s.messages_dropped;
        all.bytes_received += s.bytes_received;
        all.bytes_sent += s.bytes_sent;
    }
    return all;
}

unsigned rig_shard_of(const struct rig *r, const char *client_id)
{
    return (unsigned)(hash_bytes(&r->broker->key, bytes_str(client_id)) % r->n);
}

static struct session *session_of(const struct rig *r, const char *client_id)
{
    return session_find(r->s[rig_shard_of(r, client_id)].shard, bytes_str(client_id));
}

bool rig_has_session(const struct rig *r, const char *client_id)
{
    return session_of(r, client_id) != NULL;
}

void rig_set_next_id(struct rig *r, const char *client_id, uint16_t id)
{
    struct session *n = session_of(r, client_id);
    if (n == NULL)
        rig_die("%s has no session", client_id);
    n->next_id = id;
    n->ids_free = 0;
}

void rig_fix_key(struct broker *b)
{
    b->key = (struct hash_key){{0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0, 0x082efa98ec4e6c89}};
}
