/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a certificate or a revocation list is, and what is wrong with it, line by line. */
#include "certificate_show_private.h"

#include <stdarg.h>
#include <unistd.h>

#include <wolfssl/wolfcrypt/asn.h>

#include "tls_files_private.h"

#define SYSTEM_CAS "/etc/ssl/certs/ca-certificates.crt"
#define SOON ((time_t)CERTIFICATE_RENEW_DAYS * CERT_DAY)

void cert_day(time_t t, char out[16])
{
    struct tm tm = {0};
    gmtime_r(&t, &tm);
    if (strftime(out, 16, "%Y-%m-%d", &tm) == 0)
        out[0] = '\0';
}

void cert_say(FILE *out, const char *what, const char *format, ...)
{
    va_list args;
    fprintf(out, "  %-12s ", what);
    va_start(args, format);
    vfprintf(out, format, args);
    va_end(args);
    fputc('\n', out);
}

static const char *kind(const struct x509 *c)
{
    unsigned p = c->purposes;
    bool server = (p & (X509_SERVER_AUTH | X509_ANY_PURPOSE)) != 0;
    bool client = (p & (X509_CLIENT_AUTH | X509_ANY_PURPOSE)) != 0;
    if (c->ca)
        return x509_is_self_signed(c) ? "CA certificate (a root)" : "CA certificate (an intermediate one)";
    if (x509_is_self_signed(c))
        return "self-signed certificate, of no CA";
    if (!c->has_purposes)
        return "certificate for any purpose";
    return server && client ? "certificate of a server or client"
           : server         ? "server certificate"
           : client         ? "client certificate"
                            : "certificate for another purpose";
}

static void say_names(FILE *out, const struct x509 *c)
{
    struct rd r = rd_of(c->names);
    struct x509_name n;
    bool first = true;
    if (c->names.n == 0)
        return;
    fprintf(out, "  %-12s ", "names");
    for (; x509_name_next(&r, &n); first = false) {
        /* Ours have addresses twice, for old devices. */
        bool address = n.kind == X509_NAME_DNS && strspn(n.text, "0123456789.") == strlen(n.text);
        fprintf(out, "%s%s%s", first ? "" : ", ", n.text, address ? " (as a name)" : "");
    }
    fprintf(out, "%s\n", r.bad ? " (broken off)" : "");
}

static void say_dates(const struct surroundings *s, time_t from, time_t until)
{
    char a[16], b[16], left[64];
    long days = (long)((until - s->now) / CERT_DAY);
    cert_day(from, a);
    cert_day(until, b);
    if (s->now < from)
        snprintf(left, sizeof(left), "not yet valid");
    else if (until < s->now)
        snprintf(left, sizeof(left), "expired %ld day%s ago", -days, days == -1 ? "" : "s");
    else
        snprintf(left, sizeof(left), "%ld day%s left", days, days == 1 ? "" : "s");
    cert_say(s->out, "valid", "%s to %s, %s", a, b, left);
}

static void say_purposes(FILE *out, const struct x509 *c)
{
    char text[256];
    size_t n = 0;
    const struct {
        bool on;
        const char *name;
    } all[] = {
        {(c->purposes & X509_SERVER_AUTH) != 0, "server authentication"},
        {(c->purposes & X509_CLIENT_AUTH) != 0, "client authentication"},
        {(c->purposes & X509_ANY_PURPOSE) != 0, "any"},
        {(c->purposes & X509_OTHER_PURPOSE) != 0, "others"},
        {(c->usage & X509_DIGITAL_SIGNATURE) != 0, "digital signature"},
        {(c->usage & X509_KEY_ENCIPHERMENT) != 0, "key encipherment"},
        {(c->usage & X509_KEY_CERT_SIGN) != 0, "signs certificates"},
        {(c->usage & X509_CRL_SIGN) != 0, "signs revocation lists"},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (all[i].on)
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n > 0 ? ", " : "", all[i].name);
    }
    if (c->has_usage || c->has_purposes)
        cert_say(out, "purposes", "%s", n > 0 ? text : "none");
    else
        cert_say(out, "purposes", "any (it says nothing)");
}

static void say_tasmota(FILE *out, const struct x509 *c)
{
    uint8_t digest[X509_SHA1];
    char text[X509_SHA1 * 3];
    if (!x509_tasmota(&c->key, false, digest)) {
        cert_say(out, "Tasmota",
                 "on an ESP32 only: newer versions know this kind of key, and learn its fingerprint "
                 "themselves");
        return;
    }
    x509_hex(bytes_of(digest, X509_SHA1), ' ', text, sizeof(text));
    cert_say(out, "Tasmota", "%s (MqttFingerprint1, version 8.4 and later; stays with the key)", text);
    x509_tasmota(&c->key, true, digest);
    x509_hex(bytes_of(digest, X509_SHA1), ' ', text, sizeof(text));
    cert_say(out, "Tasmota old", "%s (version 6.5 to 8.3; before that, the SHA-1 above)", text);
}

