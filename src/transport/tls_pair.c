/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Loading of a pair: the certificate, the chain in the right order and no longer than it must be, the key in any of the
 * usual forms, locked or not.
 *
 * Whatever order the files have and whatever else is in them, what is sent is the leaf and the CAs between it and the
 * root, each one issued by the next. The root is left out: a client has it or does not trust it, and small devices
 * have no room for it.
 */
#include "tls_pair_private.h"

#include <stdio.h>

#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

#include "sotto/base/mem.h"
#include "sotto/transport/tls_features.h"
#include "der_private.h"
#include "tls_files_private.h"

/* PEM is a third larger, and has its two lines. */
#define PEM_ROOM(n) ((n)*3 / 2 + 128)
#define PHRASE_MAX 1024
#define PADDING_MAX 16 /* of a block cipher */
#define NAMES_SHOWN 5
#define POINT_MAX 256
#define POINT_PLAIN 4 /* the first byte of an uncompressed one */
/* Of a certificate message: type and length, length of the list, and of each certificate. */
#define MESSAGE_HEADER 7
#define CERTIFICATE_HEADER 3

const struct x509 *tls_pair_leaf(const struct tls_pair *p)
{
    return p->chain.v[0];
}

bool tls_pair_is_rsa(const struct tls_pair *p)
{
    return p->chain.n > 0 && tls_pair_leaf(p)->key.type == X509_KEY_RSA;
}

/* ---- The certificates ---- */

static size_t count_blocks(const struct pem_file *f)
{
    static const char label[] = "CERTIFICATE";
    size_t n = 0;
    for (const char *p = f->p; (p = strstr(p, "-----END ")) != NULL;) {
        p += strlen("-----END ");
        const char *end = strstr(p, "-----");
        size_t size = end != NULL ? (size_t)(end - p) : 0;
        n += size >= strlen(label) && memcmp(end - strlen(label), label, strlen(label)) == 0;
    }
    return n;
}

static bool add_certificates(struct tls_pair *p, const char *path, const char *remedy, struct tls_complaint *wrong)
{
    struct pem_file f;
    if (!pem_file_read(&f, path, wrong->text, wrong->cap))
        return false;
    size_t wanted = count_blocks(&f), n = x509_pool_add_text(&p->certs, bytes_of(f.p, f.n));
    pem_file_free(&f);
    if (n > 0 && n >= wanted)
        return true;
    if (n == 0)
        snprintf(wrong->text, wrong->cap, "%s holds no certificate: %s", path, remedy);
    else
        snprintf(wrong->text, wrong->cap, "%s: a certificate in it is damaged (%zu of %zu can be read): get it again",
                 path, n, wanted);
    return false;
}

static uint16_t signature_number(const struct x509 *c)
{
    char text[X509_TEXT];
    const char *name = x509_signature_name(c->signature_oid, text, sizeof(text));
    unsigned key = strstr(name, "RSA") != NULL ? 1 : strstr(name, "ECDSA") != NULL ? 3 : 0;
    unsigned hash = strstr(name, "SHA-256") != NULL   ? 4
                    : strstr(name, "SHA-384") != NULL ? 5
                    : strstr(name, "SHA-512") != NULL ? 6
                                                      : 0;
    return hash != 0 && key != 0 && strstr(name, "PSS") == NULL ? (uint16_t)(hash << 8 | key) : 0;
}

/* Those that are neither in the chain (the root is still in it) nor the same as one of it. */
static size_t count_strangers(const struct tls_pair *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->certs.n; i++) {
        bool found = false;
        for (size_t j = 0; j < p->chain.n && !found; j++)
            found = bytes_equal(p->certs.v[i].whole, p->chain.v[j]->whole);
        n += !found;
    }
    return n;
}

