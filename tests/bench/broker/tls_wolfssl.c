/* SPDX-License-Identifier: GPL-3.0-or-later */
/* wolfSSL's native interface; for builds where OpenSSL's headers are not there. */
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include "fail.h"
#include "tls.h"

/* A struct tls is a WOLFSSL object; nothing else is kept. */
static WOLFSSL_CTX *context;
static WOLFSSL_SESSION *session; /* to be taken up, or NULL */

static WOLFSSL *object(struct tls *tls)
{
    return (WOLFSSL *)tls;
}

static int read_pipe(WOLFSSL *ssl, char *to, int size, void *unused)
{
    (void)ssl;
    (void)unused;
    size_t taken = size > 0 ? tls_pipe_take(to, (size_t)size) : 0;
    return taken ? (int)taken : WOLFSSL_CBIO_ERR_WANT_READ;
}

static int write_pipe(WOLFSSL *ssl, char *from, int size, void *unused)
{
    (void)ssl;
    (void)unused;
    tls_pipe_add(from, size > 0 ? (size_t)size : 0);
    return size;
}

const char *tls_library(void)
{
    return "wolfssl";
}

void tls_setup(const char *cafile, int minor)
{
    wolfSSL_Init();
    context = wolfSSL_CTX_new(minor == 2   ? wolfTLSv1_2_client_method()
                              : minor == 3 ? wolfTLSv1_3_client_method()
                                           : wolfSSLv23_client_method());
    if (!context || wolfSSL_CTX_SetMinVersion(context, WOLFSSL_TLSV1_2) != WOLFSSL_SUCCESS)
        fail(FAIL_CONNECTION, "TLS: no context");
    wolfSSL_CTX_set_verify(context, WOLFSSL_VERIFY_PEER, NULL);
    if (wolfSSL_CTX_load_verify_locations(context, cafile, NULL) != WOLFSSL_SUCCESS)
        fail(FAIL_USAGE, "--tls %s: no certificate of a CA can be read there", cafile);
    (void)wolfSSL_CTX_UseSessionTicket(context);
    wolfSSL_SetIORecv(context, read_pipe);
    wolfSSL_SetIOSend(context, write_pipe);
}

struct tls *tls_new(void)
{
    WOLFSSL *ssl = wolfSSL_new(context);
    if (!ssl)
        fail(FAIL_CONNECTION, "TLS: out of memory");
    if (session)
        (void)wolfSSL_set_session(ssl, session);
    return (struct tls *)ssl;
}

void tls_free(struct tls *tls)
{
    wolfSSL_free(object(tls));
}

bool tls_keep_session(struct tls *tls)
{
    WOLFSSL_SESSION *got = wolfSSL_get1_session(object(tls));
    if (!got)
        return false;
    if (session)
        wolfSSL_SESSION_free(session);
    session = got;
    return true;
}

bool tls_resumed(struct tls *tls)
{
    return wolfSSL_session_reused(object(tls)) != 0;
}

int tls_handshake(struct tls *tls, const char **why)
{
    int result = wolfSSL_connect(object(tls));
    if (result == WOLFSSL_SUCCESS)
        return 1;
    int error = wolfSSL_get_error(object(tls), result);
    if (error == WOLFSSL_ERROR_WANT_READ)
        return 0;
    *why = wolfSSL_ERR_reason_error_string((unsigned long)(error < 0 ? -error : error));
    return -1;
}

long tls_open(struct tls *tls, uint8_t *to, size_t size)
{
    size_t got = 0;
    int part = 0;
    while (got < size) {
        part = wolfSSL_read(object(tls), to + got, (int)(size - got));
        if (part <= 0)
            break;
        got += (size_t)part;
    }
    if (got)
        return (long)got;
    return wolfSSL_get_error(object(tls), part) == WOLFSSL_ERROR_WANT_READ ? 0 : -1;
}

bool tls_seal(struct tls *tls, const uint8_t *data, size_t size)
{
    size_t sent = 0;
    while (sent < size) {
        int part = wolfSSL_write(object(tls), data + sent, (int)(size - sent));
        if (part <= 0)
            return false;
        sent += (size_t)part;
    }
    return true;
}
