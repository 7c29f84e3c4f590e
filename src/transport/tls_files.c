/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tls_files_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sotto/base/file_why.h"
#include "sotto/base/mem.h"
#include "certificate_private.h"

/* What to do where one is missing depends on what lies beside it. */
static const struct secret_file_kind pem = {
    .max = (size_t)1 << 20, .missing = NULL, .large = "larger than 1 MiB: it is no PEM file of ours"};

static void say_why(const struct secret_file_kind *kind, const char *path, int error, char *err, size_t cap)
{
    char why[512], hint[PATH_MAX + 512];
    if (error == ENOENT && kind->missing == NULL)
        cert_missing_hint(path, hint, sizeof(hint));
    if (error == ENOENT) {
        snprintf(err, cap, "%s does not exist: %s", path, kind->missing != NULL ? kind->missing : hint);
    } else if (error == EISDIR) {
        snprintf(err, cap, "%s is a folder: name the file in it", path);
    } else if (error == EFBIG) {
        snprintf(err, cap, "%s is %s", path, kind->large);
    } else {
        file_why_read(path, error, why, sizeof(why));
        snprintf(err, cap, "%s %s", path, why);
    }
}

static int read_whole(struct pem_file *f, int fd, size_t max)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return errno;
    if (S_ISDIR(st.st_mode))
        return EISDIR;
    if (st.st_size > (off_t)max)
        return EFBIG;
    f->mode = st.st_mode;
    size_t cap = st.st_size > 0 ? (size_t)st.st_size : max;
    f->p = mem_alloc(cap + 1);
    while (f->n < cap) {
        ssize_t n = read(fd, f->p + f->n, cap - f->n);
        if (n < 0 && errno != EINTR)
            return errno;
        if (n == 0)
            break;
        f->n += n > 0 ? (size_t)n : 0;
    }
    f->p[f->n] = '\0';
    return 0;
}

bool secret_file_read(struct pem_file *f, const struct secret_file_kind *kind, const char *path, char *err,
                      size_t err_cap)
{
    *f = (struct pem_file){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char why[512];
    int error = fd < 0 ? errno : read_whole(f, fd, kind->max);
    if (fd >= 0)
        close(fd);
    bool open_to_all = error == 0 && file_why_open_to_all(path, f->mode, why, sizeof(why));
    if (error == 0 && !open_to_all)
        return true;
    pem_file_free(f);
    if (open_to_all)
        snprintf(err, err_cap, "%s: %s", path, why);
    else
        say_why(kind, path, error, err, err_cap);
    return false;
}

bool pem_file_read(struct pem_file *f, const char *path, char *err, size_t err_cap)
{
    return secret_file_read(f, &pem, path, err, err_cap);
}

void pem_file_free(struct pem_file *f)
{
    if (f->p != NULL)
        bytes_wipe(f->p, f->n);
    mem_free(f->p);
    *f = (struct pem_file){0};
}

void pem_file_append(struct pem_file *f, const struct pem_file *more)
{
    char *p = mem_alloc(f->n + more->n + 2);
    memcpy(p, f->p, f->n);
    p[f->n] = '\n';
    memcpy(p + f->n + 1, more->p, more->n);
    size_t n = f->n + 1 + more->n;
    pem_file_free(f);
    *f = (struct pem_file){.p = p, .n = n};
}

/* The label of a "-----BEGIN label-----" line ends with what is wanted. */
static bool label_ends_with(const char *label, const char *end, const char *wanted)
{
    size_t n = strlen(wanted);
    return (size_t)(end - label) >= n && memcmp(end - n, wanted, n) == 0;
}

struct bytes pem_block(const struct pem_file *f, const char *label)
{
    const char *begin = f->p;
    while (begin != NULL && (begin = strstr(begin, "-----BEGIN ")) != NULL) {
        const char *name = begin + strlen("-----BEGIN ");
        const char *name_end = strstr(name, "-----");
        if (name_end == NULL)
            break;
        const char *end = strstr(name_end + 5, "-----END ");
        end = end != NULL ? strstr(end + strlen("-----END "), "-----") : NULL;
        if (end == NULL)
            break;
        if (label_ends_with(name, name_end, label))
            return bytes_of(begin, (size_t)(end + 5 - begin));
        begin = end + 5;
    }
    return (struct bytes){NULL, 0};
}
