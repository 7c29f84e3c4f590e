/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The parts of the sentence that says why a TLS connection failed. Each writes why and returns a static hint, or NULL.
 */
#pragma once

#include "tls_peer_private.h"

#define HINT_OLD "update the client's TLS library: TLS 1.2 with ECDHE and AES-GCM or ChaCha20-Poly1305 is the least"
/* Stands for one that is put together from the certificate and the hello: tls_refused_hint. */
extern const char tls_hint_refused[];

/* ---- tls_trouble_offer.c: what was offered has nothing in common with what there is ---- */

const char *tls_trouble_too_old(const struct tls_trouble *f, char *why, size_t cap);
const char *tls_trouble_nothing_in_common(const struct tls_trouble *f, char *why, size_t cap);

/* ---- tls_trouble_refused.c: the client did not like our certificate ---- */

/* What may be wrong with it in the client's eyes, by its alert (-1: none), the names, the dates, the sizes. */
void tls_refused_hint(const struct tls_trouble *f, char hint[TLS_WORDS]);
