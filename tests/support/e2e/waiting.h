/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How long a test waits for something that must come: as long as there is time. A limit of its own for each wait says
 * more of the machine than of the broker, since on a busy one everything takes ten times as long; so the only limit is
 * that of ctest for the whole program. One wait takes half of what is left of it, so that what did not come is named,
 * and the tests behind it still have their turn.
 */
#pragma once

#include <stdbool.h>

struct waiting {
    double until; /* monotonic seconds */
    bool begun;
};

/*
 * while (waiting(&w)) { look; }: true at once the first time, then every 10 ms; false when the time is over. The struct
 * is zeroed at first.
 */
bool waiting(struct waiting *w);
/* Milliseconds that one wait may take from now on; at least 1,000. */
unsigned waiting_ms(void);
/* Monotonic seconds. */
double seconds_now(void);
void pause_ms(unsigned ms);
