/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "disk/shim_vfs.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512
#define FILES 1024

struct pending {
    struct pending *next;
    bool truncate, delete;
    sqlite3_int64 at;
    int n;
    char data[];
};

/* What the disk holds for sure, and what was done since. */
struct on_disk {
    char path[512];
    bool exists;
    char *image;
    size_t n, cap;
    struct pending *first, **last;
};

struct file {
    sqlite3_file base;
    struct on_disk *disk; /* NULL: a temporary one */
    sqlite3_file real[];
};

/* Held during each call as a whole: a cut is before it or after it. */
static pthread_mutex_t calls = PTHREAD_MUTEX_INITIALIZER;

static struct {
    pthread_mutex_t lock;
    sqlite3_vfs vfs, *real;
    struct on_disk files[FILES];
    size_t files_n;
    bool cut, full, failed;
    uint64_t calls, fail_at, fail_more, writes, syncs;
    uint64_t off_at, off_seed; /* off_at counts down */
} g = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---------------------------------------------------------------- failures */

static _Noreturn void off(uint64_t seed);

/* Does this call fail? */
static bool fails(bool writes)
{
    pthread_mutex_lock(&g.lock);
    g.calls++;
    if (writes && g.off_at > 0 && --g.off_at == 0)
        off(g.off_seed);
    bool yes = g.fail_at > 0 && g.calls >= g.fail_at && g.calls < g.fail_at + g.fail_more;
    g.failed |= yes;
    yes |= g.cut || (g.full && writes);
    pthread_mutex_unlock(&g.lock);
    return yes;
}

void shim_fail(uint64_t n, uint64_t more)
{
    pthread_mutex_lock(&g.lock);
    g.calls = 0;
    g.fail_at = n;
    g.fail_more = more;
    g.failed = false;
    pthread_mutex_unlock(&g.lock);
}

void shim_full(bool on)
{
    pthread_mutex_lock(&g.lock);
    g.full = on;
    pthread_mutex_unlock(&g.lock);
}

static bool is_full(void)
{
    pthread_mutex_lock(&g.lock);
    bool yes = g.full;
    pthread_mutex_unlock(&g.lock);
    return yes;
}

bool shim_failed(void)
{
    pthread_mutex_lock(&g.lock);
    bool yes = g.failed;
    pthread_mutex_unlock(&g.lock);
    return yes;
}

void shim_cut(void)
{
    pthread_mutex_lock(&g.lock);
    g.cut = true;
    pthread_mutex_unlock(&g.lock);
}

static uint64_t counted(const uint64_t *what)
{
    pthread_mutex_lock(&g.lock);
    uint64_t n = *what;
    pthread_mutex_unlock(&g.lock);
    return n;
}

uint64_t shim_writes(void)
{
    return counted(&g.writes);
}

uint64_t shim_syncs(void)
{
    return counted(&g.syncs);
}

/* ---------------------------------------------------------------- what is on the disk */

static void load(struct on_disk *d)
{
    int fd = open(d->path, O_RDONLY | O_CLOEXEC);
    d->exists = fd >= 0;
    if (fd < 0)
        return;
    off_t n = lseek(fd, 0, SEEK_END);
    d->n = (size_t)n;
    d->cap = d->n + 1;
    d->image = malloc(d->cap);
    assert(pread(fd, d->image, d->n, 0) == n);
    close(fd);
}

/* With the lock. */
static struct on_disk *find(const char *path)
{
    for (size_t i = 0; i < g.files_n; i++)
        if (strcmp(g.files[i].path, path) == 0)
            return &g.files[i];
    assert(g.files_n < FILES && strlen(path) < sizeof(g.files[0].path));
    struct on_disk *d = &g.files[g.files_n++];
    memset(d, 0, sizeof(*d));
    strcpy(d->path, path);
    d->last = &d->first;
    load(d);
    return d;
}

/* With the lock. */
static void add_pending(struct on_disk *d, const struct pending *what, const void *data)
{
    struct pending *p = malloc(sizeof(*p) + (size_t)what->n);
    *p = *what;
    p->next = NULL;
    if (what->n > 0)
        memcpy(p->data, data, (size_t)what->n);
    *d->last = p;
    d->last = &p->next;
}

static void resize(struct on_disk *d, size_t n)
{
    if (n > d->n) {
        if (n > d->cap) { /* a checkpoint writes page by page: no copy of all for each */
            d->cap = 2 * n;
            d->image = realloc(d->image, d->cap);
        }
        memset(d->image + d->n, 0, n - d->n);
    }
    d->n = n;
}

