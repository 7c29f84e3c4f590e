/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Writes and signs an X.509 v3 certificate.
 *
 * wolfCrypt has a generator of its own; the part to be signed is written here all the same, because the packaged
 * versions can't mark basic constraints as critical, which strict verifiers (OpenSSL's -x509_strict, Python from 3.13
 * on) ask of a CA, and because the dates and extensions are then the same with every version. wolfCrypt signs.
 *
 *   CA:      basic constraints CA, path 0 (critical) | key usage: sign certificates and CRLs (critical) | key id
 *   server:  basic constraints (critical) | key usage (critical) | server authentication | names | key ids
 *   client:  the same for client authentication, without names
 */
#include "certificate_private.h"

#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/sha256.h>

#include "der_private.h"
#include "sotto/base/mem.h"
#include "sotto/base/random.h"

#define PUBLIC_MAX 1024

#define SAN_DNS 2
#define SAN_IP 7
#define DIGITAL_SIGNATURE 0x80
#define KEY_ENCIPHERMENT 0x20
#define KEY_CERT_SIGN 0x04
#define CRL_SIGN 0x02

#define OID DER_OID_OF
#define OID_COMMON_NAME OID(0x55, 0x04, 0x03)
#define OID_SUBJECT_KEY_ID OID(0x55, 0x1d, 0x0e)
#define OID_KEY_USAGE OID(0x55, 0x1d, 0x0f)
#define OID_ALT_NAME OID(0x55, 0x1d, 0x11)
#define OID_BASIC_CONSTRAINTS OID(0x55, 0x1d, 0x13)
#define OID_AUTHORITY_KEY_ID OID(0x55, 0x1d, 0x23)
#define OID_EXT_KEY_USAGE OID(0x55, 0x1d, 0x25)
#define OID_SERVER_AUTH OID(0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01)
#define OID_CLIENT_AUTH OID(0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02)
#define OID_SHA256_RSA OID(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b)
#define OID_SHA256_ECDSA OID(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02)

static void put_oid(struct der *d, struct bytes oid)
{
    der_element(d, DER_OID, oid.p, oid.n);
}

static void put_name(struct der *d, const char *common_name)
{
    size_t all = der_mark(d);
    der_element(d, DER_UTF8_STRING, common_name, strlen(common_name));
    put_oid(d, OID_COMMON_NAME);
    der_wrap(d, DER_SEQUENCE, all);
    der_wrap(d, DER_SET, all);
    der_wrap(d, DER_SEQUENCE, all);
}

void cert_put_time(struct der *d, time_t t)
{
    struct tm tm;
    char text[32];
    gmtime_r(&t, &tm);
    bool two_digits = tm.tm_year >= 50 && tm.tm_year < 150;
    size_t n = strftime(text, sizeof(text), two_digits ? "%y%m%d%H%M%SZ" : "%Y%m%d%H%M%SZ", &tm);
    der_element(d, two_digits ? DER_UTC_TIME : DER_GENERALIZED_TIME, text, n);
}

void cert_put_algorithm(struct der *d, const struct cert_key *signer)
{
    size_t all = der_mark(d);
    if (!signer->is_ec)
        der_element(d, DER_NULL, NULL, 0);
    put_oid(d, signer->is_ec ? OID_SHA256_ECDSA : OID_SHA256_RSA);
    der_wrap(d, DER_SEQUENCE, all);
}

void cert_wrap_extension(struct der *d, size_t mark, struct bytes oid, bool critical)
{
    der_wrap(d, DER_OCTET_STRING, mark);
    if (critical)
        der_element(d, DER_BOOLEAN, "\xff", 1);
    put_oid(d, oid);
    der_wrap(d, DER_SEQUENCE, mark);
}

/*
 * IPv4 addresses once more, as names: mbedTLS before 3.5, which is in most ESP32s out there, looks at names only, so a
 * device that was given the broker's address would refuse it. Others don't mind. As many as the list has room for.
 */
