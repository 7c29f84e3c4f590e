/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reads a ClientHello: a handshake message of type 1, in one record of type 22 or in several,
 *
 *   version 2 | random 32 | session id 1+n | suites 2+n | compressions 1+n | extensions 2+n
 *
 * An extension is type 2, length 2, body. Nothing is judged here: what is odd is left out, and wolfSSL refuses it.
 */
#include "client_hello_private.h"

#include "sotto/base/cursor.h"
#include "sotto/base/mem.h"

#define RECORD_HANDSHAKE 22
#define RECORD_HEADER 5
#define RECORD_MAX 16384
#define MESSAGE_CLIENT_HELLO 1
#define MESSAGE_HEADER 4
#define RANDOM_BYTES 32
#define SUITE_RENEGOTIATION 0x00ff
#define SUITE_FALLBACK 0x5600

enum extension {
    EXTENSION_SERVER_NAME = 0,
    EXTENSION_MAX_FRAGMENT = 1,
    EXTENSION_GROUPS = 10,
    EXTENSION_POINT_FORMATS = 11,
    EXTENSION_SIGNATURES = 13,
    EXTENSION_ALPN = 16,
    EXTENSION_RECORD_SIZE = 28,
    EXTENSION_TICKET = 35,
    EXTENSION_PRE_SHARED_KEY = 41,
    EXTENSION_SUPPORTED_VERSIONS = 43,
};

struct range {
    uint16_t from, to;
    uint8_t offer;
};

/* The registered suites, roughly: enough to tell a client's generation by them. */
static const struct range ranges[] = {
    {0x1301, 0x1305, OFFER_TLS13},
    {0xc02b, 0xc02c, OFFER_ECDHE_ECDSA_AEAD},
    {0xcca9, 0xcca9, OFFER_ECDHE_ECDSA_AEAD},
    {0xc02f, 0xc030, OFFER_ECDHE_RSA_AEAD},
    {0xcca8, 0xcca8, OFFER_ECDHE_RSA_AEAD},
    {0xc003, 0xc014, OFFER_CBC},
    {0xc023, 0xc02a, OFFER_CBC},
    {0x0032, 0x0034, OFFER_CBC},
    {0x0036, 0x0039, OFFER_CBC},
    {0x0067, 0x006b, OFFER_CBC},
    {0x0001, 0x000a, OFFER_STATIC_RSA},
    {0x002f, 0x002f, OFFER_STATIC_RSA},
    {0x0035, 0x0035, OFFER_STATIC_RSA},
    {0x003b, 0x003d, OFFER_STATIC_RSA},
    {0x009c, 0x009d, OFFER_STATIC_RSA},
    {0xc09c, 0xc0a3, OFFER_STATIC_RSA},
    {0x008a, 0x0095, OFFER_PSK},
    {0x00a8, 0x00b9, OFFER_PSK},
    {0xc033, 0xc03b, OFFER_PSK},
    {0xc0a4, 0xc0ab, OFFER_PSK},
    {0xccab, 0xccae, OFFER_PSK},
    {0xd001, 0xd005, OFFER_PSK},
};

static uint8_t offer_of(uint16_t suite)
{
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        if (suite >= ranges[i].from && suite <= ranges[i].to)
            return ranges[i].offer;
    }
    return 0;
}

uint16_t client_hello_suite_bit(uint16_t number)
{
    static const uint16_t ours[] = {0x1301, 0x1302, 0x1303, 0xc02b, 0xc02c, 0xcca9, 0xc02f, 0xc030, 0xcca8};
    for (unsigned i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        if (ours[i] == number)
            return (uint16_t)(1u << i);
    }
    return 0;
}

/* 0x0a0a, 0x1a1a ... are there to be ignored (RFC 8701). */
static bool is_grease(uint16_t v)
{
    return (v & 0x0f0f) == 0x0a0a && v >> 8 == (v & 0xff);
}

static struct bytes rd_short(struct rd *r)
{
    size_t n = rd_u8(r);
    return rd_bytes(r, n);
}

/* What could not be read is NULL, which no arithmetic is for. */
static struct rd rd_in(struct bytes b)
{
    return b.p != NULL ? rd_of(b) : (struct rd){NULL, NULL, true};
}

/* ---- The extensions ---- */

/* Numbers of two bytes each; how many were offered in *all. Returns how many are kept. */
static uint16_t read_numbers(struct bytes list, uint16_t *v, unsigned cap, uint16_t *all)
{
    struct rd r = rd_in(list);
    unsigned n = 0;
    *all = 0;
    while (rd_left(&r) >= 2) {
        uint16_t number = rd_u16(&r);
        if (is_grease(number))
            continue;
        ++*all;
        if (n < cap)
            v[n++] = number;
    }
    return (uint16_t)n;
}

