/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "sotto/server/config.h"

static void put(void *ctx, const char *text)
{
    fputs(text, ctx);
}

int cmd_help(int argc, char **argv)
{
    if (argc > 2)
        return command_misused("help", "unexpected argument '%s'", argv[2]);
    if (argc == 2 && strcmp(argv[1], "--reference") == 0) {
        config_write_reference(put, stdout);
        return EXIT_DONE;
    }
    if (argc == 2) {
        const struct command *c = command_find(argv[1]);
        if (c == NULL)
            return command_misused("help", "there is no command '%s'", argv[1]);
        printf("%s\n\n%s.\n%s%s", c->usage, c->summary, c->text[0] != '\0' ? "\n" : "", c->text);
        return EXIT_DONE;
    }
    printf("sotto: a small, private MQTT broker\n\n");
    for (const struct command *c = commands; c->name != NULL; c++)
        printf("  %-56s %s\n", c->usage, c->summary);
    printf("\n`sotto help COMMAND` says more; docs/configuration.md has every key of the configuration.\n");
    return EXIT_DONE;
}
