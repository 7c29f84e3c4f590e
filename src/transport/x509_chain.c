/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who signed what. Signatures are verified by wolfCrypt's generic functions and not through its certificate manager,
 * because that looks at dates first and then no longer says whether the chain was right: here each is a finding of its
 * own.
 */
#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/rsa.h>
#include <wolfssl/wolfcrypt/signature.h>

#include "sotto/transport/x509.h"

#include "der_private.h"
#include "sotto/base/mem.h"
#include "tls_files_private.h"

/* As many as a system's CAs and some more. */
#define POOL_MAX 4096

struct algorithm {
    enum x509_key_type key;
    enum wc_HashType hash;
};

static bool find_algorithm(struct bytes oid, struct algorithm *a)
{
    const struct bytes rsa = DER_OID_OF(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01);
    const struct bytes ec = DER_OID_OF(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03);
    bool is_rsa = oid.n == rsa.n + 1 && memcmp(oid.p, rsa.p, rsa.n) == 0;
    bool is_ec = oid.n == ec.n + 1 && memcmp(oid.p, ec.p, ec.n) == 0;
    /* The numbers of SHA-256, SHA-384 and SHA-512 follow each other in both. */
    static const enum wc_HashType hashes[] = {WC_HASH_TYPE_SHA256, WC_HASH_TYPE_SHA384, WC_HASH_TYPE_SHA512};
    unsigned last = oid.n > 0 ? oid.p[oid.n - 1] : 0;
    unsigned first = is_rsa ? 11 : 2;
    if ((!is_rsa && !is_ec) || last < first || last > first + 2)
        return false;
    *a = (struct algorithm){is_rsa ? X509_KEY_RSA : X509_KEY_EC, hashes[last - first]};
    return true;
}

static bool verify_rsa(enum wc_HashType hash, struct bytes body, struct bytes signature, const struct x509_key *by)
{
    RsaKey key;
    word32 at = 0;
    if (wc_InitRsaKey(&key, NULL) != 0)
        return false;
    bool ok = wc_RsaPublicKeyDecode(by->whole.p, &at, &key, (word32)by->whole.n) == 0 &&
              wc_SignatureVerify(hash, WC_SIGNATURE_TYPE_RSA_W_ENC, body.p, (word32)body.n, signature.p,
                                 (word32)signature.n, &key, sizeof(key)) == 0;
    wc_FreeRsaKey(&key);
    return ok;
}

static bool verify_ec(enum wc_HashType hash, struct bytes body, struct bytes signature, const struct x509_key *by)
{
    ecc_key key;
    word32 at = 0;
    if (wc_ecc_init(&key) != 0)
        return false;
    bool ok = wc_EccPublicKeyDecode(by->whole.p, &at, &key, (word32)by->whole.n) == 0 &&
              wc_SignatureVerify(hash, WC_SIGNATURE_TYPE_ECC, body.p, (word32)body.n, signature.p, (word32)signature.n,
                                 &key, sizeof(key)) == 0;
    wc_ecc_free(&key);
    return ok;
}

enum x509_signed x509_is_signed(struct bytes body, struct bytes oid, struct bytes signature, const struct x509_key *by)
{
    struct algorithm a;
    if (!find_algorithm(oid, &a))
        return X509_CANT_TELL;
    if (a.key != by->type || signature.n == 0)
        return X509_NOT_SIGNED;
    bool ok = a.key == X509_KEY_RSA ? verify_rsa(a.hash, body, signature, by) : verify_ec(a.hash, body, signature, by);
    return ok ? X509_SIGNED : X509_NOT_SIGNED;
}

bool x509_is_issued_by(const struct x509 *c, const struct x509 *issuer)
{
    if (!issuer->ca || !bytes_equal(c->issuer, issuer->subject))
        return false;
    bool other_key = c->authority_key_id.n > 0 && issuer->subject_key_id.n > 0 &&
                     !bytes_equal(c->authority_key_id, issuer->subject_key_id);
    return !other_key && x509_is_signed(c->body, c->signature_oid, c->signature, &issuer->key) != X509_NOT_SIGNED;
}

