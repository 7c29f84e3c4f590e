/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The files of a listener's clients: CAs, revocation lists, shared keys.
 *
 * Everything fails closed. A list that can't be read, that is nobody's or that has ended is an error at the start; one
 * that ends while the broker runs makes wolfSSL refuse every certificate of its CA. Where there is a list, there must
 * be one for every CA of client_ca, and intermediate CAs are looked up in them, too.
 */
#include "tls_auth_private.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <wolfssl/wolfcrypt/asn_public.h>

#include "sotto/base/log.h"
#include "sotto/base/mem.h"
#include "tls_files_private.h"
#include "tls_peer_private.h"
#include "sotto/transport/tls_features.h"

#define DAY_SIZE 16
#define NAME_SIZE 96

bool tls_auth_is_wanted(const struct tls_settings *s)
{
    return s->client_cert != TLS_CLIENT_CERT_NONE || s->psk_file != NULL;
}

static const char *day(time_t t, char out[DAY_SIZE])
{
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(out, DAY_SIZE, "%Y-%m-%d", &tm);
    return out;
}

/* ---- CAs ---- */

static void warn_ca(const char *path, const char *name, const char *what, time_t when)
{
    char date[DAY_SIZE];
    log_event(LOG_WARN, "tls.certificate", LF_STR("file", path), LF_STR("ca", name), LF_STR("reason", what),
              LF_STR("date", day(when, date)),
              LF_STR("hint", "its clients are refused: check this machine's clock, then the CA"));
}

static bool load_ca(const struct tls_pairs *to, const struct x509 *ca, const char *path, struct tls_complaint *wrong)
{
    char name[NAME_SIZE];
    time_t now = time(NULL);
    x509_short_name(ca->subject, name, sizeof(name));
    if (!ca->ca) {
        snprintf(
            wrong->text, wrong->cap,
            "%s: the certificate of %s is no CA's: name the file with the CA that issues the clients' certificates",
            path, name);
        return false;
    }
    /* Clocks are set after the start: dates are looked at in each handshake. */
    bool ok = true;
    for (size_t i = 0; i < to->n && ok; i++)
        ok = wolfSSL_CTX_load_verify_buffer_ex(to->v[i].native, ca->whole.p, (long)ca->whole.n, WOLFSSL_FILETYPE_ASN1,
                                               0, WOLFSSL_LOAD_FLAG_DATE_ERR_OKAY) == WOLFSSL_SUCCESS;
    if (!ok) {
        snprintf(
            wrong->text, wrong->cap,
            "%s: wolfSSL does not take the CA %s (damaged, or a kind of key that it does not know): make a new one",
            path, name);
        return false;
    }
    if (ca->until < now)
        warn_ca(path, name, "the CA's certificate has ended", ca->until);
    else if (ca->from > now)
        warn_ca(path, name, "the CA's certificate is not valid yet", ca->from);
    return true;
}

static bool load_cas(const struct tls_pairs *to, struct tls_auth *a, const char *path, struct tls_complaint *wrong)
{
    wrong->setting = "client_ca";
    a->ca_file = mem_strndup(path, strlen(path));
    int n = x509_pool_add_file(&a->cas, path, wrong->text, wrong->cap);
    if (n == 0)
        snprintf(wrong->text, wrong->cap,
                 "%s holds no certificate: it must have the CA's, PEM with -----BEGIN CERTIFICATE----- or DER", path);
    if (n <= 0)
        return false;
    for (size_t i = 0; i < a->cas.n; i++) {
        if (!load_ca(to, &a->cas.v[i], path, wrong))
            return false;
    }
    return true;
}

/* ---- revocation lists ---- */

#ifdef HAVE_CRL
static bool enable_crl(const struct tls_pairs *to, bool all)
{
    bool ok = true;
    int how = WOLFSSL_CRL_CHECK | (all ? WOLFSSL_CRL_CHECKALL : 0);
    for (size_t i = 0; i < to->n && ok; i++)
        ok = wolfSSL_CTX_EnableCRL(to->v[i].native, how) == WOLFSSL_SUCCESS;
    return ok;
}

static bool add_crl(const struct tls_pairs *to, struct bytes der)
{
    bool ok = true;
    for (size_t i = 0; i < to->n && ok; i++)
        ok = wolfSSL_CTX_LoadCRLBuffer(to->v[i].native, der.p, (long)der.n, WOLFSSL_FILETYPE_ASN1) == WOLFSSL_SUCCESS;
    return ok;
}
#else
static bool enable_crl(const struct tls_pairs *to, bool all)
{
    (void)to, (void)all;
    return false;
}

static bool add_crl(const struct tls_pairs *to, struct bytes der)
{
    (void)to, (void)der;
    return false;
}
#endif

