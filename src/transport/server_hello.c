/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * wolfSSL does not say whether a TLS 1.3 handshake used the shared key that its callback was asked for. The ServerHello
 * says it, so ours is read on its way out: a record of type 22 with a message of type 2,
 *
 *   version 2 | random 32 | session id 1+n | suite 2 | compression 1 | extensions 2+n
 */
#include "sotto/base/cursor.h"
#include "tls_peer_private.h"

#define RECORD_HANDSHAKE 22
#define MESSAGE_SERVER_HELLO 2
#define EXTENSION_PRE_SHARED_KEY 41
#define RANDOM_BYTES 32

static bool has_key(struct bytes body)
{
    struct rd r = rd_of(body);
    rd_bytes(&r, 2 + RANDOM_BYTES);
    rd_bytes(&r, rd_u8(&r));
    rd_bytes(&r, 3);
    struct bytes extensions = rd_lp(&r);
    if (r.bad || extensions.n == 0)
        return false;
    struct rd list = rd_of(extensions);
    bool found = false;
    while (rd_left(&list) > 0) {
        found = rd_u16(&list) == EXTENSION_PRE_SHARED_KEY || found;
        rd_lp(&list);
    }
    return found && !list.bad;
}

bool server_hello_takes_key(struct bytes records, bool *found)
{
    struct rd r = rd_of(records);
    bool takes = false;
    *found = false;
    while (rd_left(&r) > 0) {
        uint8_t type = rd_u8(&r);
        rd_u16(&r);
        struct bytes record = rd_lp(&r);
        if (r.bad || type != RECORD_HANDSHAKE || record.n == 0)
            continue;
        struct rd message = rd_of(record);
        bool hello = rd_u8(&message) == MESSAGE_SERVER_HELLO;
        size_t n = (size_t)rd_u8(&message) << 16;
        n |= rd_u16(&message);
        struct bytes body = rd_bytes(&message, n);
        if (!hello || message.bad)
            continue;
        *found = true;
        takes = has_key(body);
    }
    return takes;
}
