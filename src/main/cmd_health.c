/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <getopt.h>
#include <stdio.h>

#include "commands.h"
#include "sotto/server/control.h"
#include "sotto/server/environment.h"
#include "sotto/server/first_start.h"

/* More than the broker takes for it: its own answer says which loop hangs. */
#define PATIENCE_MS 3000

static void print_error(void *ctx, const char *line)
{
    (void)ctx;
    fprintf(stderr, "sotto health: %s\n", line);
}

static int ask(const struct config *c)
{
    char text[1024];
    enum control_answer answer = control_ask(c->data_dir, "health", PATIENCE_MS, text, sizeof text);
    if (answer == CONTROL_OK)
        printf("healthy: %s\n", text);
    else
        print_error(NULL, text);
    return answer == CONTROL_OK ? EXIT_DONE : EXIT_FAILED;
}

int cmd_health(int argc, char **argv)
{
    const char *file = NULL;
    int option;

    opterr = 0;
    while ((option = getopt(argc, argv, ":c:")) != -1) {
        if (option == ':')
            return command_misused("health", "-%c needs a file", optopt);
        if (option != 'c')
            return command_misused("health", "unknown option '%s'", argv[optind - 1]);
        file = optarg;
    }
    if (optind < argc)
        return command_misused("health", "unexpected argument '%s'", argv[optind]);
    if (file == NULL)
        file = first_start_config_file();
    struct config *config = file != NULL ? config_load(file, print_error, NULL) : config_default();
    if (config == NULL)
        return EXIT_FAILED;
    environment_apply(config);
    int status = ask(config);
    config_free(config);
    return status;
}
