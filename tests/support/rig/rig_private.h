/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "rig.h"

extern const struct store_ops rig_store_ops;
/* What it holds for one session: messages, and QoS 2 packet ids that were received. */
void rig_store_counts(const struct rig_store *s, handle session, size_t *rows, size_t *received);
/* It will commit more without being asked. */
bool rig_store_busy(const struct rig_store *s);

/* Bytes of "40 02 .."; the caller frees *out. */
size_t rig_hex(const char *hex, uint8_t **out);
/* The rig's own memory, which mem_fail_at doesn't reach. Zeroed; never NULL. */
void *rig_alloc(size_t n);
void *rig_realloc(void *p, size_t n);
/* Room for n bytes in *p, which has room for *cap. */
void rig_reserve(uint8_t **p, size_t *cap, size_t n);
/* What the server may not do to this peer of 5.0 is said in words; NULL: all well. Puts the topic of an alias into p.
 */
const char *rig_judge(struct peer *c, const struct frame *f, struct packet *p);
/* Fails the test. */
_Noreturn void rig_die(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void rig_die_at(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
