/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Digests that people compare by eye, or give to devices. */
#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/sha.h>
#include <wolfssl/wolfcrypt/sha256.h>

#include "sotto/base/base64.h"
#include "sotto/base/mem.h"
#include "sotto/transport/x509.h"

bool x509_sha256(struct bytes b, uint8_t out[X509_SHA256])
{
    wc_Sha256 sha;
    if (wc_InitSha256(&sha) != 0)
        return false;
    bool ok = wc_Sha256Update(&sha, b.p, (word32)b.n) == 0 && wc_Sha256Final(&sha, out) == 0;
    wc_Sha256Free(&sha);
    return ok;
}

bool x509_sha1(struct bytes b, uint8_t out[X509_SHA1])
{
    wc_Sha sha;
    if (wc_InitSha(&sha) != 0)
        return false;
    bool ok = wc_ShaUpdate(&sha, b.p, (word32)b.n) == 0 && wc_ShaFinal(&sha, out) == 0;
    wc_ShaFree(&sha);
    return ok;
}

static void put(struct wr *w, bool with_length, struct bytes b)
{
    if (with_length)
        wr_u32(w, (uint32_t)b.n);
    wr_bytes(w, b.p, b.n);
}

bool x509_tasmota(const struct x509_key *k, bool old, uint8_t out[X509_SHA1])
{
    struct bytes tag = bytes_str("ssh-rsa");
    size_t n = tag.n + k->exponent.n + k->modulus.n + (old ? 0 : 12);
    if (k->type != X509_KEY_RSA)
        return false;
    uint8_t *text = mem_alloc(n);
    struct wr w = wr_of(text, n);
    put(&w, !old, tag);
    put(&w, !old, k->exponent);
    put(&w, !old, k->modulus);
    bool ok = !w.bad && x509_sha1(bytes_of(text, n), out);
    mem_free(text);
    return ok;
}

const char *x509_key_name(const struct x509_key *k, char out[X509_KEY_NAME])
{
    _Static_assert(BASE64_SIZE(X509_SHA256) <= X509_KEY_NAME + 1, "with padding it would have one byte more");
    uint8_t digest[X509_SHA256];
    char text[BASE64_SIZE(X509_SHA256)];
    if (!x509_sha256(k->whole, digest))
        return NULL;
    size_t n = base64_write(digest, sizeof(digest), BASE64_UNPADDED, text);
    for (size_t i = 0; i <= n; i++)
        out[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
    return out;
}
