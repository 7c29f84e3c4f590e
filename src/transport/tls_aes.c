/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How quick AES-GCM is: measured at the start, since it is a matter of the build and the processor together. */
#include "tls_aes_private.h"

#include <uv.h>

#include <wolfssl/wolfcrypt/aes.h>

#include "sotto/base/mem.h"

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
