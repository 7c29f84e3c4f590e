/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The retained store against a plain table of topics: what is put, replaced, deleted and expired between the slices
 * of several walks, each of which keeps its own account of what it must still be given.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "sotto/base/mem.h"
#include "sotto/codec/topic.h"
#include "sotto/core/retained.h"

static const struct hash_key key = {{0x9216d5d98979fb1b, 0xd1310ba698dfb5ac, 0x2ffd72dbd01adfb7, 0xb8e1afed6a267e96}};

#define PLENTY 1000000u
#define TOPICS 120
#define WALKS 6
#define TEXT 64
#define SLACK 4096 /* the smallest edge table, and the expiry heap, which doesn't shrink */

static unsigned roll(uint64_t *s, unsigned n)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return (unsigned)((*s >> 16) % n);
}

static void draw(uint64_t *s, bool wild, char *out)
{
    static const char *const words[] = {"a", "b", "", "$x", "cc", "+", "+", "#"};
    unsigned levels = 1 + roll(s, 4);
    *out = 0;
    for (unsigned i = 0; i < levels; i++) {
        const char *w = words[roll(s, wild ? 8 : 5)];
        if (i > 0)
            strcat(out, "/");
        strcat(out, w);
        if (*w == '#')
            break;
    }
    if (*out == 0)
        strcpy(out, "a");
}

static struct blob *blob_str(const char *s)
{
    struct blob *b = blob_new(strlen(s));
    assert_non_null(b);
    memcpy(b->p, s, strlen(s));
    return b;
}

static enum retained_result put(struct retained *r, const char *topic, const char *payload, msec expires)
{
    struct blob *b = blob_str(payload);
    struct retained_message m = {.topic = bytes_str(topic), .payload = b, .expires = expires, .qos = 1};
    retained_write_lock(r);
    enum retained_result result = retained_put(r, &m);
    retained_unlock(r);
    blob_unref(b);
    return result;
}

static bool delete_topic(struct retained *r, const char *topic)
{
    retained_write_lock(r);
    bool there = retained_delete(r, bytes_str(topic));
    retained_unlock(r);
    return there;
}

static uint64_t number(struct retained *r)
{
    retained_read_lock(r);
    uint64_t n = retained_number(r);
    retained_unlock(r);
    return n;
}

static uint64_t count(struct retained *r)
{
    uint64_t messages, bytes;
    retained_read_lock(r);
    retained_totals(r, &messages, &bytes);
    retained_unlock(r);
    return messages;
}

static struct retained_cursor *walk(struct retained *r, const char *filter)
{
    retained_read_lock(r);
    struct retained_cursor *c = retained_cursor_new(r, bytes_str(filter), retained_number(r));
    retained_unlock(r);
    return c;
}

/* The model. */
struct topic {
    char text[TEXT];
    uint64_t number; /* 0: not there */
    msec expires;
};

struct one_walk {
    struct retained_cursor *c; /* NULL: free */
    char filter[TEXT];
    uint64_t upto;
    bool due[TOPICS];   /* there since the beginning, and matching */
    bool given[TOPICS]; /* at most once, whatever happened */
    unsigned stops, visits;
};

struct world {
    struct retained *r;
    struct topic t[TOPICS];
    struct one_walk w[WALKS];
    struct one_walk *current;
    msec now;
    uint64_t s;
};

static enum retained_visit visit(void *ctx, const struct retained_message *m)
{
    struct world *w = ctx;
    struct one_walk *o = w->current;
    o->visits++;
    if (roll(&w->s, 4) == 0) {
        o->stops++;
        return RETAINED_STOP;
    }
    unsigned i = 0;
    while (i < TOPICS && !bytes_equal(bytes_str(w->t[i].text), m->topic))
        i++;
    assert_true(i < TOPICS);
    assert_true(m->number == w->t[i].number);
    assert_true(m->number <= o->upto);
    assert_true(m->expires == w->t[i].expires && m->expires > w->now);
    assert_true(topic_matches(bytes_str(o->filter), m->topic));
    assert_false(o->given[i]);
    assert_int_equal(m->qos, 1);
    assert_true(bytes_equal(bytes_of(m->payload->p, m->payload->n), m->topic));
    o->given[i] = true;
    return RETAINED_TAKEN;
}

