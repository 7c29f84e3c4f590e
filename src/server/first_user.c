/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The first user. Where nobody named one, but the users file belongs into the data directory and clients need a
 * password, one is made with a random password: a broker that nobody can use helps as little as one that everybody can.
 * The password goes into a file that only the broker's user may read, never into the log.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "first_start.h"
#include "sotto/base/file_why.h"
#include "sotto/base/mem.h"
#include "sotto/base/random.h"
#include "sotto/server/accounts.h"
#include "sotto/server/environment.h"
#include "sotto/store/ini_lines.h"

#define FIRST_NAME CONFIG_DEFAULT_USER
#define PASSWORD_FILE "first-password"
#define PASSWORD_LENGTH 16

/* The first line of the file that SOTTO_PASSWORD_FILE names. The copy is the caller's; NULL: err says why. */
static char *password_from(const char *file, char *err, size_t cap)
{
    struct bytes text;
    char why[512];
    int status = ini_lines_load(file, &text, NULL);
    if (status != 0) {
        file_why_read(file, status, why, sizeof(why));
        snprintf(err, cap, "SOTTO_PASSWORD_FILE: %s %s", file, why);
        return NULL;
    }
    const uint8_t *end = text.n > 0 ? memchr(text.p, '\n', text.n) : NULL;
    size_t n = end != NULL ? (size_t)(end - text.p) : text.n;
    if (n > 0 && text.p[n - 1] == '\r')
        n--;
    char *copy = mem_strndup(text.p, n);
    bytes_wipe((void *)(uintptr_t)text.p, text.n);
    mem_free((void *)(uintptr_t)text.p);
    return copy;
}

static char *given_password(char *err, size_t cap)
{
    const char *password = environment("SOTTO_PASSWORD"), *file = environment("SOTTO_PASSWORD_FILE");
    if (password != NULL)
        return mem_strndup(password, strlen(password));
    if (file != NULL)
        return password_from(file, err, cap);
    snprintf(err, cap, "SOTTO_USER is set without a password; set SOTTO_PASSWORD or SOTTO_PASSWORD_FILE too");
    return NULL;
}

/* 32 letters and digits, none that looks like another: five bits each. */
static void random_password(char out[PASSWORD_LENGTH + 1])
{
    static const char letters[33] = "abcdefghijkmnpqrstuvwxyz23456789";
    random_bytes(out, PASSWORD_LENGTH);
    for (unsigned i = 0; i < PASSWORD_LENGTH; i++)
        out[i] = letters[(uint8_t)out[i] % 32];
    out[PASSWORD_LENGTH] = '\0';
}

static int keep_password(const struct config *c, const char *file, const char *password, char *err, size_t cap)
{
    char line[PASSWORD_LENGTH + 2];
    int n = snprintf(line, sizeof(line), "%s\n", password);
    unlink(file);
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool good = fd >= 0 && write(fd, line, (size_t)n) == n && fsync(fd) == 0;
    if (!good)
        snprintf(err, cap,
                 "%s: the first user's password can't be kept there: %s; or set SOTTO_USER and SOTTO_PASSWORD", file,
                 strerror(errno));
    if (fd >= 0)
        close(fd);
    bytes_wipe(line, sizeof(line));
    if (good)
        first_give_away(c, file);
    return good ? 0 : -1;
}

static int make(const struct config *c, const char *file, const char *user, const char *password, char *err, size_t cap)
{
    int status = accounts_set(file, bytes_str(user), bytes_str(password), err, cap);
    if (status == 0)
        first_give_away(c, file);
    return status;
}

static int make_given(const struct config *c, const char *file, char *err, size_t cap)
{
    const char *user = environment("SOTTO_USER");
    char *password = given_password(err, cap);
    if (password == NULL)
        return -1;
    if (user == NULL)
        user = FIRST_NAME;
    int status = make(c, file, user, password, err, cap);
    bytes_wipe(password, strlen(password));
    mem_free(password);
    if (status == 0)
        log_event(LOG_INFO, "start.user", LF_STR("user", user), LF_STR("file", file));
    return status;
}

static int make_random(const struct config *c, const char *file, char *err, size_t cap)
{
    char password[PASSWORD_LENGTH + 1], *kept = first_path(c->data_dir, PASSWORD_FILE);
    random_password(password);
    int status = keep_password(c, kept, password, err, cap);
    if (status == 0)
        status = make(c, file, FIRST_NAME, password, err, cap);
    bytes_wipe(password, sizeof(password));
    if (status == 0)
        log_event(LOG_INFO, "start.user", LF_STR("user", FIRST_NAME), LF_STR("file", file),
                  LF_STR("password_file", kept),
                  LF_STR("hint", "read the password there and delete the file; for another: sotto passwd FILE USER"));
    mem_free(kept);
    return status;
}

static bool needs_users(const struct config *c)
{
    for (size_t i = 0; i < c->listeners_n; i++) {
        if (!c->listeners[i].anonymous)
            return true;
    }
    return false;
}

static bool user_given(void)
{
    return environment("SOTTO_USER") != NULL || environment("SOTTO_PASSWORD") != NULL ||
           environment("SOTTO_PASSWORD_FILE") != NULL;
}

/* The users file is not there. */
static int make_first(const struct config *c, const char *path, char *err, size_t cap)
{
    bool inside = environment_inside(c->data_dir, path);
    if (!user_given() && (!inside || !needs_users(c)))
        return 0;
    char *folder = first_folder(path);
    int status = inside ? first_make_folder(c, folder, 0700) : 0;
    if (status != 0) {
        char why[512];
        file_why_folder(folder, geteuid(), errno, why, sizeof(why));
        snprintf(err, cap, "%s: %s", folder, why);
    } else {
        status = user_given() ? make_given(c, path, err, cap) : make_random(c, path, err, cap);
    }
    mem_free(folder);
    return status;
}

int first_user(struct config *c, char *err, size_t cap)
{
    bool builtin = c->file == NULL;
    char *file = builtin ? first_path(c->data_dir, "users.ini") : NULL;
    const char *path = builtin ? file : c->users;
    int status = 0;

    if (user_given() && path == NULL) {
        snprintf(err, cap, "%s: SOTTO_USER is set, but [auth] users names no file for it; write users = FILE", c->file);
        status = -1;
    } else if (path != NULL && access(path, F_OK) != 0) {
        if (errno == ENOENT)
            status = make_first(c, path, err, cap);
    } else if (user_given()) {
        log_event(LOG_INFO, "start.user.kept", LF_STR("file", path),
                  LF_STR("reason", "there is a users file, so SOTTO_USER and SOTTO_PASSWORD change nothing"),
                  LF_STR("hint", "sotto passwd FILE USER sets another password"));
    }
    if (builtin && status == 0 && access(path, F_OK) == 0) {
        mem_free(c->users);
        c->users = file;
        file = NULL;
    }
    mem_free(file);
    return status;
}
