/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * TLS 1.0 and 1.1, which a server should refuse. No build of wolfSSL that we have can still offer them, so the first
 * message is written by hand, and no handshake follows: a ServerHello with such a version is all that is asked.
 */
#include "doctor_private.h"

#define RECORD_HANDSHAKE 22
#define SERVER_HELLO 2
#define EXTENSION_SERVER_NAME 0
#define EXTENSION_GROUPS 10
#define EXTENSION_POINT_FORMATS 11
#define ANSWER 11 /* bytes up to the version in a ServerHello: record, message, version */

/* What servers of that time had: ECDHE, DHE and static RSA with AES, 3DES, RC4; and renegotiation info. */
static const uint16_t suites[] = {0xc014, 0xc013, 0xc00a, 0xc009, 0x0039, 0x0033,
                                  0x0035, 0x002f, 0xc012, 0x000a, 0x0005, 0x00ff};

/* Room for two bytes of a length; end_length fills it in. */
static uint8_t *begin_length(struct wr *w)
{
    uint8_t *at = w->p;
    wr_u16(w, 0);
    return at;
}

static void end_length(const struct wr *w, uint8_t *at)
{
    if (w->bad)
        return;
    size_t n = (size_t)(w->p - at) - 2;
    at[0] = (uint8_t)(n >> 8);
    at[1] = (uint8_t)n;
}

static void put_server_name(struct wr *w, const char *name)
{
    wr_u16(w, EXTENSION_SERVER_NAME);
    uint8_t *all = begin_length(w), *list = begin_length(w);
    wr_u8(w, 0); /* host_name */
    wr_lp(w, bytes_str(name));
    end_length(w, list);
    end_length(w, all);
}

static void put_extensions(struct wr *w, const char *name)
{
    uint8_t *all = begin_length(w);
    if (name != NULL)
        put_server_name(w, name);
    wr_u16(w, EXTENSION_GROUPS);
    wr_u16(w, 6);
    wr_u16(w, 4);
    wr_u16(w, 0x0017); /* P-256 */
    wr_u16(w, 0x0018); /* P-384 */
    wr_u16(w, EXTENSION_POINT_FORMATS);
    wr_u16(w, 2);
    wr_u8(w, 1);
    wr_u8(w, 0);
    end_length(w, all);
}

/* minor: 1 for TLS 1.0, 2 for 1.1. */
static bool put_hello(struct wr *w, unsigned minor, const char *name)
{
    wr_u8(w, RECORD_HANDSHAKE);
    wr_u16(w, 0x0301);
    uint8_t *record = begin_length(w);
    wr_u8(w, 1); /* ClientHello */
    wr_u8(w, 0);
    uint8_t *message = begin_length(w);
    wr_u16(w, 0x0300 + minor);
    for (int i = 0; i < 32; i++)
        wr_u8(w, (unsigned)i); /* random, but nothing depends on it */
    wr_u8(w, 0);               /* no session */
    wr_u16(w, sizeof(suites));
    for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++)
        wr_u16(w, suites[i]);
    wr_u8(w, 1);
    wr_u8(w, 0); /* no compression */
    put_extensions(w, name);
    end_length(w, message);
    end_length(w, record);
    return !w->bad;
}

static bool accepts(const struct doctor *d, unsigned minor)
{
    int error;
    uint8_t hello[512], answer[ANSWER];
    struct wr w = wr_of(hello, sizeof(hello));
    /* A name that is longer than a name can be would not fit. */
    const char *name = d->is_address || strlen(d->r->host) > 255 ? NULL : d->r->host;
    struct probe *p = put_hello(&w, minor, name) ? probe_open(&d->at, &error) : NULL;
    bool yes = p != NULL && probe_send(p, bytes_of(hello, (size_t)(w.p - hello))) == PROBE_FINE &&
               probe_receive(p, answer, sizeof(answer)) == PROBE_FINE && answer[0] == RECORD_HANDSHAKE &&
               answer[5] == SERVER_HELLO && answer[9] == 3 && answer[10] == minor;
    probe_close(p);
    return yes;
}

void doctor_old(struct doctor *d)
{
    bool v1_0 = accepts(d, 1), v1_1 = accepts(d, 2);
    if (!v1_0 && !v1_1)
        doctor_say(d, DOCTOR_OK, "old versions", "TLS 1.0 and 1.1 are refused, as they should be");
    else
        doctor_say(d, DOCTOR_WARN, "old versions",
                   "%s accepted, which can be attacked (RFC 8996): let the server take TLS 1.2 and newer only",
                   v1_0 && v1_1 ? "TLS 1.0 and 1.1 are"
                   : v1_0       ? "TLS 1.0 is"
                                : "TLS 1.1 is");
}
