/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * With this file the broker becomes sotto_power: its disk is the one of disk/shim_vfs.h. With SOTTO_POWER="SEED CALL"
 * in the environment the power is cut at that call of the store to its disk (0: none), or at a SIGUSR2: what was not
 * synced is gone then, or there in part, and the process ends with SHIM_OFF. SIGRTMIN fills the disk, or empties it;
 * with "SEED CALL full" it is full from the start.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "disk/shim_vfs.h"

static uint64_t seed;
static bool full;
static sigset_t cut;

static void *wait_for_the_cut(void *arg)
{
    int number;
    while (sigwait(&cut, &number) == 0 && number == SIGRTMIN)
        shim_full(full = !full);
    shim_off(seed);
    return arg;
}

/* Before any thread is there: all have the signal blocked, but the one that waits for it. */
__attribute__((constructor)) static void plug_in(void)
{
    const char *text = getenv("SOTTO_POWER");
    pthread_t thread;
    if (text == NULL)
        return;
    sigemptyset(&cut);
    sigaddset(&cut, SIGUSR2);
    sigaddset(&cut, SIGRTMIN);
    pthread_sigmask(SIG_BLOCK, &cut, NULL);
    char *end;
    seed = strtoull(text, &end, 10);
    shim_reset();
    shim_usual();
    shim_off_at(strtoull(end, NULL, 10), seed);
    full = strstr(text, "full") != NULL;
    shim_full(full);
    if (pthread_create(&thread, NULL, wait_for_the_cut, NULL) != 0)
        abort();
    pthread_detach(thread);
}
