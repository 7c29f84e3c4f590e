/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reads certificates and revocation lists (RFC 5280 4.1, 5.1), field by field:
 *
 *   Certificate: body | algorithm | signature
 *   body:        [0] version | serial | algorithm | issuer | dates | subject | public key | [1] [2] ids | [3]
 * extensions CRL body:    version | algorithm | issuer | date | next date | entries (serial, date, ...) | [0]
 * extensions
 */
#include "sotto/transport/x509.h"

#include "der_private.h"

#define OID_RSA DER_OID_OF(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01)
#define OID_EC DER_OID_OF(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01)
#define OID_ED25519 DER_OID_OF(0x2b, 0x65, 0x70)
#define OID_P256 DER_OID_OF(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07)
#define OID_P384 DER_OID_OF(0x2b, 0x81, 0x04, 0x00, 0x22)
#define OID_P521 DER_OID_OF(0x2b, 0x81, 0x04, 0x00, 0x23)
/* All purposes but "any" begin so. */
#define OID_PURPOSE DER_OID_OF(0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03)
#define OID_ANY_PURPOSE DER_OID_OF(0x55, 0x1d, 0x25, 0x00)

/* The last byte of 2.5.29.x. */
enum extension {
    EXTENSION_SUBJECT_KEY_ID = 14,
    EXTENSION_USAGE = 15,
    EXTENSION_NAMES = 17,
    EXTENSION_CONSTRAINTS = 19,
    EXTENSION_CRL_NUMBER = 20,
    EXTENSION_AUTHORITY_KEY_ID = 35,
    EXTENSION_PURPOSES = 37,
};

/* ---- small parts ---- */

static struct bytes without_zeros(struct bytes b)
{
    while (b.n > 1 && b.p[0] == 0)
        b = bytes_of(b.p + 1, b.n - 1);
    return b;
}

static unsigned bit_length(struct bytes b)
{
    unsigned bits = (unsigned)b.n * 8;
    for (unsigned mask = 0x80; b.n > 0 && mask > 0 && (b.p[0] & mask) == 0; mask >>= 1)
        bits--;
    return bits;
}

/* Bit strings whose bits fill bytes. */
static struct bytes bits_of(struct rd *r)
{
    struct rd in = rd_of(der_expect(r, DER_BIT_STRING).body);
    if (rd_u8(&in) != 0 || in.bad)
        r->bad = true;
    return bytes_of(in.p, rd_left(&in));
}

static int digits(struct rd *r, unsigned n)
{
    int v = 0;
    for (; n > 0; n--) {
        uint8_t c = rd_u8(r);
        if (c < '0' || c > '9')
            r->bad = true;
        v = v * 10 + (c - '0');
    }
    return r->bad ? 0 : v;
}

/* "260131235959Z", or with four digits of the year. */
static time_t read_time(struct rd *r)
{
    struct der_item item;
    if (!der_next(r, &item) || (item.tag != DER_UTC_TIME && item.tag != DER_GENERALIZED_TIME)) {
        r->bad = true;
        return 0;
    }
    struct rd in = rd_of(item.body);
    int year = digits(&in, item.tag == DER_UTC_TIME ? 2 : 4);
    if (item.tag == DER_UTC_TIME)
        year += year < 50 ? 2000 : 1900;
    struct tm tm = {.tm_year = year - 1900};
    tm.tm_mon = digits(&in, 2) - 1;
    tm.tm_mday = digits(&in, 2);
    tm.tm_hour = digits(&in, 2);
    tm.tm_min = digits(&in, 2);
    tm.tm_sec = digits(&in, 2);
    r->bad = r->bad || rd_u8(&in) != 'Z' || in.bad;
    return timegm(&tm);
}

/* ---- keys ---- */

static void read_rsa(struct x509_key *k, struct bytes bits)
{
    struct rd outer = rd_of(bits);
    struct rd in = rd_of(der_expect(&outer, DER_SEQUENCE).body);
    k->modulus = without_zeros(der_expect(&in, DER_INTEGER).body);
    k->exponent = without_zeros(der_expect(&in, DER_INTEGER).body);
    if (in.bad || outer.bad) {
        k->modulus = k->exponent = (struct bytes){0};
        return;
    }
    k->type = X509_KEY_RSA;
    k->name = "RSA";
    k->bits = bit_length(k->modulus);
}

static void read_ec(struct x509_key *k, struct bytes curve, struct bytes bits)
{
    static const struct {
        const char *name;
        unsigned bits;
    } curves[] = {{"ECDSA P-256", 256}, {"ECDSA P-384", 384}, {"ECDSA P-521", 521}};
    const struct bytes oids[] = {OID_P256, OID_P384, OID_P521};
    k->type = X509_KEY_EC;
    k->name = "ECDSA (another curve)";
    k->point = bits;
    for (size_t i = 0; i < 3; i++) {
        if (!bytes_equal(curve, oids[i]))
            continue;
        k->name = curves[i].name;
        k->bits = curves[i].bits;
    }
}

