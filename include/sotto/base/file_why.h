/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Why a file can't be used, in words that a person can act on: who tried, the mode and the owner of what refuses (the
 * file, or a folder on the way to it), and the command that mends it. Nothing is ever refused for who owns it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* "can't be read by user 1234 (it is mode 0600, owner 0): sudo chown 1234 FILE && sudo chmod 0600 FILE"; the path
 * itself is not in front. error: the errno value that reading ended with. */
void file_why_read(const char *path, int error, char *out, size_t cap);
/* The same for a folder in which uid can't make files, or a file that it can't write. Folders on the way are looked at
 * only where uid is who asks. */
void file_why_folder(const char *path, uid_t uid, int error, char *out, size_t cap);
/* Everybody on this machine may write it: then it proves nothing. mode: its permission bits. Fills out only when true.
 */
bool file_why_open_to_all(const char *path, unsigned mode, char *out, size_t cap);
