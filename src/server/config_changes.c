/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config_changes.h"

#include <stdio.h>
#include <string.h>

#include "config_schema.h"

struct names {
    char *out;
    size_t used, cap;
};

static void name_it(struct names *n, const char *section, const char *key)
{
    if (n->used < n->cap)
        n->used += (size_t)snprintf(n->out + n->used, n->cap - n->used, "%s[%s]%s%s", n->used > 0 ? ", " : "", section,
                                    key[0] != '\0' ? " " : "", key);
}

static bool texts_differ(const char *a, const char *b)
{
    return (a == NULL) != (b == NULL) || (a != NULL && strcmp(a, b) != 0);
}

static const char *text_of(const void *base, const struct config_key *k)
{
    return *config_value_text((void *)(uintptr_t)base, k);
}

static bool differs(const void *a, const void *b, const struct config_key *k)
{
    switch (k->type) {
    case VALUE_TEXT:
    case VALUE_PATH:
    case VALUE_ADDRESS:
        return texts_differ(text_of(a, k), text_of(b, k));
    case VALUE_TARGET: {
        const struct log_config *x = &((const struct config *)a)->log, *y = &((const struct config *)b)->log;
        return x->target != y->target || texts_differ(x->path, y->path);
    }
    case VALUE_PAIR_PATH:
        return false;
    default:
        return k->width > 0 && memcmp((const char *)a + k->offset, (const char *)b + k->offset, k->width) != 0;
    }
}

/* What a running broker takes up: see reload.c. Certificates are groups, and never come here. */
static bool is_live(const struct config_key *k)
{
    static const char *const live[][2] = {{"log", "level"},
                                          {"auth", "users"},
                                          {"auth", "anonymous"}, /* only what listeners take from it counts */
                                          {"listener", "client_ca"},
                                          {"listener", "client_cert"},
                                          {"listener", "client_cert_user"},
                                          {"listener", "crl"},
                                          {"listener", "psk_file"},
                                          {"listener", "min_version"},
                                          {"listener", "max_version"},
                                          {"listener", "ciphers"}};
    for (size_t i = 0; i < sizeof(live) / sizeof(live[0]); i++) {
        if (strcmp(k->section, live[i][0]) == 0 && strcmp(k->name, live[i][1]) == 0)
            return true;
    }
    return false;
}

const struct config_listener *config_changes_listener(const struct config *c, const char *name)
{
    for (size_t i = 0; i < c->listeners_n; i++) {
        if (strcmp(c->listeners[i].name, name) == 0)
            return &c->listeners[i];
    }
    return NULL;
}

static bool same_pair(const struct tls_pair_files *a, const struct tls_pair_files *b)
{
    return !texts_differ(a->cert, b->cert) && !texts_differ(a->key, b->key) && !texts_differ(a->chain, b->chain) &&
           !texts_differ(a->key_passphrase_file, b->key_passphrase_file);
}

bool config_changes_same_tls(const struct config_listener *a, const struct config_listener *b)
{
    bool same = a->pairs_n == b->pairs_n;
    for (size_t i = 0; same && i < a->pairs_n; i++)
        same = same_pair(&a->pairs[i], &b->pairs[i]);
    for (const struct config_key *k = config_keys; same && k->name != NULL; k++)
        same = strcmp(k->section, "listener") != 0 || !is_live(k) || !differs(a, b, k);
    return same;
}

static void compare_listeners(struct names *n, const struct config *old, const struct config_listener *l)
{
    char section[80];
    const struct config_listener *before = config_changes_listener(old, l->name);
    snprintf(section, sizeof(section), "listener.%s", l->name);
    if (before == NULL)
        name_it(n, section, "");
    for (const struct config_key *k = config_keys; k->name != NULL && before != NULL; k++) {
        if (strcmp(k->section, "listener") == 0 && !is_live(k) && differs(before, l, k))
            name_it(n, section, k->name);
    }
}

void config_changes_for_restart(const struct config *old, const struct config *fresh, char *out, size_t cap)
{
    struct names n = {.out = out, .cap = cap};
    char section[80];
    out[0] = '\0';
    for (const struct config_key *k = config_keys; k->name != NULL; k++) {
        if (strcmp(k->section, "listener") != 0 && !is_live(k) && differs(old, fresh, k))
            name_it(&n, k->section, k->name);
    }
    for (size_t i = 0; i < fresh->listeners_n; i++)
        compare_listeners(&n, old, &fresh->listeners[i]);
    for (size_t i = 0; i < old->listeners_n; i++) {
        snprintf(section, sizeof(section), "listener.%s", old->listeners[i].name);
        if (config_changes_listener(fresh, old->listeners[i].name) == NULL)
            name_it(&n, section, "");
    }
}
