/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `sotto check`: what the configuration names. Certificates and keys are read with the rights that the broker is
 * started with; users and data directory as the user it becomes, because they are used (and read again) afterwards.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "config_schema.h"
#include "expiry.h"
#include "sotto/base/file_why.h"
#include "sotto/base/mem.h"
#include "sotto/server/server.h"
#include "sotto/store/users.h"
#include "sotto/transport/tls_endings.h"
#include "sotto/transport/tls_features.h"

struct identity {
    uid_t uid;
    gid_t gid;
    bool changed;
};

static void become_user(const struct config *c, struct identity *self, struct config_errors *e)
{
    *self = (struct identity){geteuid(), getegid(), false};
    if (self->uid != 0)
        return;
    const char *user = c->user != NULL ? c->user : CONFIG_DEFAULT_USER;
    const struct passwd *pw = getpwnam(user);
    if (pw == NULL && c->user == NULL) {
        config_warning(e, 0, "broker", "user",
                       "is not set and there is no user '%s', so the broker keeps the rights of root; make it (useradd "
                       "--system %s), or name another",
                       user, user);
        return;
    }
    if (pw == NULL) {
        config_error(e, 0, "broker", "user",
                     "there is no user '%s' on this machine; make it (useradd --system %s), or name another", user,
                     user);
        return;
    }
    if (initgroups(user, pw->pw_gid) != 0 || setegid(pw->pw_gid) != 0 || seteuid(pw->pw_uid) != 0)
        config_error(e, 0, "broker", "user", "can't become '%s': %s; start as root with all its capabilities", user,
                     strerror(errno));
    self->changed = true;
}

static void become_self(const struct identity *self, struct config_errors *e)
{
    if (!self->changed)
        return;
    if (seteuid(self->uid) != 0 || setegid(self->gid) != 0 || setgroups(0, NULL) != 0)
        config_error(e, 0, "broker", "user", "can't become root again: %s", strerror(errno));
}

static void on_users(void *ctx, bool warning, const char *file, unsigned line, const char *section, const char *key,
                     const char *text)
{
    struct config_errors *e = ctx;
    struct config_errors here = {file, e->report, e->ctx, 0};
    if (warning)
        config_warning(&here, line, section, key, "%s", text);
    else
        config_error(&here, line, section, key, "%s", text);
    e->n += here.n;
}

/* The users, for further checks; NULL: there are none to be had. */
static struct users *check_users(const struct config *c, struct config_errors *e)
{
    if (c->users == NULL)
        return NULL;
    struct users *u = users_load(c->users, on_users, e);
    bool needed = false;
    for (size_t i = 0; i < c->listeners_n; i++)
        needed |= !c->listeners[i].anonymous && !config_names_clients(&c->listeners[i]);
    if (u != NULL && users_count(u) == 0 && needed)
        config_error(e, 0, "auth", "users", "%s names no user, so nobody can log in; `sotto passwd %s USER` adds one",
                     c->users, c->users);
    return u;
}

static void folder_refused(const char *folder, struct config_errors *e)
{
    char why[512];
    file_why_folder(folder, geteuid(), errno, why, sizeof why);
    config_error(e, 0, "broker", "data_dir", "%s %s", folder, why);
}

static void check_data_dir(const struct config *c, struct config_errors *e)
{
    struct stat st;
    if (stat(c->data_dir, &st) == 0) {
        if (!S_ISDIR(st.st_mode))
            config_error(e, 0, "broker", "data_dir", "%s is not a folder; name another", c->data_dir);
        else if (faccessat(AT_FDCWD, c->data_dir, W_OK | X_OK, AT_EACCESS) != 0)
            folder_refused(c->data_dir, e);
        return;
    }
    if (errno != ENOENT) {
        folder_refused(c->data_dir, e);
        return;
    }
    /* It will be made at the first start, where the nearest folder above it allows that. */
    char *above = mem_strndup(c->data_dir, strlen(c->data_dir));
    char *slash;
    do {
        slash = strrchr(above, '/');
        if (slash != NULL)
            slash[slash == above ? 1 : 0] = '\0';
    } while (slash != NULL && slash != above && access(above, F_OK) != 0);
    if (faccessat(AT_FDCWD, above, W_OK | X_OK, AT_EACCESS) != 0)
        config_error(e, 0, "broker", "data_dir",
                     "%s is not there and can't be made: %s: %s; make it, for the user that the "
                     "broker runs as",
                     c->data_dir, above, strerror(errno));
    mem_free(above);
}

