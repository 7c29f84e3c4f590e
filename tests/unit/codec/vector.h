/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Packets as text, for tests: hex digits, and
 *
 *   'abc'    the characters
 *   <abc>    a string with its two-byte length
 *   { ... }  a part with its variable byte integer length: a property section
 *   ~        the length of all that follows: the remaining length
 *
 * so a CONNECT of 5.0 is "10 ~ <MQTT> 05 02 003c {21 0014} <kitchen>".
 */
#pragma once

#include "sotto/codec/packet.h"

#define VECTOR_MAX 4096

/* A vector is tried with each version of its mask; V0 is "before CONNECT". */
#define V0 (1u << PROTO_NONE)
#define V31 (1u << PROTO_31)
#define V311 (1u << PROTO_311)
#define V3 (V31 | V311)
#define V5 (1u << PROTO_5)
#define VALL (V3 | V5)

struct vector {
    const char *name;
    unsigned versions;
    const char *text;
    enum reason why;  /* REASON_SUCCESS: decodes */
    const char *back; /* what encoding it again gives, where that isn't the same bytes */
};

extern const struct vector vectors3[], vectors5[];
extern const size_t vectors3_count, vectors5_count;

/* Ends the program with a message when the text is wrong. out has VECTOR_MAX bytes. */
size_t vector_bytes(const char *text, uint8_t *out);

/* A copy in a heap block of exactly n bytes, so that AddressSanitizer sees any read past the end. For free(). */
uint8_t *exact_copy(const void *p, size_t n);

/* frame_parse (any size) and packet_decode of exactly these bytes; malformed when they are no whole packet. */
enum reason decode_bytes(struct bytes b, enum proto proto, struct frame *f, struct packet *p);
/* The same of a text; what is decoded points into memory that the next call reuses. */
enum reason decode_text(const char *text, enum proto proto, struct packet *p);
