/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The certificates that the server sends: do they lead to what is trusted, are they for this host, and until when. */
#include "doctor_private.h"

#include "sotto/base/mem.h"

#define DAY ((time_t)24 * 3600)
#define SOON (30 * DAY)
/* Small devices have 4 KiB of buffers, or 16 at most. */
#define CHAIN_LONG 4096

static void day(time_t t, char out[16])
{
    struct tm tm = {0};
    gmtime_r(&t, &tm);
    if (strftime(out, 16, "%Y-%m-%d", &tm) == 0)
        out[0] = '\0';
}

static void judge_trust(struct doctor *d, const struct x509_chain *c)
{
    char top[X509_TEXT], issuer[X509_TEXT];
    const struct x509 *last = c->v[c->n - 1];
    const char *where = d->r->cafile != NULL ? d->r->cafile : "the system's CAs";
    x509_short_name(last->subject, top, sizeof(top));
    x509_short_name(last->issuer, issuer, sizeof(issuer));
    if (c->trusted)
        doctor_say(d, DOCTOR_OK, "chain", "leads to \"%s\" in %s (%zu sent)", top, where, d->sent.n);
    else if (c->n == 1 && x509_is_self_signed(last))
        doctor_say(
            d, DOCTOR_FAIL, "chain",
            "the certificate \"%s\" is signed by itself and not in %s: give clients this very certificate as their CA, "
            "or better make a CA (`sotto cert init DIR`)",
            top, where);
    else if (d->r->cafile != NULL)
        doctor_say(
            d, DOCTOR_FAIL, "chain",
            "leads to \"%s\", which is not in %s: clients with that file say \"unknown CA\"; give them the ca.crt that "
            "belongs to the server's certificate, or append missing intermediate ones on the server (chain)",
            issuer, where);
    else
        doctor_say(d, DOCTOR_FAIL, "chain",
                   "leads to \"%s\", which this system does not trust: a CA of your own must be given to each client, "
                   "and here "
                   "with --cafile ca.crt",
                   issuer);
}

static void judge_order(struct doctor *d)
{
    size_t bytes = 0;
    for (size_t i = 0; i < d->sent.n; i++)
        bytes += d->sent.v[i].whole.n;
    for (size_t i = 0; i + 1 < d->sent.n; i++) {
        if (x509_is_issued_by(&d->sent.v[i], &d->sent.v[i + 1]))
            continue;
        doctor_say(
            d, DOCTOR_WARN, "order",
            "certificate %zu that is sent did not sign the one before: strict clients (BearSSL, old mbedTLS) refuse "
            "that; put them in order in the server's file, its own first",
            i + 2);
        break;
    }
    if (d->sent.n > 1 && x509_is_self_signed(&d->sent.v[d->sent.n - 1]))
        doctor_say(d, DOCTOR_WARN, "root",
                   "the root is sent, too: %zu bytes that each client throws away; take it out of the server's file",
                   d->sent.v[d->sent.n - 1].whole.n);
    if (bytes > CHAIN_LONG)
        doctor_say(
            d, DOCTOR_WARN, "length",
            "the chain has %zu bytes: small devices have less room; use one certificate of a CA of your own for them",
            bytes);
}

static void list_names(const struct x509 *c, char *out, size_t cap)
{
    struct rd r = rd_of(c->names);
    struct x509_name n;
    size_t used = 0;
    out[0] = '\0';
    while (x509_name_next(&r, &n) && used < cap)
        used += (size_t)snprintf(out + used, cap - used, "%s%s", used > 0 ? ", " : "", n.text);
    if (used >= cap)
        memcpy(out + cap - 4, "...", 4);
}

static void judge_names(struct doctor *d, const struct x509 *c)
{
    char names[512];
    list_names(c, names, sizeof(names));
    d->match = x509_is_for(c, d->r->host);
    if (d->match == X509_MATCH)
        doctor_say(d, DOCTOR_OK, "name", "the certificate is for %s", d->r->host);
    else if (d->match == X509_MATCH_COMMON_NAME_ONLY)
        doctor_say(
            d, DOCTOR_FAIL, "name",
            "%s stands only in the common name, which clients of today pass over: make a certificate with alternative "
            "names (`sotto cert init`)",
            d->r->host);
    else
        doctor_say(d, DOCTOR_FAIL, "name",
                   "the certificate is not for %s but for %s: use one of these in the client, or make it for this one "
                   "(`sotto cert renew DIR --host %s`)",
                   d->r->host, names[0] != '\0' ? names : "no name at all", d->r->host);
}

static void judge_dates(struct doctor *d)
{
    char name[X509_TEXT], from[16], until[16];
    d->dates_are_good = true;
    for (size_t i = 0; i < d->sent.n; i++) {
        const struct x509 *c = &d->sent.v[i];
        x509_short_name(c->subject, name, sizeof(name));
        day(c->from, from);
        day(c->until, until);
        bool bad = c->until < d->now || d->now < c->from;
        d->dates_are_good = d->dates_are_good && !bad;
        if (c->until < d->now)
            doctor_say(d, DOCTOR_FAIL, "dates", "\"%s\" expired on %s: renew it (`sotto cert renew DIR`)", name, until);
        else if (d->now < c->from)
            doctor_say(d, DOCTOR_FAIL, "dates",
                       "\"%s\" is not valid before %s: check the clock of this machine and of the one that made it",
                       name, from);
        else if (c->until - d->now < SOON)
            doctor_say(d, DOCTOR_WARN, "dates", "\"%s\" ends on %s, in %ld days: renew it (`sotto cert renew DIR`)",
                       name, until, (long)((c->until - d->now) / DAY));
        else if (i == 0)
            doctor_say(d, DOCTOR_OK, "dates", "%s to %s, %ld days left", from, until,
                       (long)((c->until - d->now) / DAY));
    }
}

static void judge_key(struct doctor *d, const struct x509 *c)
{
    bool rsa = c->key.type == X509_KEY_RSA;
    char text[64];
    if (rsa && c->key.bits > 2048)
        doctor_say(
            d, DOCTOR_WARN, "key",
            "RSA with %u bits: an ESP8266 has no memory for it and each handshake costs the server much; use 2048, or "
            "ECDSA P-256",
            c->key.bits);
    else if (rsa && c->key.bits < 2048)
        doctor_say(d, DOCTOR_FAIL, "key", "RSA with %u bits is refused by current clients: use 2048", c->key.bits);
    else
        doctor_say(d, DOCTOR_OK, "key", "%s", rsa ? "RSA, 2048 bits" : c->key.name);
    if (strncmp(x509_signature_name(c->signature_oid, text, sizeof(text)), "SHA-1", 5) == 0)
        doctor_say(d, DOCTOR_FAIL, "signature", "SHA-1 is refused by current clients: have the certificate made anew");
    if (c->has_purposes && (c->purposes & (X509_SERVER_AUTH | X509_ANY_PURPOSE)) == 0)
        doctor_say(d, DOCTOR_FAIL, "purpose",
                   "the certificate is not for server authentication: clients refuse it; use a server's one");
}

void doctor_chain(struct doctor *d)
{
    struct x509_chain chain;
    if (d->sent.n == 0) {
        doctor_say(d, DOCTOR_FAIL, "chain", "no certificate that can be read was sent: look at the server's file");
        return;
    }
    x509_chain_find(&chain, &d->sent.v[0], &d->sent, &d->trusted);
    d->complete = chain.trusted;
    judge_trust(d, &chain);
    judge_order(d);
    judge_names(d, &d->sent.v[0]);
    judge_dates(d);
    judge_key(d, &d->sent.v[0]);
}
