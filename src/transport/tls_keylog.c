/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One line a secret: a label, the client's random in hexadecimal, the secret. Each is one write to a file opened for
 * appending, so lines of several loops don't mix.
 */
#include "tls_keylog_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "sotto/base/mem.h"
#include "sotto/transport/tls_features.h"
#include "sotto/transport/x509.h"

#define RANDOM_BYTES 32
#define SECRET_MAX 64
#define LABEL_MAX 40
#define LINE_MAX_BYTES (LABEL_MAX + 2 * RANDOM_BYTES + 2 * SECRET_MAX + 4)

struct tls_keylog {
    atomic_uint refs;
    int fd;
};

struct tls_keylog *tls_keylog_open(const char *path, char *err, size_t err_cap)
{
    if (!tls_feature_need(TLS_FEATURE_KEY_LOG, "tls_keylog", err, err_cap))
        return NULL;
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        snprintf(err, err_cap, "%s can't be written by user %u: %s; name a file in a folder of that user's", path,
                 (unsigned)geteuid(), strerror(errno));
        return NULL;
    }
    struct tls_keylog *k = mem_alloc(sizeof(*k));
    atomic_init(&k->refs, 1);
    k->fd = fd;
    return k;
}

struct tls_keylog *tls_keylog_ref(struct tls_keylog *k)
{
    atomic_fetch_add_explicit(&k->refs, 1, memory_order_relaxed);
    return k;
}

void tls_keylog_unref(struct tls_keylog *k)
{
    if (k == NULL || atomic_fetch_sub_explicit(&k->refs, 1, memory_order_acq_rel) != 1)
        return;
    close(k->fd);
    mem_free(k);
}

#ifdef HAVE_SECRET_CALLBACK
static void put(const struct tls_keylog *k, WOLFSSL *ssl, const char *label, const void *secret, int n)
{
    uint8_t random[RANDOM_BYTES];
    char random_text[2 * RANDOM_BYTES + 1], secret_text[2 * SECRET_MAX + 1], line[LINE_MAX_BYTES];
    if (n <= 0 || n > SECRET_MAX || wolfSSL_get_client_random(ssl, random, sizeof(random)) != sizeof(random))
        return;
    x509_hex(bytes_of(random, sizeof(random)), 0, random_text, sizeof(random_text));
    x509_hex(bytes_of(secret, (size_t)n), 0, secret_text, sizeof(secret_text));
    int size = snprintf(line, sizeof(line), "%s %s %s\n", label, random_text, secret_text);
    if (size > 0 && (size_t)size < sizeof(line) && write(k->fd, line, (size_t)size) != size)
        return; /* a full disk must not end connections */
}

static int on_secret_12(WOLFSSL *ssl, void *secret, int n, void *ctx)
{
    put(ctx, ssl, "CLIENT_RANDOM", secret, n);
    return 0;
}

static int on_secret_13(WOLFSSL *ssl, int id, const unsigned char *secret, int n, void *ctx)
{
    static const char *const labels[] = {[CLIENT_HANDSHAKE_TRAFFIC_SECRET] = "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
                                         [SERVER_HANDSHAKE_TRAFFIC_SECRET] = "SERVER_HANDSHAKE_TRAFFIC_SECRET",
                                         [CLIENT_TRAFFIC_SECRET] = "CLIENT_TRAFFIC_SECRET_0",
                                         [SERVER_TRAFFIC_SECRET] = "SERVER_TRAFFIC_SECRET_0"};
    if (id >= 0 && (size_t)id < sizeof(labels) / sizeof(labels[0]) && labels[id] != NULL)
        put(ctx, ssl, labels[id], secret, n);
    return 0;
}

void tls_keylog_begin(struct tls_keylog *k, WOLFSSL *ssl)
{
    wolfSSL_KeepArrays(ssl);
    wolfSSL_set_secret_cb(ssl, on_secret_12, k);
    wolfSSL_set_tls13_secret_cb(ssl, on_secret_13, k);
}

void tls_keylog_end(WOLFSSL *ssl)
{
    wolfSSL_FreeArrays(ssl);
}
#else
void tls_keylog_begin(struct tls_keylog *k, WOLFSSL *ssl)
{
    (void)k, (void)ssl;
}

void tls_keylog_end(WOLFSSL *ssl)
{
    (void)ssl;
}
#endif
