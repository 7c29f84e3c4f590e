/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A connection's way to another loop. Any loop accepts; the session belongs to the loop that its client id hashes to.
 * So after CONNECT was checked, and before a session is touched, the connection moves once, as one object: socket, TLS
 * state, bytes read and not used, client record.
 */
#pragma once

struct connection;
struct loop;

/* At the end of a turn: leaves its loop if nothing is in writing; otherwise it is tried again when the kernel has
 * taken that. The connection must not be touched after it left. */
void handover_leave(struct connection *c);
/* On the new loop: takes what has arrived. */
void handover_receive(struct loop *l);