static void put(struct on_disk *d, size_t at, const char *data, size_t n)
{
    if (at + n > d->n)
        resize(d, at + n);
    memcpy(d->image + at, data, n);
    d->exists = true;
}

static uint64_t draw(uint64_t *seed)
{
    *seed += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t x = *seed;
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* Applies p; with a seed, only the sectors that chance picks. */
static void apply(struct on_disk *d, const struct pending *p, uint64_t *seed)
{
    if (seed != NULL && p->truncate && draw(seed) % 2)
        return;
    if (seed != NULL && p->delete &&draw(seed) % 2)
        return;
    if (p->delete) {
        d->exists = false;
        d->n = 0;
    } else if (p->truncate) {
        resize(d, (size_t)p->at);
    }
    for (int i = 0; i < p->n;) {
        int step = SECTOR - (int)((p->at + i) % SECTOR);
        step = step < p->n - i ? step : p->n - i;
        if (seed == NULL || draw(seed) % 2)
            put(d, (size_t)p->at + (size_t)i, p->data + i, (size_t)step);
        i += step;
    }
}

/* With the lock. */
static void settle(struct on_disk *d, bool lost, uint64_t *seed)
{
    while (d->first != NULL) {
        struct pending *p = d->first;
        d->first = p->next;
        if (!lost)
            apply(d, p, seed);
        free(p);
    }
    d->last = &d->first;
}

/* With the lock: what was deleted is gone for good, what was made has its name. */
static void settle_names(struct on_disk *d)
{
    struct pending *last = NULL;
    for (struct pending *p = d->first; p != NULL; p = p->next)
        last = p->delete ? p : last;
    while (last != NULL) {
        struct pending *p = d->first;
        d->first = p->next;
        last = p == last ? NULL : last;
        apply(d, p, NULL);
        free(p);
    }
    if (d->first == NULL)
        d->last = &d->first;
    d->exists = access(d->path, F_OK) == 0;
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);

/* The linker has the store's own calls of fsync come here: those of folders count. */
int __wrap_fsync(int fd)
{
    struct stat info;
    if (fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) {
        pthread_mutex_lock(&g.lock);
        for (size_t i = 0; i < g.files_n; i++)
            settle_names(&g.files[i]);
        pthread_mutex_unlock(&g.lock);
    }
    return __real_fsync(fd);
}

static void drop_shm(const char *path)
{
    char shm[sizeof(g.files[0].path) + 8];
    strcat(strcpy(shm, path), "-shm");
    unlink(shm);
}

/* With the lock: what the disk has after the cut, into the real files. */
static void write_back(bool lost, uint64_t seed)
{
    for (size_t i = 0; i < g.files_n; i++) {
        struct on_disk *d = &g.files[i];
        settle(d, lost, &seed);
        unlink(d->path);
        drop_shm(d->path);
        if (!d->exists)
            continue;
        int fd = open(d->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        ssize_t n = write(fd, d->image, d->n);
        assert(fd >= 0 && n == (ssize_t)d->n);
        close(fd);
    }
}

void shim_restart(bool lost, uint64_t seed)
{
    pthread_mutex_lock(&g.lock);
    write_back(lost, seed);
    g.cut = false;
    pthread_mutex_unlock(&g.lock);
}

/* With both locks, which nobody gets any more: nothing else happens to the files. */
static _Noreturn void off(uint64_t seed)
{
    write_back(seed % 3 == 0, seed);
    _exit(SHIM_OFF);
}

void shim_off(uint64_t seed)
{
    pthread_mutex_lock(&calls);
    pthread_mutex_lock(&g.lock);
    off(seed);
}

void shim_off_at(uint64_t n, uint64_t seed)
{
    pthread_mutex_lock(&g.lock);
    g.off_at = n;
    g.off_seed = seed;
    pthread_mutex_unlock(&g.lock);
}

/* ---------------------------------------------------------------- files */

#define REAL(f) (((struct file *)(f))->real)
#define DISK(f) (((struct file *)(f))->disk)

static int close_now(sqlite3_file *f)
{
    return REAL(f)->pMethods != NULL ? REAL(f)->pMethods->xClose(REAL(f)) : SQLITE_OK;
}

static int read_now(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    return fails(false) ? SQLITE_IOERR_READ : REAL(f)->pMethods->xRead(REAL(f), p, n, at);
}

static int write_now(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    if (fails(true))
        return is_full() ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    pthread_mutex_lock(&g.lock);
    g.writes++;
    if (DISK(f) != NULL)
        add_pending(DISK(f), &(struct pending){.at = at, .n = n}, p);
    int rc = REAL(f)->pMethods->xWrite(REAL(f), p, n, at);
    pthread_mutex_unlock(&g.lock);
    return rc;
}

static int truncate_now(sqlite3_file *f, sqlite3_int64 size)
{
    if (fails(true))
        return SQLITE_IOERR_TRUNCATE;
    pthread_mutex_lock(&g.lock);
    if (DISK(f) != NULL)
        add_pending(DISK(f), &(struct pending){.truncate = true, .at = size}, NULL);
    int rc = REAL(f)->pMethods->xTruncate(REAL(f), size);
    pthread_mutex_unlock(&g.lock);
    return rc;
}

static int sync_now(sqlite3_file *f, int flags)
{
    (void)flags;
    if (fails(true))
        return SQLITE_IOERR_FSYNC;
    pthread_mutex_lock(&g.lock);
    g.syncs++;
    if (DISK(f) != NULL) {
        DISK(f)->exists = true;
        settle(DISK(f), false, NULL);
    }
    pthread_mutex_unlock(&g.lock);
    return SQLITE_OK;
}

static int size_now(sqlite3_file *f, sqlite3_int64 *size)
{
    return fails(false) ? SQLITE_IOERR_FSTAT : REAL(f)->pMethods->xFileSize(REAL(f), size);
}

static int lock_now(sqlite3_file *f, int level)
{
    return fails(false) ? SQLITE_IOERR_LOCK : REAL(f)->pMethods->xLock(REAL(f), level);
}

static int unlock_now(sqlite3_file *f, int level)
{
    return REAL(f)->pMethods->xUnlock(REAL(f), level);
}

static int x_check_lock(sqlite3_file *f, int *out)
{
    return REAL(f)->pMethods->xCheckReservedLock(REAL(f), out);
}

static int x_control(sqlite3_file *f, int op, void *arg)
{
    return REAL(f)->pMethods->xFileControl(REAL(f), op, arg);
}

static int x_sector(sqlite3_file *f)
{
    (void)f;
    return SECTOR;
}

static int x_traits(sqlite3_file *f)
{
    (void)f;
    return 0;
}

static int shm_map_now(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    if (!fails(true))
        return REAL(f)->pMethods->xShmMap(REAL(f), page, size, extend, out);
    if (!is_full())
        return SQLITE_IOERR_SHMMAP;
    errno = ENOSPC;
    return SQLITE_IOERR_SHMSIZE;
}

static int shm_lock_now(sqlite3_file *f, int offset, int n, int flags)
{
    bool unlock = (flags & SQLITE_SHM_UNLOCK) != 0;
    return !unlock && fails(false) ? SQLITE_IOERR_SHMLOCK : REAL(f)->pMethods->xShmLock(REAL(f), offset, n, flags);
}

static void x_shm_barrier(sqlite3_file *f)
{
    REAL(f)->pMethods->xShmBarrier(REAL(f));
}

static int x_shm_unmap(sqlite3_file *f, int delete)
{
    return REAL(f)->pMethods->xShmUnmap(REAL(f), delete);
}

/* ---------------------------------------------------------------- one call after the other */

static int x_close(sqlite3_file *f)
{
    pthread_mutex_lock(&calls);
    int rc = close_now(f);
    pthread_mutex_unlock(&calls);
    return rc;
}

static int x_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    pthread_mutex_lock(&calls);
    int rc = read_now(f, p, n, at);
    pthread_mutex_unlock(&calls);
    return rc;
}

static int x_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    pthread_mutex_lock(&calls);
    int rc = write_now(f, p, n, at);
    pthread_mutex_unlock(&calls);
    return rc;
}