bool x509_key_read(struct x509_key *k, struct bytes der)
{
    *k = (struct x509_key){.name = "unknown"};
    struct rd r = rd_of(der);
    struct der_item all = der_expect(&r, DER_SEQUENCE);
    struct rd in = rd_of(all.body);
    struct rd algorithm = rd_of(der_expect(&in, DER_SEQUENCE).body);
    struct bytes oid = der_expect(&algorithm, DER_OID).body;
    struct bytes curve = der_optional(&algorithm, DER_OID).body;
    struct bytes bits = bits_of(&in);
    if (in.bad || algorithm.bad || r.bad)
        return false;
    k->whole = all.whole;
    if (bytes_equal(oid, OID_RSA))
        read_rsa(k, bits);
    else if (bytes_equal(oid, OID_EC))
        read_ec(k, curve, bits);
    else if (bytes_equal(oid, OID_ED25519))
        *k = (struct x509_key){.type = X509_KEY_ED25519, .bits = 256, .name = "Ed25519", .whole = all.whole};
    return true;
}

/* ---- extensions ---- */

static void read_usage(struct x509 *c, struct rd *r)
{
    struct rd in = rd_of(der_expect(r, DER_BIT_STRING).body);
    rd_u8(&in);
    unsigned bits = rd_u8(&in);
    for (unsigned i = 0; i < 8; i++)
        c->usage |= (bits >> (7 - i) & 1u) << i;
    c->has_usage = true;
}

static unsigned purpose_of(struct bytes oid)
{
    struct bytes common = OID_PURPOSE;
    if (bytes_equal(oid, OID_ANY_PURPOSE))
        return X509_ANY_PURPOSE;
    bool usual = oid.n == common.n + 1 && memcmp(oid.p, common.p, common.n) == 0;
    uint8_t last = usual ? oid.p[common.n] : 0;
    return last == 1 ? X509_SERVER_AUTH : last == 2 ? X509_CLIENT_AUTH : X509_OTHER_PURPOSE;
}

static void read_purposes(struct x509 *c, struct rd *r)
{
    struct rd in = rd_of(der_expect(r, DER_SEQUENCE).body);
    while (rd_left(&in) > 0) {
        struct bytes oid = der_expect(&in, DER_OID).body;
        c->purposes |= in.bad ? 0 : purpose_of(oid);
    }
    c->has_purposes = true;
}

static void read_constraints(struct x509 *c, struct rd *r)
{
    struct rd in = rd_of(der_expect(r, DER_SEQUENCE).body);
    struct bytes ca = der_optional(&in, DER_BOOLEAN).body;
    struct bytes path = der_optional(&in, DER_INTEGER).body;
    c->ca = ca.n == 1 && ca.p[0] != 0;
    c->path = path.n == 1 ? path.p[0] : -1;
}

static void read_extension(struct x509 *c, uint8_t which, struct bytes value)
{
    struct rd r = rd_of(value);
    switch (which) {
    case EXTENSION_SUBJECT_KEY_ID:
        c->subject_key_id = der_expect(&r, DER_OCTET_STRING).body;
        break;
    case EXTENSION_USAGE:
        read_usage(c, &r);
        break;
    case EXTENSION_NAMES:
        c->names = der_expect(&r, DER_SEQUENCE).body;
        break;
    case EXTENSION_CONSTRAINTS:
        read_constraints(c, &r);
        break;
    case EXTENSION_AUTHORITY_KEY_ID: {
        struct rd in = rd_of(der_expect(&r, DER_SEQUENCE).body);
        c->authority_key_id = der_optional(&in, DER_CONTEXT | 0).body;
        break;
    }
    case EXTENSION_PURPOSES:
        read_purposes(c, &r);
        break;
    default:
        break;
    }
}

/* The next extension of the kind 2.5.29.x; *which: x, or 0 for others. */
static struct bytes next_extension(struct rd *list, uint8_t *which)
{
    struct rd in = rd_of(der_expect(list, DER_SEQUENCE).body);
    struct bytes oid = der_expect(&in, DER_OID).body;
    der_optional(&in, DER_BOOLEAN);
    struct bytes value = der_expect(&in, DER_OCTET_STRING).body;
    list->bad = list->bad || in.bad;
    *which = oid.n == 3 && oid.p[0] == 0x55 && oid.p[1] == 0x1d ? oid.p[2] : 0;
    return value;
}

