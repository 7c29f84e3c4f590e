/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What others do quicker than this build of wolfSSL, on this processor: AES-GCM, and RSA-2048's private operation. */
#pragma once

#include "tls_private.h"

/* Once, after wolfSSL_Init and before threads start. */
void tls_device_init(void);
void tls_device_fini(void);

/* For wolfSSL_CTX_SetDevId, constant between init and fini; INVALID_DEVID when wolfSSL's own is as good. */
int tls_device_for_records(void);
/* The same for contexts with an RSA-2048 key, after that has been loaded; it does the records too, where these have
 * one. */
int tls_device_for_rsa(void);
