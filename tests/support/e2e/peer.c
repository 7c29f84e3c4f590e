/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include "e2e/e2e.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define TEXT_MAX (4 * 65536 + 4096)

struct peer {
    int fd;
    WOLFSSL_CTX *ctx;
    WOLFSSL *ssl; /* NULL: plain */
};

/* The small language. */

static size_t parse(const char *text, uint8_t *out, size_t capacity)
{
    size_t size = 0;

    while (*text != '\0') {
        assert_true(size + 3 < capacity);
        if (isspace((unsigned char)*text)) {
            text++;
        } else if (*text == '\'' || *text == '<') {
            size_t length = strcspn(text + 1, *text == '<' ? ">" : "'");
            assert_true(size + length + 3 < capacity);
            if (*text == '<') {
                out[size++] = (uint8_t)(length >> 8);
                out[size++] = (uint8_t)length;
            }
            memcpy(out + size, text + 1, length);
            size += length;
            text += length + 2;
        } else {
            unsigned byte;
            if (sscanf(text, "%2x", &byte) != 1 || !isxdigit((unsigned char)text[1]))
                fail_msg("the test's packet text is wrong at: %.40s", text);
            out[size++] = (uint8_t)byte;
            text += 2;
        }
    }
    return size;
}

static size_t expand(const char *format, va_list arguments, uint8_t *out, size_t capacity)
{
    char *text = malloc(TEXT_MAX);
    int length = vsnprintf(text, TEXT_MAX, format, arguments);
    assert_true(length >= 0 && length < TEXT_MAX);
    size_t size = parse(text, out, capacity);
    free(text);
    return size;
}

static size_t put_length(uint8_t *out, size_t length)
{
    size_t size = 0;

    do {
        out[size] = (uint8_t)(length % 128 | (length >= 128 ? 0x80 : 0));
        length /= 128;
        size++;
    } while (length > 0);
    return size;
}

static void print_bytes(const char *label, const uint8_t *data, size_t size)
{
    fprintf(stderr, "%s (%zu):", label, size);
    for (size_t i = 0; i < size && i < 200; i++)
        fprintf(stderr, " %02x", data[i]);
    fprintf(stderr, "\n");
}

/* Connecting. */

static struct peer *peer_new(int fd, const struct sockaddr *address, socklen_t size)
{
    struct timeval limit = {.tv_sec = waiting_ms() / 1000};
    int on = 1;

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, address, size) != 0) {
        close(fd);
        return NULL;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct peer *p = calloc(1, sizeof *p);
    p->fd = fd;
    return p;
}

static struct peer *tcp_try(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return peer_new(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), (struct sockaddr *)&a, sizeof a);
}

static struct peer *connected(struct peer *p)
{
    if (p == NULL)
        fail_msg("could not connect: %s", strerror(errno));
    return p;
}

struct peer *peer_tcp(uint16_t port)
{
    return connected(tcp_try(port));
}

struct peer *peer_tcp6(uint16_t port)
{
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_loopback};
    return connected(peer_new(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), (struct sockaddr *)&a, sizeof a));
}

struct peer *peer_unix(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    return connected(peer_new(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), (struct sockaddr *)&a, sizeof a));
}

static WOLFSSL_METHOD *method(int minor)
{
    return minor == 2   ? wolfTLSv1_2_client_method()
           : minor == 3 ? wolfTLSv1_3_client_method()
                        : wolfSSLv23_client_method();
}

