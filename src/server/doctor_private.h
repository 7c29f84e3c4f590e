/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The examination in its parts: the way there (doctor.c), TLS (doctor_tls.c) and what a library can't ask
 * (doctor_hello.c), certificates (doctor_chain.c), MQTT (doctor_mqtt.c), and what well-known clients make of it
 * (doctor_clients.c). */
#pragma once

#include <time.h>

#include "sotto/server/doctor.h"
#include "sotto/transport/probe.h"

/* DOCTOR_SKIP: this build of the library can't look. */
enum verdict { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL, DOCTOR_SKIP };

struct doctor {
    const struct doctor_request *r;
    FILE *out;
    time_t now;
    unsigned counts[DOCTOR_SKIP + 1];
    struct probe_address at; /* the address that answers */
    bool is_address;         /* the host is one, so there is no SNI */
    struct x509_pool trusted;

    /* What was found out on the way. */
    struct x509_pool sent; /* the server's chain, its certificate first */
    bool accepts[TLS_1_3 + 1];
    bool has_rsa, has_ecdsa; /* a certificate of that kind for clients that know only that one (TLS 1.2) */
    bool wants_certificate;
    bool is_web;        /* it speaks HTTP */
    bool refuses_3_1_1; /* MQTT: CONNACK 1 */
    bool complete;      /* the chain leads to what is trusted */
    bool spans;         /* handshake messages go on in another record */
    bool dates_are_good;
    enum x509_match match;
};

/* One line. */
__attribute__((format(printf, 4, 5))) void doctor_say(struct doctor *d, enum verdict v, const char *what,
                                                      const char *format, ...);
/* A connection with this offer; NULL where there is not even a TCP connection any more. */
struct probe *doctor_connect(const struct doctor *d, const struct probe_offer *o, enum probe_end *end);
/* The server went on as far as its certificate, whatever it wanted then. */
bool doctor_answered(const struct probe *p, enum probe_end end);
/* "the server refused with the alert "handshake failure" (40)" */
void doctor_reason(struct probe *p, enum probe_end end, char *out, size_t cap);
/* CONNECT without a user; level: 4 for MQTT 3.1.1, 5 for 5.0; *code: what CONNACK says. */
enum probe_end doctor_greet(struct probe *p, unsigned level, uint8_t *code);

void doctor_chain(struct doctor *d);
void doctor_tls(struct doctor *d);
void doctor_old(struct doctor *d);

/* A first message of the client, by hand. */
struct doctor_hello {
    unsigned version; /* the only one that it offers: 0x0301 for TLS 1.0 ... 0x0304 for 1.3 */
    const uint16_t *suites;
    size_t suites_n;
    bool shared_key; /* TLS 1.3: one that the server does not know */
};
/* *accepted: the server goes on, with that version. Returns the alert by which it refused, or -1. */
int doctor_hello(const struct doctor *d, const struct doctor_hello *h, bool *accepted);

/* Does it take pre-shared keys? Perhaps: it takes nothing else that we know of, and refuses one in another way than
 * none. */
enum doctor_keys { DOCTOR_NO_KEYS, DOCTOR_KEYS_PERHAPS, DOCTOR_KEYS };
enum doctor_keys doctor_keys(const struct doctor *d);
/* Over TLS. */
void doctor_mqtt(struct doctor *d);
/* True: plain MQTT is spoken there, and all is said. */
bool doctor_plain(struct doctor *d);
void doctor_clients(struct doctor *d);
