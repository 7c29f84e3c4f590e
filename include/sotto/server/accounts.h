/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sotto passwd`: users and their passwords in a users file. */
#pragma once

#include "sotto/base/bytes.h"

/* Why a name can't be a user's, or NULL. */
const char *accounts_name_fault(struct bytes user);
/* Adds the user or sets the password (hashed here: a tenth of a second and 19 MiB). 0, or -1 with one line in err. */
int accounts_set(const char *file, struct bytes user, struct bytes password, char *err, size_t err_cap);
/* Deletes the user's section. 0, or -1 with one line in err. */
int accounts_delete(const char *file, struct bytes user, char *err, size_t err_cap);
