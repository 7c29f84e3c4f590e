/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sotto doctor`: a broker, ours or another, seen from the client's side. */
#pragma once

#include <stdint.h>
#include <stdio.h>

struct doctor_request {
    const char *host; /* a name or an address */
    uint16_t port;
    const char *cafile; /* PEM; NULL: what the system trusts */
};

/*
 * Connects some twenty times and prints a line for each finding: ok, warn or fail; what; why; what to do. Each step
 * waits for 5 s at most. How many findings were "fail"; -1 with one line in err where nothing could be looked at (the
 * file of the CA can't be read).
 */
int doctor_examine(const struct doctor_request *r, FILE *out, char *err, size_t err_cap);
