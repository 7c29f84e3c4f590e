/* SPDX-License-Identifier: GPL-3.0-or-later */
/* AES-GCM by the processor's own instructions, for builds of wolfSSL that have none. */
#pragma once

#include "tls_private.h"

/* Once, after wolfSSL_Init: registers it where wolfSSL can use it and it is quicker. */
void tls_aes_init(void);
void tls_aes_fini(void);
/* For wolfSSL_CTX_SetDevId and wc_AesInit: INVALID_DEVID when wolfSSL's own is as good. */
int tls_aes_device(void);

/* What else there is in this build (tls_aes_nettle.c or tls_aes_none.c): a device known to wolfSSL, or INVALID_DEVID.
 */
int tls_aes_other_register(void);
void tls_aes_other_unregister(void);
/* "nettle 3.8" */
const char *tls_aes_other_name(void);

#define TLS_AES_SAMPLE 8192
#define TLS_AES_ROUNDS 5
/* What AES-128-GCM takes for a sample by this device (INVALID_DEVID: wolfSSL's own), in ns: the best of a few rounds.
 * room: twice a sample. */
uint64_t tls_aes_time(int device, uint8_t *room);
