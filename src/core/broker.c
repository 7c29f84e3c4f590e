/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What all shards share: made before them, freed after them. */
#include "core_private.h"

#include <assert.h>

struct broker *broker_new(const struct broker_config *c)
{
    assert(c->shards > 0);
    struct broker *b = mem_alloc(sizeof(*b));
    size_t pairs = (size_t)c->shards * c->shards;
    b->limits = c->limits;
    b->n = c->shards;
    hash_key_draw(&b->key);
    b->index = index_new(&b->key);
    b->retained = retained_new(&b->key, c->limits.max_retained_messages, c->limits.max_retained_bytes);
    b->mail = mem_alloc(pairs * sizeof(*b->mail));
    b->mail_awaited = mem_alloc(pairs * sizeof(*b->mail_awaited));
    b->home = mem_alloc(c->shards * sizeof(*b->home));
    for (size_t i = 0; i < pairs; i++)
        inbox_init(&b->mail[i]);
    for (unsigned i = 0; i < c->shards; i++)
        inbox_init(&b->home[i]);
    return b;
}

void broker_free(struct broker *b)
{
    if (b == NULL)
        return;
    for (size_t i = 0; i < (size_t)b->n * b->n; i++)
        inbox_fini(&b->mail[i]);
    promise_free_all(b);
    for (unsigned i = 0; i < b->n; i++)
        inbox_fini(&b->home[i]);
    mem_free(b->home);
    mem_free(b->mail);
    mem_free(b->mail_awaited);
    retained_free(b->retained);
    index_free(b->index);
    mem_free(b);
}
