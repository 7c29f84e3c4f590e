/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The TLS contexts of all listeners at one time: immutable and counted. Each loop holds one for the connections that
 * it accepts; who is connected holds its own context. So a renewal replaces the set, and nobody else notices.
 */
#pragma once

#include "sotto/server/config.h"

struct tls_keylog;
struct tls_tickets;

struct tls_set;

/* n listeners, all without TLS. */
struct tls_set *tls_set_new(size_t n);
/* The same contexts again, for changes. */
struct tls_set *tls_set_copy(const struct tls_set *s);
struct tls_set *tls_set_ref(struct tls_set *s);
/* NULL is fine. */
void tls_set_unref(struct tls_set *s);
size_t tls_set_size(const struct tls_set *s);
/* NULL: this listener is plain. */
struct tls_context *tls_set_at(const struct tls_set *s, size_t listener);
/* Before the set is shared. Takes the reference; what was there is dropped. */
void tls_set_put(struct tls_set *s, size_t listener, struct tls_context *c);

/* What all contexts of a server have in common; NULL: none. */
struct tls_common {
    struct tls_keylog *keylog;
    struct tls_tickets *tickets;
};

/* The settings of a listener's context: c, which they point into, and what is common. */
struct tls_settings tls_set_settings(const struct config_listener *c, const struct tls_common *common);
/* Its context; NULL with one line in err: "[listener.NAME] key: ...". */
struct tls_context *tls_set_make(const struct tls_settings *s, const char *name, char *err, size_t err_cap);
/* Says in the log what will trouble some clients. */
void tls_set_warn(const struct tls_context *t, const char *name);
