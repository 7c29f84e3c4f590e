/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What several scenarios share beside the rig. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "rig/rig.h"

/* CONNECT by its parts: the name and level of the peer's version, flags, keep-alive 60 (no properties), and the payload
 * in hex. */
static inline void send_raw_connect(struct peer *c, unsigned flags, const char *payload)
{
    char hex[1024];
    const char *name = c->proto == PROTO_31    ? "00 06 4d 51 49 73 64 70 03"
                       : c->proto == PROTO_311 ? "00 04 4d 51 54 54 04"
                                               : "00 04 4d 51 54 54 05";
    const char *props = c->proto == PROTO_5 ? "00" : "";
    size_t bytes = (c->proto == PROTO_31 ? 9u : 7u) + 3 + strlen(props) / 2, digits = 0;
    for (const char *p = payload; *p != '\0'; p++)
        digits += *p != ' ';
    snprintf(hex, sizeof(hex), "10 %02x %s %02x 00 3c %s %s", (unsigned)(bytes + digits / 2), name, flags, props,
             payload);
    rig_send_hex(c, hex);
}

/* A CONNECT that breaks the format: 5.0 is told so, 3.x gets no answer. */
static inline void refuses_malformed_at(struct peer *c, const char *file, int line)
{
    if (c->proto == PROTO_5)
        rig_expect_refused_at(c, REASON_MALFORMED_PACKET, file, line);
    else
        rig_expect_closed_at(c, file, line);
}
#define refuses_malformed(c) refuses_malformed_at((c), __FILE__, __LINE__)

/* The server ends the connection because of an error: 5.0 is told one, whichever. */
static inline void ends_with_an_error_at(struct peer *c, const char *file, int line)
{
    struct packet p;
    if (c->proto == PROTO_5) {
        rig_expect_packet_at(c, PACKET_DISCONNECT, &p, file, line);
        assert_true(p.end.reason >= REASON_UNSPECIFIED);
    }
    rig_expect_closed_at(c, file, line);
}
#define ends_with_an_error(c) ends_with_an_error_at((c), __FILE__, __LINE__)

/* A message could not be stored: 5.0 is told, a connection of 3.x ends, so that it is sent again. */
static inline void is_refused_at(struct peer *c, enum packet_type type, uint16_t id, const char *file, int line)
{
    struct packet p;
    if (c->proto != PROTO_5) {
        rig_expect_closed_at(c, file, line);
        return;
    }
    rig_expect_packet_at(c, type, &p, file, line);
    assert_int_equal(p.ack.id, id);
    assert_int_equal(p.ack.reason, REASON_QUOTA_EXCEEDED);
}
#define is_refused(c, type, id) is_refused_at((c), (type), (id), __FILE__, __LINE__)

/* A failure of the server's own before CONNACK, which may be told (5.0) or not. */
static inline void ends_somehow_at(struct peer *c, const char *file, int line)
{
    struct packet p;
    if (rig_next(c, &p)) {
        assert_int_equal(p.type, PACKET_CONNACK);
        assert_true(p.connack.reason >= REASON_UNSPECIFIED);
    }
    rig_expect_closed_at(c, file, line);
}
#define ends_somehow(c) ends_somehow_at((c), __FILE__, __LINE__)

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

/* An id that lives on that shard. */
static inline const char *id_on(const struct rig *r, unsigned shard, unsigned number)
{
    static char id[8][16];
    static unsigned slot;
    for (unsigned i = 0;; i++) {
        snprintf(id[slot % 8], sizeof(id[0]), "c%u-%u", number, i);
        if (rig_shard_of(r, id[slot % 8]) == shard)
            return id[slot++ % 8];
    }
}

/* A publication that all who want it have no room for: 5.0 is told so, 3.x can't be. */
static inline void publish_refused_at(struct peer *c, const char *topic, const char *payload, const char *file,
                                      int line)
{
    static uint16_t id = 60000;
    struct packet p;
    id = id == 65000 ? 60000 : (uint16_t)(id + 1);
    rig_send_publish(c, topic, payload, 1, false, id);
    rig_expect_packet_at(c, PACKET_PUBACK, &p, file, line);
    assert_int_equal(p.ack.id, id);
    assert_int_equal(p.ack.reason, c->proto == PROTO_5 ? REASON_QUOTA_EXCEEDED : REASON_SUCCESS);
}
#define publish_refused(c, topic, payload) publish_refused_at((c), (topic), (payload), __FILE__, __LINE__)

/* The number behind the first skip bytes. */
static inline unsigned number_in(struct bytes b, size_t skip)
{
    unsigned n = 0;
    for (size_t i = skip; i < b.n && b.p[i] >= '0' && b.p[i] <= '9'; i++)
        n = 10 * n + (unsigned)(b.p[i] - '0');
    return n;
}
