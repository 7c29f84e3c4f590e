/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What waits to be sent on a connection: a chain of 4 KiB chunks from the
 * loop's pool, with references to shared blobs in between (large payloads that go
 * to many are not copied).
 *
 *   first -> [ bytes............ ] -> [ blob ref ] -> [ bytes..   ] <- last
 *              ^ off
 *
 * Appending copies into the last chunk; sending takes vectors from the front and
 * consumes what the kernel took. Empty means that it owns no chunk.
 */
#pragma once

#include "sotto/base/blob.h"
#include "sotto/base/pool.h"

#define OUTQ_CHUNK 4096

struct outq_seg {
    struct outq_seg *next;
    struct blob *blob; /* NULL: the bytes are inline */
    const uint8_t *p;  /* the first byte that is not sent */
    uint32_t n;        /* bytes that are not sent */
    uint32_t room;     /* inline: free bytes behind the used ones */
    uint8_t data[];
};

struct outq {
    struct outq_seg *first, *last;
    size_t bytes; /* not sent yet */
};

void outq_init(struct outq *q);
void outq_fini(struct outq *q, struct pool *pool);

#define OUTQ_ROOM (OUTQ_CHUNK - (uint32_t)sizeof(struct outq_seg))

/* The slow halves of the inline functions; not for others. */
uint8_t *outq_reserve_slow(struct outq *q, struct pool *pool, size_t n);
bool outq_append_slow(struct outq *q, struct pool *pool, const void *p, size_t n);

/* Bytes that fit behind the last ones without another chunk. */
static inline size_t outq_room(const struct outq *q)
{
    return q->last != NULL ? q->last->room : 0;
}

/* The first free byte behind what an inline segment holds. */
static inline uint8_t *outq_end(struct outq_seg *s)
{
    return s->data + (OUTQ_ROOM - s->room);
}

/*
 * Room for n contiguous bytes (0 < n <= OUTQ_ROOM), or NULL without memory; outq_commit follows. Where nothing is
 * committed to an empty queue, it keeps its chunk until the next outq_consume or outq_fini.
 */
static inline uint8_t *outq_reserve(struct outq *q, struct pool *pool, size_t n)
{
    if (q->last != NULL && q->last->room >= n) /* the room of a blob is 0 */
        return outq_end(q->last);
    return outq_reserve_slow(q, pool, n);
}

/* The first n bytes of the reserved room are now in the queue. */
static inline void outq_commit(struct outq *q, size_t n)
{
    q->last->n += (uint32_t)n;
    q->last->room -= (uint32_t)n;
    q->bytes += n;
}

/* Copies n bytes (any n). False without memory: the queue may then hold a part, and its connection must be closed. */
static inline bool outq_append(struct outq *q, struct pool *pool, const void *p, size_t n)
{
    if (q->last == NULL || q->last->room < n)
        return outq_append_slow(q, pool, p, n);
    if (n > 0) {
        memcpy(outq_end(q->last), p, n);
        outq_commit(q, n);
    }
    return true;
}

/* Appends n bytes of b from its offset off by reference; takes a reference of its own. False without memory. */
bool outq_append_blob(struct outq *q, struct pool *pool, struct blob *b, size_t off, size_t n);
/* Up to max views of the front of the queue; returns how many. */
unsigned outq_peek(const struct outq *q, struct bytes *v, unsigned max);
/* n bytes at the front are sent; n <= q->bytes. */
void outq_consume(struct outq *q, struct pool *pool, size_t n);
