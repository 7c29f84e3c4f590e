/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What changes while the broker runs: the files of TLS, by themselves; those, the users and the log level on SIGHUP.
 * Part of loop 0.
 */
#pragma once

#include "server_state.h"

struct loop;
struct reload;

/* Nothing is read yet. */
struct reload *reload_new(struct server *s);
/* The first context of a TLS listener, before the loops are made. 0, or -1 with one line in err. */
int reload_open(struct reload *r, size_t listener, char *err, size_t err_cap);
/* What new loops begin with: a reference. */
struct tls_set *reload_set(const struct reload *r);
/* As the user that the broker runs as, before the loops run: watches from now on, and reports what ends soon. 0 or a
 * libuv error. */
int reload_attach(struct reload *r, uv_loop_t *uv);
/* SIGHUP. On loop 0. */
void reload_all(struct reload *r);
/* Takes what the loop is to use from now on; when its bell rings. */
void reload_receive(struct loop *l);
/* After the loops have ended: what never reached this one. */
void reload_drop(struct loop *l);
/* Before loop 0 is closed. NULL is fine, here and below. */
void reload_close(struct reload *r);
/* After the loops are closed, and before wolfSSL is. */
void reload_free(struct reload *r);
