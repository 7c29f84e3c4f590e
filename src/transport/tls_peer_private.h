/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who the other end of a connection is: noted while wolfSSL shakes hands, and believed only when the handshake is done
 * and what was said in it fits. Exists for connections of listeners that ask for it.
 */
#pragma once

#include "sotto/transport/transport.h"
#include "tls_auth_private.h"

#define TLS_HINT_CERTIFICATE                                                                                           \
    "give the client a certificate and its key from a CA of client_ca: `sotto cert client DIR NAME` makes both "       \
    "(mosquitto_sub --cert NAME.crt --key NAME.key)"
#define TLS_HINT_OLD_CERTIFICATE                                                                                       \
    "sign it with extensions: openssl x509 -req ... -extfile FILE with the line extendedKeyUsage = clientAuth in FILE"
#define TLS_HINT_KEY "give the client an identity and key of psk_file (mosquitto_sub --psk-identity NAME --psk HEXKEY)"

struct tls_peer {
    const struct tls_auth *auth;
    enum transport_proof proof; /* what was shown last; before tls_peer_settle, not proved */
    bool known;                 /* the shared key's identity is in the file */
    bool key_agreed;            /* our ServerHello (TLS 1.3) has taken the shared key */
    uint8_t user_n;
    uint8_t user[USER_NAME_MAX];
    char *fault;      /* why its certificate is refused although wolfSSL takes it: a sentence; malloced, or NULL */
    const char *hint; /* for it */
    char *about;      /* "alice, issued by Some CA": the certificate that is refused; malloced, or NULL */
};

/* All other fields are zero. */
void tls_peer_init(struct tls_peer *p, const struct tls_auth *auth);
void tls_peer_fini(struct tls_peer *p);

/* wolfSSL's callbacks. verify: the argument (wolfSSL_SetCertCbCtx) is a struct tls_peer. */
int tls_peer_verify(int ok, WOLFSSL_X509_STORE_CTX *store);
unsigned tls_peer_key(WOLFSSL *ssl, const char *identity, unsigned char *key, unsigned max);
unsigned tls_peer_key_13(WOLFSSL *ssl, const char *identity, unsigned char *key, unsigned max, const char **suite);
/* tls.c: the connection's. */
struct tls_peer *tls_peer_of(WOLFSSL *ssl);

/* Records that we send during the handshake, whole ones. */
void tls_peer_see_output(struct tls_peer *p, struct bytes records);
/* The handshake is done. False: it must not have been, see fault. */
bool tls_peer_settle(struct tls_peer *p, WOLFSSL *ssl);

/* Whether the trouble is one with the certificate or shared key, and then the sentence and what to do about it. */
bool tls_peer_in_words(const struct tls_trouble *f, char *why, size_t cap, const char **hint);

/*
 * What a ServerHello among these records says of pre-shared keys: whether the extension by which the server takes one
 * (41) is there. *found false: there is no ServerHello.
 */
bool server_hello_takes_key(struct bytes records, bool *found);
