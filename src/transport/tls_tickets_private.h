/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "sotto/transport/tls_tickets.h"
#include "tls_private.h"

/* In a chain, without a full handshake between them. */
#define RESUMPTIONS_MAX 200u

struct tls_sessions;

struct ticket_key {
    uint8_t id[TICKET_KEY_ID];
    uint8_t key[32];
    uint64_t made; /* wall clock, seconds */
};

/* A copy of the key that seals. Any thread. */
void ticket_key_newest(struct tls_tickets *t, struct ticket_key *out);
/* A copy of the key with this id; false: there is none. newest: it is the one that seals. Any thread. */
bool ticket_key_find(struct tls_tickets *t, const uint8_t *id, struct ticket_key *out, bool *newest);

/* The sessions of clients without tickets. */
struct tls_sessions *ticket_sessions(struct tls_tickets *t);

/* What a context's tickets are bound to; lives as long as the context. */
struct ticket_policy {
    struct tls_tickets *keys;
    uint32_t lifetime;
    uint8_t digest[32]; /* of what the listener asks of its clients */
};

/* Has native give tickets and session ids and take them back, by p; with p NULL: give none and refuse all. */
void tls_tickets_apply(WOLFSSL_CTX *native, struct ticket_policy *p);
/* The part of it for session ids. */
void tls_session_ids_apply(WOLFSSL_CTX *native, const struct ticket_policy *p);
