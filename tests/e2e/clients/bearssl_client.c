/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What Tasmota does on an ESP8266: BearSSL with TLS 1.2, P-256 and the suite ECDHE_RSA_WITH_AES_128_GCM_SHA256 only, in
 * buffers for records of 512 to 4096 bytes, which it asks for by the maximum fragment length. It believes the server by
 * the fingerprint of its key, or by ca.crt. Over it raw MQTT 3.1.1: CONNECT, SUBSCRIBE, PUBLISH of 3,000 bytes, the
 * same back in records of that length, DISCONNECT.
 *
 * usage: bearssl_client NAME PORT LENGTH (pinned FINGERPRINT | trusting CA_FILE) [rsa|any [CERT]]
 * any: not so narrow, with ECDSA certificates as well. CERT: its own, a path without its end (.crt and .key).
 */
#include <bearssl.h>

#include <arpa/inet.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define RECORD_MAX 4096
#define IN_EXTRA 325 /* what BearSSL wants for a record besides its contents */
#define OUT_EXTRA 85
#define FINGERPRINT 20
#define PAYLOAD 3000

/* ---- the fingerprint of a key: a verifier of one's own ---- */

struct pin {
    const br_x509_class *vtable; /* first: BearSSL knows it by this */
    br_x509_decoder_context certificate;
    unsigned seen; /* certificates */
    unsigned char wanted[FINGERPRINT];
};

static void pin_start_chain(const br_x509_class **ctx, const char *name)
{
    (void)name;
    ((struct pin *)(void *)ctx)->seen = 0;
}

static void pin_start_cert(const br_x509_class **ctx, uint32_t size)
{
    struct pin *pin = (struct pin *)(void *)ctx;
    (void)size;
    if (pin->seen == 0)
        br_x509_decoder_init(&pin->certificate, NULL, NULL);
}

static void pin_append(const br_x509_class **ctx, const unsigned char *p, size_t n)
{
    struct pin *pin = (struct pin *)(void *)ctx;
    if (pin->seen == 0)
        br_x509_decoder_push(&pin->certificate, p, n);
}

static void pin_end_cert(const br_x509_class **ctx)
{
    ((struct pin *)(void *)ctx)->seen++;
}

/* As SSH writes a key: each part behind its length. */
static void hash_part(br_sha1_context *sha, const void *p, size_t n)
{
    const unsigned char *at = p;
    while (n > 0 && *at == 0) {
        at++;
        n--;
    }
    unsigned char length[4] = {(unsigned char)(n >> 24), (unsigned char)(n >> 16), (unsigned char)(n >> 8),
                               (unsigned char)n};
    br_sha1_update(sha, length, sizeof length);
    br_sha1_update(sha, at, n);
}

static unsigned pin_end_chain(const br_x509_class **ctx)
{
    struct pin *pin = (struct pin *)(void *)ctx;
    unsigned char digest[FINGERPRINT];
    br_sha1_context sha;
    const br_x509_pkey *key = pin->seen > 0 ? br_x509_decoder_get_pkey(&pin->certificate) : NULL;
    if (key == NULL)
        return BR_ERR_X509_EMPTY_CHAIN;
    if (key->key_type != BR_KEYTYPE_RSA)
        return BR_ERR_X509_WRONG_KEY_TYPE;
    br_sha1_init(&sha);
    hash_part(&sha, "ssh-rsa", 7);
    hash_part(&sha, key->key.rsa.e, key->key.rsa.elen);
    hash_part(&sha, key->key.rsa.n, key->key.rsa.nlen);
    br_sha1_out(&sha, digest);
    return memcmp(digest, pin->wanted, sizeof digest) == 0 ? 0 : BR_ERR_X509_NOT_TRUSTED;
}

static const br_x509_pkey *pin_key(const br_x509_class *const *ctx, unsigned *usages)
{
    struct pin *pin = (struct pin *)(void *)(size_t)ctx;
    if (usages != NULL)
        *usages = BR_KEYTYPE_KEYX | BR_KEYTYPE_SIGN;
    return br_x509_decoder_get_pkey(&pin->certificate);
}

static const br_x509_class pin_class = {sizeof(struct pin), pin_start_chain, pin_start_cert, pin_append,
                                        pin_end_cert,       pin_end_chain,   pin_key};

/* "AA BB ..." */
static bool read_fingerprint(struct pin *pin, const char *text)
{
    pin->vtable = &pin_class;
    for (size_t i = 0; i < FINGERPRINT; i++) {
        unsigned byte;
        int used;
        if (sscanf(text, "%2x%n", &byte, &used) != 1 || used != 2)
            return false;
        pin->wanted[i] = (unsigned char)byte;
        text += 2 + (text[2] == ' ');
    }
    return *text == '\0';
}

/* ---- files ---- */

typedef void taker(void *ctx, const void *p, size_t n);

