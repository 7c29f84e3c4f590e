/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a client offered: the certificate is chosen by it before wolfSSL sees a byte, and it is remembered until the
 * first MQTT packet, for the one line that says why a connection failed. Everything in it is bounded.
 */
#pragma once

#include <stdbool.h>

#include "sotto/base/bytes.h"

/* A hello of more bytes, or in more records, is left to wolfSSL unread. */
#define HELLO_MAX ((size_t)16 * 1024)
#define HELLO_RECORDS 64
/* What has to be kept to see one that is as large as that. */
#define HELLO_WIRE_MAX (HELLO_MAX + (size_t)HELLO_RECORDS * 5)

#define HELLO_SUITES 48
#define HELLO_GROUPS 32
#define HELLO_SIGNATURES 32
#define HELLO_NAME 256
#define HELLO_ALPN 32

enum client_hello_offer {
    OFFER_TLS13 = 1,          /* a TLS 1.3 suite */
    OFFER_ECDHE_RSA_AEAD = 2, /* TLS 1.2 suites of the kind that we take */
    OFFER_ECDHE_ECDSA_AEAD = 4,
    OFFER_CBC = 8,
    OFFER_STATIC_RSA = 16,
    OFFER_PSK = 32,
};

/* Our suites by bit: three of TLS 1.3, three of TLS 1.2 for ECDSA certificates, three for RSA ones. */
enum client_hello_ours { HELLO_OURS_13 = 7, HELLO_OURS_ECDSA = 7 << 3, HELLO_OURS_RSA = 7 << 6 };

/* RFC 6066: 1 to 4 are 512 to 4096 bytes. */
#define HELLO_FRAGMENT_BROKEN 255

struct client_hello {
    uint8_t first[4]; /* the first bytes of the connection */
    uint8_t first_n;
    bool read;        /* all of the following was found */
    uint8_t offers;   /* enum client_hello_offer */
    bool tls12;       /* takes TLS 1.2 */
    bool tls13;       /* takes TLS 1.3 */
    uint8_t fragment; /* 0: not asked for; 1 to 4; HELLO_FRAGMENT_BROKEN */
    bool ticket, psk; /* TLS 1.2: wants or brings a ticket; TLS 1.3: brings a ticket or a shared key */
    bool has_groups, has_signatures;
    bool plain_name;      /* the name has nothing but letters, digits, '-', '_' and '.' in it */
    uint16_t ours;        /* enum client_hello_ours: which of our suites it offers */
    uint16_t version;     /* the newest offered, 0x0301 TLS 1.0 ... 0x0304 TLS 1.3 */
    uint16_t record_size; /* RFC 8449; 0: not asked for */
    /* The first of them, without those that are there to be ignored (RFC 8701). */
    uint16_t suites[HELLO_SUITES], groups[HELLO_GROUPS], signatures[HELLO_SIGNATURES];
    uint16_t suites_n, groups_n, signatures_n;       /* kept */
    uint16_t suites_all, groups_all, signatures_all; /* offered */
    char name[HELLO_NAME];  /* the server name, in lower case, without a dot at its end; "": none */
    char alpn[HELLO_ALPN];  /* the first protocol, "": none */
    const char *looks_like; /* "mbedTLS (ESP32, ...)", static; NULL: no idea */
};

enum client_hello_found {
    HELLO_PARTLY, /* come again with more behind it */
    HELLO_WHOLE,
    HELLO_NONE, /* no hello, or one that can't be understood: let wolfSSL say so */
};

/* From all bytes of a connection so far; any input is fine. */
enum client_hello_found client_hello_read(struct client_hello *h, struct bytes input);
/* "TLS 1.0", "SSL 3.0"; "an unknown version of TLS". */
const char *client_hello_version(uint16_t version);
/* The bit of one of our suites by its number; 0: it isn't one. */
uint16_t client_hello_suite_bit(uint16_t number);
/* Is the number in the kept part of a list? */
bool client_hello_has(const uint16_t *v, size_t n, uint16_t number);
/* 512 to 4096; 0: not asked for, or broken. */
unsigned client_hello_fragment(const struct client_hello *h);

/* ---- client_hello_guess.c ---- */

/* What the guess is made from besides: extensions in their order, the formats of points, and GREASE among suites. */
struct hello_marks {
    uint16_t extensions[40];
    unsigned extensions_n;
    unsigned point_formats;
    bool grease, scsv;
};

/* A coarse guess at the program, for people; nothing is decided by it. Static, or NULL. */
const char *client_hello_guess(const struct client_hello *h, const struct hello_marks *m);

/* ---- client_hello_text.c ---- */

/* "TLS 1.3, TLS 1.2; suites ...; groups ...; signatures ...; name ...; fragment 1024; looks like ...", cut to cap. */
void client_hello_describe(const struct client_hello *h, char *out, size_t cap);