static void say_fingerprints(FILE *out, const struct x509 *c)
{
    uint8_t digest[X509_SHA256];
    char text[X509_SHA256 * 3];
    x509_hex(c->serial, '\0', text, sizeof(text));
    cert_say(out, "serial", "%s", text);
    if (x509_sha256(c->whole, digest)) {
        x509_hex(bytes_of(digest, X509_SHA256), ':', text, sizeof(text));
        cert_say(out, "SHA-256", "%s", text);
    }
    if (x509_sha1(c->whole, digest)) {
        x509_hex(bytes_of(digest, X509_SHA1), ':', text, sizeof(text));
        cert_say(out, "SHA-1", "%s", text);
    }
    char name[X509_KEY_NAME];
    bool client = !c->ca && (!c->has_purposes || (c->purposes & (X509_CLIENT_AUTH | X509_ANY_PURPOSE)) != 0);
    if (client && x509_key_name(&c->key, name) != NULL)
        cert_say(out, "key name", "%s (the user, with client_cert_user = spki)", name);
    if (!c->ca && (!c->has_purposes || (c->purposes & (X509_SERVER_AUTH | X509_ANY_PURPOSE)) != 0))
        say_tasmota(out, c);
}

/* ---- what is wrong ---- */

static void warn_of_dates(const struct surroundings *s, const struct x509 *c)
{
    if (c->until < s->now)
        cert_say(s->out, "warning", "expired: every client with a clock refuses it; renew it (ours: sotto cert renew)");
    else if (s->now < c->from)
        cert_say(s->out, "warning", "not yet valid: clients refuse it until then; check this machine's clock (date)");
    else if (c->until - s->now < SOON)
        cert_say(s->out, "warning", "ends soon: renew it (ours: sotto cert renew)");
}

static void warn_of_key(const struct surroundings *s, const struct x509 *c)
{
    char name[64];
    if (c->key.type == X509_KEY_RSA && c->key.bits > 2048)
        cert_say(s->out, "warning",
                 "RSA above 2048 bits: small devices (ESP8266, ESP32) have no memory for it or are slow; use 2048");
    if (c->key.type == X509_KEY_RSA && c->key.bits < 2048)
        cert_say(s->out, "warning", "RSA below 2048 bits: refused by current clients as too weak; use 2048");
    if (strncmp(x509_signature_name(c->signature_oid, name, sizeof(name)), "SHA-1", 5) == 0)
        cert_say(s->out, "warning", "signed with SHA-1: refused by current clients; have it made anew");
    bool server = !c->ca && (!c->has_purposes || (c->purposes & X509_SERVER_AUTH) != 0);
    if (server && c->names.n == 0)
        cert_say(s->out, "warning",
                 "no alternative names: as a server's it is refused by current clients, which pass over "
                 "the common name; have it made with a subjectAltName");
}

static void load_system(struct surroundings *s)
{
    char why[512];
    if (!s->has_system)
        x509_pool_add_file(&s->system, SYSTEM_CAS, why, sizeof(why));
    s->has_system = true;
}

static void merge(struct x509_pool *into, const struct x509_pool *from)
{
    for (size_t i = 0; i < from->n; i++)
        x509_pool_add(into, from->v[i].whole);
}

static void say_way(FILE *out, const struct x509_chain *chain)
{
    char name[X509_TEXT];
    fprintf(out, "  %-12s ", "chain");
    for (size_t i = 0; i < chain->n; i++) {
        x509_short_name(chain->v[i]->subject, name, sizeof(name));
        fprintf(out, "%s%s", i > 0 ? " <- " : "", name);
    }
    fputc('\n', out);
}

static void say_chain(struct surroundings *s, const struct x509 *c, const struct x509_pool *all)
{
    struct x509_pool others = {0}, roots = {0};
    struct x509_chain chain;
    char name[X509_TEXT];
    merge(&others, all);
    merge(&others, &s->beside);
    for (size_t i = 0; i < s->beside.n; i++) {
        if (x509_is_self_signed(&s->beside.v[i]))
            x509_pool_add(&roots, s->beside.v[i].whole);
    }
    x509_chain_find(&chain, c, &others, &roots);
    if (!chain.trusted) {
        load_system(s);
        x509_chain_find(&chain, c, &others, &s->system);
    }
    const struct x509 *top = chain.v[chain.n - 1];
    say_way(s->out, &chain);
    if (!chain.trusted && !x509_is_self_signed(top)) {
        x509_short_name(top->issuer, name, sizeof(name));
        cert_say(
            s->out, "warning",
            "chain incomplete: the certificate of \"%s\" is neither in this file nor beside it (ca.crt, chain.pem) nor "
            "among the system's; append it, or name it with chain = in the listener",
            name);
    } else if (!chain.trusted && top != c) {
        x509_short_name(top->subject, name, sizeof(name));
        cert_say(s->out, "note", "clients must be given the certificate of \"%s\"", name);
    }
    x509_pool_fini(&others);
    x509_pool_fini(&roots);
}

