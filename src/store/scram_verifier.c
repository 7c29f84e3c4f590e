/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Iterations: a verifier is worth PBKDF2's rounds to whoever steals the users file, and costs them to every client that
 * connects; the broker itself pays once, in `sotto passwd`. RFC 7677 wants 4096 at least and gives 15,000 as the rule
 * of thumb. 16,384 take a second or two where a sensor hashes ten thousand times a second, well below the time that a
 * CONNECT may take, and some 15 ms on a desktop. More would lock the smallest devices out and still be far from what
 * Argon2id asks of a thief.
 *
 * A name without a verifier gets a decoy, so that an exchange tells nobody whether there is such a user before its end.
 * Its salt must be the same at each attempt, as a real one is, after a restart too. So it is keyed by what is secret
 * and lasts: the verifiers of all users.
 */
#include <wolfssl/options.h>

#include "sotto/store/scram_verifier.h"

#include <assert.h>
#include <stdio.h>
#include <wolfssl/wolfcrypt/hmac.h>
#include <wolfssl/wolfcrypt/pwdbased.h>
#include <wolfssl/wolfcrypt/sha256.h>

#include "scram_private.h"
#include "sotto/base/base64.h"
#include "sotto/base/random.h"

#define ITERATIONS 16384
#define SALT_SIZE 16
#define METHOD "SCRAM-SHA-256$"

/* --------------------------------------------------------------- computing */

bool scram_hmac(const uint8_t key[SCRAM_KEY_SIZE], const struct bytes *parts, size_t n, uint8_t out[SCRAM_KEY_SIZE])
{
    Hmac h;
    bool good = wc_HmacInit(&h, NULL, INVALID_DEVID) == 0 && wc_HmacSetKey(&h, WC_SHA256, key, SCRAM_KEY_SIZE) == 0;
    for (size_t i = 0; good && i < n; i++)
        good = parts[i].n == 0 || wc_HmacUpdate(&h, parts[i].p, (word32)parts[i].n) == 0;
    good = good && wc_HmacFinal(&h, out) == 0;
    wc_HmacFree(&h);
    if (!good)
        random_bytes(out, SCRAM_KEY_SIZE);
    return good;
}

bool scram_hash(const uint8_t key[SCRAM_KEY_SIZE], uint8_t out[SCRAM_KEY_SIZE])
{
    bool good = wc_Sha256Hash(key, SCRAM_KEY_SIZE, out) == 0;
    if (!good)
        random_bytes(out, SCRAM_KEY_SIZE);
    return good;
}

bool scram_verifier_make(struct bytes password, struct bytes salt, uint32_t iterations, struct scram_verifier *out)
{
    static const uint8_t none[1];
    uint8_t salted[SCRAM_KEY_SIZE], client_key[SCRAM_KEY_SIZE];
    struct bytes client = bytes_str("Client Key"), server = bytes_str("Server Key");

    if (salt.n < SCRAM_SALT_MIN || salt.n > SCRAM_SALT_MAX || password.n > UINT16_MAX || iterations == 0 ||
        iterations > SCRAM_ITERATIONS_MAX)
        return false;
    *out = (struct scram_verifier){.iterations = iterations, .salt_n = (uint32_t)salt.n};
    memcpy(out->salt, salt.p, salt.n);
    bool good = wc_PBKDF2(salted, password.n > 0 ? password.p : none, (int)password.n, out->salt, (int)salt.n,
                          (int)iterations, sizeof salted, WC_SHA256) == 0 &&
                scram_hmac(salted, &client, 1, client_key) && scram_hash(client_key, out->stored_key) &&
                scram_hmac(salted, &server, 1, out->server_key);
    bytes_wipe(salted, sizeof salted);
    bytes_wipe(client_key, sizeof client_key);
    return good;
}

bool scram_verifier_fresh(struct bytes password, char out[SCRAM_TEXT_MAX])
{
    struct scram_verifier v;
    uint8_t salt[SALT_SIZE];
    random_bytes(salt, sizeof salt);
    bool good = scram_verifier_make(password, bytes_of(salt, sizeof salt), ITERATIONS, &v);
    if (good)
        scram_verifier_write(&v, out);
    bytes_wipe(&v, sizeof v);
    return good;
}

/* -------------------------------------------------------------------- text */

