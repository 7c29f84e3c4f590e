/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A little language, one line a command, the rest of the line a filter or a topic:
 *
 *   fF  subscribe to filter F      dF  unsubscribe       tT  publish to topic T: index and cache against the plain
 * matcher pT  keep a message at topic T  xT  delete it         wF  walk over what is kept, in slices
 *
 * What isn't a valid filter or topic is passed over. Where a topic is published, the relations between filters
 * (contains, intersects) must agree with what both match.
 */
#include <stdlib.h>

#include "sotto/base/mem.h"
#include "sotto/codec/topic.h"
#include "sotto/core/index.h"
#include "sotto/core/retained.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX 48

struct world {
    struct index *index;
    struct match_cache *cache;
    struct retained *retained;
    struct bytes filters[MAX], topics[MAX];
    struct index_node *nodes[MAX]; /* by filter; its place + 1 is the subscriber */
    bool kept[MAX], given[MAX];
    struct bytes walk;
};

static void must(bool ok)
{
    if (!ok)
        abort();
}

/* The place of b in the table; MAX where it is not. */
static unsigned place_of(const struct bytes *table, const bool *taken, struct bytes b)
{
    for (unsigned i = 0; i < MAX; i++) {
        if (taken[i] && bytes_equal(table[i], b))
            return i;
    }
    return MAX;
}

static unsigned free_place(const bool *taken)
{
    unsigned i = 0;
    while (i < MAX && taken[i])
        i++;
    return i;
}

static unsigned filter_place(const struct world *w, struct bytes filter)
{
    bool taken[MAX];
    for (unsigned i = 0; i < MAX; i++)
        taken[i] = w->nodes[i] != NULL;
    unsigned i = place_of(w->filters, taken, filter);
    return i < MAX ? i : free_place(taken);
}

static void subscribe(struct world *w, struct bytes filter)
{
    unsigned i = filter_place(w, filter);
    if (i == MAX)
        return;
    bool known = w->nodes[i] != NULL;
    struct index_node *node = NULL;
    enum index_result r = index_add(w->index, filter, i + 1, (struct sub_options){.id = i}, &node);
    must(r == (known ? INDEX_REPLACED : INDEX_NEW));
    must(!known || node == w->nodes[i]);
    must(bytes_equal(index_node_filter(node), filter));
    w->filters[i] = filter;
    w->nodes[i] = node;
}

static void unsubscribe(struct world *w, struct bytes filter)
{
    unsigned i = filter_place(w, filter);
    if (i == MAX || w->nodes[i] == NULL)
        return;
    must(index_find(w->index, filter, i + 1) == w->nodes[i]);
    must(index_remove(w->index, w->nodes[i], i + 1));
    w->nodes[i] = NULL;
}

static void check_matches(const struct world *w, const struct matches *m, struct bytes topic)
{
    unsigned k = 0;
    for (unsigned i = 0; i < MAX; i++) {
        if (w->nodes[i] == NULL || !topic_matches(w->filters[i], topic))
            continue;
        must(k < m->n && m->v[k].h == i + 1 && m->v[k].o.id == i);
        k++;
    }
    must(k == m->n);
}

static void check_relations(const struct world *w, struct bytes topic)
{
    for (unsigned i = 0; i < MAX; i++) {
        for (unsigned k = 0; k < MAX; k++) {
            if (w->nodes[i] == NULL || w->nodes[k] == NULL || !topic_matches(w->filters[k], topic))
                continue;
            bool both = topic_matches(w->filters[i], topic);
            must(both || !filter_contains(w->filters[i], w->filters[k]));
            must(!both || filter_intersects(w->filters[i], w->filters[k]));
        }
    }
}

static void publish(struct world *w, struct bytes topic)
{
    struct matches m;
    matches_init(&m);
    must(index_match(w->index, topic, &m));
    check_matches(w, &m, topic);
    matches_fini(&m);
    for (unsigned i = 0; i < 3; i++)
        check_matches(w, match_cache_get(w->cache, topic), topic);
    check_relations(w, topic);
}

static void keep(struct world *w, struct bytes topic)
{
    unsigned i = place_of(w->topics, w->kept, topic);
    if (i == MAX)
        i = free_place(w->kept);
    if (i == MAX)
        return;
    retained_write_lock(w->retained);
    must(retained_put(w->retained, &(struct retained_message){.topic = topic, .expires = MSEC_NEVER}) ==
         RETAINED_STORED);
    retained_unlock(w->retained);
    w->topics[i] = topic;
    w->kept[i] = true;
}

static void delete_kept(struct world *w, struct bytes topic)
{
    unsigned i = place_of(w->topics, w->kept, topic);
    retained_write_lock(w->retained);
    must(retained_delete(w->retained, topic) == (i < MAX));
    retained_unlock(w->retained);
    if (i < MAX)
        w->kept[i] = false;
}

static enum retained_visit visit(void *ctx, const struct retained_message *m)
{
    struct world *w = ctx;
    unsigned i = place_of(w->topics, w->kept, m->topic);
    must(i < MAX && !w->given[i] && topic_matches(w->walk, m->topic));
    w->given[i] = true;
    return RETAINED_TAKEN;
}

static void walk(struct world *w, struct bytes filter)
{
    memset(w->given, 0, sizeof(w->given));
    w->walk = filter;
    retained_read_lock(w->retained);
    struct retained_cursor *c = retained_cursor_new(w->retained, filter, retained_number(w->retained));
    retained_unlock(w->retained);
    must(c != NULL);
    while (retained_pull(c, 3, 0, visit, w))
        ;
    retained_cursor_free(c);
    for (unsigned i = 0; i < MAX; i++)
        must(!w->kept[i] || w->given[i] == topic_matches(filter, w->topics[i]));
}

static void command(struct world *w, uint8_t what, struct bytes text)
{
    struct share share;
    bool filter = utf8_valid(text) && filter_valid(text) && share_parse(text, &share) == 0;
    bool topic = utf8_valid(text) && topic_name_valid(text);
    if (what == 'f' && filter)
        subscribe(w, text);
    else if (what == 'd' && filter)
        unsubscribe(w, text);
    else if (what == 'w' && filter)
        walk(w, text);
    else if (what == 't' && topic)
        publish(w, text);
    else if (what == 'p' && topic)
        keep(w, text);
    else if (what == 'x' && topic)
        delete_kept(w, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct hash_key key = {
        {0xba7c9045f12c7f99, 0x24a19947b3916cf7, 0x0801f2e2858efc16, 0x636920d871574e69}};
    size_t memory = mem_in_use();
    struct world w = {.index = index_new(&key), .retained = retained_new(&key, MAX, UINT64_MAX)};
    w.cache = match_cache_new(w.index, &key);
    struct bytes rest = bytes_of(data, size);
    while (rest.n > 0) {
        const uint8_t *end = memchr(rest.p, '\n', rest.n);
        size_t n = end != NULL ? (size_t)(end - rest.p) : rest.n;
        if (n > 0)
            command(&w, rest.p[0], bytes_of(rest.p + 1, n - 1));
        size_t used = end != NULL ? n + 1 : n;
        rest = bytes_of(rest.p + used, rest.n - used);
    }
    match_cache_free(w.cache);
    retained_free(w.retained);
    index_free(w.index);
    must(mem_in_use() == memory);
    return 0;
}
