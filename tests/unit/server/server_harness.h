/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A server in a process of its own, made from this test program by fork: no other program is needed, and a limit on
 * open files, another user or a crash stays there. Talked to over real sockets, in bytes.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

struct run {
    char dir[64];
    uint16_t ports[2];
    pid_t pid;
};

/* A folder and two free ports of 127.0.0.1. */
void run_init(struct run *r);
/* Kills what still runs; removes the folder. */
void run_fini(struct run *r);
/*
 * Starts a server with this configuration, in which @D is the folder, @P and @Q are the ports. Its log goes to DIR/log.
 * open_files: a limit, 0: as it is.
 */
void run_start(struct run *r, const char *config, unsigned open_files);
/* The same with another data directory than the folder. */
void run_start_with(struct run *r, const char *data_dir, const char *config, unsigned open_files);
/* SIGTERM, and the exit status; 128 + n where signal n killed it. */
int run_stop(struct run *r);
/* Waits for it to end by itself. */
int run_wait(struct run *r);
/* Waits until the log holds the text; fails after some seconds. */
void run_expect_log(const struct run *r, const char *text);

/* A connected socket, with a time-out of 5 s for reading. Retries while nobody listens yet. */
int run_connect(uint16_t port);
int run_connect_local(const char *path);
void run_send(int fd, const void *p, size_t n);
/* CONNECT of 3.1.1, clean, with this client id (up to 100 bytes). Returns the packet's size. */
size_t run_connect_packet(uint8_t *out, const char *id);
/* Reads exactly n bytes; fails when there are fewer. */
void run_expect(int fd, const void *p, size_t n);
/* CONNECT and its answer. */
void run_hello(int fd, const char *id);
/* The peer closes; what comes before is thrown away. Fails after some seconds. */
void run_expect_closed(int fd);
