/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sotto/base/blob.h"

#include <assert.h>

#include "sotto/base/mem.h"

struct blob *blob_new(size_t n)
{
    if (n > UINT32_MAX)
        return NULL;
    struct blob *b = mem_try_realloc(NULL, sizeof(*b) + n);
    if (b == NULL)
        return NULL;
    atomic_init(&b->refs, 1);
    b->n = (uint32_t)n;
    return b;
}

struct blob *blob_ref(struct blob *b)
{
    unsigned before = atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    assert(before > 0 && before < UINT32_MAX);
    (void)before;
    return b;
}

void blob_drop(struct blob *b)
{
    /* The last holder needs no read-modify-write: nobody else can add a reference any more. */
    if (atomic_load_explicit(&b->refs, memory_order_acquire) != 1 &&
        atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
        return;
    mem_free(b);
}
