/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The publishers: each has its PUBLISH encoded once; a burst copies it as often as there are messages, with a fresh
 * packet id and number in each copy, and is one write. At QoS 1 and 2 a publisher has a window of packet ids. With
 * topic aliases the first message of all has the topic and its alias, the others have the alias alone.
 */
#ifndef BENCH_PUBLISH_H
#define BENCH_PUBLISH_H

#include <stdbool.h>
#include <stdint.h>

#include "net.h"

struct publisher {
    struct net_conn conn; /* first */
    uint64_t next;        /* number of its next message */
    char *topic;
    size_t topic_size;
    uint8_t *first, *packet; /* encoded: its first message, and all others */
    struct packet_publish first_made, made;
    uint16_t *free_ids; /* a stack */
    uint32_t free_count;
    uint8_t *awaited; /* by packet id: the acknowledgement that must come next; 0: not in flight */
};

/* All publishers together. */
struct publish_counts {
    uint64_t sent;
    uint64_t in_flight;   /* QoS 1 and 2 */
    uint64_t last_answer; /* monotonic clock, ns */
};
extern struct publish_counts publish_counts;

struct publish_rules {
    uint64_t sent_max; /* of publish_counts.sent */
    uint64_t room;     /* messages that may still be sent now */
    /* How many publisher `index` may send now; NULL: any number. */
    uint64_t (*room_of)(const struct publisher *publisher);
};

/* Connects all publishers; `topic_of` writes the topic of one, at most 100 bytes with its zero. */
void publish_open(const struct options *options, uint32_t run, void (*topic_of)(uint32_t index, char *topic));

/* Sends what the rules and windows allow, each publisher in turn, at most 1 MiB. True: more could be sent at once. */
bool publish_some(const struct publish_rules *rules);

const struct publisher *publish_get(uint32_t index);

/* Closes and frees all. */
void publish_close(void);

#endif
