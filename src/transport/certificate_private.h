/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The parts of certificate making: the CA, names, keys, the certificate itself, revocation, files. */
#pragma once

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/random.h>
#include <wolfssl/wolfcrypt/rsa.h>

#include <stdbool.h>
#include <time.h>

#include "sotto/base/bytes.h"
#include "der_private.h"
#include "sotto/transport/certificate.h"
#include "sotto/transport/x509.h"

/* wolfSSL from 5.7 on refuses certificates with more than 128 (as a client, too). */
#define SAN_MAX 120
#define SAN_TEXT 256
#define CERT_DER_MAX ((size_t)64 * 1024)
#define CERT_NAME_MAX 512
#define CERT_KEY_ID 20
#define CERT_SERIAL 16
#define CERT_SERIAL_MAX 20 /* of others */
/* What one certificate or key takes in PEM at most. */
#define CERT_PEM_MAX ((size_t)96 * 1024)
#define CERT_COMMON_NAME_MAX 64

#define CERT_DAY ((time_t)24 * 3600)
/* 2019-01-01, the beginning of every validity. From 2019-07-01 on, Apple's systems refuse more than 825 days of it. */
#define CERT_FROM ((time_t)1546300800)
#define CERT_SERVER_DAYS 397

/* ---- advice (certificate_way.c) ---- */

/* What to do where a file of a certificate or key isn't there. */
void cert_missing_hint(const char *path, char *out, size_t cap);

/* ---- names (certificate_names.c) ---- */

struct san {
    char text[SAN_TEXT]; /* as it is shown, and for a name as it is written */
    uint8_t address[16];
    uint8_t address_n; /* 4, 16; 0: a name */
};

struct san_list {
    struct san v[SAN_MAX];
    size_t n;
};

/* localhost and this host's names and addresses, then the request's; false with a line in err. */
bool san_collect(struct san_list *l, const struct certificate_request *r, char *err, size_t err_cap);
/* Those of a certificate that are not there yet, as long as there is room. */
void san_add_from(struct san_list *l, const struct x509 *c);
/* The first name that says more than localhost and can be a common name; else the first. */
const char *san_common_name(const struct san_list *l);

/* ---- keys (certificate_key.c) ---- */

struct cert_key {
    bool is_ec;
    bool made;
    union {
        RsaKey rsa;
        ecc_key ec;
    } u;
};

/* All return 0 or wolfCrypt's error. A new key: RSA-2048 or P-256. */
int cert_key_make(struct cert_key *k, bool ec, WC_RNG *rng);
/* From DER: PKCS#8, PKCS#1 or SEC1. */
int cert_key_decode(struct cert_key *k, struct bytes der);
/* PKCS#8 in PEM, with a zero byte behind it. */
int cert_key_pem(struct cert_key *k, char *out, size_t cap);
/* SubjectPublicKeyInfo in DER; *n: room, then what was used. */
int cert_key_public(struct cert_key *k, uint8_t *out, size_t *n);
/* Also fine on a zeroed one. Wipes. */
void cert_key_fini(struct cert_key *k);

/* ---- the certificate (certificate_make.c) ---- */

enum cert_kind { CERT_CA, CERT_SERVER, CERT_CLIENT };

struct cert_plan {
    enum cert_kind kind;
    const char *common_name;
    const struct san_list *names; /* a server's */
    time_t from, until;
    struct cert_key *key;
    uint8_t serial[CERT_SERIAL];
};

/* Who signs. */
struct cert_issuer {
    struct cert_key *key;
    uint8_t name[CERT_NAME_MAX]; /* a Name in DER */
    size_t name_n;
    uint8_t key_id[CERT_KEY_ID * 2];
    size_t key_id_n; /* 0: it has none */
};

/* Fills name and key id for a CA that doesn't exist yet. */
bool cert_issuer_new(struct cert_issuer *i, struct cert_key *key, const char *common_name);
/* PEM with a zero byte behind it; 0 or wolfCrypt's error. */
int cert_make(const struct cert_plan *p, const struct cert_issuer *issuer, WC_RNG *rng, char *pem, size_t cap);