static void read_versions(struct client_hello *h, struct bytes extension)
{
    struct rd r = rd_in(extension);
    struct rd list = rd_in(rd_short(&r));
    uint16_t newest = 0;
    h->tls12 = h->tls13 = false;
    while (rd_left(&list) >= 2) {
        uint16_t v = rd_u16(&list);
        h->tls12 |= v == 0x0303;
        h->tls13 |= v == 0x0304;
        if (v <= 0x0304 && v > newest)
            newest = v;
    }
    if (newest != 0)
        h->version = newest;
}

static bool is_plain(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

/* A list of names by type; only type 0 (a host's name) was ever defined. */
static void read_name(struct client_hello *h, struct bytes extension)
{
    struct rd r = rd_in(extension);
    struct rd list = rd_in(rd_lp(&r));
    uint8_t type = rd_u8(&list);
    struct bytes name = rd_lp(&list);
    if (list.bad || type != 0 || name.n >= HELLO_NAME)
        return;
    size_t n = name.n > 0 && name.p[name.n - 1] == '.' ? name.n - 1 : name.n;
    h->plain_name = n > 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = name.p[i] >= 'A' && name.p[i] <= 'Z' ? (uint8_t)(name.p[i] - 'A' + 'a') : name.p[i];
        h->plain_name = h->plain_name && is_plain(c);
        h->name[i] = (char)(c > 0x20 && c < 0x7f ? c : '?');
    }
    h->name[n] = '\0';
}

static void read_alpn(struct client_hello *h, struct bytes extension)
{
    struct rd r = rd_in(extension);
    struct rd list = rd_in(rd_lp(&r));
    struct bytes first = rd_short(&list);
    size_t n = first.n < HELLO_ALPN - 1 ? first.n : HELLO_ALPN - 1;
    for (size_t i = 0; i < n; i++)
        h->alpn[i] = (char)(first.p[i] > 0x20 && first.p[i] < 0x7f ? first.p[i] : '?');
    h->alpn[n] = '\0';
}

static void read_extension(struct client_hello *h, struct hello_marks *m, uint16_t type, struct bytes body)
{
    struct rd r = rd_in(body);
    switch (type) {
    case EXTENSION_SERVER_NAME:
        read_name(h, body);
        break;
    case EXTENSION_MAX_FRAGMENT:
        h->fragment = body.n == 1 && body.p[0] >= 1 && body.p[0] <= 4 ? body.p[0] : HELLO_FRAGMENT_BROKEN;
        break;
    case EXTENSION_GROUPS:
        h->has_groups = true;
        h->groups_n = read_numbers(rd_lp(&r), h->groups, HELLO_GROUPS, &h->groups_all);
        break;
    case EXTENSION_POINT_FORMATS:
        m->point_formats = rd_u8(&r);
        break;
    case EXTENSION_SIGNATURES:
        h->has_signatures = true;
        h->signatures_n = read_numbers(rd_lp(&r), h->signatures, HELLO_SIGNATURES, &h->signatures_all);
        break;
    case EXTENSION_ALPN:
        read_alpn(h, body);
        break;
    case EXTENSION_RECORD_SIZE:
        h->record_size = rd_u16(&r);
        break;
    case EXTENSION_TICKET:
        h->ticket = true;
        break;
    case EXTENSION_PRE_SHARED_KEY:
        h->psk = true;
        break;
    case EXTENSION_SUPPORTED_VERSIONS:
        read_versions(h, body);
        break;
    default:
        break;
    }
}

static void read_extensions(struct client_hello *h, struct hello_marks *m, struct bytes extensions)
{
    struct rd r = rd_in(extensions);
    while (rd_left(&r) >= 4) {
        uint16_t type = rd_u16(&r);
        struct bytes body = rd_lp(&r);
        if (r.bad)
            return;
        if (m->extensions_n < sizeof(m->extensions) / sizeof(m->extensions[0]) && !is_grease(type))
            m->extensions[m->extensions_n++] = type;
        read_extension(h, m, type, body);
    }
}

/* ---- The message ---- */

static void read_suites(struct client_hello *h, struct hello_marks *m, struct bytes list)
{
    struct rd r = rd_in(list);
    while (rd_left(&r) >= 2) {
        uint16_t suite = rd_u16(&r);
        m->grease |= is_grease(suite);
        m->scsv |= suite == SUITE_RENEGOTIATION;
        if (is_grease(suite) || suite == SUITE_RENEGOTIATION || suite == SUITE_FALLBACK)
            continue;
        h->offers |= offer_of(suite);
        h->ours |= client_hello_suite_bit(suite);
        h->suites_all++;
        if (h->suites_n < HELLO_SUITES)
            h->suites[h->suites_n++] = suite;
    }
}

