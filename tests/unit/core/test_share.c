/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Shared subscriptions in the index: which groups a topic matches, and that lists of members live as long as somebody
 * holds them, whatever becomes of group and index.
 */
#include <pthread.h>

#include "unit_share.h"

#include "sotto/codec/topic.h"

static unsigned roll(uint64_t *s, unsigned n)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return (unsigned)((*s >> 16) % n);
}

/* -------------------------------------------------------------- the index */

static void add_replace_remove(void **state)
{
    (void)state;
    size_t memory = mem_in_use();
    struct index *x = index_new(&key);
    struct share_hint *t = hint(READY);
    struct matches m;
    matches_init(&m);
    uint64_t generation = index_generation(x);
    struct share_group *g = join(x, "g", "a/+", 7, t), *again;
    assert_true(index_generation(x) > generation);
    assert_int_equal(index_count(x), 1);
    assert_true(bytes_equal(share_name(g), bytes_str("g")));
    assert_true(bytes_equal(share_filter(g), bytes_str("a/+")));
    assert_ptr_equal(index_find_shared(x, bytes_str("g"), bytes_str("a/+"), 7), g);
    assert_null(index_find_shared(x, bytes_str("g"), bytes_str("a/+"), 8));
    assert_null(index_find_shared(x, bytes_str("h"), bytes_str("a/+"), 7));
    assert_null(index_find_shared(x, bytes_str("g"), bytes_str("a/b"), 7));
    assert_null(index_find(x, bytes_str("a/+"), 7));

    generation = index_generation(x);
    struct sub_options o = {99, 2, false, false, false};
    assert_int_equal(index_add_shared(x, bytes_str("g"), bytes_str("a/+"), 7, o, t, &again), INDEX_REPLACED);
    assert_ptr_equal(again, g);
    assert_true(index_generation(x) > generation);
    assert_int_equal(index_count(x), 1);
    struct share_turn turn;
    assert_true(share_pick(only_group(x, "a/b", &m), 1, &turn));
    assert_int_equal(m.n, 0);
    assert_true(turn.to.h == 7);
    assert_int_equal(turn.to.o.id, 99);
    assert_int_equal(turn.to.o.qos, 2);
    assert_false(turn.to.o.no_local);
    assert_false(turn.to.o.retain_as_published);
    assert_int_not_equal(turn.group, 0);

    generation = index_generation(x);
    assert_false(index_remove_shared(x, g, 8));
    assert_true(index_generation(x) == generation);
    assert_true(index_remove_shared(x, g, 7));
    assert_true(index_generation(x) > generation);
    assert_int_equal(index_count(x), 0);
    assert_null(index_find_shared(x, bytes_str("g"), bytes_str("a/+"), 7));
    assert_null(index_share(x, turn.group));
    assert_true(index_match(x, bytes_str("a/b"), &m));
    assert_int_equal(m.shared_n, 0);
    matches_fini(&m);
    share_hint_unref(t);
    index_free(x);
    assert_int_equal(mem_in_use(), memory);
}

/* Groups and ordinary subscriptions of one session on one filter know nothing of each other. */
static void everywhere(struct index *x, const char *const at[3], struct share_hint *t)
{
    struct index_node *node;
    struct matches m;
    struct share_group *g[3][2];
    matches_init(&m);
    for (unsigned f = 0; f < 3; f++) {
        g[f][0] = join(x, "g", at[f], 5, t);
        g[f][1] = join(x, "", at[f], 5, t); /* which names there may be is not the index's business */
        assert_ptr_not_equal(g[f][0], g[f][1]);
        assert_int_equal(index_add(x, bytes_str(at[f]), 5, options(5), &node), INDEX_NEW);
    }
    assert_int_equal(index_count(x), 9);
    assert_true(index_match(x, bytes_str("a/b"), &m));
    assert_int_equal(m.n, 3);
    assert_int_equal(m.shared_n, 6);
    /* A group's name says nothing across filters: each gives the message to one of its own. */
    for (unsigned i = 0; i < 6; i++)
        for (unsigned k = 0; k < i; k++)
            assert_ptr_not_equal(m.shared[i], m.shared[k]);
    assert_true(index_match(x, bytes_str("$x/b"), &m));
    assert_int_equal(m.n + m.shared_n, 0);
    for (unsigned f = 0; f < 3; f++) {
        /* Either may be the last one on its filter. */
        node = index_find(x, bytes_str(at[f]), 5);
        if (f % 2 == 0)
            assert_true(index_remove(x, node, 5));
        assert_true(index_remove_shared(x, g[f][0], 5));
        assert_true(index_remove_shared(x, g[f][1], 5));
        if (f % 2 != 0)
            assert_true(index_remove(x, node, 5));
        assert_null(index_find(x, bytes_str(at[f]), 5));
    }
    assert_int_equal(index_count(x), 0);
    assert_true(index_match(x, bytes_str("a/b"), &m));
    assert_int_equal(m.n + m.shared_n, 0);
    matches_fini(&m);
}

