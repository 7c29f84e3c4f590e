/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a client offered, for the log: names of the common numbers, the others in hexadecimal, all of it bounded. */
#include "client_hello_private.h"

#include <stdarg.h>
#include <stdio.h>

#define SUITES_SHOWN 6
#define OTHERS_SHOWN 5

struct name {
    uint16_t number;
    const char *text;
};

static const struct name suites[] = {
    {0x0005, "RC4-SHA"},
    {0x000a, "DES-CBC3-SHA"},
    {0x002f, "AES128-SHA"},
    {0x0033, "DHE-RSA-AES128-SHA"},
    {0x0035, "AES256-SHA"},
    {0x0039, "DHE-RSA-AES256-SHA"},
    {0x003c, "AES128-SHA256"},
    {0x003d, "AES256-SHA256"},
    {0x008c, "PSK-AES128-CBC-SHA"},
    {0x009c, "AES128-GCM-SHA256"},
    {0x009d, "AES256-GCM-SHA384"},
    {0x009e, "DHE-RSA-AES128-GCM-SHA256"},
    {0x009f, "DHE-RSA-AES256-GCM-SHA384"},
    {0x00a8, "PSK-AES128-GCM-SHA256"},
    {0x00a9, "PSK-AES256-GCM-SHA384"},
    {0x00ae, "PSK-AES128-CBC-SHA256"},
    {0x1301, "TLS_AES_128_GCM_SHA256"},
    {0x1302, "TLS_AES_256_GCM_SHA384"},
    {0x1303, "TLS_CHACHA20_POLY1305_SHA256"},
    {0x1304, "TLS_AES_128_CCM_SHA256"},
    {0x1305, "TLS_AES_128_CCM_8_SHA256"},
    {0xc009, "ECDHE-ECDSA-AES128-SHA"},
    {0xc00a, "ECDHE-ECDSA-AES256-SHA"},
    {0xc013, "ECDHE-RSA-AES128-SHA"},
    {0xc014, "ECDHE-RSA-AES256-SHA"},
    {0xc023, "ECDHE-ECDSA-AES128-SHA256"},
    {0xc024, "ECDHE-ECDSA-AES256-SHA384"},
    {0xc027, "ECDHE-RSA-AES128-SHA256"},
    {0xc028, "ECDHE-RSA-AES256-SHA384"},
    {0xc02b, "ECDHE-ECDSA-AES128-GCM-SHA256"},
    {0xc02c, "ECDHE-ECDSA-AES256-GCM-SHA384"},
    {0xc02f, "ECDHE-RSA-AES128-GCM-SHA256"},
    {0xc030, "ECDHE-RSA-AES256-GCM-SHA384"},
    {0xc035, "ECDHE-PSK-AES128-CBC-SHA"},
    {0xc037, "ECDHE-PSK-AES128-CBC-SHA256"},
    {0xcca8, "ECDHE-RSA-CHACHA20-POLY1305"},
    {0xcca9, "ECDHE-ECDSA-CHACHA20-POLY1305"},
    {0xccaa, "DHE-RSA-CHACHA20-POLY1305"},
    {0xccac, "ECDHE-PSK-CHACHA20-POLY1305"},
    {0xd001, "ECDHE-PSK-AES128-GCM-SHA256"},
    {0, NULL},
};

static const struct name groups[] = {
    {0x0013, "P-192"},          {0x0015, "P-224"},  {0x0016, "secp256k1"},    {0x0017, "P-256"},
    {0x0018, "P-384"},          {0x0019, "P-521"},  {0x001a, "brainpool256"}, {0x001b, "brainpool384"},
    {0x001c, "brainpool512"},   {0x001d, "X25519"}, {0x001e, "X448"},         {0x0100, "ffdhe2048"},
    {0x11ec, "X25519MLKEM768"}, {0, NULL},
};

static const struct name signatures[] = {
    {0x0101, "RSA-MD5"},
    {0x0201, "RSA-SHA1"},
    {0x0301, "RSA-SHA224"},
    {0x0401, "RSA-SHA256"},
    {0x0501, "RSA-SHA384"},
    {0x0601, "RSA-SHA512"},
    {0x0203, "ECDSA-SHA1"},
    {0x0303, "ECDSA-SHA224"},
    {0x0403, "ECDSA-SHA256"},
    {0x0503, "ECDSA-SHA384"},
    {0x0603, "ECDSA-SHA512"},
    {0x0804, "RSA-PSS-SHA256"},
    {0x0805, "RSA-PSS-SHA384"},
    {0x0806, "RSA-PSS-SHA512"},
    {0x0807, "Ed25519"},
    {0x0808, "Ed448"},
    {0x0809, "RSA-PSS-PSS-SHA256"},
    {0x080a, "RSA-PSS-PSS-SHA384"},
    {0x080b, "RSA-PSS-PSS-SHA512"},
    {0, NULL},
};

struct text {
    char *out;
    size_t cap, n;
};

static void put(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(t->out + t->n, t->cap - t->n, format, args);
    va_end(args);
    t->n += n > 0 ? (size_t)n : 0;
    if (t->n >= t->cap)
        t->n = t->cap - 1;
}

static void put_name(struct text *t, const struct name *names, uint16_t number)
{
    while (names->text != NULL && names->number != number)
        names++;
    if (names->text != NULL)
        put(t, "%s", names->text);
    else
        put(t, "0x%04x", (unsigned)number);
}

static void put_list(struct text *t, const char *what, const struct name *names, const uint16_t *v, unsigned n,
                     unsigned all, unsigned shown)
{
    if (n == 0)
        return;
    put(t, "; %s ", what);
    for (unsigned i = 0; i < n && i < shown; i++) {
        put(t, "%s", i > 0 ? ":" : "");
        put_name(t, names, v[i]);
    }
    if (all > shown)
        put(t, " and %u more", all - shown);
}

void client_hello_describe(const struct client_hello *h, char *out, size_t cap)
{
    struct text t = {out, cap, 0};
    out[0] = '\0';
    put(&t, "%s", client_hello_version(h->version));
    if (h->tls13 && h->tls12)
        put(&t, " and %s", client_hello_version(0x0303));
    if (h->looks_like != NULL)
        put(&t, ", looks like %s", h->looks_like);
    if (h->name[0] != '\0')
        put(&t, "; name %s", h->name);
    else
        put(&t, "; no name");
    if (h->fragment == HELLO_FRAGMENT_BROKEN)
        put(&t, "; a broken fragment length");
    else if (h->fragment != 0)
        put(&t, "; fragments of %u", client_hello_fragment(h));
    if (h->record_size != 0)
        put(&t, "; records of %u", (unsigned)h->record_size);
    if (h->alpn[0] != '\0')
        put(&t, "; protocol %s", h->alpn);
    if (h->psk)
        put(&t, "; a ticket or shared key");
    put_list(&t, "suites", suites, h->suites, h->suites_n, h->suites_all, SUITES_SHOWN);
    put_list(&t, "groups", groups, h->groups, h->groups_n, h->groups_all, OTHERS_SHOWN);
    put_list(&t, "signatures", signatures, h->signatures, h->signatures_n, h->signatures_all, OTHERS_SHOWN);
}
