/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the tests of shared subscriptions have in common. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "sotto/base/mem.h"
#include "sotto/core/share.h"

#define READY (SHARE_ONLINE | SHARE_READY | SHARE_ROOM)
#define BUSY (SHARE_ONLINE | SHARE_ROOM)
#define AWAY (SHARE_DURABLE | SHARE_ROOM)

static const struct hash_key key = {{0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0, 0x082efa98ec4e6c89}};

static inline struct share_hint *hint(unsigned flags)
{
    struct share_hint *h = share_hint_new();
    assert_non_null(h);
    share_hint_set(h, flags);
    return h;
}

/* Options that tell which member it is. */
static inline struct sub_options options(handle h)
{
    return (struct sub_options){(uint32_t)h, 1, false, h % 2 != 0, false};
}

static inline struct share_group *join(struct index *x, const char *name, const char *filter, handle h,
                                       struct share_hint *t)
{
    struct share_group *g = NULL;
    assert_int_equal(index_add_shared(x, bytes_str(name), bytes_str(filter), h, options(h), t, &g), INDEX_NEW);
    assert_non_null(g);
    return g;
}

static inline struct share_members *only_group(struct index *x, const char *topic, struct matches *m)
{
    assert_true(index_match(x, bytes_str(topic), m));
    assert_int_equal(m->shared_n, 1);
    return m->shared[0];
}
