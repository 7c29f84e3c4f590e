/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The user name is known when the rules are compiled, so "%u" is replaced then; "%c" is replaced in a buffer on the
 * stack for each question (rules with it are rare, and the length of their text is bounded). A rule whose variable has
 * no value it could stand for matches nothing, which is kept as a rule without a filter, so that numbers of rules stay.
 */
#include "sotto/core/rights.h"

#include <assert.h>
#include <stdatomic.h>

#include "sotto/base/mem.h"
#include "sotto/codec/topic.h"

#define EXPANDED_ON_STACK 512

struct compiled {
    struct bytes filter; /* empty: matches nothing */
    uint8_t kind;
    bool client_id; /* has "%c" in it */
};

struct rights {
    _Atomic unsigned refs;
    bool everything, denies;
    struct bytes user;
    size_t n;
    struct compiled rules[];
};

/* What would say more than one level, or a wildcard, can't stand for a variable; nothing can't either. */
static bool can_stand_in(struct bytes value)
{
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '/' || value.p[i] == '+' || value.p[i] == '#')
            return false;
    }
    return value.n > 0;
}

static bool at_variable(struct bytes filter, size_t i, char variable)
{
    return filter.p[i] == '%' && i + 1 < filter.n && filter.p[i + 1] == (uint8_t)variable;
}

static size_t occurrences(struct bytes filter, char variable)
{
    size_t n = 0;
    for (size_t i = 0; i < filter.n; i++)
        n += at_variable(filter, i, variable);
    return n;
}

/* Writes filter with the variable replaced; the room is filter.n + occurrences * value.n at least. */
static struct bytes replace(struct bytes filter, char variable, struct bytes value, uint8_t *out)
{
    size_t n = 0;
    for (size_t i = 0; i < filter.n; i++) {
        if (!at_variable(filter, i, variable)) {
            out[n++] = filter.p[i];
            continue;
        }
        memcpy(out + n, value.p, value.n);
        n += value.n;
        i++;
    }
    return bytes_of(out, n);
}

/* A name that begins with '$' must not lead out of the ordinary topics. */
static bool leads_astray(struct bytes filter, struct bytes expanded)
{
    return filter.p[0] == '%' && expanded.n > 0 && expanded.p[0] == '$';
}

static struct bytes copy(struct bytes b)
{
    return bytes_of(mem_strndup(b.p, b.n), b.n);
}

static struct bytes compile_filter(struct bytes filter, struct bytes user)
{
    size_t times = occurrences(filter, 'u');
    if (times == 0)
        return copy(filter);
    if (!can_stand_in(user))
        return bytes_of(NULL, 0);
    uint8_t *out = mem_alloc(filter.n + times * user.n);
    struct bytes expanded = replace(filter, 'u', user, out);
    if (!leads_astray(filter, expanded))
        return expanded;
    mem_free(out);
    return bytes_of(NULL, 0);
}

struct rights *rights_new(struct bytes user, const struct rule *rules, size_t n, bool everything)
{
    struct rights *r = mem_alloc(sizeof *r + n * sizeof r->rules[0]);
    atomic_init(&r->refs, 1);
    r->user = copy(user);
    r->n = n;
    r->everything = everything;
    for (size_t i = 0; i < n; i++) {
        struct compiled *c = &r->rules[i];
        c->kind = (uint8_t)rules[i].kind;
        c->client_id = occurrences(rules[i].filter, 'c') > 0;
        /* A user called "%c" must not bring a variable into a rule that has both. */
        bool percent = user.n > 0 && memchr(user.p, '%', user.n) != NULL;
        if (!c->client_id || !percent || occurrences(rules[i].filter, 'u') == 0)
            c->filter = compile_filter(rules[i].filter, user);
        r->denies |= rules[i].kind == RULE_DENY;
    }
    return r;
}

struct rights *rights_ref(struct rights *r)
{
    unsigned before = atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    assert(before > 0);
    (void)before;
    return r;
}

void rights_unref(struct rights *r)
{
    if (r == NULL || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < r->n; i++)
        mem_free((void *)(uintptr_t)r->rules[i].filter.p);
    mem_free((void *)(uintptr_t)r->user.p);
    mem_free(r);
}

struct bytes rights_user(const struct rights *r)
{
    return r->user;
}

bool rights_unlimited(const struct rights *r, enum right what)
{
    return !r->denies && (r->everything || what == RIGHT_RECEIVE);
}

static bool filter_covers(struct bytes filter, enum right what, struct bytes topic)
{
    return what == RIGHT_SUBSCRIBE ? filter_contains(filter, topic) : topic_matches(filter, topic);
}

static bool covers(const struct compiled *c, enum right what, struct bytes client_id, struct bytes topic)
{
    uint8_t on_stack[EXPANDED_ON_STACK], *room = on_stack;
    if (c->filter.n == 0)
        return false;
    if (!c->client_id)
        return filter_covers(c->filter, what, topic);
    if (!can_stand_in(client_id))
        return false;
    size_t need = c->filter.n + occurrences(c->filter, 'c') * client_id.n;
    if (need > sizeof on_stack)
        room = mem_try_alloc(need);
    if (room == NULL)
        return c->kind == RULE_DENY; /* no memory: the safe answer */
    struct bytes filter = replace(c->filter, 'c', client_id, room);
    bool covered = !leads_astray(c->filter, filter) && filter_covers(filter, what, topic);
    if (room != on_stack)
        mem_free(room);
    return covered;
}

static bool is_sys(struct bytes topic)
{
    return topic.n >= 4 && memcmp(topic.p, "$SYS", 4) == 0 && (topic.n == 4 || topic.p[4] == '/');
}

/* The first rule of this kind that covers the topic, or -1. */
static int find(const struct rights *r, int kind, enum right what, struct bytes client_id, struct bytes topic)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->rules[i].kind == kind && covers(&r->rules[i], what, client_id, topic))
            return (int)i;
    }
    return -1;
}

int rights_deciding_rule(const struct rights *r, enum right what, struct bytes client_id, struct bytes topic,
                         bool *allowed)
{
    *allowed = false;
    if (what == RIGHT_PUBLISH && is_sys(topic))
        return -1;
    int rule = r->denies ? find(r, RULE_DENY, what, client_id, topic) : -1;
    if (rule >= 0)
        return rule;
    *allowed = true;
    if (what == RIGHT_RECEIVE || r->everything)
        return -1;
    rule = find(r, what == RIGHT_PUBLISH ? RULE_PUBLISH : RULE_SUBSCRIBE, what, client_id, topic);
    *allowed = rule >= 0;
    return rule;
}

bool rights_allow(const struct rights *r, enum right what, struct bytes client_id, struct bytes topic)
{
    bool allowed;
    rights_deciding_rule(r, what, client_id, topic, &allowed);
    return allowed;
}
