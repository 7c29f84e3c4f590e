/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * issued.txt: which client certificates there are, so that a name can be revoked when its files are long gone or were
 * made anew. A line a certificate:
 *
 *   SERIAL END REVOKED NAME          5F0A..  2036-01-05T10:00:00Z  -  alice
 *
 * The revocation list is the other witness: what stands there stays revoked even if this file was lost.
 */
#include "certificate_private.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

#include <wolfssl/wolfcrypt/asn.h>

#include "sotto/base/mem.h"
#include "tls_files_private.h"

#define ENTRIES_MAX 10000
#define LINE_MAX_BYTES 256
#define TIME_TEXT 24
#define NO_NAME "?"

static const char head[] =
    "# Client certificates, and which are revoked. Kept by `sotto cert client` and `sotto cert revoke`.\n"
    "# serial, end, revoked, name\n";

struct cert_entry *cert_index_find(struct cert_index *x, struct bytes serial)
{
    for (size_t i = 0; i < x->n; i++) {
        if (bytes_equal(bytes_of(x->v[i].serial, x->v[i].serial_n), serial))
            return &x->v[i];
    }
    return NULL;
}

struct cert_entry *cert_index_add(struct cert_index *x, struct bytes serial, const char *name)
{
    if (serial.n == 0 || serial.n > CERT_SERIAL_MAX || x->n == ENTRIES_MAX)
        return NULL;
    if (x->n == x->cap) {
        x->cap = x->cap > 0 ? x->cap * 2 : 16;
        x->v = mem_realloc(x->v, x->cap * sizeof(*x->v));
    }
    struct cert_entry *e = &x->v[x->n++];
    *e = (struct cert_entry){.serial_n = (uint8_t)serial.n};
    memcpy(e->serial, serial.p, serial.n);
    snprintf(e->name, sizeof(e->name), "%s", name);
    return e;
}

void cert_index_fini(struct cert_index *x)
{
    mem_free(x->v);
    *x = (struct cert_index){0};
}

/* ---- the file ---- */

static int hex_digit(char c)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