/* The contents of the first object in a file of PEM, piece by piece. */
static void read_pem(const char *path, taker *take, void *ctx)
{
    static char text[16384];
    br_pem_decoder_context pem;
    FILE *f = fopen(path, "r");
    size_t n = f != NULL ? fread(text, 1, sizeof text, f) : 0, at = 0;
    if (f != NULL)
        fclose(f);
    br_pem_decoder_init(&pem);
    for (bool ended = false; at < n && !ended;) {
        at += br_pem_decoder_push(&pem, text + at, n - at);
        int event = br_pem_decoder_event(&pem);
        if (event == BR_PEM_BEGIN_OBJ)
            br_pem_decoder_setdest(&pem, take, ctx);
        ended = event == BR_PEM_END_OBJ;
    }
}

/* ---- ca.crt ---- */

struct trust {
    br_x509_decoder_context certificate;
    br_x509_minimal_context verifier;
    br_x509_trust_anchor anchor;
    unsigned char name[512];
    size_t name_size;
};

static void put_name(void *ctx, const void *p, size_t n)
{
    struct trust *t = ctx;
    if (t->name_size + n > sizeof t->name)
        return;
    memcpy(t->name + t->name_size, p, n);
    t->name_size += n;
}

static void put_certificate(void *ctx, const void *p, size_t n)
{
    br_x509_decoder_push(&((struct trust *)ctx)->certificate, p, n);
}

static bool read_ca(struct trust *t, const char *path)
{
    br_x509_decoder_init(&t->certificate, put_name, t);
    read_pem(path, put_certificate, t);
    const br_x509_pkey *key = br_x509_decoder_get_pkey(&t->certificate);
    if (key == NULL)
        return false;
    t->anchor = (br_x509_trust_anchor){.dn = {.data = t->name, .len = t->name_size},
                                       .flags = br_x509_decoder_isCA(&t->certificate) ? BR_X509_TA_CA : 0,
                                       .pkey = *key};
    br_x509_minimal_init(&t->verifier, &br_sha256_vtable, &t->anchor, 1);
    br_x509_minimal_set_hash(&t->verifier, br_sha256_ID, &br_sha256_vtable);
    br_x509_minimal_set_rsa(&t->verifier, &br_rsa_i15_pkcs1_vrfy);
    return true;
}

/* ---- a certificate of its own ---- */

struct own {
    unsigned char der[2048];
    br_x509_certificate chain; /* of one; in der */
    br_skey_decoder_context key;
};

static void put_own(void *ctx, const void *p, size_t n)
{
    struct own *o = ctx;
    if (o->chain.data_len + n > sizeof o->der)
        return;
    memcpy(o->der + o->chain.data_len, p, n);
    o->chain.data_len += n;
}

static void put_key(void *ctx, const void *p, size_t n)
{
    br_skey_decoder_push(&((struct own *)ctx)->key, p, n);
}

/* The CA that signed it has an RSA key, as `cert init` makes it. */
static bool show(struct own *o, br_ssl_client_context *tls, const char *path)
{
    char file[512];
    o->chain.data = o->der;
    snprintf(file, sizeof file, "%s.crt", path);
    read_pem(file, put_own, o);
    br_skey_decoder_init(&o->key);
    snprintf(file, sizeof file, "%s.key", path);
    read_pem(file, put_key, o);
    const br_rsa_private_key *rsa = br_skey_decoder_get_rsa(&o->key);
    const br_ec_private_key *ec = br_skey_decoder_get_ec(&o->key);
    if (rsa != NULL)
        br_ssl_client_set_single_rsa(tls, &o->chain, 1, rsa, br_rsa_i15_pkcs1_sign);
    else if (ec != NULL)
        br_ssl_client_set_single_ec(tls, &o->chain, 1, ec, BR_KEYTYPE_SIGN, BR_KEYTYPE_RSA, &br_ec_p256_m15,
                                    br_ecdsa_i15_sign_asn1);
    return o->chain.data_len > 0 && (rsa != NULL || ec != NULL);
}

/* ---- the device ---- */

struct device {
    br_ssl_client_context tls;
    br_sslio_context io;
    unsigned char in[RECORD_MAX + IN_EXTRA], out[RECORD_MAX + OUT_EXTRA];
    struct pin pin;
    struct trust trust;
    struct own own;
    int fd;
};

static int read_some(void *ctx, unsigned char *to, size_t size)
{
    ssize_t n = recv(*(int *)ctx, to, size, 0);
    return n > 0 ? (int)n : -1;
}

static int write_some(void *ctx, const unsigned char *from, size_t size)
{
    ssize_t n = send(*(int *)ctx, from, size, MSG_NOSIGNAL);
    return n > 0 ? (int)n : -1;
}

