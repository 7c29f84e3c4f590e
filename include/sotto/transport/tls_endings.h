/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What of a listener's TLS ends on which day, and whether a new set of files may take the place of an old one. */
#pragma once

#include <time.h>

#include "sotto/transport/tls_context.h"

#define TLS_ENDING_NAME 256

struct tls_ending {
    enum { TLS_ENDS_CERTIFICATE, TLS_ENDS_CHAIN, TLS_ENDS_CLIENT_CA, TLS_ENDS_CRL } kind;
    const char *what;           /* the kind in words, static */
    const char *file;           /* view into the context */
    char name[TLS_ENDING_NAME]; /* whom it is for, or whose it is */
    time_t until;
};

/* The i-th of the context's certificates and lists; false: there are fewer. */
bool tls_context_ending(const struct tls_context *c, size_t i, struct tls_ending *out);

/*
 * May c follow old on a running listener? What a broker starts with in want of anything better is refused here: a new
 * certificate that is not valid at this time, and one whose chain was forgotten. False with one line in err: which
 * file, why, what to do.
 */
bool tls_context_may_follow(const struct tls_context *c, const struct tls_context *old, time_t now, char *err,
                            size_t err_cap);
