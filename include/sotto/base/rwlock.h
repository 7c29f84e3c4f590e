/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A read-write lock that lets a waiting writer in before new readers (glibc's
 * default starves writers). Not recursive. See docs/architecture.md for the order of locks.
 */
#pragma once

#include <pthread.h>

struct rwlock {
    pthread_rwlock_t l;
};

void rwlock_init(struct rwlock *l);
void rwlock_fini(struct rwlock *l);
void rwlock_read(struct rwlock *l);
void rwlock_write(struct rwlock *l);
void rwlock_unlock(struct rwlock *l);