static void begin_walk(struct world *w, struct one_walk *o)
{
    memset(o, 0, sizeof(*o));
    draw(&w->s, true, o->filter);
    o->c = walk(w->r, o->filter);
    assert_non_null(o->c);
    o->upto = number(w->r);
    for (unsigned i = 0; i < TOPICS; i++)
        o->due[i] = w->t[i].number > 0 && topic_matches(bytes_str(o->filter), bytes_str(w->t[i].text));
}

static void end_walk(struct world *w, struct one_walk *o, bool whole)
{
    for (unsigned i = 0; whole && i < TOPICS; i++) {
        if (o->due[i] && w->t[i].expires > w->now)
            assert_true(o->given[i]);
    }
    retained_cursor_free(o->c);
    o->c = NULL;
}

static void step_walk(struct world *w, struct one_walk *o)
{
    unsigned most = roll(&w->s, 12);
    w->current = o;
    o->visits = 0;
    bool more = retained_pull(o->c, most, w->now, visit, w);
    assert_true(o->visits <= most);
    if (!more) {
        assert_false(retained_pull(o->c, 5, w->now, visit, w));
        end_walk(w, o, true);
    }
}

static void touched(struct world *w, unsigned i)
{
    for (unsigned k = 0; k < WALKS; k++)
        w->w[k].due[i] = false;
}

static void change_topic(struct world *w)
{
    unsigned i = roll(&w->s, TOPICS);
    struct topic *t = &w->t[i];
    if (roll(&w->s, 2) == 0) {
        assert_int_equal(delete_topic(w->r, t->text), t->number > 0);
        t->number = 0;
    } else {
        t->expires = roll(&w->s, 3) == 0 ? w->now + 1 + roll(&w->s, 50) : MSEC_NEVER;
        assert_int_equal(put(w->r, t->text, t->text, t->expires), RETAINED_STORED);
        t->number = number(w->r);
    }
    touched(w, i);
}

static void expire(struct world *w)
{
    unsigned want = 0;
    msec next = MSEC_NEVER;
    for (unsigned i = 0; i < TOPICS; i++) {
        if (w->t[i].number == 0)
            continue;
        if (w->t[i].expires <= w->now) {
            w->t[i].number = 0;
            touched(w, i);
            want++;
        } else if (w->t[i].expires < next) {
            next = w->t[i].expires;
        }
    }
    retained_write_lock(w->r);
    unsigned got = 0, n;
    while ((n = retained_expire(w->r, w->now, 2)) > 0) {
        assert_true(n <= 2);
        got += n;
    }
    assert_int_equal(got, want);
    assert_true(retained_next_expiry(w->r) == next);
    retained_unlock(w->r);
}

static void check_totals(const struct world *w)
{
    uint64_t messages, bytes, want = 0, want_bytes = 0;
    for (unsigned i = 0; i < TOPICS; i++) {
        want += w->t[i].number > 0;
        want_bytes += w->t[i].number > 0 ? 2 * strlen(w->t[i].text) : 0;
    }
    retained_read_lock(w->r);
    retained_totals(w->r, &messages, &bytes);
    retained_unlock(w->r);
    assert_int_equal(messages, want);
    assert_int_equal(bytes, want_bytes);
}

static bool known(const struct world *w, unsigned n, const char *text)
{
    for (unsigned i = 0; i < n; i++) {
        if (strcmp(w->t[i].text, text) == 0)
            return true;
    }
    return false;
}

