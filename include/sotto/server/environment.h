/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Environment variables, as containers use them. An empty one counts as none. */
#pragma once

#include <stdbool.h>

#include "sotto/server/config.h"

/* NULL where it is not set or empty. Valid until the environment is changed. */
const char *environment(const char *name);
/* SOTTO_DATA takes the place of [broker] data_dir, and at the front of every path that the configuration has in it:
 * users, certificates, keys. Called once after a configuration is read, by every command that uses one. */
void environment_apply(struct config *c);
/* Does the path lie in the folder? By their names alone. */
bool environment_inside(const char *folder, const char *path);
