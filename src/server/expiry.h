/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Says ahead that certificates and revocation lists end: 30 days, 7 days and a day before, and when it has happened;
 * each once for as long as the broker runs. What had ended when it was read has been said then.
 */
#pragma once

#include <time.h>

#include "tls_set.h"

struct expiry_said;

struct expiry {
    struct expiry_said *v;
    size_t n;
};

#define EXPIRY_DAYS 30 /* ahead, the first time */
#define EXPIRY_HINT 1024

struct tls_ending;

/* "the server's certificate ends in 4 days", and what there is to do; both cut to size. */
void expiry_words(const struct tls_ending *t, time_t now, char *out, size_t cap, char *hint, size_t hint_cap);
/* Looks at all of the set, and says in the log what is due at this time. Rarely more than once a minute. */
void expiry_look(struct expiry *e, const struct tls_set *set, time_t now);
/* Also fine on a zeroed one. */
void expiry_fini(struct expiry *e);