static void read_extensions(struct x509 *c, struct rd *body)
{
    struct der_item item;
    while (rd_left(body) > 0 && der_next(body, &item)) {
        if (item.tag != (DER_CONTEXT_CONSTRUCTED | 3))
            continue;
        struct rd in = rd_of(item.body);
        struct rd list = rd_of(der_expect(&in, DER_SEQUENCE).body);
        while (rd_left(&list) > 0) {
            uint8_t which;
            struct bytes value = next_extension(&list, &which);
            if (!list.bad)
                read_extension(c, which, value);
        }
        body->bad = body->bad || in.bad || list.bad;
    }
}

/* ---- the whole ---- */

static void read_body(struct x509 *c, struct rd *r)
{
    struct rd version = rd_of(der_optional(r, DER_CONTEXT_CONSTRUCTED | 0).body);
    struct bytes number = der_optional(&version, DER_INTEGER).body;
    c->version = number.n == 1 ? number.p[0] + 1u : 1;
    c->serial = der_expect(r, DER_INTEGER).body;
    der_expect(r, DER_SEQUENCE);
    c->issuer = der_expect(r, DER_SEQUENCE).whole;
    struct rd dates = rd_of(der_expect(r, DER_SEQUENCE).body);
    c->from = read_time(&dates);
    c->until = read_time(&dates);
    c->subject = der_expect(r, DER_SEQUENCE).whole;
    struct bytes key = der_expect(r, DER_SEQUENCE).whole;
    if (r->bad || dates.bad || !x509_key_read(&c->key, key))
        r->bad = true;
    read_extensions(c, r);
}

bool x509_read(struct x509 *c, struct bytes der)
{
    *c = (struct x509){.path = -1, .key = {.name = "unknown"}, .names = bytes_of("", 0)};
    struct rd r = rd_of(der);
    struct der_item all = der_expect(&r, DER_SEQUENCE);
    struct rd in = rd_of(all.body);
    struct der_item body = der_expect(&in, DER_SEQUENCE);
    struct rd algorithm = rd_of(der_expect(&in, DER_SEQUENCE).body);
    c->whole = all.whole;
    c->body = body.whole;
    c->signature_oid = der_expect(&algorithm, DER_OID).body;
    c->signature = bits_of(&in);
    struct rd fields = rd_of(body.body);
    if (!in.bad)
        read_body(c, &fields);
    return !r.bad && !in.bad && !algorithm.bad && !fields.bad && rd_left(&r) == 0;
}

/* ---- revocation lists ---- */

static void read_crl_body(struct x509_crl *l, struct rd *r)
{
    der_optional(r, DER_INTEGER);
    der_expect(r, DER_SEQUENCE);
    l->issuer = der_expect(r, DER_SEQUENCE).whole;
    l->from = read_time(r);
    if (rd_left(r) > 0 && (*r->p == DER_UTC_TIME || *r->p == DER_GENERALIZED_TIME))
        l->until = read_time(r);
    l->revoked = der_optional(r, DER_SEQUENCE).body;
    struct der_item extensions = der_optional(r, DER_CONTEXT_CONSTRUCTED | 0);
    if (extensions.tag == 0)
        return;
    struct rd in = rd_of(extensions.body);
    struct rd list = rd_of(der_expect(&in, DER_SEQUENCE).body);
    while (rd_left(&list) > 0) {
        uint8_t which;
        struct rd value = rd_of(next_extension(&list, &which));
        if (!list.bad && which == EXTENSION_CRL_NUMBER)
            l->number = der_expect(&value, DER_INTEGER).body;
    }
    r->bad = r->bad || in.bad || list.bad;
}

bool x509_crl_read(struct x509_crl *l, struct bytes der)
{
    *l = (struct x509_crl){.revoked = bytes_of("", 0)};
    struct rd r = rd_of(der);
    struct der_item all = der_expect(&r, DER_SEQUENCE);
    struct rd in = rd_of(all.body);
    struct der_item body = der_expect(&in, DER_SEQUENCE);
    struct rd algorithm = rd_of(der_expect(&in, DER_SEQUENCE).body);
    l->whole = all.whole;
    l->body = body.whole;
    l->signature_oid = der_expect(&algorithm, DER_OID).body;
    l->signature = bits_of(&in);
    struct rd fields = rd_of(body.body);
    if (!in.bad)
        read_crl_body(l, &fields);
    return !r.bad && !in.bad && !algorithm.bad && !fields.bad && rd_left(&r) == 0;
}

bool x509_crl_next(struct rd *r, struct x509_revoked *entry)
{
    if (rd_left(r) == 0)
        return false;
    struct rd in = rd_of(der_expect(r, DER_SEQUENCE).body);
    entry->serial = der_expect(&in, DER_INTEGER).body;
    entry->when = read_time(&in);
    r->bad = r->bad || in.bad;
    return !r->bad;
}
