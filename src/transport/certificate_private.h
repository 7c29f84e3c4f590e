/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The parts of certificate making: names, keys, the certificate itself, files. */
#pragma once

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/random.h>
#include <wolfssl/wolfcrypt/rsa.h>

#include <stdbool.h>
#include <time.h>

#include "sotto/base/bytes.h"
#include "sotto/transport/certificate.h"

/* wolfSSL from 5.7 on refuses certificates with more than 128 (as a client, too). */
#define SAN_MAX 120
#define SAN_TEXT 256
#define CERT_DER_MAX ((size_t)64 * 1024)
#define CERT_NAME_MAX 512
#define CERT_KEY_ID 20

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

struct cert_plan {
    const char *common_name;
    const struct san_list *names; /* NULL: a CA */
    time_t from, until;
    struct cert_key *key;
};

/* Who signs. */
struct cert_issuer {
    struct cert_key *key;
    uint8_t name[CERT_NAME_MAX]; /* a Name in DER */
    size_t name_n;
    uint8_t key_id[CERT_KEY_ID * 2];
    size_t key_id_n;
};

/* Fills name and key id for a CA that doesn't exist yet. */
bool cert_issuer_new(struct cert_issuer *i, struct cert_key *key, const char *common_name);
/* PEM with a zero byte behind it; 0 or wolfCrypt's error. */
int cert_make(const struct cert_plan *p, const struct cert_issuer *issuer, WC_RNG *rng, char *pem, size_t cap);

/* ---- files (certificate_files.c) ---- */

/* Makes the folder, and the ones above it. False with a line in err. */
bool cert_make_folder(const char *dir, char *err, size_t err_cap);
bool cert_file_exists(const char *dir, const char *name);
/*
 * Writes a temporary file in dir (to be put in place by cert_file_commit): mode 0600 for a secret from its first
 * moment, else 0644. False with a line in err.
 */
bool cert_file_stage(const char *dir, const char *name, const char *text, bool secret, char *err, size_t err_cap);
bool cert_file_commit(const char *dir, const char *name, char *err, size_t err_cap);
/* Removes a temporary file, if it is there. */
void cert_file_abandon(const char *dir, const char *name);
