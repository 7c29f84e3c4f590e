/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What works, and will trouble some clients: found when a context is made. */
#pragma once

#include "tls_private.h"

struct tls_warnings {
    struct tls_warning *v;
    size_t n;
};

void tls_warnings_find(struct tls_warnings *w, const struct tls_context *c);
/* Also fine on a zeroed one. */
void tls_warnings_fini(struct tls_warnings *w);
