/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Questions that no build of wolfSSL can ask: what it doesn't offer any more (TLS 1.0 and 1.1), and what it offers only
 * to somebody who has a key. So the first message is written by hand, and no handshake follows: whether a ServerHello
 * comes, or which alert, is all that is asked.
 */
#include "doctor_private.h"

#define RECORD_ALERT 21
#define RECORD_HANDSHAKE 22
#define SERVER_HELLO 2
#define EXTENSION_SERVER_NAME 0
#define EXTENSION_GROUPS 10
#define EXTENSION_POINT_FORMATS 11
#define EXTENSION_SIGNATURES 13
#define EXTENSION_SHARED_KEY 41
#define EXTENSION_VERSIONS 43
#define EXTENSION_KEY_MODES 45
#define EXTENSION_KEY_SHARE 51
#define P256 0x0017
#define P384 0x0018
#define BINDER 32
#define FIRST 7   /* bytes of an answer up to the code of an alert: record, level, code */
#define ANSWER 11 /* up to the version in a ServerHello: record, message, version */

/* A public key of P-256 that everybody knows the secret one of: the generator itself. */
static const uint8_t point[] = {0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5,
                                0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4,
                                0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a,
                                0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33,
                                0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5};

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

static void put_numbers(struct wr *w, unsigned extension, const uint16_t *v, size_t n)
{
    wr_u16(w, extension);
    wr_u16(w, (unsigned)(2 + 2 * n));
    wr_u16(w, (unsigned)(2 * n));
    for (size_t i = 0; i < n; i++)
        wr_u16(w, v[i]);
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

static void put_key_share(struct wr *w)
{
    wr_u16(w, EXTENSION_KEY_SHARE);
    uint8_t *all = begin_length(w), *list = begin_length(w);
    wr_u16(w, P256);
    wr_lp(w, bytes_of(point, sizeof(point)));
    end_length(w, list);
    end_length(w, all);
}

/* An identity that nobody has, with a proof that proves nothing. */
static void put_shared_key(struct wr *w)
{
    wr_u16(w, EXTENSION_SHARED_KEY);
    uint8_t *all = begin_length(w), *list = begin_length(w);
    wr_lp(w, bytes_str("sotto-doctor"));
    wr_u16(w, 0); /* its age: as for all keys that are no tickets */
    wr_u16(w, 0);
    end_length(w, list);
    list = begin_length(w);
    wr_u8(w, BINDER);
    for (unsigned i = 0; i < BINDER; i++)
        wr_u8(w, i);
    end_length(w, list);
    end_length(w, all);
}

static void put_extensions(struct wr *w, const struct doctor_hello *h, const char *name)
{
    static const uint16_t groups[] = {P256, P384}, signatures[] = {0x0403, 0x0503, 0x0804, 0x0805, 0x0401, 0x0501};
    uint8_t *all = begin_length(w);
    if (name != NULL)
        put_server_name(w, name);
    put_numbers(w, EXTENSION_GROUPS, groups, 2);
    wr_u16(w, EXTENSION_POINT_FORMATS);
    wr_u16(w, 2);
    wr_u16(w, 0x0100);
    if (h->version >= 0x0303)
        put_numbers(w, EXTENSION_SIGNATURES, signatures, sizeof(signatures) / sizeof(signatures[0]));
    if (h->version == 0x0304) {
        wr_u16(w, EXTENSION_VERSIONS);
        wr_u16(w, 3);
        wr_u8(w, 2);
        wr_u16(w, 0x0304);
        wr_u16(w, EXTENSION_KEY_MODES);
        wr_u16(w, 2);
        wr_u16(w, 0x0101); /* with a key exchange */
        put_key_share(w);
    }
    if (h->shared_key)
        put_shared_key(w); /* the last one: RFC 8446, 4.2.11 */
    end_length(w, all);
}

static bool put_hello(struct wr *w, const struct doctor_hello *h, const char *name)
{
    wr_u8(w, RECORD_HANDSHAKE);
    wr_u16(w, 0x0301);
    uint8_t *record = begin_length(w);
    wr_u8(w, 1); /* ClientHello */
    wr_u8(w, 0);
    uint8_t *message = begin_length(w);
    wr_u16(w, h->version < 0x0303 ? h->version : 0x0303);
    for (int i = 0; i < 32; i++)
        wr_u8(w, (unsigned)i); /* random, but nothing depends on it */
    wr_u8(w, 0);               /* no session */
    wr_u16(w, (unsigned)(2 * h->suites_n));
    for (size_t i = 0; i < h->suites_n; i++)
        wr_u16(w, h->suites[i]);
    wr_u16(w, 0x0100); /* no compression */
    put_extensions(w, h, name);
    end_length(w, message);
    end_length(w, record);
    return !w->bad;
}

static int read_answer(struct probe *p, bool *accepted, unsigned version)
{
    uint8_t a[ANSWER];
    if (probe_receive(p, a, FIRST) != PROBE_FINE)
        return -1;
    if (a[0] == RECORD_ALERT)
        return a[6];
    *accepted = a[0] == RECORD_HANDSHAKE && a[5] == SERVER_HELLO &&
                probe_receive(p, a + FIRST, ANSWER - FIRST) == PROBE_FINE && a[9] == version >> 8 &&
                a[10] == (version & 0xff);
    return -1;
}

int doctor_hello(const struct doctor *d, const struct doctor_hello *h, bool *accepted)
{
    int error, alert = -1;
    uint8_t hello[1024];
    struct wr w = wr_of(hello, sizeof(hello));
    /* A name that is longer than a name can be would not fit. */
    const char *name = d->is_address || strlen(d->r->host) > 255 ? NULL : d->r->host;
    struct probe *p = put_hello(&w, h, name) ? probe_open(&d->at, &error) : NULL;
    *accepted = false;
    if (p != NULL && probe_send(p, bytes_of(hello, (size_t)(w.p - hello))) == PROBE_FINE)
        alert = read_answer(p, accepted, h->version < 0x0303 ? h->version : 0x0303);
    probe_close(p);
    return alert;
}

/* ---- what is older than TLS 1.2 ---- */

void doctor_old(struct doctor *d)
{
    /* What servers of that time had: ECDHE, DHE and static RSA with AES, 3DES, RC4; and renegotiation info. */
    static const uint16_t suites[] = {0xc014, 0xc013, 0xc00a, 0xc009, 0x0039, 0x0033,
                                      0x0035, 0x002f, 0xc012, 0x000a, 0x0005, 0x00ff};
    struct doctor_hello h = {.suites = suites, .suites_n = sizeof(suites) / sizeof(suites[0]), .version = 0x0301};
    bool v1_0, v1_1;
    doctor_hello(d, &h, &v1_0);
    h.version = 0x0302;
    doctor_hello(d, &h, &v1_1);
    if (!v1_0 && !v1_1)
        doctor_say(d, DOCTOR_OK, "old versions", "TLS 1.0 and 1.1 are refused, as they should be");
    else
        doctor_say(d, DOCTOR_WARN, "old versions",
                   "%s accepted, which can be attacked (RFC 8996): let the server take TLS 1.2 and newer only",
                   v1_0 && v1_1 ? "TLS 1.0 and 1.1 are"
                   : v1_0       ? "TLS 1.0 is"
                                : "TLS 1.1 is");
}

/* ---- shared keys ---- */

enum doctor_keys doctor_keys(const struct doctor *d)
{
    /* Of TLS 1.2: with ECDHE, with DHE, with neither; GCM, ChaCha20-Poly1305, CCM and CBC. */
    static const uint16_t old[] = {0xd001, 0xd002, 0xccac, 0xc037, 0xc038, 0xc035, 0xc036, 0x00aa,
                                   0x00ab, 0xccad, 0x00b2, 0x00b3, 0x0090, 0x0091, 0x00a8, 0x00a9,
                                   0xccab, 0xc0a4, 0xc0a8, 0x00ae, 0x00af, 0x008c, 0x008d, 0x00ff};
    static const uint16_t new[] = {0x1301, 0x1303};
    struct doctor_hello h = {.version = 0x0303, .suites = old, .suites_n = sizeof(old) / sizeof(old[0])};
    bool accepted;
    doctor_hello(d, &h, &accepted);
    if (accepted)
        return DOCTOR_KEYS;
    h = (struct doctor_hello){.version = 0x0304, .suites = new, .suites_n = 2};
    int without = doctor_hello(d, &h, &accepted);
    if (accepted)
        return DOCTOR_NO_KEYS;
    h.shared_key = true;
    int with = doctor_hello(d, &h, &accepted);
    return with >= 0 && with != without ? DOCTOR_KEYS_PERHAPS : DOCTOR_NO_KEYS;
}