static void one_session_everywhere(void **state)
{
    (void)state;
    size_t memory = mem_in_use();
    struct index *x = index_new(&key);
    struct share_hint *t = hint(READY);
    everywhere(x, (const char *const[]){"a/b", "a/+", "#"}, t);
    size_t tables = mem_in_use();
    everywhere(x, (const char *const[]){"a/b/#", "+/b", "a/#"}, t);
    everywhere(x, (const char *const[]){"+/b/#", "a/b", "+/#"}, t);
    assert_int_equal(mem_in_use(), tables); /* no node is left */
    share_hint_unref(t);
    index_free(x);
    assert_int_equal(mem_in_use(), memory);
}

enum { FILTERS = 12, NAMES = 3, HANDLES = 6 };
static const char *const filters[FILTERS] = {"a",   "a/b", "+",      "#", "a/+",   "a/#",
                                             "+/b", "+/+", "$sys/#", "/", "a/b/c", "a/+/c"};
static const char *const topics[] = {"a", "a/b", "b", "a/b/c", "$sys/b", "/", "c/b", "a/", "a/b/c/d"};

struct model {
    struct share_group *group[FILTERS][NAMES][HANDLES]; /* NULL: not in it */
    unsigned count;
};

static handle model_handle(unsigned i)
{
    return (uint64_t)(i % 2) << 48 | (uint64_t)(i + 1) << 24 | 1;
}

static unsigned members_of(const struct model *model, unsigned f, unsigned name)
{
    unsigned n = 0;
    for (unsigned h = 0; h < HANDLES; h++)
        n += model->group[f][name][h] != NULL;
    return n;
}

/* The groups that a topic matches, as sizes; and all of each group are chosen in turn. */
static void check_topic(struct index *x, const struct model *model, const char *topic, struct matches *m)
{
    unsigned want[HANDLES + 1] = {0}, got[HANDLES + 1] = {0};
    for (unsigned f = 0; f < FILTERS; f++)
        for (unsigned name = 0; name < NAMES && topic_matches(bytes_str(filters[f]), bytes_str(topic)); name++)
            want[members_of(model, f, name)]++;
    assert_true(index_match(x, bytes_str(topic), m));
    for (uint32_t i = 0; i < m->shared_n; i++) {
        uint32_t n = share_members_count(m->shared[i]);
        assert_in_range(n, 1, HANDLES);
        got[n]++;
        unsigned seen = 0;
        for (uint32_t k = 0; k < n; k++) {
            struct share_turn turn;
            assert_true(share_pick(m->shared[i], 0, &turn));
            seen |= 1u << (turn.to.h >> 24 & 15);
        }
        assert_int_equal(__builtin_popcount(seen), n);
    }
    for (unsigned n = 1; n <= HANDLES; n++)
        assert_int_equal(got[n], want[n]);
}

