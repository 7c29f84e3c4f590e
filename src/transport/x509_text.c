/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What stands in a certificate, as text. Others wrote it: nothing of it reaches a terminal unseen. */
#include "sotto/transport/x509.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <strings.h>

#include "der_private.h"
#include "sotto/codec/topic.h"

/* Behind 2.5.4. */
static const struct {
    uint8_t last;
    const char *name;
} parts[] = {{3, "CN"}, {6, "C"}, {7, "L"}, {8, "ST"}, {10, "O"}, {11, "OU"}};

struct text {
    char *p;
    size_t n, cap;
};

static struct text text_of(char *p, size_t cap)
{
    if (cap > 0)
        p[0] = '\0';
    return (struct text){p, 0, cap};
}

/* Whole or not at all. */
static void put(struct text *t, const char *s, size_t n)
{
    if (t->n + n + 1 > t->cap)
        return;
    memcpy(t->p + t->n, s, n);
    t->n += n;
    t->p[t->n] = '\0';
}

static void put_safe(struct text *t, struct bytes b)
{
    bool utf8 = utf8_valid(b);
    for (size_t i = 0; i < b.n; i++) {
        char escaped[8];
        uint8_t c = b.p[i];
        /* The second half of a two-byte control character (U+0080 to U+009F) stands behind 0xc2. */
        bool c1 = c == 0xc2 || (i > 0 && b.p[i - 1] == 0xc2);
        bool plain = c >= 0x80 ? utf8 && !c1 : c >= 0x20 && c != 0x7f && c != '\\';
        if (plain)
            put(t, (const char *)&c, 1);
        else
            put(t, escaped, (size_t)snprintf(escaped, sizeof(escaped), "\\x%02x", c));
    }
}

static const char *part_name(struct bytes oid)
{
    if (oid.n != 3 || oid.p[0] != 0x55 || oid.p[1] != 0x04)
        return oid.n == 9 ? "emailAddress" : "other";
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (parts[i].last == oid.p[2])
            return parts[i].name;
    }
    return "other";
}

/* The next part of a Name; the cursor is over the inside of the Name. */
static bool next_part(struct rd *r, const char **name, struct bytes *value)
{
    if (rd_left(r) == 0)
        return false;
    struct rd set = rd_of(der_expect(r, DER_SET).body);
    struct rd in = rd_of(der_expect(&set, DER_SEQUENCE).body);
    struct der_item item;
    *name = part_name(der_expect(&in, DER_OID).body);
    der_next(&in, &item);
    *value = item.body;
    r->bad = r->bad || set.bad || in.bad;
    return !r->bad;
}

static struct rd inside(struct bytes name)
{
    struct rd outer = rd_of(name);
    return rd_of(der_expect(&outer, DER_SEQUENCE).body);
}

void x509_name_text(struct bytes name, char *out, size_t cap)
{
    struct text t = text_of(out, cap);
    struct rd r = inside(name);
    const char *part;
    struct bytes value;
    while (next_part(&r, &part, &value)) {
        if (t.n > 0)
            put(&t, ", ", 2);
        put(&t, part, strlen(part));
        put(&t, "=", 1);
        put_safe(&t, value);
    }
    if (t.n == 0)
        put(&t, "(no name)", 9);
}

struct bytes x509_common_name(struct bytes name)
{
    struct rd r = inside(name);
    const char *part;
    struct bytes value, found = {NULL, 0};
    while (next_part(&r, &part, &value)) {
        if (strcmp(part, "CN") == 0)
            found = value;
    }
    return found;
}

void x509_short_name(struct bytes name, char *out, size_t cap)
{
    struct text t = text_of(out, cap);
    struct bytes common = x509_common_name(name);
    if (common.n > 0)
        put_safe(&t, common);
    else
        x509_name_text(name, out, cap);
}

static void put_address(struct text *t, struct bytes raw)
{
    char address[INET6_ADDRSTRLEN];
    if ((raw.n != 4 && raw.n != 16) ||
        inet_ntop(raw.n == 4 ? AF_INET : AF_INET6, raw.p, address, sizeof(address)) == NULL)
        put_safe(t, raw);
    else
        put(t, address, strlen(address));
}

