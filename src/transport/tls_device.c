/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * wolfCrypt lets a "device" take over single algorithms. Ours does AES-GCM for builds of wolfSSL without assembly
 * (tls_aes_nettle.c), where that is measured to be quicker, and signs with RSA-2048 keys where the processor can do
 * more than wolfSSL makes use of (rsa2048_libcrypto.c): a handshake with such a certificate is little else. What it
 * declines is done by wolfCrypt: public keys, which is how wolfSSL verifies each signature before it sends it, all
 * other sizes, all other algorithms.
 */
#include "tls_device_private.h"

#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/cryptocb.h>
#include <wolfssl/wolfcrypt/rsa.h>

#include "rsa2048_private.h"
#include "sotto/base/bytes.h"
#include "sotto/base/mem.h"
#include "tls_aes_private.h"

#define DEVICE 0x736f74 /* any number that is ours */

/* Set before threads start, constant from then on. */
static bool does_records, does_rsa;

/* False: it is longer than that. */
static bool take_number(mp_int *n, uint8_t *to, int size)
{
    return mp_to_unsigned_bin_len(n, to, size) == MP_OKAY;
}

static bool take_key(RsaKey *from, struct rsa2048_key *k)
{
    return take_number(&from->n, k->n, RSA2048_SIZE) && take_number(&from->d, k->d, RSA2048_SIZE) &&
           take_number(&from->e, k->e, RSA2048_PUBLIC) && take_number(&from->p, k->p, RSA2048_HALF) &&
           take_number(&from->q, k->q, RSA2048_HALF) && take_number(&from->dP, k->dp, RSA2048_HALF) &&
           take_number(&from->dQ, k->dq, RSA2048_HALF) && take_number(&from->u, k->qinv, RSA2048_HALF);
}

static int on_rsa(wc_CryptoInfo *info)
{
    RsaKey *key = info->pk.rsa.key;
    struct rsa2048_key k;
    if (info->pk.rsa.type != RSA_PRIVATE_ENCRYPT || key->type != RSA_PRIVATE || mp_count_bits(&key->n) != 2048 ||
        info->pk.rsa.inLen != RSA2048_SIZE || *info->pk.rsa.outLen < RSA2048_SIZE)
        return CRYPTOCB_UNAVAILABLE;
    bool done = take_key(key, &k) && rsa2048_private(&k, info->pk.rsa.in, info->pk.rsa.out);
    bytes_wipe(&k, sizeof(k));
    if (!done)
        return CRYPTOCB_UNAVAILABLE;
    *info->pk.rsa.outLen = RSA2048_SIZE;
    return 0;
}

static int on_device(int id, wc_CryptoInfo *info, void *ctx)
{
    (void)id;
    (void)ctx;
    if (does_rsa && info->algo_type == WC_ALGO_TYPE_PK && info->pk.type == WC_PK_TYPE_RSA)
        return on_rsa(info);
    if (does_records && info->algo_type == WC_ALGO_TYPE_CIPHER && info->cipher.type == WC_CIPHER_AES_GCM)
        return tls_aes_other(info);
    return CRYPTOCB_UNAVAILABLE;
}

static bool is_quicker(void)
{
    uint8_t *room = mem_alloc((size_t)2 * TLS_AES_SAMPLE);
    does_records = true;
    bool quicker = tls_aes_time(DEVICE, room) < tls_aes_time(INVALID_DEVID, room);
    mem_free(room);
    return quicker;
}

void tls_device_init(void)
{
    if ((!tls_aes_has_other() && !rsa2048_able()) || wc_CryptoCb_RegisterDevice(DEVICE, on_device, NULL) != 0)
        return;
    does_records = tls_aes_has_other() && is_quicker();
    does_rsa = rsa2048_able();
    if (!does_records && !does_rsa)
        tls_device_fini();
}

void tls_device_fini(void)
{
    wc_CryptoCb_UnRegisterDevice(DEVICE);
    does_records = does_rsa = false;
}

int tls_device_for_records(void)
{
    return does_records ? DEVICE : INVALID_DEVID;
}

int tls_device_for_rsa(void)
{
    return does_records || does_rsa ? DEVICE : INVALID_DEVID;
}
