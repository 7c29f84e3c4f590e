/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Routing without sockets: who gets a message, with many subscriptions.
 *
 *   bench_route SET FILTERS REPEAT [index|cache]
 *
 * SET is one of
 *   mix     70 % exact filters, 25 % with one "+", 5 % with "#"; topics of all of them
 *   depth   every filter has four levels, a third each exact, with "+" second and with "+" last; every topic matches
 * one exact   exact filters of 29 bytes; every topic matches one REPEAT times 1,000 topics, spread over all filters,
 * are looked up. Prints what was found, the time, and the memory of the index. Times are for orientation; the figures
 * that are kept are instructions, counted by route-callgrind beside this file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sotto/base/mem.h"
#include "sotto/core/index.h"

#define TOPICS 1000
#define TEXT 64

struct set {
    const char *name;
    void (*filter)(unsigned i, char *out);
    void (*topic)(unsigned i, char *out);
};

static void exact_text(unsigned i, char *out)
{
    snprintf(out, TEXT, "building/%03u/sensor%07u/temp", i % 1000, i);
    out[29] = 0;
}

static void mix_filter(unsigned i, char *out)
{
    unsigned kind = i * 7 % 20;
    if (kind < 14)
        snprintf(out, TEXT, "site/%03u/sensor%07u/temp", i % 1000, i);
    else if (kind < 19)
        snprintf(out, TEXT, "site/+/sensor%07u/temp", i);
    else
        snprintf(out, TEXT, "site/%03u/sensor%07u/#", i % 1000, i);
}

static void depth_filter(unsigned i, char *out)
{
    static const char *const forms[] = {"site/%03u/sensor%07u/temp", "site/%03u/sensor%07u/+"};
    if (i % 3 == 2)
        snprintf(out, TEXT, "site/+/sensor%07u/temp", i);
    else
        snprintf(out, TEXT, forms[i % 3], i % 1000, i);
}

static void sensor_topic(unsigned i, char *out)
{
    snprintf(out, TEXT, "site/%03u/sensor%07u/temp", i % 1000, i);
}

static const struct set sets[] = {
    {"mix", mix_filter, sensor_topic},
    {"depth", depth_filter, sensor_topic},
    {"exact", exact_text, exact_text},
};

static uint64_t nanoseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void fill(struct index *x, const struct set *set, unsigned filters)
{
    char text[TEXT];
    for (unsigned i = 0; i < filters; i++) {
        struct index_node *node;
        set->filter(i, text);
        handle h = (uint64_t)(i % 2) << 48 | (uint64_t)(i % 10000 + 1) << 24 | 1;
        if (index_add(x, bytes_str(text), h, (struct sub_options){.qos = 1}, &node) != INDEX_NEW) {
            fprintf(stderr, "bench_route: filter %u (%s): not added; free some memory or ask for fewer filters\n", i,
                    text);
            exit(1);
        }
    }
}

/* REPEAT rounds over the topics; returns how many matches there were in all. */
static uint64_t route(struct index *x, struct match_cache *cache, char (*topics)[TEXT], unsigned repeat)
{
    struct matches m;
    uint64_t found = 0;
    matches_init(&m);
    for (unsigned r = 0; r < repeat; r++) {
        for (unsigned i = 0; i < TOPICS; i++) {
            struct bytes topic = bytes_str(topics[i]);
            const struct matches *got = &m;
            if (cache != NULL)
                got = match_cache_get(cache, topic);
            else if (!index_match(x, topic, &m))
                got = NULL;
            found += got != NULL ? got->n : 0;
        }
    }
    matches_fini(&m);
    return found;
}

static const struct set *set_named(const char *name)
{
    for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++) {
        if (strcmp(sets[i].name, name) == 0)
            return &sets[i];
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static const struct hash_key key = {
        {0x24a19947b3916cf7, 0x0801f2e2858efc16, 0x636920d871574e69, 0xba7c9045f12c7f99}};
    static char topics[TOPICS][TEXT];
    const struct set *set = argc >= 4 ? set_named(argv[1]) : NULL;
    unsigned filters = argc >= 4 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    unsigned repeat = argc >= 4 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
    bool cached = argc == 5 && strcmp(argv[4], "cache") == 0;
    if (set == NULL || filters < TOPICS) {
        fprintf(stderr, "usage: bench_route mix|depth|exact FILTERS REPEAT [index|cache]   (at least %d filters)\n",
                TOPICS);
        return 2;
    }
    struct index *x = index_new(&key);
    struct match_cache *cache = cached ? match_cache_new(x, &key) : NULL;
    size_t before = mem_in_use();
    uint64_t start = nanoseconds();
    fill(x, set, filters);
    uint64_t filled = nanoseconds();
    size_t memory = mem_in_use() - before;
    for (unsigned i = 0; i < TOPICS; i++)
        set->topic((unsigned)((uint64_t)i * filters / TOPICS), topics[i]);
    /* Twice before the clock starts, so that a cache holds what it will. */
    route(x, cache, topics, 2);
    uint64_t ready = nanoseconds();
    uint64_t found = route(x, cache, topics, repeat);
    uint64_t end = nanoseconds();
    printf("set=%s filters=%u lookups=%u matches=%llu bytes_per_filter=%zu insert_ns=%llu lookup_ns=%llu\n", set->name,
           filters, repeat * TOPICS, (unsigned long long)found, memory / filters,
           (unsigned long long)((filled - start) / filters),
           (unsigned long long)(repeat > 0 ? (end - ready) / ((uint64_t)repeat * TOPICS) : 0));
    match_cache_free(cache);
    index_free(x);
    return 0;
}