void scram_verifier_write(const struct scram_verifier *v, char out[SCRAM_TEXT_MAX])
{
    char salt[BASE64_SIZE(SCRAM_SALT_MAX)], stored[BASE64_SIZE(SCRAM_KEY_SIZE)], server[BASE64_SIZE(SCRAM_KEY_SIZE)];
    base64_write(v->salt, v->salt_n, BASE64_PADDED, salt);
    base64_write(v->stored_key, SCRAM_KEY_SIZE, BASE64_PADDED, stored);
    base64_write(v->server_key, SCRAM_KEY_SIZE, BASE64_PADDED, server);
    int n = snprintf(out, SCRAM_TEXT_MAX, METHOD "%u:%s$%s:%s", v->iterations, salt, stored, server);
    assert(n > 0 && n < (int)SCRAM_TEXT_MAX);
    (void)n;
}

/* Up to the end character (or the string's end), which is taken too. */
static bool read_base64(const char **at, char end, uint8_t *out, size_t cap, size_t *n)
{
    const char *stop = end != '\0' ? strchr(*at, end) : *at + strlen(*at);
    *n = 0;
    if (stop == NULL || !base64_read(bytes_of(*at, (size_t)(stop - *at)), BASE64_PADDED, out, cap, n))
        return false;
    *at = stop + (end != '\0');
    return true;
}

static bool read_iterations(const char **at, uint32_t *out)
{
    uint32_t n = 0;
    const char *start = *at;
    for (; **at >= '0' && **at <= '9' && *at - start < 9; (*at)++)
        n = n * 10 + (uint32_t)(**at - '0');
    *out = n;
    return *at > start && *start != '0' && *(*at)++ == ':';
}

const char *scram_verifier_read(const char *text, struct scram_verifier *out)
{
    size_t salt_n, stored_n, server_n;
    *out = (struct scram_verifier){0};
    if (strncmp(text, METHOD, strlen(METHOD)) != 0)
        return "not a verifier of SCRAM-SHA-256 (SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey)";
    text += strlen(METHOD);
    if (!read_iterations(&text, &out->iterations))
        return "a SCRAM verifier whose number of iterations is damaged";
    if (out->iterations < SCRAM_ITERATIONS_MIN || out->iterations > SCRAM_ITERATIONS_MAX)
        return "a SCRAM verifier with its iterations out of range (4096 to 10000000)";
    if (!read_base64(&text, '$', out->salt, sizeof out->salt, &salt_n) || salt_n < SCRAM_SALT_MIN)
        return "a SCRAM verifier whose salt is damaged, or not of 8 to 48 bytes";
    if (!read_base64(&text, ':', out->stored_key, SCRAM_KEY_SIZE, &stored_n) || stored_n != SCRAM_KEY_SIZE ||
        !read_base64(&text, '\0', out->server_key, SCRAM_KEY_SIZE, &server_n) || server_n != SCRAM_KEY_SIZE)
        return "a SCRAM verifier whose keys are damaged (32 bytes each, in base64)";
    out->salt_n = (uint32_t)salt_n;
    return NULL;
}

/* ------------------------------------------------------------------ decoys */

void scram_verifier_mix(uint8_t key[SCRAM_KEY_SIZE], const struct scram_verifier *v)
{
    const struct bytes parts[] = {bytes_of(v->salt, v->salt_n), bytes_of(v->stored_key, SCRAM_KEY_SIZE),
                                  bytes_of(v->server_key, SCRAM_KEY_SIZE)};
    uint8_t next[SCRAM_KEY_SIZE];
    scram_hmac(key, parts, 3, next);
    memcpy(key, next, sizeof next);
    bytes_wipe(next, sizeof next);
}

/* purpose: of what is drawn from the name, so that one tells nothing of another. */
static void draw(const uint8_t key[SCRAM_KEY_SIZE], uint8_t purpose, struct bytes name, uint8_t out[SCRAM_KEY_SIZE])
{
    const struct bytes parts[] = {bytes_of(&purpose, 1), name};
    scram_hmac(key, parts, 2, out);
}

uint64_t scram_verifier_choice(const uint8_t key[SCRAM_KEY_SIZE], struct bytes name)
{
    uint8_t drawn[SCRAM_KEY_SIZE];
    uint64_t n;
    draw(key, 0, name, drawn);
    memcpy(&n, drawn, sizeof n);
    return n;
}

void scram_verifier_decoy(const uint8_t key[SCRAM_KEY_SIZE], struct bytes name, const struct scram_verifier *like,
                          struct scram_verifier *out)
{
    uint8_t salt[2 * SCRAM_KEY_SIZE];
    draw(key, 1, name, salt);
    draw(key, 2, name, salt + SCRAM_KEY_SIZE);
    *out = (struct scram_verifier){.iterations = like != NULL ? like->iterations : ITERATIONS,
                                   .salt_n = like != NULL ? like->salt_n : SALT_SIZE};
    memcpy(out->salt, salt, out->salt_n);
    random_bytes(out->stored_key, SCRAM_KEY_SIZE);
    random_bytes(out->server_key, SCRAM_KEY_SIZE);
}
