/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The shared keys of a listener, by identity. A file of lines IDENTITY:HEXKEY (the last colon divides, since a user's
 * name may have some); blank lines and those that begin with '#' are passed over. Immutable once read.
 */
#pragma once

#include "sotto/base/bytes.h"
#include "sotto/codec/user_name.h"

#define PSK_KEY_MAX 64
/* Shorter ones can be guessed by whoever has recorded a handshake. */
#define PSK_KEY_GOOD 16
#define PSK_FILE_MAX ((size_t)16 << 20)

struct psk_table;

/* NULL with one line in err: "line 3: ...". */
struct psk_table *psk_table_parse(struct bytes text, char *err, size_t err_cap);
/* The same from a file, whose path is in err too; what is unwise about it (short keys, who may read it) is logged. */
struct psk_table *psk_table_load(const char *path, char *err, size_t err_cap);
/* NULL is fine. */
void psk_table_free(struct psk_table *t);

size_t psk_table_count(const struct psk_table *t);
/* The i-th identity, in the order of lines. */
struct bytes psk_table_name(const struct psk_table *t, size_t i);
/* The line of the first key that is short (PSK_KEY_GOOD), or that begins with a zero byte, which mosquitto's clients
 * leave out; 0: none. */
unsigned psk_table_short_key(const struct psk_table *t);
unsigned psk_table_zero_key(const struct psk_table *t);

/*
 * The key for an identity into key, and its length. *known false: nobody has that identity; the key is one that nobody
 * knows, the same for a name each time, so that a handshake goes on and fails as it does with a wrong key, after the
 * same work. Any thread.
 */
size_t psk_table_find(const struct psk_table *t, struct bytes identity, uint8_t key[PSK_KEY_MAX], bool *known);
