/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "tls.h"

struct tls_pipe tls_pipe;

size_t tls_pipe_take(void *to, size_t size)
{
    size_t taken = size < tls_pipe.in_size ? size : tls_pipe.in_size;
    if (taken)
        memcpy(to, tls_pipe.in, taken);
    tls_pipe.in += taken;
    tls_pipe.in_size -= taken;
    return taken;
}

void tls_pipe_add(const void *from, size_t size)
{
    if (tls_pipe.out_capacity - tls_pipe.out_size < size) {
        size_t capacity = 2 * (tls_pipe.out_size + size) + (64u << 10);
        uint8_t *larger = realloc(tls_pipe.out, capacity);
        if (!larger)
            fail(FAIL_CONNECTION, "out of memory (%zu bytes)", capacity);
        tls_pipe.out = larger;
        tls_pipe.out_capacity = capacity;
    }
    memcpy(tls_pipe.out + tls_pipe.out_size, from, size);
    tls_pipe.out_size += size;
}
