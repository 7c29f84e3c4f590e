/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reads an ini file line by line, strictly: every line is a section, "key = value", a comment of its own, blank,
 * or a fault. Nothing is guessed, folded, cut or ignored.
 */
#pragma once

#include "sotto/base/bytes.h"

#define INI_NAME_MAX 49          /* bytes of a section's name, of a key */
#define INI_LINE_MAX 199         /* bytes of key, '=' and value together, without blanks around them */
#define INI_FILE_MAX (64u << 20) /* bytes of a file */

/* Lines are counted from 1. Strings are valid during the call only. */
struct ini_events {
    /* A section begins. The same name may come again: that is for the callee to judge. */
    void (*section)(void *ctx, unsigned line, const char *section);
    void (*entry)(void *ctx, unsigned line, const char *section, const char *key, const char *value);
    /* What is wrong with a line, and what to do about it. section and key: NULL where not known. After a faulty section
     * line, its entries are not reported: they belong to no section. */
    void (*fault)(void *ctx, unsigned line, const char *section, const char *key, const char *text);
};

/* Reads a whole file into memory from mem.h (*text: free its p). 0, or an errno value (EFBIG above INI_FILE_MAX). mode:
 * the file's permission bits, or NULL. */
int ini_lines_load(const char *path, struct bytes *text, unsigned *mode);
/* Calls the events in the order of lines. */
void ini_lines_parse(struct bytes text, const struct ini_events *events, void *ctx);

/* The candidate that a misspelled name was probably meant to be, or NULL when none is near. candidates ends with NULL.
 */
const char *ini_lines_nearest(const char *name, const char *const *candidates);