static int x_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    pthread_mutex_lock(&calls);
    int rc = truncate_now(f, size);
    pthread_mutex_unlock(&calls);
    return rc;
}

static int x_sync(sqlite3_file *f, int flags)
{
    pthread_mutex_lock(&calls);
    int rc = sync_now(f, flags);
    pthread_mutex_unlock(&calls);
    return rc;
}

static int x_size(sqlite3_file *f, sqlite3_int64 *size)
{
    pthread_mutex_lock(&calls);
    int rc = size_now(f, size);
    pthread_mutex_unlock(&calls);
    return rc;
}

static int x_lock(sqlite3_file *f, int level)
{
    pthread_mutex_lock(&calls);
    int rc = lock_now(f, level);
    pthread_mutex_unlock(&calls);
    return rc;
}

static int x_unlock(sqlite3_file *f, int level)
{
    pthread_mutex_lock(&calls);
    int rc = unlock_now(f, level);
    pthread_mutex_unlock(&calls);
    return rc;
}

static int x_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    pthread_mutex_lock(&calls);
    int rc = shm_map_now(f, page, size, extend, out);
    pthread_mutex_unlock(&calls);
    return rc;
}

static int x_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    pthread_mutex_lock(&calls);
    int rc = shm_lock_now(f, offset, n, flags);
    pthread_mutex_unlock(&calls);
    return rc;
}

