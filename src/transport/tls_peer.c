/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Nothing that a callback notes is proof by itself. A certificate's owner has shown its key only when the handshake is
 * done; and TLS 1.3 asks for shared keys by identities that anybody may name, and may go on without one. So the last
 * thing noted is believed at the end, and a shared key's only where cipher suite (1.2) or ServerHello (1.3) say that it
 * was used. Sessions are never resumed on these listeners: a ticket would bring nobody's name.
 *
 * wolfSSL keeps each intermediate CA that it has verified, for all connections of the context. So that it doesn't
 * depend on others whether a client gets in, each client's chain must lead to client_ca by itself; and at that end the
 * dates are looked at, which wolfSSL doesn't.
 */
#include "tls_peer_private.h"

#include <stdio.h>
#include <time.h>

#include "sotto/base/mem.h"

#define OLD_CERTIFICATE "the client's certificate is of X.509 version 1, which TLS does not allow"
#define HINT_NAME "see client_cert_user in the listener's section, and `sotto cert show` for the certificate"
#define SENTENCE 240
#define NAME_SIZE 96

void tls_peer_init(struct tls_peer *p, const struct tls_auth *auth)
{
    *p = (struct tls_peer){.auth = auth};
}

void tls_peer_fini(struct tls_peer *p)
{
    mem_free(p->fault);
    mem_free(p->about);
    p->fault = p->about = NULL;
}

static void forget(struct tls_peer *p)
{
    p->proof = TRANSPORT_NO_PROOF;
    p->known = false;
    p->user_n = 0;
}

static void note(struct tls_peer *p, enum transport_proof proof, struct bytes user)
{
    forget(p);
    p->proof = proof;
    p->user_n = (uint8_t)user.n;
    if (user.n > 0)
        memcpy(p->user, user.p, user.n);
}

static bool fault(struct tls_peer *p, const char *what, const char *why, const char *hint)
{
    char text[SENTENCE];
    int n = snprintf(text, sizeof(text), "%s%s%s", what, why != NULL ? ": " : "", why != NULL ? why : "");
    mem_free(p->fault);
    p->hint = hint;
    p->fault = mem_strndup(text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
    return false;
}

/* ---- certificates ---- */

static struct bytes presented(const WOLFSSL_X509_STORE_CTX *store, int i)
{
    return bytes_of(store->certs[i].buffer, store->certs[i].length);
}

static void note_about(struct tls_peer *p, const WOLFSSL_X509_STORE_CTX *store)
{
    struct x509 c;
    char name[NAME_SIZE], issuer[NAME_SIZE], text[2 * NAME_SIZE + 16];
    int i = store->error_depth;
    if (i < 0 || i >= store->totalCerts || !x509_read(&c, presented(store, i)))
        return;
    x509_short_name(c.subject, name, sizeof(name));
    x509_short_name(c.issuer, issuer, sizeof(issuer));
    int n = snprintf(text, sizeof(text), "%s, issued by %s", name, issuer);
    mem_free(p->about);
    p->about = mem_strndup(text, (size_t)n);
}

/* 1: one of the CAs with this name is valid now; 0: there are such CAs, and none is; -1: there is none. */
static int is_trusted(const struct x509_pool *cas, struct bytes name, time_t now)
{
    int best = -1;
    for (size_t i = 0; i < cas->n && best < 1; i++) {
        if (bytes_equal(cas->v[i].subject, name))
            best = cas->v[i].from <= now && now <= cas->v[i].until;
    }
    return best;
}

/* Goes up the presented chain by names (signatures are wolfSSL's business, and done) until client_ca is reached. */
static bool is_anchored(struct tls_peer *p, const WOLFSSL_X509_STORE_CTX *store)
{
    time_t now = time(NULL);
    struct bytes wanted = {NULL, 0};
    for (int i = 0; i < store->totalCerts && i < X509_CHAIN_MAX; i++) {
        struct x509 c;
        if (!x509_read(&c, presented(store, i)) || (i > 0 && !bytes_equal(c.subject, wanted)))
            break;
        wanted = c.issuer;
        int trusted = is_trusted(&p->auth->cas, c.issuer, now);
        if (trusted == 0)
            return fault(p,
                         "the CA of the client's certificate is not valid today: client_ca has ended or has not begun",
                         NULL, "check this machine's clock, then the dates of the CA: `sotto cert show`");
        if (trusted == 1)
            return true;
    }
    return fault(p, "the client's certificate comes without the intermediate CAs that lead to client_ca", NULL,
                 "let the client send its whole chain, or add the intermediate CAs to client_ca");
}

static struct bytes alternative_name(const struct x509 *c)
{
    static const enum x509_name_kind order[] = {X509_NAME_DNS, X509_NAME_EMAIL, X509_NAME_URI};
    struct x509_name name;
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]) && c->names.n > 0; i++) {
        struct rd r = rd_of(c->names);
        while (x509_name_next(&r, &name)) {
            if (name.kind == order[i])
                return name.raw;
        }
    }
    return (struct bytes){NULL, 0};
}

