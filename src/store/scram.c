/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A message is a list of attributes, "letter=value", between commas, in the one order that RFC 5802 has for it.
 * Attributes of other letters may stand where the grammar allows extensions, and mean nothing here; `m`, which would
 * mean that the client insists on something, is refused wherever it stands, and so is a known letter in the wrong
 * place.
 *
 * What both sides sign are their own messages: client-first without its header, server-first, client-final without
 * its proof. The first two are kept as they went over the wire, one behind the other.
 *
 * The last step costs the same for a good proof, a wrong one and a decoy: all is computed, then judged.
 */
#include "sotto/store/scram.h"

#include <assert.h>
#include <stdio.h>

#include "scram_private.h"
#include "sotto/base/base64.h"
#include "sotto/base/cursor.h"
#include "sotto/base/mem.h"
#include "sotto/base/random.h"
#include "sotto/codec/topic.h"
#include "sotto/store/users.h"

#define NOT_ONE "not a message of SCRAM as RFC 5802 has it; the client's library is wrong, or speaks something else"
#define INSISTS "the client insists on an extension of SCRAM that is not there; switch it off in the client"

struct scram {
    struct scram_verifier verifier;
    bool known, over;
    size_t name_n;
    uint8_t name[INI_NAME_MAX];
    size_t header_n, bare_n, challenge_n, nonce_n;
    uint8_t talk[]; /* client-first, its header included, "," server-first */
};

/* ----------------------------------------------------------------- reading */

/* What is left of a list. NULL: nothing, not even an empty last part. */
struct parts {
    const uint8_t *p, *end;
};

static struct parts parts_of(struct bytes b)
{
    return (struct parts){b.p, b.p + b.n};
}

/* The next one, which may be empty; false at the end. */
static bool next(struct parts *l, struct bytes *part)
{
    if (l->p == NULL)
        return false;
    size_t left = (size_t)(l->end - l->p);
    const uint8_t *comma = left > 0 ? memchr(l->p, ',', left) : NULL;
    *part = bytes_of(l->p, comma != NULL ? (size_t)(comma - l->p) : left);
    l->p = comma != NULL ? comma + 1 : NULL;
    return true;
}

static bool is(struct bytes part, char letter)
{
    return part.n >= 3 && part.p[0] == letter && part.p[1] == '=';
}

static struct bytes value_of(struct bytes part)
{
    return bytes_of(part.p + 2, part.n - 2);
}

static bool take(struct parts *l, char letter, struct bytes *value)
{
    struct bytes part;
    if (!next(l, &part) || !is(part, letter))
        return false;
    *value = value_of(part);
    return true;
}

static const char *extension_fault(struct bytes part)
{
    bool letter = part.n >= 3 && part.p[1] == '=' && ((part.p[0] | 0x20) >= 'a' && (part.p[0] | 0x20) <= 'z');
    if (!letter)
        return NOT_ONE;
    if (part.p[0] == 'm')
        return INSISTS;
    return memchr("acenprisv", part.p[0], 9) != NULL ? NOT_ONE : NULL;
}

static bool message_fits(struct bytes message)
{
    return message.n > 0 && message.n <= SCRAM_MESSAGE_MAX && utf8_valid(message);
}

static bool nonce_valid(struct bytes nonce, size_t max)
{
    for (size_t i = 0; i < nonce.n; i++) {
        if (nonce.p[i] < 0x21 || nonce.p[i] > 0x7e || nonce.p[i] == ',')
            return false;
    }
    return nonce.n > 0 && nonce.n <= max;
}

/* A name as it stands in a message: '=2C' is a comma, '=3D' is '=', and '=' stands nowhere else. */
static bool read_name(struct bytes in, uint8_t out[INI_NAME_MAX], size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < in.n; i++) {
        uint8_t c = in.p[i];
        if (c == '=') {
            bool comma = in.n - i >= 3 && memcmp(in.p + i, "=2C", 3) == 0;
            if (!comma && (in.n - i < 3 || memcmp(in.p + i, "=3D", 3) != 0))
                return false;
            c = comma ? ',' : '=';
            i += 2;
        }
        if (*n == INI_NAME_MAX)
            return false;
        out[(*n)++] = c;
    }
    return *n > 0;
}

