/* SPDX-License-Identifier: GPL-3.0-or-later */
/* This wolfSSL has assembly for AES, or takes no devices: its own it is. */
#include "tls_aes_private.h"

bool tls_aes_has_other(void)
{
    return false;
}

int tls_aes_other(struct wc_CryptoInfo *info)
{
    (void)info;
    return -1; /* nobody asks */
}

const char *tls_aes_other_name(void)
{
    return "nobody else";
}
