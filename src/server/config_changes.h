/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which keys of a configuration that was read again only a restart can put in force. */
#pragma once

#include "sotto/server/config.h"

/* "[broker] threads, [listener.tls] port, [listener.new]": what differs and is not taken up by a running broker, cut to
 * cap; "" when there is nothing. */
void config_changes_for_restart(const struct config *old, const struct config *fresh, char *out, size_t cap);
/* The listener of that name, or NULL. */
const struct config_listener *config_changes_listener(const struct config *c, const char *name);
/* Do both make the same TLS context, apart from what their files hold? */
bool config_changes_same_tls(const struct config_listener *a, const struct config_listener *b);