static void each_exactly_once(void **state)
{
    (void)state;
    size_t memory = mem_in_use();
    struct world *w = calloc(1, sizeof(*w));
    w->r = retained_new(&key, PLENTY, PLENTY);
    w->s = 4242424242;
    w->now = 1000;
    size_t empty = mem_in_use();
    for (unsigned i = 0; i < TOPICS; i++) {
        do
            draw(&w->s, false, w->t[i].text);
        while (known(w, i, w->t[i].text));
    }
    for (unsigned round = 0; round < 60000; round++) {
        struct one_walk *o = &w->w[roll(&w->s, WALKS)];
        switch (roll(&w->s, 4)) {
        case 0:
            change_topic(w);
            break;
        case 1:
            w->now += roll(&w->s, 30) == 0 ? 20 : 0;
            if (roll(&w->s, 10) == 0)
                expire(w);
            break;
        default:
            if (o->c == NULL)
                begin_walk(w, o);
            else if (roll(&w->s, 60) == 0)
                end_walk(w, o, false);
            else
                step_walk(w, o);
        }
        if (round % 100 == 0)
            check_totals(w);
    }
    /* Everything goes while walks stand in the middle of it; then the walks go: no node is left. */
    for (unsigned i = 0; i < TOPICS; i++)
        delete_topic(w->r, w->t[i].text);
    assert_int_equal(count(w->r), 0);
    for (unsigned k = 0; k < WALKS; k++) {
        if (w->w[k].c != NULL)
            end_walk(w, &w->w[k], false);
    }
    assert_true(mem_in_use() <= empty + SLACK);
    retained_free(w->r);
    free(w);
    assert_int_equal(mem_in_use(), memory);
}

static enum retained_visit take(void *ctx, const struct retained_message *m)
{
    (void)m;
    ++*(unsigned *)ctx;
    return RETAINED_TAKEN;
}

static unsigned matching(struct retained *r, const char *filter)
{
    unsigned n = 0;
    struct retained_cursor *c = walk(r, filter);
    while (retained_pull(c, 3, 0, take, &n))
        ;
    retained_cursor_free(c);
    return n;
}

static void what_filters_reach(void **state)
{
    (void)state;
    struct retained *r = retained_new(&key, PLENTY, PLENTY);
    static const char *const topics[] = {
        "sport", "sport/tennis", "sport/tennis/score", "sports", "/", "/finance", "$SYS/uptime", "$SYS", "a//b"};
    for (unsigned i = 0; i < 9; i++)
        assert_int_equal(put(r, topics[i], "x", MSEC_NEVER), RETAINED_STORED);
    assert_int_equal(matching(r, "sport/#"), 3);
    assert_int_equal(matching(r, "sport/+"), 1);
    assert_int_equal(matching(r, "sport"), 1);
    assert_int_equal(matching(r, "sport/none"), 0);
    assert_int_equal(matching(r, "#"), 7);
    assert_int_equal(matching(r, "+"), 2);
    assert_int_equal(matching(r, "+/+"), 3);
    assert_int_equal(matching(r, "/+"), 2);
    assert_int_equal(matching(r, "+/#"), 7);
    assert_int_equal(matching(r, "$SYS/#"), 2);
    assert_int_equal(matching(r, "$SYS/+"), 1);
    assert_int_equal(matching(r, "+/uptime"), 0);
    assert_int_equal(matching(r, "a/+/b"), 1);
    assert_int_equal(matching(r, "a//b"), 1);
    retained_free(r);
}

/* Without wildcards it is one way down, however many neighbours there are; "$" neighbours don't stretch a slice. */
static void slices_are_short(void **state)
{
    (void)state;
    struct retained *r = retained_new(&key, PLENTY, PLENTY);
    char topic[TEXT];
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(topic, sizeof(topic), "many/%u/x", i);
        put(r, topic, "x", MSEC_NEVER);
        snprintf(topic, sizeof(topic), "$hidden%u", i);
        put(r, topic, "x", MSEC_NEVER);
    }
    unsigned n = 0, slices = 0;
    struct retained_cursor *c = walk(r, "many/777/x");
    assert_false(retained_pull(c, 4, 0, take, &n));
    assert_int_equal(n, 1);
    retained_cursor_free(c);

    c = walk(r, "+");
    while (retained_pull(c, 10, 0, take, &n))
        slices++;
    assert_int_equal(n, 1);
    assert_int_equal(slices, 2002 / 10);
    retained_cursor_free(c);

    c = walk(r, "many/#");
    while (retained_pull(c, 100, 0, take, &n))
        ;
    assert_int_equal(n, 2001);
    retained_cursor_free(c);
    retained_free(r);
}

