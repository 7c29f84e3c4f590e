/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a listener's files hold, as sums: whoever takes them twice knows whether anything was changed, and what. Times
 * and file numbers would say less: they change with a copy of the same, and some file systems keep them coarsely.
 */
#pragma once

#include <stddef.h>

#include "sotto/transport/tls_context.h"

#define TLS_SUM 32

struct tls_sum {
    char *path;
    uint8_t sum[TLS_SUM]; /* of its bytes; of why it can't be read where it can't */
    bool readable;
};

struct tls_sums {
    struct tls_sum *v;
    size_t n;
};

/* Reads all files that s names, each once. They may be slow: not on a loop. Any thread; needs tls_init. */
void tls_sums_take(struct tls_sums *out, const struct tls_settings *s);
/* The same files with the same contents? */
bool tls_sums_equal(const struct tls_sums *a, const struct tls_sums *b);
/* Could all of them be read? */
bool tls_sums_readable(const struct tls_sums *s);
/* "server.crt, server.key": the names (without folders) of what is other than in old, cut to cap. */
void tls_sums_changed(const struct tls_sums *s, const struct tls_sums *old, char *out, size_t cap);
/* Also fine on a zeroed one, which it leaves. */
void tls_sums_fini(struct tls_sums *s);
