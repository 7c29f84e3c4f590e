/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sotto/base/pool.h"

#include "sotto/base/mem.h"

#define FEW 16

static uint32_t most_kept(unsigned class)
{
    uint32_t blocks = POOL_KEEP_BYTES / (uint32_t)(POOL_SMALLEST << class);
    return blocks > POOL_KEEP_BLOCKS ? blocks : POOL_KEEP_BLOCKS;
}

void pool_init(struct pool *p)
{
    *p = (struct pool){0};
}

void pool_trim(struct pool *p)
{
    for (unsigned i = 0; i < POOL_CLASSES; i++) {
        struct pool_class *c = &p->classes[i];
        while (c->n > 0) {
            void *block = c->v[--c->n];
            POOL_UNPOISON(block, POOL_SMALLEST << i);
            mem_free(block);
        }
    }
}

void pool_fini(struct pool *p)
{
    pool_trim(p);
    for (unsigned i = 0; i < POOL_CLASSES; i++)
        mem_free(p->classes[i].v);
    pool_init(p);
}

size_t pool_kept(const struct pool *p)
{
    size_t n = 0;
    for (unsigned i = 0; i < POOL_CLASSES; i++)
        n += p->classes[i].n * (POOL_SMALLEST << i);
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

/* False: as many as may be kept, or no memory for more. */
static bool grow(struct pool_class *c, unsigned class)
{
    uint32_t cap = c->cap > 0 ? 2 * c->cap : FEW;
    if (c->cap == most_kept(class))
        return false;
    void **v = mem_try_realloc(c->v, cap * sizeof(*v));
    if (v == NULL)
        return false;
    c->v = v;
    c->cap = cap;
    return true;
}

void pool_put_slow(struct pool *p, void *block, size_t n)
{
    if (n <= POOL_LARGEST) {
        unsigned class = pool_class(n);
        if (grow(&p->classes[class], class)) {
            pool_put(p, block, n);
            return;
        }
        POOL_UNPOISON(block, POOL_SMALLEST << class);
    }
    mem_free(block);
}
