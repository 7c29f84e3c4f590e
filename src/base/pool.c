/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sotto/base/pool.h"

#include "sotto/base/mem.h"

static uint32_t most_kept(unsigned c)
{
    uint32_t blocks = POOL_KEEP_BYTES / (uint32_t)(POOL_SMALLEST << c);
    return blocks > POOL_KEEP_BLOCKS ? blocks : POOL_KEEP_BLOCKS;
}

void pool_init(struct pool *p)
{
    *p = (struct pool){0};
    for (unsigned c = 0; c < POOL_CLASSES; c++)
        p->room[c] = most_kept(c);
}

void pool_fini(struct pool *p)
{
    for (unsigned c = 0; c < POOL_CLASSES; c++) {
        void *block = p->free[c];
        while (block != NULL) {
            POOL_UNPOISON(block, POOL_SMALLEST << c);
            void *next = *(void **)block;
            mem_free(block);
            block = next;
        }
    }
    pool_init(p);
}

size_t pool_kept(const struct pool *p)
{
    size_t n = 0;
    for (unsigned c = 0; c < POOL_CLASSES; c++)
        n += (size_t)(most_kept(c) - p->room[c]) * (POOL_SMALLEST << c);
    return n;
}

void *pool_get_slow(size_t n)
{
    if (n > POOL_LARGEST)
        return mem_try_realloc(NULL, n);
    size_t size = POOL_SMALLEST << pool_class(n);
    void *block = mem_try_realloc(NULL, size);
    if (block != NULL) {
        POOL_POISON(block, size);
        POOL_UNPOISON(block, n);
    }
    return block;
}

void pool_put_slow(void *block, size_t n)
{
    if (n <= POOL_LARGEST)
        POOL_UNPOISON(block, POOL_SMALLEST << pool_class(n));
    mem_free(block);
}