static void limits(void **state)
{
    (void)state;
    struct retained *r = retained_new(&key, 3, 30);
    assert_int_equal(put(r, "a", "12345", MSEC_NEVER), RETAINED_STORED);
    assert_int_equal(put(r, "b", "12345", MSEC_NEVER), RETAINED_STORED);
    assert_int_equal(put(r, "c", "12345", MSEC_NEVER), RETAINED_STORED);
    uint64_t last = number(r);
    assert_int_equal(put(r, "d", "1", MSEC_NEVER), RETAINED_FULL);
    assert_true(number(r) == last);
    assert_int_equal(put(r, "b", "123456789012345678", MSEC_NEVER), RETAINED_FULL);
    assert_int_equal(put(r, "b", "12345678901234567", MSEC_NEVER), RETAINED_STORED); /* 6 + 18 + 6 */
    assert_true(number(r) == last + 1);
    assert_int_equal(put(r, "a", "123456", MSEC_NEVER), RETAINED_FULL);
    assert_int_equal(put(r, "a", "54321", MSEC_NEVER), RETAINED_STORED);
    assert_true(delete_topic(r, "b"));
    assert_false(delete_topic(r, "b"));
    assert_false(delete_topic(r, "nowhere"));
    assert_int_equal(put(r, "d", "1", MSEC_NEVER), RETAINED_STORED);
    assert_int_equal(put(r, "e", "1", MSEC_NEVER), RETAINED_FULL);
    uint64_t messages, bytes;
    retained_read_lock(r);
    retained_totals(r, &messages, &bytes);
    retained_unlock(r);
    assert_int_equal(messages, 3);
    assert_int_equal(bytes, 14);
    retained_free(r);
}

/* The store has references of its own, counts property sections, and gives everything back. */
static void blobs_are_shared(void **state)
{
    (void)state;
    size_t memory = mem_in_use();
    struct retained *r = retained_new(&key, PLENTY, PLENTY);
    struct blob *payload = blob_str("payload"), *props = blob_str("prop");
    struct retained_message m = {bytes_str("t"), payload, props, MSEC_NEVER, 2, 0};
    retained_write_lock(r);
    assert_int_equal(retained_put(r, &m), RETAINED_STORED);
    m.topic = bytes_str("only/props");
    m.payload = NULL;
    assert_int_equal(retained_put(r, &m), RETAINED_STORED);
    uint64_t messages, bytes;
    retained_totals(r, &messages, &bytes);
    assert_int_equal(bytes, 1 + 7 + 4 + 10 + 4);
    assert_int_equal(atomic_load(&payload->refs), 2);
    assert_int_equal(atomic_load(&props->refs), 3);
    assert_true(retained_delete(r, bytes_str("t")));
    retained_unlock(r);
    assert_int_equal(atomic_load(&payload->refs), 1);
    retained_free(r);
    assert_int_equal(atomic_load(&props->refs), 1);
    blob_unref(payload);
    blob_unref(props);
    assert_int_equal(mem_in_use(), memory);
}

