/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a small device does: mbedTLS as on an ESP32, TLS 1.2 with one suite only (ECDHE-RSA, AES-128-GCM), the server's
 * certificate checked against ca.crt and the name, small records; over it raw MQTT 3.1.1: CONNECT, SUBSCRIBE, PUBLISH,
 * the message back, DISCONNECT. Then the two mistakes that such a device makes: a wrong name, and no CA of ours.
 *
 * usage: mbedtls_client NAME PORT CA_FILE [trusting|wrong-name|wrong-ca [512|1024|2048|4096 [rsa|any [OWN]]]]
 * (the length of records; RSA certificates only, or ECDSA as well); OWN: "cert FILE" (without its end: .crt and .key),
 * or "psk IDENTITY HEXKEY", then with a shared key instead of certificates
 */
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>

#include <stdio.h>
#include <string.h>

struct device {
    mbedtls_net_context net;
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    mbedtls_x509_crt ca, own;
    mbedtls_pk_context own_key;
    mbedtls_ssl_config config;
    mbedtls_ssl_context tls;
};

static int failed(const char *what, int code)
{
    char text[128];
    mbedtls_strerror(code, text, sizeof(text));
    fprintf(stderr, "mbedTLS: %s: %s (-0x%04x)\n", what, text, (unsigned)-code);
    return code != 0 ? code : -1;
}

static void device_init(struct device *d)
{
    mbedtls_net_init(&d->net);
    mbedtls_entropy_init(&d->entropy);
    mbedtls_ctr_drbg_init(&d->random);
    mbedtls_x509_crt_init(&d->ca);
    mbedtls_x509_crt_init(&d->own);
    mbedtls_pk_init(&d->own_key);
    mbedtls_ssl_config_init(&d->config);
    mbedtls_ssl_init(&d->tls);
}

static void device_fini(struct device *d)
{
    mbedtls_ssl_free(&d->tls);
    mbedtls_ssl_config_free(&d->config);
    mbedtls_pk_free(&d->own_key);
    mbedtls_x509_crt_free(&d->own);
    mbedtls_x509_crt_free(&d->ca);
    mbedtls_ctr_drbg_free(&d->random);
    mbedtls_entropy_free(&d->entropy);
    mbedtls_net_free(&d->net);
}

struct wishes {
    const char *name, *ca_file;
    unsigned char fragment; /* as TLS numbers it */
    int any;                /* ECDSA as well */
    const char *cert;       /* a path without its end, or NULL */
    const char *identity, *psk;
};

static unsigned char fragment_of(const char *text)
{
    return strcmp(text, "512") == 0    ? MBEDTLS_SSL_MAX_FRAG_LEN_512
           : strcmp(text, "1024") == 0 ? MBEDTLS_SSL_MAX_FRAG_LEN_1024
           : strcmp(text, "2048") == 0 ? MBEDTLS_SSL_MAX_FRAG_LEN_2048
                                       : MBEDTLS_SSL_MAX_FRAG_LEN_4096;
}

static int show_certificate(struct device *d, const char *path)
{
    char file[512];
    snprintf(file, sizeof file, "%s.crt", path);
    int r = mbedtls_x509_crt_parse_file(&d->own, file);
    snprintf(file, sizeof file, "%s.key", path);
    if (r == 0)
        r = mbedtls_pk_parse_keyfile(&d->own_key, file, NULL);
    return r != 0 ? r : mbedtls_ssl_conf_own_cert(&d->config, &d->own, &d->own_key);
}

static int share_key(struct device *d, const char *identity, const char *hex)
{
    unsigned char key[32];
    size_t n = 0;
    for (unsigned byte; n < sizeof key && sscanf(hex + 2 * n, "%2x", &byte) == 1; n++)
        key[n] = (unsigned char)byte;
    return mbedtls_ssl_conf_psk(&d->config, key, n, (const unsigned char *)identity, strlen(identity));
}

static const int *suites_of(const struct wishes *w)
{
    static const int any[] = {MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                              MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, 0};
    static const int rsa_only[] = {MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, 0};
    static const int keys_only[] = {MBEDTLS_TLS_PSK_WITH_AES_128_GCM_SHA256,
                                    MBEDTLS_TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256, 0};
    if (w->psk != NULL)
        return keys_only;
    return w->any ? any : rsa_only;
}

