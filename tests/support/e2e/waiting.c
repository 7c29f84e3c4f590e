/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "e2e/waiting.h"

#include <stdlib.h>
#include <time.h>

#define STEP_MS 10
#define BY_HAND 60.0 /* s for the whole program where ctest does not say */

static double began;

__attribute__((constructor)) static void begin(void)
{
    began = seconds_now();
}

double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void pause_ms(unsigned ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

unsigned waiting_ms(void)
{
    const char *text = getenv("SOTTO_TEST_SECONDS");
    double all = text != NULL ? atof(text) : BY_HAND, left = all - (seconds_now() - began);
    return left > 2 ? (unsigned)(left * 500) : 1000;
}

bool waiting(struct waiting *w)
{
    double now = seconds_now();
    if (!w->begun) {
        *w = (struct waiting){.begun = true, .until = now + waiting_ms() / 1e3};
        return true;
    }
    if (now > w->until)
        return false;
    pause_ms(STEP_MS);
    return true;
}
