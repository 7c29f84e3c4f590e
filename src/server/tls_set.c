/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tls_set.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>

#include "sotto/base/mem.h"

#define LINE 1024

struct tls_set {
    atomic_uint refs;
    size_t n;
    struct tls_context *v[];
};

struct tls_set *tls_set_new(size_t n)
{
    struct tls_set *s = mem_alloc(sizeof(*s) + n * sizeof(s->v[0]));
    atomic_init(&s->refs, 1);
    s->n = n;
    return s;
}

struct tls_set *tls_set_copy(const struct tls_set *s)
{
    struct tls_set *copy = tls_set_new(s->n);
    for (size_t i = 0; i < s->n; i++)
        copy->v[i] = s->v[i] != NULL ? tls_context_ref(s->v[i]) : NULL;
    return copy;
}

struct tls_set *tls_set_ref(struct tls_set *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void tls_set_unref(struct tls_set *s)
{
    if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < s->n; i++)
        tls_context_unref(s->v[i]);
    mem_free(s);
}

size_t tls_set_size(const struct tls_set *s)
{
    return s->n;
}

struct tls_context *tls_set_at(const struct tls_set *s, size_t listener)
{
    assert(listener < s->n);
    return s->v[listener];
}

void tls_set_put(struct tls_set *s, size_t listener, struct tls_context *c)
{
    assert(listener < s->n);
    tls_context_unref(s->v[listener]);
    s->v[listener] = c;
}

struct tls_settings tls_set_settings(const struct config_listener *c, const struct tls_common *common)
{
    struct tls_settings s = config_tls_settings(c);
    s.keylog = common->keylog;
    s.tickets = c->ticket_lifetime > 0 ? common->tickets : NULL;
    s.ticket_lifetime = c->ticket_lifetime;
    s.policy = c->name;
    return s;
}

struct tls_context *tls_set_make(const struct tls_settings *s, const char *name, char *err, size_t err_cap)
{
    char why[LINE];
    const char *setting = NULL;
    struct tls_context *t = tls_context_new(s, why, sizeof(why), &setting);
    if (t == NULL)
        snprintf(err, err_cap, "[listener.%s] %s: %s", name, setting != NULL ? setting : "tls", why);
    return t;
}

void tls_set_warn(const struct tls_context *t, const char *name)
{
    const struct tls_warning *v;
    size_t n = tls_context_warnings(t, &v);
    for (size_t i = 0; i < n; i++)
        log_event(LOG_WARN, "tls.warning", LF_STR("listener", name), LF_STR("reason", v[i].reason),
                  LF_STR("hint", v[i].hint), LF_STR(v[i].file != NULL ? "file" : NULL, v[i].file));
}
