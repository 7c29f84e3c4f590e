/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The durable store in the server's life: opened before the loops are made (they put their records into it), read back
 * when they are made, stopped when they have ended.
 */
#pragma once

#include "server_state.h"

/* loops: how many there will be. As the user that the broker runs as. Nothing with persistence = off. 0, or -1 with one
 * line in err. */
int persist_open(struct server *s, unsigned loops, char *err, size_t cap);
/* The loops are made and don't run. Gives the core all that is stored, and starts the store thread. */
int persist_restore(struct server *s, char *err, size_t cap);
/* The rights of a session without a connection, a reference. Any thread. */
struct rights *persist_rights(const struct server *s, struct bytes user);
/* The loops have ended: writes what is left. */
void persist_stop(struct server *s);
/* The loops are no more. */
void persist_close(struct server *s);

/* What a loop's shard is given. */
const struct store_ops *persist_ops(const struct server *s);
void *persist_context(struct server *s, unsigned loop, struct memory_store *otherwise);
