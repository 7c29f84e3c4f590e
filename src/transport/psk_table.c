/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The keys of users that exist and those of users that don't come out of the same steps: a decoy is computed for every
 * question, and which of the two is handed out is decided by a mask. What is left to be measured is one more comparison
 * of a name, some nanoseconds beside a handshake's many thousands.
 */
#include "psk_table_private.h"

#include <stdio.h>
#include <sys/stat.h>

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/hmac.h>

#include "sotto/base/hash.h"
#include "sotto/base/hmap.h"
#include "sotto/base/log.h"
#include "sotto/base/mem.h"
#include "sotto/base/random.h"
#include "tls_files_private.h"

#define SECRET_SIZE 32

struct psk {
    unsigned line;
    uint8_t name_n, key_n;
    uint8_t name[USER_NAME_MAX];
    uint8_t key[PSK_KEY_MAX];
};

struct psk_table {
    struct hash_key hash_key;
    uint8_t secret[SECRET_SIZE]; /* of decoys */
    struct hmap by_name;         /* into v */
    struct psk *v;
    size_t n, cap;
    unsigned short_key, zero_key;
};

struct reading {
    struct psk_table *t;
    unsigned line;
    char *err;
    size_t err_cap;
};

static struct bytes name_of(const struct psk *p)
{
    return bytes_of(p->name, p->name_n);
}

static bool has_name(const void *entry, struct bytes name)
{
    return bytes_equal(name_of(entry), name);
}

static const struct psk *find(const struct psk_table *t, struct bytes name)
{
    return hmap_get(&t->by_name, hash_bytes(&t->hash_key, name), name, has_name);
}

/* ---- reading ---- */

static bool fault(struct reading *r, const char *what)
{
    snprintf(r->err, r->err_cap, "line %u: %s", r->line, what);
    return false;
}

