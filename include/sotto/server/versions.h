/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/* The same as in CMakeLists.txt; a test compares the two. */
#define SOTTO_VERSION "0.1.0"

/* "sotto 0.1.0" and a line for each library: its name and version, and the wolfSSL build in use. */
void versions_write(void (*put)(void *ctx, const char *text), void *ctx);
