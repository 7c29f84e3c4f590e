/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The command line: one function a command, listed in one table (main.c) that `sotto help` is printed from.
 * Exit status: 0 done, 1 the work failed, 2 wrong usage. Errors go to standard error in one line each.
 */
#pragma once

#define EXIT_DONE 0
#define EXIT_FAILED 1
#define EXIT_USAGE 2

struct command {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the command's name; returns the exit status */
    const char *usage;                 /* lines of "sotto ..."; the synopsis */
    const char *summary;               /* one line, no full stop */
    const char *text;                  /* what else `sotto help COMMAND` says */
};

/* The table, ended by a row without a name. */
extern const struct command commands[];
/* NULL when there is no such command. */
const struct command *command_find(const char *name);
/* Prints "sotto COMMAND: text; usage: ..." as one line to standard error and returns EXIT_USAGE. */
int command_misused(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

int cmd_run(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_passwd(int argc, char **argv);
int cmd_cert(int argc, char **argv);
int cmd_health(int argc, char **argv);
int cmd_store(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_help(int argc, char **argv);
