/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The broker renews the server certificates that were made by `sotto cert init` (or at its first start) where the CA's
 * key lies beside them: 30 days ahead. Private keys stay as they are, so clients notice nothing.
 */
#pragma once

#include <time.h>

#include "sotto/server/config.h"

/* ok: lines about what was renewed; else: what should have been, why it was not, and what to do. */
typedef void (*renewal_report)(void *ctx, bool ok, const char *line);

/* Renews what is due. May take a second (RSA), and reads and writes files: not on a loop. needs tls_init. How many
 * certificates were renewed. */
unsigned renewal_run(const struct config *c, time_t now, renewal_report report, void *ctx);
/* For the start, before others see the certificates: says it in the log. */
void renewal_report_to_log(void *ctx, bool ok, const char *line);