static void find_chain(struct tls_pair *p)
{
    x509_chain_find(&p->chain, &p->certs.v[0], &p->certs, NULL);
    p->strangers = count_strangers(p);
    const struct x509 *top = p->chain.v[p->chain.n - 1];
    if (p->chain.n > 1 && bytes_equal(top->issuer, top->subject))
        p->chain.n--;
    p->message = MESSAGE_HEADER;
    for (size_t i = 0; i < p->chain.n; i++) {
        p->message += CERTIFICATE_HEADER + p->chain.v[i]->whole.n;
        p->signed_by[i] = signature_number(p->chain.v[i]);
    }
}

/* In the one form that every version of wolfSSL takes. */
static bool use_chain(const struct tls_pair *p)
{
    size_t cap = PEM_ROOM(p->message) + p->chain.n * 128, n = 0;
    char *pem = mem_alloc(cap);
    bool ok = true;
    for (size_t i = 0; i < p->chain.n && ok; i++) {
        struct bytes der = p->chain.v[i]->whole;
        int rc = wc_DerToPem(der.p, (word32)der.n, (byte *)pem + n, (word32)(cap - n), CERT_TYPE);
        ok = rc > 0;
        n += rc > 0 ? (size_t)rc : 0;
    }
    ok = ok &&
         wolfSSL_CTX_use_certificate_chain_buffer(p->native, (const unsigned char *)pem, (long)n) == WOLFSSL_SUCCESS;
    mem_free(pem);
    return ok;
}

static void put_words(struct tls_pair *p)
{
    const struct x509_key *k = &tls_pair_leaf(p)->key;
    if (k->type == X509_KEY_RSA)
        snprintf(p->words, sizeof(p->words), "RSA-%u", k->bits);
    else
        snprintf(p->words, sizeof(p->words), "%s", k->name);
}

static bool load_certificate(struct tls_pair *p, const struct tls_pair_files *f, struct tls_complaint *wrong)
{
    wrong->setting = "cert";
    if (!add_certificates(p, f->cert, "it must be a PEM file with -----BEGIN CERTIFICATE-----", wrong))
        return false;
    wrong->setting = "chain";
    if (f->chain != NULL && !add_certificates(p, f->chain, "leave chain out where there are no intermediates", wrong))
        return false;
    find_chain(p);
    put_words(p);
    wrong->setting = "cert";
    if (use_chain(p))
        return true;
    snprintf(wrong->text, wrong->cap, "%s can't be used: wolfSSL does not understand a certificate in it (%s)",
             f->chain != NULL ? f->chain : f->cert, p->words);
    return false;
}

/* ---- The key ---- */

struct phrase {
    char text[PHRASE_MAX];
    size_t n;
};

static bool is_old_form(const struct pem_file *f)
{
    return strstr(f->p, "Proc-Type: 4,ENCRYPTED") != NULL;
}

static bool is_locked(const struct pem_file *f)
{
    return pem_block(f, "ENCRYPTED PRIVATE KEY").n > 0 || is_old_form(f);
}

/* The first line of the file. */
static bool read_phrase(struct phrase *p, const char *path, struct tls_complaint *wrong)
{
    struct pem_file f;
    wrong->setting = "key_passphrase_file";
    if (!pem_file_read(&f, path, wrong->text, wrong->cap))
        return false;
    p->n = strcspn(f.p, "\r\n");
    bool ok = p->n > 0 && p->n < sizeof(p->text);
    if (ok)
        memcpy(p->text, f.p, p->n); /* zeroed before */
    else
        snprintf(wrong->text, wrong->cap, "%s: its first line must be the passphrase, 1 to %d bytes", path,
                 PHRASE_MAX - 1);
    pem_file_free(&f);
    return ok;
}

static int give_phrase(char *out, int size, int writing, void *arg)
{
    (void)writing;
    const struct phrase *p = arg;
    if (p == NULL || size < 0 || p->n > (size_t)size)
        return -1;
    memcpy(out, p->text, p->n);
    return (int)p->n;
}

