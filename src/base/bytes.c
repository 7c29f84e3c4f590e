/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sotto/base/bytes.h"

bool bytes_equal_secret(const void *a, const void *b, size_t n)
{
    const volatile uint8_t *x = a, *y = b;
    uint8_t diff = 0;
    for (size_t i = 0; i < n; i++)
        diff = (uint8_t)(diff | (x[i] ^ y[i]));
    return diff == 0;
}

void bytes_wipe(void *p, size_t n)
{
    if (n > 0)
        explicit_bzero(p, n);
}
