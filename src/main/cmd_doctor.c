/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "sotto/server/doctor.h"

#define HOST_MAX 254

/* "host:8883", "192.0.2.1:8883", "[2001:db8::1]:8883". */
static int read_target(const char *text, char host[HOST_MAX], uint16_t *port)
{
    const char *colon = strrchr(text, ':');
    const char *begin = text, *end = colon;
    if (colon != NULL && text[0] == '[' && colon > text + 1 && colon[-1] == ']') {
        begin = text + 1;
        end = colon - 1;
    } else if (colon == NULL || memchr(text, ':', (size_t)(colon - text)) != NULL) {
        return -1;
    }
    size_t n = (size_t)(end - begin);
    char *rest;
    long number = strtol(colon + 1, &rest, 10);
    if (n == 0 || n >= HOST_MAX || *rest != '\0' || rest == colon + 1 || number < 1 || number > 65535)
        return -1;
    memcpy(host, begin, n);
    host[n] = '\0';
    *port = (uint16_t)number;
    return 0;
}

int cmd_doctor(int argc, char **argv)
{
    static const struct option options[] = {{"cafile", required_argument, NULL, 'c'}, {NULL, 0, NULL, 0}};
    char host[HOST_MAX], err[2048];
    struct doctor_request r = {.host = host};
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, ":", options, NULL)) != -1;) {
        if (option == ':')
            return command_misused("doctor", "%s needs a file", argv[optind - 1]);
        if (option == '?')
            return command_misused("doctor", "unknown option '%s'", argv[optind - 1]);
        r.cafile = optarg;
    }
    if (optind == argc)
        return command_misused("doctor", "no HOST:PORT");
    if (optind + 1 < argc)
        return command_misused("doctor", "unexpected argument '%s'", argv[optind + 1]);
    if (read_target(argv[optind], host, &r.port) != 0)
        return command_misused("doctor", "'%s' is no HOST:PORT, like broker.example.org:8883 or [2001:db8::1]:8883",
                               argv[optind]);
    int failed = doctor_examine(&r, stdout, err, sizeof err);
    if (failed < 0)
        fprintf(stderr, "sotto doctor: %s\n", err);
    return failed == 0 ? EXIT_DONE : EXIT_FAILED;
}
