/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sotto/base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_write(const void *p, size_t n, enum base64_padding padding, char *out)
{
    const uint8_t *in = p;
    char *at = out;
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < n; i++) {
        bits = (bits << 8) | in[i];
        for (have += 8; have >= 6; have -= 6)
            *at++ = alphabet[(bits >> (have - 6)) & 63];
    }
    if (have > 0)
        *at++ = alphabet[(bits << (6 - have)) & 63];
    while (padding == BASE64_PADDED && (at - out) % 4 != 0)
        *at++ = '=';
    *at = '\0';
    return (size_t)(at - out);
}

/* The text without its padding; false where the padding is wrong. */
static bool take_padding(struct bytes *text, enum base64_padding padding)
{
    size_t whole = text->n, pads = 0;
    while (pads < 2 && pads < text->n && text->p[text->n - 1 - pads] == '=')
        pads++;
    text->n -= pads;
    if (pads == 0 && padding == BASE64_UNPADDED)
        return true;
    return whole % 4 == 0;
}

bool base64_read(struct bytes text, enum base64_padding padding, uint8_t *out, size_t cap, size_t *n)
{
    uint32_t bits = 0;
    unsigned have = 0;
    size_t made = 0;
    *n = 0;
    if (!take_padding(&text, padding) || text.n == 0)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        const char *letter = text.p[i] != '\0' ? strchr(alphabet, text.p[i]) : NULL;
        if (letter == NULL)
            return false;
        bits = (bits << 6) | (uint32_t)(letter - alphabet);
        have += 6;
        if (have < 8)
            continue;
        have -= 8;
        if (made == cap)
            return false;
        out[made++] = (uint8_t)(bits >> have);
    }
    if (have >= 6 || (bits & ((1u << have) - 1)) != 0)
        return false;
    *n = made;
    return true;
}
