/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who a client looks like. Libraries differ in which extensions they send and in what order; a few marks are enough for
 * a hint to people. When in doubt nothing is said.
 */
#include "client_hello_private.h"

#define STATUS_REQUEST 5
#define SIGNATURES 13
#define STATUS_REQUEST_V2 17
#define CERTIFICATE_TIMES 18
#define ENCRYPT_THEN_MAC 22
#define EXTENDED_MASTER 23
#define RECORD_SIZE 28
#define DELEGATED 34
#define TICKET 35
#define SIGNATURES_CERT 50
#define RENEGOTIATION 0xff01
#define PSS_RSAE_SHA256 0x0804
#define GROUP_X448 0x001e

static bool has(const struct hello_marks *m, uint16_t extension)
{
    return client_hello_has(m->extensions, m->extensions_n, extension);
}

/* An embedded library of TLS 1.2: RSA-PSS came later. */
static const char *guess_small(const struct client_hello *h, const struct hello_marks *m)
{
    if (client_hello_has(h->signatures, h->signatures_n, PSS_RSAE_SHA256))
        return NULL;
    /* BearSSL sends neither tickets nor the extended master secret, and renegotiation_info as an extension. */
    if (has(m, RENEGOTIATION) && !has(m, EXTENDED_MASTER) && !has(m, TICKET) && !has(m, ENCRYPT_THEN_MAC))
        return "BearSSL (Tasmota, ESP8266)";
    /* mbedTLS signals renegotiation by a suite, and knows uncompressed points only. */
    if (m->scsv && m->point_formats == 1 && (has(m, EXTENDED_MASTER) || has(m, ENCRYPT_THEN_MAC)))
        return "mbedTLS (ESP32 and other devices)";
    return NULL;
}

const char *client_hello_guess(const struct client_hello *h, const struct hello_marks *m)
{
    if (m->grease || has(m, DELEGATED))
        return "a browser or Android";
    if (has(m, STATUS_REQUEST_V2) || (has(m, SIGNATURES_CERT) && !has(m, ENCRYPT_THEN_MAC)))
        return "Java (MQTT.fx, Paho or HiveMQ for Java)";
    if (has(m, CERTIFICATE_TIMES) && has(m, STATUS_REQUEST) && has(m, RENEGOTIATION))
        return "Go";
    if (has(m, ENCRYPT_THEN_MAC) && has(m, RECORD_SIZE))
        return "GnuTLS";
    if (h->version == 0x0303) {
        const char *small = guess_small(h, m);
        if (small != NULL)
            return small;
    }
    /* Three formats of points since ever, and encrypt-then-mac since 1.1. */
    if (has(m, ENCRYPT_THEN_MAC) && (m->point_formats == 3 || client_hello_has(h->groups, h->groups_n, GROUP_X448)))
        return "OpenSSL (mosquitto, Python, Node.js and many more)";
    return NULL;
}
