/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <stddef.h>

/* n bytes from the kernel's generator (getrandom); aborts where there is none: keys must never be guessable. */
void random_bytes(void *p, size_t n);
