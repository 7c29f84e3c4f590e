/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Free lists of blocks in a few size classes, for one thread: a loop's messages
 * and output chunks. An allocation is a pop, a return is a push; what is kept is bounded.
 * Larger sizes go to mem_try_alloc. Blocks are not zeroed.
 */
#pragma once

#include "sotto/base/bytes.h"

#if defined(__has_include)
#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>
#endif
#endif

/* With AddressSanitizer, what lies in a free list may not be touched; otherwise nothing. */
#ifdef ASAN_POISON_MEMORY_REGION
#define POOL_POISON(p, n) ASAN_POISON_MEMORY_REGION((p), (n))
#define POOL_UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#else
#define POOL_POISON(p, n) ((void)(p), (void)(n))
#define POOL_UNPOISON(p, n) ((void)(p), (void)(n))
#endif

#define POOL_CLASSES 8 /* 64, 128, 256, ... 8192 bytes */
#define POOL_SMALLEST ((size_t)64)
#define POOL_LARGEST ((size_t)8192)
#define POOL_KEEP_BYTES (1024u * 1024) /* kept per class ... */
#define POOL_KEEP_BLOCKS 512u          /* ... or so many blocks, whichever is more */

/* The free blocks of a class. Kept beside them, not as a chain through them: a get does not wait for the block itself,
 * which may have left the processor's caches long ago. */
struct pool_class {
    void **v;
    uint32_t n, cap;
};

struct pool {
    struct pool_class classes[POOL_CLASSES];
};

void pool_init(struct pool *p);
void pool_fini(struct pool *p);
/* Gives the free blocks back to the system. */
void pool_trim(struct pool *p);
/* Bytes of the blocks that are free. */
size_t pool_kept(const struct pool *p);

/* The two halves behind the inline ones; not for others. */
void *pool_get_slow(size_t n);
void pool_put_slow(struct pool *p, void *block, size_t n);

/* The class of a size up to POOL_LARGEST. */
static inline unsigned pool_class(size_t n)
{
    return 58 - (unsigned)__builtin_clzll((unsigned long long)(n - (n > 0)) | (POOL_SMALLEST - 1));
}

/* NULL without memory. */
static inline void *pool_get(struct pool *p, size_t n)
{
    if (n > POOL_LARGEST)
        return pool_get_slow(n);
    struct pool_class *c = &p->classes[pool_class(n)];
    if (c->n == 0)
        return pool_get_slow(n);
    void *block = c->v[--c->n];
    POOL_UNPOISON(block, n);
    return block;
}

/* n as in pool_get. NULL is fine. */
static inline void pool_put(struct pool *p, void *block, size_t n)
{
    if (block == NULL)
        return;
    struct pool_class *c = n <= POOL_LARGEST ? &p->classes[pool_class(n)] : NULL;
    if (c == NULL || c->n == c->cap) {
        pool_put_slow(p, block, n);
        return;
    }
    c->v[c->n++] = block;
    POOL_POISON(block, POOL_SMALLEST << pool_class(n));
}
