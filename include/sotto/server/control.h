/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The control socket: how other commands of this program ask the running broker. DATA_DIR/control.sock, for the
 * broker's own user and root; who may open it needs no login.
 *
 *   request   one line: a command and its arguments, separated by a blank, at most 255 bytes
 *   answer    a line "ok TEXT" or "failed TEXT", then whatever lines the command has; the end is the end of the stream
 */
#pragma once

#include <stddef.h>

#define CONTROL_SOCKET "control.sock"

enum control_answer {
    CONTROL_OK,     /* text: what stands behind "ok " */
    CONTROL_FAILED, /* text: what stands behind "failed " */
    CONTROL_NOBODY  /* text: why there is no answer; which socket was tried */
};

/* Asks the broker that has this data directory, and waits for timeout_ms at most. text: one line, cut to cap. */
enum control_answer control_ask(const char *data_dir, const char *request, unsigned timeout_ms, char *text, size_t cap);
