/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "probe_private.h"

#define HANDSHAKE 22
#define CHANGE_CIPHER_SPEC 20
#define RECORD_HEADER 5
#define MESSAGE_HEADER 4

/* The next bytes of handshake messages that are not encrypted. */
static void watch_message(struct probe_records *r, uint8_t byte)
{
    if (r->message_left > 0) {
        r->message_left--;
        return;
    }
    r->message_header[r->message_header_n++] = byte;
    if (r->message_header_n < MESSAGE_HEADER)
        return;
    const uint8_t *h = r->message_header;
    r->message_header_n = 0;
    r->message_left = (size_t)h[1] << 16 | (size_t)h[2] << 8 | h[3];
}

static void begin_record(struct probe_records *r)
{
    const uint8_t *h = r->header;
    r->left = (size_t)h[3] << 8 | h[4];
    r->longest = r->left > r->longest ? r->left : r->longest;
    /* A message that is not at its end goes on in this record. */
    bool unfinished = r->message_left > 0 || r->message_header_n > 0;
    if (h[0] == HANDSHAKE && !r->encrypted && unfinished)
        r->spans = true;
    /* From here on messages can't be followed; in TLS 1.3 nothing but the first flight's begin is of type 22. */
    if (h[0] == CHANGE_CIPHER_SPEC)
        r->encrypted = true;
}

void probe_records_watch(struct probe_records *r, struct bytes b)
{
    for (size_t i = 0; i < b.n; i++) {
        if (r->first_n < sizeof(r->first))
            r->first[r->first_n++] = b.p[i];
        if (r->left > 0) {
            r->left--;
            if (r->header[0] == HANDSHAKE && !r->encrypted)
                watch_message(r, b.p[i]);
            continue;
        }
        r->header[r->header_n++] = b.p[i];
        if (r->header_n < RECORD_HEADER)
            continue;
        r->header_n = 0;
        begin_record(r);
    }
}