static const sqlite3_io_methods methods = {.iVersion = 2,
                                           .xClose = x_close,
                                           .xRead = x_read,
                                           .xWrite = x_write,
                                           .xTruncate = x_truncate,
                                           .xSync = x_sync,
                                           .xFileSize = x_size,
                                           .xLock = x_lock,
                                           .xUnlock = x_unlock,
                                           .xCheckReservedLock = x_check_lock,
                                           .xFileControl = x_control,
                                           .xSectorSize = x_sector,
                                           .xDeviceCharacteristics = x_traits,
                                           .xShmMap = x_shm_map,
                                           .xShmLock = x_shm_lock,
                                           .xShmBarrier = x_shm_barrier,
                                           .xShmUnmap = x_shm_unmap};

static int open_now(sqlite3_vfs *v, const char *path, sqlite3_file *f, int flags, int *out)
{
    struct file *file = (struct file *)f;
    (void)v;
    file->base.pMethods = NULL;
    file->disk = NULL;
    file->real->pMethods = NULL;
    if (fails(false))
        return SQLITE_CANTOPEN;
    if (path != NULL && (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) != 0) {
        pthread_mutex_lock(&g.lock);
        file->disk = find(path);
        pthread_mutex_unlock(&g.lock);
    }
    int rc = g.real->xOpen(g.real, path, file->real, flags, out);
    if (rc == SQLITE_OK)
        file->base.pMethods = &methods;
    return rc;
}

static int delete_now(sqlite3_vfs *v, const char *path, int sync)
{
    (void)v;
    (void)sync;
    if (fails(true))
        return SQLITE_IOERR_DELETE;
    pthread_mutex_lock(&g.lock);
    add_pending(find(path), &(struct pending){.delete = true}, NULL);
    int rc = g.real->xDelete(g.real, path, 0);
    pthread_mutex_unlock(&g.lock);
    return rc;
}

static int access_now(sqlite3_vfs *v, const char *path, int flags, int *out)
{
    (void)v;
    return fails(false) ? SQLITE_IOERR_ACCESS : g.real->xAccess(g.real, path, flags, out);
}

static int x_open(sqlite3_vfs *v, const char *path, sqlite3_file *f, int flags, int *out)
{
    pthread_mutex_lock(&calls);
    int rc = open_now(v, path, f, flags, out);
    pthread_mutex_unlock(&calls);
    return rc;
}

static int x_delete(sqlite3_vfs *v, const char *path, int sync)
{
    pthread_mutex_lock(&calls);
    int rc = delete_now(v, path, sync);
    pthread_mutex_unlock(&calls);
    return rc;
}

static int x_access(sqlite3_vfs *v, const char *path, int flags, int *out)
{
    pthread_mutex_lock(&calls);
    int rc = access_now(v, path, flags, out);
    pthread_mutex_unlock(&calls);
    return rc;
}

void shim_reset(void)
{
    pthread_mutex_lock(&g.lock);
    for (size_t i = 0; i < g.files_n; i++) {
        settle(&g.files[i], true, NULL);
        free(g.files[i].image);
    }
    g.files_n = 0;
    g.cut = g.full = g.failed = false;
    g.calls = g.fail_at = g.fail_more = g.writes = g.syncs = g.off_at = 0;
    bool registered = g.real != NULL;
    pthread_mutex_unlock(&g.lock);
    if (registered)
        return;
    g.real = sqlite3_vfs_find(NULL);
    g.vfs = *g.real;
    g.vfs.zName = SHIM_VFS;
    g.vfs.pNext = NULL;
    g.vfs.szOsFile = (int)sizeof(struct file) + g.real->szOsFile;
    g.vfs.xOpen = x_open;
    g.vfs.xDelete = x_delete;
    g.vfs.xAccess = x_access;
    sqlite3_vfs_register(&g.vfs, 0);
}

void shim_usual(void)
{
    sqlite3_vfs_register(&g.vfs, 1);
}