/* A file that the first error hid. */
static void check_readable(const struct config_listener *l, const char *section, const char *key, const char *path,
                           const char *said, struct config_errors *e)
{
    char why[512];
    if (path == NULL || access(path, R_OK) == 0 || strstr(said, path) != NULL)
        return;
    file_why_read(path, errno, why, sizeof why);
    config_error(e, l->line, section, key, "%s %s", path, why);
}

/* Whoever has a shared key and no section, has what [*] grants. */
static void check_key_owners(const struct config_listener *l, const char *section, const struct tls_context *t,
                             const struct users *users, struct config_errors *e)
{
    size_t n = 0, first = 0;
    if (users == NULL || users_have_everyone(users))
        return;
    for (size_t i = tls_context_keys(t); i > 0; i--) {
        struct rights *r = users_rights(users, tls_context_key_owner(t, i - 1));
        first = r == NULL ? i - 1 : first;
        n += r == NULL;
        rights_unref(r);
    }
    struct bytes name = n > 0 ? tls_context_key_owner(t, first) : bytes_str("");
    if (n > 0)
        config_warning(e, l->line, section, "psk_file",
                       "%zu of its identities, '%.*s' first, have no section in the users file and there is no [*], so "
                       "they may do nothing; add sections",
                       n, (int)name.n, (const char *)name.p);
}

/* Those that the first error, which names its own file, has hidden. */
static void check_hidden(const struct config_listener *l, const char *section, const char *said,
                         struct config_errors *e)
{
    const struct {
        const char *key, *path;
    } files[] = {{"client_ca", l->client_ca}, {"crl", l->crl}, {"psk_file", l->psk_file}};
    for (size_t i = 0; i < l->pairs_n; i++) {
        const struct tls_pair_files *p = &l->pairs[i];
        check_readable(l, section, "cert", i > 0 ? p->cert : NULL, said, e);
        check_readable(l, section, "key", p->key, said, e);
        check_readable(l, section, "chain", p->chain, said, e);
        check_readable(l, section, "key_passphrase_file", p->key_passphrase_file, said, e);
    }
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        check_readable(l, section, files[i].key, files[i].path, said, e);
}

static void warn_of(const struct config_listener *l, const char *section, const struct tls_context *t,
                    struct config_errors *e)
{
    const struct tls_warning *v;
    size_t n = tls_context_warnings(t, &v);
    for (size_t i = 0; i < n; i++)
        config_warning(e, l->line, section, v[i].setting, "%s%s%s; %s", v[i].file != NULL ? v[i].file : "",
                       v[i].file != NULL ? ": " : "", v[i].reason, v[i].hint);
}

/* What has ended already is among the other warnings. */
static void warn_of_ends(const struct config_listener *l, const char *section, const struct tls_context *t,
                         struct config_errors *e)
{
    static const char *const settings[] = {[TLS_ENDS_CERTIFICATE] = "cert",
                                           [TLS_ENDS_CHAIN] = "cert",
                                           [TLS_ENDS_CLIENT_CA] = "client_ca",
                                           [TLS_ENDS_CRL] = "crl"};
    struct tls_ending end;
    char words[128], hint[EXPIRY_HINT];
    time_t now = time(NULL);
    for (size_t i = 0; tls_context_ending(t, i, &end); i++) {
        if (end.until < now || end.until - now >= (time_t)EXPIRY_DAYS * 24 * 3600)
            continue;
        expiry_words(&end, now, words, sizeof words, hint, sizeof hint);
        config_warning(e, l->line, section, settings[end.kind], "%s: %s; %s", end.file, words, hint);
    }
}

