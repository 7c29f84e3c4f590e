/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What must be on the disk, for tests with random records and a disk that fails. Each thing that is stored (a row, a
 * filter, a packet id, a retained topic) has a history of values with the numbers that the store gave. After a crash it
 * has the value of the last record that was answered for, or of a later one.
 */
#pragma once

#include "durable_harness.h"

struct model;

struct model *model_new(struct harness *h, uint64_t seed);
void model_free(struct model *m);
uint64_t model_draw(struct model *m, uint64_t n);
/* A record of any kind, on any shard. */
void model_step(struct model *m);
/* After a restart: compares h->dump; what was found is what there is from now on. strict: records that only take away
 * count as answered for, even where the store said that they failed. */
void model_check(struct model *m, bool strict);
