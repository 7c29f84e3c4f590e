/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the scenarios of 5.0 share. */
#pragma once

#include "scenario.h"

#define PROPS(...) (&(struct props){__VA_ARGS__})
/* One property with a number: NUMBER(SESSION_EXPIRY, session_expiry, 10). */
#define NUMBER(prop, field, value) PROPS(.has = RIG_HAS(prop), .field = (value))
#define EXPIRES(seconds) NUMBER(SESSION_EXPIRY, session_expiry, (seconds))
#define MESSAGE_EXPIRES(seconds) NUMBER(MESSAGE_EXPIRY, message_expiry, (seconds))
/* A session that is kept, and a receive maximum. */
#define KEPT_WINDOW(most)                                                                                              \
    PROPS(.has = RIG_HAS(SESSION_EXPIRY) | RIG_HAS(RECEIVE_MAXIMUM), .session_expiry = RIG_FOREVER,                    \
          .receive_maximum = (most))

#define SECOND ((msec)1000)

/* A packet by its first byte and its body in hex; the length is put in. */
static inline void send_body(struct peer *c, unsigned first, const char *body)
{
    size_t digits = 0;
    char head[8];
    for (const char *p = body; *p != '\0'; p++)
        digits += *p != ' ';
    assert_in_range(digits / 2, 0, 127);
    snprintf(head, sizeof(head), "%02x %02x", first, (unsigned)(digits / 2));
    rig_send_hex(c, head);
    rig_send_hex(c, body);
}

/* The next packet is a PUBLISH of that topic and payload; its properties are in p. */
static inline void expect_message_at(struct peer *c, const char *topic, const char *payload, struct packet *p,
                                     const char *file, int line)
{
    rig_expect_packet_at(c, PACKET_PUBLISH, p, file, line);
    if (!bytes_equal(p->publish.topic, bytes_str(topic)) || !bytes_equal(p->publish.payload, bytes_str(payload))) {
        print_error("expected %s \"%s\", got %.*s \"%.*s\"\n", topic, payload, (int)p->publish.topic.n,
                    (const char *)p->publish.topic.p, (int)p->publish.payload.n, (const char *)p->publish.payload.p);
        _fail(file, line);
    }
}
#define expect_message(c, topic, payload, p) expect_message_at((c), (topic), (payload), (p), __FILE__, __LINE__)

static inline void assert_text(struct bytes b, const char *text)
{
    assert_int_equal(b.n, strlen(text));
    assert_memory_equal(b.p, text, b.n);
}
