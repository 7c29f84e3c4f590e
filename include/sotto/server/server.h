/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The running broker: from a configuration to loops, and back to nothing. */
#pragma once

#include "sotto/server/config.h"

/*
 * Opens everything the configuration names, becomes the configured user, runs until SIGTERM or SIGINT, and
 * stops cleanly. Returns the exit
 * status: 0, or 1 after an error that was logged in one line.
 */
int server_run(struct config *config);
/* All that `sotto check` looks at beyond the file's own text: users, certificates, addresses. Number of errors
 * reported. */
unsigned server_check(const struct config *config, config_report report, void *ctx);