struct lists {
    const struct tls_pairs *to;
    const struct x509_pool *cas;
    const char *path;
    bool *covered; /* by CA: a list of it was read */
    bool revoked;  /* a list names a CA of client_ca */
    struct tls_auth *auth;
    struct tls_complaint *wrong;
};

static bool complain_of_list(const struct lists *l, const struct x509_crl *crl, const char *what)
{
    char name[NAME_SIZE];
    x509_short_name(crl->issuer, name, sizeof(name));
    snprintf(l->wrong->text, l->wrong->cap, "%s: the revocation list of %s %s", l->path, name, what);
    return false;
}

/* The CA of client_ca that made it; cas->n: none. */
static size_t maker_of(const struct lists *l, const struct x509_crl *crl)
{
    size_t i = 0;
    while (i < l->cas->n &&
           (!bytes_equal(l->cas->v[i].subject, crl->issuer) ||
            x509_is_signed(crl->body, crl->signature_oid, crl->signature, &l->cas->v[i].key) == X509_NOT_SIGNED))
        i++;
    return i;
}

static bool revokes_a_ca(const struct lists *l, const struct x509_crl *crl)
{
    struct rd r = rd_of(crl->revoked);
    for (struct x509_revoked entry; x509_crl_next(&r, &entry);) {
        for (size_t i = 0; i < l->cas->n; i++) {
            if (bytes_equal(l->cas->v[i].issuer, crl->issuer) && bytes_equal(l->cas->v[i].serial, entry.serial))
                return true;
        }
    }
    return r.bad;
}

/* A CA of client_ca whose own issuer is not there: trust begins with it. */
static bool begins_in_the_middle(const struct x509_pool *cas)
{
    bool found = true;
    for (size_t i = 0; i < cas->n && found; i++) {
        found = false;
        for (size_t k = 0; k < cas->n && !found; k++)
            found = bytes_equal(cas->v[k].subject, cas->v[i].issuer);
    }
    return !found;
}

/*
 * wolfSSL from 5.7 on looks for each CA above a client's certificate in the list of that CA's issuer, and refuses the
 * client where there is none: so nobody would get in where client_ca begins with an intermediate CA, whose issuer has
 * no business here. Then only the client's certificate is looked up. That lets nobody in who would be kept out else: a
 * CA that the client brings has no list here, so nothing that it issued is taken; and where a list names one of
 * client_ca, all are looked up in any case.
 */
static bool looks_up_all(const struct lists *l)
{
    return l->revoked || !begins_in_the_middle(l->cas);
}

static bool load_list(struct lists *l, struct bytes der)
{
    struct x509_crl crl;
    char date[DAY_SIZE], what[160];
    if (!x509_crl_read(&crl, der)) {
        snprintf(l->wrong->text, l->wrong->cap, "%s: a revocation list in it is damaged: make it again", l->path);
        return false;
    }
    size_t ca = maker_of(l, &crl);
    if (ca == l->cas->n)
        return complain_of_list(
            l, &crl, "was made by no CA of client_ca: put that CA's certificate there, or take the list out");
    if (crl.until == 0)
        return complain_of_list(l, &crl, "does not say when the next one comes (nextUpdate): make one that does");
    if (crl.until < time(NULL)) {
        snprintf(what, sizeof(what),
                 "ended on %s, so nobody knows who is revoked by now: get a new one from the CA (and check this "
                 "machine's clock)",
                 day(crl.until, date));
        return complain_of_list(l, &crl, what);
    }
    if (!add_crl(l->to, der))
        return complain_of_list(l, &crl, "is not understood by wolfSSL: make it with SHA-256 and RSA or ECDSA");
    l->covered[ca] = true;
    l->revoked |= revokes_a_ca(l, &crl);
    if (l->auth->crl_until == 0 || crl.until < l->auth->crl_until) {
        l->auth->crl_until = crl.until;
        x509_short_name(crl.issuer, l->auth->crl_name, sizeof(l->auth->crl_name));
    }
    return true;
}

/* PEM blocks, or DER. How many; -1: one was refused. */
static int load_lists(struct lists *l, const struct pem_file *f)
{
    struct x509_crl crl;
    if (x509_crl_read(&crl, bytes_of(f->p, f->n)))
        return load_list(l, bytes_of(f->p, f->n)) ? 1 : -1;
    struct pem_file rest = *f;
    int n = 0;
    for (struct bytes block; (block = pem_block(&rest, "X509 CRL")).n > 0; n++) {
        DerBuffer *der = NULL;
        bool ok = wc_PemToDer(block.p, (long)block.n, CRL_TYPE, &der, NULL, NULL, NULL) == 0;
        ok = load_list(l, ok ? bytes_of(der->buffer, der->length) : bytes_of("", 0));
        wc_FreeDer(&der);
        if (!ok)
            return -1;
        char *behind = rest.p + (block.p - (const uint8_t *)rest.p) + block.n;
        rest = (struct pem_file){.p = behind, .n = rest.n - (size_t)(behind - rest.p)};
    }
    return n;
}

