/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What most tests begin and end with, in MQTT 3.1.1. */
#include "e2e/e2e.h"

void peer_ping(struct peer *p)
{
    peer_send(p, "c0 00");
    peer_expect(p, "d0 00");
}

void peer_drain(struct peer *p)
{
    uint8_t first, *body;
    size_t size;

    peer_send(p, "c0 00");
    do {
        first = peer_read_packet(p, &body, &size);
        free(body);
    } while (first != 0xd0);
}

void peer_connect(struct peer *p, const char *name, bool clean, bool expect_session)
{
    peer_packet(p, 0x10, "<MQTT> 04 %02x 0000 <%s>", clean ? 2u : 0u, name);
    peer_expect(p, "20 02 %02x 00", expect_session ? 1u : 0u);
}

void peer_subscribe(struct peer *p, uint16_t id, const char *filter, unsigned qos)
{
    peer_packet(p, 0x82, "%04x <%s> %02x", id, filter, qos);
    peer_expect(p, "90 03 %04x %02x", id, qos);
}

void peer_disconnect(struct peer *p)
{
    peer_send(p, "e0 00");
    peer_expect_close(p);
    peer_close(p);
}

uint16_t peer_expect_publish(struct peer *p, uint8_t flags, const char *topic, const char *payload)
{
    uint8_t *body;
    size_t size, topic_size = strlen(topic), payload_size = strlen(payload), id_size = flags & 6 ? 2 : 0;
    uint16_t id = 0;
    uint8_t first = peer_read_packet(p, &body, &size);

    if (first != (0x30 | flags) || size != 2 + topic_size + id_size + payload_size ||
        memcmp(body + 2, topic, topic_size) != 0 || memcmp(body + 2 + topic_size + id_size, payload, payload_size) != 0)
        fail_msg("expected PUBLISH %02x %s '%s', received first byte %02x and %zu bytes '%.200s'", 0x30u | flags, topic,
                 payload, first, size, size > 2 ? (char *)body + 2 : "");
    if (id_size > 0) {
        id = (uint16_t)(body[2 + topic_size] << 8 | body[3 + topic_size]);
        assert_int_not_equal(id, 0);
    }
    free(body);
    return id;
}

struct peer *client(uint16_t port, const char *name)
{
    struct peer *p = peer_tcp(port);
    peer_connect(p, name, true, false);
    return p;
}

struct peer *durable_client(uint16_t port, const char *name, bool expect_session)
{
    struct peer *p = peer_tcp(port);
    peer_connect(p, name, false, expect_session);
    return p;
}