/* Where it is written is the user's affair before rights are given up. */
static void check_keylog(const struct config *c, struct config_errors *e)
{
    char err[512];
    if (c->tls_keylog == NULL)
        return;
    if (!tls_feature_need(TLS_FEATURE_KEY_LOG, "tls_keylog", err, sizeof err))
        config_error(e, 0, "log", "tls_keylog", "%s", err);
    else
        config_warning(e, 0, "log", "tls_keylog",
                       "is on: who reads %s can read all that is said over TLS; take the "
                       "line out when the fault is found",
                       c->tls_keylog);
}

static void check_tls(const struct config_listener *l, const char *section, const struct users *users,
                      struct config_errors *e)
{
    char err[512];
    const char *setting = NULL;
    bool whole = l->pairs_n > 0 || l->psk_file != NULL;
    for (size_t i = 0; i < l->pairs_n; i++)
        whole = whole && l->pairs[i].cert != NULL && l->pairs[i].key != NULL;
    if (!whole || (l->client_cert != TLS_CLIENT_CERT_NONE && l->client_ca == NULL))
        return; /* the configuration's own errors say so */
    struct tls_settings s = config_tls_settings(l);
    struct tls_context *t = tls_context_new(&s, err, sizeof err, &setting);
    if (t == NULL) {
        config_error(e, l->line, section, setting, "%s", err);
        check_hidden(l, section, err, e);
    } else {
        warn_of(l, section, t, e);
        warn_of_ends(l, section, t, e);
    }
    if (t != NULL)
        check_key_owners(l, section, t, users, e);
    tls_context_unref(t);
}

/* Is the address one of this machine's? Bound without its port, which a running broker may hold. */
static void check_address(const struct config_listener *l, const char *section, struct config_errors *e)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a;
    bool v6 = strchr(l->address, ':') != NULL;
    int status = v6 ? uv_ip6_addr(l->address, 0, &a.v6) : uv_ip4_addr(l->address, 0, &a.v4);
    int fd = status == 0 ? socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
    if (fd < 0 && v6 && strcmp(l->address, "::") == 0)
        return; /* no IPv6 on this machine: the broker takes IPv4 alone then */
    if (status == 0 && (fd < 0 || bind(fd, &a.any, v6 ? sizeof a.v6 : sizeof a.v4) != 0))
        status = uv_translate_sys_error(errno);
    if (status != 0)
        config_error(e, l->line, section, "address", "%s can't be listened on: %s; is it an address of this machine?",
                     l->address, uv_strerror(status));
    if (fd >= 0)
        close(fd);
}

/* A unix socket needs a folder that the broker may make it in. */
static void check_unix(const struct config_listener *l, const char *section, struct config_errors *e)
{
    const char *path = l->address + strlen("unix:"), *slash = strrchr(path, '/');
    char *folder = mem_strndup(path, slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path));
    if (faccessat(AT_FDCWD, folder[0] != '\0' ? folder : ".", W_OK | X_OK, AT_EACCESS) != 0)
        config_error(e, l->line, section, "address",
                     "no socket can be made in %s: %s; make the folder, or give it to the "
                     "broker's user",
                     folder, strerror(errno));
    mem_free(folder);
}

unsigned server_check(const struct config *c, config_report report, void *ctx)
{
    struct config_errors e = {c->file != NULL ? c->file : "built-in configuration", report, ctx, 0};
    struct identity self;

    if (tls_init() != 0)
        config_error(&e, 0, NULL, NULL, "wolfSSL can't be started; is the library installed whole?");
    become_user(c, &self, &e);
    struct users *users = check_users(c, &e);
    check_data_dir(c, &e);
    check_keylog(c, &e);
    become_self(&self, &e);
    for (size_t i = 0; i < c->listeners_n; i++) {
        const struct config_listener *l = &c->listeners[i];
        char section[64];
        snprintf(section, sizeof section, "listener.%s", l->name);
        if (l->tls)
            check_tls(l, section, users, &e);
        if (strncmp(l->address, "unix:", 5) == 0)
            check_unix(l, section, &e);
        else
            check_address(l, section, &e);
    }
    users_unref(users);
    tls_fini();
    return e.n;
}
