/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * UTF-8 as MQTT wants it. Eight bytes of plain ASCII are checked at once; anything else goes one
 * character at a time by the table of well-formed sequences (Unicode, table 3-7): the second byte's range depends on
 * the first one, and that is what excludes overlong forms, surrogates and what is above U+10FFFF. U+0000 is refused,
 * U+FEFF and non-characters are ordinary characters.
 */
#include "codec_internal.h"
#include "sotto/codec/topic.h"

struct lead {
    uint8_t from, to; /* first byte */
    uint8_t n;        /* bytes of the character */
    uint8_t second_from, second_to;
};

static const struct lead leads[] = {
    {0x01, 0x7f, 1, 0, 0},       {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf},
    {0xe1, 0xec, 3, 0x80, 0xbf}, {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf},
    {0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
};

static bool is_tail(uint8_t c)
{
    return (c & 0xc0) == 0x80;
}

/* The size of the character at p that is not ASCII, of which left bytes are there (left > 0); 0 when it is none. */
static size_t character_size(const uint8_t *p, size_t left)
{
    for (size_t i = 0; i < sizeof leads / sizeof *leads; i++) {
        const struct lead *l = &leads[i];
        if (p[0] > l->to)
            continue;
        if (p[0] < l->from || left < l->n)
            return 0;
        if (p[1] < l->second_from || p[1] > l->second_to)
            return 0;
        for (size_t k = 2; k < l->n; k++)
            if (!is_tail(p[k]))
                return 0;
        return l->n;
    }
    return 0;
}

bool utf8_valid(struct bytes b)
{
    size_t i = 0;

    while (i < b.n) {
        if (b.n - i >= 8 && word_is_plain(word_at(b.p + i))) {
            i += 8;
            continue;
        }
        if (b.p[i] > 0 && b.p[i] <= 0x7f) {
            i++;
            continue;
        }
        size_t n = character_size(b.p + i, b.n - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}