static void as_a_plain_list_says(void **state)
{
    (void)state;
    size_t memory = mem_in_use();
    static const char *const names[NAMES] = {"g", "group", "g/"};
    struct index *x = index_new(&key);
    struct share_hint *t = hint(READY);
    struct model model = {0};
    struct matches m;
    matches_init(&m);
    uint64_t s = 4711;
    for (unsigned i = 0; i < 20000; i++) {
        unsigned f = roll(&s, FILTERS), name = roll(&s, NAMES), h = roll(&s, HANDLES);
        struct share_group **g = &model.group[f][name][h];
        assert_ptr_equal(index_find_shared(x, bytes_str(names[name]), bytes_str(filters[f]), model_handle(h)), *g);
        if (*g == NULL) {
            *g = join(x, names[name], filters[f], model_handle(h), t);
            model.count++;
        } else {
            assert_true(index_remove_shared(x, *g, model_handle(h)));
            *g = NULL;
            model.count--;
        }
        assert_int_equal(index_count(x), model.count);
        check_topic(x, &model, topics[roll(&s, sizeof(topics) / sizeof(*topics))], &m);
    }
    index_free(x); /* with all that is in it */
    matches_fini(&m);
    share_hint_unref(t);
    assert_int_equal(mem_in_use(), memory);
}

static void crowds(void **state)
{
    (void)state;
    enum { N = 5000 };
    static struct share_group *g[N];
    size_t memory = mem_in_use();
    struct index *x = index_new(&key);
    struct share_hint *t = hint(READY);
    struct matches m;
    char name[16];
    matches_init(&m);
    /* One group of thousands, while a reader always holds the last list. */
    for (unsigned i = 0; i < N; i++) {
        g[0] = join(x, "all", "news/+", (uint64_t)(i % 3) << 48 | (uint64_t)(i + 1) << 24 | 1, t);
        if (i % 16 == 0)
            assert_int_equal(share_members_count(only_group(x, "news/x", &m)), i + 1);
    }
    for (unsigned i = 0; i < N; i++) {
        unsigned k = i * 1237 % N;
        assert_true(index_remove_shared(x, g[0], (uint64_t)(k % 3) << 48 | (uint64_t)(k + 1) << 24 | 1));
        if (i % 16 == 0)
            assert_int_equal(share_members_count(only_group(x, "news/x", &m)), N - i - 1);
    }
    /* Thousands of groups on one filter. */
    for (unsigned i = 0; i < N; i++) {
        snprintf(name, sizeof(name), "%u", i);
        g[i] = join(x, name, "news/+", 1, t);
    }
    assert_true(index_match(x, bytes_str("news/x"), &m));
    assert_int_equal(m.shared_n, N);
    for (unsigned i = 0; i < N; i++)
        assert_true(index_remove_shared(x, g[i * 1237 % N], 1));
    assert_int_equal(index_count(x), 0);
    matches_fini(&m);
    share_hint_unref(t);
    index_free(x);
    assert_int_equal(mem_in_use(), memory);
}

/* -------------------------------------------------------------- memory */

/* A list stays what it was, and whole, while group and index change and go. */
static void lists_outlive_the_index(void **state)
{
    (void)state;
    size_t memory = mem_in_use();
    struct index *x = index_new(&key);
    struct matches m;
    struct share_group *g = NULL;
    matches_init(&m);
    for (handle h = 1; h <= 3; h++) {
        struct share_hint *t = hint(READY);
        g = join(x, "g", "t/#", h, t);
        share_hint_unref(t); /* the session is gone, its hint is not */
    }
    struct share_members *list = share_members_ref(only_group(x, "t", &m));
    assert_true(index_remove_shared(x, g, 2));
    assert_int_equal(share_members_count(only_group(x, "t", &m)), 2);
    assert_int_equal(share_members_count(list), 3);
    assert_true(index_remove_shared(x, g, 1) && index_remove_shared(x, g, 3));
    index_free(x);
    struct share_turn t;
    for (handle h = 1; h <= 3; h++) {
        assert_true(share_pick(list, 0, &t));
        assert_true(t.to.h == h);
    }
    share_members_unref(list);
    matches_fini(&m);
    assert_int_equal(mem_in_use(), memory);
}

