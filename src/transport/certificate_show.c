/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Goes over the files of `sotto cert show`, block by block, and over what stands around them. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/asn.h>

#include "certificate_show_private.h"
#include "sotto/base/mem.h"
#include "tls_files_private.h"

static void split(struct surroundings *s, const char *path)
{
    const char *slash = strrchr(path, '/');
    int n = slash == NULL ? 0 : slash == path ? 1 : (int)(slash - path);
    snprintf(s->dir, sizeof(s->dir), "%.*s", slash != NULL ? n : 1, slash != NULL ? path : ".");
    snprintf(s->file, sizeof(s->file), "%s", slash != NULL ? slash + 1 : path);
}

static void load_beside(struct surroundings *s)
{
    static const char *const usual[] = {"ca.crt", "ca.pem", "chain.pem"};
    char path[PATH_MAX], why[1024];
    for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
        if (snprintf(path, sizeof(path), "%s/%s", s->dir, usual[i]) < PATH_MAX)
            x509_pool_add_file(&s->beside, path, why, sizeof(why));
    }
}

static void surroundings_fini(struct surroundings *s)
{
    x509_pool_fini(&s->beside);
    x509_pool_fini(&s->system);
}

/* ---- one file ---- */

static bool show_crl(struct surroundings *s, struct bytes der)
{
    struct x509_crl l;
    if (!x509_crl_read(&l, der))
        return false;
    cert_describe_crl(s, &l);
    return true;
}

static void show_key(struct surroundings *s, const char *path, bool closed)
{
    struct cert_key key = {0};
    uint8_t public[2048];
    size_t n = sizeof(public);
    char why[2048];
    struct x509_key k;
    if (closed)
        cert_say(s->out, "what", "private key with a passphrase");
    else if (!cert_key_load(&key, path, why, sizeof(why)))
        cert_say(s->out, "what", "private key of a kind that is not known here");
    else if (cert_key_public(&key, public, &n) == 0 && x509_key_read(&k, bytes_of(public, n)))
        cert_say(s->out, "what", "private key, %s, %u bits: keep it secret", k.name, k.bits);
    cert_key_fini(&key);
}

/* What is no certificate; all said. False: nothing of ours. */
static bool show_block(struct surroundings *s, const char *path, struct bytes pem)
{
    DerBuffer *der = NULL;
    const char *text = (const char *)pem.p;
    size_t line = strcspn(text, "\r\n");
    bool shown = false;
    if (memmem(text, line, "PRIVATE KEY", 11) != NULL) {
        bool closed = memmem(text, line, "ENCRYPTED", 9) != NULL || memmem(text, pem.n, "4,ENCRYPTED", 11) != NULL;
        show_key(s, path, closed);
        return true;
    }
    if (memmem(text, line, "CRL", 3) != NULL && wc_PemToDer(pem.p, (long)pem.n, CRL_TYPE, &der, NULL, NULL, NULL) == 0)
        shown = show_crl(s, bytes_of(der->buffer, der->length));
    wc_FreeDer(&der);
    return shown;
}

static bool show_others(struct surroundings *s, const char *path, const struct pem_file *f)
{
    bool any = show_crl(s, bytes_of(f->p, f->n));
    struct pem_file rest = *f;
    for (struct bytes block; (block = pem_block(&rest, "")).n > 0;) {
        any = show_block(s, path, block) || any;
        char *behind = rest.p + (block.p - (const uint8_t *)rest.p) + block.n;
        rest = (struct pem_file){.p = behind, .n = rest.n - (size_t)(behind - rest.p)};
    }
    return any;
}

static void show_contents(struct surroundings *s, const char *path, const struct pem_file *f,
                          const struct x509_pool *certificates)
{
    fprintf(s->out, "%s\n", path);
    for (size_t i = 0; i < certificates->n; i++) {
        if (i > 0)
            fprintf(s->out, "and behind it, certificate %zu:\n", i + 1);
        cert_describe(s, &certificates->v[i], i == 0 ? certificates : NULL);
    }
    if (!show_others(s, path, f) && certificates->n == 0)
        cert_say(s->out, "what", "nothing that is known here");
}

