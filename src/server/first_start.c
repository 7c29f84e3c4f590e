/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sotto/server/first_start.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sotto/base/mem.h"
#include "sotto/server/accounts.h"
#include "sotto/store/ini_lines.h"
#include "sotto/transport/certificate.h"

#define CONFIG_FILE "/etc/sotto/sotto.ini"
#define HOSTS_MAX 64

static const char *setting(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

const char *first_start_config_file(void)
{
    return access(CONFIG_FILE, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR) ? CONFIG_FILE : NULL;
}

/* What root makes belongs to the user that the broker becomes. */
static void give_away(const struct config *c, const char *path)
{
    const char *user = c->user != NULL ? c->user : CONFIG_DEFAULT_USER;
    const struct passwd *pw = geteuid() == 0 ? getpwnam(user) : NULL;
    if (pw != NULL && lchown(path, pw->pw_uid, pw->pw_gid) != 0)
        log_event(LOG_WARN, "start.owner", LF_STR("file", path), LF_STR("user", user),
                  LF_STR("reason", strerror(errno)));
}

static int make_folder(const struct config *c, char *err, size_t cap)
{
    char *path = mem_strndup(c->data_dir, strlen(c->data_dir));
    int status = 0;
    for (char *slash = path; status == 0 && slash != NULL;) {
        slash = strchr(slash + 1, '/');
        if (slash != NULL)
            *slash = '\0';
        if (mkdir(path, slash != NULL ? 0755 : 0700) == 0)
            give_away(c, path);
        else if (errno != EEXIST && access(path, F_OK) != 0)
            status = -1;
        if (slash != NULL)
            *slash = '/';
    }
    if (status != 0)
        snprintf(err, cap,
                 "%s: the data directory can't be made: %s; make it, or set [broker] data_dir (SOTTO_DATA without a "
                 "configuration)",
                 c->data_dir, strerror(errno));
    mem_free(path);
    return status;
}

static char *in_folder(const struct config *c, const char *name)
{
    size_t n = strlen(c->data_dir) + 1 + strlen(name) + 1;
    char *path = mem_alloc(n);
    snprintf(path, n, "%s/%s", c->data_dir, name);
    return path;
}

static int make_certificates(const struct config *c, char *err, size_t cap)
{
    const char *hosts[HOSTS_MAX];
    struct certificate_request r = {.dir = c->data_dir, .hosts = hosts};
    char *cert = in_folder(c, "server.crt");
    bool there = access(cert, F_OK) == 0;
    mem_free(cert);
    if (there)
        return 0;
    const char *names = setting("SOTTO_HOST");
    char *list = names != NULL ? mem_strndup(names, strlen(names)) : NULL, *rest = NULL;
    for (char *h = list != NULL ? strtok_r(list, ", ", &rest) : NULL; h != NULL && r.hosts_n < HOSTS_MAX;
         h = strtok_r(NULL, ", ", &rest))
        hosts[r.hosts_n++] = h;
    int status = certificate_init(&r, err, cap);
    mem_free(list);
    if (status == 0)
        log_event(LOG_INFO, "start.certificates", LF_STR("folder", c->data_dir));
    return status;
}

/* SOTTO_PASSWORD, or the first line of SOTTO_PASSWORD_FILE. The copy is the caller's; NULL: err says why. */
static char *first_password(char *err, size_t cap)
{
    const char *password = setting("SOTTO_PASSWORD"), *file = setting("SOTTO_PASSWORD_FILE");
    struct bytes text;
    if (password != NULL)
        return mem_strndup(password, strlen(password));
    if (file == NULL) {
        snprintf(err, cap, "SOTTO_USER is set without a password; set SOTTO_PASSWORD or SOTTO_PASSWORD_FILE too");
        return NULL;
    }
    int status = ini_lines_load(file, &text, NULL);
    if (status != 0) {
        snprintf(err, cap, "SOTTO_PASSWORD_FILE: %s can't be read: %s; check the name and the permissions", file,
                 strerror(status));
        return NULL;
    }
    const uint8_t *end = text.n > 0 ? memchr(text.p, '\n', text.n) : NULL;
    char *copy = mem_strndup(text.p, end != NULL ? (size_t)(end - text.p) : text.n);
    bytes_wipe((void *)(uintptr_t)text.p, text.n);
    mem_free((void *)(uintptr_t)text.p);
    return copy;
}

static int make_user(const struct config *c, const char *file, char *err, size_t cap)
{
    const char *user = setting("SOTTO_USER");
    char *password = first_password(err, cap);
    if (password == NULL)
        return -1;
    int status = accounts_set(file, bytes_str(user), bytes_str(password), err, cap);
    bytes_wipe(password, strlen(password));
    mem_free(password);
    if (status == 0) {
        give_away(c, file);
        log_event(LOG_INFO, "start.user", LF_STR("user", user), LF_STR("file", file));
    }
    return status;
}

static int make_users(struct config *c, char *err, size_t cap)
{
    bool builtin = c->file == NULL;
    char *file = builtin ? in_folder(c, "users.ini") : NULL;
    const char *path = builtin ? file : c->users;
    int status = 0;

    if (setting("SOTTO_USER") != NULL && path == NULL) {
        snprintf(err, cap, "%s: SOTTO_USER is set, but [auth] users names no file for it; write users = FILE", c->file);
        status = -1;
    } else if (setting("SOTTO_USER") != NULL && access(path, F_OK) != 0 && errno == ENOENT) {
        status = make_user(c, path, err, cap);
    }
    if (builtin && status == 0 && access(path, F_OK) == 0) {
        mem_free(c->users);
        c->users = file;
        file = NULL;
    }
    mem_free(file);
    return status;
}

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
              LF_STR("hint", "write " CONFIG_FILE " or use -c FILE to be reached from elsewhere"));
    log_event(LOG_INFO, "start.try", LF_STR("first", subscribe), LF_STR("then", publish));
}

int first_start(struct config *config, char *err, size_t err_cap)
{
    if (make_folder(config, err, err_cap) != 0)
        return -1;
    if (config->file == NULL && make_certificates(config, err, err_cap) != 0)
        return -1;
    if (make_users(config, err, err_cap) != 0)
        return -1;
    if (config->file == NULL)
        say_builtin(config);
    return 0;
}
