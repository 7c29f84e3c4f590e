/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which cipher suites there are, in which order, and how a list of names becomes wolfSSL's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "tls_private.h"

#define SUITE_LIST_MAX 1024

/*
 * wolfSSL's list for what the settings ask for, into out. False with one line in err: a name that isn't known, isn't
 * safe or isn't in this build of wolfSSL. A version (in 1.2: a way to authenticate) that the list has no
 * suite for keeps its own.
 */
bool tls_suites_list(const struct tls_settings *s, char out[SUITE_LIST_MAX], char *err, size_t err_cap);
/* The TLS 1.3 suite of such a list that shared keys go with, static text; NULL: it has none with SHA-256. */
const char *tls_suites_for_keys(const char *list);
/* Which of our suites for certificates are in such a list: enum client_hello_ours. */
uint16_t tls_suites_bits(const char *list);
