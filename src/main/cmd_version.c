/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>

#include "commands.h"
#include "sotto/server/versions.h"

static void put(void *ctx, const char *text)
{
    fputs(text, ctx);
}

int cmd_version(int argc, char **argv)
{
    if (argc > 1)
        return command_misused("version", "unexpected argument '%s'", argv[1]);
    versions_write(put, stdout);
    return EXIT_DONE;
}
