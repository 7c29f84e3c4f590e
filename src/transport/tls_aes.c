/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whose AES-GCM is used: wolfSSL's own, or a device's that was registered with it (tls_aes_nettle.c; tls_aes_none.c in
 * builds where there is nothing to gain). The quicker one, measured at the start.
 */
#include "tls_aes_private.h"

#include <uv.h>

#include <wolfssl/wolfcrypt/aes.h>

#include "sotto/base/mem.h"

/* Set before threads start, constant from then on. */
static int device = INVALID_DEVID;

int tls_aes_device(void)
{
    return device;
}

uint64_t tls_aes_time(int id, uint8_t *room)
{
    static const uint8_t key[16] = "time is measured";
    Aes *aes = mem_alloc(sizeof(*aes));
    uint8_t tag[16];
    uint64_t best = UINT64_MAX;
    if (wc_AesInit(aes, NULL, id) == 0) {
        for (int i = 0; i < TLS_AES_ROUNDS && wc_AesGcmSetKey(aes, key, sizeof(key)) == 0; i++) {
            uint64_t start = uv_hrtime();
            if (wc_AesGcmEncrypt(aes, room, room + TLS_AES_SAMPLE, TLS_AES_SAMPLE, key, 12, tag, sizeof(tag), key,
                                 13) != 0)
                break;
            uint64_t took = uv_hrtime() - start;
            best = took < best ? took : best;
        }
        wc_AesFree(aes);
    }
    mem_free(aes);
    return best;
}

void tls_aes_init(void)
{
    int other = tls_aes_other_register();
    if (other == INVALID_DEVID)
        return;
    uint8_t *room = mem_alloc((size_t)2 * TLS_AES_SAMPLE);
    if (tls_aes_time(other, room) < tls_aes_time(INVALID_DEVID, room))
        device = other;
    else
        tls_aes_other_unregister();
    mem_free(room);
}

void tls_aes_fini(void)
{
    if (device != INVALID_DEVID)
        tls_aes_other_unregister();
    device = INVALID_DEVID;
}