static int configure(struct device *d, const struct wishes *w)
{
    int r = mbedtls_ctr_drbg_seed(&d->random, mbedtls_entropy_func, &d->entropy, NULL, 0);
    if (r == 0)
        r = mbedtls_x509_crt_parse_file(&d->ca, w->ca_file);
    if (r == 0)
        r = mbedtls_ssl_config_defaults(&d->config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                        MBEDTLS_SSL_PRESET_DEFAULT);
    if (r != 0)
        return r;
    mbedtls_ssl_conf_min_version(&d->config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_max_version(&d->config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_ciphersuites(&d->config, suites_of(w));
    mbedtls_ssl_conf_authmode(&d->config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_ca_chain(&d->config, &d->ca, NULL);
    mbedtls_ssl_conf_rng(&d->config, mbedtls_ctr_drbg_random, &d->random);
    mbedtls_ssl_conf_read_timeout(&d->config, 0); /* none: who started this ends it */
    r = mbedtls_ssl_conf_max_frag_len(&d->config, w->fragment);
    if (r == 0 && w->cert != NULL)
        r = show_certificate(d, w->cert);
    if (r == 0 && w->psk != NULL)
        r = share_key(d, w->identity, w->psk);
    if (r == 0)
        r = mbedtls_ssl_setup(&d->tls, &d->config);
    return r != 0 ? r : mbedtls_ssl_set_hostname(&d->tls, w->name);
}

static int handshake(struct device *d, const char *port)
{
    int r = mbedtls_net_connect(&d->net, "127.0.0.1", port, MBEDTLS_NET_PROTO_TCP);
    if (r != 0)
        return r;
    mbedtls_ssl_set_bio(&d->tls, &d->net, mbedtls_net_send, NULL, mbedtls_net_recv_timeout);
    return mbedtls_ssl_handshake(&d->tls);
}

static int send_all(struct device *d, const void *p, size_t n)
{
    const unsigned char *at = p;
    while (n > 0) {
        int r = mbedtls_ssl_write(&d->tls, at, n);
        if (r <= 0)
            return failed("sending", r);
        at += r;
        n -= (size_t)r;
    }
    return 0;
}

/* The next bytes are exactly these. */
static int expect(struct device *d, const char *what, const void *p, size_t n)
{
    unsigned char got[64];
    size_t have = 0;
    while (have < n) {
        int r = mbedtls_ssl_read(&d->tls, got + have, n - have);
        if (r <= 0)
            return failed(what, r);
        have += (size_t)r;
    }
    if (memcmp(got, p, n) == 0)
        return 0;
    fprintf(stderr, "%s is not what it should be\n", what);
    return -1;
}

/* The bytes of a packet, without the string's own NUL. */
#define SEND(d, s) send_all(d, s, sizeof(s) - 1)
#define EXPECT(d, what, s) expect(d, what, s, sizeof(s) - 1)

static int converse(struct device *d)
{
    int r = SEND(d, "\x10\x13\0\4MQTT\4\2\0\x3c\0\7mbedtls");
    if (r == 0)
        r = EXPECT(d, "CONNACK", "\x20\2\0\0");
    if (r == 0)
        r = SEND(d, "\x82\x0e\0\1\0\x09mbed/echo\0");
    if (r == 0)
        r = EXPECT(d, "SUBACK", "\x90\3\0\1\0");
    if (r == 0)
        r = SEND(d, "\x30\x15\0\x09mbed/echofrom small");
    if (r == 0)
        r = EXPECT(d, "PUBLISH", "\x30\x15\0\x09mbed/echofrom small");
    if (r == 0)
        r = SEND(d, "\xe0\0");
    return r;
}

/* The handshake fails, because of that flag of the verification. */
static int refuse_server(struct device *d, const char *port, uint32_t flag)
{
    int r = handshake(d, port);
    if (r == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED && (mbedtls_ssl_get_verify_result(&d->tls) & flag) != 0)
        return 0;
    return failed("the certificate should have been refused", r);
}

static int run(struct device *d, const char *port, const char *what)
{
    if (strcmp(what, "wrong-name") == 0)
        return refuse_server(d, port, MBEDTLS_X509_BADCERT_CN_MISMATCH);
    if (strcmp(what, "wrong-ca") == 0)
        return refuse_server(d, port, MBEDTLS_X509_BADCERT_NOT_TRUSTED);
    int r = handshake(d, port);
    if (r != 0)
        return failed("handshake", r);
    printf("%s, %s\n", mbedtls_ssl_get_version(&d->tls), mbedtls_ssl_get_ciphersuite(&d->tls));
    r = converse(d);
    if (r == 0)
        mbedtls_ssl_close_notify(&d->tls);
    return r;
}

int main(int argc, char **argv)
{
    struct device d;

    if (argc < 4) {
        fprintf(stderr,
                "usage: mbedtls_client NAME PORT CA_FILE [trusting|wrong-name|wrong-ca [LENGTH [rsa|any "
                "[cert FILE | psk IDENTITY HEXKEY]]]]\n");
        return 2;
    }
    device_init(&d);
    struct wishes w = {.name = argv[1],
                       .ca_file = argv[3],
                       .fragment = fragment_of(argc > 5 ? argv[5] : "4096"),
                       .any = argc > 6 && strcmp(argv[6], "any") == 0,
                       .cert = argc > 8 && strcmp(argv[7], "cert") == 0 ? argv[8] : NULL};
    if (argc > 9 && strcmp(argv[7], "psk") == 0) {
        w.identity = argv[8];
        w.psk = argv[9];
    }
    int r = configure(&d, &w);
    if (r != 0)
        failed("configuring", r);
    else
        r = run(&d, argv[2], argc > 4 ? argv[4] : "trusting");
    device_fini(&d);
    if (r == 0)
        printf("done\n");
    return r != 0;
}
