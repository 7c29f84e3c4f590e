/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The control socket's place in the file system.
 *
 * The address of a unix socket holds 107 bytes, a data directory's path may be longer: then the socket is reached
 * through a descriptor of its folder, as /proc/self/fd/N/control.sock.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

struct control_socket {
    int fd;                  /* listening; -1: none */
    char *path;              /* owned */
    uint64_t device, number; /* which file is ours */
};

enum control_listened { CONTROL_LISTENS, CONTROL_IN_USE, CONTROL_IMPOSSIBLE };

/*
 * Binds and listens, mode 0600. A file that a broker left behind is replaced; one that a running broker listens on is
 * CONTROL_IN_USE. Otherwise than with CONTROL_LISTENS: one line in err, and nothing to close.
 */
enum control_listened control_socket_listen(struct control_socket *s, const char *data_dir, char *err, size_t err_cap);
/* A connection to it, with time limits for connecting, reading and writing set; or -1 with errno. path: malloced by
 * mem.h, set in either case. */
int control_socket_connect(const char *data_dir, unsigned timeout_ms, char **path);
/* Removes the file if it still is ours, closes, frees. */
void control_socket_close(struct control_socket *s);