static int show_file(const char *path, time_t now, FILE *out, char *err, size_t err_cap)
{
    struct pem_file f;
    struct x509_crl l;
    struct x509_pool certificates = {0};
    if (!pem_file_read(&f, path, err, err_cap))
        return -1;
    x509_pool_add_text(&certificates, bytes_of(f.p, f.n));
    bool any = certificates.n > 0 || pem_block(&f, "").n > 0 || x509_crl_read(&l, bytes_of(f.p, f.n));
    if (any) {
        struct surroundings *s = mem_alloc(sizeof(*s));
        s->now = now;
        s->out = out;
        split(s, path);
        load_beside(s);
        show_contents(s, path, &f, &certificates);
        surroundings_fini(s);
        mem_free(s);
    } else {
        snprintf(err, err_cap, "%s has no certificate, key or revocation list in it (PEM or DER): name one that has",
                 path);
    }
    x509_pool_fini(&certificates);
    pem_file_free(&f);
    return any ? 0 : -1;
}

/* ---- a folder ---- */

static int is_shown(const struct dirent *e)
{
    static const char *const ends[] = {".crt", ".pem", ".cer", ".crl"};
    size_t n = strlen(e->d_name);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        if (n > 4 && e->d_name[0] != '.' && strcmp(e->d_name + n - 4, ends[i]) == 0)
            return 1;
    }
    return 0;
}

static void show_index(const char *dir, FILE *out)
{
    char path[PATH_MAX], why[1024], until[16], revoked[16];
    struct pem_file f;
    struct cert_index x = {0};
    if (snprintf(path, sizeof(path), "%s/" CERT_INDEX, dir) >= PATH_MAX || !cert_file_exists(dir, CERT_INDEX))
        return;
    fprintf(out, "\n%s\n", path);
    if (!pem_file_read(&f, path, why, sizeof(why))) {
        cert_say(out, "warning", "%s", why);
        return;
    }
    if (!cert_index_parse(&x, bytes_of(f.p, f.n), why, sizeof(why)))
        cert_say(out, "warning", "%s", why);
    for (size_t i = 0; i < x.n; i++) {
        cert_day(x.v[i].until, until);
        cert_day(x.v[i].revoked, revoked);
        cert_say(out, "client", "%s until %s%s%s", x.v[i].name, until, x.v[i].revoked != 0 ? ", revoked on " : "",
                 x.v[i].revoked != 0 ? revoked : "");
    }
    cert_index_fini(&x);
    pem_file_free(&f);
}

static int show_folder(const char *dir, time_t now, FILE *out, char *err, size_t err_cap)
{
    struct dirent **list = NULL;
    int n = scandir(dir, &list, is_shown, alphasort), rc = 0;
    if (n < 0)
        snprintf(err, err_cap, "%s can't be listed: %s; check its permissions", dir, strerror(errno));
    else if (n == 0)
        snprintf(err, err_cap, "%s has no certificates in it (*.crt, *.pem): `sotto cert init %s` makes some", dir,
                 dir);
    for (int i = 0; i < n; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof(path), "%s/%s", dir, list[i]->d_name);
        if (i > 0)
            fputc('\n', out);
        if (show_file(path, now, out, err, err_cap) != 0) {
            fprintf(out, "%s\n", path);
            cert_say(out, "warning", "%s", err);
            rc = -1;
        }
        free(list[i]);
    }
    free(list);
    show_index(dir, out);
    return n > 0 ? rc : -1;
}

int certificate_show(const char *path, time_t now, FILE *out, char *err, size_t err_cap)
{
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return show_folder(path, now, out, err, err_cap);
    return show_file(path, now, out, err, err_cap);
}
