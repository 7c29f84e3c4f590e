/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sotto/server/first_start.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_schema.h"
#include "first_start.h"
#include "sotto/base/file_why.h"
#include "sotto/base/mem.h"
#include "sotto/server/environment.h"
#include "sotto/transport/certificate.h"

#define HOSTS_MAX 64
#define NAMES_MAX 1024

/* ---------------------------------------------------------------- folders */

char *first_path(const char *folder, const char *name)
{
    size_t n = strlen(folder) + 1 + strlen(name) + 1;
    char *path = mem_alloc(n);
    snprintf(path, n, "%s/%s", folder, name);
    return path;
}

char *first_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? mem_strndup(".", 1) : mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

/* Whom root becomes; NULL: nobody else than we are. */
static const struct passwd *other_user(const struct config *c)
{
    return geteuid() == 0 ? getpwnam(c->user != NULL ? c->user : CONFIG_DEFAULT_USER) : NULL;
}

void first_give_away(const struct config *c, const char *path)
{
    const struct passwd *pw = other_user(c);
    if (pw != NULL && lchown(path, pw->pw_uid, pw->pw_gid) != 0)
        log_event(LOG_WARN, "start.owner", LF_STR("file", path), LF_STR("user", pw->pw_name),
                  LF_STR("reason", strerror(errno)));
}

int first_make_folder(const struct config *c, const char *folder, unsigned mode)
{
    char *path = mem_strndup(folder, strlen(folder));
    int error = 0;
    for (char *slash = path; error == 0 && slash != NULL;) {
        slash = strchr(slash + 1, '/');
        if (slash != NULL)
            *slash = '\0';
        if (mkdir(path, slash != NULL ? 0755 : mode) == 0)
            first_give_away(c, path);
        else if (errno != EEXIST) {
            int why = errno; /* one that is there may stand in a folder that refuses writing */
            error = access(path, F_OK) == 0 ? 0 : why;
        }
        if (slash != NULL)
            *slash = '/';
    }
    mem_free(path);
    errno = error;
    return error == 0 ? 0 : -1;
}

/* Does the configuration place something in this folder of the data directory? */
static bool is_known(const struct config *c, const char *folder)
{
    if (c->users != NULL && environment_inside(folder, c->users))
        return true;
    for (size_t i = 0; i < c->listeners_n; i++) {
        for (size_t j = 0; j < c->listeners[i].pairs_n; j++) {
            const char *cert = c->listeners[i].pairs[j].cert;
            if (cert != NULL && environment_inside(folder, cert))
                return true;
        }
    }
    return false;
}

/* Nothing in it but folders that were mapped there: made for us, and by mistake not given to us. */
static bool is_fresh(const struct config *c, const char *folder)
{
    DIR *d = opendir(folder);
    const struct dirent *e;
    bool fresh = d != NULL;
    while (fresh && (e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || strcmp(e->d_name, "lost+found") == 0)
            continue;
        char *path = first_path(folder, e->d_name);
        fresh = is_known(c, path);
        mem_free(path);
    }
    if (d != NULL)
        closedir(d);
    return fresh;
}

/* Who is in a group of the folder is not asked for: a folder that its group may write is good enough here. */
static bool may_write(const struct stat *st, const char *folder, uid_t uid)
{
    if (uid == geteuid())
        return faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0;
    unsigned bits = st->st_uid == uid ? S_IWUSR : S_IWGRP | S_IWOTH;
    errno = EACCES;
    return uid == 0 || (st->st_mode & bits) != 0;
}

static int folder_failed(const char *folder, uid_t uid, int error, char *err, size_t cap)
{
    char why[768];
    bool contained = access("/.dockerenv", F_OK) == 0 || access("/run/.containerenv", F_OK) == 0;
    file_why_folder(folder, uid, error, why, sizeof(why));
    snprintf(err, cap, "the data directory %s %s%s", folder, why,
             contained ? " (on the host: the folder that is mounted there); or start the container as another user"
                       : "");
    return -1;
}

/* Makes the data directory, or sees that it can be written by whom the broker becomes. */
static int have_data_dir(const struct config *c, char *err, size_t cap)
{
    const struct passwd *pw = other_user(c);
    uid_t uid = pw != NULL ? pw->pw_uid : geteuid();
    struct stat st;
    if (first_make_folder(c, c->data_dir, 0700) != 0 || stat(c->data_dir, &st) != 0)
        return folder_failed(c->data_dir, uid, errno, err, cap);
    if (!S_ISDIR(st.st_mode))
        return folder_failed(c->data_dir, uid, ENOTDIR, err, cap);
    if (may_write(&st, c->data_dir, uid))
        return 0;
    int error = errno;
    if (pw != NULL && is_fresh(c, c->data_dir) && lchown(c->data_dir, pw->pw_uid, pw->pw_gid) == 0)
        return 0;
    return folder_failed(c->data_dir, uid, error, err, cap);
}

/* ---------------------------------------------------------------- certificates */

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static bool is_missing(const char *path)
{
    return access(path, F_OK) != 0 && errno == ENOENT;
}

