/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the disk and SQLite can do without a broker, in a folder: bench_sqlite FOLDER fsync | rows BATCH SECONDS
 *
 *   fsync   the median time of writing 4 KiB and fdatasync, us
 *   rows    messages that wait for a session, a second: the store's own statements (a message and its row in the
 *           queue), BATCH messages a transaction, a checkpoint as often as the store's
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../src/store/durable_private.h"

#define SYNCS 300
#define SESSIONS 100

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int time_fsync(const char *folder)
{
    double times[SYNCS];
    char page[4096] = "x", *path = durable_path(folder, "fsync");
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0)
        return perror(path), 1;
    for (int i = 0; i < SYNCS; i++) {
        double start = seconds();
        if (pwrite(fd, page, sizeof(page), (off_t)(i % 64) * (off_t)sizeof(page)) < 0 || fdatasync(fd) != 0)
            return perror(path), 1;
        times[i] = (seconds() - start) * 1e6;
    }
    close(fd);
    unlink(path);
    free(path);
    qsort(times, SYNCS, sizeof(times[0]), compare);
    printf("fsync_us=%.0f\n", times[SYNCS / 2]);
    return 0;
}

static int write_one(struct durable_db *db, int64_t n)
{
    static const char payload[64] = "payload";
    sqlite3_stmt *message = db->st[SQL_MESSAGE], *row = db->st[SQL_QUEUE];
    int64_t numbers[] = {n, 1, 0, 1, 0, n};
    for (int i = 0; i < 6; i++)
        sqlite3_bind_int64(message, i + 1, numbers[i]);
    sqlite3_bind_null(message, 7);
    durable_bind_blob(message, 8, bytes_str("bench/12/0"));
    durable_bind_blob(message, 9, bytes_of("", 0));
    durable_bind_blob(message, 10, bytes_of(payload, sizeof(payload)));
    int rc = durable_db_run(db, SQL_MESSAGE);
    int64_t queue[] = {1 + n % SESSIONS, 1 + n / SESSIONS, n, 1, 0, 0, 0, 0};
    for (int i = 0; i < 8; i++)
        sqlite3_bind_int64(row, i + 1, queue[i]);
    return rc == SQLITE_OK ? durable_db_run(db, SQL_QUEUE) : rc;
}

static int write_batch(struct durable_db *db, long batch, int64_t *n)
{
    int rc = durable_db_run(db, SQL_BEGIN);
    for (long i = 0; rc == SQLITE_OK && i < batch; i++)
        rc = write_one(db, ++*n);
    rc = rc == SQLITE_OK ? durable_db_run(db, SQL_COMMIT) : rc;
    if (rc == SQLITE_OK && db->wal_pages >= db->checkpoint_at)
        rc = sqlite3_wal_checkpoint_v2(db->c, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return rc;
}

static int time_rows(const char *folder, long batch, double length)
{
    struct durable_db db;
    char err[DURABLE_TEXT], *path = durable_path(folder, "bare.db");
    int64_t n = 0;
    int rc = durable_db_open(&db, path, NULL, DURABILITY_COMMIT, err, sizeof(err));
    double start = seconds(), now = start;
    for (; rc == SQLITE_OK && now - start < length; now = seconds())
        rc = write_batch(&db, batch, &n);
    free(path);
    if (rc != SQLITE_OK)
        return fprintf(stderr, "%s: %s\n", folder, sqlite3_errstr(rc)), 1;
    durable_db_close(&db, false);
    printf("per_second=%.0f\n", (double)n / (now - start));
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[2], "fsync") == 0)
        return time_fsync(argv[1]);
    if (argc == 5 && strcmp(argv[2], "rows") == 0 && atol(argv[3]) > 0)
        return time_rows(argv[1], atol(argv[3]), atof(argv[4]));
    fprintf(stderr, "usage: bench_sqlite FOLDER fsync | rows BATCH SECONDS\n");
    return 2;
}
