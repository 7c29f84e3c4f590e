/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any text as a configuration: either there is one and nothing was reported, or there is none and something was. */
#include <stdlib.h>

#include "sotto/server/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count(void *ctx, const char *line)
{
    unsigned *n = ctx;
    *n += line[0] != '\0';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned errors = 0;
    struct config *c = config_parse("/fuzz/sotto.ini", bytes_of(data, size), count, &errors);
    if ((c == NULL) == (errors == 0))
        abort();
    if (c != NULL && (c->listeners_n == 0 || c->data_dir == NULL || c->threads > 256))
        abort();
    config_free(c);
    return 0;
}
