/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The subscription index against a list of subscriptions and the plain matcher. Filters and topics are drawn from a
 * small alphabet, so that they meet often: empty levels, "$", wildcards at every place, deep ones.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "sotto/base/mem.h"
#include "sotto/codec/topic.h"
#include "sotto/core/index.h"

static const struct hash_key key = {{0x452821e638d01377, 0xbe5466cf34e90c6c, 0xc0ac29b7c97c50dd, 0x3f84d5b5b5470917}};

/* xorshift: the same numbers in every run. */
struct dice {
    uint64_t s;
};

static unsigned roll(struct dice *d, unsigned n)
{
    d->s ^= d->s << 13;
    d->s ^= d->s >> 7;
    d->s ^= d->s << 17;
    return (unsigned)((d->s >> 16) % n);
}

/* levels levels, each from words; a "#" ends it. */
static void draw(struct dice *d, unsigned levels, bool wild, char *out)
{
    static const char *const words[] = {"a", "b", "", "$x", "a", "bb", "+", "+", "#"};
    unsigned n = wild ? 9 : 6;
    *out = 0;
    for (unsigned i = 0; i < levels; i++) {
        const char *w = words[roll(d, n)];
        if (i > 0)
            strcat(out, "/");
        strcat(out, w);
        if (*w == '#')
            break;
    }
    if (*out == 0)
        strcpy(out, "a");
}

static unsigned depth(struct dice *d)
{
    return roll(d, 20) == 0 ? 20 + roll(d, 40) : 1 + roll(d, 4);
}

#define TEXT 400
#define MODEL 600

struct entry {
    char filter[TEXT];
    handle h;
    struct sub_options o;
    struct index_node *node; /* NULL: free */
};

struct model {
    struct entry *v;
    size_t n;
    uint32_t next_id;
};

static struct entry *model_find(struct model *m, const char *filter, handle h)
{
    for (size_t i = 0; i < MODEL; i++) {
        if (m->v[i].node != NULL && m->v[i].h == h && strcmp(m->v[i].filter, filter) == 0)
            return &m->v[i];
    }
    return NULL;
}

static struct entry *model_free_slot(struct model *m)
{
    for (size_t i = 0; i < MODEL; i++) {
        if (m->v[i].node == NULL)
            return &m->v[i];
    }
    return NULL;
}

static int by_handle_and_id(const void *a, const void *b)
{
    const struct match *x = a, *y = b;
    if (x->h != y->h)
        return x->h < y->h ? -1 : 1;
    return x->o.id < y->o.id ? -1 : x->o.id > y->o.id;
}

static void check_topic(struct index *x, const struct model *model, const char *topic)
{
    static struct match want[MODEL];
    struct matches got;
    size_t n = 0;
    for (size_t i = 0; i < MODEL; i++) {
        const struct entry *e = &model->v[i];
        if (e->node != NULL && topic_matches(bytes_str(e->filter), bytes_str(topic)))
            want[n++] = (struct match){e->h, e->o};
    }
    matches_init(&got);
    assert_true(index_match(x, bytes_str(topic), &got));
    assert_int_equal(got.n, n);
    for (uint32_t i = 1; i < got.n; i++)
        assert_true(got.v[i - 1].h <= got.v[i].h);
    if (n > 0) {
        qsort(want, n, sizeof(*want), by_handle_and_id);
        qsort(got.v, n, sizeof(*got.v), by_handle_and_id);
    }
    for (size_t i = 0; i < n; i++) {
        assert_true(want[i].h == got.v[i].h);
        assert_int_equal(want[i].o.id, got.v[i].o.id);
        assert_int_equal(want[i].o.qos, got.v[i].o.qos);
        assert_int_equal(want[i].o.no_local, got.v[i].o.no_local);
        assert_int_equal(want[i].o.retain_as_published, got.v[i].o.retain_as_published);
    }
    matches_fini(&got);
}

