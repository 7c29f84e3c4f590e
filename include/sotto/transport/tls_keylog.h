/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The secrets of TLS connections, written into a file that Wireshark reads (the NSS key log format). Who has that file
 * can read all that was said: it is for finding faults, and off unless somebody names a file.
 */
#pragma once

#include <stddef.h>

struct tls_keylog;

/* Opens the file for appending, made with mode 0600. NULL with one line in err: this build of wolfSSL can't, or why the
 * file can't be written. */
struct tls_keylog *tls_keylog_open(const char *path, char *err, size_t err_cap);
struct tls_keylog *tls_keylog_ref(struct tls_keylog *k);
/* NULL is fine; the last one closes the file. */
void tls_keylog_unref(struct tls_keylog *k);
