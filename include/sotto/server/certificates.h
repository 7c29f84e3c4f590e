/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sotto cert`: a private CA and server certificates. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct certificates_wanted {
    const char *dir;          /* made when it isn't there */
    const char *const *hosts; /* besides this host's own names and addresses */
    size_t hosts_n;
    bool force;  /* overwrite server certificates and keys */
    bool new_ca; /* with force: the CA too */
};

/* 0; or -1 with one line in err, and nothing was changed. */
int certificates_make(const struct certificates_wanted *w, char *err, size_t err_cap);
/* The names and addresses the certificates are for, "localhost, 127.0.0.1, ...", cut to cap. */
void certificates_names(const struct certificates_wanted *w, char *out, size_t cap);
/* Why a name can't be in a certificate: one line in err; true: it can. */
bool certificates_host_is_good(const char *host, char *err, size_t err_cap);
