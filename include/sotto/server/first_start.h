/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a first start makes: the data directory; with the built-in configuration a private CA and certificates in it
 * (names from SOTTO_HOST, comma-separated); and, where SOTTO_USER is set and there is no users file yet, that user,
 * with SOTTO_PASSWORD or the first line of the file that SOTTO_PASSWORD_FILE names.
 */
#pragma once

#include "sotto/server/config.h"

/* Called once, before server_run. May set config->users. Says in the log what was made. 0, or -1 with one line in err.
 */
int first_start(struct config *config, char *err, size_t err_cap);
/* The file that a configuration is read from where none is named, or NULL: the built-in default. A file that is there
 * but can't be read counts as there. */
const char *first_start_config_file(void);