static void put_addresses_as_names(struct der *d, const struct san_list *l)
{
    size_t room = SAN_MAX - l->n;
    for (size_t i = 0; i < l->n && room > 0; i++) {
        const struct san *s = &l->v[i];
        if (s->address_n != 4)
            continue;
        der_element(d, DER_CONTEXT | SAN_DNS, s->text, strlen(s->text));
        room--;
    }
}

static void put_names(struct der *d, const struct san_list *l)
{
    size_t all = der_mark(d);
    put_addresses_as_names(d, l); /* from the end: they come last */
    for (size_t i = l->n; i > 0; i--) {
        const struct san *s = &l->v[i - 1];
        if (s->address_n > 0)
            der_element(d, DER_CONTEXT | SAN_IP, s->address, s->address_n);
        else
            der_element(d, DER_CONTEXT | SAN_DNS, s->text, strlen(s->text));
    }
    der_wrap(d, DER_SEQUENCE, all);
    cert_wrap_extension(d, all, OID_ALT_NAME, false);
}

/* bits: from the highest on; unused of the last byte are counted. */
static void put_key_usage(struct der *d, unsigned bits)
{
    uint8_t value[2] = {0, (uint8_t)bits};
    while ((bits >> value[0] & 1) == 0)
        value[0]++;
    size_t all = der_mark(d);
    der_element(d, DER_BIT_STRING, value, sizeof(value));
    cert_wrap_extension(d, all, OID_KEY_USAGE, true);
}

static void put_constraints(struct der *d, bool ca)
{
    size_t all = der_mark(d);
    if (ca) {
        der_element(d, DER_INTEGER, "\0", 1);
        der_element(d, DER_BOOLEAN, "\xff", 1);
    }
    der_wrap(d, DER_SEQUENCE, all);
    cert_wrap_extension(d, all, OID_BASIC_CONSTRAINTS, true);
}

static void put_subject_key_id(struct der *d, const uint8_t *id, size_t n)
{
    size_t all = der_mark(d);
    der_element(d, DER_OCTET_STRING, id, n);
    cert_wrap_extension(d, all, OID_SUBJECT_KEY_ID, false);
}

void cert_put_authority_key_id(struct der *d, const struct cert_issuer *issuer)
{
    if (issuer->key_id_n == 0)
        return;
    size_t all = der_mark(d);
    der_element(d, DER_CONTEXT | 0, issuer->key_id, issuer->key_id_n);
    der_wrap(d, DER_SEQUENCE, all);
    cert_wrap_extension(d, all, OID_AUTHORITY_KEY_ID, false);
}

static void put_purpose(struct der *d, struct bytes purpose)
{
    size_t all = der_mark(d);
    put_oid(d, purpose);
    der_wrap(d, DER_SEQUENCE, all);
    cert_wrap_extension(d, all, OID_EXT_KEY_USAGE, false);
}

/* Any value that is unique to the key will do: SHA-256 over the public key, cut to the usual length. */
static int key_id_of(struct bytes public, uint8_t id[CERT_KEY_ID])
{
    uint8_t digest[WC_SHA256_DIGEST_SIZE];
    int rc = wc_Sha256Hash(public.p, (word32) public.n, digest);
    memcpy(id, digest, CERT_KEY_ID);
    return rc;
}

static void put_extensions(struct der *d, const struct cert_plan *p, const struct cert_issuer *issuer,
                           const uint8_t id[CERT_KEY_ID])
{
    size_t all = der_mark(d);
    bool ca = p->kind == CERT_CA;
    if (!ca)
        cert_put_authority_key_id(d, issuer);
    if (p->kind == CERT_SERVER)
        put_names(d, p->names);
    if (!ca)
        put_purpose(d, p->kind == CERT_SERVER ? OID_SERVER_AUTH : OID_CLIENT_AUTH);
    put_subject_key_id(d, id, CERT_KEY_ID);
    /* RSA keys also open what is sealed to them, in suites that we don't have; old clients look for it all the same. */
    put_key_usage(d, ca              ? KEY_CERT_SIGN | CRL_SIGN
                     : p->key->is_ec ? DIGITAL_SIGNATURE
                                     : DIGITAL_SIGNATURE | KEY_ENCIPHERMENT);
    put_constraints(d, ca);
    der_wrap(d, DER_SEQUENCE, all);
    der_wrap(d, DER_CONTEXT_CONSTRUCTED | 3, all);
}

