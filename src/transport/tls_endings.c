/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sotto/transport/tls_endings.h"

#include <stdio.h>

#include "tls_auth_private.h"

static void end_of_certificate(const struct tls_pair *p, size_t i, struct tls_ending *out)
{
    const struct x509 *c = p->chain.v[i];
    out->file = p->file;
    out->until = c->until;
    out->kind = i == 0 ? TLS_ENDS_CERTIFICATE : TLS_ENDS_CHAIN;
    out->what = i == 0 ? "the server's certificate" : "an intermediate certificate";
    if (i == 0)
        tls_pair_names(p, out->name, sizeof(out->name));
    else
        x509_short_name(c->subject, out->name, sizeof(out->name));
}

static bool end_of_client_files(const struct tls_auth *a, size_t i, struct tls_ending *out)
{
    if (i < a->cas.n) {
        *out = (struct tls_ending){TLS_ENDS_CLIENT_CA, "the CA of client_ca", a->ca_file, "", a->cas.v[i].until};
        x509_short_name(a->cas.v[i].subject, out->name, sizeof(out->name));
        return true;
    }
    if (i > a->cas.n || a->crl_file == NULL)
        return false;
    *out = (struct tls_ending){TLS_ENDS_CRL, "the revocation list", a->crl_file, "", a->crl_until};
    snprintf(out->name, sizeof(out->name), "%s", a->crl_name);
    return true;
}

bool tls_context_ending(const struct tls_context *c, size_t i, struct tls_ending *out)
{
    const struct tls_pairs *pairs = tls_context_pairs(c);
    const struct tls_auth *auth = tls_context_auth(c);
    for (size_t k = 0; k < pairs->n; k++) {
        if (i < pairs->v[k].chain.n) {
            end_of_certificate(&pairs->v[k], i, out);
            return true;
        }
        i -= pairs->v[k].chain.n;
    }
    return auth != NULL && end_of_client_files(auth, i, out);
}

/* ---- following ---- */

/* The pair of the old context that it is to replace: that with the same file. */
static const struct tls_pair *forerunner(const struct tls_context *old, const struct tls_pair *p)
{
    const struct tls_pairs *pairs = tls_context_pairs(old);
    for (size_t i = 0; i < pairs->n; i++) {
        if (pairs->v[i].chain.n > 0 && strcmp(pairs->v[i].file, p->file) == 0)
            return &pairs->v[i];
    }
    return NULL;
}

static bool pair_may_follow(const struct tls_pair *p, const struct tls_pair *old, time_t now, char *err, size_t cap)
{
    const struct x509 *leaf = tls_pair_leaf(p);
    char issuer[96], day[32];
    struct tm tm;
    bool known = old != NULL && bytes_equal(tls_pair_leaf(old)->whole, leaf->whole);
    if (!known && (leaf->until < now || leaf->from > now)) {
        bool ended = leaf->until < now;
        gmtime_r(ended ? &leaf->until : &leaf->from, &tm);
        strftime(day, sizeof(day), "%Y-%m-%d", &tm);
        snprintf(err, cap,
                 ended ? "%s has expired on %s: renew it" : "%s is not valid before %s: check this machine's clock",
                 p->file, day);
        return false;
    }
    bool alone = p->chain.n == 1 && !bytes_equal(leaf->issuer, leaf->subject);
    if (alone && (p->strangers > 0 || (old != NULL && old->chain.n > 1))) {
        /* A root that stands in the file is no part of what is sent, and no stranger. */
        x509_short_name(leaf->issuer, issuer, sizeof(issuer));
        snprintf(err, cap,
                 "%s comes without the certificate of its issuer, %s: put that behind it (fullchain.pem), or into the "
                 "file of chain; where its issuer is the root itself, restart the broker",
                 p->file, issuer);
        return false;
    }
    return true;
}

bool tls_context_may_follow(const struct tls_context *c, const struct tls_context *old, time_t now, char *err,
                            size_t err_cap)
{
    const struct tls_pairs *pairs = tls_context_pairs(c);
    for (size_t i = 0; i < pairs->n; i++) {
        const struct tls_pair *p = &pairs->v[i];
        if (p->chain.n > 0 && !pair_may_follow(p, forerunner(old, p), now, err, err_cap))
            return false;
    }
    return true;
}