static void without_memory(void **state)
{
    (void)state;
    struct retained *r = retained_new(&key, PLENTY, PLENTY);
    struct blob *b = blob_str("x");
    struct retained_message m = {bytes_str("a/b/c/d/e"), b, NULL, MSEC_NEVER, 0, 0};
    retained_write_lock(r);
    assert_int_equal(retained_put(r, &m), RETAINED_STORED);
    assert_true(retained_delete(r, m.topic));
    size_t before = mem_in_use();
    unsigned k = 0;
    enum retained_result result = RETAINED_NO_MEMORY;
    while (result == RETAINED_NO_MEMORY) {
        mem_fail_at(++k);
        result = retained_put(r, &m);
        mem_fail_at(0);
        assert_int_equal(retained_number(r), 1 + (result == RETAINED_STORED));
        if (result == RETAINED_NO_MEMORY)
            assert_int_equal(mem_in_use(), before);
    }
    assert_int_equal(result, RETAINED_STORED);
    assert_int_equal(k, 3); /* the message and its node */
    /* Where a label must be split, it may stay split; nothing else shows. */
    m.topic = bytes_str("a/b/x");
    for (k = 1, result = RETAINED_NO_MEMORY; result == RETAINED_NO_MEMORY; k++) {
        mem_fail_at(k);
        result = retained_put(r, &m);
        mem_fail_at(0);
        assert_int_equal(retained_delete(r, bytes_str("a/b")), false);
        assert_int_equal(retained_number(r), 2 + (result == RETAINED_STORED));
    }
    assert_true(k > 3);
    assert_true(retained_delete(r, m.topic));
    m.topic = bytes_str("a/b/c/d/e");
    assert_int_equal(retained_put(r, &m), RETAINED_STORED);
    /* A failed replacement keeps the old one. */
    mem_fail_at(1);
    assert_int_equal(retained_put(r, &m), RETAINED_NO_MEMORY);
    mem_fail_at(0);
    assert_int_equal(retained_number(r), 4);
    for (k = 1; k <= 2; k++) {
        mem_fail_at(k);
        assert_null(retained_cursor_new(r, bytes_str("a/#"), 4));
        mem_fail_at(0);
    }
    retained_unlock(r);
    assert_int_equal(matching(r, "#"), 1);
    retained_free(r);
    blob_unref(b);
}

/* A chain of nodes: each topic is one level longer than the one before. */
static void chain(void **state)
{
    (void)state;
    enum { N = 5000 };
    static char topic[2 * N];
    struct retained *r = retained_new(&key, PLENTY, UINT64_MAX);
    size_t empty = mem_in_use();
    struct blob *b = blob_str("x");
    for (unsigned i = 0; i < 2 * N; i++)
        topic[i] = i % 2 == 0 ? 'a' : '/';
    retained_write_lock(r);
    for (unsigned i = N; i > 0; i--) {
        struct retained_message m = {bytes_of(topic, 2 * i - 1), b, NULL, MSEC_NEVER, 0, 0};
        assert_int_equal(retained_put(r, &m), RETAINED_STORED);
    }
    retained_unlock(r);
    assert_int_equal(matching(r, "#"), N);
    assert_int_equal(matching(r, "+/a/+"), 1);
    assert_int_equal(matching(r, "a/a/a/#"), N - 2);
    retained_write_lock(r);
    for (unsigned i = 1; i <= N; i++)
        assert_true(retained_delete(r, bytes_of(topic, 2 * i - 1)));
    retained_unlock(r);
    blob_unref(b);
    assert_true(mem_in_use() <= empty + SLACK);
    retained_free(r);
}

/* 65,536 levels, walked by "#", by name, and by as many "+". */
static void deepest(void **state)
{
    (void)state;
    enum { N = 65535 };
    size_t memory = mem_in_use();
    struct retained *r = retained_new(&key, PLENTY, PLENTY);
    uint8_t *topic = malloc(N), *filter = malloc(N);
    memset(topic, '/', N);
    struct blob *b = blob_str("x");
    struct retained_message m = {bytes_of(topic, N), b, NULL, MSEC_NEVER, 0, 0};
    retained_write_lock(r);
    assert_int_equal(retained_put(r, &m), RETAINED_STORED);
    m.topic.n = N / 2;
    assert_int_equal(retained_put(r, &m), RETAINED_STORED);
    retained_unlock(r);
    assert_int_equal(matching(r, "#"), 2);
    for (unsigned i = 0; i < N; i++)
        filter[i] = i % 2 == 0 ? '+' : '/';
    const struct bytes filters[] = {bytes_of(topic, N), bytes_of(filter, N)};
    for (unsigned i = 0; i < 2; i++) {
        unsigned n = 0;
        retained_read_lock(r);
        struct retained_cursor *c = retained_cursor_new(r, filters[i], 5);
        retained_unlock(r);
        while (retained_pull(c, 1000, 0, take, &n))
            ;
        assert_int_equal(n, 1);
        retained_cursor_free(c);
    }
    /* Deleted under a walk that stands at the bottom. */
    unsigned n = 0;
    struct retained_cursor *c = walk(r, "#");
    assert_true(retained_pull(c, 2, 0, take, &n));
    retained_write_lock(r);
    assert_true(retained_delete(r, bytes_of(topic, N)));
    assert_true(retained_delete(r, bytes_of(topic, N / 2)));
    retained_unlock(r);
    assert_false(retained_pull(c, N, 0, take, &n));
    assert_int_equal(n, 1);
    retained_cursor_free(c);
    assert_int_equal(count(r), 0);
    retained_free(r);
    blob_unref(b);
    free(topic);
    free(filter);
    assert_int_equal(mem_in_use(), memory);
}

