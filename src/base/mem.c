/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The count of bytes in use is kept per thread and given to a shared total in
 * slices, so that an allocation costs no shared cache line. The total may therefore be off
 * by one slice per thread; the caller's own share is always exact.
 */
#include "sotto/base/mem.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLICE (64 * 1024)
#define SMALL 1024

static _Atomic int64_t shared_total;
static _Atomic int64_t limit = INT64_MAX, short_from = INT64_MAX;
static _Thread_local int64_t own_share;
static _Thread_local unsigned fail_at;

static void account(int64_t delta)
{
    own_share += delta;
    if (own_share > SLICE || own_share < -SLICE) {
        atomic_fetch_add_explicit(&shared_total, own_share, memory_order_relaxed);
        own_share = 0;
    }
}

static int64_t usable(void *p)
{
    return (int64_t)malloc_usable_size(p);
}

static bool over(_Atomic int64_t *bound)
{
    int64_t total = atomic_load_explicit(&shared_total, memory_order_relaxed) + own_share;
    return total > atomic_load_explicit(bound, memory_order_relaxed);
}

static bool should_fail(void)
{
    return fail_at > 0 && --fail_at == 0;
}

static _Noreturn void out_of_memory(size_t n)
{
    fprintf(stderr,
            "sotto: out of memory: %zu bytes refused by the system; lower max_queued_bytes and max_retained_bytes, or "
            "give the broker more memory\n",
            n);
    abort();
}

/* glibc's calloc passes by the thread's cache of small blocks, but knows which large ones are zero already. */
static void *zeroed(size_t n)
{
    void *p = n > SMALL ? calloc(1, n) : malloc(n > 0 ? n : 1);
    if (p == NULL)
        return NULL;
    if (n <= SMALL)
        memset(p, 0, n);
    account(usable(p));
    return p;
}

static void *resized(void *p, size_t n)
{
    int64_t old = p != NULL ? usable(p) : 0;
    void *q = realloc(p, n > 0 ? n : 1);
    if (q != NULL)
        account(usable(q) - old);
    return q;
}

void *mem_alloc(size_t n)
{
    void *p = zeroed(n);
    if (p == NULL)
        out_of_memory(n);
    return p;
}

void *mem_try_alloc(size_t n)
{
    return should_fail() || over(&limit) ? NULL : zeroed(n);
}

void *mem_realloc(void *p, size_t n)
{
    void *q = resized(p, n);
    if (q == NULL)
        out_of_memory(n);
    return q;
}

void *mem_try_realloc(void *p, size_t n)
{
    bool grows = p == NULL || n > malloc_usable_size(p);
    return should_fail() || (grows && over(&limit)) ? NULL : resized(p, n);
}

char *mem_strndup(const void *p, size_t n)
{
    if (n == SIZE_MAX)
        out_of_memory(n);
    char *s = mem_realloc(NULL, n + 1);
    if (n > 0)
        memcpy(s, p, n);
    s[n] = '\0';
    return s;
}

void mem_free(void *p)
{
    if (p == NULL)
        return;
    account(-usable(p));
    free(p);
}

void mem_fail_at(unsigned n)
{
    fail_at = n;
}

size_t mem_in_use(void)
{
    int64_t n = atomic_load_explicit(&shared_total, memory_order_relaxed) + own_share;
    return n > 0 ? (size_t)n : 0;
}

void mem_set_limit(uint64_t bytes)
{
    int64_t most = bytes == 0 || bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes;
    atomic_store_explicit(&limit, most, memory_order_relaxed);
    atomic_store_explicit(&short_from, most - most / 8, memory_order_relaxed);
}

bool mem_short(void)
{
    return over(&short_from);
}