/* A random one. */
void cert_new_serial(uint8_t serial[CERT_SERIAL]);
/* Signs what d holds, which lies in buf (of cap bytes), and gives it as PEM of that wolfCrypt type; 0 or the error. */
int cert_sign(struct der *d, uint8_t *buf, size_t cap, const struct cert_issuer *issuer, WC_RNG *rng, int type,
              char *pem, size_t pem_cap);

/* Parts that revocation lists have, too. Up to 2049 a time has two digits of the year, as the standard wants it. */
void cert_put_time(struct der *d, time_t t);
void cert_put_algorithm(struct der *d, const struct cert_key *signer);
void cert_put_authority_key_id(struct der *d, const struct cert_issuer *issuer);
/* What was written since the mark is the value of an extension. */
void cert_wrap_extension(struct der *d, size_t mark, struct bytes oid, bool critical);

/* ---- a CA that is there (certificate_authority.c) ---- */

struct cert_authority {
    struct cert_key key;
    struct cert_issuer issuer; /* points to key: it must not be moved */
    struct x509_pool pool;     /* its certificate, at v[0] */
    WC_RNG rng;
    bool has_rng;
};

/* ca.crt and ca.key of dir; false with a line in err. cert_authority_fini either way. */
bool cert_authority_load(struct cert_authority *a, const char *dir, char *err, size_t err_cap);
void cert_authority_fini(struct cert_authority *a);
/* When a certificate of so many days ends, made now: not later than the CA's. */
time_t cert_end(const struct cert_authority *a, time_t now, int days);
/* The key of a PEM file, without a passphrase; false with a line in err. */
bool cert_key_load(struct cert_key *k, const char *path, char *err, size_t err_cap);
/* Is it this key's certificate? */
bool cert_key_fits(struct cert_key *k, const struct x509 *c);
/* The time, or the beginning of 2026 where a clock says less, which is wrong. */
time_t cert_now(void);
/* False with a line in err for wolfCrypt's error. */
bool cert_done(int rc, const char *what, char *err, size_t err_cap);

/* ---- who has got certificates, and whose are revoked (certificate_index.c) ---- */

#define CERT_INDEX "issued.txt"
#define CERT_CRL "crl.pem"
#define CERT_USER_MAX 49

struct cert_entry {
    uint8_t serial[CERT_SERIAL_MAX];
    uint8_t serial_n;
    time_t until, revoked; /* revoked 0: it is not */
    char name[CERT_USER_MAX + 1];
};

struct cert_index {
    struct cert_entry *v;
    size_t n, cap;
    uint64_t crl_number; /* of the list that is there; 0: none */
};

/* Reads the text of the file; false with a line in err (without the file's name) for one that is not ours. */
bool cert_index_parse(struct cert_index *x, struct bytes text, char *err, size_t err_cap);
/* The file of dir, and what its revocation list has besides, where that is one of this CA. */
bool cert_index_load(struct cert_index *x, const char *dir, const struct cert_authority *a, char *err, size_t err_cap);
/* NULL when there is none. */
struct cert_entry *cert_index_find(struct cert_index *x, struct bytes serial);
/* Not revoked. NULL when the serial is too long or the index is full. */
struct cert_entry *cert_index_add(struct cert_index *x, struct bytes serial, const char *name);
/* Malloced (mem_free). */
char *cert_index_text(const struct cert_index *x);
/* Also fine on a zeroed one. */
void cert_index_fini(struct cert_index *x);

/* The list of all that is revoked, as PEM (mem_free), with the next number; NULL with a line in err. */
char *cert_crl_make(struct cert_index *x, struct cert_authority *a, time_t now, char *err, size_t err_cap);

/* ---- files (certificate_files.c) ---- */

struct cert_file {
    const char *name;
    const char *text; /* NULL: it stays as it is */
};

/* All of them or none: beside their places first, then renamed. Keys (*.key) get mode 0600. False with a line in err.
 */
bool cert_files_write(const char *dir, const struct cert_file *v, size_t n, char *err, size_t err_cap);
/* One command at a time may change the folder: a descriptor to close, or -1 with a line in err. */
int cert_lock(const char *dir, char *err, size_t err_cap);

/* Makes the folder, and the ones above it. False with a line in err. */
bool cert_make_folder(const char *dir, char *err, size_t err_cap);
bool cert_file_exists(const char *dir, const char *name);
