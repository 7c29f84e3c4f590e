/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The write-ahead log, looked over before SQLite reads it. SQLite takes a log up to the first frame whose checksum is
 * wrong for a log that ends there, as it must after a power cut, and says nothing: a byte that the disk changed takes
 * all that was committed behind it along. But each transaction is synced before the next one begins, so a power cut
 * leaves nothing whole behind a hole but the rest of one transaction. More than that is damage. So is a log that is
 * shorter than its index knew when the broker was killed, and a log beside a database that is empty, which SQLite
 * deletes.
 *
 * A frame is a page with a header: its number, the database's size if it ends a transaction, the log's salts, and a
 * checksum over all frames so far. As the sum of the frame before stands in that frame, each frame can be checked
 * alone, and those behind a hole are as good as those before. They are copied into the database by hand, the log is
 * moved aside, and salvage finds what makes sense together.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "durable_private.h"
#include "sotto/base/mem.h"

enum {
    HEAD = 32,       /* of the log: magic, version, page size, checkpoints, salts, checksum */
    FRAME_HEAD = 24, /* page, size at a commit, salts, checksum */
    FRAME = FRAME_HEAD + DURABLE_PAGE,
    INDEX_HEAD = 48,
};

#define MAGIC UINT32_C(0x377f0682) /* the last bit: checksums of big-endian words */

struct sum {
    uint32_t a, b;
};

struct look {
    int fd;
    uint8_t *frame;
    bool big;         /* checksums of big-endian words */
    uint8_t salts[8]; /* as they stand in the file */
    struct sum first; /* what the first frame goes on from */
    uint64_t whole;   /* frames, up to the last commit without a hole */
    uint64_t end;     /* frames, up to the last commit */
    uint64_t known;   /* frames that its index knew of, which a killed broker leaves; 0: nobody knows */
    uint64_t copied;  /* of those, so many were copied into the database */
    uint64_t holes;   /* bad frames before the end */
    uint64_t behind;  /* commits behind the first one */
    bool headless;    /* the log's own header is bad */
};

