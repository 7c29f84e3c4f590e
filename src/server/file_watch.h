/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tells when files may have been changed, whatever way it was done: written in place, another one moved over them, or a
 * symbolic link on the way to them turned elsewhere (certbot's live/NAME/cert.pem, Kubernetes' ..data).
 *
 * The folders are watched, not the files: those come and go. inotify is asked itself, because libuv's watcher wakes for
 * every write, and the store may lie in the same folder.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

/* A name in a folder: when it changes, a file is perhaps another one. */
struct file_spot {
    char *folder, *name;
    int watch; /* inotify's number of the folder; -1: not watched */
};

struct file_spots {
    struct file_spot *v;
    size_t n;
};

/* Adds all the spots on the way to an absolute path, each once. Looks at the disk. */
void file_spots_add(struct file_spots *s, const char *path);
/* Also fine on a zeroed one, which it leaves. */
void file_spots_fini(struct file_spots *s);

struct file_watch {
    int fd; /* -1: none */
    uv_poll_t poll;
    struct file_spots spots;
    void (*changed)(void *ctx);
    void *ctx;
};

/* changed is called on uv's loop, often several times for one change. 0, or a libuv error: then there is no watch, and
 * the other functions do nothing. */
int file_watch_open(struct file_watch *w, uv_loop_t *uv, void (*changed)(void *ctx), void *ctx);
/* Takes the spots over, in place of those before. How many folders can't be watched. */
size_t file_watch_set(struct file_watch *w, struct file_spots *spots);
/* Before the loop is closed; w must live until then. */
void file_watch_close(struct file_watch *w);
