/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * RARE marks a function for the rare ways out of a usual one (refusals, log lines, general cases). It is never inlined,
 * so that the usual way pays neither registers nor a stack frame for what it does not do.
 */
#pragma once

#define RARE __attribute__((noinline))