static uint32_t wal_number(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t wal_word(const uint8_t *p, bool big)
{
    return big ? wal_number(p) : (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

/* n: a multiple of 8. */
static struct sum sum_of(struct sum s, const uint8_t *p, size_t n, bool big)
{
    for (size_t i = 0; i < n; i += 8) {
        s.a += wal_word(p + i, big) + s.b;
        s.b += wal_word(p + i + 4, big) + s.a;
    }
    return s;
}

static struct sum sum_at(const uint8_t *p)
{
    return (struct sum){wal_number(p), wal_number(p + 4)};
}

static bool same(struct sum x, struct sum y)
{
    return x.a == y.a && x.b == y.b;
}

static bool read_frame(const struct look *l, uint64_t i)
{
    return pread(l->fd, l->frame, FRAME, (off_t)(HEAD + i * FRAME)) == FRAME;
}

static struct sum frame_sum(const struct look *l, struct sum before)
{
    return sum_of(sum_of(before, l->frame, 8, l->big), l->frame + FRAME_HEAD, DURABLE_PAGE, l->big);
}

/* Without its header, a log has the salts that its first frame with a sound one behind it has. */
static bool find_salts(struct look *l)
{
    struct sum before = {0, 0};
    uint8_t salts[8] = {0};
    for (uint64_t i = 0; read_frame(l, i); i++) {
        bool good = i > 0 && memcmp(salts, l->frame + 8, 8) == 0 && same(frame_sum(l, before), sum_at(l->frame + 16));
        memcpy(salts, l->frame + 8, 8);
        before = sum_at(l->frame + 16);
        if (good) {
            memcpy(l->salts, salts, 8);
            return true;
        }
    }
    return false;
}

/* False: there is nothing in it that could be of use. */
static bool read_head(struct look *l)
{
    uint8_t head[HEAD];
    if (pread(l->fd, head, sizeof(head), 0) != (ssize_t)sizeof(head))
        return false;
    l->big = head[3] & 1;
    l->first = sum_at(head + 24);
    l->headless = (wal_number(head) & ~1u) != MAGIC || wal_number(head + 8) != DURABLE_PAGE ||
                  !same(sum_of((struct sum){0, 0}, head, 24, l->big), l->first);
    if (!l->headless) {
        memcpy(l->salts, head + 16, 8);
        return true;
    }
    for (int big = 0; big < 2; big++) {
        l->big = big != 0;
        if (find_salts(l))
            return true;
    }
    return false;
}

/* The salts of the log that comes after this one: then it has begun, and this one is all in the database. */
static bool is_next(const struct look *l, const uint8_t *salts)
{
    return wal_number(salts) == wal_number(l->salts) + 1;
}

/* The frame that was read last. */
static bool is_good(const struct look *l, struct sum before)
{
    return memcmp(l->salts, l->frame + 8, 8) == 0 && wal_number(l->frame) > 0 &&
           same(frame_sum(l, before), sum_at(l->frame + 16));
}

/* Walks over all frames. False: a new log has begun in front of this one. */
static bool walk(struct look *l)
{
    struct sum before = l->first;
    struct sum last = {0, 0}; /* of the page of the last commit; one that is padded has it twice */
    uint64_t holes = 0;
    for (uint64_t i = 0; read_frame(l, i); i++) {
        bool good = is_good(l, before);
        before = sum_at(l->frame + 16);
        holes += !good;
        if (is_next(l, l->frame + 8))
            return false;
        if (memcmp(l->salts, l->frame + 8, 8) != 0 || wal_number(l->frame + 4) == 0)
            continue;
        struct sum page = sum_of((struct sum){0, 0}, l->frame + FRAME_HEAD, DURABLE_PAGE, l->big);
        l->behind += holes > 0 && !same(page, last);
        last = page;
        l->whole = holes == 0 ? i + 1 : l->whole;
        l->end = good ? i + 1 : l->end;
        l->holes = good ? holes : l->holes;
    }
    return true;
}

/* What the log's index says; nothing where it is not there, or another log's. */
static void read_index(struct look *l, const char *path)
{
    uint8_t head[2 * INDEX_HEAD + 4];
    uint32_t frames = 0, page = 0, copied = 0;
    uint16_t size;
    char *name = durable_beside(path, "-shm");
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    bool there = fd >= 0 && pread(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head);
    if (fd >= 0)
        close(fd);
    mem_free(name);
    if (!there || memcmp(head + 32, l->salts, 8) != 0)
        return;
    memcpy(&size, head + 14, sizeof(size)); /* of this machine's order, as the others */
    memcpy(&frames, head + 16, sizeof(frames));
    memcpy(&page, head + 20, sizeof(page));
    memcpy(&copied, head + 2 * INDEX_HEAD, sizeof(copied));
    struct sum s = {0, 0}, stands;
    for (size_t i = 0; i < 40; i += 8) {
        uint32_t w[2];
        memcpy(w, head + i, sizeof(w));
        s.a += w[0] + s.b;
        s.b += w[1] + s.a;
    }
    memcpy(&stands, head + 40, sizeof(stands));
    if (same(s, stands) && size == DURABLE_PAGE && page > 0) {
        l->known = frames;
        l->copied = copied <= frames ? copied : 0;
    }
}

static bool look_open(struct look *l, const char *path)
{
    char *name = durable_beside(path, "-wal");
    *l = (struct look){.fd = open(name, O_RDONLY | O_CLOEXEC)};
    mem_free(name);
    if (l->fd >= 0)
        l->frame = mem_alloc(FRAME);
    return l->fd >= 0;
}

static void look_close(struct look *l)
{
    if (l->fd >= 0)
        close(l->fd);
    mem_free(l->frame);
}

static bool is_empty(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && st.st_size == 0;
}

/* Looked over: is it damaged? */
static bool look(struct look *l, const char *path, char *why, size_t cap)
{
    if (!read_head(l))
        return false;
    read_index(l, path); /* first: somebody may be writing */
    if (!walk(l) || l->end == 0)
        return false;
    unsigned long long holes = l->holes, end = l->end, whole = l->whole, known = l->known;
    if (l->headless)
        snprintf(why, cap, "the header of its write-ahead log is damaged");
    else if (l->behind > 1 && end > whole)
        snprintf(why, cap, "its write-ahead log is damaged: %llu of %llu frames", holes, end);
    else if (known > whole)
        snprintf(why, cap, "its write-ahead log has lost its end: %llu of %llu frames are there", whole, known);
    else if (is_empty(path))
        snprintf(why, cap, "it is empty, and its write-ahead log is not");
    else
        return false;
    return true;
}

bool durable_log_damaged(const char *path, char *why, size_t cap)
{
    struct look l;
    bool damaged = look_open(&l, path) && look(&l, path, why, cap);
    look_close(&l);
    return damaged;
}

/* All good frames up to the last commit, but those that are in the database already. */
static bool apply(struct look *l, int fd)
{
    struct sum before = l->first;
    for (uint64_t i = 0; i < l->end; i++) {
        if (!read_frame(l, i))
            return false;
        bool good = is_good(l, before);
        off_t at = ((off_t)wal_number(l->frame) - 1) * DURABLE_PAGE;
        before = sum_at(l->frame + 16);
        if (good && i >= l->copied && pwrite(fd, l->frame + FRAME_HEAD, DURABLE_PAGE, at) != DURABLE_PAGE)
            return false;
    }
    return true;
}

bool durable_log_apply(const char *path, const char *to, char *err, size_t cap)
{
    struct look l;
    bool good = true;
    if (look_open(&l, path) && look(&l, path, err, cap)) {
        char *from = durable_beside(path, "-wal"), *aside = durable_beside(to, "-wal-applied");
        int fd = open(path, O_RDWR | O_CLOEXEC);
        good = fd >= 0 && apply(&l, fd) && fsync(fd) == 0 && rename(from, aside) == 0;
        if (good)
            durable_db_sync_folder(path);
        else
            snprintf(err, cap,
                     "%s is damaged, and its write-ahead log can't be copied into it: %s; make room on its disk", path,
                     strerror(errno));
        if (fd >= 0)
            close(fd);
        mem_free(from);
        mem_free(aside);
    }
    look_close(&l);
    return good;
}
