/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A broker that doesn't start helps nobody, so what can be served is served; but what is known to fail with some
 * clients is said before they do. Most of it is about small devices: a Tasmota on an ESP8266 knows RSA-2048 and
 * TLS 1.2 only, and has room for a chain of 4 KiB.
 */
#include "tls_warnings_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "sotto/base/mem.h"
#include "sotto/transport/certificate.h"
#include "tls_pair_private.h"

#define RSA_BITS_MAX 2048
#define MESSAGE_MAX 4096
#define SMALL_SUITE 0xc02f /* ECDHE-RSA-AES128-GCM-SHA256 */
#define REASON_MAX 256
#define WAY_MAX 1024

static void add(struct tls_warnings *w, const char *setting, const char *file, const char *hint, const char *format,
                ...) __attribute__((format(printf, 5, 6)));

/* file lives as long as the context. */
static void add(struct tls_warnings *w, const char *setting, const char *file, const char *hint, const char *format,
                ...)
{
    char text[REASON_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    w->v = mem_realloc(w->v, (w->n + 1) * sizeof(*w->v));
    w->v[w->n++] =
        (struct tls_warning){setting, file, mem_strndup(text, strlen(text)), mem_strndup(hint, strlen(hint))};
}

static const char *day(time_t t, char out[32])
{
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return out;
}

static void check_dates(struct tls_warnings *w, const struct tls_pair *p)
{
    char text[32], way[WAY_MAX];
    time_t now = time(NULL);
    for (size_t i = 0; i < p->chain.n; i++) {
        const struct x509 *c = p->chain.v[i];
        const char *which = i == 0 ? "the certificate" : "an intermediate certificate";
        if (c->until < now && i == 0)
            certificate_way(p->file, way, sizeof(way));
        else
            snprintf(way, sizeof(way), "get the certificate anew from its CA, with its chain");
        if (c->until < now)
            add(w, "cert", p->file, way, "%s has expired on %s: clients will refuse it", which, day(c->until, text));
        else if (c->from > now)
            add(w, "cert", p->file, "check this machine's clock, then the certificate",
                "%s is not valid before %s: clients will refuse it", which, day(c->from, text));
    }
}

static void check_pair(struct tls_warnings *w, const struct tls_pair *p)
{
    const struct x509_key *k = &tls_pair_leaf(p)->key;
    check_dates(w, p);
    if (k->type == X509_KEY_RSA && k->bits > RSA_BITS_MAX)
        add(w, "cert", p->file, "RSA-2048 is enough, and ECDSA P-256 beside it for the others",
            "small devices (Tasmota, ESP8266) often can't verify RSA-%u, and each handshake costs the broker several "
            "times as much",
            k->bits);
    if (p->message > MESSAGE_MAX)
        add(w, "cert", p->file, "use a CA with a shorter chain, or ECDSA certificates",
            "the certificate and its chain have %zu bytes: small devices often have room for %d", p->message,
            MESSAGE_MAX);
    if (p->strangers > 0)
        add(w, "cert", p->file, "see `sotto cert show` for what is in the files of cert and chain",
            "%zu certificates in its files are not part of its chain, and are not sent", p->strangers);
    if (p->needless_phrase)
        add(w, "key_passphrase_file", p->file, "take key_passphrase_file out of the group",
            "its key is not locked, so the passphrase is not needed");
}

static void check_reach(struct tls_warnings *w, const struct tls_context *c)
{
    uint16_t small = client_hello_suite_bit(SMALL_SUITE);
    if (tls_context_min_version(c) == TLS_1_3) {
        add(w, "min_version", NULL, "write min_version = 1.2, unless there are none",
            "most small devices know TLS 1.2 only, and will be refused");
        return;
    }
    if (!tls_context_has(c, true))
        add(w, "cert", NULL, "add a group with an RSA-2048 certificate of the same names, unless there are none",
            "there is no RSA certificate, and some small devices (Tasmota on ESP8266) know RSA only");
    else if ((tls_context_suites(c) & small) == 0)
        add(w, "ciphers", NULL, "add it, unless there are none",
            "ECDHE-RSA-AES128-GCM-SHA256 is not in the list, and small devices often know nothing else");
}

void tls_warnings_find(struct tls_warnings *w, const struct tls_context *c)
{
    const struct tls_pairs *pairs = tls_context_pairs(c);
    if (pairs->v[0].chain.n == 0)
        return; /* shared keys alone */
    for (size_t i = 0; i < pairs->n; i++)
        check_pair(w, &pairs->v[i]);
    check_reach(w, c);
}

void tls_warnings_fini(struct tls_warnings *w)
{
    for (size_t i = 0; i < w->n; i++) {
        mem_free((void *)(uintptr_t)w->v[i].reason);
        mem_free((void *)(uintptr_t)w->v[i].hint);
    }
    mem_free(w->v);
    *w = (struct tls_warnings){.v = NULL};
}
