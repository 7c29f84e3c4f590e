/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One log event on its way from the thread where it happened to the log
 * thread: a flat copy of everything (bounded: long values are cut), and its way into a
 * line of text or JSON. Part of the log; others use log.h.
 */
#pragma once

#include "sotto/base/log.h"

#define LOG_RECORD_MAX 3072
#define LOG_KEY_MAX 64
#define LOG_VALUE_MAX 512 /* longer values are cut and end in "..." */
/* Escaping makes at most six characters of a byte. */
#define LOG_LINE_MAX (6 * LOG_RECORD_MAX + 256)
/* The time stamp at the head of a text line, with its blank. */
#define LOG_TIME_LENGTH 25

struct log_record {
    uint32_t size; /* of all, in bytes */
    uint8_t level;
    uint8_t fields;
    uint16_t event;  /* bytes of the event's name, which data starts with */
    int64_t time_ms; /* since 1970, UTC */
    uint8_t data[];
};

/* Room for any record, aligned for it. */
union log_record_room {
    uint64_t align;
    uint8_t raw[LOG_RECORD_MAX];
};

/* Fills room; fields that don't fit any more are left out. The result lives in room. */
struct log_record *log_record_make(union log_record_room *room, int64_t time_ms, enum log_level level,
                                   const char *event, const struct log_field *f, size_t n);
/* The event's name. */
struct bytes log_record_event(const struct log_record *r);
/* The address of the first LF_PEER field, without its port; false where there is none. */
bool log_record_peer(const struct log_record *r, struct bytes *address);
/* The text of the field of that name, empty where there is none. */
struct bytes log_record_text(const struct log_record *r, const char *key);
/*
 * Writes the line, without an end of line or a zero byte, into out (LOG_LINE_MAX bytes) and returns its length.
 * It is valid UTF-8 without control characters, whatever the values hold. repeated > 0 adds a field of that name.
 */
size_t log_record_line(const struct log_record *r, enum log_format format, uint32_t repeated, char *out);