/* The header: whether the client can bind channels, and in whose name it wants to act (empty: its own). */
static const char *read_header(struct parts *l, struct bytes *authzid)
{
    struct bytes flag, part;
    if (!next(l, &flag))
        return NOT_ONE;
    if (is(flag, 'p'))
        return "the client wants channel binding (p=...), which is not there; use SCRAM-SHA-256 without -PLUS";
    if (flag.n != 1 || (flag.p[0] != 'n' && flag.p[0] != 'y') || !next(l, &part) || l->p == NULL ||
        (part.n > 0 && !is(part, 'a')))
        return NOT_ONE;
    *authzid = part.n > 0 ? value_of(part) : part;
    return NULL;
}

static const char *read_bare(struct parts *l, struct scram_hello *out)
{
    struct bytes part;
    if (!next(l, &part))
        return NOT_ONE;
    if (is(part, 'm'))
        return INSISTS;
    if (!is(part, 'n') || !read_name(value_of(part), out->name, &out->name_n) || !take(l, 'r', &out->nonce) ||
        !nonce_valid(out->nonce, SCRAM_CLIENT_NONCE_MAX))
        return NOT_ONE;
    while (next(l, &part)) {
        const char *why = extension_fault(part);
        if (why != NULL)
            return why;
    }
    return users_name_fault(bytes_of(out->name, out->name_n));
}

const char *scram_hello_read(struct bytes message, struct scram_hello *out)
{
    struct bytes authzid;
    uint8_t acting[INI_NAME_MAX];
    size_t acting_n;

    *out = (struct scram_hello){0};
    if (!message_fits(message))
        return NOT_ONE;
    struct parts l = parts_of(message);
    const char *why = read_header(&l, &authzid);
    if (why != NULL)
        return why;
    out->gs2 = bytes_of(message.p, (size_t)(l.p - message.p));
    out->bare = bytes_of(l.p, (size_t)(l.end - l.p));
    why = read_bare(&l, out);
    if (why == NULL && authzid.n > 0 &&
        (!read_name(authzid, acting, &acting_n) ||
         !bytes_equal(bytes_of(acting, acting_n), bytes_of(out->name, out->name_n))))
        why = "the client wants to act for another user, which nobody may; leave the authorization identity empty";
    return why;
}

/* ---------------------------------------------------------------- exchange */

void scram_nonce(char out[SCRAM_NONCE_SIZE])
{
    uint8_t drawn[18];
    _Static_assert(BASE64_SIZE(sizeof drawn) == SCRAM_NONCE_SIZE, "no padding: all of it is random");
    random_bytes(drawn, sizeof drawn);
    base64_write(drawn, sizeof drawn, BASE64_UNPADDED, out);
}

struct scram *scram_new(const struct scram_hello *hello, const struct scram_verifier *v, bool known, struct bytes nonce)
{
    char rest[SCRAM_SERVER_NONCE_MAX + BASE64_SIZE(SCRAM_SALT_MAX) + 32], salt[BASE64_SIZE(SCRAM_SALT_MAX)];
    assert(nonce_valid(nonce, SCRAM_SERVER_NONCE_MAX));
    base64_write(v->salt, v->salt_n, BASE64_PADDED, salt);
    int rest_n =
        snprintf(rest, sizeof rest, "%.*s,s=%s,i=%u", (int)nonce.n, (const char *)nonce.p, salt, v->iterations);
    assert(rest_n > 0 && (size_t)rest_n < sizeof rest);

    _Static_assert(2 + SCRAM_CLIENT_NONCE_MAX + sizeof rest <= SCRAM_CHALLENGE_MAX, "the answer has room");
    size_t challenge_n = 2 + hello->nonce.n + (size_t)rest_n;
    size_t size = hello->gs2.n + hello->bare.n + 1 + challenge_n;
    struct scram *s = mem_alloc(sizeof *s + size);
    s->verifier = *v;
    s->known = known;
    s->name_n = hello->name_n;
    memcpy(s->name, hello->name, hello->name_n);
    s->header_n = hello->gs2.n;
    s->bare_n = hello->bare.n;
    s->challenge_n = challenge_n;
    s->nonce_n = hello->nonce.n + nonce.n;

