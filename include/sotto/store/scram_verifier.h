/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a server keeps of a password for SCRAM-SHA-256 (RFC 5802, 7677): enough to check a proof and to prove that it
 * knows the user, not enough to log in with. As text it has the form that PostgreSQL writes:
 *
 *   SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>      salt and keys in base64, with padding
 */
#pragma once

#include "sotto/base/bytes.h"

#define SCRAM_KEY_SIZE 32u
#define SCRAM_SALT_MIN 8u
#define SCRAM_SALT_MAX 48u
#define SCRAM_ITERATIONS_MIN 4096u /* RFC 7677, section 4 */
#define SCRAM_ITERATIONS_MAX 10000000u
/* Of a text: the longest that a users file can hold. With its zero byte. */
#define SCRAM_TEXT_MAX 192u

struct scram_verifier {
    uint32_t iterations, salt_n;
    uint8_t salt[SCRAM_SALT_MAX];
    uint8_t stored_key[SCRAM_KEY_SIZE], server_key[SCRAM_KEY_SIZE];
};

/* The verifier of a password: `iterations` rounds of PBKDF2, so never on a loop. The password's bytes are taken as they
 * are: nothing is normalized (SASLprep leaves printable ASCII as it is, too). False when the salt's size is out of
 * range, for more bytes than MQTT carries, or without memory. */
bool scram_verifier_make(struct bytes password, struct bytes salt, uint32_t iterations, struct scram_verifier *out);
/* The text of a verifier with a random salt and as many iterations as we think right. False without memory. */
bool scram_verifier_fresh(struct bytes password, char out[SCRAM_TEXT_MAX]);
/* Reads the text. NULL, or why it is none that can be used; then *out has nothing to rely on. */
const char *scram_verifier_read(const char *text, struct scram_verifier *out);
/* Writes the text. */
void scram_verifier_write(const struct scram_verifier *v, char out[SCRAM_TEXT_MAX]);

/* Makes the key depend on this verifier: what scram_verifier_decoy is keyed by, over all that there are. */
void scram_verifier_mix(uint8_t key[SCRAM_KEY_SIZE], const struct scram_verifier *v);
/* A number for a name, the same as long as the key is. */
uint64_t scram_verifier_choice(const uint8_t key[SCRAM_KEY_SIZE], struct bytes name);
/*
 * A verifier of no password, for a name that has none: iterations and salt size are those of `like` (NULL: those of a
 * fresh one), the salt is the same for a name as long as the key is, the keys are random.
 */
void scram_verifier_decoy(const uint8_t key[SCRAM_KEY_SIZE], struct bytes name, const struct scram_verifier *like,
                          struct scram_verifier *out);
