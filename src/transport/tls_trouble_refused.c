/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A client that refuses our certificate says little: an alert of one byte, which libraries choose differently, or
 * nothing. What it says is put beside what can be seen from here: the name that it asked for, the address that it
 * connected to, the dates, the size of the records that it takes.
 */
#include "tls_trouble_private.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "tls_pair_private.h"

#define ALERT_UNKNOWN_CA 48
#define ALERT_EXPIRED 45
#define ALERT_BAD 42
#define ALERT_UNKNOWN_CERTIFICATE 46
#define ALERT_INTERNAL 80
#define NAMES_MAX 160

const char tls_hint_refused[] = "see tls_refused_hint";

struct text {
    char *out;
    size_t n;
};

static void put(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* One part of the hint, behind what there is already. */
static void put(struct text *t, const char *format, ...)
{
    va_list args;
    if (t->n > 0)
        t->n += (size_t)snprintf(t->out + t->n, TLS_WORDS - t->n, "; ");
    va_start(args, format);
    int n = t->n < TLS_WORDS ? vsnprintf(t->out + t->n, TLS_WORDS - t->n, format, args) : 0;
    va_end(args);
    t->n += n > 0 ? (size_t)n : 0;
    t->n = t->n < TLS_WORDS ? t->n : TLS_WORDS - 1;
}

static const char *day(time_t t, char out[16])
{
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(out, 16, "%Y-%m-%d", &tm);
    return out;
}

/* True: it is a matter of dates, and was said. */
static bool about_dates(const struct tls_trouble *f, struct text *t)
{
    char from[16], until[16];
    time_t now = time(NULL);
    const struct x509_chain *chain = &f->pair->chain;
    const struct x509 *leaf = tls_pair_leaf(f->pair);
    for (size_t i = 0; i < chain->n; i++) {
        const char *which = i == 0 ? "the certificate" : "an intermediate certificate";
        if (chain->v[i]->until < now)
            put(t, "%s has expired on %s: renew it (`sotto cert renew DIR`)", which, day(chain->v[i]->until, until));
        else if (chain->v[i]->from > now)
            put(t, "%s is not valid before %s: check this machine's clock, then the certificate", which,
                day(chain->v[i]->from, from));
    }
    if (t->n == 0 && f->alert_received == ALERT_EXPIRED)
        put(t,
            "the certificate is good from %s to %s: set the client's clock (a device without one starts in 1970), or "
            "give it a ca.crt that has not expired",
            day(leaf->from, from), day(leaf->until, until));
    return t->n > 0;
}

/* mbedTLS can't put a handshake message together from several records. */
static void about_size(const struct tls_trouble *f, struct text *t)
{
    unsigned fragment = client_hello_fragment(f->hello);
    if (fragment == 0 || f->pair->message <= fragment || f->alert_received == ALERT_UNKNOWN_CA)
        return;
    put(t,
        "the client wants records of %u bytes, and the certificate message has %zu, which mbedTLS before 3.6 can't put "
        "together: use an ECDSA certificate or a shorter chain, or let the client ask for 4096",
        fragment, f->pair->message);
}

static bool is_address(const char *text)
{
    uint8_t room[16];
    return inet_pton(AF_INET, text, room) == 1 || inet_pton(AF_INET6, text, room) == 1;
}

/* The name that it asked for, or the address that it came to; NULL: a socket without one. */
static const char *wanted_name(const struct tls_trouble *f)
{
    const char *wanted = f->hello->name[0] != '\0' ? f->hello->name : f->local;
    return wanted != NULL && wanted[0] != '\0' ? wanted : NULL;
}

/* True: the certificate is for others, which was said. */
static bool about_other_names(const struct tls_trouble *f, struct text *t)
{
    char names[NAMES_MAX];
    const char *wanted = wanted_name(f);
    if (wanted == NULL || tls_pair_is_for(f->pair, wanted) != 0)
        return false;
    tls_pair_names(f->pair, names, sizeof(names));
    put(t, "%s %s, and the certificate is for %s: make it for that too (`sotto cert renew DIR --host %s`)",
        wanted == f->hello->name ? "the client asked for" : "the client gave no name and came to", wanted, names,
        wanted);
    return true;
}

/* Names in the certificate against what was wanted. */
static bool about_names(const struct tls_trouble *f, struct text *t)
{
    const char *wanted = wanted_name(f);
    if (wanted == NULL)
        return false;
    if (about_other_names(f, t))
        return true;
    if (is_address(wanted) && !x509_has_dns_name(tls_pair_leaf(f->pair), wanted)) {
        put(t, "the client came to an address, and mbedTLS before 3.5 (ESP32) looks for names only: use a name");
        return true;
    }
    return false;
}

static void about_ca(const struct tls_trouble *f, struct text *t)
{
    char issuer[X509_TEXT];
    x509_short_name(f->pair->chain.v[f->pair->chain.n - 1]->issuer, issuer, sizeof(issuer));
    put(t, "give the client this broker's ca.crt, of %s (mosquitto_sub --cafile ca.crt)", issuer);
}

/* What a device does that starts in 1970, libraries say with other alerts, too. */
static void about_clock(const struct tls_trouble *f, struct text *t)
{
    char from[16];
    if (f->alert_received == ALERT_BAD || f->alert_received == ALERT_UNKNOWN_CERTIFICATE)
        put(t, "or its clock stands before %s, when the certificate begins", day(tls_pair_leaf(f->pair)->from, from));
}

void tls_refused_hint(const struct tls_trouble *f, char hint[TLS_WORDS])
{
    struct text t = {hint, 0};
    hint[0] = '\0';
    bool certificate = f->pair != NULL && f->pair->chain.n > 0;
    if (f->alert_received == ALERT_INTERNAL) {
        /* mosquitto's clients say it of a name that doesn't fit. */
        if (!certificate || (!about_dates(f, &t) && !about_other_names(f, &t)))
            put(&t, "look at the client's own log; some clients say this when they are out of memory");
        return;
    }
    if (!certificate)
        return;
    if (f->alert_received == ALERT_UNKNOWN_CA) {
        about_ca(f, &t);
        about_names(f, &t);
        return;
    }
    if (about_dates(f, &t))
        return;
    about_size(f, &t);
    bool named = about_names(f, &t);
    about_ca(f, &t);
    if (!named)
        about_clock(f, &t);
}
