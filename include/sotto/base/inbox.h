/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An inbox: how other threads speak to a loop. One locked FIFO per pair of
 * loops and a lane for control messages. A sender gathers items during its turn and
 * pushes them once; the receiver takes everything at once. Nothing is ever dropped or
 * refused; senders look at inbox_bytes and slow down their own sources.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "sotto/base/list.h"
#include "sotto/base/bytes.h"

struct inbox {
    pthread_mutex_t lock;
    struct list items;
    _Atomic size_t bytes; /* pushed and not yet taken, as said by the senders */
};

void inbox_init(struct inbox *b);
/* Must be empty. */
void inbox_fini(struct inbox *b);
/* Moves all of items (a list head) behind what is there; true if it was empty before: then wake the receiver. */
bool inbox_push(struct inbox *b, struct list *items, size_t bytes);
/* Moves everything into out (an empty list head). */
void inbox_take(struct inbox *b, struct list *out);
static inline size_t inbox_bytes(struct inbox *b)
{
    return atomic_load_explicit(&b->bytes, memory_order_relaxed);
}
