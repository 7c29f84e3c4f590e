/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Equal events (name and reason) from one address become one line with a count: the first is
 * written at once and opens a window; what follows in it is counted, and the last of them is
 * written when the window ends. All windows are equally long, so their order
 * of birth is their order of death. Bounded: when the table is full, events pass as they are. Part of the log.
 */
#pragma once

#include "sotto/base/hash.h"
#include "sotto/base/hmap.h"
#include "sotto/base/list.h"
#include "sotto/base/log_record.h"

#define LOG_GATHER_MAX 1024

struct log_gather {
    struct hmap map;
    struct list order;
    struct hash_key key;
    msec window;
};

typedef void (*log_gather_emit)(const struct log_record *r, uint32_t repeated, void *ctx);

void log_gather_init(struct log_gather *g, msec window);
/* Forgets what is there. */
void log_gather_fini(struct log_gather *g);
/* True: write it now. False: it was counted. */
bool log_gather_admit(struct log_gather *g, const struct log_record *r, msec now);
/* Ends the windows that are over at now (MSEC_NEVER: all), and emits the last event of each that had repetitions. */
void log_gather_expire(struct log_gather *g, msec now, log_gather_emit emit, void *ctx);
/* When the next window ends; MSEC_NEVER when none is open. */
msec log_gather_next(const struct log_gather *g);
