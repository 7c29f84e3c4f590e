/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Immutable bytes shared between threads, counted atomically. The count is
 * touched once per loop that holds the bytes, not once per receiver: inside a loop
 * a struct message (core) holds one reference for all its receivers.
 */
#pragma once

#include <stdatomic.h>

#include "sotto/base/bytes.h"

struct blob {
    atomic_uint refs;
    uint32_t n;
    uint8_t p[];
};

/* A blob of n bytes, to be filled by the caller before anyone else sees it; NULL without memory. One reference. */
struct blob *blob_new(size_t n);
struct blob *blob_ref(struct blob *b);
/* One reference less; the last one frees it. */
void blob_drop(struct blob *b);

/* NULL is fine. */
static inline void blob_unref(struct blob *b)
{
    if (b != NULL)
        blob_drop(b);
}
