/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sotto cert`: a private CA, server and client certificates, revocation, and what stands in files. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

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

/* New server certificates for the keys that are there, from the CA that is there; w->force: also in place of those of
 * another CA. 0 and a line in out (which, until when, for whom), or -1 and the reason. */
int certificates_renew(const struct certificates_wanted *w, char *out, size_t cap);

/* A name that can't be a client's certificate: one line in err; true: it can. */
bool certificates_client_is_good(const char *name, char *err, size_t err_cap);
/* NAME.crt and NAME.key; rsa: else ECDSA. 0, or -1 with one line in err, and nothing was changed. */
int certificates_client(const char *dir, const char *name, bool rsa, bool force, char *err, size_t err_cap);
/* How many certificates of that name were not revoked before; -1 with one line in err, and nothing was changed. */
int certificates_revoke(const char *dir, const char *name, char *err, size_t err_cap);
/* Prints what is in a file or folder. 0, or -1 with one line in err. */
int certificates_show(const char *path, FILE *out, char *err, size_t err_cap);
