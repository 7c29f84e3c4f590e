/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether the messages of one publisher reached one subscriber: all, once, in order. Numbers that were jumped over are
 * kept as ranges, so that a message that comes late is told from a second copy, whenever it comes.
 */
#ifndef BENCH_CHECK_H
#define BENCH_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet.h"

#define CHECK_GAPS 1024 /* ranges kept for a stream; beyond them the oldest is forgotten */

struct check_gap {
    uint64_t from, to; /* missing: from <= n < to */
};

/* One publisher as one subscriber sees it. All zero is a stream that starts at number 0. */
struct check_stream {
    uint64_t next;          /* the number after the highest one that came */
    struct check_gap *gaps; /* ascending; NULL until something is missing */
    uint32_t gap_count;
};

struct check_totals {
    uint64_t received;   /* each message once */
    uint64_t duplicated; /* copies beyond the first */
    uint64_t reordered;  /* came after a higher number */
    uint64_t forgotten;  /* missing numbers of ranges that were forgotten: a late one counts as duplicated */
};

/* Message `number` has come. Returns by how much `next` went on: 1 for the expected one, more over a gap, 0 otherwise.
 */
uint64_t check_arrival(struct check_stream *stream, uint64_t number, struct check_totals *totals);

/*
 * Has the delivery the topic that `publisher` writes to? A topic alias is resolved: `aliases`, of one subscriber's
 * connection and all zero at first, keeps for each alias whose topic the broker set it to, plus one. An alias that was
 * set to any other topic, or beyond PACKET_ALIASES, stands for none.
 */
bool check_topic(uint32_t aliases[PACKET_ALIASES], const struct packet_delivery *delivery, uint32_t publisher,
                 const char *topic, size_t topic_size);

/* Frees what the stream holds. */
void check_fini(struct check_stream *stream);

#endif
