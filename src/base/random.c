/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sotto/base/random.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void random_bytes(void *p, size_t n)
{
    uint8_t *out = p;
    while (n > 0) {
        ssize_t got = getrandom(out, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            fprintf(stderr,
                    "sotto: getrandom: %s: no random numbers from the kernel, so keys would be guessable; "
                    "allow the system call (container or seccomp profile)\n",
                    strerror(errno));
            abort();
        }
        out += got;
        n -= (size_t)got;
    }
}
