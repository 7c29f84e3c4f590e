/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which of a listener's certificates a client gets. In this order:
 *
 *   it is for the name that the client asked for: exactly, then by a wildcard
 *   the client can verify its key: by the suites (TLS 1.2) and signature algorithms that it offers
 *   it is for a name that the first pair is for, which is the default: so RSA and ECDSA of one name stand for each
 * other the client knows how its chain was signed its message goes into one record of the size that the client asked
 * for: mbedTLS can't put it together otherwise ECDSA P-256: a quarter of the work, half the bytes it stands first
 */
#include "tls_pair_private.h"

#include "sotto/transport/tls_features.h"

enum score {
    SCORE_ECDSA = 1,
    SCORE_FITS = 2,
    SCORE_CHAIN = 4,
    SCORE_KIN = 8,
    SCORE_USABLE = 16,
    SCORE_NAME = 32, /* times 1 or 2 */
};

bool tls_choose_no_group(const struct client_hello *h)
{
    static const uint16_t ours[] = {0x0017, 0x001d, 0x0018}; /* P-256, X25519, P-384: see tls_context.c */
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        if (client_hello_has(h->groups, h->groups_n, ours[i]))
            return false;
    }
    if (tls_has(TLS_FEATURE_ML_KEM) && client_hello_has(h->groups, h->groups_n, 0x11ec))
        return false;
    return h->has_groups && h->groups_n == h->groups_all;
}

static bool signs_one_of(const struct client_hello *h, const uint16_t *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (client_hello_has(h->signatures, h->signatures_n, v[i]))
            return true;
    }
    return false;
}

/* The group of an EC key's curve, which is its number in TLS; 0: none. */
static uint16_t group_of(const struct x509_key *k)
{
    return k->type != X509_KEY_EC ? 0 : k->bits == 256 ? 0x0017 : k->bits == 384 ? 0x0018 : k->bits == 521 ? 0x0019 : 0;
}

/* In TLS 1.3 the hash goes with the curve. */
static uint16_t signature_of(const struct x509_key *k)
{
    return k->type != X509_KEY_EC ? 0x0807 : k->bits == 256 ? 0x0403 : k->bits == 384 ? 0x0503 : 0x0603;
}

static bool usable_13(const struct x509_key *k, const struct client_hello *h)
{
    static const uint16_t pss[] = {0x0804, 0x0805, 0x0806};
    uint16_t one = signature_of(k);
    return k->type == X509_KEY_RSA ? signs_one_of(h, pss, sizeof(pss) / sizeof(pss[0])) : signs_one_of(h, &one, 1);
}

static bool usable_12(const struct x509_key *k, const struct client_hello *h, uint16_t suites)
{
    static const uint16_t by_rsa[] = {0x0401, 0x0501, 0x0601, 0x0804, 0x0805, 0x0806};
    static const uint16_t by_ec[] = {0x0403, 0x0503, 0x0603, 0x0807};
    bool rsa = k->type == X509_KEY_RSA;
    if ((suites & h->ours & (rsa ? HELLO_OURS_RSA : HELLO_OURS_ECDSA)) == 0)
        return false;
    if (!rsa && h->has_groups && group_of(k) != 0 && !client_hello_has(h->groups, h->groups_n, group_of(k)))
        return false;
    return !h->has_signatures || (rsa ? signs_one_of(h, by_rsa, sizeof(by_rsa) / sizeof(by_rsa[0]))
                                      : signs_one_of(h, by_ec, sizeof(by_ec) / sizeof(by_ec[0])));
}

/* Can the client verify how each certificate of the chain was signed? What isn't known here counts as known there. */
static bool knows_chain(const struct tls_pair *p, const struct client_hello *h)
{
    for (size_t i = 0; i < p->chain.n && h->has_signatures; i++) {
        if (p->signed_by[i] != 0 && !client_hello_has(h->signatures, h->signatures_n, p->signed_by[i]))
            return false;
    }
    return true;
}

static unsigned score_of(const struct tls_pair *p, const struct client_hello *h, bool tls13, uint16_t suites)
{
    if (p->chain.n == 0)
        return 0;
    const struct x509_key *k = &tls_pair_leaf(p)->key;
    unsigned score = h->plain_name ? SCORE_NAME * tls_pair_is_for(p, h->name) : 0;
    unsigned fragment = client_hello_fragment(h);
    score |= p->kin ? SCORE_KIN : 0;
    score |= (tls13 ? usable_13(k, h) : usable_12(k, h, suites)) ? SCORE_USABLE : 0;
    score |= knows_chain(p, h) ? SCORE_CHAIN : 0;
    score |= fragment == 0 || p->message <= fragment ? SCORE_FITS : 0;
    score |= k->type == X509_KEY_EC && k->bits == 256 ? SCORE_ECDSA : 0;
    return score;
}

const struct tls_pair *tls_choose(const struct tls_pairs *pairs, const struct client_hello *h,
                                  enum tls_version max_version, uint16_t suites)
{
    const struct tls_pair *best = &pairs->v[0];
    if (pairs->n == 1 || h == NULL || !h->read)
        return best;
    bool tls13 = h->tls13 && max_version == TLS_1_3;
    unsigned most = score_of(best, h, tls13, suites);
    for (size_t i = 1; i < pairs->n; i++) {
        unsigned score = score_of(&pairs->v[i], h, tls13, suites);
        if (score > most) {
            best = &pairs->v[i];
            most = score;
        }
    }
    return best;
}
