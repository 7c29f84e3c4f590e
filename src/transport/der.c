/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "der_private.h"

void der_put(struct der *d, const void *p, size_t n)
{
    if (d->bad || (size_t)(d->p - d->start) < n) {
        d->bad = true;
        return;
    }
    d->p -= n;
    if (n > 0)
        memcpy(d->p, p, n);
}

void der_wrap(struct der *d, uint8_t tag, size_t mark)
{
    size_t n = der_mark(d) - mark;
    uint8_t header[5] = {tag, (uint8_t)n};
    uint8_t lengths = n > UINT16_MAX ? 3 : n > 255 ? 2 : n > 127 ? 1 : 0;
    if (n > 0xffffff)
        d->bad = true;
    if (lengths > 0)
        header[1] = 0x80 | lengths;
    for (uint8_t i = 0; i < lengths; i++)
        header[2 + i] = (uint8_t)(n >> (8 * (lengths - 1 - i)));
    der_put(d, header, 2u + lengths);
}

void der_element(struct der *d, uint8_t tag, const void *p, size_t n)
{
    size_t mark = der_mark(d);
    der_put(d, p, n);
    der_wrap(d, tag, mark);
}

static size_t read_length(struct rd *r)
{
    size_t n = rd_u8(r);
    if (n < 0x80)
        return n;
    size_t bytes = n & 0x7f;
    if (bytes == 0 || bytes > 4)
        r->bad = true;
    for (n = 0; bytes > 0 && !r->bad; bytes--)
        n = n << 8 | rd_u8(r);
    return n;
}

/* Views that can be read over, with nothing in them. */
static struct der_item nothing(void)
{
    return (struct der_item){0, bytes_of("", 0), bytes_of("", 0)};
}

bool der_next(struct rd *r, struct der_item *item)
{
    const uint8_t *start = r->p;
    *item = nothing();
    uint8_t tag = rd_u8(r);
    size_t n = read_length(r);
    struct bytes body = rd_bytes(r, n);
    if (r->bad)
        return false;
    *item = (struct der_item){tag, body, bytes_of(start, (size_t)(r->p - start))};
    return true;
}

struct der_item der_expect(struct rd *r, uint8_t tag)
{
    struct der_item item;
    if (der_next(r, &item) && item.tag == tag)
        return item;
    r->bad = true;
    return nothing();
}

struct der_item der_optional(struct rd *r, uint8_t tag)
{
    return rd_left(r) > 0 && *r->p == tag ? der_expect(r, tag) : nothing();
}