static bool complain_of_lock(const struct tls_pair_files *f, const struct pem_file *key, struct tls_complaint *wrong)
{
    if (is_old_form(key) && !tls_has(TLS_FEATURE_OLD_KEYS)) {
        snprintf(
            wrong->text, wrong->cap,
            "%s is locked in the old way (Proc-Type: 4,ENCRYPTED), which this build of wolfSSL does not know: lock "
            "it in the new one with openssl pkcs8 -topk8 -v2 aes256 -in %s -out NEW.key",
            f->key, f->key);
        return false;
    }
    if (f->key_passphrase_file == NULL) {
        snprintf(wrong->text, wrong->cap,
                 "%s is locked with a passphrase: write it into a file of its own and name that by "
                 "key_passphrase_file, or unlock the key with openssl pkey -in %s -out NEW.key",
                 f->key, f->key);
        return false;
    }
    return true;
}

/* A locked key that could not be used. */
static void complain_of_phrase(const struct tls_pair_files *f, struct tls_complaint *wrong)
{
    wrong->setting = "key_passphrase_file";
    snprintf(
        wrong->text, wrong->cap,
        "the passphrase in %s does not unlock %s, or that is locked with a cipher that this build of wolfSSL does "
        "not know: try openssl pkey -in %s -passin file:%s -noout; where that works, lock it anew with openssl pkcs8 "
        "-topk8 -v2 aes256",
        f->key_passphrase_file, f->key, f->key, f->key_passphrase_file);
}

/* Is it that the key can't be unlocked (and not that it is another certificate's)? */
static bool opens(struct bytes pem, const struct phrase *phrase)
{
    uint8_t *der = mem_alloc(pem.n);
    int n = wc_KeyPemToDer(pem.p, (int)pem.n, der, (int)pem.n, phrase->text);
    /* A wrong phrase goes unnoticed in the old form: what comes out must be a SEQUENCE over all of it. */
    struct rd r = rd_of(bytes_of(der, n > 0 ? (size_t)n : 0));
    struct der_item item;
    bool ok = der_next(&r, &item) && item.tag == DER_SEQUENCE && rd_left(&r) <= PADDING_MAX;
    bytes_wipe(der, pem.n);
    mem_free(der);
    return ok;
}

/* The public half of an EC key; false: it could not be had. */
static bool public_half(const uint8_t *der, size_t n, uint8_t *out, word32 *out_n)
{
    ecc_key key;
    word32 at = 0;
    if (wc_ecc_init(&key) != 0)
        return false;
    bool ok = wc_EccPrivateKeyDecode(der, &at, &key, (word32)n) == 0 && wc_ecc_make_pub(&key, NULL) == 0 &&
              wc_ecc_export_x963(&key, out, out_n) == 0;
    wc_ecc_free(&key);
    return ok;
}

/* wolfSSL before 5.6 takes any EC key of the right curve for the certificate's. What can't be told here is its affair.
 */
static bool fits(const struct tls_pair *p, struct bytes pem, const struct phrase *phrase)
{
    const struct x509_key *k = &tls_pair_leaf(p)->key;
    uint8_t point[POINT_MAX];
    word32 point_n = sizeof(point);
    if (k->type != X509_KEY_EC || k->point.n == 0 || k->point.p[0] != POINT_PLAIN)
        return true;
    uint8_t *der = mem_alloc(pem.n);
    int n = wc_KeyPemToDer(pem.p, (int)pem.n, der, (int)pem.n, phrase->text);
    bool known = n > 0 && public_half(der, (size_t)n, point, &point_n);
    bytes_wipe(der, pem.n);
    mem_free(der);
    return !known || bytes_equal(bytes_of(point, point_n), k->point);
}

