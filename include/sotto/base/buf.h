/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A growable buffer of bytes with a cap given at birth: append at the back,
 * consume at the front. Empty means that it owns no memory: consuming the last
 * byte frees it, so an idle connection holds nothing.
 */
#pragma once

#include "sotto/base/bytes.h"

struct buf {
    uint8_t *p;  /* first byte in use; NULL when nothing is allocated */
    size_t n;    /* bytes in use */
    size_t cap;  /* bytes from p to the end of the block */
    size_t head; /* bytes in front of p within the block */
    size_t max;  /* more than this is refused */
};

void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);
/* Room for n more bytes behind the used ones, or NULL (over the cap, or no memory). Follow with buf_commit. */
uint8_t *buf_reserve(struct buf *b, size_t n);
/* n bytes of the reserved room are now in use. */
void buf_commit(struct buf *b, size_t n);
/* False when over the cap or out of memory; then nothing is changed. */
bool buf_append(struct buf *b, const void *p, size_t n);
/* Drops n bytes from the front; n <= b->n. */
void buf_consume(struct buf *b, size_t n);
