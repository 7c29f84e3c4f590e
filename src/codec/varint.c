/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "codec_internal.h"

unsigned varint_size(uint32_t v)
{
    if (v > VARINT_MAX)
        return 0;
    return 1u + (v > 0x7f) + (v > 0x3fff) + (v > 0x1fffff);
}

void varint_write(struct wr *w, uint32_t v)
{
    uint8_t b[4];
    struct sink s = {.p = b};

    if (v > VARINT_MAX) {
        w->bad = true;
        return;
    }
    sink_varint(&s, v);
    wr_bytes(w, b, s.n);
}

uint32_t varint_read(struct rd *r)
{
    uint32_t v = 0;

    for (unsigned i = 0; i < 4; i++) {
        uint8_t b = rd_u8(r);
        v |= (uint32_t)(b & 0x7f) << (7 * i);
        if (b > 0x7f)
            continue;
        if (i > 0 && b == 0)
            break; /* more bytes than needed */
        return r->bad ? 0 : v;
    }
    r->bad = true;
    return 0;
}