static bool use_key(struct tls_pair *p, const struct tls_pair_files *f, const struct pem_file *key,
                    struct phrase *phrase, struct tls_complaint *wrong)
{
    struct bytes pem = pem_block(key, "PRIVATE KEY");
    bool locked = is_locked(key);
    if (locked && (!complain_of_lock(f, key, wrong) || !read_phrase(phrase, f->key_passphrase_file, wrong)))
        return false;
    p->needless_phrase = !locked && f->key_passphrase_file != NULL;
    wolfSSL_CTX_set_default_passwd_cb(p->native, give_phrase);
    wolfSSL_CTX_set_default_passwd_cb_userdata(p->native, locked ? phrase : NULL);
    bool loaded =
        wolfSSL_CTX_use_PrivateKey_buffer(p->native, pem.p, (long)pem.n, WOLFSSL_FILETYPE_PEM) == WOLFSSL_SUCCESS;
    wolfSSL_CTX_set_default_passwd_cb_userdata(p->native, NULL);
    if (loaded && wolfSSL_CTX_check_private_key(p->native) == WOLFSSL_SUCCESS && fits(p, pem, phrase))
        return true;
    wrong->setting = "key";
    if (locked && !opens(pem, phrase))
        complain_of_phrase(f, wrong);
    else
        snprintf(wrong->text, wrong->cap,
                 "%s is not the key of the certificate %s, or no RSA or EC key: name the pair that belongs together",
                 f->key, f->cert);
    return false;
}

static bool load_key(struct tls_pair *p, const struct tls_pair_files *f, struct tls_complaint *wrong)
{
    struct pem_file key;
    wrong->setting = "key";
    if (!pem_file_read(&key, f->key, wrong->text, wrong->cap))
        return false;
    bool ok = false;
    if (pem_block(&key, "PRIVATE KEY").n == 0) {
        snprintf(wrong->text, wrong->cap,
                 "%s holds no private key: it must be a PEM file with -----BEGIN PRIVATE KEY-----", f->key);
    } else {
        struct phrase phrase = {.n = 0};
        ok = use_key(p, f, &key, &phrase, wrong);
        bytes_wipe(&phrase, sizeof(phrase));
    }
    pem_file_free(&key);
    return ok;
}

/* ---- Both ---- */

bool tls_pair_load(struct tls_pair *p, const struct tls_pair_files *f, struct tls_complaint *wrong)
{
    p->file = mem_strndup(f->cert, strlen(f->cert));
    return load_certificate(p, f, wrong) && load_key(p, f, wrong);
}

void tls_pair_fini(struct tls_pair *p)
{
    if (p->native != NULL)
        wolfSSL_CTX_free(p->native);
    x509_pool_fini(&p->certs);
    mem_free((void *)(uintptr_t)p->file);
    *p = (struct tls_pair){.native = NULL};
}

/* ---- Names ---- */

unsigned tls_pair_is_for(const struct tls_pair *p, const char *name)
{
    struct rd r = rd_of(tls_pair_leaf(p)->names);
    struct x509_name n;
    while (x509_name_next(&r, &n)) {
        if (n.kind == X509_NAME_DNS && strcasecmp(n.text, name) == 0)
            return 2;
    }
    return x509_is_for(tls_pair_leaf(p), name) != X509_NO_MATCH ? 1 : 0;
}

bool tls_pair_is_kin(const struct tls_pair *p, const struct tls_pair *other)
{
    struct rd r = rd_of(tls_pair_leaf(p)->names);
    struct x509_name n;
    while (x509_name_next(&r, &n)) {
        if ((n.kind == X509_NAME_DNS || n.kind == X509_NAME_IP) && tls_pair_is_for(other, n.text) > 0)
            return true;
    }
    return bytes_equal(tls_pair_leaf(p)->subject, tls_pair_leaf(other)->subject);
}

void tls_pair_names(const struct tls_pair *p, char *out, size_t cap)
{
    struct rd r = rd_of(tls_pair_leaf(p)->names);
    struct x509_name name;
    size_t used = 0;
    unsigned n = 0;
    out[0] = '\0';
    while (x509_name_next(&r, &name)) {
        bool shown = name.kind == X509_NAME_DNS || name.kind == X509_NAME_IP;
        if (shown && n++ < NAMES_SHOWN && used < cap)
            used += (size_t)snprintf(out + used, cap - used, "%s%s", used > 0 ? ", " : "", name.text);
    }
    if (n > NAMES_SHOWN && used < cap)
        snprintf(out + used, cap - used, " and %u more", n - NAMES_SHOWN);
    if (n == 0)
        x509_short_name(tls_pair_leaf(p)->subject, out, cap);
}
