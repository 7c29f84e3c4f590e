/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Session ids of TLS 1.2, by wolfSSL's callbacks for a cache that isn't its own. Its own is switched off: it holds 33
 * sessions under one global lock, and asks no listener whose they are.
 *
 * Only who knows no tickets gets a place here: a ticket costs us no memory, and survives a restart. The same rules hold
 * for both: bound to the listener's policy, over after ticket_lifetime, taken up 200 times at most.
 *
 * The library hands out a session as bytes, which begin:
 *
 *   side, 1 | born, 4 | timeout, 4 | length of the id, 1 | id | ...
 *
 * That is its own business, but the smaller builds have no other way to a new session's id. Should it ever be another
 * one, nothing is kept, or nothing found: then such clients shake hands in full, as before.
 */
#include "tls_tickets_private.h"

#include <string.h>
#include <time.h>

#include "tls_sessions_private.h"

#define ID_LENGTH_AT 9
#define ID_AT 10

#if defined(HAVE_EXT_CACHE) && !defined(NO_SESSION_CACHE)

/* 0: the library keeps its reference. */
static int on_new(WOLFSSL *ssl, WOLFSSL_SESSION *session)
{
    const struct ticket_policy *p = tls_session_policy(wolfSSL_GetIOReadCtx(ssl));
    unsigned char bytes[SESSION_BYTES_MAX], *end = bytes;
    if (p == NULL || wolfSSL_GetVersion(ssl) != WOLFSSL_TLSV1_2 || wolfSSL_session_reused(ssl))
        return 0;
    int n = wolfSSL_i2d_SSL_SESSION(session, NULL);
    if (n < (int)(ID_AT + SESSION_ID) || n > (int)sizeof(bytes) || wolfSSL_i2d_SSL_SESSION(session, &end) != n)
        return 0;
    if (bytes[ID_LENGTH_AT] == SESSION_ID)
        tls_sessions_put(ticket_sessions(p->keys), p->digest, bytes + ID_AT, bytes, (size_t)n,
                         (uint64_t)time(NULL) + p->lifetime);
    explicit_bzero(bytes, sizeof(bytes));
    return 0;
}

/* What is returned is freed by the library when it has made a copy. */
static WOLFSSL_SESSION *on_wanted(WOLFSSL *ssl, const unsigned char *id, int id_n, int *keep)
{
    void *tls = wolfSSL_GetIOReadCtx(ssl);
    const struct ticket_policy *p = tls_session_policy(tls);
    unsigned char bytes[SESSION_BYTES_MAX];
    const unsigned char *at = bytes;
    *keep = 0;
    if (p == NULL || id_n != (int)SESSION_ID || wolfSSL_GetVersion(ssl) != WOLFSSL_TLSV1_2)
        return NULL;
    size_t n = tls_sessions_take_up(ticket_sessions(p->keys), p->digest, id, (uint64_t)time(NULL), RESUMPTIONS_MAX,
                                    bytes, tls_resumptions(tls));
    WOLFSSL_SESSION *session = n > 0 ? wolfSSL_d2i_SSL_SESSION(NULL, &at, (long)n) : NULL;
    explicit_bzero(bytes, n);
    return session;
}

void tls_session_ids_apply(WOLFSSL_CTX *native, const struct ticket_policy *p)
{
    if (p == NULL) {
        wolfSSL_CTX_set_session_cache_mode(native, WOLFSSL_SESS_CACHE_OFF);
        return;
    }
    wolfSSL_CTX_set_session_cache_mode(native, WOLFSSL_SESS_CACHE_NO_INTERNAL | WOLFSSL_SESS_CACHE_NO_AUTO_CLEAR);
    wolfSSL_CTX_sess_set_new_cb(native, on_new);
    wolfSSL_CTX_sess_set_get_cb(native, on_wanted);
}

#else

void tls_session_ids_apply(WOLFSSL_CTX *native, const struct ticket_policy *p)
{
    (void)p;
    wolfSSL_CTX_set_session_cache_mode(native, WOLFSSL_SESS_CACHE_OFF);
}

#endif
