/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A walk in depth-first order over the part of the tree that a filter can reach. Where
 * it goes next follows from the node it stands on and from the filter alone, so there is
 * no stack, and a walk can stop anywhere: it pins the node it would visit next.
 *
 * Inside a slice the read lock keeps everything in place. Between slices the pin does (see retained_private.h).
 * When the pinned node died meanwhile, the walk is the one who takes it out, under the write lock, after its slice.
 */
#include "retained_private.h"

#include "sotto/base/mem.h"
#include "sotto/codec/topic.h"

struct retained_cursor {
    struct retained *r;
    uint64_t upto;
    struct retained_node *at; /* pinned; the next to visit. NULL: not started, or done */
    uint32_t depth;           /* levels down to the end of the label of at; the root's is 0 */
    bool entered;    /* does the filter agree with all levels down to there? Stays true if the label is split */
    bool done, hash; /* hash: the filter ends in "#", which is not counted in levels */
    uint32_t levels;
    uint32_t *starts; /* of each level in the filter, and one behind the last, as if a slash followed */
    uint8_t filter[];
};

static struct bytes level_of(const struct retained_cursor *c, uint32_t i)
{
    return bytes_of(c->filter + c->starts[i], c->starts[i + 1] - c->starts[i] - 1);
}

static bool is_char(struct bytes level, char ch)
{
    return level.n == 1 && level.p[0] == ch;
}

struct retained_cursor *retained_cursor_new(struct retained *r, struct bytes filter, uint64_t upto)
{
    uint32_t levels = topic_levels(filter), n = 0;
    struct retained_cursor *c = mem_try_alloc(sizeof(*c) + filter.n);
    uint32_t *starts = c != NULL ? mem_try_alloc((levels + 1) * sizeof(*starts)) : NULL;
    if (starts == NULL) {
        mem_free(c);
        return NULL;
    }
    memcpy(c->filter, filter.p, filter.n);
    for (uint32_t i = 0; i < filter.n; i++) {
        if (filter.p[i] == '/')
            starts[++n] = i + 1;
    }
    starts[levels] = (uint32_t)filter.n + 1;
    c->r = r;
    c->upto = upto;
    c->entered = true;
    c->starts = starts;
    c->hash = is_char(level_of(c, levels - 1), '#');
    c->levels = c->hash ? levels - 1 : levels;
    return c;
}

/* Are nodes whose label begins with this level of a topic (counted from 1) chosen by a wildcard, not by name? */
static bool by_wildcard(const struct retained_cursor *c, uint32_t depth)
{
    return depth > c->levels || is_char(level_of(c, depth - 1), '+');
}

/* Goes on to n, below a node of this depth: counts its levels and looks whether the filter agrees with them. */
static void enter(struct retained_cursor *c, const struct retained_node *n, uint32_t depth)
{
    struct bytes rest = retained_label(n), level;
    bool more = true;
    /* A wildcard at the first level doesn't match a "$" topic [MQTT-4.7.2-1]. */
    bool hidden = depth == 0 && rest.n > 0 && rest.p[0] == '$' && by_wildcard(c, 1);
    c->entered = !hidden;
    while (level_next(&rest, &more, &level)) {
        depth++;
        if (depth > c->levels)
            c->entered = c->entered && c->hash;
        else if (!by_wildcard(c, depth) && !bytes_equal(level, level_of(c, depth - 1)))
            c->entered = false;
    }
    c->depth = depth;
}

static uint32_t levels_of(const struct retained_node *n)
{
    return topic_levels(retained_label(n));
}

static struct retained_node *first_below(const struct retained_cursor *c, const struct retained_node *n)
{
    if (!c->entered || (c->depth == c->levels && !c->hash))
        return NULL;
    if (by_wildcard(c, c->depth + 1))
        return n->children;
    return retained_child(c->r, n, level_of(c, c->depth));
}

/* The next node in the order of the walk, or NULL at its end. */
static struct retained_node *advance(struct retained_cursor *c, struct retained_node *n)
{
    struct retained_node *below = first_below(c, n);
    if (below != NULL) {
        enter(c, below, c->depth);
        return below;
    }
    for (; n->parent != NULL; n = n->parent) {
        c->depth -= levels_of(n);
        if (n->next != NULL && by_wildcard(c, c->depth + 1)) {
            enter(c, n->next, c->depth);
            return n->next;
        }
    }
    return NULL;
}

/* The message at n if it belongs to this walk. */
static const struct retained_entry *wanted(const struct retained_cursor *c, const struct retained_node *n, msec now)
{
    const struct retained_entry *e = n->entry;
    if (e == NULL || !c->entered || c->depth < c->levels)
        return NULL;
    return e->number <= c->upto && e->expiry.due > now ? e : NULL;
}

static void pin(struct retained_node *n)
{
    atomic_fetch_add_explicit(&n->pins, 1, memory_order_relaxed);
}

static void unpin(struct retained_node *n)
{
    atomic_fetch_sub_explicit(&n->pins, 1, memory_order_relaxed);
}

static void unpin_and_prune(struct retained *r, struct retained_node *n)
{
    retained_write_lock(r);
    unpin(n);
    retained_prune(r, n);
    retained_unlock(r);
}

void retained_cursor_free(struct retained_cursor *c)
{
    if (c == NULL)
        return;
    if (c->at != NULL)
        unpin_and_prune(c->r, c->at);
    mem_free(c->starts);
    mem_free(c);
}

bool retained_pull(struct retained_cursor *c, unsigned max_nodes, msec now,
                   enum retained_visit (*visit)(void *ctx, const struct retained_message *m), void *ctx)
{
    if (c->done)
        return false;
    retained_read_lock(c->r);
    struct retained_node *from = c->at, *n = from != NULL ? from : c->r->root;
    for (unsigned i = 0; n != NULL && i < max_nodes; i++) {
        const struct retained_entry *e = wanted(c, n, now);
        if (e != NULL) {
            struct retained_message m = {
                bytes_of(e->topic, e->topic_n), e->payload, e->props, e->expiry.due, e->qos, e->number};
            if (visit(ctx, &m) == RETAINED_STOP)
                break;
        }
        n = advance(c, n);
    }
    c->at = n;
    c->done = n == NULL;
    if (n != NULL)
        pin(n);
    bool dead = from != NULL && retained_node_dead(from);
    if (from != NULL && !dead)
        unpin(from);
    retained_unlock(c->r);
    if (dead)
        unpin_and_prune(c->r, from); /* still pinned by us, so still there */
    return !c->done;
}