/* 1,000,000 messages take at most 200 bytes each besides topic and payload; here 200,000, one table size below. */
static void memory_per_message(void **state)
{
    (void)state;
    enum { N = 200000 };
    struct retained *r = retained_new(&key, N, (uint64_t)N * TEXT);
    size_t before = mem_in_use();
    char topic[TEXT];
    size_t own = 0;
    for (unsigned i = 0; i < N; i++) {
        int n = snprintf(topic, sizeof(topic), "building/%03u/sensor%07u/t", i % 1000, i);
        assert_int_equal(put(r, topic, "21.5", MSEC_NEVER), RETAINED_STORED);
        own += (size_t)n + 4;
    }
    size_t each = (mem_in_use() - before - own) / N;
    print_message("%zu bytes a message besides topic and payload\n", each);
    assert_true(each <= 200);
    retained_free(r);
}

struct shared {
    struct retained *r;
    _Atomic bool done;
};

static enum retained_visit count_kept(void *ctx, const struct retained_message *m)
{
    unsigned *n = ctx;
    *n += m->topic.n > 5 && memcmp(m->topic.p, "kept/", 5) == 0;
    return RETAINED_TAKEN;
}

static void *walker(void *arg)
{
    struct shared *s = arg;
    for (unsigned i = 0; i < 20 || !atomic_load(&s->done); i++) {
        unsigned n = 0;
        struct retained_cursor *c = walk(s->r, "#");
        bool more = true;
        while (more && (i % 5 != 4 || n < 20))
            more = retained_pull(c, 7, 0, count_kept, &n);
        retained_cursor_free(c);
        if (i % 5 != 4 && n != 50)
            abort();
    }
    return NULL;
}

static void walkers_beside_a_writer(void **state)
{
    (void)state;
    struct shared s = {.r = retained_new(&key, PLENTY, PLENTY)};
    pthread_t t[2];
    char topic[TEXT];
    for (unsigned i = 0; i < 50; i++) {
        snprintf(topic, sizeof(topic), "kept/%u", i);
        put(s.r, topic, "x", MSEC_NEVER);
        snprintf(topic, sizeof(topic), "gone/%u/x", i);
        put(s.r, topic, "x", MSEC_NEVER);
    }
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&t[i], NULL, walker, &s), 0);
    uint64_t dice = 31337;
    for (unsigned i = 0; i < 8000; i++) {
        snprintf(topic, sizeof(topic), roll(&dice, 2) ? "gone/%u/x" : "gone%u", roll(&dice, 50));
        if (roll(&dice, 2) == 0)
            put(s.r, topic, "y", MSEC_NEVER);
        else
            delete_topic(s.r, topic);
    }
    atomic_store(&s.done, true);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    assert_int_equal(matching(s.r, "kept/+"), 50);
    retained_free(s.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_exactly_once),
        cmocka_unit_test(what_filters_reach),
        cmocka_unit_test(slices_are_short),
        cmocka_unit_test(limits),
        cmocka_unit_test(blobs_are_shared),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(chain),
        cmocka_unit_test(deepest),
        cmocka_unit_test(memory_per_message),
        cmocka_unit_test(walkers_beside_a_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
