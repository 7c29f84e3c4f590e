/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The bounded way from one thread to the log thread: one writer, one reader, no
 * lock. head and tail count bytes since the beginning and never wrap in practice. Rings are
 * never freed while the log can run: the ring of a thread that ended waits for
 * the next new thread, so that neither side ever meets one that is going away. Part of the log.
 */
#pragma once

#include <stdatomic.h>

#include "sotto/base/log_record.h"

#define LOG_RING_BYTES 65536u

struct log_ring {
    struct log_ring *next; /* written before the ring is published, then constant */
    atomic_bool claimed;   /* a thread writes to it */
    _Atomic uint64_t lost; /* events that found no room and were not yet told of */
    _Alignas(64) _Atomic uint64_t head;
    _Alignas(64) _Atomic uint64_t tail;
    uint8_t data[LOG_RING_BYTES];
};

/* A ring of its own for the calling thread: a free one of the list, or a new one put into it. Aborts without memory. */
struct log_ring *log_ring_claim(_Atomic(struct log_ring *) *list);
/* The calling thread will not write any more. */
void log_ring_release(struct log_ring *ring);
/* Copies the record in; where there is no room it is counted as lost. Only by the ring's thread. */
void log_ring_push(struct log_ring *ring, const struct log_record *r);
/* More than half full. */
bool log_ring_crowded(const struct log_ring *ring);
/* The time of the oldest record, false when empty. Only by the log thread, like the next one. */
bool log_ring_time(struct log_ring *ring, int64_t *time_ms);
/* Takes the oldest record out into room; the ring is not empty. */
struct log_record *log_ring_pop(struct log_ring *ring, union log_record_room *room);
