/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Expectations: what a peer has got, and whole exchanges made of them. */
#include "rig_private.h"

#include <stdio.h>
#include <stdlib.h>

#define SHOWN 96u

void *rig_alloc(size_t n)
{
    void *p = calloc(1, n > 0 ? n : 1);
    if (p == NULL)
        abort();
    return p;
}

void *rig_realloc(void *p, size_t n)
{
    void *q = realloc(p, n > 0 ? n : 1);
    if (q == NULL)
        abort();
    return q;
}

void rig_reserve(uint8_t **p, size_t *cap, size_t n)
{
    if (n <= *cap)
        return;
    *cap = 2 * n;
    *p = rig_realloc(*p, *cap);
}

_Noreturn static void die(const char *file, int line, const char *format, va_list args)
{
    char text[1024];
    vsnprintf(text, sizeof(text), format, args);
    print_error("%s\n", text);
    _fail(file, line);
    abort();
}

void rig_die_at(const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    die(file, line, format, args);
}

void rig_die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    die(__FILE__, __LINE__, format, args);
}

static const char *shown(const uint8_t *p, size_t n, char out[3 * SHOWN + 4])
{
    size_t i = 0;
    for (; i < n && i < SHOWN; i++)
        snprintf(out + 3 * i, 4, "%02x ", p[i]);
    snprintf(out + 3 * i, 4, "%s", n > SHOWN ? ".." : "");
    return out;
}

static size_t left(const struct peer *c)
{
    return c->got_n - c->got_at;
}

_Noreturn static void unexpected(const struct peer *c, const char *file, int line, const char *what)
{
    char hex[3 * SHOWN + 4];
    rig_die_at(file, line, "%s: expected %s; %zu bytes are there: %s%s", c->name, what, left(c),
               shown(c->got + c->got_at, left(c), hex), c->client == NULL ? "(closed)" : "");
}

void rig_expect_at(struct peer *c, const char *hex, const char *file, int line)
{
    rig_run(c->rig);
    uint8_t *want;
    size_t n = rig_hex(hex, &want);
    bool equal = left(c) >= n && (n == 0 || memcmp(c->got + c->got_at, want, n) == 0);
    free(want);
    if (!equal)
        unexpected(c, file, line, hex);
    c->got_at += n;
}

void rig_expect_nothing_at(struct peer *c, const char *file, int line)
{
    rig_run(c->rig);
    if (left(c) > 0 || c->client == NULL)
        unexpected(c, file, line, "nothing");
}

void rig_expect_closed_at(struct peer *c, const char *file, int line)
{
    rig_run(c->rig);
    if (left(c) > 0 || !c->closed)
        unexpected(c, file, line, "the server to close the connection");
}

bool rig_next(struct peer *c, struct packet *p)
{
    rig_run(c->rig);
    return rig_poll(c, p);
}

bool rig_poll(struct peer *c, struct packet *p)
{
    struct frame f;
    enum reason why;
    if (left(c) == 0)
        return false;
    struct bytes b = bytes_of(c->got + c->got_at, left(c));
    switch (frame_parse(b, SIZE_MAX, c->proto, &f, &why)) {
    case FRAME_MORE:
        unexpected(c, __FILE__, __LINE__, "a whole packet");
    case FRAME_BAD:
        unexpected(c, __FILE__, __LINE__, "a packet");
    case FRAME_WHOLE:
        break;
    }
    if (packet_decode(&f, c->proto, p) != REASON_SUCCESS)
        unexpected(c, __FILE__, __LINE__, "a packet that decodes");
    const char *broken = c->proto == PROTO_5 ? rig_judge(c, &f, p) : NULL;
    if (broken != NULL)
        unexpected(c, __FILE__, __LINE__, broken);
    c->got_at += f.total;
    return true;
}

void rig_expect_ended_at(struct peer *c, enum reason reason, const char *file, int line)
{
    struct packet p;
    size_t at = c->got_at;
    if (c->proto == PROTO_5) {
        rig_expect_packet_at(c, PACKET_DISCONNECT, &p, file, line);
        char what[64];
        snprintf(what, sizeof(what), "DISCONNECT %02x", reason);
        if (p.end.reason != reason) {
            c->got_at = at;
            unexpected(c, file, line, what);
        }
    }
    rig_expect_closed_at(c, file, line);
}

