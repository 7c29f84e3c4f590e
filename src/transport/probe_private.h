/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include "sotto/transport/probe.h"

/* What the records of the other end look like from outside (probe_records.c). */
struct probe_records {
    uint8_t first[16];
    size_t first_n;
    uint8_t header[5];
    size_t header_n, left; /* of the record */
    uint8_t message_header[4];
    size_t message_header_n, message_left;
    size_t longest;
    bool encrypted, spans;
};

/* The next bytes that came, in any pieces. */
void probe_records_watch(struct probe_records *r, struct bytes b);
