/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * data: the event's name, then per field: type 1, cut 1, key length 1, value length 2, key, value.
 *
 * Escaping is for people as much as for parsers: besides quotes, backslashes and control
 * characters it takes away what could rewrite a terminal or fake a line: the second row of control
 * characters (U+0080..9F), the line and paragraph separators, and the marks that turn the
 * direction of writing. Bytes that are not UTF-8 become \xNN in text and U+FFFD in JSON, which
 * has no way to hold them.
 */
#include "sotto/base/log_record.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "sotto/base/cursor.h"

#define FIELD_HEAD 5

static const char *const level_names[] = {"error", "warn", "info", "debug"};

/* --- making --- */

/* At most max bytes of b, not cutting a UTF-8 character in two. */
static struct bytes cut_to(struct bytes b, size_t max)
{
    if (b.n <= max)
        return b;
    size_t n = max;
    while (n > 0 && max - n < 3 && (b.p[n] & 0xc0) == 0x80)
        n--;
    return (struct bytes){b.p, n};
}

static bool put_field(struct wr *w, const struct log_field *f)
{
    struct bytes key = cut_to(bytes_str(f->key), LOG_KEY_MAX);
    struct bytes value = f->type == LOG_F_BYTES ? f->bytes : bytes_str(f->str);
    if (f->type == LOG_F_INT)
        value = bytes_of(&f->num, sizeof(f->num));
    size_t room = (size_t)(w->end - w->p);
    if (room < FIELD_HEAD + key.n + sizeof(f->num))
        return false;
    room -= FIELD_HEAD + key.n;
    struct bytes kept = cut_to(value, room < LOG_VALUE_MAX ? room : LOG_VALUE_MAX);
    wr_u8(w, (unsigned)f->type);
    wr_u8(w, kept.n < value.n);
    wr_u8(w, (unsigned)key.n);
    wr_u16(w, (unsigned)kept.n);
    wr_bytes(w, key.p, key.n);
    wr_bytes(w, kept.p, kept.n);
    return true;
}

struct log_record *log_record_make(union log_record_room *room, int64_t time_ms, enum log_level level,
                                   const char *event, const struct log_field *f, size_t n)
{
    struct log_record *r = (struct log_record *)(void *)room->raw;
    struct bytes name = cut_to(bytes_str(event), LOG_KEY_MAX);
    struct wr w = wr_of(r->data, LOG_RECORD_MAX - sizeof(*r));
    wr_bytes(&w, name.p, name.n);
    uint8_t fields = 0;
    for (size_t i = 0; i < n && f[i].key != NULL && fields < UINT8_MAX; i++) {
        if (put_field(&w, &f[i]))
            fields++;
    }
    r->size = (uint32_t)(sizeof(*r) + (size_t)(w.p - r->data));
    r->level = (uint8_t)level;
    r->fields = fields;
    r->event = (uint16_t)name.n;
    r->time_ms = time_ms;
    return r;
}

/* --- reading --- */

struct field {
    uint8_t type;
    bool cut;
    struct bytes key, value;
};

static struct rd fields_of(const struct log_record *r)
{
    return rd_of(bytes_of(r->data + r->event, r->size - sizeof(*r) - r->event));
}

static struct field next_field(struct rd *rd)
{
    struct field f = {.type = rd_u8(rd)};
    f.cut = rd_u8(rd) != 0;
    size_t key = rd_u8(rd);
    size_t value = rd_u16(rd);
    f.key = rd_bytes(rd, key);
    f.value = rd_bytes(rd, value);
    return f;
}

struct bytes log_record_event(const struct log_record *r)
{
    return bytes_of(r->data, r->event);
}

/* "10.0.0.7:51234" and "[::1]:51234" lose their port; what has several colons without brackets stays whole. */
static struct bytes without_port(struct bytes peer)
{
    const uint8_t *end = NULL;
    if (peer.n > 0 && peer.p[0] == '[') {
        end = memchr(peer.p, ']', peer.n);
        return end != NULL ? bytes_of(peer.p + 1, (size_t)(end - peer.p) - 1) : peer;
    }
    end = memchr(peer.p, ':', peer.n);
    if (end == NULL || memchr(end + 1, ':', peer.n - (size_t)(end - peer.p) - 1) != NULL)
        return peer;
    return bytes_of(peer.p, (size_t)(end - peer.p));
}

bool log_record_peer(const struct log_record *r, struct bytes *address)
{
    struct rd rd = fields_of(r);
    for (unsigned i = 0; i < r->fields; i++) {
        struct field f = next_field(&rd);
        if (f.type == LOG_F_PEER) {
            *address = without_port(f.value);
            return true;
        }
    }
    return false;
}

struct bytes log_record_text(const struct log_record *r, const char *key)
{
    struct rd rd = fields_of(r);
    for (unsigned i = 0; i < r->fields; i++) {
        struct field f = next_field(&rd);
        if (f.type == LOG_F_STR && bytes_equal(f.key, bytes_str(key)))
            return f.value;
    }
    return (struct bytes){NULL, 0};
}