    struct wr w = wr_of(s->talk, size);
    wr_bytes(&w, hello->gs2.p, hello->gs2.n);
    wr_bytes(&w, hello->bare.p, hello->bare.n);
    wr_bytes(&w, ",r=", 3);
    wr_bytes(&w, hello->nonce.p, hello->nonce.n);
    wr_bytes(&w, rest, (size_t)rest_n);
    assert(!w.bad && w.p == w.end);
    return s;
}

void scram_free(struct scram *s)
{
    if (s == NULL)
        return;
    bytes_wipe(&s->verifier, sizeof s->verifier);
    mem_free(s);
}

struct bytes scram_challenge(const struct scram *s)
{
    return bytes_of(s->talk + s->header_n + s->bare_n + 1, s->challenge_n);
}

struct bytes scram_name(const struct scram *s)
{
    return bytes_of(s->name, s->name_n);
}

/* `c` repeats the header that the exchange began with; no channel is bound, so nothing follows. */
static bool binding_good(const struct scram *s, struct bytes binding)
{
    char expected[BASE64_SIZE(SCRAM_MESSAGE_MAX)];
    size_t n = base64_write(s->talk, s->header_n, BASE64_PADDED, expected);
    return bytes_equal(binding, bytes_of(expected, n));
}

/* Takes client-final apart. signed_n: its bytes in front of ",p=". */
static const char *read_final(const struct scram *s, struct bytes message, uint8_t proof[SCRAM_KEY_SIZE],
                              size_t *signed_n)
{
    struct bytes binding, nonce, part;
    struct parts l = parts_of(message);
    size_t proof_n;

    if (!take(&l, 'c', &binding) || !take(&l, 'r', &nonce))
        return NOT_ONE;
    for (;;) {
        if (!next(&l, &part))
            return NOT_ONE;
        if (is(part, 'p'))
            break;
        const char *why = extension_fault(part);
        if (why != NULL)
            return why;
    }
    if (l.p != NULL || !base64_read(value_of(part), BASE64_PADDED, proof, SCRAM_KEY_SIZE, &proof_n) ||
        proof_n != SCRAM_KEY_SIZE)
        return NOT_ONE;
    if (!binding_good(s, binding))
        return "the client's channel binding (c=) is not what it began with; something between changes messages";
    if (!bytes_equal(nonce, bytes_of(scram_challenge(s).p + 2, s->nonce_n)))
        return "the nonce is not this exchange's; an old message is sent again, or something between changes messages";
    *signed_n = (size_t)(part.p - message.p) - 1;
    return NULL;
}

/* RFC 5802, section 3: ClientKey is the proof and the client's signature, xored; its hash has to be StoredKey. */
static bool proof_good(const struct scram *s, const struct bytes talk[3], const uint8_t proof[SCRAM_KEY_SIZE])
{
    uint8_t key[SCRAM_KEY_SIZE], hashed[SCRAM_KEY_SIZE];
    bool computed = scram_hmac(s->verifier.stored_key, talk, 3, key);
    for (size_t i = 0; i < SCRAM_KEY_SIZE; i++)
        key[i] ^= proof[i];
    computed &= scram_hash(key, hashed);
    bool same = bytes_equal_secret(hashed, s->verifier.stored_key, SCRAM_KEY_SIZE);
    bytes_wipe(key, sizeof key);
    return computed & same & s->known;
}

const char *scram_finish(struct scram *s, struct bytes message, char answer[SCRAM_FINAL_MAX])
{
    uint8_t proof[SCRAM_KEY_SIZE], signature[SCRAM_KEY_SIZE];
    size_t signed_n;

    answer[0] = '\0';
    if (s->over)
        return "the exchange is over already; the client's library is wrong";
    s->over = true;
    const char *why = message_fits(message) ? read_final(s, message, proof, &signed_n) : NOT_ONE;
    if (why != NULL)
        return why;
    const struct bytes talk[3] = {bytes_of(s->talk + s->header_n, s->bare_n + 1 + s->challenge_n), bytes_str(","),
                                  bytes_of(message.p, signed_n)};
    bool good = proof_good(s, talk, proof);
    good &= scram_hmac(s->verifier.server_key, talk, 3, signature);
    if (!good)
        return "unknown user or wrong password";
    memcpy(answer, "v=", 2);
    base64_write(signature, sizeof signature, BASE64_PADDED, answer + 2);
    return NULL;
}
