/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "sotto/base/mem.h"
#include "sotto/server/certificates.h"

/* What stands behind `sotto cert PART`. */
struct arguments {
    const char *dir, *name;
    const char **hosts;
    size_t hosts_n;
    bool force, new_ca, rsa;
};

static int failed(const char *part, const char *err)
{
    fprintf(stderr, "sotto cert %s: %s\n", part, err);
    return EXIT_FAILED;
}

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
        "Next: name both pairs in a listener of sotto.ini,\n"
        "    tls = on\n"
        "    cert = %s/server.crt\n"
        "    key = %s/server.key\n"
        "    cert = %s/server-ec.crt\n"
        "    key = %s/server-ec.key\n"
        "give ca.crt (never ca.key) to the clients, and try it:\n"
        "    mosquitto_sub --cafile %s/ca.crt -h localhost -p 8883 -t '#' -v\n"
        "The server certificates end in 397 days; new ones from the same CA: sotto cert renew %s\n",
        w->dir, w->dir, w->dir, w->dir, w->dir, w->dir);
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

static struct certificates_wanted wanted(const struct arguments *a)
{
    return (struct certificates_wanted){
        .dir = a->dir, .hosts = a->hosts, .hosts_n = a->hosts_n, .force = a->force, .new_ca = a->new_ca};
}

static int init(const struct arguments *a)
{
    char err[2048];
    struct certificates_wanted w = wanted(a);
    bool ca_stays = has_ca(w.dir) && !w.new_ca;
    if (certificates_make(&w, err, sizeof err) != 0)
        return failed("init", err);
    tell(&w, ca_stays);
    return EXIT_DONE;
}

static int renew(const struct arguments *a)
{
    char out[8192];
    struct certificates_wanted w = wanted(a);
    if (certificates_renew(&w, out, sizeof out) != 0)
        return failed("renew", out);
    printf(
        "Renewed: %s\n"
        "CA and keys are the same: clients notice nothing. A running broker that may read them takes them up by "
        "itself.\n",
        out);
    return EXIT_DONE;
}

static int client(const struct arguments *a)
{
    char err[2048];
    if (!certificates_client_is_good(a->name, err, sizeof err))
        return command_misused("cert", "that can't be a client's name: %s", err);
    if (certificates_client(a->dir, a->name, a->rsa, a->force, err, sizeof err) != 0)
        return failed("client", err);
    printf(
        "Made in %s: %s.crt %s.key (%s, for client authentication, CN=%s)\n"
        "Give both and ca.crt to that client; %s.key is secret, and %s/%s.key is not needed here any more.\n"
        "If it gets lost: sotto cert revoke %s '%s'\n",
        a->dir, a->name, a->name, a->rsa ? "RSA" : "ECDSA", a->name, a->name, a->dir, a->name, a->dir, a->name);
    return EXIT_DONE;
}

static int revoke_name(const struct arguments *a)
{
    char err[2048];
    if (!certificates_client_is_good(a->name, err, sizeof err))
        return command_misused("cert", "that can't be a client's name: %s", err);
    int n = certificates_revoke(a->dir, a->name, err, sizeof err);
    if (n < 0)
        return failed("revoke", err);
    if (n == 0)
        printf("Already revoked: %s; %s/crl.pem was written again all the same\n", a->name, a->dir);
    else
        printf("Revoked: %s (%d certificate%s); %s/crl.pem names it\n", a->name, n, n == 1 ? "" : "s", a->dir);
    return EXIT_DONE;
}

static int show(const struct arguments *a)
{
    char err[2048];
    if (certificates_show(a->dir, stdout, err, sizeof err) != 0)
        return failed("show", err);
    return EXIT_DONE;
}

enum { HOST = 1, FORCE = 2, NEW_CA = 4, RSA = 8 };

static const struct part {
    const char *name;
    int (*run)(const struct arguments *a);
    unsigned options;
    bool named; /* a NAME behind the folder */
} parts[] = {{"init", init, HOST | FORCE | NEW_CA, false},
             {"renew", renew, HOST | FORCE, false},
             {"client", client, FORCE | RSA, true},
             {"revoke", revoke_name, 0, true},
             {"show", show, 0, false},
             {NULL, NULL, 0, false}};

/* argv[0] is the part's name. hosts has room for argc names. */
static int read_arguments(const struct part *part, int argc, char **argv, const char **hosts)
{
    static const struct option options[] = {{"host", required_argument, NULL, HOST},
                                            {"force", no_argument, NULL, FORCE},
                                            {"new-ca", no_argument, NULL, NEW_CA},
                                            {"rsa", no_argument, NULL, RSA},
                                            {NULL, 0, NULL, 0}};
    struct arguments a = {.hosts = hosts};
    char err[512];
    optind = 1;
    for (int option, which; (option = getopt_long(argc, argv, ":", options, &which)) != -1;) {
        if (option == ':')
            return command_misused("cert", "%s needs a name", argv[optind - 1]);
        if (option == '?')
            return command_misused("cert", "unknown option '%s'", argv[optind - 1]);
        if ((part->options & (unsigned)option) == 0)
            return command_misused("cert", "'cert %s' has no option --%s", part->name, options[which].name);
        if (option == HOST && !certificates_host_is_good(optarg, err, sizeof err))
            return command_misused("cert", "--host: %s", err);
        if (option == HOST)
            hosts[a.hosts_n++] = optarg;
        a.force = a.force || option == FORCE;
        a.new_ca = a.new_ca || option == NEW_CA;
        a.rsa = a.rsa || option == RSA;
    }
    int arguments = part->named ? 2 : 1;
    if (optind == argc || argv[optind][0] == '\0')
        return command_misused("cert", part->run == show ? "no file or folder" : "no folder");
    if (part->named && optind + 1 == argc)
        return command_misused("cert", "no name behind the folder");
    if (optind + arguments < argc)
        return command_misused("cert", "unexpected argument '%s'", argv[optind + arguments]);
    a.dir = argv[optind];
    a.name = part->named ? argv[optind + 1] : NULL;
    return part->run(&a);
}

int cmd_cert(int argc, char **argv)
{
    if (argc < 2)
        return command_misused("cert", "nothing to do");
    const struct part *part = parts;
    while (part->name != NULL && strcmp(argv[1], part->name) != 0)
        part++;
    if (part->name == NULL)
        return command_misused("cert", "there is no 'cert %s'", argv[1]);
    const char **hosts = mem_alloc((size_t)argc * sizeof *hosts);
    int status = read_arguments(part, argc - 1, argv + 1, hosts);
    mem_free(hosts);
    return status;
}
