/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What several scenarios share beside the rig. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "rig/rig.h"

/* CONNECT by its parts: the name and level of the peer's version, flags, keep-alive 60, and the payload in hex. */
static inline void send_raw_connect(struct peer *c, unsigned flags, const char *payload)
{
    char hex[1024];
    const char *name = c->proto == PROTO_31 ? "00 06 4d 51 49 73 64 70 03" : "00 04 4d 51 54 54 04";
    size_t bytes = (c->proto == PROTO_31 ? 9u : 7u) + 3, digits = 0;
    for (const char *p = payload; *p != '\0'; p++)
        digits += *p != ' ';
    snprintf(hex, sizeof(hex), "10 %02x %s %02x 00 3c %s", (unsigned)(bytes + digits / 2), name, flags, payload);
    rig_send_hex(c, hex);
}

/* A connection that sends hex as soon as it is accepted is closed without an answer, and the broker goes on. */
static inline void closes_on_at(struct rig *r, const char *hex, const char *file, int line)
{
    struct peer *c = rig_connect_at(r, &(struct rig_connect){.id = "closes-on", .clean = true}, file, line);
    rig_send_hex(c, hex);
    rig_expect_closed_at(c, file, line);
}
#define closes_on(r, hex) closes_on_at((r), (hex), __FILE__, __LINE__)

/* The n-th of a row of payloads; valid until the 8th next call. */
static inline const char *numbered(unsigned n)
{
    static char text[8][16];
    static unsigned next;
    char *t = text[next++ % 8];
    snprintf(t, sizeof(text[0]), "m%u", n);
    return t;
}

/* The number behind the first skip bytes. */
static inline unsigned number_in(struct bytes b, size_t skip)
{
    unsigned n = 0;
    for (size_t i = skip; i < b.n && b.p[i] >= '0' && b.p[i] <= '9'; i++)
        n = 10 * n + (unsigned)(b.p[i] - '0');
    return n;
}