static bool read_serial(const char *text, uint8_t out[CERT_SERIAL_MAX], size_t *n)
{
    size_t digits = strlen(text);
    *n = digits / 2;
    if (digits == 0 || digits % 2 != 0 || *n > CERT_SERIAL_MAX)
        return false;
    for (size_t i = 0; i < *n; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool read_moment(const char *text, time_t *out)
{
    struct tm tm = {0};
    *out = 0;
    if (strcmp(text, "-") == 0)
        return true;
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    *out = timegm(&tm);
    return end != NULL && *end == '\0' && *out > 0;
}

static void write_moment(time_t t, char out[TIME_TEXT])
{
    struct tm tm;
    gmtime_r(&t, &tm);
    if (t == 0 || strftime(out, TIME_TEXT, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        snprintf(out, TIME_TEXT, "-");
}

static bool read_line(struct cert_index *x, char *line)
{
    char *rest = line;
    const char *serial = strsep(&rest, " "), *until = strsep(&rest, " "), *revoked = strsep(&rest, " ");
    uint8_t bytes[CERT_SERIAL_MAX];
    size_t n;
    time_t end, when;
    if (rest == NULL || rest[0] == '\0' || strlen(rest) > CERT_USER_MAX || !read_serial(serial, bytes, &n) ||
        !read_moment(until, &end) || !read_moment(revoked, &when))
        return false;
    struct cert_entry *e = cert_index_add(x, bytes_of(bytes, n), rest);
    if (e == NULL)
        return false;
    e->until = end;
    e->revoked = when;
    return true;
}

bool cert_index_parse(struct cert_index *x, struct bytes text, char *err, size_t err_cap)
{
    const char *p = (const char *)text.p, *end = p + text.n;
    for (unsigned number = 1; p < end; number++) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        size_t n = (size_t)((stop != NULL ? stop : end) - p);
        char line[LINE_MAX_BYTES];
        bool skip = n == 0 || *p == '#';
        bool fits = n < sizeof(line) && memchr(p, '\0', n) == NULL;
        snprintf(line, sizeof(line), "%.*s", fits ? (int)n : 0, p);
        if (!skip && (!fits || !read_line(x, line))) {
            snprintf(err, err_cap,
                     "line %u is not one that `sotto cert` wrote: put an older copy back, or take the line out",
                     number);
            return false;
        }
        p += n + (stop != NULL);
    }
    return true;
}

char *cert_index_text(const struct cert_index *x)
{
    size_t cap = sizeof(head) + x->n * LINE_MAX_BYTES, n = sizeof(head) - 1;
    char *text = mem_alloc(cap);
    memcpy(text, head, sizeof(head));
    for (size_t i = 0; i < x->n; i++) {
        const struct cert_entry *e = &x->v[i];
        char serial[2 * CERT_SERIAL_MAX + 1], until[TIME_TEXT], revoked[TIME_TEXT];
        x509_hex(bytes_of(e->serial, e->serial_n), '\0', serial, sizeof(serial));
        write_moment(e->until, until);
        write_moment(e->revoked, revoked);
        n += (size_t)snprintf(text + n, cap - n, "%s %s %s %s\n", serial, until, revoked, e->name);
    }
    return text;
}

/* ---- both witnesses ---- */

static bool read_number(struct bytes b, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < b.n; i++)
        *out = *out << 8 | b.p[i];
    return b.n <= 8 && *out < UINT64_MAX >> 1;
}

static bool merge(struct cert_index *x, const struct x509_crl *l)
{
    struct rd r = rd_of(l->revoked);
    struct x509_revoked entry;
    while (x509_crl_next(&r, &entry)) {
        struct cert_entry *e = cert_index_find(x, entry.serial);
        if (e == NULL)
            e = cert_index_add(x, entry.serial, NO_NAME);
        if (e == NULL)
            return false;
        if (e->revoked == 0)
            e->revoked = entry.when;
    }
    return !r.bad && read_number(l->number, &x->crl_number);
}

static bool load_crl(struct cert_index *x, const char *path, const struct cert_authority *a, char *err, size_t err_cap)
{
    struct pem_file f;
    DerBuffer *der = NULL;
    struct x509_crl l;
    if (!pem_file_read(&f, path, err, err_cap))
        return false;
    struct bytes pem = pem_block(&f, "CRL");
    bool ok = pem.n > 0 && wc_PemToDer(pem.p, (long)pem.n, CRL_TYPE, &der, NULL, NULL, NULL) == 0 &&
              x509_crl_read(&l, bytes_of(der->buffer, der->length));
    bool ours = ok && bytes_equal(l.issuer, a->pool.v[0].subject);
    if (!ok || (ours && !merge(x, &l))) {
        snprintf(
            err, err_cap,
            "%s is no revocation list that can be continued, nothing was changed: put an older copy back, or move it "
            "away (what " CERT_INDEX " calls revoked stays so)",
            path);
        ok = false;
    }
    wc_FreeDer(&der);
    pem_file_free(&f);
    return ok;
}

bool cert_index_load(struct cert_index *x, const char *dir, const struct cert_authority *a, char *err, size_t err_cap)
{
    char path[PATH_MAX], why[512];
    struct pem_file f = {0};
    snprintf(path, sizeof(path), "%s/" CERT_INDEX, dir);
    if (cert_file_exists(dir, CERT_INDEX)) {
        if (!pem_file_read(&f, path, err, err_cap))
            return false;
        bool ok = cert_index_parse(x, bytes_of(f.p, f.n), why, sizeof(why));
        pem_file_free(&f);
        if (!ok) {
            snprintf(err, err_cap, "%s: %s", path, why);
            return false;
        }
    }
    snprintf(path, sizeof(path), "%s/" CERT_CRL, dir);
    return !cert_file_exists(dir, CERT_CRL) || load_crl(x, path, a, err, err_cap);
}