static int digit(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool read_key(struct reading *r, struct psk *p, struct bytes hex)
{
    if (hex.n == 0)
        return fault(r, "there is no key behind the colon; `openssl rand -hex 32` makes one");
    if (hex.n > (size_t)2 * PSK_KEY_MAX)
        return fault(r, "the key has more than 64 bytes (128 digits); take a shorter one");
    for (size_t i = 0; i < hex.n; i++) {
        if (digit(hex.p[i]) < 0)
            return fault(r, "the key must be hexadecimal digits and nothing else; `openssl rand -hex 32` makes one");
    }
    if (hex.n % 2 != 0)
        return fault(r, "the key has an odd number of hexadecimal digits; two make a byte");
    p->key_n = (uint8_t)(hex.n / 2);
    for (size_t i = 0; i < p->key_n; i++)
        p->key[i] = (uint8_t)(digit(hex.p[2 * i]) << 4 | digit(hex.p[2 * i + 1]));
    return true;
}

static bool read_name(struct reading *r, struct psk *p, struct bytes name)
{
    const char *why = user_name_fault(name);
    if (why != NULL) {
        snprintf(r->err, r->err_cap, "line %u: the identity can't be a user: %s", r->line, why);
        return false;
    }
    p->name_n = (uint8_t)name.n;
    memcpy(p->name, name.p, name.n);
    return true;
}

static struct psk *room(struct psk_table *t)
{
    if (t->n == t->cap) {
        /* Not realloc: the keys must not stay behind in memory that was given back. */
        size_t cap = t->cap > 0 ? t->cap * 2 : 16;
        struct psk *v = mem_alloc(cap * sizeof(*v));
        if (t->n > 0)
            memcpy(v, t->v, t->n * sizeof(*v));
        bytes_wipe(t->v, t->n * sizeof(*v));
        mem_free(t->v);
        t->v = v;
        t->cap = cap;
    }
    return &t->v[t->n];
}

static bool read_line(struct reading *r, struct bytes line)
{
    struct psk_table *t = r->t;
    struct psk *p = room(t);
    size_t colon = line.n;
    while (colon > 0 && line.p[colon - 1] != ':')
        colon--;
    if (colon == 0)
        return fault(r, "there is no colon; write IDENTITY:HEXKEY");
    *p = (struct psk){.line = r->line};
    if (!read_name(r, p, bytes_of(line.p, colon - 1)) || !read_key(r, p, bytes_of(line.p + colon, line.n - colon)))
        return false;
    if (p->key_n < PSK_KEY_GOOD && t->short_key == 0)
        t->short_key = r->line;
    if (p->key[0] == 0 && t->zero_key == 0)
        t->zero_key = r->line;
    t->n++;
    return true;
}

static bool read_lines(struct reading *r, struct bytes text)
{
    for (size_t at = 0; at < text.n;) {
        const uint8_t *end = memchr(text.p + at, '\n', text.n - at);
        size_t n = end != NULL ? (size_t)(end - (text.p + at)) : text.n - at;
        struct bytes line = bytes_of(text.p + at, n > 0 && text.p[at + n - 1] == '\r' ? n - 1 : n);
        r->line++;
        if (line.n > 0 && line.p[0] != '#' && !read_line(r, line))
            return false;
        at += n + 1;
    }
    return true;
}

/* All lines are there, so entries stay where they are. */
static bool index_names(struct reading *r)
{
    struct psk_table *t = r->t;
    for (size_t i = 0; i < t->n; i++) {
        struct bytes name = name_of(&t->v[i]);
        const struct psk *before = find(t, name);
        r->line = t->v[i].line;
        if (before != NULL) {
            snprintf(r->err, r->err_cap, "line %u: this identity has a key already, on line %u; keep one of them",
                     r->line, before->line);
            return false;
        }
        if (!hmap_add(&t->by_name, hash_bytes(&t->hash_key, name), &t->v[i]))
            return fault(r, "there is no memory for so many keys");
    }
    if (t->n == 0)
        snprintf(r->err, r->err_cap, "there is no key in it; write lines IDENTITY:HEXKEY");
    return t->n > 0;
}

struct psk_table *psk_table_parse(struct bytes text, char *err, size_t err_cap)
{
    struct psk_table *t = mem_alloc(sizeof(*t));
    struct reading r = {.t = t, .err = err, .err_cap = err_cap};
    hash_key_draw(&t->hash_key);
    random_bytes(t->secret, sizeof(t->secret));
    hmap_init(&t->by_name);
    if (text.n > PSK_FILE_MAX)
        snprintf(err, err_cap, "larger than 16 MiB: it is no file of shared keys");
    else if (read_lines(&r, text) && index_names(&r))
        return t;
    psk_table_free(t);
    return NULL;
}

static void warn(const char *path, unsigned line, const char *reason, const char *hint)
{
    if (line > 0)
        log_event(LOG_WARN, "tls.psk", LF_STR("file", path), LF_INT("line", line), LF_STR("reason", reason),
                  LF_STR("hint", hint));
    else
        log_event(LOG_WARN, "tls.psk", LF_STR("file", path), LF_STR("reason", reason), LF_STR("hint", hint));
}

struct psk_table *psk_table_load(const char *path, char *err, size_t err_cap)
{
    static const struct secret_file_kind kind = {
        .max = PSK_FILE_MAX,
        .missing = "check the path, or write lines IDENTITY:HEXKEY into it (`openssl rand -hex 32` makes a key)",
        .large = "larger than 16 MiB: it is no file of shared keys"};
    struct pem_file f;
    char why[256];
    if (!secret_file_read(&f, &kind, path, err, err_cap))
        return NULL;
    struct psk_table *t = psk_table_parse(bytes_of(f.p, f.n), why, sizeof(why));
    if (t == NULL)
        snprintf(err, err_cap, "%s: %s", path, why);
    else if ((f.mode & S_IROTH) != 0)
        warn(path, 0, "everybody on this machine may read the keys", "chmod 0600 it");
    if (t != NULL && t->short_key != 0)
        warn(path, t->short_key, "a key shorter than 16 bytes can be guessed by whoever records a handshake",
             "make a new one with `openssl rand -hex 32`");
    if (t != NULL && t->zero_key != 0)
        warn(path, t->zero_key, "the key begins with 00, which mosquitto's clients leave out: they can't connect",
             "make a new one with `openssl rand -hex 32`");
    pem_file_free(&f);
    return t;
}

void psk_table_free(struct psk_table *t)
{
    if (t == NULL)
        return;
    bytes_wipe(t->v, t->cap * sizeof(*t->v));
    mem_free(t->v);
    hmap_fini(&t->by_name);
    bytes_wipe(t, sizeof(*t));
    mem_free(t);
}

/* ---- asking ---- */

size_t psk_table_count(const struct psk_table *t)
{
    return t->n;
}

struct bytes psk_table_name(const struct psk_table *t, size_t i)
{
    return name_of(&t->v[i]);
}

unsigned psk_table_short_key(const struct psk_table *t)
{
    return t->short_key;
}

unsigned psk_table_zero_key(const struct psk_table *t)
{
    return t->zero_key;
}

/* Two blocks of HMAC-SHA256 over the name. False where wolfCrypt can't. */
static bool decoy(const struct psk_table *t, struct bytes name, uint8_t out[PSK_KEY_MAX])
{
    _Static_assert(PSK_KEY_MAX == 2 * WC_SHA256_DIGEST_SIZE, "a decoy is two digests");
    Hmac h;
    bool ok = wc_HmacInit(&h, NULL, INVALID_DEVID) == 0;
    for (uint8_t i = 0; ok && i < 2; i++) {
        ok = wc_HmacSetKey(&h, WC_SHA256, t->secret, SECRET_SIZE) == 0 && wc_HmacUpdate(&h, &i, 1) == 0 &&
             wc_HmacUpdate(&h, name.p, (word32)name.n) == 0 && wc_HmacFinal(&h, out + i * WC_SHA256_DIGEST_SIZE) == 0;
    }
    wc_HmacFree(&h);
    return ok;
}

size_t psk_table_find(const struct psk_table *t, struct bytes identity, uint8_t key[PSK_KEY_MAX], bool *known)
{
    uint8_t none[PSK_KEY_MAX];
    *known = false;
    if (!decoy(t, identity, none))
        return 0;
    uint64_t choice = hash_bytes(&t->hash_key, identity);
    const struct psk *own = find(t, identity), *like = &t->v[choice % t->n];
    const struct psk *from = own != NULL ? own : like;
    uint8_t mask = (uint8_t) - (int)(own != NULL);
    for (size_t i = 0; i < PSK_KEY_MAX; i++)
        key[i] = (uint8_t)((from->key[i] & mask) | (none[i] & ~mask));
    *known = own != NULL;
    bytes_wipe(none, sizeof(none));
    return from->key_n;
}
