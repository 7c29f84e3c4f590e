/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whatever a peer makes us log: the line is one line of valid UTF-8 without control characters, in text its quotes
 * balance, and in JSON it is one object. The checks are written apart from the code under test, on purpose more
 * naively.
 */
#include <stdlib.h>

#include "sotto/base/cursor.h"
#include "sotto/base/log_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

/* The length of the UTF-8 character at p, by the table of well-formed sequences in the Unicode standard (3-7). */
static size_t well_formed(const uint8_t *p, size_t n)
{
    static const struct {
        uint8_t first[2], second[2], length;
    } rows[] = {
        {{0x20, 0x7e}, {0, 0}, 1},       {{0xc2, 0xdf}, {0x80, 0xbf}, 2}, {{0xe0, 0xe0}, {0xa0, 0xbf}, 3},
        {{0xe1, 0xec}, {0x80, 0xbf}, 3}, {{0xed, 0xed}, {0x80, 0x9f}, 3}, {{0xee, 0xef}, {0x80, 0xbf}, 3},
        {{0xf0, 0xf0}, {0x90, 0xbf}, 4}, {{0xf1, 0xf3}, {0x80, 0xbf}, 4}, {{0xf4, 0xf4}, {0x80, 0x8f}, 4},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (p[0] < rows[i].first[0] || p[0] > rows[i].first[1] || n < rows[i].length)
            continue;
        if (rows[i].length > 1 && (p[1] < rows[i].second[0] || p[1] > rows[i].second[1]))
            return 0;
        for (size_t k = 2; k < rows[i].length; k++) {
            if (p[k] < 0x80 || p[k] > 0xbf)
                return 0;
        }
        return rows[i].length;
    }
    return 0;
}

static void check_characters(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t length = well_formed(p + i, n - i);
        must(length > 0);
        must(!(length == 2 && p[i] == 0xc2 && p[i + 1] < 0xa0)); /* no second row of control characters */
        must(!(length == 3 && p[i] == 0xe2 && p[i + 1] == 0x80 && (p[i + 2] == 0xa8 || p[i + 2] == 0xa9)));
        i += length;
    }
}

/* Walks the strings of a line; returns how many there are. In JSON only the escapes of JSON may stand in them. */
static unsigned check_strings(const char *p, size_t n, bool json)
{
    unsigned count = 0;
    bool inside = false;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '"') {
            inside = !inside;
            count += inside;
        } else if (p[i] == '\\') {
            must(inside && i + 1 < n);
            must(strchr(json ? "\"\\nrtu" : "\"\\nrtxu", p[++i]) != NULL);
        } else {
            must(inside || (p[i] != '\n' && (uint8_t)p[i] < 0x80));
        }
    }
    must(!inside);
    return count;
}

static void check_line(const struct log_record *r, enum log_format format, uint32_t repeated, bool whole,
                       unsigned strings)
{
    static char line[LOG_LINE_MAX];
    size_t n = log_record_line(r, format, repeated, line);
    must(n > 0 && n <= LOG_LINE_MAX);
    check_characters((const uint8_t *)line, n);
    unsigned found = check_strings(line, n, format == LOG_JSON);
    if (format == LOG_JSON)
        must(line[0] == '{' && line[n - 1] == '}' && (!whole || found == strings));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    union log_record_room room;
    struct log_field f[8];
    char text[8][64];
    unsigned n = 0, strings = 6; /* time, level, event and their values */
    struct rd rd = rd_of(bytes_of(data, size));
    uint32_t repeated = rd_u8(&rd);
    for (; n < 8 && rd_left(&rd) >= 3; n++) {
        uint8_t how = rd_u8(&rd);
        size_t length = rd_u16(&rd);
        struct bytes b = rd_bytes(&rd, length < rd_left(&rd) ? length : rd_left(&rd));
        size_t part = b.n < 63 ? b.n : 63;
        memcpy(text[n], b.n > 0 ? b.p : (const uint8_t *)"", part);
        text[n][part] = '\0';
        if (how % 4 == 0)
            f[n] = LF_STR(text[n], text[n]);
        else if (how % 4 == 1)
            f[n] = LF_INT("n", part);
        else if (how % 4 == 2)
            f[n] = LF_PEER("peer", text[n]);
        else
            f[n] = LF_BYTES("b", b);
    }
    struct log_record *r = log_record_make(&room, (int64_t)size * 86400000, (enum log_level)(size % 4), "e.v", f, n);
    must(r->size <= LOG_RECORD_MAX);
    struct bytes address;
    bool peer = false;
    for (unsigned i = 0; i < r->fields; i++) {
        strings += f[i].type == LOG_F_INT ? 1 : 2;
        peer = peer || f[i].type == LOG_F_PEER;
    }
    bool whole = r->fields == n; /* else some had no room, and it can't be told from here which */
    must(!whole || log_record_peer(r, &address) == peer);
    check_line(r, LOG_TEXT, repeated, whole, 0);
    check_line(r, LOG_JSON, repeated, whole, strings + (repeated > 0));
    return 0;
}