static bool all_covered(const struct lists *l)
{
    for (size_t i = 0; i < l->cas->n; i++) {
        char name[NAME_SIZE];
        if (l->covered[i])
            continue;
        x509_short_name(l->cas->v[i].subject, name, sizeof(name));
        snprintf(l->wrong->text, l->wrong->cap,
                 "%s has no revocation list of the CA %s, so all its clients would be refused: add its list to the "
                 "file, or take the CA out of client_ca",
                 l->path, name);
        return false;
    }
    return true;
}

static bool load_crl(const struct tls_pairs *to, struct tls_auth *a, const char *path, struct tls_complaint *wrong)
{
    struct pem_file f;
    wrong->setting = "crl";
    if (!pem_file_read(&f, path, wrong->text, wrong->cap))
        return false;
    struct lists l = {
        .to = to, .cas = &a->cas, .path = path, .covered = mem_alloc(a->cas.n), .auth = a, .wrong = wrong};
    bool ok = tls_feature_need(TLS_FEATURE_CRL, "crl", wrong->text, wrong->cap) && enable_crl(to, false);
    int n = ok ? load_lists(&l, &f) : -1;
    if (n == 0)
        snprintf(
            wrong->text, wrong->cap,
            "%s holds no revocation list: it must be PEM with -----BEGIN X509 CRL----- or DER (`sotto cert revoke` "
            "makes one)",
            path);
    ok = n > 0 && all_covered(&l) && enable_crl(to, looks_up_all(&l));
    a->crl_file = mem_strndup(path, strlen(path));
    mem_free(l.covered);
    pem_file_free(&f);
    return ok;
}

/* ---- shared keys ---- */

#ifndef NO_PSK
static bool set_keys(const struct tls_pairs *to)
{
    for (size_t i = 0; i < to->n; i++) {
        wolfSSL_CTX_set_psk_server_callback(to->v[i].native, tls_peer_key);
        wolfSSL_CTX_set_psk_server_tls13_callback(to->v[i].native, tls_peer_key_13);
    }
    return true;
}
#else
static bool set_keys(const struct tls_pairs *to)
{
    (void)to;
    return false;
}
#endif

static bool load_keys(const struct tls_pairs *to, struct tls_auth *a, const struct tls_settings *s,
                      struct tls_complaint *wrong)
{
    wrong->setting = "psk_file";
    a->keys = psk_table_load(s->psk_file, wrong->text, wrong->cap);
    if (a->keys == NULL)
        return false;
    if (!tls_feature_need(TLS_FEATURE_PSK, "psk_file", wrong->text, wrong->cap) || !set_keys(to))
        return false;
    if (s->max_version == TLS_1_3 && a->keys_suite == NULL) {
        wrong->setting = "ciphers";
        snprintf(
            wrong->text, wrong->cap,
            "psk_file needs a suite of TLS 1.3 with SHA-256: add TLS_AES_128_GCM_SHA256, or write max_version = 1.2");
        return false;
    }
    return true;
}

/* ---- all ---- */

static bool set_up(const struct tls_pairs *to, struct tls_auth *a, const struct tls_settings *s,
                   struct tls_complaint *wrong)
{
    static const int modes[] = {[TLS_CLIENT_CERT_NONE] = WOLFSSL_VERIFY_NONE,
                                [TLS_CLIENT_CERT_OPTIONAL] = WOLFSSL_VERIFY_PEER,
                                [TLS_CLIENT_CERT_REQUIRED] = WOLFSSL_VERIFY_PEER | WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT};
    if (s->client_cert != TLS_CLIENT_CERT_NONE) {
        for (size_t i = 0; i < to->n; i++)
            wolfSSL_CTX_set_verify(to->v[i].native, modes[s->client_cert], tls_peer_verify);
        if (!load_cas(to, a, s->client_ca, wrong))
            return false;
        if (s->crl != NULL && !load_crl(to, a, s->crl, wrong))
            return false;
    }
    return s->psk_file == NULL || load_keys(to, a, s, wrong);
}

struct tls_auth *tls_auth_new(const struct tls_pairs *to, const struct tls_settings *s, const char *keys_suite,
                              struct tls_complaint *wrong)
{
    struct tls_auth *a = mem_alloc(sizeof(*a));
    a->client_cert = s->client_cert;
    a->client_cert_user = s->client_cert_user;
    a->keys_only = s->pairs_n == 0;
    a->keys_suite = keys_suite;
    if (set_up(to, a, s, wrong))
        return a;
    tls_auth_free(a);
    return NULL;
}

void tls_auth_free(struct tls_auth *a)
{
    if (a == NULL)
        return;
    x509_pool_fini(&a->cas);
    mem_free(a->ca_file);
    mem_free(a->crl_file);
    psk_table_free(a->keys);
    mem_free(a);
}
