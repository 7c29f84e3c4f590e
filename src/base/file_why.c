/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sotto/base/file_why.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool may_enter(const char *folder)
{
    return faccessat(AT_FDCWD, folder, X_OK, AT_EACCESS) == 0;
}

/* The first folder on the way to path that doesn't let us in; false when all do. */
static bool closed_folder(const char *path, char folder[PATH_MAX], struct stat *st)
{
    size_t n = strlen(path);
    if (n >= PATH_MAX)
        return false;
    for (size_t i = 1; i < n; i++) {
        if (path[i] != '/')
            continue;
        memcpy(folder, path, i);
        folder[i] = '\0';
        if (!may_enter(folder) && stat(folder, st) == 0)
            return true;
    }
    return false;
}

/* A folder on the way may be somebody's home, so it is not to be given away. False when no folder is the reason. */
static bool unreachable(const char *path, char *out, size_t cap)
{
    char folder[PATH_MAX];
    struct stat st;
    if (!closed_folder(path, folder, &st))
        return false;
    snprintf(out, cap,
             "can't be reached by user %u: the folder %s does not let it in (it is mode %04o, owner %u): "
             "sudo chmod o+x %s, or use another place",
             (unsigned)geteuid(), folder, (unsigned)st.st_mode & 07777u, (unsigned)st.st_uid, folder);
    return true;
}

static void refused(const char *path, char *out, size_t cap)
{
    struct stat st;
    unsigned uid = (unsigned)geteuid();
    if (unreachable(path, out, cap))
        return;
    if (stat(path, &st) == 0)
        snprintf(out, cap,
                 "can't be read by user %u (it is mode %04o, owner %u): sudo chown %u %s && sudo chmod 0600 %s", uid,
                 (unsigned)st.st_mode & 07777u, (unsigned)st.st_uid, uid, path, path);
    else
        snprintf(out, cap, "can't be read by user %u: %s; check the permissions of its folders", uid, strerror(EACCES));
}

void file_why_read(const char *path, int error, char *out, size_t cap)
{
    if (error == EACCES)
        refused(path, out, cap);
    else
        snprintf(out, cap, "can't be read: %s; check the name and the permissions", strerror(error));
}

void file_why_folder(const char *path, uid_t uid, int error, char *out, size_t cap)
{
    struct stat st;
    if (error == EACCES && uid == geteuid() && unreachable(path, out, cap))
        return;
    if (error == EROFS)
        snprintf(out, cap, "can't be written: it is mounted read-only; mount a folder there that can be written");
    else if ((error == EACCES || error == EPERM) && stat(path, &st) == 0)
        snprintf(out, cap, "can't be written by user %u (it is mode %04o, owner %u): sudo chown -R %u %s",
                 (unsigned)uid, (unsigned)st.st_mode & 07777u, (unsigned)st.st_uid, (unsigned)uid, path);
    else if (error == EACCES || error == EPERM)
        snprintf(out, cap, "can't be reached or made by user %u: %s; make it: sudo install -d -o %u %s", (unsigned)uid,
                 strerror(error), (unsigned)uid, path);
    else
        snprintf(out, cap, "can't be used: %s; check the path", strerror(error));
}

bool file_why_open_to_all(const char *path, unsigned mode, char *out, size_t cap)
{
    if ((mode & S_IWOTH) == 0)
        return false;
    snprintf(out, cap, "everybody on this machine may write this file (it is mode %04o): sudo chmod o-w %s",
             mode & 07777u, path);
    return true;
}
