/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <getopt.h>
#include <stdio.h>

#include "commands.h"
#include "sotto/server/environment.h"
#include "sotto/server/first_start.h"
#include "sotto/server/server.h"

static void print_error(void *ctx, const char *line)
{
    (void)ctx;
    fprintf(stderr, "sotto: %s\n", line);
}

int cmd_run(int argc, char **argv)
{
    const char *file = NULL;
    char err[1024];
    int option;

    opterr = 0;
    while ((option = getopt(argc, argv, ":c:")) != -1) {
        if (option == ':')
            return command_misused("run", "-%c needs a file", optopt);
        if (option != 'c')
            return command_misused("run", "unknown option '%s'", argv[optind - 1]);
        file = optarg;
    }
    if (optind < argc)
        return command_misused("run", "unexpected argument '%s'", argv[optind]);
    if (file == NULL) {
        first_start_place_config();
        file = first_start_config_file();
    }
    struct config *config = file != NULL ? config_load(file, print_error, NULL) : config_default();
    if (config == NULL)
        return EXIT_FAILED;
    environment_apply(config);
    int status = EXIT_FAILED;
    if (first_start(config, err, sizeof err) == 0)
        status = server_run(config);
    else
        print_error(NULL, err);
    config_free(config);
    return status;
}
