/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A disk under SQLite that can be cut off, and that can fail: the VFS "shim", in front of the usual one. All files of
 * all connections of the process that use it are one disk. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SHIM_VFS "shim"

/* Registers the VFS, once a process; later calls forget all files and switch failures off. */
void shim_reset(void);

/* From now on every call fails, as if the machine had no power any more. */
void shim_cut(void);
/*
 * The machine starts again: each file has what was synced, and of what was written since, sector by sector, as much as
 * luck has it (lost: nothing of it; else a part chosen by seed). Everything must be closed. Calls work again.
 */
void shim_restart(bool lost, uint64_t seed);

/* The same as a cut and a restart, to this very process: the files become what the disk has, and it ends at once, with
 * the status SHIM_OFF. shim_off: now; shim_off_at: at the n-th call from now on that changes the disk (0: never). */
#define SHIM_OFF 137
_Noreturn void shim_off(uint64_t seed);
void shim_off_at(uint64_t n, uint64_t seed);
/* All databases of the process that name no other VFS are on this disk. After shim_reset. */
void shim_usual(void);

/* The n-th call from now on fails (1: the next), and the following more - 1 too; 0: none does. */
void shim_fail(uint64_t n, uint64_t more);
/* Writes fail as on a full disk, until switched off. */
void shim_full(bool on);
/* Did the failing call come? */
bool shim_failed(void);
uint64_t shim_writes(void);
uint64_t shim_syncs(void);
