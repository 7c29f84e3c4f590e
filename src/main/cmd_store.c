/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "sotto/server/store_tool.h"

static void print(void *ctx, const char *line)
{
    fprintf(ctx, "%s\n", line);
}

static int show(const char *dir)
{
    char err[1024];
    if (store_tool_show(dir, print, stdout, err, sizeof err) == 0)
        return EXIT_DONE;
    fprintf(stderr, "sotto store show: %s\n", err);
    return EXIT_FAILED;
}

static int check(const char *dir)
{
    char err[1024];
    int found = store_tool_check(dir, print, stderr, err, sizeof err);
    if (found == 0)
        printf("%s: the store is sound\n", dir);
    else if (found > 0)
        fprintf(stderr, "sotto store check: the store is damaged; the broker salvages what it can at its start\n");
    else
        fprintf(stderr, "sotto store check: %s\n", err);
    return found == 0 ? EXIT_DONE : EXIT_FAILED;
}

int cmd_store(int argc, char **argv)
{
    if (argc < 2)
        return command_misused("store", "nothing to do");
    int (*run)(const char *dir) = strcmp(argv[1], "show") == 0 ? show : strcmp(argv[1], "check") == 0 ? check : NULL;
    if (run == NULL)
        return command_misused("store", "there is no 'store %s'", argv[1]);
    if (argc < 3 || argv[2][0] == '\0')
        return command_misused("store", "no folder");
    if (argc > 3)
        return command_misused("store", "unexpected argument '%s'", argv[3]);
    return run(argv[2]);
}