static void random_add(struct index *x, struct model *model, struct dice *d)
{
    char filter[TEXT];
    draw(d, depth(d), true, filter);
    assert_true(filter_valid(bytes_str(filter)));
    handle h = (uint64_t)roll(d, 3) << 48 | (uint64_t)roll(d, 5) << 24 | 1;
    struct entry *e = model_find(model, filter, h);
    bool known = e != NULL;
    if (!known)
        e = model_free_slot(model);
    if (e == NULL)
        return;
    struct sub_options o = {++model->next_id, (uint8_t)roll(d, 3), roll(d, 2), roll(d, 2), false};
    struct index_node *node = NULL;
    uint64_t before = index_generation(x);
    assert_int_equal(index_add(x, bytes_str(filter), h, o, &node), known ? INDEX_REPLACED : INDEX_NEW);
    assert_true(index_generation(x) > before);
    assert_true(bytes_equal(index_node_filter(node), bytes_str(filter)));
    if (known)
        assert_ptr_equal(node, e->node);
    else
        model->n++;
    strcpy(e->filter, filter);
    e->h = h;
    e->o = o;
    e->node = node;
}

static void remove_entry(struct index *x, struct model *model, struct entry *e)
{
    uint64_t before = index_generation(x);
    assert_ptr_equal(index_find(x, bytes_str(e->filter), e->h), e->node);
    assert_true(index_remove(x, e->node, e->h));
    assert_true(index_generation(x) > before);
    assert_null(index_find(x, bytes_str(e->filter), e->h));
    e->node = NULL;
    model->n--;
}

static void check_random_topics(struct index *x, const struct model *model, struct dice *d, unsigned n)
{
    char topic[TEXT];
    while (n-- > 0) {
        draw(d, depth(d), false, topic);
        check_topic(x, model, topic);
        /* And one that surely has something to do with a filter. */
        const struct entry *e = &model->v[roll(d, MODEL)];
        if (e->node == NULL)
            continue;
        strcpy(topic, e->filter);
        for (char *p = topic; *p != 0; p++)
            *p = *p == '+' || *p == '#' ? 'b' : *p;
        check_topic(x, model, topic);
    }
}

static void same_as_the_plain_matcher(void **state)
{
    (void)state;
    size_t memory = mem_in_use();
    struct index *x = index_new(&key);
    size_t empty = mem_in_use();
    struct model model = {calloc(MODEL, sizeof(struct entry)), 0, 0};
    struct dice d = {88172645463325252u};
    for (unsigned round = 0; round < 6; round++) {
        for (unsigned i = 0; i < 700; i++) {
            struct entry *e = &model.v[roll(&d, MODEL)];
            if (e->node != NULL && roll(&d, 3) == 0)
                remove_entry(x, &model, e);
            else
                random_add(x, &model, &d);
            assert_int_equal(index_count(x), model.n);
            if (i % 10 == 0)
                check_random_topics(x, &model, &d, 2);
        }
        check_random_topics(x, &model, &d, 200);
        for (size_t i = 0; i < MODEL; i++) {
            if (model.v[i].node != NULL)
                remove_entry(x, &model, &model.v[i]);
        }
        assert_int_equal(index_count(x), 0);
        check_random_topics(x, &model, &d, 20);
        /* All nodes are pruned: nothing is left but the two tables at their smallest. */
        assert_true(mem_in_use() <= empty + 2 * 32 * 16 + 64);
    }
    index_free(x);
    free(model.v);
    assert_int_equal(mem_in_use(), memory);
}

static void freed_with_subscriptions_in_it(void **state)
{
    (void)state;
    size_t memory = mem_in_use();
    struct index *x = index_new(&key);
    struct dice d = {77};
    char filter[TEXT];
    for (unsigned i = 0; i < 3000; i++) {
        struct index_node *node;
        draw(&d, depth(&d), true, filter);
        assert_int_not_equal(index_add(x, bytes_str(filter), i % 500 + 1, (struct sub_options){0}, &node),
                             INDEX_NO_MEMORY);
    }
    index_free(x);
    assert_int_equal(mem_in_use(), memory);
}

