/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BROKER_PORTS 6

/*
 * A broker under test: a fresh folder, ports on loopback that are kept for it, and the process. In the text of files,
 * and in arguments, @DIR@ stands for the folder and @P0@ to @P5@ for its ports. The process is killed when the test
 * program ends.
 */
struct broker {
    char dir[128];
    uint16_t ports[BROKER_PORTS];
    int held[BROKER_PORTS]; /* bound to them; nobody else gets these ports meanwhile */
    pid_t pid;              /* 0: not running */
};

/* The folder and the ports; nothing runs yet. */
void broker_init(struct broker *b);
/* A file in the folder, mode 0600; text with @DIR@ and @P0@... in it. sotto.ini is the configuration. */
void broker_write(struct broker *b, const char *name, const char *text);
/* Runs `sotto run -c DIR/sotto.ini`, and returns when it says that it is ready: all listeners accept, and the control
 * socket, too. */
void broker_start(struct broker *b);
/* Only starts the process. */
void broker_launch(struct broker *b);
/* Has the process ended? Then its wait status is in *status, and it may be started again. */
bool broker_ended(struct broker *b, int *status);
/* As broker_start, with a limit on open files for that process. */
void broker_start_limited(struct broker *b, unsigned open_files);
/* SIGTERM; fails unless the broker ends with status 0. */
void broker_stop(struct broker *b);
/* SIGKILL, and waits until it is gone: as a crash would end it. */
void broker_kill(struct broker *b);
/* What the broker has written to standard error so far. Malloced. */
char *broker_log(const struct broker *b);
/* Waits until the log contains the text. */
void broker_expect_log(const struct broker *b, const char *text);
/* Kills what still runs and removes the folder. */
void broker_fini(struct broker *b);
/* Absolute path of a file in the folder. The result is good until the next 64 calls. */
const char *broker_path(const struct broker *b, const char *name);
/* Contents of a file, with a NUL behind it, malloced; fails the test when there is no such file. */
char *broker_read_file(const struct broker *b, const char *name);
/* The broker's number of open files. */
unsigned broker_open_files(const struct broker *b);
unsigned broker_sockets(const struct broker *b);
/* Waits until it has no more sockets than that. */
void broker_expect_sockets(const struct broker *b, unsigned most);
/*
 * Seconds of processor time that the broker has used so far, of all its threads. What must not take long is measured by
 * it: on a busy machine everything takes long, but nothing costs more.
 */
double broker_cpu(const struct broker *b);

/* `sotto cert init` into a folder of the folder. */
void broker_make_certs(const struct broker *b, const char *folder);
/* `sotto cert client` there. */
void broker_make_client(const struct broker *b, const char *folder, const char *name);
/* Runs a script of sh, which must succeed: $1 is the folder, $2 the program. */
void broker_shell(const struct broker *b, const char *script);
/* `sotto passwd` on users.ini. */
void broker_passwd(const struct broker *b, const char *user, const char *password);

/* Replaces @DIR@ and @Pn@; malloced. */
char *broker_expand(struct broker *b, const char *text);

/* Pieces of sotto.ini, as many tests write them. The certificates are those of broker_make_certs(b, "certs"). */
#define ONE_LOOP "[broker]\nthreads = 1\ndata_dir = @DIR@/data\n[auth]\nanonymous = on\n"
#define TWO_LOOPS "[broker]\nthreads = 2\ndata_dir = @DIR@/data\n[auth]\nanonymous = on\n"
#define RSA_PAIR "cert = certs/server.crt\nkey = certs/server.key\n"
#define EC_PAIR "cert = certs/server-ec.crt\nkey = certs/server-ec.key\n"

/*
 * cmocka fixtures: *state is a struct broker on the heap. broker_new is what a setup of one's own begins with: a folder
 * and ports, nothing runs. broker_setup is no more than that. broker_teardown stops it if it runs, and frees it.
 */
struct broker *broker_new(void **state);
int broker_setup(void **state);
int broker_teardown(void **state);
/*
 * The common case: it runs with two listeners, plain on P0 and TLS on P1, anonymous clients allowed, an RSA certificate
 * from `sotto cert init` in DIR/certs, one loop. Ends with broker_teardown.
 */
int broker_group_setup(void **state);

/* The program's path, from the environment. */
const char *sotto_bin(void);
/* How much longer things may take with sanitizers than without: 1 or more. */
unsigned patience(void);
