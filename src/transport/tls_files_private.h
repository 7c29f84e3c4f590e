/* SPDX-License-Identifier: GPL-3.0-or-later */
/* PEM files: read whole, with messages that say how to mend what is wrong. */
#pragma once

#include "sotto/base/bytes.h"

struct pem_file {
    char *p; /* with a zero byte behind it; NULL: none */
    size_t n;
    unsigned mode; /* its permission bits, after reading */
};

/* What another file with secrets in it is like. */
struct secret_file_kind {
    size_t max;          /* bytes */
    const char *missing; /* what to do when it isn't there; NULL: what certificate_way.c says */
    const char *large;   /* what it is when it is larger */
};

/* False with one line in err: path, reason, who we are, the file's mode and owner, and the command that mends it. */
bool pem_file_read(struct pem_file *f, const char *path, char *err, size_t err_cap);
/* The same for another kind of file. */
bool secret_file_read(struct pem_file *f, const struct secret_file_kind *kind, const char *path, char *err,
                      size_t err_cap);
/* Wipes the bytes: they may be a key. */
void pem_file_free(struct pem_file *f);
/* Both, one behind the other, in f; the other one stays as it is. */
void pem_file_append(struct pem_file *f, const struct pem_file *more);
/* The first PEM block whose label ends so ("CERTIFICATE", "PRIVATE KEY"), dashes included; empty when there is none. */
struct bytes pem_block(const struct pem_file *f, const char *label);
