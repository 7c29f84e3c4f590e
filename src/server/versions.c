/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sotto/server/versions.h"

#include <argon2.h>
#include <stdio.h>
#include <uv.h>

#include "sotto/store/durable.h"
#include "sotto/transport/tls_context.h"
#include "sotto/transport/tls_features.h"

/* inih and libargon2 don't say their own version; the build asks pkg-config. */
#ifndef SOTTO_INIH_VERSION
#define SOTTO_INIH_VERSION "(version not known to the build)"
#endif
#ifndef SOTTO_ARGON2_VERSION
#define SOTTO_ARGON2_VERSION "(version not known to the build)"
#endif

void versions_write(void (*put)(void *ctx, const char *text), void *ctx)
{
    char line[320], list[256];
    (void)tls_init(); /* which AES it will use is found out there */
    snprintf(line, sizeof line, "sotto %s\n", SOTTO_VERSION);
    put(ctx, line);
    snprintf(line, sizeof line, "libuv %s\n%s\n", uv_version_string(), tls_library());
    put(ctx, line);
    for (int have = 1; have >= 0; have--) {
        tls_features_list(have == 1, list, sizeof list);
        snprintf(line, sizeof line, "    %s: %s\n", have == 1 ? "with" : "without", list[0] != '\0' ? list : "-");
        put(ctx, line);
    }
    snprintf(line, sizeof line, "inih %s\nlibargon2 %s, Argon2 version %x\n", SOTTO_INIH_VERSION, SOTTO_ARGON2_VERSION,
             (unsigned)ARGON2_VERSION_NUMBER);
    put(ctx, line);
    snprintf(line, sizeof line, "SQLite %s\n", durable_library());
    put(ctx, line);
    tls_fini();
}