static void removing_what_is_not_there_changes_nothing(void **state)
{
    (void)state;
    struct index *x = index_new(&key);
    struct index_node *node, *other;
    assert_int_equal(index_add(x, bytes_str("a/+"), 5, (struct sub_options){0}, &node), INDEX_NEW);
    assert_int_equal(index_add(x, bytes_str("a/+"), 7, (struct sub_options){0}, &other), INDEX_NEW);
    assert_ptr_equal(node, other);
    uint64_t generation = index_generation(x);
    assert_false(index_remove(x, node, 6));
    assert_null(index_find(x, bytes_str("a/+"), 6));
    assert_null(index_find(x, bytes_str("a/+/b"), 5));
    assert_null(index_find(x, bytes_str("a"), 5));
    assert_true(index_generation(x) == generation);
    assert_int_equal(index_count(x), 2);
    assert_true(index_remove(x, node, 5));
    assert_ptr_equal(index_find(x, bytes_str("a/+"), 7), node);
    assert_true(index_remove(x, node, 7));
    index_free(x);
}

/* Every allocation of an add or a match fails once: nothing changes, nothing leaks. */
static void without_memory(void **state)
{
    (void)state;
    static const char *const filters[] = {
        "a/b/c", "a/+/c", "x/y/z/#", "#", "a/+", "+/+/+/+", "long/level/names/+/here"};
    struct index *x = index_new(&key);
    size_t start = mem_in_use();
    for (unsigned f = 0; f < 7; f++) {
        for (handle h = 1; h < 600; h++) {
            enum index_result r = INDEX_NO_MEMORY;
            struct index_node *node = NULL;
            for (unsigned k = 1; r == INDEX_NO_MEMORY; k++) {
                assert_true(k < 30);
                size_t count = index_count(x);
                uint64_t generation = index_generation(x);
                mem_fail_at(k);
                r = index_add(x, bytes_str(filters[f]), h * 7919 % 601, (struct sub_options){(uint32_t)h, 0, 0, 0, 0},
                              &node);
                mem_fail_at(0);
                assert_int_equal(index_count(x), count + (r == INDEX_NEW));
                assert_int_equal(index_generation(x) - generation, r == INDEX_NEW);
            }
        }
    }
    struct matches m;
    matches_init(&m);
    bool ok = false;
    unsigned failures = 0;
    for (unsigned k = 1; !ok; k++) {
        mem_fail_at(k);
        ok = index_match(x, bytes_str("a/b/c"), &m);
        mem_fail_at(0);
        if (!ok) {
            assert_int_equal(m.n, 0);
            failures++;
            matches_fini(&m);
        }
    }
    assert_true(failures >= 2);
    assert_int_equal(m.n, 3 * 599);
    matches_fini(&m);
    for (unsigned f = 0; f < 7; f++) {
        for (handle h = 600; h > 0; h--) {
            struct index_node *node = index_find(x, bytes_str(filters[f]), h);
            if (node != NULL)
                assert_true(index_remove(x, node, h));
        }
    }
    assert_int_equal(index_count(x), 0);
    assert_true(mem_in_use() <= start + 2 * 32 * 16 + 64);
    index_free(x);
}

/* A failed add at a fresh path leaves no node behind. */
static void without_memory_no_node_is_left(void **state)
{
    (void)state;
    for (unsigned k = 1; k < 12; k++) {
        struct index *x = index_new(&key);
        struct index_node *node, *first;
        /* Once there and gone again, so that the tables are large enough. */
        assert_int_equal(index_add(x, bytes_str("a/b/c/d/e/+/f"), 1, (struct sub_options){0}, &node), INDEX_NEW);
        assert_true(index_remove(x, node, 1));
        assert_int_equal(index_add(x, bytes_str("a/b/+"), 1, (struct sub_options){0}, &first), INDEX_NEW);
        size_t before = mem_in_use();
        mem_fail_at(k);
        enum index_result r = index_add(x, bytes_str("a/b/c/d/e/+/f"), 1, (struct sub_options){0}, &node);
        mem_fail_at(0);
        if (r == INDEX_NO_MEMORY)
            assert_int_equal(mem_in_use(), before);
        else
            assert_true(k >= 7); /* five nodes and the text */
        index_free(x);
    }
}

