/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "fail.h"

static void remove_gap(struct check_stream *stream, uint32_t at)
{
    stream->gap_count--;
    memmove(&stream->gaps[at], &stream->gaps[at + 1], (stream->gap_count - at) * sizeof stream->gaps[0]);
}

static void insert_gap(struct check_stream *stream, uint32_t at, uint64_t from, uint64_t to,
                       struct check_totals *totals)
{
    if (!stream->gaps)
        stream->gaps = fail_alloc(CHECK_GAPS, sizeof stream->gaps[0]);
    if (stream->gap_count == CHECK_GAPS) {
        totals->forgotten += stream->gaps[0].to - stream->gaps[0].from;
        remove_gap(stream, 0);
        at = at ? at - 1 : 0;
    }
    memmove(&stream->gaps[at + 1], &stream->gaps[at], (stream->gap_count - at) * sizeof stream->gaps[0]);
    stream->gaps[at] = (struct check_gap){from, to};
    stream->gap_count++;
}

/* Takes a number out of the range that holds it. False: it is in none, so it came before. */
static bool fill_gap(struct check_stream *stream, uint64_t number, struct check_totals *totals)
{
    for (uint32_t i = 0; i < stream->gap_count; i++) {
        struct check_gap *gap = &stream->gaps[i];
        uint64_t to = gap->to;
        if (number < gap->from || number >= to)
            continue;
        if (gap->from == number)
            gap->from++;
        else
            gap->to = number;
        if (gap->from == gap->to)
            remove_gap(stream, i);
        else if (gap->to == number && number + 1 < to)
            insert_gap(stream, i + 1, number + 1, to, totals);
        return true;
    }
    return false;
}

uint64_t check_arrival(struct check_stream *stream, uint64_t number, struct check_totals *totals)
{
    if (number >= stream->next) {
        uint64_t step = number + 1 - stream->next;
        if (step > 1)
            insert_gap(stream, stream->gap_count, stream->next, number, totals);
        stream->next = number + 1;
        totals->received++;
        return step;
    }
    if (fill_gap(stream, number, totals)) {
        totals->received++;
        totals->reordered++;
    } else {
        totals->duplicated++;
    }
    return 0;
}

bool check_topic(uint32_t aliases[PACKET_ALIASES], const struct packet_delivery *delivery, uint32_t publisher,
                 const char *topic, size_t topic_size)
{
    uint32_t *alias = NULL;
    if (delivery->alias > PACKET_ALIASES)
        return false;
    if (delivery->alias)
        alias = &aliases[delivery->alias - 1];
    if (delivery->topic_size == 0)
        return alias && *alias == publisher + 1;
    bool fits = delivery->topic_size == topic_size && memcmp(delivery->topic, topic, topic_size) == 0;
    if (alias)
        *alias = fits ? publisher + 1 : 0;
    return fits;
}

void check_fini(struct check_stream *stream)
{
    free(stream->gaps);
    stream->gaps = NULL;
    stream->gap_count = 0;
}
