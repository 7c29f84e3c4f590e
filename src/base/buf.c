/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sotto/base/buf.h"

#include <assert.h>

#include "sotto/base/mem.h"

#define BUF_MIN 256

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_fini(struct buf *b)
{
    if (b->p != NULL)
        mem_free(b->p - b->head);
    buf_init(b, b->max);
}

/* Doubles, so that appending is linear, but never allocates more than the cap. */
static size_t next_size(const struct buf *b, size_t need)
{
    size_t size = b->n <= b->max / 2 ? 2 * b->n : b->max;
    if (size < BUF_MIN)
        size = BUF_MIN;
    if (size > b->max)
        size = b->max;
    return size < need ? need : size;
}

static bool move_to_new_block(struct buf *b, size_t need)
{
    size_t size = next_size(b, need);
    uint8_t *block = mem_try_realloc(NULL, size);
    if (block == NULL)
        return false;
    if (b->p != NULL) {
        memcpy(block, b->p, b->n);
        mem_free(b->p - b->head);
    }
    b->p = block;
    b->cap = size;
    b->head = 0;
    return true;
}

uint8_t *buf_reserve(struct buf *b, size_t n)
{
    if (n > b->max || b->n > b->max - n)
        return NULL;
    if (b->p != NULL && b->cap - b->n >= n)
        return b->p + b->n;
    /* Slide to the front when that frees enough and moves no more than was consumed (else it costs O(n^2)). */
    if (b->p != NULL && b->head >= b->n && b->head + b->cap - b->n >= n) {
        memmove(b->p - b->head, b->p, b->n);
        b->p -= b->head;
        b->cap += b->head;
        b->head = 0;
        return b->p + b->n;
    }
    return move_to_new_block(b, b->n + n) ? b->p + b->n : NULL;
}

void buf_commit(struct buf *b, size_t n)
{
    assert(n <= b->cap - b->n);
    b->n += n;
    if (b->n == 0)
        buf_fini(b);
}

bool buf_append(struct buf *b, const void *p, size_t n)
{
    if (n == 0)
        return true;
    uint8_t *room = buf_reserve(b, n);
    if (room == NULL)
        return false;
    memcpy(room, p, n);
    b->n += n;
    return true;
}

void buf_consume(struct buf *b, size_t n)
{
    assert(n <= b->n);
    if (n == b->n) {
        buf_fini(b);
        return;
    }
    b->p += n;
    b->n -= n;
    b->cap -= n;
    b->head += n;
}
