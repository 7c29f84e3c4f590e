/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sotto/base/inbox.h"

#include <assert.h>

void inbox_init(struct inbox *b)
{
    pthread_mutex_init(&b->lock, NULL);
    list_init(&b->items);
    atomic_init(&b->bytes, 0);
}

void inbox_fini(struct inbox *b)
{
    assert(list_empty(&b->items));
    pthread_mutex_destroy(&b->lock);
}

bool inbox_push(struct inbox *b, struct list *items, size_t bytes)
{
    pthread_mutex_lock(&b->lock);
    bool was_empty = list_empty(&b->items);
    bool wake = was_empty && !list_empty(items);
    list_splice(&b->items, items);
    atomic_fetch_add_explicit(&b->bytes, bytes, memory_order_relaxed);
    pthread_mutex_unlock(&b->lock);
    return wake;
}

void inbox_take(struct inbox *b, struct list *out)
{
    assert(list_empty(out));
    pthread_mutex_lock(&b->lock);
    list_splice(out, &b->items);
    atomic_store_explicit(&b->bytes, 0, memory_order_relaxed);
    pthread_mutex_unlock(&b->lock);
}
