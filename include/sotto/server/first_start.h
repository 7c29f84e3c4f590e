/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a first start makes: the data directory, and what the configuration places in it and is not there yet:
 *
 *   certificates   where a listener's cert and key are server.crt and server.key (or server-ec.*) in or below it: a
 *                  private CA and both pairs; names from SOTTO_HOST, comma-separated
 *   first user     where SOTTO_USER and SOTTO_PASSWORD (or the first line of the file that SOTTO_PASSWORD_FILE names)
 *                  are set and there is no users file, wherever that belongs; in or below the data directory also
 *                  without them: the user sotto, its random password in the file first-password in the data directory
 *
 * Outside the data directory nothing else is made: there a missing file is an error.
 */
#pragma once

#include "sotto/server/config.h"

/* Called once, before server_run. May set config->users. Says in the log what was made. 0, or -1 with one line in err.
 */
int first_start(struct config *config, char *err, size_t err_cap);
/*
 * Where somebody has put an own server.crt (or server-ec.crt) into the data directory before the first start, we have
 * no CA to make the other pair from: it is taken out of the listener that names both. Returns how many were.
 */
size_t first_start_leave_out(struct config *config);
/* The file that a configuration is read from where none is named: /etc/sotto/sotto.ini; else the one that a package or
 * an image brings, /usr/share/sotto/sotto.ini; or NULL: the built-in default. A file that is there but can't be read
 * counts as there. */
const char *first_start_config_file(void);
/* Where /etc/sotto is an empty folder (mapped into a container, say) and a package's file is what would be used: copies
 * it there, for somebody to edit. Does nothing when it can't. */
void first_start_place_config(void);
/* The same for any two files. True when it was copied. */
bool first_start_copy_config(const char *packaged, const char *file);
