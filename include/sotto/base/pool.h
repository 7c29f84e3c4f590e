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

struct pool {
    void *free[POOL_CLASSES];
    uint32_t room[POOL_CLASSES]; /* so many more are kept */
};

void pool_init(struct pool *p);
void pool_fini(struct pool *p);
/* Bytes in the free lists. */
size_t pool_kept(const struct pool *p);

/* The two halves behind the inline ones; not for others. */
void *pool_get_slow(size_t n);
void pool_put_slow(void *block, size_t n);

/* The class of a size up to POOL_LARGEST. */
static inline unsigned pool_class(size_t n)
{
    return 58 - (unsigned)__builtin_clzll((unsigned long long)(n - (n > 0)) | (POOL_SMALLEST - 1));
}

/* NULL without memory. */
static inline void *pool_get(struct pool *p, size_t n)
{
    void *block;
    unsigned c;
    if (n > POOL_LARGEST || (block = p->free[c = pool_class(n)]) == NULL)
        return pool_get_slow(n);
    POOL_UNPOISON(block, n > sizeof(void *) ? n : sizeof(void *));
    p->free[c] = *(void **)block;
    p->room[c]++;
    return block;
}

/* n as in pool_get. NULL is fine. */
static inline void pool_put(struct pool *p, void *block, size_t n)
{
    unsigned c;
    if (block == NULL)
        return;
    if (n > POOL_LARGEST || p->room[c = pool_class(n)] == 0) {
        pool_put_slow(block, n);
        return;
    }
    POOL_UNPOISON(block, sizeof(void *));
    *(void **)block = p->free[c];
    p->free[c] = block;
    p->room[c]--;
    POOL_POISON(block, POOL_SMALLEST << c);
}
