/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The few MQTT 3.1.1 packets the load needs, written and read by hand: the load must not share a codec, and its faults,
 * with the broker under test.
 */
#ifndef BENCH_PACKET_H
#define BENCH_PACKET_H

#include <stddef.h>
#include <stdint.h>

enum packet_type {
    PACKET_CONNACK = 0x20,
    PACKET_PUBLISH = 0x30,
    PACKET_PUBACK = 0x40,
    PACKET_PUBREC = 0x50,
    PACKET_PUBREL = 0x62,
    PACKET_PUBCOMP = 0x70,
    PACKET_SUBACK = 0x90,
};

#define PACKET_KEEPALIVE 900   /* seconds; longer than any run, since PINGREQ is never sent */
#define PACKET_CONNECT_MAX 640 /* bytes of a CONNECT: id up to 100, user and password up to 200 */
#define PACKET_SUBSCRIBE_MAX 200
#define PACKET_STAMP 16 /* bytes at the start of each payload: run, publisher, number */

/* One packet in a buffer. */
struct packet_frame {
    uint8_t head;
    const uint8_t *body;
    size_t body_size;
    size_t size; /* the whole packet; 0: not whole yet */
};

/* Where the stamp and the packet id lie in a PUBLISH that was encoded beforehand. */
struct packet_publish {
    size_t size;
    size_t id_at; /* 0 at QoS 0 */
    size_t payload_at;
};

/* What a payload says of its message. */
struct packet_stamp {
    uint32_t run; /* drawn for each run: messages of another run are told apart */
    uint32_t publisher;
    uint64_t number;
};

/* Each writes one packet and returns its size. `user` and `password` may be NULL. */
size_t packet_connect(uint8_t *out, const char *id, const char *user, const char *password);
size_t packet_subscribe(uint8_t *out, const char *filter, int qos);

/* The size of a PUBLISH with this topic and payload, at most. */
size_t packet_publish_max(const char *topic, size_t payload);
void packet_publish(uint8_t *out, const char *topic, int qos, size_t payload, struct packet_publish *made);

/* Reads the packet at `data`. Returns 0, or -1 where the length is malformed. */
int packet_read(struct packet_frame *frame, const uint8_t *data, size_t size);

/* The payload of a PUBLISH; `id` gets its two bytes at QoS 1 and 2, else NULL. NULL: malformed. */
const uint8_t *packet_payload(const struct packet_frame *frame, const uint8_t **id, size_t *payload_size);

/* The stamp goes into and comes out of the first 16 bytes of a payload. */
void packet_stamp_put(uint8_t *payload, const struct packet_stamp *stamp);
void packet_stamp_get(struct packet_stamp *stamp, const uint8_t *payload);

#endif
