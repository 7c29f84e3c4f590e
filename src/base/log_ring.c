/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sotto/base/log_ring.h"

#include <assert.h>

#include "sotto/base/mem.h"

static bool claim(struct log_ring *ring)
{
    bool expected = false;
    return atomic_compare_exchange_strong_explicit(&ring->claimed, &expected, true, memory_order_acq_rel,
                                                   memory_order_relaxed);
}

struct log_ring *log_ring_claim(_Atomic(struct log_ring *) *list)
{
    for (struct log_ring *r = atomic_load_explicit(list, memory_order_acquire); r != NULL; r = r->next) {
        if (claim(r))
            return r;
    }
    /* mem_alloc doesn't align to 64; the rounding up is never undone, as rings are kept for good. */
    char *block = mem_alloc(sizeof(struct log_ring) + 63);
    struct log_ring *ring = (struct log_ring *)(void *)(block + (63 & -(uintptr_t)block));
    atomic_init(&ring->claimed, true);
    ring->next = atomic_load_explicit(list, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(list, &ring->next, ring, memory_order_acq_rel, memory_order_relaxed))
        ;
    return ring;
}

void log_ring_release(struct log_ring *ring)
{
    atomic_store_explicit(&ring->claimed, false, memory_order_release);
}

static void copy_in(struct log_ring *ring, uint64_t at, const uint8_t *p, size_t n)
{
    size_t i = at % LOG_RING_BYTES;
    size_t part = n < LOG_RING_BYTES - i ? n : LOG_RING_BYTES - i;
    memcpy(ring->data + i, p, part);
    memcpy(ring->data, p + part, n - part);
}

static void copy_out(const struct log_ring *ring, uint64_t at, uint8_t *p, size_t n)
{
    size_t i = at % LOG_RING_BYTES;
    size_t part = n < LOG_RING_BYTES - i ? n : LOG_RING_BYTES - i;
    memcpy(p, ring->data + i, part);
    memcpy(p + part, ring->data, n - part);
}

void log_ring_push(struct log_ring *ring, const struct log_record *r)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint64_t used = tail - atomic_load_explicit(&ring->head, memory_order_acquire);
    if (r->size > LOG_RING_BYTES - used) {
        atomic_fetch_add_explicit(&ring->lost, 1, memory_order_relaxed);
        return;
    }
    copy_in(ring, tail, (const uint8_t *)r, r->size);
    atomic_store_explicit(&ring->tail, tail + r->size, memory_order_release);
}

static uint64_t used_bytes(const struct log_ring *ring)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    return atomic_load_explicit(&ring->tail, memory_order_acquire) - head;
}

bool log_ring_crowded(const struct log_ring *ring)
{
    return used_bytes(ring) > LOG_RING_BYTES / 2;
}

bool log_ring_time(struct log_ring *ring, int64_t *time_ms)
{
    struct log_record head;
    if (used_bytes(ring) == 0)
        return false;
    copy_out(ring, atomic_load_explicit(&ring->head, memory_order_relaxed), (uint8_t *)&head, sizeof(head));
    *time_ms = head.time_ms;
    return true;
}

struct log_record *log_ring_pop(struct log_ring *ring, union log_record_room *room)
{
    uint64_t at = atomic_load_explicit(&ring->head, memory_order_relaxed);
    struct log_record *r = (struct log_record *)(void *)room->raw;
    copy_out(ring, at, room->raw, sizeof(*r));
    assert(r->size >= sizeof(*r) && r->size <= LOG_RECORD_MAX);
    copy_out(ring, at, room->raw, r->size);
    atomic_store_explicit(&ring->head, at + r->size, memory_order_release);
    return r;
}
