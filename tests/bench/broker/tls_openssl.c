/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "fail.h"
#include "tls.h"

/* A struct tls is an SSL object; nothing else is kept. */
static SSL_CTX *context;
static BIO_METHOD *method;
static SSL_SESSION *session; /* to be taken up, or NULL */

static SSL *object(struct tls *tls)
{
    return (SSL *)tls;
}

static int read_pipe(BIO *bio, char *to, int size)
{
    BIO_clear_retry_flags(bio);
    size_t taken = size > 0 ? tls_pipe_take(to, (size_t)size) : 0;
    if (taken)
        return (int)taken;
    BIO_set_retry_read(bio);
    return -1;
}

static int write_pipe(BIO *bio, const char *from, int size)
{
    BIO_clear_retry_flags(bio);
    tls_pipe_add(from, size > 0 ? (size_t)size : 0);
    return size;
}

static long control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

const char *tls_library(void)
{
    return "openssl";
}

void tls_setup(const char *cafile, int minor)
{
    context = SSL_CTX_new(TLS_client_method());
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "pipe");
    if (!context || !method)
        fail(FAIL_CONNECTION, "TLS: no context");
    BIO_meth_set_read(method, read_pipe);
    BIO_meth_set_write(method, write_pipe);
    BIO_meth_set_ctrl(method, control);
    SSL_CTX_set_min_proto_version(context, minor == 3 ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_max_proto_version(context, minor == 2 ? TLS1_2_VERSION : TLS1_3_VERSION);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (SSL_CTX_load_verify_locations(context, cafile, NULL) != 1)
        fail(FAIL_USAGE, "--tls %s: no certificate of a CA can be read there", cafile);
}

struct tls *tls_new(void)
{
    SSL *ssl = SSL_new(context);
    BIO *bio = BIO_new(method);
    if (!ssl || !bio)
        fail(FAIL_CONNECTION, "TLS: out of memory");
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_connect_state(ssl);
    if (session)
        SSL_set_session(ssl, session);
    return (struct tls *)ssl;
}

void tls_free(struct tls *tls)
{
    /* Else the library thinks of a connection that broke, and would not take up its session again. */
    SSL_set_shutdown(object(tls), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(object(tls));
    ERR_clear_error();
}

bool tls_keep_session(struct tls *tls)
{
    SSL_SESSION *got = SSL_get1_session(object(tls));
    if (!got || !SSL_SESSION_is_resumable(got)) {
        SSL_SESSION_free(got);
        return false;
    }
    SSL_SESSION_free(session);
    session = got;
    return true;
}

bool tls_resumed(struct tls *tls)
{
    return SSL_session_reused(object(tls)) == 1;
}

int tls_handshake(struct tls *tls, const char **why)
{
    ERR_clear_error();
    int result = SSL_do_handshake(object(tls));
    if (result == 1)
        return 1;
    if (SSL_get_error(object(tls), result) == SSL_ERROR_WANT_READ)
        return 0;
    *why = ERR_reason_error_string(ERR_peek_error());
    return -1;
}

long tls_open(struct tls *tls, uint8_t *to, size_t size)
{
    size_t got = 0, part;
    while (got < size) {
        if (SSL_read_ex(object(tls), to + got, size - got, &part) != 1)
            break;
        got += part;
    }
    if (got)
        return (long)got;
    int error = SSL_get_error(object(tls), 0);
    ERR_clear_error();
    return error == SSL_ERROR_WANT_READ ? 0 : -1;
}

bool tls_seal(struct tls *tls, const uint8_t *data, size_t size)
{
    size_t sent;
    return SSL_write_ex(object(tls), data, size, &sent) == 1 && sent == size;
}