void cert_new_serial(uint8_t serial[CERT_SERIAL])
{
    random_bytes(serial, CERT_SERIAL);
    /* Positive, and never shorter. */
    serial[0] = (uint8_t)((serial[0] & 0x3f) | 0x40);
}

/* The part that is signed. */
static int put_body(struct der *d, const struct cert_plan *p, const struct cert_issuer *issuer)
{
    uint8_t public[PUBLIC_MAX], id[CERT_KEY_ID];
    size_t public_n = sizeof(public);
    int rc = cert_key_public(p->key, public, &public_n);
    if (rc == 0)
        rc = key_id_of(bytes_of(public, public_n), id);
    if (rc != 0)
        return rc;
    put_extensions(d, p, issuer, id);
    der_put(d, public, public_n);
    put_name(d, p->common_name);
    size_t dates = der_mark(d);
    cert_put_time(d, p->until);
    cert_put_time(d, p->from);
    der_wrap(d, DER_SEQUENCE, dates);
    der_put(d, issuer->name, issuer->name_n);
    cert_put_algorithm(d, issuer->key);
    der_element(d, DER_INTEGER, p->serial, CERT_SERIAL);
    size_t version = der_mark(d);
    der_element(d, DER_INTEGER, "\x02", 1);
    der_wrap(d, DER_CONTEXT_CONSTRUCTED | 0, version);
    der_wrap(d, DER_SEQUENCE, 0);
    return d->bad ? BUFFER_E : 0;
}

bool cert_issuer_new(struct cert_issuer *i, struct cert_key *key, const char *common_name)
{
    uint8_t public[PUBLIC_MAX];
    size_t public_n = sizeof(public);
    struct der d = der_of(i->name, sizeof(i->name));
    i->key = key;
    if (cert_key_public(key, public, &public_n) != 0 || key_id_of(bytes_of(public, public_n), i->key_id) != 0)
        return false;
    i->key_id_n = CERT_KEY_ID;
    put_name(&d, common_name);
    i->name_n = der_bytes(&d).n;
    memmove(i->name, d.p, i->name_n);
    return !d.bad;
}

int cert_sign(struct der *d, uint8_t *buf, size_t cap, const struct cert_issuer *issuer, WC_RNG *rng, int type,
              char *pem, size_t pem_cap)
{
    struct bytes body = der_bytes(d);
    struct cert_key *key = issuer->key;
    memmove(buf, body.p, body.n);
    int rc =
        wc_SignCert_ex((int)body.n, key->is_ec ? CTC_SHA256wECDSA : CTC_SHA256wRSA, buf, (word32)cap,
                       key->is_ec ? ECC_TYPE : RSA_TYPE, key->is_ec ? (void *)&key->u.ec : (void *)&key->u.rsa, rng);
    if (rc > 0)
        rc = wc_DerToPem(buf, (word32)rc, (byte *)pem, (word32)pem_cap - 1, type);
    if (rc <= 0)
        return rc < 0 ? rc : BUFFER_E;
    pem[rc] = '\0';
    return 0;
}

int cert_make(const struct cert_plan *p, const struct cert_issuer *issuer, WC_RNG *rng, char *pem, size_t cap)
{
    uint8_t *buf = mem_alloc(CERT_DER_MAX);
    struct der d = der_of(buf, CERT_DER_MAX);
    int rc = put_body(&d, p, issuer);
    if (rc == 0)
        rc = cert_sign(&d, buf, CERT_DER_MAX, issuer, rng, CERT_TYPE, pem, cap);
    mem_free(buf);
    return rc;
}
