/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Certificates as they stand: a reader of X.509 v3 and of revocation lists that says what is in them, for people and
 * for diagnosis. It judges nothing: whether a peer is let in is wolfSSL's business alone.
 *
 * All views point into the bytes that were read, which must outlive them.
 */
#pragma once

#include <time.h>

#include "sotto/base/bytes.h"
#include "sotto/base/cursor.h"

enum x509_key_type { X509_KEY_OTHER, X509_KEY_RSA, X509_KEY_EC, X509_KEY_ED25519 };

struct x509_key {
    enum x509_key_type type;
    unsigned bits;                  /* of the modulus or of the curve; 0: not known */
    const char *name;               /* "RSA", "ECDSA P-256", ...; never NULL */
    struct bytes modulus, exponent; /* RSA, without leading zeros */
    struct bytes point;             /* EC: as it is in the bit string */
    struct bytes whole;             /* SubjectPublicKeyInfo */
};

/* Key usage, by bit number of RFC 5280 4.2.1.3. */
enum x509_usage {
    X509_DIGITAL_SIGNATURE = 1 << 0,
    X509_KEY_ENCIPHERMENT = 1 << 2,
    X509_KEY_CERT_SIGN = 1 << 5,
    X509_CRL_SIGN = 1 << 6,
};

enum x509_purpose { X509_SERVER_AUTH = 1, X509_CLIENT_AUTH = 2, X509_ANY_PURPOSE = 4, X509_OTHER_PURPOSE = 8 };

struct x509 {
    struct bytes whole, body;     /* the certificate; the part that is signed */
    unsigned version;             /* 3; 1 has no extensions */
    struct bytes serial;          /* the integer's bytes */
    struct bytes issuer, subject; /* Names, with their headers */
    time_t from, until;
    struct x509_key key;
    struct bytes names; /* inside of the subject alternative names; empty: none */
    bool has_usage, has_purposes, ca;
    int path; /* CAs below this one that it allows; -1: any number */
    unsigned usage, purposes;
    struct bytes subject_key_id, authority_key_id; /* empty: none */
    struct bytes signature_oid, signature;         /* the bits */
};

/* False: these bytes are no whole certificate, or have something behind it. */
bool x509_read(struct x509 *c, struct bytes der);
/* A SubjectPublicKeyInfo; false: none. Kinds that are not known are X509_KEY_OTHER. */
bool x509_key_read(struct x509_key *k, struct bytes der);

/* ---- revocation lists ---- */

struct x509_crl {
    struct bytes whole, body, issuer;
    time_t from, until;   /* until 0: says nothing */
    struct bytes number;  /* the integer's bytes; empty: none */
    struct bytes revoked; /* inside of the list */
    struct bytes signature_oid, signature;
};

struct x509_revoked {
    struct bytes serial;
    time_t when;
};

bool x509_crl_read(struct x509_crl *l, struct bytes der);
/* The next entry of a cursor over l->revoked; false at the end, or at a broken one (the cursor's error). */
bool x509_crl_next(struct rd *r, struct x509_revoked *entry);

/* ---- text ---- */

#define X509_TEXT 256

enum x509_name_kind { X509_NAME_OTHER, X509_NAME_DNS, X509_NAME_EMAIL, X509_NAME_URI, X509_NAME_IP };

struct x509_name {
    enum x509_name_kind kind;
    struct bytes raw;
    char text[X509_TEXT]; /* made safe for a terminal: what is not printable is \xNN */
};

/* The next of a cursor over c->names; false at the end, or at a broken one (the cursor's error). */
bool x509_name_next(struct rd *r, struct x509_name *n);
/* "CN=a, O=b" of a Name, cut to cap, safe for a terminal. */
void x509_name_text(struct bytes name, char *out, size_t cap);
/* The common name's bytes (the last one, which is the most specific); empty: none. */
struct bytes x509_common_name(struct bytes name);
/* The same as text, safe for a terminal; where there is none, what x509_name_text says. */
void x509_short_name(struct bytes name, char *out, size_t cap);
/* "SHA-256 with RSA", or the identifier's numbers. Static or in out. */
const char *x509_signature_name(struct bytes oid, char *out, size_t cap);
/* Bytes in hexadecimal digits, two each, upper case, with the separator between them unless it is 0. */
void x509_hex(struct bytes b, char separator, char *out, size_t cap);

#define X509_SHA1 20
#define X509_SHA256 32

/* False where wolfCrypt can't. */
bool x509_sha256(struct bytes b, uint8_t out[X509_SHA256]);
bool x509_sha1(struct bytes b, uint8_t out[X509_SHA1]);
/*
 * What Tasmota calls the fingerprint of a server: SHA-1 over the tag "ssh-rsa", the exponent and the modulus of its
 * key, each with a length of four bytes in front. old: without those, as versions 6.5 to 8.3 had it. False: no RSA key.
 */
bool x509_tasmota(const struct x509_key *k, bool old, uint8_t out[X509_SHA1]);

#define X509_KEY_NAME 44
/* The SHA-256 of SubjectPublicKeyInfo in base64url without padding: what client_cert_user = spki names a user by. out,
 * or NULL where wolfCrypt can't. */
const char *x509_key_name(const struct x509_key *k, char out[X509_KEY_NAME]);

enum x509_match {
    X509_NO_MATCH,
    X509_MATCH,
    X509_MATCH_COMMON_NAME_ONLY, /* no alternative names at all, and the common name is it: modern clients refuse that
                                  */
};

/* Is it for this host name or address? Names with a wildcard match one label. */
enum x509_match x509_is_for(const struct x509 *c, const char *host);
/* An IPv4 address that also stands there as a name (what mbedTLS before 3.5 looks for). */
bool x509_has_dns_name(const struct x509 *c, const char *text);

/* ---- signatures and chains ---- */

enum x509_signed { X509_NOT_SIGNED, X509_SIGNED, X509_CANT_TELL };

/* Did this key sign that? X509_CANT_TELL: by an algorithm that is not known here. wolfSSL must be started. */
enum x509_signed x509_is_signed(struct bytes body, struct bytes oid, struct bytes signature, const struct x509_key *by);
/* Names and signature fit, and the issuer is a CA. */
bool x509_is_issued_by(const struct x509 *c, const struct x509 *issuer);
bool x509_is_self_signed(const struct x509 *c);

/* Certificates with their bytes. */
struct x509_pool {
    struct x509 *v;
    size_t n, cap;
};

/* Adds a copy; false: no certificate. */
bool x509_pool_add(struct x509_pool *p, struct bytes der);
/* Adds all certificates of PEM text (n of struct bytes is without the zero byte that must stand behind it), or the one
 * in DER. Blocks that can't be read are passed over. Returns how many were added. */
size_t x509_pool_add_text(struct x509_pool *p, struct bytes text);
/* The same from a file; -1 with one line in err where it can't be read. */
int x509_pool_add_file(struct x509_pool *p, const char *path, char *err, size_t err_cap);
/* Also fine on a zeroed one. */
void x509_pool_fini(struct x509_pool *p);

#define X509_CHAIN_MAX 8

struct x509_chain {
    const struct x509 *v[X509_CHAIN_MAX]; /* from the leaf up */
    size_t n;
    bool trusted; /* its end is one of the trusted, or was issued by one, which is then the last of v */
};

/* Goes up from the leaf, through the others, to the trusted. */
void x509_chain_find(struct x509_chain *out, const struct x509 *leaf, const struct x509_pool *others,
                     const struct x509_pool *trusted);