bool x509_name_next(struct rd *r, struct x509_name *n)
{
    struct der_item item;
    if (rd_left(r) == 0 || !der_next(r, &item))
        return false;
    struct text t = text_of(n->text, sizeof(n->text));
    unsigned number = item.tag & 0x1f;
    n->raw = item.body;
    n->kind = number == 1   ? X509_NAME_EMAIL
              : number == 2 ? X509_NAME_DNS
              : number == 6 ? X509_NAME_URI
              : number == 7 ? X509_NAME_IP
                            : X509_NAME_OTHER;
    if (n->kind == X509_NAME_IP)
        put_address(&t, item.body);
    else if (n->kind == X509_NAME_OTHER)
        put(&t, "(another kind)", 14);
    else
        put_safe(&t, item.body);
    return true;
}

static void put_oid(struct text *t, struct bytes oid)
{
    unsigned long v = 0;
    for (size_t i = 0; i < oid.n; i++) {
        char number[48];
        v = v << 7 | (oid.p[i] & 0x7f);
        if ((oid.p[i] & 0x80) != 0)
            continue;
        unsigned long first = v < 80 ? v / 40 : 2;
        size_t n = t->n > 0 ? (size_t)snprintf(number, sizeof(number), ".%lu", v)
                            : (size_t)snprintf(number, sizeof(number), "%lu.%lu", first, v - first * 40);
        put(t, number, n);
        v = 0;
    }
}

const char *x509_signature_name(struct bytes oid, char *out, size_t cap)
{
    static const char *const rsa[] = {"SHA-1 with RSA", [6] = "SHA-256 with RSA", [7] = "SHA-384 with RSA",
                                      [8] = "SHA-512 with RSA", [5] = "RSA-PSS"};
    static const char *const ec[] = {NULL, NULL, "ECDSA with SHA-256", "ECDSA with SHA-384", "ECDSA with SHA-512"};
    const struct bytes rsa_oids = DER_OID_OF(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01);
    const struct bytes ec_oids = DER_OID_OF(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03);
    uint8_t last = oid.n > 0 ? oid.p[oid.n - 1] : 0;
    if (oid.n == 9 && memcmp(oid.p, rsa_oids.p, 8) == 0 && last >= 5 && last <= 13 && rsa[last - 5] != NULL)
        return rsa[last - 5];
    if (oid.n == 8 && memcmp(oid.p, ec_oids.p, 7) == 0 && last >= 2 && last <= 4)
        return ec[last];
    struct text t = text_of(out, cap);
    put_oid(&t, oid);
    return out;
}

void x509_hex(struct bytes b, char separator, char *out, size_t cap)
{
    struct text t = text_of(out, cap);
    for (size_t i = 0; i < b.n; i++) {
        char two[4];
        if (i > 0 && separator != '\0')
            put(&t, &separator, 1);
        put(&t, two, (size_t)snprintf(two, sizeof(two), "%02X", b.p[i]));
    }
}

/* ---- for whom ---- */

/* *.example.org is for one more label. */
static bool name_matches(struct bytes pattern, const char *host)
{
    const char *p = (const char *)pattern.p;
    if (pattern.n == strlen(host) && strncasecmp(p, host, pattern.n) == 0)
        return true;
    const char *dot = strchr(host, '.');
    return pattern.n > 2 && p[0] == '*' && p[1] == '.' && dot != NULL && dot != host && strlen(dot) == pattern.n - 1 &&
           strncasecmp(p + 1, dot, pattern.n - 1) == 0;
}

static struct bytes address_of(const char *host, uint8_t address[16])
{
    if (inet_pton(AF_INET, host, address) == 1)
        return bytes_of(address, 4);
    return bytes_of(address, inet_pton(AF_INET6, host, address) == 1 ? 16 : 0);
}

enum x509_match x509_is_for(const struct x509 *c, const char *host)
{
    uint8_t room[16];
    struct bytes address = address_of(host, room);
    struct rd r = rd_of(c->names);
    struct x509_name n;
    while (x509_name_next(&r, &n)) {
        if (n.kind == X509_NAME_IP && address.n > 0 && bytes_equal(n.raw, address))
            return X509_MATCH;
        if (n.kind == X509_NAME_DNS && address.n == 0 && name_matches(n.raw, host))
            return X509_MATCH;
    }
    bool by_common_name = c->names.n == 0 && name_matches(x509_common_name(c->subject), host);
    return by_common_name ? X509_MATCH_COMMON_NAME_ONLY : X509_NO_MATCH;
}

bool x509_has_dns_name(const struct x509 *c, const char *text)
{
    struct rd r = rd_of(c->names);
    struct x509_name n;
    while (x509_name_next(&r, &n)) {
        if (n.kind == X509_NAME_DNS && name_matches(n.raw, text))
            return true;
    }
    return false;
}