static bool read_body(struct client_hello *h, struct bytes body)
{
    struct hello_marks marks = {.point_formats = 0};
    struct rd r = rd_in(body);
    uint16_t version = rd_u16(&r);
    rd_bytes(&r, RANDOM_BYTES);
    rd_short(&r);
    struct bytes suites = rd_lp(&r);
    rd_short(&r);
    if (r.bad)
        return false;
    h->version = version;
    h->tls12 = version == 0x0303;
    read_suites(h, &marks, suites);
    if (rd_left(&r) > 0)
        read_extensions(h, &marks, rd_lp(&r));
    h->looks_like = client_hello_guess(h, &marks);
    h->read = true;
    return true;
}

/* The next record of handshake bytes. False: there is none; *found says why. */
static bool next_record(struct rd *r, struct bytes *content, enum client_hello_found *found)
{
    struct rd header = *r;
    uint8_t type = rd_u8(&header);
    uint8_t major = rd_u8(&header);
    rd_u8(&header);
    uint16_t n = rd_u16(&header);
    bool known = !header.bad;
    *found = HELLO_NONE;
    /* What can be judged is judged at once, so that no other protocol is waited for. */
    if ((r->p < r->end && r->p[0] != RECORD_HANDSHAKE) || (r->end - r->p > 1 && r->p[1] != 3))
        return false;
    if (known && (type != RECORD_HANDSHAKE || major != 3 || n == 0 || n > RECORD_MAX))
        return false;
    *found = HELLO_PARTLY;
    if (!known)
        return false;
    *content = rd_bytes(&header, n < rd_left(&header) ? n : rd_left(&header));
    *r = header;
    return true;
}

/* How many bytes of message there are so far, at most cap of them in out (NULL: only counted). */
static size_t gather(struct bytes input, uint8_t *out, size_t cap, enum client_hello_found *found)
{
    struct rd r = rd_in(input);
    struct bytes part;
    size_t n = 0;
    unsigned records = 0;
    while (n < cap && next_record(&r, &part, found)) {
        size_t take = part.n < cap - n ? part.n : cap - n;
        if (out != NULL && take > 0)
            memcpy(out + n, part.p, take);
        n += take;
        if (++records > HELLO_RECORDS) {
            *found = HELLO_NONE;
            break;
        }
    }
    return n;
}

static enum client_hello_found read_message(struct client_hello *h, struct bytes input, size_t n)
{
    enum client_hello_found found = HELLO_PARTLY;
    if (gather(input, NULL, n, &found) < n)
        return found;
    uint8_t *message = mem_alloc(n);
    gather(input, message, n, &found);
    found = read_body(h, bytes_of(message + MESSAGE_HEADER, n - MESSAGE_HEADER)) ? HELLO_WHOLE : HELLO_NONE;
    mem_free(message);
    return found;
}

enum client_hello_found client_hello_read(struct client_hello *h, struct bytes input)
{
    enum client_hello_found found = HELLO_PARTLY;
    uint8_t header[MESSAGE_HEADER];
    *h = (struct client_hello){0};
    h->first_n = (uint8_t)(input.n < sizeof(h->first) ? input.n : sizeof(h->first));
    if (h->first_n > 0)
        memcpy(h->first, input.p, h->first_n);
    size_t have = gather(input, header, sizeof(header), &found);
    if (have > 0 && header[0] != MESSAGE_CLIENT_HELLO)
        return HELLO_NONE;
    if (have < sizeof(header))
        return found;
    size_t n = (size_t)header[1] << 16 | (size_t)header[2] << 8 | header[3];
    return n <= HELLO_MAX - MESSAGE_HEADER ? read_message(h, input, n + MESSAGE_HEADER) : HELLO_NONE;
}

/* ---- What is asked of one ---- */

const char *client_hello_version(uint16_t version)
{
    static const char *const names[] = {"SSL 3.0", "TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3"};
    return version >= 0x0300 && version <= 0x0304 ? names[version - 0x0300] : "an unknown version of TLS";
}

bool client_hello_has(const uint16_t *v, size_t n, uint16_t number)
{
    for (size_t i = 0; i < n; i++) {
        if (v[i] == number)
            return true;
    }
    return false;
}

unsigned client_hello_fragment(const struct client_hello *h)
{
    return h->fragment >= 1 && h->fragment <= 4 ? 256u << h->fragment : 0;
}
