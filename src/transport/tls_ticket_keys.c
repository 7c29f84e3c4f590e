/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The ring of ticket keys and its file. Each line of the file is a key, the newest first:
 *
 *   <id, 16 hex digits> <key, 64 hex digits> <made, decimal seconds>
 *
 * Whoever reads this file can read what was recorded of resumed TLS 1.2 connections while its keys were in use: so keys
 * are dropped as soon as they open nothing any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sotto/base/mem.h"
#include "sotto/base/random.h"
#include "sotto/base/rwlock.h"
#include "tls_sessions_private.h"
#include "tls_tickets_private.h"

/* About 300 bytes each. */
#define SESSIONS_MOST 8192
#define LINE_MAX_BYTES 128
#define PATH_MAX_BYTES 4096

struct tls_tickets {
    struct rwlock lock;
    uint32_t lifetime;
    unsigned n;
    struct ticket_key keys[TICKET_KEYS_MAX]; /* the newest first */
    char *path;                              /* NULL: in memory only */
    struct tls_sessions *sessions;
};

/* A key seals for one lifetime, and opens for another one. A clock that went back makes nothing old. */
static bool is_over(const struct tls_tickets *t, const struct ticket_key *k, uint64_t now)
{
    return now > k->made && now - k->made >= 2 * (uint64_t)t->lifetime;
}

static bool seals(const struct tls_tickets *t, const struct ticket_key *k, uint64_t now)
{
    return now < k->made || now - k->made < t->lifetime;
}

/* ---- The file ---- */

static bool unhex(const char *text, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned v;
        if (sscanf(text + 2 * i, "%2x", &v) != 1)
            return false;
        out[i] = (uint8_t)v;
    }
    return true;
}

static bool read_key(const char *line, struct ticket_key *k)
{
    char id[2 * sizeof(k->id) + 1], key[2 * sizeof(k->key) + 1];
    if (sscanf(line, "%16[0-9a-f] %64[0-9a-f] %" SCNu64, id, key, &k->made) != 3)
        return false;
    return strlen(id) == 2 * sizeof(k->id) && strlen(key) == 2 * sizeof(k->key) && unhex(id, k->id, sizeof(k->id)) &&
           unhex(key, k->key, sizeof(k->key));
}

static bool complain(const struct tls_tickets *t, const char *what, char *err, size_t err_cap)
{
    snprintf(err, err_cap, "%s %s: %s; ticket keys live in memory only, and a restart means full handshakes", t->path,
             what, strerror(errno));
    return false;
}

/* A line that is no key ends the reading: what follows is not ours. */
static bool read_file(struct tls_tickets *t, uint64_t now, char *err, size_t err_cap)
{
    char line[LINE_MAX_BYTES];
    int fd = open(t->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT || complain(t, "can't be read", err, err_cap);
    struct stat st;
    if (fstat(fd, &st) != 0 || (st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        close(fd);
        return true; /* others could have read it: it is written anew */
    }
    FILE *f = fdopen(fd, "r");
    if (f == NULL) {
        close(fd);
        return complain(t, "can't be read", err, err_cap);
    }
    while (t->n < TICKET_KEYS_MAX && fgets(line, sizeof(line), f) != NULL && read_key(line, &t->keys[t->n]))
        t->n += !is_over(t, &t->keys[t->n], now);
    fclose(f);
    memset(line, 0, sizeof(line));
    return true;
}

static void write_hex(FILE *f, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        fprintf(f, "%02x", p[i]);
}

static bool write_keys(const struct tls_tickets *t, int fd)
{
    FILE *f = fdopen(fd, "w");
    if (f == NULL) {
        close(fd);
        return false;
    }
    for (unsigned i = 0; i < t->n; i++) {
        write_hex(f, t->keys[i].id, sizeof(t->keys[i].id));
        fputc(' ', f);
        write_hex(f, t->keys[i].key, sizeof(t->keys[i].key));
        fprintf(f, " %" PRIu64 "\n", t->keys[i].made);
    }
    bool ok = fflush(f) == 0 && fsync(fd) == 0;
    return fclose(f) == 0 && ok;
}

/* Beside it first, so that there is always a whole file. */
static bool write_file(const struct tls_tickets *t, char *err, size_t err_cap)
{
    char beside[PATH_MAX_BYTES];
    if (snprintf(beside, sizeof(beside), "%s.new", t->path) >= (int)sizeof(beside)) {
        errno = ENAMETOOLONG;
        return complain(t, "can't be written", err, err_cap);
    }
    (void)unlink(beside);
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || !write_keys(t, fd) || rename(beside, t->path) != 0)
        return complain(t, "can't be written", err, err_cap);
    return true;
}

/* ---- The ring ---- */

static void make_key(struct tls_tickets *t, uint64_t now)
{
    struct ticket_key k = {.made = now};
    random_bytes(k.id, sizeof(k.id));
    random_bytes(k.key, sizeof(k.key));
    rwlock_write(&t->lock);
    while (t->n > 0 && (t->n == TICKET_KEYS_MAX || is_over(t, &t->keys[t->n - 1], now)))
        explicit_bzero(&t->keys[--t->n], sizeof(t->keys[0]));
    memmove(t->keys + 1, t->keys, t->n * sizeof(t->keys[0]));
    t->keys[0] = k;
    t->n++;
    rwlock_unlock(&t->lock);
    explicit_bzero(&k, sizeof(k));
}

struct tls_tickets *tls_tickets_new(uint32_t lifetime)
{
    struct tls_tickets *t = mem_alloc(sizeof(*t));
    rwlock_init(&t->lock);
    t->lifetime = lifetime;
    t->sessions = tls_sessions_new(SESSIONS_MOST);
    return t;
}

bool tls_tickets_open(struct tls_tickets *t, const char *path, uint64_t now, char *err, size_t err_cap)
{
    if (path != NULL)
        t->path = mem_strndup(path, strlen(path));
    bool ok = path == NULL || read_file(t, now, err, err_cap);
    ok = tls_tickets_rotate(t, now, err, err_cap) && ok;
    if (ok)
        return true;
    mem_free(t->path);
    t->path = NULL;
    return false;
}

void tls_tickets_free(struct tls_tickets *t)
{
    if (t == NULL)
        return;
    rwlock_fini(&t->lock);
    tls_sessions_free(t->sessions);
    explicit_bzero(t->keys, sizeof(t->keys));
    mem_free(t->path);
    mem_free(t);
}

bool tls_tickets_rotate(struct tls_tickets *t, uint64_t now, char *err, size_t err_cap)
{
    if (t->n > 0 && seals(t, &t->keys[0], now))
        return true;
    make_key(t, now);
    return t->path == NULL || write_file(t, err, err_cap);
}

void ticket_key_newest(struct tls_tickets *t, struct ticket_key *out)
{
    rwlock_read(&t->lock);
    *out = t->keys[0];
    rwlock_unlock(&t->lock);
}

bool ticket_key_find(struct tls_tickets *t, const uint8_t *id, struct ticket_key *out, bool *newest)
{
    bool found = false;
    rwlock_read(&t->lock);
    for (unsigned i = 0; i < t->n && !found; i++) {
        found = memcmp(t->keys[i].id, id, TICKET_KEY_ID) == 0;
        if (found) {
            *out = t->keys[i];
            *newest = i == 0;
        }
    }
    rwlock_unlock(&t->lock);
    return found;
}

struct tls_sessions *ticket_sessions(struct tls_tickets *t)
{
    return t->sessions;
}
