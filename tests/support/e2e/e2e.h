/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Everything an end-to-end test needs: the real broker in a folder of its own, raw MQTT peers over TCP, TLS and unix
 * sockets, and other people's programs. All helpers fail the running test with a message when something goes wrong or
 * takes too long, so tests read as a list of what happens.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "e2e/broker.h"
#include "e2e/peer.h"
#include "e2e/program.h"
#include "e2e/waiting.h"