/* Every allocation of an addition fails once: nothing is changed, nothing is left. */
static void adding_without_memory(void **state)
{
    (void)state;
    size_t memory = mem_in_use();
    for (unsigned filter = 0; filter < 3; filter++) {
        static const char *const at[] = {"a/b/c", "a/+/c", "x/#"};
        struct index *x = index_new(&key);
        struct share_hint *t = hint(READY);
        struct share_group *g = NULL;
        struct matches m;
        char name[16];
        matches_init(&m);
        unsigned failures = 0;
        for (handle h = 1; h < 200; h++) {
            enum index_result r = INDEX_NO_MEMORY;
            snprintf(name, sizeof(name), "%u", (unsigned)h % 40);
            for (unsigned k = 1; r == INDEX_NO_MEMORY; k++) {
                assert_true(k < 30);
                uint64_t generation = index_generation(x);
                mem_fail_at(k);
                r = index_add_shared(x, bytes_str(name), bytes_str(at[filter]), h, options(h), t, &g);
                mem_fail_at(0);
                failures += r == INDEX_NO_MEMORY;
                assert_int_equal(index_count(x), h - 1 + (r == INDEX_NEW));
                assert_int_equal(index_generation(x) - generation, r == INDEX_NEW);
                assert_true(index_match(x, bytes_str(filter < 2 ? "a/b/c" : "x"), &m));
                assert_int_equal(m.shared_n, (r == INDEX_NEW ? h : h - 1) < 40 ? h - (r != INDEX_NEW) : 40);
            }
        }
        assert_true(failures > 200);
        index_free(x);
        matches_fini(&m);
        share_hint_unref(t);
    }
    assert_int_equal(mem_in_use(), memory);
}

static void matching_without_memory(void **state)
{
    (void)state;
    size_t memory = mem_in_use();
    struct index *x = index_new(&key);
    struct share_hint *t = hint(READY);
    struct index_node *node;
    join(x, "g", "a/b", 1, t);
    join(x, "h", "a/b", 2, t);
    join(x, "g", "a/#", 3, t);
    assert_int_equal(index_add(x, bytes_str("+/b"), 4, options(4), &node), INDEX_NEW);
    for (unsigned k = 1; k < 8; k++) {
        struct match_cache *c = match_cache_new(x, &key);
        unsigned failed = 0;
        mem_fail_at(k);
        for (unsigned i = 0; i < 4; i++) {
            const struct matches *m = match_cache_get(c, bytes_str("a/b"));
            failed += m == NULL;
            assert_true(m == NULL || (m->n == 1 && m->shared_n == 3));
        }
        mem_fail_at(0);
        assert_int_equal(failed, k <= 3); /* the first row, the second, the matches; what is merely kept may fail */
        const struct matches *m = match_cache_get(c, bytes_str("a/b"));
        assert_true(m != NULL && m->n == 1 && m->shared_n == 3);
        match_cache_free(c);
    }
    share_hint_unref(t);
    index_free(x);
    assert_int_equal(mem_in_use(), memory);
}

/* ---------------------------------------------------------------- caches */

static void changes_show_at_once(void **state)
{
    (void)state;
    size_t memory = mem_in_use();
    struct index *x = index_new(&key);
    struct match_cache *c = match_cache_new(x, &key);
    struct share_hint *t = hint(READY);
    struct index_node *node;
    struct share_turn turn;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(match_cache_get(c, bytes_str("a"))->shared_n, 0);
    struct share_group *g = join(x, "g", "+", 1, t);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(match_cache_get(c, bytes_str("a"))->shared_n, 1);
    struct sub_options o = {8, 2, false, false, false};
    assert_int_equal(index_add_shared(x, bytes_str("g"), bytes_str("+"), 1, o, t, &g), INDEX_REPLACED);
    assert_true(share_pick(match_cache_get(c, bytes_str("a"))->shared[0], 1, &turn));
    assert_int_equal(turn.to.o.id, 8);
    assert_int_equal(index_add(x, bytes_str("a"), 1, o, &node), INDEX_NEW);
    for (unsigned i = 0; i < 4; i++) {
        const struct matches *m = match_cache_get(c, bytes_str("a"));
        assert_true(m->n == 1 && m->shared_n == 1);
    }
    /* Kept: neither memory nor another answer while nothing changes; hints are no change. */
    const struct matches *m = match_cache_get(c, bytes_str("a"));
    mem_fail_at(1);
    share_hint_set(t, BUSY);
    assert_ptr_equal(match_cache_get(c, bytes_str("a")), m);
    mem_fail_at(0);
    assert_true(index_remove_shared(x, g, 1));
    m = match_cache_get(c, bytes_str("a"));
    assert_true(m->n == 1 && m->shared_n == 0);
    join(x, "g", "+", 1, t);
    assert_int_equal(match_cache_get(c, bytes_str("a"))->shared_n, 1);
    index_free(x);
    match_cache_free(c); /* holds lists of an index that is gone */
    share_hint_unref(t);
    assert_int_equal(mem_in_use(), memory);
}

