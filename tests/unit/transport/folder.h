/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A folder for certificates, made anew for each test, and what looks into it. */
#pragma once

#include "harness.h"

struct folder {
    char path[64];
};

/* What the last call had to say. */
extern char err[2048];

int new_folder(void **state);
int remove_folder(void **state);
#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, new_folder, remove_folder)

/* Group fixtures. */
int start_wolfssl(void **state);
int stop_wolfssl(void **state);

/* A path in it, good until the next eight calls. */
const char *in(const struct folder *f, const char *name);
/* certificate_init, with at most one host; the latter fails the test when it does. */
int make(const char *dir, const char *host, bool force, bool new_ca);
void made(const char *dir, const char *host, bool force, bool new_ca);
/* The text of a file; mem_free. */
char *slurp(const char *path);
/* Does this command, run in the folder, end with 0? Its output is dropped. */
bool shell(const struct folder *f, const char *command);
