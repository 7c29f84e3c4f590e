/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Client certificates: a new key each, the user's name as common name, and a line in the index. */
#include "certificate_private.h"

#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include "sotto/base/mem.h"
#include "sotto/codec/topic.h"

/* Devices get theirs once and are hard to reach afterwards; what has to end sooner is revoked. */
#define CLIENT_DAYS 3652

static bool is_ours(const char *name)
{
    static const char *const ours[] = {"ca", "server", "server-ec"};
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        if (strcasecmp(name, ours[i]) == 0)
            return true;
    }
    return false;
}

const char *certificate_client_fault(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > CERT_USER_MAX)
        return "a user name has 1 to 49 bytes; choose another";
    if (!utf8_valid(bytes_of(name, n)))
        return "a user name is text in UTF-8; choose another";
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
            return "a user name has no control characters; choose another";
    }
    if (strchr(name, '/') != NULL || name[0] == '.' || name[0] == '-')
        return "it is to be the name of a file, so it has no '/' and does not begin with '.' or '-'; choose another";
    if (name[0] == ' ' || name[n - 1] == ' ')
        return "a user name has no blank at its ends; choose another";
    if (is_ours(name))
        return "the CA's and the server's own files are named so; choose another";
    return NULL;
}

struct client {
    const struct certificate_client_request *r;
    struct cert_authority ca;
    struct cert_index index;
    struct cert_key key;
    char crt_name[CERT_USER_MAX + 8], key_name[CERT_USER_MAX + 8];
    char crt[CERT_PEM_MAX], pem[CERT_PEM_MAX];
    char *err;
    size_t err_cap;
};

static bool may_write(struct client *c)
{
    if (c->r->force || (!cert_file_exists(c->r->dir, c->crt_name) && !cert_file_exists(c->r->dir, c->key_name)))
        return true;
    snprintf(c->err, c->err_cap,
             "%s holds a certificate or key for \"%s\" already, nothing was changed: --force makes new ones (the old "
             "certificate stays good until `sotto cert revoke`)",
             c->r->dir, c->r->name);
    return false;
}

static bool make(struct client *c)
{
    time_t now = cert_now();
    struct cert_plan p = {.kind = CERT_CLIENT,
                          .common_name = c->r->name,
                          .from = CERT_FROM,
                          .until = cert_end(&c->ca, now, CLIENT_DAYS),
                          .key = &c->key};
    cert_new_serial(p.serial);
    if (!cert_done(cert_key_make(&c->key, !c->r->rsa, &c->ca.rng), c->key_name, c->err, c->err_cap) ||
        !cert_done(cert_make(&p, &c->ca.issuer, &c->ca.rng, c->crt, sizeof(c->crt)), c->crt_name, c->err, c->err_cap) ||
        !cert_done(cert_key_pem(&c->key, c->pem, sizeof(c->pem)), c->key_name, c->err, c->err_cap))
        return false;
    struct cert_entry *e = cert_index_add(&c->index, bytes_of(p.serial, sizeof(p.serial)), c->r->name);
    if (e == NULL)
        snprintf(c->err, c->err_cap, "%s/" CERT_INDEX " is full: make a new CA", c->r->dir);
    else
        e->until = p.until;
    return e != NULL;
}

static bool write_files(struct client *c)
{
    char *index = cert_index_text(&c->index);
    struct cert_file files[] = {{c->key_name, c->pem}, {c->crt_name, c->crt}, {CERT_INDEX, index}};
    bool ok = cert_files_write(c->r->dir, files, 3, c->err, c->err_cap);
    mem_free(index);
    return ok;
}

int certificate_client(const struct certificate_client_request *r, char *err, size_t err_cap)
{
    const char *fault = certificate_client_fault(r->name);
    if (fault != NULL) {
        snprintf(err, err_cap, "that can't be a client's name: %s", fault);
        return -1;
    }
    int lock = cert_lock(r->dir, err, err_cap);
    if (lock < 0)
        return -1;
    struct client *c = mem_alloc(sizeof(*c));
    c->r = r;
    c->err = err;
    c->err_cap = err_cap;
    snprintf(c->crt_name, sizeof(c->crt_name), "%s.crt", r->name);
    snprintf(c->key_name, sizeof(c->key_name), "%s.key", r->name);
    bool ok = may_write(c) && cert_authority_load(&c->ca, r->dir, err, err_cap) &&
              cert_index_load(&c->index, r->dir, &c->ca, err, err_cap) && make(c) && write_files(c);
    close(lock);
    cert_index_fini(&c->index);
    cert_key_fini(&c->key);
    cert_authority_fini(&c->ca);
    bytes_wipe(c->pem, sizeof(c->pem));
    mem_free(c);
    return ok ? 0 : -1;
}
