/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The users file: sections of users with a password hash and rules. Read whole into
 * an immutable snapshot; every error is reported with file, line, section and key.
 */
#pragma once

#include "sotto/base/bytes.h"
#include "sotto/core/rights.h"
#include "sotto/store/scram_verifier.h"

struct users;

/* Called for each error and each warning, in order of lines. line 0: the file as a whole. */
typedef void (*users_report)(void *ctx, bool warning, const char *file, unsigned line, const char *section,
                             const char *key, const char *text);

/* NULL if there was any error (each was reported). A file that everybody may write is refused; its owner doesn't
 * matter. */
struct users *users_load(const char *path, users_report report, void *ctx);
/* The same from text in memory; path is for messages. */
struct users *users_parse(const char *path, struct bytes text, users_report report, void *ctx);
/* No users at all: for configurations without a file. */
struct users *users_empty(void);
/* Any thread. */
struct users *users_ref(struct users *u);
/* The last one frees. NULL is fine. */
void users_unref(struct users *u);
size_t users_count(const struct users *u);

/* The password hash of a user (a C string that lives as long as u), or NULL if unknown or without a password. */
const char *users_password(const struct users *u, struct bytes name);
/*
 * A hash to compute for a name without one, so that it costs what a wrong password costs: always the same one for a
 * name, taken from the users there are. NULL where no user has a password.
 */
const char *users_decoy(const struct users *u, struct bytes name);
/*
 * What SCRAM checks a user by. True: it is the user's own; false: there is none, and *out is a decoy, always the same
 * salt and iterations for a name as long as the file's verifiers are the same. Takes the same time either way.
 */
bool users_scram(const struct users *u, struct bytes name, struct scram_verifier *out);
/* The rights of a user who has a section (a new reference), or NULL. */
struct rights *users_rights(const struct users *u, struct bytes name);
/* The rights of whom a certificate or shared key names (a new reference): a user with a section has those; others have
 * what [*] grants and nothing else, nothing at all where there is no [*]. */
struct rights *users_identity_rights(const struct users *u, struct bytes name);
/* Is there a section [*]? */
bool users_have_everyone(const struct users *u);
/* The rights of clients without a section: [*] only, everything (but $SYS) where [*] doesn't exist. A new reference. */
struct rights *users_anonymous_rights(const struct users *u);

/* `sotto passwd`: sets what a user's password is checked by (adding the section; a hash and a SCRAM verifier, as text:
 * both are of the same password, so an old line of either kind never stays) or deletes the section, keeping everything
 * else in the file as it is (comments too); atomic (new file, fsync, rename; mode kept, 0600 when new; where the file
 * is a mount point and can't be renamed over, it is rewritten in place). 0, or -1 with one line in err. */
int users_file_set(const char *path, struct bytes name, const char *hash, const char *scram, char *err, size_t err_cap);
int users_file_delete(const char *path, struct bytes name, char *err, size_t err_cap);
/* Why a name can't be a user's, or NULL when it can: user_name_fault of codec/user_name.h. */
const char *users_name_fault(struct bytes name);