bool x509_is_self_signed(const struct x509 *c)
{
    return bytes_equal(c->issuer, c->subject) &&
           x509_is_signed(c->body, c->signature_oid, c->signature, &c->key) != X509_NOT_SIGNED;
}

/* ---- pools ---- */

bool x509_pool_add(struct x509_pool *p, struct bytes der)
{
    struct x509 c;
    if (p->n == POOL_MAX || !x509_read(&c, der))
        return false;
    if (p->n == p->cap) {
        p->cap = p->cap > 0 ? p->cap * 2 : 8;
        p->v = mem_realloc(p->v, p->cap * sizeof(*p->v));
    }
    char *copy = mem_strndup(der.p, der.n);
    x509_read(&p->v[p->n++], bytes_of(copy, der.n));
    return true;
}

static bool add_block(struct x509_pool *p, struct bytes pem)
{
    DerBuffer *der = NULL;
    bool ok = wc_PemToDer(pem.p, (long)pem.n, CERT_TYPE, &der, NULL, NULL, NULL) == 0 &&
              x509_pool_add(p, bytes_of(der->buffer, der->length));
    wc_FreeDer(&der);
    return ok;
}

size_t x509_pool_add_text(struct x509_pool *p, struct bytes text)
{
    size_t before = p->n;
    if (x509_pool_add(p, text))
        return 1;
    struct pem_file rest = {.p = (char *)(uintptr_t)text.p, .n = text.n};
    for (struct bytes block; (block = pem_block(&rest, "CERTIFICATE")).n > 0;) {
        add_block(p, block);
        char *behind = rest.p + (block.p - (const uint8_t *)rest.p) + block.n;
        rest = (struct pem_file){.p = behind, .n = rest.n - (size_t)(behind - rest.p)};
    }
    return p->n - before;
}

int x509_pool_add_file(struct x509_pool *p, const char *path, char *err, size_t err_cap)
{
    struct pem_file f;
    if (!pem_file_read(&f, path, err, err_cap))
        return -1;
    size_t n = x509_pool_add_text(p, bytes_of(f.p, f.n));
    pem_file_free(&f);
    return (int)n;
}

void x509_pool_fini(struct x509_pool *p)
{
    for (size_t i = 0; i < p->n; i++)
        mem_free((void *)(uintptr_t)p->v[i].whole.p);
    mem_free(p->v);
    *p = (struct x509_pool){0};
}

/* ---- chains ---- */

static const struct x509 *find_issuer(const struct x509 *c, const struct x509_pool *p)
{
    for (size_t i = 0; p != NULL && i < p->n; i++) {
        if (x509_is_issued_by(c, &p->v[i]))
            return &p->v[i];
    }
    return NULL;
}

static bool is_in(const struct x509 *c, const struct x509_pool *p)
{
    for (size_t i = 0; p != NULL && i < p->n; i++) {
        if (bytes_equal(c->whole, p->v[i].whole))
            return true;
    }
    return false;
}

void x509_chain_find(struct x509_chain *out, const struct x509 *leaf, const struct x509_pool *others,
                     const struct x509_pool *trusted)
{
    *out = (struct x509_chain){.v = {leaf}, .n = 1};
    while (out->n <= X509_CHAIN_MAX) {
        const struct x509 *top = out->v[out->n - 1];
        out->trusted = is_in(top, trusted);
        bool root = bytes_equal(top->issuer, top->subject);
        if (out->trusted || root || out->n == X509_CHAIN_MAX)
            return;
        const struct x509 *next = find_issuer(top, trusted);
        next = next != NULL ? next : find_issuer(top, others);
        if (next == NULL)
            return;
        out->v[out->n++] = next;
    }
}
