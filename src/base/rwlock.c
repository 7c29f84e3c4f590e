/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sotto/base/rwlock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Lock calls fail only when the caller is wrong (a lock taken twice) or at the very start. */
static void must(int error, const char *what)
{
    if (error == 0)
        return;
    fprintf(stderr, "sotto: %s: %s: an error in the broker; please report it\n", what, strerror(error));
    abort();
}

void rwlock_init(struct rwlock *l)
{
    pthread_rwlockattr_t attr;
    must(pthread_rwlockattr_init(&attr), "rwlock_init");
    must(pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP), "rwlock_init");
    must(pthread_rwlock_init(&l->l, &attr), "rwlock_init");
    pthread_rwlockattr_destroy(&attr);
}

void rwlock_fini(struct rwlock *l)
{
    must(pthread_rwlock_destroy(&l->l), "rwlock_fini");
}

void rwlock_read(struct rwlock *l)
{
    must(pthread_rwlock_rdlock(&l->l), "rwlock_read");
}

void rwlock_write(struct rwlock *l)
{
    must(pthread_rwlock_wrlock(&l->l), "rwlock_write");
}

void rwlock_unlock(struct rwlock *l)
{
    must(pthread_rwlock_unlock(&l->l), "rwlock_unlock");
}
