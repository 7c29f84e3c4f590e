/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Base64 with the usual alphabet (RFC 4648, section 4), strictly: one text for the same bytes, no blanks, no newlines.
 */
#pragma once

#include "sotto/base/bytes.h"

/* Characters of the text of n bytes with padding, and its zero byte: room for base64_write. */
#define BASE64_SIZE(n) (((n) + 2) / 3 * 4 + 1)

enum base64_padding {
    BASE64_PADDED,   /* with '=' up to a multiple of four */
    BASE64_UNPADDED, /* written without; read with or without */
};

/* Writes the text of n bytes and a zero byte; returns the text's length. */
size_t base64_write(const void *p, size_t n, enum base64_padding padding, char *out);
/* The bytes of a whole text into out (cap bytes), *n of them. False, and *n 0, when it is none, is empty, has bits that
 * are not zero behind the last byte, or doesn't fit. */
bool base64_read(struct bytes text, enum base64_padding padding, uint8_t *out, size_t cap, size_t *n);
