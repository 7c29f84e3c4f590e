/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Enhanced authentication of MQTT 5.0 (4.12): what a loop answers to a step of it. The one method is SCRAM-SHA-256. */
#pragma once

#include "sotto/core/shard.h"
#include "sotto/store/users.h"

/*
 * One step, see struct auth_step; costs some HMACs. peer: for the log. The exchange's state is the step's, and has to
 * be ended by enhanced_auth_end, whatever the answer was.
 *
 * REASON_BAD_AUTHENTICATION_METHOD: another method than SCRAM-SHA-256. REASON_NOT_AUTHORIZED: all else that is refused
 * (in 5.0 the one of its kind that may stand in CONNACK and in DISCONNECT).
 */
enum reason enhanced_auth_step(const struct users *users, const char *peer, struct auth_step *step);
void enhanced_auth_end(void *state);