/* --- lines --- */

static void put(struct wr *w, const char *s)
{
    wr_bytes(w, s, strlen(s));
}

/* Names come from our own code; whatever else is in one becomes an underscore. */
static void put_name(struct wr *w, struct bytes name)
{
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
        wr_u8(w, plain ? c : '_');
    }
}

static void put_time(struct wr *w, int64_t time_ms)
{
    char text[64];
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm tm;
    if (time_ms < 0 || gmtime_r(&seconds, &tm) == NULL || tm.tm_year > 8099) {
        put(w, "0000-00-00T00:00:00.000Z");
        return;
    }
    snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
             tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(time_ms % 1000));
    put(w, text);
}

/* Length of the UTF-8 character at p (at most n bytes, n > 0) and its code point; 0 where there is none. */
static size_t utf8_at(const uint8_t *p, size_t n, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (p[0] < 0x80) {
        *code = p[0];
        return 1;
    }
    size_t length = p[0] >= 0xf0 && p[0] < 0xf8 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc0 || p[0] >= 0xf8 || n < length)
        return 0;
    uint32_t c = p[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    if (c < least[length] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *code = c;
    return length;
}

/* Characters that a terminal or a viewer may act upon instead of showing them. */
static bool unsafe(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069) || c == 0xfeff || c == 0x061c;
}

static void put_escape(struct wr *w, uint32_t c, bool json)
{
    char text[16];
    if (c == '"' || c == '\\')
        snprintf(text, sizeof(text), "\\%c", (char)c);
    else if (c == '\n' || c == '\r' || c == '\t')
        snprintf(text, sizeof(text), "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
    else if (c < 0x80 && !json)
        snprintf(text, sizeof(text), "\\x%02" PRIx32, c);
    else
        snprintf(text, sizeof(text), "\\u%04" PRIx32, c & 0xffff);
    put(w, text);
}

static void put_bad_byte(struct wr *w, uint8_t b, bool json)
{
    char text[16];
    snprintf(text, sizeof(text), "\\x%02x", b);
    put(w, json ? "\\ufffd" : text);
}

static void put_quoted(struct wr *w, struct bytes b, bool cut, bool json)
{
    wr_u8(w, '"');
    for (size_t i = 0; i < b.n;) {
        uint32_t code = 0;
        size_t n = utf8_at(b.p + i, b.n - i, &code);
        if (n == 0)
            put_bad_byte(w, b.p[i], json);
        else if (unsafe(code) || code == '"' || code == '\\')
            put_escape(w, code, json);
        else
            wr_bytes(w, b.p + i, n);
        i += n > 0 ? n : 1;
    }
    put(w, cut ? "...\"" : "\"");
}

/* May stand without quotes in a text line. */
static bool is_word(struct bytes b)
{
    for (size_t i = 0; i < b.n; i++) {
        uint8_t c = b.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c != '\0' && strchr("._-:/+@%[],", c) != NULL);
        if (!plain)
            return false;
    }
    return b.n > 0;
}

/* Our own words stand bare where they can; bytes from a peer are always quoted, so that nobody has to guess. */
static void put_value(struct wr *w, const struct field *f, bool json)
{
    if (f->type == LOG_F_INT) {
        int64_t v = 0;
        char text[32];
        memcpy(&v, f->value.p, sizeof(v));
        snprintf(text, sizeof(text), "%" PRId64, v);
        put(w, text);
    } else if (!json && f->type != LOG_F_BYTES && !f->cut && is_word(f->value)) {
        wr_bytes(w, f->value.p, f->value.n);
    } else {
        put_quoted(w, f->value, f->cut, json);
    }
}

static void put_key(struct wr *w, struct bytes key, bool json)
{
    put(w, json ? ",\"" : " ");
    put_name(w, key);
    put(w, json ? "\":" : "=");
}

size_t log_record_line(const struct log_record *r, enum log_format format, uint32_t repeated, char *out)
{
    bool json = format == LOG_JSON;
    struct wr w = wr_of(out, LOG_LINE_MAX);
    put(&w, json ? "{\"time\":\"" : "");
    put_time(&w, r->time_ms);
    put(&w, json ? "\",\"level\":\"" : " ");
    put(&w, level_names[r->level & 3]);
    put(&w, json ? "\",\"event\":\"" : " ");
    put_name(&w, log_record_event(r));
    put(&w, json ? "\"" : "");
    struct rd rd = fields_of(r);
    for (unsigned i = 0; i < r->fields; i++) {
        struct field f = next_field(&rd);
        put_key(&w, f.key, json);
        put_value(&w, &f, json);
    }
    if (repeated > 0) {
        int64_t n = repeated;
        struct field f = {.type = LOG_F_INT, .value = bytes_of(&n, sizeof(n))};
        put_key(&w, bytes_str("repeated"), json);
        put_value(&w, &f, json);
    }
    put(&w, json ? "}" : "");
    return (size_t)((char *)w.p - out);
}
