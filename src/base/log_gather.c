/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sotto/base/log_gather.h"

#include "sotto/base/cursor.h"
#include "sotto/base/mem.h"

#define ID_PARTS 4

struct window {
    struct list node;
    uint64_t hash;
    msec until;
    uint32_t repeated;
    struct log_record *last; /* a copy of the last repetition; NULL without one */
    struct bytes id;         /* event, address, listener, reason, with zero bytes between: behind the struct */
    uint8_t data[];
};

void log_gather_init(struct log_gather *g, msec window)
{
    hmap_init(&g->map);
    list_init(&g->order);
    hash_key_draw(&g->key);
    g->window = window;
}

static void forget(struct log_gather *g, struct window *w)
{
    hmap_remove(&g->map, w->hash, w);
    list_remove(&w->node);
    mem_free(w->last);
    mem_free(w);
}

void log_gather_fini(struct log_gather *g)
{
    while (!list_empty(&g->order))
        forget(g, container_of(g->order.next, struct window, node));
    hmap_fini(&g->map);
}

static bool same_id(const void *entry, struct bytes id)
{
    return bytes_equal(((const struct window *)entry)->id, id);
}

static void open_window(struct log_gather *g, uint64_t hash, struct bytes id, msec now)
{
    if (g->map.count >= LOG_GATHER_MAX)
        return;
    struct window *w = mem_try_alloc(sizeof(*w) + id.n);
    if (w == NULL)
        return;
    memcpy(w->data, id.p, id.n);
    w->id = bytes_of(w->data, id.n);
    w->hash = hash;
    w->until = now + g->window;
    if (!hmap_add(&g->map, hash, w)) {
        mem_free(w);
        return;
    }
    list_push_back(&g->order, &w->node);
}

static bool count(struct window *w, const struct log_record *r)
{
    struct log_record *copy = mem_try_realloc(w->last, r->size);
    if (copy == NULL)
        return false;
    memcpy(copy, r, r->size);
    w->last = copy;
    w->repeated++;
    return true;
}

/* Events are equal when their names, addresses, listeners and reasons are: another listener has another remedy. */
static struct bytes id_of(const struct log_record *r, struct bytes address, uint8_t *room, size_t cap)
{
    struct wr w = wr_of(room, cap);
    struct bytes parts[ID_PARTS] = {log_record_event(r), address, log_record_text(r, "listener"),
                                    log_record_text(r, "reason")};
    for (size_t i = 0; i < ID_PARTS; i++) {
        wr_bytes(&w, parts[i].p, parts[i].n);
        wr_u8(&w, 0);
    }
    return bytes_of(room, (size_t)(w.p - room));
}

bool log_gather_admit(struct log_gather *g, const struct log_record *r, msec now)
{
    uint8_t id[ID_PARTS * (LOG_VALUE_MAX + 1)];
    struct bytes address;
    if (!log_record_peer(r, &address))
        return true;
    struct bytes key = id_of(r, address, id, sizeof(id));
    uint64_t hash = hash_bytes(&g->key, key);
    struct window *w = hmap_get(&g->map, hash, key, same_id);
    if (w != NULL)
        return !count(w, r);
    open_window(g, hash, key, now);
    return true;
}

void log_gather_expire(struct log_gather *g, msec now, log_gather_emit emit, void *ctx)
{
    while (!list_empty(&g->order)) {
        struct window *w = container_of(g->order.next, struct window, node);
        if (w->until > now)
            return;
        if (w->repeated > 0)
            emit(w->last, w->repeated, ctx);
        forget(g, w);
    }
}

msec log_gather_next(const struct log_gather *g)
{
    return list_empty(&g->order) ? MSEC_NEVER : container_of(g->order.next, struct window, node)->until;
}
