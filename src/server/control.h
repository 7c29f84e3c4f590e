/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The broker's side of the control socket; loop 0 serves it. See sotto/server/control.h for what is spoken. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct control;
struct privileges;
struct server;

/*
 * Opens the socket in the data directory and gives it to the user that the broker becomes. NULL with *fatal when
 * another broker has the data directory (one line in err); NULL without it when there can be no such socket: logged as
 * a warning, the broker runs all the same.
 */
struct control *control_new(struct server *s, const struct privileges *p, bool *fatal, char *err, size_t err_cap);
/* Serves it on loop 0, before that runs. 0 or a libuv error. c may be NULL. */
int control_attach(struct control *c);
/* Closes its handles; the loop must run once more. c may be NULL. */
void control_close(struct control *c);
/* After the loop is closed, or when it was never attached: removes the socket. NULL is fine. */
void control_free(struct control *c);
