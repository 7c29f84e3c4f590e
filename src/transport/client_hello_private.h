/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a client offered, remembered for the one sentence that says why its handshake failed. Nothing is decided by it.
 */
#pragma once

#include "sotto/base/bytes.h"

enum client_hello_offer {
    OFFER_TLS13 = 1,          /* a TLS 1.3 suite */
    OFFER_ECDHE_RSA_AEAD = 2, /* TLS 1.2 suites of the kind that we take */
    OFFER_ECDHE_ECDSA_AEAD = 4,
    OFFER_CBC = 8,
    OFFER_STATIC_RSA = 16,
    OFFER_PSK = 32,
};

struct client_hello {
    uint8_t first[4]; /* the first bytes of the connection */
    uint8_t first_n;
    uint8_t offers;   /* enum client_hello_offer */
    uint16_t version; /* the newest offered, 0x0301 TLS 1.0 ... 0x0304 TLS 1.3; 0: the hello was not understood */
};

/* From the first bytes of a connection; a hello that isn't there as a whole leaves version 0. Any input is fine. */
void client_hello_read(struct client_hello *h, struct bytes first);
/* "TLS 1.0", "SSL 3.0"; "an unknown version". */
const char *client_hello_version(uint16_t version);
