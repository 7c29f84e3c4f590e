/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"

const struct command commands[] = {
    {"run", cmd_run, "sotto [run] [-c FILE]", "run the broker in the foreground",
     "  -c FILE   the configuration; without it /etc/sotto/sotto.ini, and where that is not there\n"
     "            the built-in default: loopback only, with certificates of its own\n"
     "\n"
     "SIGTERM and SIGINT stop it. SOTTO_USER with SOTTO_PASSWORD or SOTTO_PASSWORD_FILE make the first\n"
     "user where there is no users file; SOTTO_HOST names the hosts of certificates that a first start\n"
     "makes; SOTTO_DATA takes the place of [broker] data_dir, and of it in the paths below it.\n"},
    {"check", cmd_check, "sotto check -c FILE", "read and check everything the configuration names",
     "Prints every error, one a line. Exit status: 0 when there is none, else 1. Started as root it looks at\n"
     "files as the user that the broker will run as.\n"},
    {"passwd", cmd_passwd, "sotto passwd FILE USER | sotto passwd FILE -D USER",
     "add a user, set a password, or delete a user",
     "The password is asked for twice, or is the first line of standard input where that is no terminal.\n"
     "Everything else in the file stays as it is; a file that is not there is made.\n"
     "\n"
     "  -D USER   delete the user\n"},
    {"cert", cmd_cert, "sotto cert init|renew|client|revoke|show ..., see `sotto help cert`",
     "make, renew, revoke and look at certificates",
     "  sotto cert init DIR [--host NAME]... [--force [--new-ca]]\n"
     "      A private CA and server certificates: ca.crt ca.key server.crt server.key (RSA-2048) server-ec.crt\n"
     "      server-ec.key (ECDSA P-256), for localhost, 127.0.0.1, ::1, this host's names and addresses, and each\n"
     "      NAME.\n"
     "      --host NAME   a further name or address; repeat it for more\n"
     "      --force       overwrite server certificates and keys\n"
     "      --new-ca      with --force: make a new CA too; clients that trust the old one must be told\n"
     "\n"
     "  sotto cert renew DIR [--host NAME]... [--force]\n"
     "      New server certificates from the same CA and the same keys, for the names they are for now, this host's\n"
     "      names and addresses, and each NAME.\n"
     "      --force       also in place of a certificate that this CA did not make\n"
     "\n"
     "  sotto cert client DIR NAME [--rsa] [--force]\n"
     "      A client certificate for user NAME: NAME.crt NAME.key (ECDSA P-256), good for ten years.\n"
     "      --rsa         an RSA-2048 key, for clients that know nothing else\n"
     "      --force       overwrite certificate and key\n"
     "\n"
     "  sotto cert revoke DIR NAME\n"
     "      Revokes all certificates made for NAME: crl.pem, for a listener's crl.\n"
     "\n"
     "  sotto cert show FILE|DIR\n"
     "      What it is, for whom, until when, its key, chain and fingerprints (Tasmota's too), and what is wrong.\n"},
    {"health", cmd_health, "sotto health [-c FILE]", "ask the running broker whether it is well",
     "Through the control socket in its data directory: do all loops turn, are all listeners open. Needs no\n"
     "login, but the rights of the broker's user. Exit status: 0 and one line, or 1 and why.\n"
     "\n"
     "  -c FILE   the configuration that the broker was started with; without it as for `sotto run`\n"},
    {"doctor", cmd_doctor, "sotto doctor HOST:PORT [--cafile FILE]",
     "look at a broker's TLS and MQTT from the client's side",
     "Connects some twenty times, and prints a line for each finding: ok, warn or fail; what; why; what to do:\n"
     "address, protocol, certificates and names, versions and suites, fragments, resumption, an MQTT CONNECT, and\n"
     "what well-known clients would say. Needs no configuration. Exit status: 0 when nothing fails, else 1.\n"
     "\n"
     "  --cafile FILE   the CA that clients are given; without it, what this system trusts\n"},
    {"store", cmd_store, "sotto store show DIR | sotto store check DIR",
     "show what a data directory keeps, or whether it is sound",
     "DIR is the broker's data_dir; the broker may run meanwhile. Needs the rights of the broker's user.\n"
     "\n"
     "  show    sessions that outlive their connection: client id, user, subscriptions, what is queued (messages,\n"
     "          bytes, how old the oldest is); retained messages\n"
     "  check   looks the whole database over. Exit status: 0 when it is sound, else 1 and what is wrong\n"},
    {"version", cmd_version, "sotto version", "print the version, and those of the libraries in use", ""},
    {"help", cmd_help, "sotto help [COMMAND]", "print what a command does", ""},
    {NULL, NULL, NULL, NULL, NULL},
};

/* Commands that have a place but no function yet: refused by name. */
static const char *const later[] = {"acl", "clients", "retained", "import", NULL};

const struct command *command_find(const char *name)
{
    for (const struct command *c = commands; c->name != NULL; c++) {
        if (strcmp(c->name, name) == 0)
            return c;
    }
    return NULL;
}

int command_misused(const char *command, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const struct command *c = command != NULL ? command_find(command) : NULL;
    if (c != NULL)
        fprintf(stderr, "sotto %s: %s; usage: %s\n", command, text, c->usage);
    else
        fprintf(stderr, "sotto: %s; usage: sotto [COMMAND] [ARGUMENT]..., see `sotto help`\n", text);
    return EXIT_USAGE;
}

static int unknown_command(const char *name)
{
    for (const char *const *l = later; *l != NULL; l++) {
        if (strcmp(*l, name) == 0)
            return command_misused(NULL, "this version has no command '%s' yet", name);
    }
    return command_misused(NULL, "there is no command '%s'", name);
}

static int dispatch(int argc, char **argv)
{
    static char run[] = "run", help[] = "help", version[] = "version";
    if (argc < 2 || argv[1][0] == '-') {
        if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
            return cmd_help(1, (char *[]){help, NULL});
        if (argc == 2 && strcmp(argv[1], "--version") == 0)
            return cmd_version(1, (char *[]){version, NULL});
        argv[0] = run;
        return cmd_run(argc, argv);
    }
    const struct command *c = command_find(argv[1]);
    return c != NULL ? c->run(argc - 1, argv + 1) : unknown_command(argv[1]);
}

int main(int argc, char **argv)
{
    int status = dispatch(argc, argv);
    /* A full disk or a closed pipe behind standard output is a failure too. */
    if (fflush(stdout) != 0 && status == EXIT_DONE) {
        perror("sotto: standard output can't be written");
        return EXIT_FAILED;
    }
    return status;
}
