/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Makes a private CA and server certificates, in process.
 *
 * In DIR: ca.crt ca.key server.crt server.key (RSA-2048) server-ec.crt server-ec.key (ECDSA P-256). Keys are 0600. The
 * CA is good for 20 years, servers for 397 days; both start at a fixed date in the past, because small devices have no
 * clock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct certificate_request {
    const char *dir;
    const char *const
        *hosts; /* further names or addresses, besides localhost, 127.0.0.1, ::1, the host's names and addresses */
    size_t hosts_n;
    bool force;  /* overwrite server certificates and keys */
    bool new_ca; /* with force: a new CA too */
};

/* 0; or -1 with one line in err: what, which file, why, what to do. Nothing is overwritten unless asked. */
int certificate_init(const struct certificate_request *r, char *err, size_t err_cap);

/* "localhost, 127.0.0.1, ...": what the server certificates of this request are for, cut to cap. -1 with a line in out
 * for a host that is neither a name nor an address. */
int certificate_names(const struct certificate_request *r, char *out, size_t cap);
