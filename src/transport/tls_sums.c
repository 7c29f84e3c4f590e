/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sotto/transport/tls_sums.h"

#include <stdio.h>
#include <string.h>

#include "sotto/base/mem.h"
#include "sotto/transport/x509.h"
#include "tls_files_private.h"

_Static_assert(TLS_SUM == X509_SHA256, "a sum is a SHA-256");

static const struct secret_file_kind any = {
    .max = (size_t)16 << 20, .missing = "it was there before", .large = "larger than 16 MiB"};

static const struct tls_sum *find(const struct tls_sums *s, const char *path)
{
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->v[i].path, path) == 0)
            return &s->v[i];
    }
    return NULL;
}

static void add(struct tls_sums *s, const char *path)
{
    char err[1024];
    struct pem_file f;
    if (path == NULL || find(s, path) != NULL)
        return;
    s->v = mem_realloc(s->v, (s->n + 1) * sizeof(*s->v));
    struct tls_sum *sum = &s->v[s->n++];
    *sum = (struct tls_sum){.path = mem_strndup(path, strlen(path))};
    sum->readable = secret_file_read(&f, &any, path, err, sizeof(err));
    /* Where wolfCrypt can't, nothing is ever new: what is there stays. */
    (void)x509_sha256(sum->readable ? bytes_of(f.p, f.n) : bytes_str(err), sum->sum);
    pem_file_free(&f);
}

void tls_sums_take(struct tls_sums *out, const struct tls_settings *s)
{
    *out = (struct tls_sums){.v = NULL};
    for (size_t i = 0; i < s->pairs_n; i++) {
        add(out, s->pairs[i].cert);
        add(out, s->pairs[i].key);
        add(out, s->pairs[i].chain);
        add(out, s->pairs[i].key_passphrase_file);
    }
    add(out, s->client_cert != TLS_CLIENT_CERT_NONE ? s->client_ca : NULL);
    add(out, s->client_cert != TLS_CLIENT_CERT_NONE ? s->crl : NULL);
    add(out, s->psk_file);
}

static bool same(const struct tls_sum *a, const struct tls_sum *b)
{
    return b != NULL && memcmp(a->sum, b->sum, TLS_SUM) == 0;
}

bool tls_sums_equal(const struct tls_sums *a, const struct tls_sums *b)
{
    bool equal = a->n == b->n;
    for (size_t i = 0; i < a->n && equal; i++)
        equal = same(&a->v[i], find(b, a->v[i].path));
    return equal;
}

bool tls_sums_readable(const struct tls_sums *s)
{
    bool all = true;
    for (size_t i = 0; i < s->n; i++)
        all = all && s->v[i].readable;
    return all;
}

void tls_sums_changed(const struct tls_sums *s, const struct tls_sums *old, char *out, size_t cap)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < s->n && used < cap; i++) {
        const char *slash = strrchr(s->v[i].path, '/');
        if (same(&s->v[i], find(old, s->v[i].path)))
            continue;
        used += (size_t)snprintf(out + used, cap - used, "%s%s", used > 0 ? ", " : "",
                                 slash != NULL ? slash + 1 : s->v[i].path);
    }
}

void tls_sums_fini(struct tls_sums *s)
{
    for (size_t i = 0; i < s->n; i++)
        mem_free(s->v[i].path);
    mem_free(s->v);
    *s = (struct tls_sums){.v = NULL};
}
