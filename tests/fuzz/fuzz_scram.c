/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An exchange of SCRAM with a hostile client. The input is a verifier, client-first and client-final, with zero bytes
 * between them; a verifier that is none is replaced by one of the password "pencil". What is taken has the form it has
 * to have, and nobody gets through who does not know the password.
 *
 * Where client-first is taken, the exchange is also gone through by an honest client who knows "pencil": he must
 * succeed, whatever name, header and nonce the input chose. That holds the parser and the signed text together.
 */
#include <stdlib.h>

#include "scram_client.h"
#include "sotto/codec/topic.h"
#include "sotto/store/scram.h"
#include "sotto/store/users.h"

#define PENCIL                                                                                                         \
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"                        \
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define SERVER_NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

/* Up to the next zero byte, or the end. */
static struct bytes cut(struct bytes *rest)
{
    const uint8_t *end = rest->n > 0 ? memchr(rest->p, 0, rest->n) : NULL;
    struct bytes part = bytes_of(rest->p, end != NULL ? (size_t)(end - rest->p) : rest->n);
    size_t used = end != NULL ? part.n + 1 : part.n;
    *rest = bytes_of(rest->p + used, rest->n - used);
    return part;
}

static bool read_verifier(struct bytes text, struct scram_verifier *v)
{
    char copy[1024], again[SCRAM_TEXT_MAX];
    size_t n = text.n < sizeof copy - 1 ? text.n : sizeof copy - 1;
    memcpy(copy, text.p, n);
    copy[n] = '\0';
    if (scram_verifier_read(copy, v) != NULL) {
        check(scram_verifier_read(PENCIL, v) == NULL);
        return false;
    }
    /* One text for one verifier. */
    scram_verifier_write(v, again);
    check(strcmp(copy, again) == 0);
    return true;
}

/* With keys made once: 4096 rounds for each input would be all that is tested. */
static const uint8_t *pencil_salted(void)
{
    static uint8_t salted[32];
    static bool made;
    struct scram_verifier v;
    if (!made) {
        check(scram_verifier_read(PENCIL, &v) == NULL);
        check(wc_PBKDF2(salted, (const uint8_t *)"pencil", 6, v.salt, (int)v.salt_n, 4096, 32, WC_SHA256) == 0);
        made = true;
    }
    return salted;
}

static void go_honestly(const struct scram_hello *h)
{
    struct scram_verifier v;
    char text[2048], talk[4096], header[256], answer[SCRAM_FINAL_MAX];
    check(scram_verifier_read(PENCIL, &v) == NULL);
    struct scram *s = scram_new(h, &v, true, bytes_str(SERVER_NONCE));
    struct bytes challenge = scram_challenge(s);
    struct scram_client c = {0};
    memcpy(c.salted, pencil_salted(), 32);
    scram_client_base64(h->gs2.p, h->gs2.n, header, sizeof header);
    snprintf(text, sizeof text, "c=%s,r=%.*s%s", header, (int)h->nonce.n, (const char *)h->nonce.p, SERVER_NONCE);
    int n = snprintf(talk, sizeof talk, "%.*s,%.*s,%s", (int)h->bare.n, (const char *)h->bare.p, (int)challenge.n,
                     (const char *)challenge.p, text);
    check(n > 0 && (size_t)n < sizeof talk);
    scram_client_prove(&c, talk, text, sizeof text);
    check(scram_finish(s, bytes_str(text), answer) == NULL);
    check(strncmp(answer, "v=", 2) == 0 && strlen(answer) == 46);
    scram_free(s);
}

static void check_hello(const struct scram_hello *h, struct bytes message)
{
    struct bytes name = bytes_of(h->name, h->name_n);
    check(users_name_fault(name) == NULL);
    check(h->gs2.p == message.p && h->gs2.n >= 3 && h->bare.p == h->gs2.p + h->gs2.n);
    check(h->gs2.n + h->bare.n == message.n && utf8_valid(message));
    check(h->nonce.n > 0 && h->nonce.n <= SCRAM_CLIENT_NONCE_MAX && h->nonce.p > h->bare.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes rest = bytes_of(data, size);
    struct bytes text = cut(&rest), first = cut(&rest);
    struct scram_verifier v;
    struct scram_hello h;
    char answer[SCRAM_FINAL_MAX];

    bool own = read_verifier(text, &v);
    if (scram_hello_read(first, &h) != NULL)
        return 0;
    check_hello(&h, first);
    struct scram *s = scram_new(&h, &v, true, bytes_str(SERVER_NONCE));
    struct bytes challenge = scram_challenge(s);
    check(challenge.n <= SCRAM_CHALLENGE_MAX && challenge.n > h.nonce.n + strlen(SERVER_NONCE));
    /* The corpus has the example of RFC 7677, which is right; whoever else is let in chose the keys. */
    bool in = scram_finish(s, rest, answer) == NULL;
    check(in == (answer[0] != '\0'));
    check(!in || own || bytes_equal(first, bytes_str("n,,n=user,r=rOprNGfwEbeRWgbNEkqO")));
    check(scram_finish(s, rest, answer) != NULL && answer[0] == '\0');
    scram_free(s);
    go_honestly(&h);
    return 0;
}
