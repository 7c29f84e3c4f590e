/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The few packets of MQTT 3.1.1 and 5.0 that the load needs, written and read by hand: the load must not share a codec,
 * and its faults, with the broker under test.
 */
#ifndef BENCH_PACKET_H
#define BENCH_PACKET_H

#include <stdbool.h>
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
#define PACKET_CONNECT_MAX 640 /* bytes of a CONNECT: id up to 100, user and password up to 200, 5.0 */
#define PACKET_ALIASES 64      /* that a subscriber allows the broker */
#define PACKET_SUBSCRIBE_MAX 200
#define PACKET_STAMP 16 /* bytes at the start of each payload: run, publisher, number */

/* One packet in a buffer. */
struct packet_frame {
    uint8_t head;
    const uint8_t *body;
    size_t body_size;
    size_t size; /* the whole packet; 0: not whole yet */
};

/* What a client says of itself, and offers in 5.0. */
struct packet_client {
    const char *id, *user, *password; /* NULL: no user, no password */
    bool v5;
    bool kept;            /* 3.1.1: the session outlives the connection */
    uint16_t receive_max; /* 5.0: 0: not said */
    uint16_t alias_max;   /* 5.0: 0: not said */
};

/* What a CONNACK says that the load has to keep to. */
struct packet_terms {
    uint8_t code; /* 0: welcome */
    uint16_t receive_max;
    uint16_t alias_max;
};

/* A PUBLISH to encode. */
struct packet_model {
    const char *topic;
    bool v5;
    uint16_t alias; /* 5.0: 0: none */
    int qos;
    size_t payload;
};

/* A PUBLISH that came, in views of its frame. */
struct packet_delivery {
    const uint8_t *topic;
    size_t topic_size; /* 0: 5.0, the alias stands for it */
    uint16_t alias;    /* 0: none */
    const uint8_t *id; /* two bytes at QoS 1 and 2, else NULL */
    const uint8_t *payload;
    size_t payload_size;
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

/* Each writes one packet and returns its size. */
size_t packet_connect(uint8_t *out, const struct packet_client *client);
size_t packet_subscribe(uint8_t *out, const char *filter, int qos, bool v5);

/* The size of this PUBLISH, at most. */
size_t packet_publish_max(const struct packet_model *model);
void packet_publish(uint8_t *out, const struct packet_model *model, struct packet_publish *made);

/* Reads the packet at `data`. Returns 0, or -1 where the length is malformed. */
int packet_read(struct packet_frame *frame, const uint8_t *data, size_t size);

/* False: malformed. */
bool packet_read_connack(const struct packet_frame *frame, bool v5, struct packet_terms *terms);

/* False: malformed, or with a property other than one topic alias: no other was published. */
bool packet_read_publish(const struct packet_frame *frame, bool v5, struct packet_delivery *delivery);

/* PUBACK and the like: two bytes of packet id, and in 5.0 a reason and no properties. False: malformed or a refusal. */
bool packet_is_success(const struct packet_frame *frame, bool v5);

/* SUBACK of the subscription that packet_subscribe makes: granted with this QoS? */
bool packet_is_granted(const struct packet_frame *frame, bool v5, int qos);

/* The stamp goes into and comes out of the first 16 bytes of a payload. */
void packet_stamp_put(uint8_t *payload, const struct packet_stamp *stamp);
void packet_stamp_get(struct packet_stamp *stamp, const uint8_t *payload);

#endif
