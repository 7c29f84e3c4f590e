/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "file_watch.h"

#include <errno.h>
#include <limits.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sotto/base/mem.h"

/* Not IN_MODIFY: who writes a file closes it, too. IN_ATTRIB: it may be readable now. */
#define WANTED                                                                                                         \
    (IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)
#define LINKS_MAX 32 /* on one path; the kernel's limit is 40 */

/* ---------------------------------------------------------------- spots */

static bool has(const struct file_spots *s, const char *folder, const char *name)
{
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->v[i].folder, folder) == 0 && strcmp(s->v[i].name, name) == 0)
            return true;
    }
    return false;
}

static void add(struct file_spots *s, const char *folder, const char *name)
{
    if (folder[0] == '\0')
        folder = "/";
    if (has(s, folder, name))
        return;
    s->v = mem_realloc(s->v, (s->n + 1) * sizeof(*s->v));
    s->v[s->n++] = (struct file_spot){mem_strndup(folder, strlen(folder)), mem_strndup(name, strlen(name)), -1};
}

/* A walk along a path: what is behind, and what is still to go ("" at the end). */
struct walk {
    char behind[PATH_MAX], ahead[PATH_MAX];
    unsigned links;
};

/* Takes the next name off; false: there is none, or it is too long. */
static bool take_name(struct walk *w, char name[NAME_MAX + 1])
{
    const char *p = w->ahead + strspn(w->ahead, "/");
    size_t n = strcspn(p, "/");
    if (n == 0 || n > NAME_MAX)
        return false;
    memcpy(name, p, n);
    name[n] = '\0';
    memmove(w->ahead, p + n, strlen(p + n) + 1);
    return true;
}

static void go_up(struct walk *w)
{
    char *slash = strrchr(w->behind, '/');
    if (slash != NULL)
        *slash = '\0';
}

static bool go_on(struct walk *w, const char *name)
{
    size_t n = strlen(w->behind);
    int more = snprintf(w->behind + n, sizeof(w->behind) - n, "/%s", name);
    return more > 0 && n + (size_t)more < sizeof(w->behind);
}

/* The link's target is walked before the rest. */
static bool turn_aside(struct walk *w, const char *target, size_t n)
{
    char rest[PATH_MAX];
    snprintf(rest, sizeof(rest), "%s", w->ahead);
    if (++w->links > LINKS_MAX || n + 1 + strlen(rest) >= sizeof(w->ahead))
        return false;
    memcpy(w->ahead, target, n);
    snprintf(w->ahead + n, sizeof(w->ahead) - n, "%s%s", rest[0] != '\0' ? "/" : "", rest);
    if (target[0] == '/')
        w->behind[0] = '\0';
    else
        go_up(w);
    return true;
}

/* One name further; false: the walk ends here. */
static bool step(struct walk *w, struct file_spots *s)
{
    char name[NAME_MAX + 1], target[PATH_MAX], folder[PATH_MAX];
    if (!take_name(w, name))
        return false;
    if (strcmp(name, ".") == 0)
        return true;
    if (strcmp(name, "..") == 0) {
        go_up(w);
        return true;
    }
    snprintf(folder, sizeof(folder), "%s", w->behind);
    bool last = w->ahead[strspn(w->ahead, "/")] == '\0';
    if (!go_on(w, name))
        return false;
    ssize_t n = readlink(w->behind, target, sizeof(target) - 1);
    bool missing = n < 0 && errno == ENOENT;
    if (last || n > 0 || missing)
        add(s, folder, name);
    return n > 0 ? turn_aside(w, target, (size_t)n) : !missing && !last;
}

void file_spots_add(struct file_spots *s, const char *path)
{
    struct walk w = {.links = 0};
    if (path[0] != '/' || strlen(path) >= sizeof(w.ahead))
        return;
    memcpy(w.ahead, path, strlen(path) + 1);
    while (step(&w, s))
        ;
}

void file_spots_fini(struct file_spots *s)
{
    for (size_t i = 0; i < s->n; i++) {
        mem_free(s->v[i].folder);
        mem_free(s->v[i].name);
    }
    mem_free(s->v);
    *s = (struct file_spots){.v = NULL};
}

/* ---------------------------------------------------------------- watch */

static bool concerns(const struct file_watch *w, const struct inotify_event *e)
{
    if (e->mask & (IN_Q_OVERFLOW | IN_DELETE_SELF | IN_MOVE_SELF))
        return true;
    for (size_t i = 0; i < w->spots.n && e->len > 0; i++) {
        if (w->spots.v[i].watch == e->wd && strcmp(w->spots.v[i].name, e->name) == 0)
            return true;
    }
    return false;
}

static void on_events(uv_poll_t *poll, int status, int events)
{
    struct file_watch *w = poll->data;
    alignas(struct inotify_event) char room[4096];
    bool any = false;
    ssize_t n;
    (void)status, (void)events;
    while ((n = read(w->fd, room, sizeof(room))) > 0) {
        const struct inotify_event *e;
        for (const char *p = room; p < room + n; p += sizeof(*e) + e->len) {
            e = (const struct inotify_event *)(const void *)p;
            any = any || concerns(w, e);
        }
    }
    if (any)
        w->changed(w->ctx);
}

int file_watch_open(struct file_watch *w, uv_loop_t *uv, void (*changed)(void *ctx), void *ctx)
{
    *w = (struct file_watch){.changed = changed, .ctx = ctx};
    w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->fd < 0)
        return -errno;
    int err = uv_poll_init(uv, &w->poll, w->fd);
    w->poll.data = w;
    if (err != 0) {
        close(w->fd);
        w->fd = -1;
        return err;
    }
    return uv_poll_start(&w->poll, UV_READABLE, on_events);
}

static bool still_watched(const struct file_spots *s, int watch)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->v[i].watch == watch)
            return true;
    }
    return false;
}

size_t file_watch_set(struct file_watch *w, struct file_spots *spots)
{
    size_t blind = 0;
    if (w->fd < 0) {
        file_spots_fini(spots);
        return 0;
    }
    for (size_t i = 0; i < spots->n; i++) {
        spots->v[i].watch = inotify_add_watch(w->fd, spots->v[i].folder, WANTED | IN_ONLYDIR);
        blind += spots->v[i].watch < 0;
    }
    for (size_t i = 0; i < w->spots.n; i++) {
        if (w->spots.v[i].watch >= 0 && !still_watched(spots, w->spots.v[i].watch))
            inotify_rm_watch(w->fd, w->spots.v[i].watch);
    }
    file_spots_fini(&w->spots);
    w->spots = *spots;
    *spots = (struct file_spots){.v = NULL};
    return blind;
}

static void on_closed(uv_handle_t *h)
{
    struct file_watch *w = h->data;
    close(w->fd);
    w->fd = -1;
}

void file_watch_close(struct file_watch *w)
{
    if (w->fd >= 0 && w->changed != NULL)
        uv_close((uv_handle_t *)&w->poll, on_closed);
    file_spots_fini(&w->spots);
}
