/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which file is the configuration where nobody named one. A folder that is mapped over /etc/sotto hides the file that
 * an image brings there, and is empty at the first start: so the image has a second copy, which is used then, and
 * copied into the folder when that can be written.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "first_start.h"
#include "sotto/base/mem.h"
#include "sotto/server/first_start.h"
#include "sotto/store/ini_lines.h"

#define CONFIG_FILE "/etc/sotto/sotto.ini"
#define PACKAGED_FILE "/usr/share/sotto/sotto.ini"

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

const char *first_start_config_file(void)
{
    return is_there(CONFIG_FILE) ? CONFIG_FILE : is_there(PACKAGED_FILE) ? PACKAGED_FILE : NULL;
}

/* Written beside its place first: nobody ever reads half of it. */
static bool write_copy(const char *file, const struct stat *folder, struct bytes text)
{
    size_t cap = strlen(file) + sizeof(".new");
    char *fresh = mem_alloc(cap);
    snprintf(fresh, cap, "%s.new", file);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    bool good = fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n && fsync(fd) == 0;
    /* Whoever owns the folder is to edit it. */
    good = good && (geteuid() != 0 || fchown(fd, folder->st_uid, folder->st_gid) == 0) && rename(fresh, file) == 0;
    if (fd >= 0 && !good)
        unlink(fresh);
    if (fd >= 0)
        close(fd);
    mem_free(fresh);
    return good;
}

bool first_start_copy_config(const char *packaged, const char *file)
{
    struct stat st;
    struct bytes text;
    char *folder = first_folder(file);
    bool wanted = !is_there(file) && stat(folder, &st) == 0 && S_ISDIR(st.st_mode) && access(folder, W_OK | X_OK) == 0;
    mem_free(folder);
    if (!wanted || ini_lines_load(packaged, &text, NULL) != 0)
        return false;
    bool copied = write_copy(file, &st, text);
    mem_free((void *)(uintptr_t)text.p);
    if (copied)
        log_event(LOG_INFO, "start.config", LF_STR("file", file), LF_STR("from", packaged),
                  LF_STR("hint", "change it there; it is read at each start"));
    return copied;
}

void first_start_place_config(void)
{
    if (is_there(PACKAGED_FILE))
        first_start_copy_config(PACKAGED_FILE, CONFIG_FILE);
}