void rig_expect_packet_at(struct peer *c, enum packet_type type, struct packet *p, const char *file, int line)
{
    size_t at = c->got_at;
    if (rig_next(c, p) && p->type == type)
        return;
    c->got_at = at;
    unexpected(c, file, line, packet_name(type));
}

uint16_t rig_expect_publish_at(struct peer *c, const char *topic, const char *payload, uint8_t qos, bool dup,
                               bool retain, const char *file, int line)
{
    struct packet p;
    size_t at = c->got_at;
    rig_expect_packet_at(c, PACKET_PUBLISH, &p, file, line);
    const struct packet_publish *b = &p.publish;
    bool same = bytes_equal(b->topic, bytes_str(topic)) && bytes_equal(b->payload, bytes_str(payload));
    if (same && b->qos == qos && b->dup == dup && b->retain == retain && (b->id != 0) == (qos > 0))
        return b->id;
    c->got_at = at;
    char what[256];
    snprintf(what, sizeof(what), "PUBLISH %.80s \"%.80s\" qos=%u dup=%d retain=%d", topic, payload, qos, dup, retain);
    unexpected(c, file, line, what);
}

static void expect_ack(struct peer *c, enum packet_type type, uint16_t id, const enum reason *reason, const char *file,
                       int line)
{
    struct packet p;
    size_t at = c->got_at;
    rig_expect_packet_at(c, type, &p, file, line);
    bool right = reason == NULL || c->proto != PROTO_5 ? p.ack.reason < REASON_UNSPECIFIED : p.ack.reason == *reason;
    if (p.ack.id == id && right)
        return;
    c->got_at = at;
    char what[64];
    snprintf(what, sizeof(what), "%s %u, reason %02x", packet_name(type), id, reason != NULL ? *reason : 0);
    unexpected(c, file, line, what);
}

void rig_expect_ack_at(struct peer *c, enum packet_type type, uint16_t id, const char *file, int line)
{
    expect_ack(c, type, id, NULL, file, line);
}

void rig_expect_reason_at(struct peer *c, enum packet_type type, uint16_t id, enum reason reason, const char *file,
                          int line)
{
    expect_ack(c, type, id, &reason, file, line);
}

void rig_expect_codes_at(struct peer *c, enum packet_type type, uint16_t id, const char *codes, const char *file,
                         int line)
{
    struct packet p;
    size_t at = c->got_at;
    rig_expect_packet_at(c, type, &p, file, line);
    uint8_t *want;
    size_t n = rig_hex(codes, &want);
    for (size_t i = 0; i < n && c->proto != PROTO_5; i++)
        want[i] = want[i] > REASON_UNSPECIFIED ? REASON_UNSPECIFIED : want[i];
    if (c->proto != PROTO_5 && type == PACKET_UNSUBACK)
        n = 0;
    bool same = bytes_equal(p.suback.codes, bytes_of(want, n));
    free(want);
    if (same && p.suback.id == id)
        return;
    c->got_at = at;
    char what[128];
    snprintf(what, sizeof(what), "%s %u with codes %s", packet_name(type), id, codes);
    unexpected(c, file, line, what);
}

static void expect_connack(struct peer *c, bool present, enum reason reason, const char *file, int line)
{
    struct packet p;
    size_t at = c->got_at;
    rig_expect_packet_at(c, PACKET_CONNACK, &p, file, line);
    if (p.connack.session_present == present && p.connack.reason == reason)
        return;
    c->got_at = at;
    char what[64];
    snprintf(what, sizeof(what), "CONNACK present=%d reason=%02x", present, reason);
    unexpected(c, file, line, what);
}

void rig_expect_connack_at(struct peer *c, bool present, uint8_t code, const char *file, int line)
{
    static const enum reason reasons[] = {REASON_SUCCESS,
                                          REASON_UNSUPPORTED_PROTOCOL_VERSION,
                                          REASON_CLIENT_ID_NOT_VALID,
                                          REASON_SERVER_UNAVAILABLE,
                                          REASON_BAD_USER_NAME_OR_PASSWORD,
                                          REASON_NOT_AUTHORIZED};
    if (c->proto == PROTO_5) {
        expect_connack(c, present, reasons[code], file, line);
        return;
    }
    char hex[16];
    snprintf(hex, sizeof(hex), "20 02 %02x %02x", present && c->proto != PROTO_31, code);
    rig_expect_at(c, hex, file, line);
}

void rig_expect_refused_at(struct peer *c, enum reason reason, const char *file, int line)
{
    expect_connack(c, false, reason, file, line);
    rig_expect_closed_at(c, file, line);
}