#define CROWD 100000u

/* Owners change from one to the next, so that half of all additions are not at the end. */
static handle crowd_handle(uint32_t i)
{
    return (uint64_t)(i % 3) << 48 | (uint64_t)(i + 1) << 24 | 1;
}

static void crowd_on(const char *filter, const char *topic)
{
    struct index *x = index_new(&key);
    struct index_node *node = NULL;
    struct matches m;
    matches_init(&m);
    for (uint32_t i = 0; i < CROWD; i++)
        assert_int_equal(index_add(x, bytes_str(filter), crowd_handle(i), (struct sub_options){i, 0, 0, 0, 0}, &node),
                         INDEX_NEW);
    assert_true(index_match(x, bytes_str(topic), &m));
    assert_int_equal(m.n, CROWD);
    for (uint32_t i = 1; i < m.n; i++)
        assert_true(m.v[i - 1].h < m.v[i].h);
    for (uint32_t i = 0; i < CROWD; i++) {
        uint32_t k = (uint32_t)((uint64_t)i * 7919 % CROWD);
        assert_ptr_equal(index_find(x, bytes_str(filter), crowd_handle(k)), node);
        assert_true(index_remove(x, node, crowd_handle(k)));
        if (i % 20000 == 0) {
            assert_true(index_match(x, bytes_str(topic), &m));
            assert_int_equal(m.n, CROWD - i - 1);
        }
    }
    assert_int_equal(index_count(x), 0);
    assert_true(index_match(x, bytes_str(topic), &m));
    assert_int_equal(m.n, 0);
    matches_fini(&m);
    index_free(x);
}

static void a_crowd_on_one_filter(void **state)
{
    (void)state;
    size_t memory = mem_in_use();
    crowd_on("news/today", "news/today");
    crowd_on("news/+", "news/x");
    assert_int_equal(mem_in_use(), memory);
}

/* As deep as a string can be: 65,535 bytes. */
static void deepest(void **state)
{
    (void)state;
    enum { N = 65535 };
    static uint8_t slashes[N], plusses[N], plus_hash[N];
    memset(slashes, '/', N);
    for (unsigned i = 0; i < N; i++)
        plusses[i] = i % 2 == 0 ? '+' : '/';
    memcpy(plus_hash, plusses, N);
    plus_hash[N - 1] = '#';
    size_t memory = mem_in_use();
    struct index *x = index_new(&key);
    struct index_node *a, *b, *c, *d;
    struct sub_options o = {0};
    assert_int_equal(index_add(x, bytes_of(plusses, N), 1, o, &a), INDEX_NEW);
    assert_int_equal(index_add(x, bytes_of(plus_hash, N), 2, o, &b), INDEX_NEW);
    uint8_t *mixed = malloc(N);
    memcpy(mixed, slashes, N);
    mixed[N - 1] = '#';
    assert_int_equal(index_add(x, bytes_of(mixed, N), 3, o, &c), INDEX_NEW);
    assert_int_equal(index_add(x, bytes_of(slashes, N), 4, o, &d), INDEX_NEW);
    struct matches m;
    matches_init(&m);
    assert_true(index_match(x, bytes_of(slashes, N), &m)); /* 65,536 levels */
    assert_int_equal(m.n, 3);
    assert_true(m.v[0].h == 2 && m.v[1].h == 3 && m.v[2].h == 4);
    assert_true(index_match(x, bytes_of(slashes, N / 2), &m)); /* 32,768 levels */
    assert_int_equal(m.n, 2);
    assert_true(m.v[0].h == 1 && m.v[1].h == 2);
    assert_true(index_remove(x, a, 1) && index_remove(x, b, 2) && index_remove(x, c, 3) && index_remove(x, d, 4));
    assert_int_equal(index_count(x), 0);
    matches_fini(&m);
    index_free(x);
    free(mixed);
    assert_int_equal(mem_in_use(), memory);
}

