/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Makes a private CA, certificates of servers and clients, and revokes the latter, in process. wolfSSL must be started
 * (tls_init).
 *
 * In DIR: ca.crt ca.key server.crt server.key (RSA-2048) server-ec.crt server-ec.key (ECDSA P-256). Keys are 0600. The
 * CA is good for 20 years, servers for 397 days; both start at a fixed date in the past, because small devices have no
 * clock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

struct certificate_request {
    const char *dir;
    const char *const
        *hosts; /* further names or addresses, besides localhost, 127.0.0.1, ::1, the host's names and addresses */
    size_t hosts_n;
    bool force;  /* overwrite server certificates and keys; certificate_renew: also those of another CA */
    bool new_ca; /* with force: a new CA too */
};

/* 0; or -1 with one line in err: what, which file, why, what to do. Nothing is overwritten unless asked. */
int certificate_init(const struct certificate_request *r, char *err, size_t err_cap);

/* "localhost, 127.0.0.1, ...": what the server certificates of this request are for, cut to cap. -1 with a line in out
 * for a host that is neither a name nor an address. */
int certificate_names(const struct certificate_request *r, char *out, size_t cap);

/*
 * New server certificates from the CA of r->dir for the keys that are there (server.key, server-ec.key; at least one),
 * 397 days from now: clients notice nothing, and fingerprints of the public key stay. They are for r->hosts, for what
 * certificate_init would name, and for what the present ones are for. A present certificate that the CA did not make
 * is not overwritten without r->force. 0, and out says in a line which, until when and for whom; or -1 with a line in
 * out: what, which file, why, what to do.
 */
int certificate_renew(const struct certificate_request *r, char *out, size_t cap);

/* How the server certificate in the file at path gets its successor, as a hint in words: depends on the CA beside it,
 * and on whether its key is there. */
void certificate_way(const char *path, char *out, size_t cap);

#define CERTIFICATE_RENEW_DAYS 30

/*
 * For the broker, from time to time: renews what certificate_init made in dir and ends within 30 days of now. How many
 * were renewed, with a line in out as above. 0: none was due, or there is no ca.crt and ca.key in dir, or the CA did
 * not make them. -1 with a line in out: it was due and could not be done; the old ones are still there.
 */
int certificate_renew_due(const char *dir, time_t now, char *out, size_t cap);

struct certificate_client_request {
    const char *dir;
    const char *name; /* the common name and the name of the files */
    bool rsa;         /* an RSA-2048 key; else ECDSA P-256 */
    bool force;       /* overwrite certificate and key */
};

/* Why a name can't be a client's, or NULL when it can: it is a user name and the name of a file. Static. */
const char *certificate_client_fault(const char *name);
/* NAME.crt and NAME.key in dir, for client authentication only, good for ten years. 0, or -1 with one line in err. */
int certificate_client(const struct certificate_client_request *r, char *err, size_t err_cap);
/*
 * Revokes every certificate that was made for the name, and writes crl.pem. How many were not revoked before (0: all
 * were, and the list is written all the same), or -1 with one line in err.
 */
int certificate_revoke(const char *dir, const char *name, char *err, size_t err_cap);

/*
 * Prints what stands in a file (certificates, a key, a revocation list; PEM or DER), or in the certificates and lists
 * of a folder, and what is wrong with it. now: what dates are judged by. 0, or -1 with one line in err.
 */
int certificate_show(const char *path, time_t now, FILE *out, char *err, size_t err_cap);
