/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by the files that make what a first start makes. */
#pragma once

#include "sotto/server/config.h"

/* "FOLDER/NAME"; free with mem_free. */
char *first_path(const char *folder, const char *name);
/* The folder that a path lies in; free with mem_free. */
char *first_folder(const char *path);
/* What root makes belongs to the user that the broker becomes. */
void first_give_away(const struct config *c, const char *path);
/* Makes the folder and those above it, the last one with that mode. 0, or -1 with errno. */
int first_make_folder(const struct config *c, const char *folder, unsigned mode);
/* The first user, where there is no users file. May set config->users. 0, or -1 with one line in err. */
int first_user(struct config *c, char *err, size_t cap);