/* Every mixture of "+" and "a" on 12 levels: all 4,096 match, each once, on the way through 8,190 nodes. */
static void many_plusses(void **state)
{
    (void)state;
    enum { LEVELS = 12, FILTERS = 1 << LEVELS };
    struct index *x = index_new(&key);
    for (unsigned f = 0; f < FILTERS; f++) {
        char filter[2 * LEVELS + 1];
        for (unsigned i = 0; i < LEVELS; i++) {
            filter[2 * i] = (f >> i & 1) != 0 ? '+' : 'a';
            filter[2 * i + 1] = '/';
        }
        filter[2 * LEVELS - 1] = 0;
        struct index_node *node;
        assert_int_equal(index_add(x, bytes_str(filter), FILTERS - f, (struct sub_options){0}, &node), INDEX_NEW);
    }
    struct matches m;
    matches_init(&m);
    assert_true(index_match(x, bytes_str("a/a/a/a/a/a/a/a/a/a/a/a"), &m));
    assert_int_equal(m.n, FILTERS);
    for (unsigned i = 0; i < FILTERS; i++)
        assert_true(m.v[i].h == i + 1);
    assert_true(index_match(x, bytes_str("a/a/a/a/a/b/a/a/a/a/a/a"), &m));
    assert_int_equal(m.n, FILTERS / 2);
    assert_true(index_match(x, bytes_str("a/a/a/a/a/b/a/a/a/a/a/a/a"), &m));
    assert_int_equal(m.n, 0);
    matches_fini(&m);
    index_free(x);
}

struct shared {
    struct index *x;
    _Atomic bool done;
};

/* What stands in the index all the time must be in every answer, and answers are in order. */
static void *reader(void *arg)
{
    struct shared *s = arg;
    struct matches m;
    matches_init(&m);
    unsigned rounds = 0;
    while (!atomic_load(&s->done) || rounds < 100) {
        bool ok = index_match(s->x, bytes_str("a/b"), &m);
        bool one = false, two = false;
        for (uint32_t i = 0; ok && i < m.n; i++) {
            ok = i == 0 || m.v[i - 1].h <= m.v[i].h;
            one = one || m.v[i].h == 1;
            two = two || m.v[i].h == 1000;
        }
        if (!ok || !one || !two)
            abort();
        rounds++;
    }
    matches_fini(&m);
    return NULL;
}

static void readers_beside_a_writer(void **state)
{
    (void)state;
    struct shared s = {.x = index_new(&key)};
    struct index_node *n;
    struct sub_options o = {0};
    assert_int_equal(index_add(s.x, bytes_str("a/b"), 1, o, &n), INDEX_NEW);
    assert_int_equal(index_add(s.x, bytes_str("+/b"), 1000, o, &n), INDEX_NEW);
    pthread_t readers[2];
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, reader, &s), 0);
    static const char *const filters[] = {"a/b", "a/+", "#", "+/+", "a/#", "+/b", "a/b/c", "c/+/d"};
    for (unsigned round = 0; round < 20; round++) {
        struct index_node *nodes[8][20];
        for (unsigned f = 0; f < 8; f++) {
            for (unsigned h = 0; h < 20; h++)
                assert_int_equal(index_add(s.x, bytes_str(filters[f]), h * 3 + 2, o, &nodes[f][h]), INDEX_NEW);
        }
        for (unsigned f = 0; f < 8; f++) {
            for (unsigned h = 0; h < 20; h++)
                assert_true(index_remove(s.x, nodes[f][h], h * 3 + 2));
        }
    }
    atomic_store(&s.done, true);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(readers[i], NULL);
    assert_int_equal(index_count(s.x), 2);
    index_free(s.x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_as_the_plain_matcher),
        cmocka_unit_test(freed_with_subscriptions_in_it),
        cmocka_unit_test(removing_what_is_not_there_changes_nothing),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(without_memory_no_node_is_left),
        cmocka_unit_test(a_crowd_on_one_filter),
        cmocka_unit_test(deepest),
        cmocka_unit_test(many_plusses),
        cmocka_unit_test(readers_beside_a_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
