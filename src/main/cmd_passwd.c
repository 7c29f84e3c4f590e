/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "commands.h"
#include "sotto/base/mem.h"
#include "sotto/server/accounts.h"

#define AT_THE_NEXT_START "a broker that runs reads it on SIGHUP, or at its next start"

#define PASSWORD_MAX 65535
#define INTERRUPT '\x03'

/* The first line of standard input, without its newline. Byte by byte, so that nothing behind it is taken. False: err
 * says why. */
static bool read_line(char *out, size_t *n, const char **why)
{
    *n = 0;
    for (;;) {
        char c;
        ssize_t got = read(STDIN_FILENO, &c, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            *why = strerror(errno);
            return false;
        }
        if (got == 0 || c == '\n')
            return true;
        if (*n == PASSWORD_MAX) {
            *why = "the first line of standard input is longer than the 65535 bytes that MQTT carries; shorten it";
            return false;
        }
        out[(*n)++] = c;
    }
}

/* Without echo, and with Control-C as an ordinary character, so that the terminal is never left without echo. */
static bool prompt(const char *text, char *out, size_t *n, const char **why)
{
    struct termios old, quiet;
    if (tcgetattr(STDIN_FILENO, &old) != 0) {
        *why = strerror(errno);
        return false;
    }
    quiet = old;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    fputs(text, stderr);
    fflush(stderr);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    bool good = read_line(out, n, why);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
    fputc('\n', stderr);
    if (good && memchr(out, INTERRUPT, *n) != NULL) {
        *why = "interrupted; nothing was changed";
        return false;
    }
    return good;
}

static bool ask(char *password, char *again, size_t *n, const char **why)
{
    size_t m;
    if (!isatty(STDIN_FILENO))
        return read_line(password, n, why);
    if (!prompt("Password: ", password, n, why) || !prompt("Again: ", again, &m, why))
        return false;
    if (*n != m || memcmp(password, again, m) != 0) {
        *why = "the two passwords differ; nothing was changed, try again";
        return false;
    }
    return true;
}

static int set_password(const char *file, struct bytes user)
{
    char err[1024];
    const char *why = NULL;
    size_t n;
    char *room = mem_alloc(2 * PASSWORD_MAX);
    int status = EXIT_FAILED;

    if (!ask(room, room + PASSWORD_MAX, &n, &why))
        fprintf(stderr, "sotto passwd: %s\n", why);
    else if (accounts_set(file, user, bytes_of(room, n), err, sizeof err) != 0)
        fprintf(stderr, "sotto passwd: %s\n", err);
    else
        status = EXIT_DONE;
    bytes_wipe(room, 2 * PASSWORD_MAX);
    mem_free(room);
    return status;
}

int cmd_passwd(int argc, char **argv)
{
    const char *doomed = NULL;
    int option;

    opterr = 0;
    while ((option = getopt(argc, argv, ":D:")) != -1) {
        if (option == ':')
            return command_misused("passwd", "-%c needs a user", optopt);
        if (option != 'D')
            return command_misused("passwd", "unknown option '-%c'", optopt);
        doomed = optarg;
    }
    int wanted = doomed != NULL ? 1 : 2;
    if (argc - optind < wanted)
        return command_misused("passwd", "%s", argc == optind ? "no file" : "no user");
    if (argc - optind > wanted)
        return command_misused("passwd", "unexpected argument '%s'", argv[optind + wanted]);
    const char *file = argv[optind];
    if (doomed != NULL) {
        char err[1024];
        if (accounts_delete(file, bytes_str(doomed), err, sizeof err) == 0) {
            printf("'%s' is no longer in %s; " AT_THE_NEXT_START "\n", doomed, file);
            return EXIT_DONE;
        }
        fprintf(stderr, "sotto passwd: %s\n", err);
        return EXIT_FAILED;
    }
    const char *why = accounts_name_fault(bytes_str(argv[optind + 1]));
    if (why != NULL) {
        fprintf(stderr, "sotto passwd: '%s' can't be a user: %s\n", argv[optind + 1], why);
        return EXIT_FAILED;
    }
    int status = set_password(file, bytes_str(argv[optind + 1]));
    if (status == EXIT_DONE)
        printf("'%s' has this password now in %s; " AT_THE_NEXT_START "\n", argv[optind + 1], file);
    return status;
}