/* The user whom the certificate names, by the listener's rule. */
static bool take_name(struct tls_peer *p, const struct x509 *c)
{
    static const char *const what[] = {
        [TLS_CLIENT_CERT_USER_CN] = "the common name of the client's certificate can't be a user's name",
        [TLS_CLIENT_CERT_USER_SAN] = "the alternative name of the client's certificate can't be a user's name",
        [TLS_CLIENT_CERT_USER_SPKI] = "the key of the client's certificate can't be hashed",
    };
    static const char *const none[] = {
        [TLS_CLIENT_CERT_USER_CN] = "the client's certificate has no common name",
        [TLS_CLIENT_CERT_USER_SAN] = "the client's certificate has no alternative name (DNS, e-mail or URI)",
        [TLS_CLIENT_CERT_USER_SPKI] = "the key of the client's certificate can't be hashed",
    };
    char hash[X509_KEY_NAME];
    enum tls_client_cert_user rule = p->auth->client_cert_user;
    struct bytes name = {NULL, 0};
    if (rule == TLS_CLIENT_CERT_USER_NONE) {
        note(p, TRANSPORT_CERTIFICATE, name);
        return true;
    }
    name = rule == TLS_CLIENT_CERT_USER_CN    ? x509_common_name(c->subject)
           : rule == TLS_CLIENT_CERT_USER_SAN ? alternative_name(c)
                                              : bytes_str(x509_key_name(&c->key, hash));
    if (name.n == 0)
        return fault(p, none[rule], NULL, HINT_NAME);
    const char *why = user_name_fault(name);
    if (why != NULL)
        return fault(p, what[rule], why, HINT_NAME);
    note(p, TRANSPORT_CERTIFICATE, name);
    return true;
}

int tls_peer_verify(int ok, WOLFSSL_X509_STORE_CTX *store)
{
    struct tls_peer *p = store->userCtx;
    struct x509 c;
    if (ok && (store->error_depth > 0 || store->totalCerts == 0))
        return 1; /* an intermediate; or none was shown, and whether that will do, wolfSSL knows */
    bool good = ok != 0;
    if (good && !x509_read(&c, presented(store, 0)))
        good = fault(p, "the client's certificate is not understood", NULL, HINT_NAME);
    /* RFC 8446 4.4.2.2, RFC 5246 7.4.2; wolfSSL looks in some builds only. */
    if (good && c.version != 3)
        good = fault(p, OLD_CERTIFICATE, NULL, TLS_HINT_OLD_CERTIFICATE);
    good = good && is_anchored(p, store) && take_name(p, &c);
    if (good)
        return 1;
    forget(p);
    note_about(p, store);
    return 0;
}

/* ---- shared keys ---- */

unsigned tls_peer_key(WOLFSSL *ssl, const char *identity, unsigned char *key, unsigned max)
{
    struct tls_peer *p = tls_peer_of(ssl);
    struct bytes name = bytes_str(identity);
    bool known;
    forget(p);
    /* Not even the form of a name: a ticket of another server, perhaps. Nothing is given away by that. */
    if (user_name_fault(name) != NULL || max < PSK_KEY_MAX)
        return 0;
    size_t n = psk_table_find(p->auth->keys, name, key, &known);
    note(p, TRANSPORT_SHARED_KEY, name);
    p->known = known;
    return (unsigned)n;
}

unsigned tls_peer_key_13(WOLFSSL *ssl, const char *identity, unsigned char *key, unsigned max, const char **suite)
{
    *suite = tls_peer_of(ssl)->auth->keys_suite;
    return *suite != NULL ? tls_peer_key(ssl, identity, key, max) : 0;
}

/* ---- the end of the handshake ---- */

void tls_peer_see_output(struct tls_peer *p, struct bytes records)
{
    bool found, takes = server_hello_takes_key(records, &found);
    if (found)
        p->key_agreed = takes;
}

static bool used_key(const struct tls_peer *p, WOLFSSL *ssl)
{
    if (wolfSSL_version(ssl) >= TLS1_3_VERSION)
        return p->key_agreed;
    const char *suite = wolfSSL_get_cipher_name(ssl);
    return suite != NULL && strstr(suite, "PSK") != NULL;
}

bool tls_peer_settle(struct tls_peer *p, WOLFSSL *ssl)
{
    bool by_key = used_key(p, ssl);
    if (p->proof == TRANSPORT_SHARED_KEY && !(by_key && p->known))
        forget(p); /* named a shared key, and went on without */
    if (by_key && p->proof != TRANSPORT_SHARED_KEY)
        return fault(p, "the shared key belongs to nobody", NULL, NULL);
    if (!by_key && p->auth->keys_only)
        return fault(p, "the client has no shared key, and this listener takes nothing else", NULL, TLS_HINT_KEY);
    if (p->auth->client_cert == TLS_CLIENT_CERT_REQUIRED && p->proof != TRANSPORT_CERTIFICATE)
        return fault(p, "the client showed no certificate, and this listener asks for one", NULL, TLS_HINT_CERTIFICATE);
    return true;
}
