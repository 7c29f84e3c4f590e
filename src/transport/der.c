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
    uint8_t header[4] = {tag, (uint8_t)n};
    size_t used = 2;
    if (n > UINT16_MAX)
        d->bad = true;
    if (n > 255) {
        header[1] = 0x82;
        header[2] = (uint8_t)(n >> 8);
        header[3] = (uint8_t)n;
        used = 4;
    } else if (n > 127) {
        header[1] = 0x81;
        header[2] = (uint8_t)n;
        used = 3;
    }
    der_put(d, header, used);
}

void der_element(struct der *d, uint8_t tag, const void *p, size_t n)
{
    size_t mark = der_mark(d);
    der_put(d, p, n);
    der_wrap(d, tag, mark);
}
