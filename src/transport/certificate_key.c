/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Private keys: RSA-2048 and P-256, to and from PKCS#8. */
#include "certificate_private.h"

#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

#include "sotto/base/mem.h"

#define RSA_BITS 2048
#define KEY_DER_MAX 4096

int cert_key_make(struct cert_key *k, bool ec, WC_RNG *rng)
{
    k->is_ec = ec;
    int rc = ec ? wc_ecc_init(&k->u.ec) : wc_InitRsaKey(&k->u.rsa, NULL);
    if (rc != 0)
        return rc;
    k->made = true;
    return ec ? wc_ecc_make_key_ex(rng, 32, &k->u.ec, ECC_SECP256R1)
              : wc_MakeRsaKey(&k->u.rsa, RSA_BITS, WC_RSA_EXPONENT, rng);
}

int cert_key_decode(struct cert_key *k, struct bytes der)
{
    for (int ec = 0; ec < 2; ec++) {
        word32 at = 0;
        k->is_ec = ec;
        int rc = ec ? wc_ecc_init(&k->u.ec) : wc_InitRsaKey(&k->u.rsa, NULL);
        if (rc != 0)
            return rc;
        k->made = true;
        rc = ec ? wc_EccPrivateKeyDecode(der.p, &at, &k->u.ec, (word32)der.n)
                : wc_RsaPrivateKeyDecode(der.p, &at, &k->u.rsa, (word32)der.n);
        if (rc == 0 && ec && k->u.ec.type == ECC_PRIVATEKEY_ONLY)
            rc = wc_ecc_make_pub(&k->u.ec, NULL);
        if (rc == 0)
            return 0;
        cert_key_fini(k);
    }
    return ASN_PARSE_E;
}

void cert_key_fini(struct cert_key *k)
{
    if (k->made && k->is_ec)
        wc_ecc_free(&k->u.ec);
    else if (k->made)
        wc_FreeRsaKey(&k->u.rsa);
    k->made = false;
}

/* RSA: PKCS#1 first, then its wrapping. */
static int rsa_to_pkcs8(RsaKey *k, uint8_t *out, word32 *n)
{
    uint8_t pkcs1[KEY_DER_MAX];
    int rc = wc_RsaKeyToDer(k, pkcs1, sizeof(pkcs1));
    if (rc > 0)
        rc = wc_CreatePKCS8Key(out, n, pkcs1, (word32)rc, RSAk, NULL, 0);
    bytes_wipe(pkcs1, sizeof(pkcs1));
    return rc;
}

int cert_key_pem(struct cert_key *k, char *out, size_t cap)
{
    uint8_t der[KEY_DER_MAX];
    word32 n = sizeof(der);
    /* These give back the length or 0, depending on the function and on the version; n is right in all. */
    int rc = k->is_ec ? wc_EccKeyToPKCS8(&k->u.ec, der, &n) : rsa_to_pkcs8(&k->u.rsa, der, &n);
    if (rc >= 0)
        rc = wc_DerToPem(der, rc > 0 ? (word32)rc : n, (byte *)out, (word32)cap - 1, PKCS8_PRIVATEKEY_TYPE);
    bytes_wipe(der, sizeof(der));
    if (rc <= 0)
        return rc < 0 ? rc : BUFFER_E;
    out[rc] = '\0';
    return 0;
}

int cert_key_public(struct cert_key *k, uint8_t *out, size_t *n)
{
    int rc = k->is_ec ? wc_EccPublicKeyToDer(&k->u.ec, out, (word32)*n, 1)
                      : wc_RsaKeyToPublicDer(&k->u.rsa, out, (word32)*n);
    *n = rc > 0 ? (size_t)rc : 0;
    return rc > 0 ? 0 : rc < 0 ? rc : BUFFER_E;
}