/* A group of 500 changes all the time, and each time other topics are asked for: old lists pile up within bounds. */
static void old_lists_are_bounded(void **state)
{
    (void)state;
    struct index *x = index_new(&key);
    struct match_cache *c = match_cache_new(x, &key);
    struct share_hint *t = hint(READY);
    char topic[32];
    for (handle h = 1; h <= 500; h++)
        join(x, "g", "many/#", h, t);
    size_t before = mem_in_use(), most = 0;
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(topic, sizeof(topic), "many/%u", i);
        for (unsigned k = 0; k < 4; k++)
            assert_int_equal(match_cache_get(c, bytes_str(topic))->shared_n, 1);
        struct share_group *g = join(x, "g", "many/#", 1000, t);
        assert_true(index_remove_shared(x, g, 1000));
        size_t now = mem_in_use();
        most = now > most ? now : most;
    }
    assert_true(most - before > 3u << 20);
    assert_true(most - before < 5u << 20);
    match_cache_free(c);
    share_hint_unref(t);
    index_free(x);
}

/* --------------------------------------------------------------- threads */

struct shared {
    struct index *x;
    struct share_hint *hint[8];
    _Atomic bool done;
};

/* Member 1 stays; whoever is chosen has the options that it came with. */
static void *chooser(void *arg)
{
    struct shared *s = arg;
    struct match_cache *c = match_cache_new(s->x, &key);
    for (unsigned i = 0; i < 2000 || !atomic_load(&s->done); i++) {
        const struct matches *m = match_cache_get(c, bytes_str(i % 2 == 0 ? "a/b" : "a/c"));
        struct share_turn t;
        if (m == NULL || m->shared_n != 1 || !share_pick(m->shared[0], 1, &t))
            abort();
        for (unsigned k = 0; k < 3; k++)
            if (t.to.h != t.to.o.id || !share_forward(s->x, 1, true, &t))
                break;
        if (t.to.h != t.to.o.id)
            abort();
    }
    match_cache_free(c);
    return NULL;
}

static void choosing_beside_changes(void **state)
{
    (void)state;
    struct shared s = {.x = index_new(&key)};
    pthread_t threads[2];
    for (unsigned i = 0; i < 8; i++)
        s.hint[i] = hint(READY);
    struct share_group *g = join(s.x, "g", "a/+", 1, s.hint[0]), *again;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, chooser, &s), 0);
    for (unsigned i = 0; i < 1000; i++) {
        for (unsigned h = 1; h < 8; h++) {
            share_hint_set(s.hint[h], (i + h) % 3 == 0 ? AWAY : READY);
            assert_ptr_equal(join(s.x, "g", "a/+", h + 1, s.hint[h]), g);
        }
        assert_int_equal(index_add_shared(s.x, bytes_str("g"), bytes_str("a/+"), 3, options(3), s.hint[2], &again),
                         INDEX_REPLACED);
        for (unsigned h = 1; h < 8; h++) {
            mem_fail_at(i % 5 == 0); /* some only get marked */
            assert_true(index_remove_shared(s.x, g, h + 1));
            mem_fail_at(0);
        }
    }
    atomic_store(&s.done, true);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    index_free(s.x);
    for (unsigned i = 0; i < 8; i++)
        share_hint_unref(s.hint[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(add_replace_remove),      cmocka_unit_test(one_session_everywhere),
        cmocka_unit_test(as_a_plain_list_says),    cmocka_unit_test(crowds),
        cmocka_unit_test(lists_outlive_the_index), cmocka_unit_test(adding_without_memory),
        cmocka_unit_test(matching_without_memory), cmocka_unit_test(changes_show_at_once),
        cmocka_unit_test(old_lists_are_bounded),   cmocka_unit_test(choosing_beside_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
