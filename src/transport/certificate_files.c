/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files are written beside their place and renamed into it, when all of them are written: a full disk or a lost
 * right leaves what was there before.
 */
#include "certificate_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static bool say(char *err, size_t cap, const char *path, const char *what, int error)
{
    const char *hint = error == EACCES || error == EPERM
                           ? "run it as a user who may write there, or choose another folder"
                       : error == ENOSPC ? "make room on the disk"
                       : error == EROFS  ? "choose a folder on a file system that can be written"
                                         : "check the path";
    snprintf(err, cap, "%s can't be %s: %s; %s", path, what, strerror(error), hint);
    return false;
}

static void path_of(char out[PATH_MAX], const char *dir, const char *name, const char *suffix)
{
    snprintf(out, PATH_MAX, "%s/%s%s", dir, name, suffix);
}

bool cert_make_folder(const char *dir, char *err, size_t err_cap)
{
    char path[PATH_MAX];
    size_t n = strlen(dir);
    if (n == 0 || n + 32 > sizeof(path))
        return say(err, err_cap, dir, "used", n == 0 ? ENOENT : ENAMETOOLONG);
    for (size_t i = 1; i <= n; i++) {
        if (dir[i] != '/' && dir[i] != '\0')
            continue;
        memcpy(path, dir, i);
        path[i] = '\0';
        if (mkdir(path, 0755) != 0 && errno != EEXIST)
            return say(err, err_cap, path, "made", errno);
    }
    struct stat st;
    if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode))
        return say(err, err_cap, dir, "used", ENOTDIR);
    return true;
}

bool cert_file_exists(const char *dir, const char *name)
{
    char path[PATH_MAX];
    struct stat st;
    path_of(path, dir, name, "");
    return lstat(path, &st) == 0;
}

static int write_all(int fd, const char *text)
{
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t n = write(fd, text, left);
        if (n < 0 && errno != EINTR)
            return errno;
        text += n > 0 ? n : 0;
        left -= n > 0 ? (size_t)n : 0;
    }
    return fsync(fd) == 0 ? 0 : errno;
}

static bool stage(const char *dir, const char *name, const char *text, bool secret, char *err, size_t err_cap)
{
    char path[PATH_MAX];
    path_of(path, dir, name, ".new");
    mode_t mode = secret ? 0600 : 0644;
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return say(err, err_cap, path, "made", errno);
    int error = fchmod(fd, mode) == 0 ? write_all(fd, text) : errno;
    close(fd);
    if (error == 0)
        return true;
    unlink(path);
    return say(err, err_cap, path, "written", error);
}

static bool commit(const char *dir, const char *name, char *err, size_t err_cap)
{
    char from[PATH_MAX], to[PATH_MAX];
    path_of(from, dir, name, ".new");
    path_of(to, dir, name, "");
    return rename(from, to) == 0 || say(err, err_cap, to, "put in place", errno);
}

static void abandon(const char *dir, const char *name)
{
    char path[PATH_MAX];
    path_of(path, dir, name, ".new");
    unlink(path);
}

static bool is_secret(const char *name)
{
    size_t n = strlen(name);
    return n > 4 && strcmp(name + n - 4, ".key") == 0;
}

bool cert_files_write(const char *dir, const struct cert_file *v, size_t n, char *err, size_t err_cap)
{
    bool ok = true;
    for (size_t i = 0; i < n && ok; i++)
        ok = v[i].text == NULL || stage(dir, v[i].name, v[i].text, is_secret(v[i].name), err, err_cap);
    for (size_t i = 0; i < n && ok; i++)
        ok = v[i].text == NULL || commit(dir, v[i].name, err, err_cap);
    for (size_t i = 0; i < n && !ok; i++) {
        if (v[i].text != NULL)
            abandon(dir, v[i].name);
    }
    return ok;
}

int cert_lock(const char *dir, char *err, size_t err_cap)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        say(err, err_cap, dir, "opened", errno);
        return -1;
    }
    if (flock(fd, LOCK_EX) != 0) {
        say(err, err_cap, dir, "locked", errno);
        close(fd);
        return -1;
    }
    return fd;
}
