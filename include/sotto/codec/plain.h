/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Plain text eight bytes at a time: nearly all topics are ASCII without wildcards, and this says so at once.
 */
#pragma once

#include "sotto/base/bytes.h"

#define BYTES_7F 0x7f7f7f7f7f7f7f7fu
#define BYTES_80 0x8080808080808080u

static inline uint64_t word_at(const uint8_t *p)
{
    uint64_t w;
    memcpy(&w, p, sizeof w);
    return w;
}

/* Eight bytes, all of U+0001..U+007F? (A carry out of a byte needs its high bit, and then the answer is no anyway.) */
static inline bool word_is_plain(uint64_t w)
{
    return ((w + BYTES_7F) & ~w & BYTES_80) == BYTES_80;
}

/* The same, and none of them '+' or '#', which differ in one bit only. */
static inline bool word_is_plain_name(uint64_t w)
{
    uint64_t not_wild = ((w & 0xf7f7f7f7f7f7f7f7u) ^ 0x2323232323232323u) + BYTES_7F;
    return ((w + BYTES_7F) & not_wild & ~w & BYTES_80) == BYTES_80;
}

/*
 * Is this a topic name in plain ASCII? One pass instead of two for nearly all messages; "no" only means
 * that utf8_valid and topic_name_valid have to be asked.
 */
static inline bool name_is_plain(struct bytes b)
{
    if (b.n >= 8) {
        const uint8_t *p = b.p, *last = b.p + b.n - 8; /* the last word may overlap the one before */
        for (; p < last; p += 8)
            if (!word_is_plain_name(word_at(p)))
                return false;
        return word_is_plain_name(word_at(last));
    }
    for (size_t i = 0; i < b.n; i++)
        if (b.p[i] == 0 || b.p[i] > 0x7f || b.p[i] == '+' || b.p[i] == '#')
            return false;
    return b.n > 0;
}
