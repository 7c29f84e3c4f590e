/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Edits a users file as text, so that comments, order and blank lines stay. Only lines that belong to the user are
 * touched; a section ends with its last entry, so that comments in front of the next section stay with that one. The
 * new text is checked like any other before it takes the old one's place: an edit never leaves a file that can't be
 * loaded.
 */
#include "sotto/store/users.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sotto/base/buf.h"
#include "sotto/base/file_why.h"
#include "sotto/base/mem.h"
#include "sotto/store/ini_lines.h"

struct error {
    char *text;
    size_t cap;
    bool set;
};

static int fail(struct error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int fail(struct error *e, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(e->text, e->cap, format, args);
    va_end(args);
    e->set = true;
    return -1;
}

/* -------------------------------------------------------------- the place */

/* Where in the text a user stands: offsets of lines. */
struct place {
    bool found;
    size_t head, head_end; /* the section's own line */
    size_t last_end;       /* behind its last entry (or its head) */
    struct span {
        size_t at, end; /* 0, 0: it has none */
    } password, scram;
};

/* The lines that stand for a password. */
struct secrets {
    const char *hash, *scram;
};

struct search {
    struct bytes text, name;
    size_t at;     /* start of the line `line` */
    unsigned line; /* counted from 1 */
    bool inside;
    struct place place;
    struct error *error;
    const char *path;
};

static size_t line_end(struct bytes text, size_t at)
{
    const uint8_t *end = at < text.n ? memchr(text.p + at, '\n', text.n - at) : NULL;
    return end != NULL ? (size_t)(end - text.p) + 1 : text.n;
}

/* Events come in the order of lines. */
static void go_to(struct search *s, unsigned line)
{
    for (; s->line < line; s->line++)
        s->at = line_end(s->text, s->at);
}

static void on_section(void *ctx, unsigned line, const char *section)
{
    struct search *s = ctx;
    s->inside = bytes_equal(bytes_str(section), s->name);
    if (!s->inside)
        return;
    go_to(s, line);
    s->place.found = true;
    s->place.head = s->at;
    s->place.head_end = s->place.last_end = line_end(s->text, s->at);
}

static void on_entry(void *ctx, unsigned line, const char *section, const char *key, const char *value)
{
    struct search *s = ctx;
    (void)section, (void)value;
    if (!s->inside)
        return;
    go_to(s, line);
    s->place.last_end = line_end(s->text, s->at);
    if (strcmp(key, "password") == 0)
        s->place.password = (struct span){s->at, s->place.last_end};
    if (strcmp(key, "scram") == 0)
        s->place.scram = (struct span){s->at, s->place.last_end};
}

static void on_fault(void *ctx, unsigned line, const char *section, const char *key, const char *text)
{
    struct search *s = ctx;
    (void)section, (void)key;
    if (!s->error->set)
        fail(s->error, "%s:%u: %s; nothing was changed", s->path, line, text);
}

/* What the file must be before and after. Twice the same section, for one, would make the edit ambiguous. */
static void on_users(void *ctx, bool warning, const char *file, unsigned line, const char *section, const char *key,
                     const char *text)
{
    struct error *e = ctx;
    if (!warning && !e->set)
        fail(e, "%s:%u: [%s] %s%s%s; nothing was changed", file, line, section != NULL ? section : "",
             key != NULL ? key : "", key != NULL ? ": " : "", text);
}

static int find_place(const char *path, struct bytes text, struct bytes name, struct place *place, struct error *e)
{
    static const struct ini_events events = {on_section, on_entry, on_fault};
    bool bom = text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0;
    struct search s = {.text = text, .name = name, .at = bom ? 3 : 0, .line = 1, .error = e, .path = path};
    struct users *u = users_parse(path, text, on_users, e);
    users_unref(u);
    if (u == NULL)
        return -1;
    ini_lines_parse(text, &events, &s);
    *place = s.place;
    return e->set ? -1 : 0;
}

/* ---------------------------------------------------------------- writing */

static int write_all(int fd, struct bytes b)
{
    while (b.n > 0) {
        ssize_t n = write(fd, b.p, b.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        b = bytes_of(b.p + n, b.n - (size_t)n);
    }
    return fsync(fd);
}

static int fail_to_write(const char *path, int error, struct error *e)
{
    struct stat st;
    if (error == EACCES && stat(path, &st) == 0)
        return fail(
            e, "%s: can't be written by user %u (it is mode %04o, owner %u); nothing was changed: sudo chown %u %s",
            path, (unsigned)geteuid(), (unsigned)st.st_mode & 07777u, (unsigned)st.st_uid, (unsigned)geteuid(), path);
    return fail(e, "%s: can't be written: %s; nothing was changed, check its permissions", path, strerror(error));
}

/* Over the file itself: not atomic, but the only way where it is a mount point or its folder can't be written. */
static int write_in_place(const char *path, struct bytes text, struct error *e)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_to_write(path, errno, e);
    int status = write_all(fd, text) == 0 && ftruncate(fd, (off_t)text.n) == 0 && fsync(fd) == 0 ? 0 : -1;
    if (status != 0)
        fail(e, "%s: writing failed half way: %s; the file is damaged, restore it from a copy", path, strerror(errno));
    close(fd);
    return status;
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? mem_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : mem_strndup(".", 1);
}

static void sync_folder(const char *path)
{
    char *folder = folder_of(path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    mem_free(folder);
}

static int fail_to_make(const char *path, int error, struct error *e)
{
    char words[512], *folder = folder_of(path);
    file_why_folder(folder, geteuid(), error, words, sizeof(words));
    fail(e, "%s: can't be made: its folder %s %s", path, folder, words);
    mem_free(folder);
    return -1;
}

/* old: the file that is replaced, or NULL. */
static int write_file(const char *path, const struct stat *old, struct bytes text, struct error *e)
{
    size_t n = strlen(path) + 8;
    char *fresh = mem_alloc(n);
    snprintf(fresh, n, "%s.XXXXXX", path);
    int fd = mkstemp(fresh); /* 0600 */
    if (fd < 0) {
        int why = errno;
        mem_free(fresh);
        if (old != NULL)
            return write_in_place(path, text, e);
        return fail_to_make(path, why, e);
    }
    bool good = write_all(fd, text) == 0;
    if (good && old != NULL) {
        /* Owner first: chown clears bits. Only root can give files away, and only a stranger's file needs it. */
        bool own = old->st_uid == geteuid() && old->st_gid == getegid();
        good = (own || fchown(fd, old->st_uid, old->st_gid) == 0) && fchmod(fd, old->st_mode & 07777) == 0;
    }
    int why = errno;
    close(fd);
    int status = good ? rename(fresh, path) : -1;
    if (status == 0)
        sync_folder(path);
    else
        unlink(fresh);
    if (status != 0 && good)
        why = errno;
    mem_free(fresh);
    if (status != 0 && old != NULL && why != ENOSPC && why != EDQUOT && why != EIO)
        return write_in_place(path, text, e);
    return status == 0 ? 0 : fail(e, "%s: can't be written: %s; nothing was changed", path, strerror(why));
}

/* ---------------------------------------------------------------- editing */

static bool append_all(struct buf *out, const char *const *parts)
{
    bool good = true;
    for (; good && *parts != NULL; parts++)
        good = buf_append(out, *parts, strlen(*parts));
    return good;
}

/* Both lines stand where the first of the old ones stood, or behind the section's own line. */
static bool set_in_section(struct buf *out, struct bytes text, const struct place *p, const char *const *lines,
                           const char *newline)
{
    const struct span none = {p->head_end, p->head_end};
    struct span first = p->password.end > 0 ? p->password : p->scram.end > 0 ? p->scram : none;
    struct span second = p->password.end > 0 && p->scram.end > 0 ? p->scram : (struct span){first.end, first.end};
    if (second.at < first.at) {
        struct span later = first;
        first = second;
        second = later;
    }
    bool ended = first.at > 0 && text.p[first.at - 1] == '\n';
    return buf_append(out, text.p, first.at) && (ended || append_all(out, (const char *const[]){newline, NULL})) &&
           append_all(out, lines) && buf_append(out, text.p + first.end, second.at - first.end) &&
           buf_append(out, text.p + second.end, text.n - second.end);
}

static bool set_in_text(struct buf *out, struct bytes text, const struct place *p, const char *name,
                        const struct secrets *secrets)
{
    const uint8_t *end = text.n > 0 ? memchr(text.p, '\n', text.n) : NULL;
    const char *newline = end != NULL && end > text.p && end[-1] == '\r' ? "\r\n" : "\n";
    const char *lines[] = {"password = ", secrets->hash, newline, "scram = ", secrets->scram, newline, NULL};
    bool ended = text.n == 0 || text.p[text.n - 1] == '\n';

    if (p->found)
        return set_in_section(out, text, p, lines, newline);
    return buf_append(out, text.p, text.n) &&
           append_all(out, (const char *const[]){ended ? "" : newline, text.n == 0 ? "" : newline, "[", name, "]",
                                                 newline, NULL}) &&
           append_all(out, lines);
}

static bool delete_in_text(struct buf *out, struct bytes text, const struct place *p)
{
    return buf_append(out, text.p, p->head) && buf_append(out, text.p + p->last_end, text.n - p->last_end);
}

static int edit(const char *path, const struct stat *old, struct bytes text, const char *name,
                const struct secrets *secrets, struct error *e)
{
    struct buf out;
    struct place place;
    if (find_place(path, text, bytes_str(name), &place, e) != 0)
        return -1;
    if (secrets == NULL && !place.found)
        return fail(e, "%s: there is no user '%s'; nothing was changed", path, name);
    buf_init(&out, INI_FILE_MAX);
    bool fits = secrets != NULL ? set_in_text(&out, text, &place, name, secrets) : delete_in_text(&out, text, &place);
    int status;
    struct users *u = NULL;
    if (!fits)
        status = fail(e, "%s: the file would be larger than 64 MiB; nothing was changed", path);
    else if ((u = users_parse(path, bytes_of(out.p, out.n), on_users, e)) == NULL)
        status = -1;
    else
        status = write_file(path, old, bytes_of(out.p, out.n), e);
    users_unref(u);
    buf_fini(&out);
    return status;
}

/* Two at a time would lose one's change. The lock is on the folder: the file itself is replaced. */
static int lock_folder(const char *path)
{
    char *folder = folder_of(path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    mem_free(folder);
    if (fd >= 0)
        flock(fd, LOCK_EX);
    return fd;
}

/* secrets NULL: the user is deleted. */
static int change(const char *path, struct bytes user, const struct secrets *secrets, char *err, size_t err_cap)
{
    struct error e = {err, err_cap, false};
    struct stat old;
    struct bytes text = bytes_str("");
    char *name = mem_strndup(user.p, user.n);
    char *real = realpath(path, NULL); /* a link stays a link */
    const char *target = real != NULL ? real : path;
    int lock = lock_folder(target), status;
    bool there = stat(target, &old) == 0;
    int why = there ? ini_lines_load(target, &text, NULL) : errno == ENOENT ? 0 : errno;

    char words[512];
    if (why != 0) {
        file_why_read(path, why, words, sizeof(words));
        status = fail(&e, "%s: %s", path, words);
    } else if (!there && secrets == NULL) {
        status = fail(&e, "%s: there is no such file, so there is no user to delete; check the name", path);
    } else {
        status = edit(target, there ? &old : NULL, text, name, secrets, &e);
    }
    if (there && why == 0) {
        bytes_wipe((void *)(uintptr_t)text.p, text.n);
        mem_free((void *)(uintptr_t)text.p);
    }
    if (lock >= 0)
        close(lock);
    free(real);
    mem_free(name);
    return status;
}

int users_file_set(const char *path, struct bytes name, const char *hash, const char *scram, char *err, size_t err_cap)
{
    const struct secrets secrets = {hash, scram};
    return change(path, name, &secrets, err, err_cap);
}

int users_file_delete(const char *path, struct bytes name, char *err, size_t err_cap)
{
    return change(path, name, NULL, err, err_cap);
}