/* cert and key: NULL for none. */
static struct peer *tls_try(uint16_t port, const char *ca_file, const char *host, int minor, const char *cert,
                            const char *key)
{
    static bool initialized;
    if (!initialized)
        initialized = wolfSSL_Init() == WOLFSSL_SUCCESS;
    struct peer *p = tcp_try(port);
    if (p == NULL)
        return NULL;
    p->ctx = wolfSSL_CTX_new(method(minor));
    wolfSSL_CTX_set_verify(p->ctx, WOLFSSL_VERIFY_PEER, NULL);
    if (wolfSSL_CTX_load_verify_locations(p->ctx, ca_file, NULL) != WOLFSSL_SUCCESS)
        fail_msg("%s is no CA certificate that can be read", ca_file);
    if (cert != NULL && (wolfSSL_CTX_use_certificate_file(p->ctx, cert, WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS ||
                         wolfSSL_CTX_use_PrivateKey_file(p->ctx, key, WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS))
        fail_msg("%s and %s are no pair that can be read", cert, key);
    p->ssl = wolfSSL_new(p->ctx);
    if (host != NULL)
        wolfSSL_check_domain_name(p->ssl, host);
    wolfSSL_set_fd(p->ssl, p->fd);
    if (wolfSSL_connect(p->ssl) != WOLFSSL_SUCCESS) {
        peer_close(p);
        return NULL;
    }
    return p;
}

struct peer *peer_tls_try(uint16_t port, const char *ca_file, const char *host, int minor)
{
    return tls_try(port, ca_file, host, minor, NULL, NULL);
}

struct peer *peer_tls_with(uint16_t port, const char *ca_file, const char *cert, const char *key)
{
    struct peer *p = tls_try(port, ca_file, "localhost", 3, cert, key);
    if (p == NULL)
        fail_msg("the TLS handshake failed");
    return p;
}

struct peer *peer_tls(uint16_t port, const char *ca_file, int minor)
{
    struct peer *p = peer_tls_try(port, ca_file, "localhost", minor);
    if (p == NULL)
        fail_msg("the TLS handshake failed");
    return p;
}

void peer_close(struct peer *p)
{
    if (p->ssl != NULL) {
        wolfSSL_shutdown(p->ssl);
        wolfSSL_free(p->ssl);
        wolfSSL_CTX_free(p->ctx);
    }
    close(p->fd);
    free(p);
}

void peer_abort(struct peer *p)
{
    struct linger none = {.l_onoff = 1, .l_linger = 0};

    setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close(p->fd);
    p->fd = -1;
    if (p->ssl != NULL) {
        wolfSSL_free(p->ssl);
        wolfSSL_CTX_free(p->ctx);
    }
    free(p);
}

int peer_fd(const struct peer *p)
{
    return p->fd;
}

/* Bytes. */

/* Above 0: bytes; 0: closed or reset; -1: nothing came in time. */
static ssize_t read_some(struct peer *p, void *data, size_t size)
{
    if (p->ssl != NULL) {
        int n = wolfSSL_read(p->ssl, data, (int)size);
        if (n > 0)
            return n;
        return wolfSSL_get_error(p->ssl, n) == WOLFSSL_ERROR_WANT_READ ? -1 : 0;
    }
    ssize_t n = recv(p->fd, data, size, 0);
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == EWOULDBLOCK ? -1 : 0;
}

static bool has_input(struct peer *p, unsigned milliseconds)
{
    struct pollfd poller = {.fd = p->fd, .events = POLLIN};

    if (p->ssl != NULL && wolfSSL_pending(p->ssl) > 0)
        return true;
    return poll(&poller, 1, (int)milliseconds) > 0;
}

static bool try_send(struct peer *p, const uint8_t *at, size_t size)
{
    while (size > 0) {
        ssize_t n = p->ssl != NULL ? wolfSSL_write(p->ssl, at, (int)size) : send(p->fd, at, size, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

void peer_send_bytes(struct peer *p, const void *data, size_t size)
{
    if (!try_send(p, data, size))
        fail_msg("could not send all of %zu bytes: %s", size, strerror(errno));
}

void peer_send(struct peer *p, const char *format, ...)
{
    uint8_t *data = malloc(TEXT_MAX);
    va_list arguments;

    va_start(arguments, format);
    peer_send_bytes(p, data, expand(format, arguments, data, TEXT_MAX));
    va_end(arguments);
    free(data);
}

static uint8_t *build(uint8_t first, const char *format, va_list arguments, size_t *size)
{
    uint8_t *body = malloc(TEXT_MAX), *packet = malloc(TEXT_MAX + 5);
    size_t length = expand(format, arguments, body, TEXT_MAX);

    packet[0] = first;
    *size = 1 + put_length(packet + 1, length);
    memcpy(packet + *size, body, length);
    *size += length;
    free(body);
    return packet;
}

void peer_packet(struct peer *p, uint8_t first, const char *format, ...)
{
    va_list arguments;
    size_t size;

    va_start(arguments, format);
    uint8_t *packet = build(first, format, arguments, &size);
    va_end(arguments);
    peer_send_bytes(p, packet, size);
    free(packet);
}

bool peer_try_packet(struct peer *p, uint8_t first, const char *format, ...)
{
    va_list arguments;
    size_t size;

    va_start(arguments, format);
    uint8_t *packet = build(first, format, arguments, &size);
    va_end(arguments);
    bool sent = try_send(p, packet, size);
    free(packet);
    return sent;
}

bool peer_try_exchange(struct peer *p, const char *send, const char *expected)
{
    uint8_t out[512], in[512], got[512];
    size_t size = parse(send, out, sizeof out), wanted = parse(expected, in, sizeof in), had = 0;

    if (!try_send(p, out, size))
        return false;
    while (had < wanted) {
        ssize_t n = read_some(p, got + had, wanted - had);
        if (n == 0)
            return false;
        if (n < 0 || memcmp(got + had, in + had, (size_t)n) != 0)
            fail_msg("%s instead of %s", n < 0 ? "nothing came" : "other bytes came", expected);
        had += (size_t)n;
    }
    return true;
}

bool peer_discard(struct peer *p)
{
    uint8_t data[65536];

    while (has_input(p, 0)) {
        if (read_some(p, data, sizeof data) <= 0)
            return false;
    }
    return true;
}

void peer_read_bytes(struct peer *p, void *data, size_t size)
{
    uint8_t *at = data;
    size_t had = 0;

    while (had < size) {
        ssize_t n = read_some(p, at + had, size - had);
        if (n <= 0) {
            print_bytes("received", data, had);
            fail_msg("%s after %zu of %zu bytes", n == 0 ? "the connection was closed" : "nothing came", had, size);
        }
        had += (size_t)n;
    }
}

static void expect_bytes(struct peer *p, const uint8_t *expected, size_t size)
{
    uint8_t *received = calloc(1, size + 1);

    for (size_t had = 0; had < size;) {
        ssize_t n = read_some(p, received + had, size - had);
        size_t now = had + (n > 0 ? (size_t)n : 0);
        if (n <= 0 || memcmp(received, expected, now) != 0) {
            print_bytes("expected", expected, size);
            print_bytes("received", received, now);
            fail_msg("%s", n == 0 ? "the connection was closed" : n < 0 ? "nothing came" : "other bytes came");
        }
        had = now;
    }
    free(received);
}

void peer_expect(struct peer *p, const char *format, ...)
{
    uint8_t *expected = malloc(TEXT_MAX);
    va_list arguments;

    va_start(arguments, format);
    size_t size = expand(format, arguments, expected, TEXT_MAX);
    va_end(arguments);
    expect_bytes(p, expected, size);
    free(expected);
}

void peer_expect_packet(struct peer *p, uint8_t first, const char *format, ...)
{
    va_list arguments;
    size_t size;

    va_start(arguments, format);
    uint8_t *packet = build(first, format, arguments, &size);
    va_end(arguments);
    expect_bytes(p, packet, size);
    free(packet);
}

uint8_t peer_read_packet(struct peer *p, uint8_t **body, size_t *size)
{
    uint8_t first, byte;
    size_t length = 0;
    unsigned shift = 0;

    peer_read_bytes(p, &first, 1);
    do {
        peer_read_bytes(p, &byte, 1);
        length |= (size_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    *body = malloc(length + 1);
    peer_read_bytes(p, *body, length);
    (*body)[length] = '\0';
    *size = length;
    return first;
}

static void expect_end(struct peer *p, bool anything)
{
    uint8_t data[4096];
    ssize_t n;

    while ((n = read_some(p, data, sizeof data)) > 0) {
        if (!anything) {
            print_bytes("received", data, (size_t)n);
            fail_msg("the broker sent something where it should only have closed the connection");
        }
    }
    if (n < 0)
        fail_msg("the broker did not close the connection");
}

void peer_expect_close(struct peer *p)
{
    expect_end(p, false);
}

void peer_expect_close_after_anything(struct peer *p)
{
    expect_end(p, true);
}

void peer_expect_silence(struct peer *p, unsigned milliseconds)
{
    uint8_t data[256];

    if (!has_input(p, milliseconds))
        return;
    ssize_t n = read_some(p, data, sizeof data);
    print_bytes("received", data, n > 0 ? (size_t)n : 0);
    fail_msg("%s where nothing should have come", n > 0 ? "bytes came" : "the connection was closed");
}
