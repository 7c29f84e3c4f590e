/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a user's name may be, wherever it comes from: CONNECT, the users file, a certificate, a shared key. */
#pragma once

#include "sotto/base/bytes.h"

#define USER_NAME_MAX 49 /* bytes; what inih takes as a section's name */

/* Why a name can't be a user's, or NULL when it can: 1 to 49 bytes of UTF-8, no ']', control character or outer blank;
 * "*" and "group:..." are reserved. Static text. */
const char *user_name_fault(struct bytes name);
