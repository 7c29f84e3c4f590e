/* SPDX-License-Identifier: GPL-3.0-or-later */
/* AES-GCM by the processor's own instructions, for builds of wolfSSL that have none. */
#pragma once

#include "tls_private.h"

struct wc_CryptoInfo;

/* What there is besides wolfSSL's own in this build (tls_aes_nettle.c or tls_aes_none.c). */
bool tls_aes_has_other(void);
/* Seals or opens one record for a device of wolfCrypt's. Only where there is another. */
int tls_aes_other(struct wc_CryptoInfo *info);
/* "nettle 3.8" */
const char *tls_aes_other_name(void);

#define TLS_AES_SAMPLE 8192
#define TLS_AES_ROUNDS 5
/* What AES-128-GCM takes for a sample by this device (INVALID_DEVID: wolfSSL's own), in ns: the best of a few rounds.
 * room: twice a sample. */
uint64_t tls_aes_time(int device, uint8_t *room);
