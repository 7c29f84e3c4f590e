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
    fprintf(stderr, "%s\n", line);
}

int cmd_check(int argc, char **argv)
{
    const char *file = NULL;
    int option;

    opterr = 0;
    while ((option = getopt(argc, argv, ":c:")) != -1) {
        if (option == ':')
            return command_misused("check", "-%c needs a file", optopt);
        if (option != 'c')
            return command_misused("check", "unknown option '%s'", argv[optind - 1]);
        file = optarg;
    }
    if (optind < argc)
        return command_misused("check", "unexpected argument '%s'", argv[optind]);
    if (file == NULL)
        file = first_start_config_file();
    if (file == NULL)
        return command_misused("check", "no file: /etc/sotto/sotto.ini is not there, and -c names none");
    unsigned errors = 0;
    struct config *config = config_inspect(file, print_error, NULL, &errors);
    if (config == NULL)
        return EXIT_FAILED;
    environment_apply(config);
    first_start_leave_out(config);
    errors += server_check(config, print_error, NULL);
    config_free(config);
    if (errors == 0)
        printf("%s: no errors\n", file);
    return errors == 0 ? EXIT_DONE : EXIT_FAILED;
}
