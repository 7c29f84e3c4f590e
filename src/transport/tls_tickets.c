/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Session tickets, sealed by ourselves.
 *
 *   name:  [ id of the key, 8 | resumptions so far, 1 | 0, 3 | sealed at, 4 ]     authenticated
 *   iv:    [ random, 12 | 0, 4 ]
 *   mac:   [ tag of AES-256-GCM, 16 | 0, 16 ]
 *
 * The seal covers the digest of what the listener asks of its clients, too: a ticket of one listener opens nothing on
 * another, nor on the same one after its policy has changed. The count bounds chains of resumptions: some versions of
 * wolfSSL fail at the 256th, and a client is to show itself in full now and then.
 */
#include "tls_tickets_private.h"

#include <string.h>
#include <time.h>
#include <wolfssl/wolfcrypt/aes.h>

#include "sotto/base/random.h"

#define IV 12u
#define TAG 16u
/* The clocks of two brokers that share the keys, or one that was set back, may differ by so much, seconds. */
#define CLOCK_SLACK 300u

struct ticket_name {
    uint8_t key[TICKET_KEY_ID];
    uint8_t resumptions;
    uint8_t zero[3];
    uint8_t sealed[4];
};
_Static_assert(sizeof(struct ticket_name) == WOLFSSL_TICKET_NAME_SZ, "the name is wolfSSL's");

#define BOUND (sizeof(struct ticket_name) + 32)

static void bind_to(uint8_t *out, const struct ticket_name *name, const struct ticket_policy *p)
{
    memcpy(out, name, sizeof(*name));
    memcpy(out + sizeof(*name), p->digest, sizeof(p->digest));
}

static uint32_t clock_now(void)
{
    return (uint32_t)time(NULL);
}

static uint32_t sealed_at(const struct ticket_name *n)
{
    return (uint32_t)n->sealed[0] << 24 | (uint32_t)n->sealed[1] << 16 | (uint32_t)n->sealed[2] << 8 | n->sealed[3];
}

static bool seal(const struct ticket_policy *p, struct ticket_name *name, uint8_t *iv, uint8_t *tag, uint8_t *text,
                 int n)
{
    struct ticket_key key;
    uint8_t bound[BOUND];
    uint32_t now = clock_now();
    Aes aes;
    ticket_key_newest(p->keys, &key);
    memcpy(name->key, key.id, sizeof(name->key));
    for (unsigned i = 0; i < 4; i++)
        name->sealed[i] = (uint8_t)(now >> (24 - 8 * i));
    memset(iv, 0, WOLFSSL_TICKET_IV_SZ);
    memset(tag, 0, WOLFSSL_TICKET_MAC_SZ);
    random_bytes(iv, IV);
    bind_to(bound, name, p);
    bool ok = wc_AesInit(&aes, NULL, INVALID_DEVID) == 0;
    ok = ok && wc_AesGcmSetKey(&aes, key.key, sizeof(key.key)) == 0 &&
         wc_AesGcmEncrypt(&aes, text, text, (word32)n, iv, IV, tag, TAG, bound, sizeof(bound)) == 0;
    wc_AesFree(&aes);
    explicit_bzero(&key, sizeof(key));
    return ok;
}

/* WOLFSSL_TICKET_RET_CREATE (good, and to be followed by a new one) or _REJECT. */
static int unseal(const struct ticket_policy *p, const struct ticket_name *name, const uint8_t *iv, const uint8_t *tag,
                  uint8_t *text, int n)
{
    struct ticket_key key;
    uint8_t bound[BOUND];
    bool newest;
    Aes aes;
    uint32_t age = clock_now() - sealed_at(name);
    if (age >= p->lifetime && age < UINT32_MAX - CLOCK_SLACK)
        return WOLFSSL_TICKET_RET_REJECT;
    if (name->resumptions >= RESUMPTIONS_MAX || !ticket_key_find(p->keys, name->key, &key, &newest))
        return WOLFSSL_TICKET_RET_REJECT;
    bind_to(bound, name, p);
    bool ok = wc_AesInit(&aes, NULL, INVALID_DEVID) == 0;
    ok = ok && wc_AesGcmSetKey(&aes, key.key, sizeof(key.key)) == 0 &&
         wc_AesGcmDecrypt(&aes, text, text, (word32)n, iv, IV, tag, TAG, bound, sizeof(bound)) == 0;
    wc_AesFree(&aes);
    explicit_bzero(&key, sizeof(key));
    return !ok ? WOLFSSL_TICKET_RET_REJECT : WOLFSSL_TICKET_RET_CREATE;
}

static int on_ticket(WOLFSSL *ssl, unsigned char *name, unsigned char *iv, unsigned char *mac, int enc,
                     unsigned char *ticket, int n, int *out_n, void *arg)
{
    const struct ticket_policy *p = arg;
    uint8_t *resumptions = tls_resumptions(wolfSSL_GetIOReadCtx(ssl));
    if (p == NULL || n < 0)
        return WOLFSSL_TICKET_RET_REJECT;
    struct ticket_name t = {0};
    *out_n = n;
    if (enc) {
        t.resumptions = *resumptions;
        if (!seal(p, &t, iv, mac, ticket, n))
            return WOLFSSL_TICKET_RET_REJECT;
        memcpy(name, &t, sizeof(t));
        return WOLFSSL_TICKET_RET_OK;
    }
    memcpy(&t, name, sizeof(t));
    int result = unseal(p, &t, iv, mac, ticket, n);
    if (result == WOLFSSL_TICKET_RET_REJECT)
        return result;
    *resumptions = (uint8_t)(t.resumptions + 1);
    /* In 1.3 there is a new one anyway, and 5.7 takes "create" for a refusal. */
    return wolfSSL_GetVersion(ssl) == WOLFSSL_TLSV1_3 ? WOLFSSL_TICKET_RET_OK : result;
}

void tls_tickets_apply(WOLFSSL_CTX *native, struct ticket_policy *p)
{
    wolfSSL_CTX_set_TicketEncCb(native, on_ticket);
    wolfSSL_CTX_set_TicketEncCtx(native, p);
    tls_session_ids_apply(native, p);
    if (p == NULL) {
        wolfSSL_CTX_NoTicketTLSv12(native);
        wolfSSL_CTX_no_ticket_TLSv13(native);
    } else {
        wolfSSL_CTX_set_TicketHint(native, (int)p->lifetime);
        wolfSSL_CTX_set_timeout(native, p->lifetime); /* 1.3 goes by this one */
    }
}
