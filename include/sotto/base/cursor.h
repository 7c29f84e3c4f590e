/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Cursors over wire bytes with a sticky error. A reader that would run past
 * its end sets the error, returns zero or an empty view, and reads nothing more:
 * a decoder reads ten fields in ten lines and looks at the error once. This is
 * the only place where bounds of peer input are checked.
 */
#pragma once

#include "sotto/base/bytes.h"

struct rd {
    const uint8_t *p;
    const uint8_t *end;
    bool bad;
};

static inline struct rd rd_of(struct bytes b)
{
    return (struct rd){b.p, b.p + b.n, false};
}

static inline size_t rd_left(const struct rd *r)
{
    return r->bad ? 0 : (size_t)(r->end - r->p);
}

/* Steps over n bytes, which are then behind r->p; false and the error where they aren't there. */
static inline bool rd_step(struct rd *r, size_t n)
{
    if (r->bad || (size_t)(r->end - r->p) < n) {
        r->bad = true;
        return false;
    }
    r->p += n;
    return true;
}

/* n bytes, or an empty view and the error. */
static inline struct bytes rd_bytes(struct rd *r, size_t n)
{
    return rd_step(r, n) ? (struct bytes){r->p - n, n} : (struct bytes){NULL, 0};
}

static inline uint8_t rd_u8(struct rd *r)
{
    return rd_step(r, 1) ? r->p[-1] : 0;
}

static inline uint16_t rd_u16(struct rd *r)
{
    return rd_step(r, 2) ? (uint16_t)((unsigned)r->p[-2] << 8 | r->p[-1]) : 0;
}

static inline uint32_t rd_u32(struct rd *r)
{
    if (!rd_step(r, 4))
        return 0;
    const uint8_t *p = r->p - 4;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Two-byte length and as many bytes: MQTT's string and binary data. */
static inline struct bytes rd_lp(struct rd *r)
{
    uint16_t n = rd_u16(r);
    return rd_bytes(r, n);
}

/* Writes into a buffer of fixed size; what doesn't fit sets the error and writes nothing. */
struct wr {
    uint8_t *p;
    uint8_t *end;
    bool bad;
};

static inline struct wr wr_of(void *p, size_t cap)
{
    return (struct wr){p, (uint8_t *)p + cap, false};
}

static inline void wr_bytes(struct wr *w, const void *p, size_t n)
{
    if (w->bad || (size_t)(w->end - w->p) < n) {
        w->bad = true;
        return;
    }
    if (n > 0)
        memcpy(w->p, p, n);
    w->p += n;
}

static inline void wr_u8(struct wr *w, unsigned v)
{
    uint8_t b = (uint8_t)v;
    wr_bytes(w, &b, 1);
}

static inline void wr_u16(struct wr *w, unsigned v)
{
    uint8_t b[2] = {(uint8_t)(v >> 8), (uint8_t)v};
    wr_bytes(w, b, 2);
}

static inline void wr_u32(struct wr *w, uint32_t v)
{
    uint8_t b[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
    wr_bytes(w, b, 4);
}

/* Two-byte length and the bytes; more than 65,535 is the error. */
static inline void wr_lp(struct wr *w, struct bytes b)
{
    if (b.n > UINT16_MAX) {
        w->bad = true;
        return;
    }
    wr_u16(w, (unsigned)b.n);
    wr_bytes(w, b.p, b.n);
}
