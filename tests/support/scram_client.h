/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The client's side of SCRAM-SHA-256 for tests: written by RFC 5802 alone, with none of the broker's code in it.
 * Messages are C strings.
 */
#pragma once

#include <wolfssl/options.h>

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wolfssl/wolfcrypt/coding.h>
#include <wolfssl/wolfcrypt/hmac.h>
#include <wolfssl/wolfcrypt/pwdbased.h>
#include <wolfssl/wolfcrypt/sha256.h>

/* Like snprintf; a text that does not fit is a fault of the test. */
static inline void scram_client_print(char *out, size_t cap, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(out, cap, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= cap)
        abort();
}

struct scram_client {
    char header[256], bare[512]; /* client-first: both, one behind the other */
    char talk[2048];             /* what both sides sign */
    uint8_t salted[32];
};

static inline void scram_client_hmac(const uint8_t *key, const char *text, uint8_t *out)
{
    Hmac h;
    if (wc_HmacInit(&h, NULL, INVALID_DEVID) != 0 || wc_HmacSetKey(&h, WC_SHA256, key, 32) != 0 ||
        wc_HmacUpdate(&h, (const uint8_t *)text, (word32)strlen(text)) != 0 || wc_HmacFinal(&h, out) != 0)
        abort();
    wc_HmacFree(&h);
}

static inline void scram_client_base64(const uint8_t *p, size_t n, char *out, size_t cap)
{
    word32 made = (word32)cap - 1;
    if (Base64_Encode_NoNl(p, (word32)n, (uint8_t *)out, &made) != 0)
        abort();
    out[made] = '\0';
}

/* Begins: returns client-first. name is as it stands in messages. */
static inline const char *scram_client_first(struct scram_client *c, const char *header, const char *name,
                                             const char *nonce, char *out, size_t cap)
{
    scram_client_print(c->header, sizeof c->header, "%s", header);
    scram_client_print(c->bare, sizeof c->bare, "n=%s,r=%s", name, nonce);
    scram_client_print(out, cap, "%s%s", c->header, c->bare);
    return out;
}

/* Appends the proof to client-final, for what both sides sign. */
static inline void scram_client_prove(const struct scram_client *c, const char *talk, char *last, size_t cap)
{
    uint8_t client_key[32], stored[32], proof[32];
    char text[64];
    scram_client_hmac(c->salted, "Client Key", client_key);
    if (wc_Sha256Hash(client_key, 32, stored) != 0)
        abort();
    scram_client_hmac(stored, talk, proof);
    for (unsigned i = 0; i < 32; i++)
        proof[i] ^= client_key[i];
    scram_client_base64(proof, 32, text, sizeof text);
    size_t n = strlen(last);
    scram_client_print(last + n, cap - n, ",p=%s", text);
}

/* client-final, for the server's challenge; NULL where that is none. */
static inline const char *scram_client_final(struct scram_client *c, const char *challenge, const char *password,
                                             char *out, size_t cap)
{
    char nonce[400], salt_text[200], binding[400];
    uint8_t salt[128];
    word32 salt_n = sizeof salt;
    int iterations;
    if (sscanf(challenge, "r=%399[^,],s=%199[^,],i=%d", nonce, salt_text, &iterations) != 3)
        return NULL;
    if (Base64_Decode((const uint8_t *)salt_text, (word32)strlen(salt_text), salt, &salt_n) != 0 ||
        wc_PBKDF2(c->salted, (const uint8_t *)password, (int)strlen(password), salt, (int)salt_n, iterations, 32,
                  WC_SHA256) != 0)
        return NULL;
    scram_client_base64((const uint8_t *)c->header, strlen(c->header), binding, sizeof binding);
    scram_client_print(out, cap, "c=%s,r=%s", binding, nonce);
    scram_client_print(c->talk, sizeof c->talk, "%s,%s,%s", c->bare, challenge, out);
    scram_client_prove(c, c->talk, out, cap);
    return out;
}

/* Did the server prove that it knows the user? */
static inline int scram_client_accepts(const struct scram_client *c, const char *last)
{
    uint8_t server_key[32], signature[32];
    char expected[64] = "v=";
    scram_client_hmac(c->salted, "Server Key", server_key);
    scram_client_hmac(server_key, c->talk, signature);
    scram_client_base64(signature, 32, expected + 2, sizeof expected - 2);
    return strcmp(expected, last) == 0;
}
