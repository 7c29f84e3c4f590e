/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reads a ClientHello, as far as it came in one piece: a record of type 22, a handshake message of type 1,
 *
 *   version 2 | random 32 | session id 1+n | suites 2+n | compressions 1+n | extensions 2+n
 *
 * An extension is type 2, length 2, body; number 43 lists the versions, newest in TLS 1.3.
 */
#include "client_hello_private.h"

#include "sotto/base/cursor.h"

#define RECORD_HANDSHAKE 22
#define MESSAGE_CLIENT_HELLO 1
#define EXTENSION_SUPPORTED_VERSIONS 43
#define RANDOM_BYTES 32

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
    {0x0032, 0x0039, OFFER_CBC},
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

static struct bytes rd_short(struct rd *r)
{
    size_t n = rd_u8(r);
    return rd_bytes(r, n);
}

static uint16_t newest_version(struct bytes extension)
{
    struct rd r = rd_of(extension);
    struct rd list = rd_of(rd_short(&r));
    uint16_t newest = 0;
    while (rd_left(&list) >= 2) {
        uint16_t v = rd_u16(&list);
        /* 0x0a0a, 0x1a1a ... are there to be ignored (RFC 8701). */
        if (v <= 0x0304 && v > newest)
            newest = v;
    }
    return newest;
}

static uint16_t version_by_extension(struct bytes extensions)
{
    struct rd r = rd_of(extensions);
    while (rd_left(&r) >= 4) {
        uint16_t type = rd_u16(&r);
        struct bytes body = rd_lp(&r);
        if (type == EXTENSION_SUPPORTED_VERSIONS)
            return newest_version(body);
    }
    return 0;
}

static void read_body(struct client_hello *h, struct bytes body)
{
    struct rd r = rd_of(body);
    uint16_t version = rd_u16(&r);
    rd_bytes(&r, RANDOM_BYTES);
    rd_short(&r);
    struct rd suites = rd_of(rd_lp(&r));
    rd_short(&r);
    if (r.bad)
        return;
    while (rd_left(&suites) >= 2)
        h->offers |= offer_of(rd_u16(&suites));
    uint16_t extended = rd_left(&r) > 0 ? version_by_extension(rd_lp(&r)) : 0;
    h->version = extended != 0 ? extended : version;
}

void client_hello_read(struct client_hello *h, struct bytes first)
{
    *h = (struct client_hello){0};
    h->first_n = (uint8_t)(first.n < sizeof(h->first) ? first.n : sizeof(h->first));
    if (h->first_n > 0)
        memcpy(h->first, first.p, h->first_n);
    struct rd r = rd_of(first);
    if (rd_u8(&r) != RECORD_HANDSHAKE)
        return;
    rd_u16(&r);
    struct rd record = rd_of(rd_lp(&r));
    if (rd_u8(&record) != MESSAGE_CLIENT_HELLO)
        return;
    size_t n = (size_t)rd_u8(&record) << 16;
    n |= rd_u16(&record);
    struct bytes body = rd_bytes(&record, n);
    if (!record.bad)
        read_body(h, body);
}

const char *client_hello_version(uint16_t version)
{
    static const char *const names[] = {"SSL 3.0", "TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3"};
    return version >= 0x0300 && version <= 0x0304 ? names[version - 0x0300] : "an unknown version of TLS";
}
