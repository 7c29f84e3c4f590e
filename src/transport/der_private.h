/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Writes DER from its end to its front: what stands inside is written first, so every length is known when its header
 * is written, and nothing is measured or moved.
 *
 *   struct der d = der_of(buf, sizeof(buf));
 *   size_t mark = der_mark(&d);
 *   der_put(&d, ...second...); der_put(&d, ...first...);
 *   der_wrap(&d, DER_SEQUENCE, mark);
 *
 * Reads it from its front with the cursor of base, whose sticky error stands for everything that is wrong: elements
 * with a definite length of at most four bytes and a tag of one byte, as certificates have them.
 */
#pragma once

#include "sotto/base/bytes.h"
#include "sotto/base/cursor.h"

enum der_tag {
    DER_BOOLEAN = 0x01,
    DER_INTEGER = 0x02,
    DER_BIT_STRING = 0x03,
    DER_OCTET_STRING = 0x04,
    DER_NULL = 0x05,
    DER_OID = 0x06,
    DER_UTF8_STRING = 0x0c,
    DER_UTC_TIME = 0x17,
    DER_GENERALIZED_TIME = 0x18,
    DER_SEQUENCE = 0x30,
    DER_SET = 0x31,
    /* with a number of 0 to 30 added: */
    DER_CONTEXT = 0x80,
    DER_CONTEXT_CONSTRUCTED = 0xa0,
};

struct der {
    uint8_t *start, *p, *end; /* p..end is written */
    bool bad;                 /* it didn't fit */
};

static inline struct der der_of(uint8_t *buf, size_t cap)
{
    return (struct der){buf, buf + cap, buf + cap, false};
}

/* What has been written so far. */
static inline struct bytes der_bytes(const struct der *d)
{
    return (struct bytes){d->p, (size_t)(d->end - d->p)};
}

static inline size_t der_mark(const struct der *d)
{
    return (size_t)(d->end - d->p);
}

/* n bytes as they are, in front of what is there. */
void der_put(struct der *d, const void *p, size_t n);
/* A header in front of what was written since the mark. */
void der_wrap(struct der *d, uint8_t tag, size_t mark);
/* A whole element. */
void der_element(struct der *d, uint8_t tag, const void *p, size_t n);

struct der_item {
    uint8_t tag;
    struct bytes body;  /* behind its header */
    struct bytes whole; /* with it */
};

/* Items are never without a pointer, so that a cursor can go over them: an empty one has tag 0.
 * The next element of any kind; false at a broken one, which is the cursor's error, and at the end, which is too. */
bool der_next(struct rd *r, struct der_item *item);
/* The next element, which must have this tag; else the cursor's error and an empty item. */
struct der_item der_expect(struct rd *r, uint8_t tag);
/* The next element if it has this tag; else an empty item (tag 0) and nothing is read. */
struct der_item der_optional(struct rd *r, uint8_t tag);

/* An object identifier's bytes. */
#define DER_OID_OF(...) ((struct bytes){(const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})})
