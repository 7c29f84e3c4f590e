/* SPDX-License-Identifier: GPL-3.0-or-later */
/* This wolfSSL takes no devices: it does all by itself. */
#include "tls_device_private.h"

void tls_device_init(void)
{
}

void tls_device_fini(void)
{
}

int tls_device_for_records(void)
{
    return INVALID_DEVID;
}

int tls_device_for_rsa(void)
{
    return INVALID_DEVID;
}
