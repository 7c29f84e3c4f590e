/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* A visit by openssl's s_client: TLS, CONNECT of 3.1.1, DISCONNECT. NULL and false: without. */
struct visit {
    uint16_t port;
    int minor;         /* 2 or 3: TLS 1.2 or 1.3 */
    const char *cert;  /* a path without its end: .crt and .key */
    const char *chain; /* a file with intermediates that are sent along */
    const char *psk_id, *psk;
    const char *user, *password;
    const char *more; /* further options, divided by blanks */
};

enum outcome {
    TLS_REFUSED,       /* no byte of MQTT came */
    MQTT_REFUSED_BAD,  /* CONNACK 4 */
    MQTT_REFUSED_NONE, /* CONNACK 5 */
    LET_IN,
};

/* Skips the running test where there is no openssl. */
enum outcome visit(const struct visit *v);