static void set_up(struct device *d, size_t length, bool any)
{
    static const uint16_t suites[] = {BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                                      BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256};
    br_ssl_engine_context *e = &d->tls.eng;
    br_ssl_client_zero(&d->tls);
    br_ssl_engine_set_versions(e, BR_TLS12, BR_TLS12);
    br_ssl_engine_set_suites(e, suites, any ? 2 : 1);
    br_ssl_engine_set_hash(e, br_sha256_ID, &br_sha256_vtable);
    br_ssl_engine_set_prf_sha256(e, &br_tls12_sha256_prf);
    br_ssl_engine_set_gcm(e, &br_sslrec_in_gcm_vtable, &br_sslrec_out_gcm_vtable);
    br_ssl_engine_set_aes_ctr(e, &br_aes_small_ctr_vtable);
    br_ssl_engine_set_ghash(e, &br_ghash_ctmul32);
    br_ssl_engine_set_ec(e, &br_ec_p256_m15);
    br_ssl_engine_set_rsavrfy(e, &br_rsa_i15_pkcs1_vrfy);
    if (any)
        br_ssl_engine_set_ecdsa(e, &br_ecdsa_i15_vrfy_asn1);
    br_ssl_engine_set_buffers_bidi(e, d->in, length + IN_EXTRA, d->out, length + OUT_EXTRA);
}

static bool dial(struct device *d, const char *port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 15};
    d->fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(d->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return connect(d->fd, (const struct sockaddr *)&to, sizeof to) == 0;
}

static bool put(struct device *d, const void *p, size_t n)
{
    return br_sslio_write_all(&d->io, p, n) == 0;
}

/* The next bytes are exactly these. */
static bool expect(struct device *d, const char *what, const void *p, size_t n)
{
    static unsigned char got[PAYLOAD + 64];
    if (br_sslio_flush(&d->io) == 0 && br_sslio_read_all(&d->io, got, n) == 0 && memcmp(got, p, n) == 0)
        return true;
    fprintf(stderr, "%s did not come as it should\n", what);
    return false;
}

/* The bytes of a packet, without the string's own NUL. */
#define PUT(d, s) put(d, s, sizeof(s) - 1)
#define EXPECT(d, what, s) expect(d, what, s, sizeof(s) - 1)

static bool converse(struct device *d)
{
    static const unsigned char head[] = "\x30\xc3\x17\0\x09tas/muell";
    static unsigned char message[sizeof head - 1 + PAYLOAD];
    memcpy(message, head, sizeof head - 1);
    for (size_t i = 0; i < PAYLOAD; i++)
        message[sizeof head - 1 + i] = (unsigned char)(i * 7);
    return PUT(d, "\x10\x13\0\4MQTT\4\2\0\x3c\0\7tasmota") && EXPECT(d, "CONNACK", "\x20\2\0\0") &&
           PUT(d, "\x82\x0e\0\1\0\x09tas/muell\0") && EXPECT(d, "SUBACK", "\x90\3\0\1\0") &&
           put(d, message, sizeof message) && expect(d, "PUBLISH", message, sizeof message) && PUT(d, "\xe0\0") &&
           br_sslio_flush(&d->io) == 0;
}

int main(int argc, char **argv)
{
    static struct device d;
    br_ssl_session_parameters agreed;
    long length = argc >= 6 ? atol(argv[3]) : 0;
    if (length < 512 || length > RECORD_MAX) {
        fprintf(stderr,
                "usage: bearssl_client NAME PORT 512|1024|2048|4096 (pinned FINGERPRINT | trusting CA_FILE) [rsa|any "
                "[CERT]]\n");
        return 2;
    }
    bool pinned = strcmp(argv[4], "pinned") == 0;
    if (pinned ? !read_fingerprint(&d.pin, argv[5]) : !read_ca(&d.trust, argv[5])) {
        fprintf(stderr, "'%s' can't be read\n", argv[5]);
        return 2;
    }
    set_up(&d, (size_t)length, argc > 6 && strcmp(argv[6], "any") == 0);
    if (argc > 7 && !show(&d.own, &d.tls, argv[7])) {
        fprintf(stderr, "no certificate and key in '%s'\n", argv[7]);
        return 2;
    }
    br_ssl_engine_set_x509(&d.tls.eng, pinned ? &d.pin.vtable : &d.trust.verifier.vtable);
    if (!br_ssl_client_reset(&d.tls, argv[1], 0) || !dial(&d, argv[2])) {
        fprintf(stderr, "no start, or no connection\n");
        return 1;
    }
    br_sslio_init(&d.io, &d.tls.eng, read_some, &d.fd, write_some, &d.fd);
    bool done = converse(&d);
    br_ssl_engine_get_session_parameters(&d.tls.eng, &agreed);
    printf("version %04x, suite %04x, BearSSL's error %d\n", (unsigned)agreed.version, (unsigned)agreed.cipher_suite,
           br_ssl_engine_last_error(&d.tls.eng));
    close(d.fd);
    if (done)
        printf("done\n");
    return !done;
}