/* -------------------------------------------------------- whole exchanges */

struct peer *rig_connect_at(struct rig *r, const struct rig_connect *how, const char *file, int line)
{
    struct peer *c = rig_start(r, how);
    rig_expect_connack_at(c, how->present, 0, file, line);
    return c;
}

/* Retained messages may follow. */
void rig_subscribe_at(struct peer *c, uint16_t id, const char *filters, const char *file, int line)
{
    struct packet p;
    rig_send_subscribe(c, id, filters);
    rig_expect_packet_at(c, PACKET_SUBACK, &p, file, line);
    size_t i = 0;
    for (const char *at = filters; *at != '\0'; i++) {
        size_t n = strcspn(at, " "), qos = n;
        while (qos > 0 && at[qos - 1] != ':')
            qos--;
        if (i >= p.suback.codes.n || p.suback.codes.p[i] != (uint8_t)(at[qos] - '0'))
            rig_die_at(file, line, "%s: filter %zu of \"%s\" was not granted", c->name, i, filters);
        at += n + (at[n] == ' ');
    }
    if (p.suback.id != id || i != p.suback.codes.n)
        rig_die_at(file, line, "%s: SUBACK has a wrong id or more codes than filters", c->name);
}

void rig_unsubscribe_at(struct peer *c, uint16_t id, const char *filters, const char *file, int line)
{
    struct packet p;
    rig_send_unsubscribe(c, id, filters);
    rig_expect_packet_at(c, PACKET_UNSUBACK, &p, file, line);
    if (p.suback.id != id)
        rig_die_at(file, line, "%s: UNSUBACK %u where %u was expected", c->name, p.suback.id, id);
    for (size_t i = 0; i < p.suback.codes.n; i++)
        if (p.suback.codes.p[i] >= REASON_UNSPECIFIED)
            rig_die_at(file, line, "%s: filter %zu of \"%s\" is %02x", c->name, i, filters, p.suback.codes.p[i]);
}

void rig_publish_at(struct peer *c, const char *topic, const char *payload, uint8_t qos, bool retain, const char *file,
                    int line)
{
    static uint16_t last;
    last = last == UINT16_MAX ? 1 : (uint16_t)(last + 1);
    uint16_t id = qos > 0 ? last : 0;
    rig_send_publish(c, topic, payload, qos, retain, id);
    if (qos == 1)
        rig_expect_ack_at(c, PACKET_PUBACK, id, file, line);
    if (qos == 2) {
        rig_expect_ack_at(c, PACKET_PUBREC, id, file, line);
        rig_send_ack(c, PACKET_PUBREL, id);
        rig_expect_ack_at(c, PACKET_PUBCOMP, id, file, line);
    }
    rig_run(c->rig);
}

/* Takes the PUBREL out of what has come, where other packets stand before it. */
static bool pick_pubrel(struct peer *c, uint16_t id)
{
    rig_run(c->rig);
    for (size_t at = c->got_at; at < c->got_n;) {
        struct frame f;
        enum reason why;
        struct packet p;
        if (frame_parse(bytes_of(c->got + at, c->got_n - at), SIZE_MAX, c->proto, &f, &why) != FRAME_WHOLE)
            return false;
        if (f.type == PACKET_PUBREL && packet_decode(&f, c->proto, &p) == REASON_SUCCESS && p.ack.id == id) {
            memmove(c->got + at, c->got + at + f.total, c->got_n - at - f.total);
            c->got_n -= f.total;
            return true;
        }
        at += f.total;
    }
    return false;
}

void rig_take_at(struct peer *c, const char *topic, const char *payload, uint8_t qos, bool dup, bool retain,
                 const char *file, int line)
{
    uint16_t id = rig_expect_publish_at(c, topic, payload, qos, dup, retain, file, line);
    if (qos == 1)
        rig_send_ack(c, PACKET_PUBACK, id);
    if (qos == 2) {
        rig_send_ack(c, PACKET_PUBREC, id);
        if (!pick_pubrel(c, id))
            unexpected(c, file, line, "PUBREL for what was taken");
        rig_send_ack(c, PACKET_PUBCOMP, id);
    }
}

void rig_disconnect_at(struct peer *c, const char *file, int line)
{
    rig_send(c, &(struct packet){.type = PACKET_DISCONNECT});
    rig_expect_closed_at(c, file, line);
}
