/* SPDX-License-Identifier: GPL-3.0-or-later */
/* This wolfSSL has assembly for AES, or takes no devices: its own it is. */
#include "tls_aes_private.h"

int tls_aes_other_register(void)
{
    return INVALID_DEVID;
}

void tls_aes_other_unregister(void)
{
}

const char *tls_aes_other_name(void)
{
    return "nobody else";
}
