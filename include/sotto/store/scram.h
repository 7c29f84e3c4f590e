/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The server's side of an exchange of SCRAM-SHA-256 (RFC 5802, 7677), without channel binding:
 *
 *   client-first    n,,n=user,r=rOprNGfwEbeRWgbNEkqO                  scram_hello_read
 *   server-first    r=rOprNGfwEbeRWgbNEkqO%hvYDp...,s=W22Z...,i=4096  scram_new
 *   client-final    c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDp...,p=dHzb...  scram_finish
 *   server-final    v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=
 *
 * No I/O, no clock, no users file: a verifier goes in, bytes come out. Some HMACs at most, so a loop can do it.
 */
#pragma once

#include "sotto/store/ini_lines.h"
#include "sotto/store/scram_verifier.h"

#define SCRAM_METHOD "SCRAM-SHA-256"
#define SCRAM_MESSAGE_MAX 1024u     /* of the client's messages; longer ones are refused */
#define SCRAM_CLIENT_NONCE_MAX 256u /* likewise */
#define SCRAM_SERVER_NONCE_MAX 64u
#define SCRAM_CHALLENGE_MAX 448u /* server-first */
#define SCRAM_FINAL_MAX 64u      /* server-final, with a zero byte */

/* A client-first message, taken apart: views into the message, but for the name. */
struct scram_hello {
    struct bytes gs2;  /* the header: "n,,", "y,,a" ... with its last comma */
    struct bytes bare; /* all behind it */
    struct bytes nonce;
    size_t name_n;
    uint8_t name[INI_NAME_MAX]; /* with =2C and =3D undone: one that can be a user's (users_name_fault) */
};

/* NULL, or why the message is refused. */
const char *scram_hello_read(struct bytes message, struct scram_hello *out);

struct scram;

/*
 * Begins an exchange. The verifier is copied; known: false when it is a decoy, with which the exchange fails in its
 * last step as a wrong password would. nonce: the server's part, 1 to SCRAM_SERVER_NONCE_MAX printable characters
 * without a comma; for a real client always a fresh one (scram_nonce). Never NULL.
 */
struct scram *scram_new(const struct scram_hello *hello, const struct scram_verifier *v, bool known,
                        struct bytes nonce);
void scram_free(struct scram *s);
/* The server-first message; lives as long as s, and has SCRAM_CHALLENGE_MAX bytes at most. */
struct bytes scram_challenge(const struct scram *s);
/* Whose exchange it is; nothing is proven before scram_finish. Lives as long as s. */
struct bytes scram_name(const struct scram *s);
/*
 * Judges the client-final message. NULL: the client knows the password, and answer is the server-final message, a C
 * string; else why it is refused (in words that don't tell an unknown user from a wrong password). An exchange has one
 * such message: a second one is refused, whatever it is.
 */
const char *scram_finish(struct scram *s, struct bytes message, char answer[SCRAM_FINAL_MAX]);

/* The server's part of a nonce: 24 random characters and a zero byte. */
#define SCRAM_NONCE_SIZE 25
void scram_nonce(char out[SCRAM_NONCE_SIZE]);
