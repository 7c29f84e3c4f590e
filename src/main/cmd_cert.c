/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "sotto/base/mem.h"
#include "sotto/server/certificates.h"

/* Parts of the command that have a name but no function yet. */
static const char *const later[] = {"renew", "client", "revoke", "show", NULL};

static void tell(const struct certificates_wanted *w, bool ca_stayed)
{
    char names[4096];
    certificates_names(w, names, sizeof names);
    printf("Made in %s: %sserver.crt server.key (RSA) server-ec.crt server-ec.key (ECDSA)\n", w->dir,
           ca_stayed ? "" : "ca.crt ca.key ");
    printf("For: %s\n", names);
    if (ca_stayed)
        printf("The CA is the one that was there: clients keep their ca.crt.\n");
    printf(
        "\n"
        "Next: name the pair in a listener of sotto.ini,\n"
        "    tls = on\n"
        "    cert = %s/server.crt\n"
        "    key = %s/server.key\n"
        "give ca.crt (never ca.key) to the clients, and try it:\n"
        "    mosquitto_sub --cafile %s/ca.crt -h localhost -p 8883 -t '#' -v\n"
        "The server certificates end in 397 days; new ones from the same CA: sotto cert init %s",
        w->dir, w->dir, w->dir, w->dir);
    for (size_t i = 0; i < w->hosts_n; i++)
        printf(" --host '%s'", w->hosts[i]);
    printf(" --force\n");
}

static bool has_ca(const char *dir)
{
    size_t n = strlen(dir) + sizeof "/ca.crt";
    char *path = mem_alloc(n);
    snprintf(path, n, "%s/ca.crt", dir);
    bool there = access(path, F_OK) == 0;
    mem_free(path);
    return there;
}

static int init(const struct certificates_wanted *w)
{
    char err[2048];
    bool ca_stays = has_ca(w->dir) && !w->new_ca;
    if (certificates_make(w, err, sizeof err) != 0) {
        fprintf(stderr, "sotto cert init: %s\n", err);
        return EXIT_FAILED;
    }
    tell(w, ca_stays);
    return EXIT_DONE;
}

/* argv[0] is "init". hosts has room for argc names. */
static int read_arguments(int argc, char **argv, const char **hosts)
{
    static const struct option options[] = {{"host", required_argument, NULL, 'h'},
                                            {"force", no_argument, NULL, 'f'},
                                            {"new-ca", no_argument, NULL, 'n'},
                                            {NULL, 0, NULL, 0}};
    struct certificates_wanted w = {.hosts = hosts};
    char err[512];
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, ":", options, NULL)) != -1;) {
        if (option == ':')
            return command_misused("cert", "%s needs a name", argv[optind - 1]);
        if (option == '?')
            return command_misused("cert", "unknown option '%s'", argv[optind - 1]);
        if (option == 'h' && !certificates_host_is_good(optarg, err, sizeof err))
            return command_misused("cert", "--host: %s", err);
        if (option == 'h')
            hosts[w.hosts_n++] = optarg;
        w.force = w.force || option == 'f';
        w.new_ca = w.new_ca || option == 'n';
    }
    if (optind == argc || argv[optind][0] == '\0')
        return command_misused("cert", "no folder");
    if (optind + 1 < argc)
        return command_misused("cert", "unexpected argument '%s'", argv[optind + 1]);
    w.dir = argv[optind];
    return init(&w);
}

int cmd_cert(int argc, char **argv)
{
    if (argc < 2)
        return command_misused("cert", "nothing to do");
    for (const char *const *name = later; *name != NULL; name++) {
        if (strcmp(argv[1], *name) == 0)
            return command_misused("cert", "this version has no 'cert %s' yet", *name);
    }
    if (strcmp(argv[1], "init") != 0)
        return command_misused("cert", "there is no 'cert %s'", argv[1]);
    const char **hosts = mem_alloc((size_t)argc * sizeof *hosts);
    int status = read_arguments(argc - 1, argv + 1, hosts);
    mem_free(hosts);
    return status;
}
