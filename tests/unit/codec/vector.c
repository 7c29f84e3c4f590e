/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "vector.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

struct parser {
    const char *text, *at;
    uint8_t *out;
    size_t n;
};

static void fail(const struct parser *p, const char *what)
{
    fprintf(stderr, "vector \"%s\": %s at \"%s\"\n", p->text, what, p->at);
    abort();
}

static void put(struct parser *p, unsigned byte)
{
    if (p->n == VECTOR_MAX)
        fail(p, "too long");
    p->out[p->n++] = (uint8_t)byte;
}

/* Puts the length of what stands from start on in front of it. */
static void put_length(struct parser *p, size_t start, bool fixed)
{
    uint8_t length[4];
    struct wr w = wr_of(length, sizeof length);
    size_t n = p->n - start;

    if (fixed)
        wr_u16(&w, (unsigned)n);
    else
        varint_write(&w, (uint32_t)n);
    size_t size = (size_t)(w.p - length);
    if (w.bad || p->n + size > VECTOR_MAX)
        fail(p, "too long");
    memmove(p->out + start + size, p->out + start, n);
    memcpy(p->out + start, length, size);
    p->n += size;
}

static void put_characters(struct parser *p, char end)
{
    while (*p->at != end) {
        if (*p->at == 0)
            fail(p, "no end");
        put(p, (uint8_t)*p->at++);
    }
    p->at++;
}

static unsigned hex_digit(struct parser *p)
{
    char c = *p->at++;

    if (!isxdigit((unsigned char)c))
        fail(p, "no hex digit before this");
    return (unsigned)(isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10);
}

static void parse(struct parser *p, char end)
{
    while (*p->at != end) {
        char c = *p->at;
        size_t start = p->n;
        if (c == 0)
            fail(p, "a brace is open");
        p->at += c == ' ' || c == '\'' || c == '<' || c == '{' || c == '~';
        if (c == '\'') {
            put_characters(p, '\'');
        } else if (c == '<') {
            put_characters(p, '>');
            put_length(p, start, true);
        } else if (c == '{') {
            parse(p, '}');
            p->at++;
            put_length(p, start, false);
        } else if (c == '~') {
            parse(p, end);
            put_length(p, start, false);
        } else if (c != ' ') {
            unsigned high = hex_digit(p);
            put(p, high << 4 | hex_digit(p));
        }
    }
}

size_t vector_bytes(const char *text, uint8_t *out)
{
    struct parser p = {.text = text, .at = text, .out = out};
    parse(&p, 0);
    return p.n;
}

uint8_t *exact_copy(const void *p, size_t n)
{
    uint8_t *copy = malloc(n > 0 ? n : 1);

    if (copy == NULL)
        abort();
    if (n > 0)
        memcpy(copy, p, n);
    return copy;
}

enum reason decode_bytes(struct bytes b, enum proto proto, struct frame *f, struct packet *p)
{
    enum reason why = REASON_SUCCESS;
    enum frame_result result = frame_parse(b, SIZE_MAX, proto, f, &why);

    if (result == FRAME_BAD)
        return why;
    if (result == FRAME_MORE || f->total != b.n)
        return REASON_MALFORMED_PACKET;
    return packet_decode(f, proto, p);
}

enum reason decode_text(const char *text, enum proto proto, struct packet *p)
{
    static uint8_t bytes[VECTOR_MAX];
    struct frame f;
    size_t n = vector_bytes(text, bytes);
    return decode_bytes(bytes_of(bytes, n), proto, &f, p);
}
