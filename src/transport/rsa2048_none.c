/* SPDX-License-Identifier: GPL-3.0-or-later */
/* No other library for it, or not for this kind of processor. */
#include "rsa2048_private.h"

bool rsa2048_able(void)
{
    return false;
}

bool rsa2048_private(const struct rsa2048_key *key, const uint8_t in[RSA2048_SIZE], uint8_t out[RSA2048_SIZE])
{
    (void)key;
    (void)in;
    (void)out;
    return false;
}