/* Is it one of the pairs that we make, in the data directory, by its names? */
static bool is_ours(const struct config *c, const struct tls_pair_files *p)
{
    if (p->cert == NULL || p->key == NULL || !environment_inside(c->data_dir, p->cert))
        return false;
    const char *cert = name_of(p->cert), *key = name_of(p->key);
    bool named = (strcmp(cert, "server.crt") == 0 && strcmp(key, "server.key") == 0) ||
                 (strcmp(cert, "server-ec.crt") == 0 && strcmp(key, "server-ec.key") == 0);
    size_t n = (size_t)(cert - p->cert);
    return named && n == (size_t)(key - p->key) && strncmp(p->cert, p->key, n) == 0;
}

/* Is it for us to make it? */
static bool is_wanted(const struct config *c, const struct tls_pair_files *p)
{
    return is_ours(c, p) && is_missing(p->cert) && is_missing(p->key);
}

static bool same_folder(const char *path, const char *other)
{
    size_t n = (size_t)(name_of(path) - path);
    return n == (size_t)(name_of(other) - other) && strncmp(path, other, n) == 0;
}

static bool is_left_out(const struct config *c, const struct config_listener *l, const struct tls_pair_files *p)
{
    for (size_t i = 0; is_wanted(c, p) && i < l->pairs_n; i++) {
        const struct tls_pair_files *other = &l->pairs[i];
        if (is_ours(c, other) && same_folder(p->cert, other->cert) && !is_missing(other->cert))
            return true;
    }
    return false;
}

size_t first_start_leave_out(struct config *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->listeners_n; i++) {
        struct config_listener *l = &c->listeners[i];
        for (size_t j = 0; l->tls && j < l->pairs_n;) {
            if (!is_left_out(c, l, &l->pairs[j])) {
                j++;
                continue;
            }
            config_drop_pair(l, j);
            n++;
        }
    }
    return n;
}

/* The CA's key stays with whoever started us: the broker has no use for it. */
static void give_away_certificates(const struct config *c, const char *folder)
{
    static const char *const names[] = {"ca.crt", "server.crt", "server.key", "server-ec.crt", "server-ec.key"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *path = first_path(folder, names[i]);
        first_give_away(c, path);
        mem_free(path);
    }
}

static int make_pairs(const struct config *c, const char *folder, char *err, size_t cap)
{
    const char *hosts[HOSTS_MAX], *given = environment("SOTTO_HOST");
    struct certificate_request r = {.dir = folder, .hosts = hosts};
    char *list = given != NULL ? mem_strndup(given, strlen(given)) : NULL, *rest = NULL;
    for (char *h = list != NULL ? strtok_r(list, ", ", &rest) : NULL; h != NULL && r.hosts_n < HOSTS_MAX;
         h = strtok_r(NULL, ", ", &rest))
        hosts[r.hosts_n++] = h;
    char names[NAMES_MAX] = "";
    int status = certificate_init(&r, err, cap);
    if (status == 0) {
        certificate_names(&r, names, sizeof(names));
        give_away_certificates(c, folder);
        log_event(LOG_INFO, "start.certificates", LF_STR("folder", folder), LF_STR("for", names),
                  LF_STR("hint", given != NULL ? "give ca.crt to the clients"
                                               : "give ca.crt to the clients; SOTTO_HOST adds names at a first start"));
    }
    mem_free(list);
    return status;
}

static int make_in(const struct config *c, const char *folder, char *err, size_t cap)
{
    int status = first_make_folder(c, folder, 0755);
    if (status != 0)
        folder_failed(folder, geteuid(), errno, err, cap);
    else
        status = make_pairs(c, folder, err, cap);
    return status;
}

static int make_certificates(const struct config *c, char *err, size_t cap)
{
    int status = 0;
    for (size_t i = 0; i < c->listeners_n; i++) {
        const struct config_listener *l = &c->listeners[i];
        for (size_t j = 0; status == 0 && l->tls && j < l->pairs_n; j++) {
            if (!is_wanted(c, &l->pairs[j]))
                continue;
            char *folder = first_folder(l->pairs[j].cert);
            status = make_in(c, folder, err, cap);
            mem_free(folder);
        }
    }
    return status;
}

/* ---------------------------------------------------------------- all of it */

static void say_builtin(const struct config *c)
{
    char subscribe[512], publish[512];
    const char *form = "mosquitto_%s --cafile '%s/ca.crt' -h localhost -p 8883 -t 'test/#' -v";
    snprintf(subscribe, sizeof subscribe, form, "sub", c->data_dir);
    form = "mosquitto_%s --cafile '%s/ca.crt' -h localhost -p 8883 -t test/hello -m 'hello, world'";
    snprintf(publish, sizeof publish, form, "pub", c->data_dir);
    log_event(LOG_INFO, "start.builtin", LF_STR("reason", "there is no configuration"),
              LF_STR("listens", "loopback only"), LF_STR("anonymous", "local clients need no password"),
              LF_STR("data", c->data_dir),
              LF_STR("hint", "write /etc/sotto/sotto.ini or use -c FILE to be reached from elsewhere"));
    log_event(LOG_INFO, "start.try", LF_STR("first", subscribe), LF_STR("then", publish));
}

int first_start(struct config *config, char *err, size_t err_cap)
{
    if (first_start_leave_out(config) > 0)
        log_event(LOG_INFO, "start.one_certificate",
                  LF_STR("reason",
                         "the certificate in the data directory is not of the CA that would be made here, so "
                         "there is no second one"));
    if (have_data_dir(config, err, err_cap) != 0 || make_certificates(config, err, err_cap) != 0 ||
        first_user(config, err, err_cap) != 0)
        return -1;
    if (config->file == NULL)
        say_builtin(config);
    return 0;
}
