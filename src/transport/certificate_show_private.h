/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sotto cert show`: reading what is there (certificate_show.c), and saying it (certificate_describe.c). */
#pragma once

#include <limits.h>
#include <stdio.h>

#include "certificate_private.h"

/* What stands around a certificate. */
struct surroundings {
    char dir[PATH_MAX], file[PATH_MAX]; /* file: its name in dir */
    time_t now;
    FILE *out;
    struct x509_pool beside; /* ca.crt and chain.pem of the folder */
    struct x509_pool system; /* what the system trusts; loaded when it is asked for */
    bool has_system;
};

/* "2026-01-31" */
void cert_day(time_t t, char out[16]);
/* A line of the description: "  what         text". */
__attribute__((format(printf, 3, 4))) void cert_say(FILE *out, const char *what, const char *format, ...);
/* One certificate. all: what else is in its file; NULL: it is one of those, so nothing is said of chain and key. */
void cert_describe(struct surroundings *s, const struct x509 *c, const struct x509_pool *all);
void cert_describe_crl(const struct surroundings *s, const struct x509_crl *l);