static bool key_path(const struct surroundings *s, char out[PATH_MAX])
{
    size_t n = strlen(s->file);
    const char *dot = strrchr(s->file, '.');
    int stem = dot != NULL ? (int)(dot - s->file) : (int)n;
    if (snprintf(out, PATH_MAX, "%s/%.*s.key", s->dir, stem, s->file) < PATH_MAX && access(out, F_OK) == 0)
        return true;
    bool certbot = strncmp(s->file, "cert", 4) == 0 || strncmp(s->file, "fullchain", 9) == 0;
    return certbot && snprintf(out, PATH_MAX, "%s/privkey.pem", s->dir) < PATH_MAX && access(out, F_OK) == 0;
}

static void say_key(const struct surroundings *s, const struct x509 *c)
{
    char path[PATH_MAX], why[2048];
    struct cert_key key = {0};
    if (!key_path(s, path))
        return;
    const char *name = strrchr(path, '/') + 1;
    if (!cert_key_load(&key, path, why, sizeof(why)))
        cert_say(s->out, "key file", "%s; not compared: %s", name, why);
    else if (cert_key_fits(&key, c))
        cert_say(s->out, "key file", "%s, which fits", name);
    else
        cert_say(s->out, "warning", "%s is not its key: no listener can use the two together; find the right one",
                 name);
    cert_key_fini(&key);
}

static void warn_if_revoked(const struct surroundings *s, const struct x509 *c)
{
    char path[PATH_MAX], day[16], why[512];
    struct pem_file f;
    DerBuffer *der = NULL;
    struct x509_crl l;
    if (snprintf(path, sizeof(path), "%s/" CERT_CRL, s->dir) >= PATH_MAX || access(path, F_OK) != 0 ||
        !pem_file_read(&f, path, why, sizeof(why)))
        return;
    struct bytes pem = pem_block(&f, "CRL");
    bool is_list = pem.n > 0 && wc_PemToDer(pem.p, (long)pem.n, CRL_TYPE, &der, NULL, NULL, NULL) == 0 &&
                   x509_crl_read(&l, bytes_of(der->buffer, der->length)) && bytes_equal(l.issuer, c->issuer);
    struct rd r = rd_of(is_list ? l.revoked : bytes_of("", 0));
    for (struct x509_revoked entry; x509_crl_next(&r, &entry);) {
        cert_day(entry.when, day);
        if (bytes_equal(entry.serial, c->serial))
            cert_say(s->out, "warning", "revoked on %s (" CERT_CRL ")", day);
    }
    wc_FreeDer(&der);
    pem_file_free(&f);
}

/* ---- the whole ---- */

void cert_describe(struct surroundings *s, const struct x509 *c, const struct x509_pool *all)
{
    char text[1024];
    cert_say(s->out, "what", "%s", kind(c));
    x509_name_text(c->subject, text, sizeof(text));
    cert_say(s->out, "for", "%s", text);
    say_names(s->out, c);
    say_dates(s, c->from, c->until);
    if (c->key.type == X509_KEY_RSA)
        cert_say(s->out, "key", "RSA, %u bits", c->key.bits);
    else
        cert_say(s->out, "key", "%s", c->key.name);
    if (all != NULL)
        say_key(s, c);
    x509_name_text(c->issuer, text, sizeof(text));
    cert_say(s->out, "issuer", "%s", text);
    cert_say(s->out, "signed", "%s", x509_signature_name(c->signature_oid, text, sizeof(text)));
    say_purposes(s->out, c);
    say_fingerprints(s->out, c);
    if (all != NULL)
        say_chain(s, c, all);
    warn_of_dates(s, c);
    warn_of_key(s, c);
    warn_if_revoked(s, c);
}

void cert_describe_crl(const struct surroundings *s, const struct x509_crl *l)
{
    char text[1024], a[16], b[16];
    struct rd r = rd_of(l->revoked);
    unsigned n = 0;
    for (struct x509_revoked entry; x509_crl_next(&r, &entry);)
        n++;
    x509_name_text(l->issuer, text, sizeof(text));
    cert_day(l->from, a);
    cert_day(l->until, b);
    cert_say(s->out, "what", "revocation list");
    cert_say(s->out, "issuer", "%s", text);
    cert_say(s->out, "valid", "%s to %s", a, l->until != 0 ? b : "its next");
    x509_hex(l->number, '\0', text, sizeof(text));
    if (l->number.n > 0)
        cert_say(s->out, "number", "0x%s", text);
    cert_say(s->out, "revoked", "%u certificate%s", n, n == 1 ? "" : "s");
    r = rd_of(l->revoked);
    for (struct x509_revoked entry; x509_crl_next(&r, &entry);) {
        x509_hex(entry.serial, '\0', text, sizeof(text));
        cert_day(entry.when, a);
        cert_say(s->out, "", "%s on %s", text, a);
    }
    if (l->until != 0 && l->until < s->now)
        cert_say(s->out, "warning",
                 "out of date: listeners that use it refuse every client; make it anew (sotto cert revoke)");
}
