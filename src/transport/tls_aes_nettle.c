/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The wolfSSL of distributions is built without assembly, and its AES-GCM runs at a fifteenth of what the processor can
 * do (AES instructions, carry-less multiplication). nettle picks the instructions at run time. Keys stay in wolfSSL's
 * objects: each record is sealed or opened with a key schedule made on the stack and wiped behind it, 0.1 us that a
 * record earns back from its first bytes.
 *
 * A wolfSSL with assembly of its own is quicker than this: with it the build takes tls_aes_none.c, and needs no nettle.
 */
#include "tls_aes_private.h"

#include <nettle/gcm.h>
#include <nettle/memops.h>
#include <nettle/version.h>
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/cryptocb.h>

#include "sotto/base/bytes.h"

#define TEXT_OF(x) #x
#define DOTTED(major, minor) TEXT_OF(major) "." TEXT_OF(minor)

/* One record under way, with a key of either size. */
struct sealing {
    const Aes *aes;
    const uint8_t *iv, *extra, *in;
    uint8_t *out;
    size_t iv_n, extra_n, n;
    bool open; /* decrypt */
};

static void run128(const struct sealing *s, uint8_t tag[16])
{
    struct gcm_aes128_ctx c;
    gcm_aes128_set_key(&c, (const uint8_t *)s->aes->devKey);
    gcm_aes128_set_iv(&c, s->iv_n, s->iv);
    gcm_aes128_update(&c, s->extra_n, s->extra);
    if (s->open)
        gcm_aes128_decrypt(&c, s->n, s->out, s->in);
    else
        gcm_aes128_encrypt(&c, s->n, s->out, s->in);
    gcm_aes128_digest(&c, 16, tag);
    bytes_wipe(&c, sizeof(c));
}

static void run256(const struct sealing *s, uint8_t tag[16])
{
    struct gcm_aes256_ctx c;
    gcm_aes256_set_key(&c, (const uint8_t *)s->aes->devKey);
    gcm_aes256_set_iv(&c, s->iv_n, s->iv);
    gcm_aes256_update(&c, s->extra_n, s->extra);
    if (s->open)
        gcm_aes256_decrypt(&c, s->n, s->out, s->in);
    else
        gcm_aes256_encrypt(&c, s->n, s->out, s->in);
    gcm_aes256_digest(&c, 16, tag);
    bytes_wipe(&c, sizeof(c));
}

static int run(const struct sealing *s, uint8_t tag[16])
{
    if (s->aes->keylen == 16)
        run128(s, tag);
    else if (s->aes->keylen == 32)
        run256(s, tag);
    else
        return CRYPTOCB_UNAVAILABLE;
    return 0;
}

static int seal(wc_CryptoInfo *info)
{
    uint8_t tag[16];
    struct sealing s = {.aes = info->cipher.aesgcm_enc.aes,
                        .iv = info->cipher.aesgcm_enc.iv,
                        .iv_n = info->cipher.aesgcm_enc.ivSz,
                        .extra = info->cipher.aesgcm_enc.authIn,
                        .extra_n = info->cipher.aesgcm_enc.authInSz,
                        .in = info->cipher.aesgcm_enc.in,
                        .out = info->cipher.aesgcm_enc.out,
                        .n = info->cipher.aesgcm_enc.sz};
    if (info->cipher.aesgcm_enc.authTagSz > sizeof(tag))
        return CRYPTOCB_UNAVAILABLE;
    int result = run(&s, tag);
    if (result == 0)
        memcpy(info->cipher.aesgcm_enc.authTag, tag, info->cipher.aesgcm_enc.authTagSz);
    return result;
}

static int unseal(wc_CryptoInfo *info)
{
    uint8_t tag[16];
    struct sealing s = {.aes = info->cipher.aesgcm_dec.aes,
                        .iv = info->cipher.aesgcm_dec.iv,
                        .iv_n = info->cipher.aesgcm_dec.ivSz,
                        .extra = info->cipher.aesgcm_dec.authIn,
                        .extra_n = info->cipher.aesgcm_dec.authInSz,
                        .in = info->cipher.aesgcm_dec.in,
                        .out = info->cipher.aesgcm_dec.out,
                        .n = info->cipher.aesgcm_dec.sz,
                        .open = true};
    size_t tag_n = info->cipher.aesgcm_dec.authTagSz;
    if (tag_n == 0 || tag_n > sizeof(tag))
        return CRYPTOCB_UNAVAILABLE;
    int result = run(&s, tag);
    if (result != 0)
        return result;
    if (memeql_sec(tag, info->cipher.aesgcm_dec.authTag, tag_n))
        return 0;
    bytes_wipe(s.out, s.n); /* nobody may use what was not authenticated */
    return AES_GCM_AUTH_E;
}

bool tls_aes_has_other(void)
{
    return true;
}

int tls_aes_other(struct wc_CryptoInfo *info)
{
    return info->cipher.enc ? seal(info) : unseal(info);
}

const char *tls_aes_other_name(void)
{
    return "nettle " DOTTED(NETTLE_VERSION_MAJOR, NETTLE_VERSION_MINOR);
}
