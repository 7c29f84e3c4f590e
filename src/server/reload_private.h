/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A reload in two halves: a job, which a thread of libuv's pool works on without touching anything else (it reads files
 * and checks keys, for milliseconds or as long as a slow disk likes), and what loop 0 makes of it.
 */
#pragma once

#include "file_watch.h"
#include "sotto/store/users.h"
#include "sotto/transport/tls_sums.h"
#include "tls_set.h"

/* Lines for the log, in order. */
struct reload_lines {
    char **v;
    size_t n;
};

#define RELOAD_CHANGED 512

/* One listener. */
struct reload_part {
    const char *name;
    const struct tls_sums *before; /* of what is in use; read only */
    const struct tls_context *old; /* in use */
    struct tls_sums sums;          /* of what is there now */
    struct tls_context *context;   /* of that, where it differs and is good; else NULL */
    char *err;                     /* why it can't be used, one line; else NULL */
    bool used;                     /* on its way to the loops, or there */
    char changed[RELOAD_CHANGED];  /* which files made the difference */
};

struct reload_job {
    bool full;                   /* the configuration, the users and everything; else only the files of TLS */
    bool renew;                  /* look for certificates of ours that end soon */
    const struct config *config; /* in force, as far as this is about TLS */
    const struct config *start;  /* with which the broker was started */
    struct tls_common common;
    struct reload_part *part; /* of each listener of start; plain ones have no name */
    size_t n;
    /* Out. */
    struct config *fresh; /* full, and it could be read */
    struct users *users;  /* the same */
    struct reload_lines errors, warnings, renewed, not_renewed;
    struct file_spots spots;
};

/* In a thread of its own. */
void reload_job_run(struct reload_job *job);
/* The job is empty again. What was taken out of it, is NULL. */
void reload_job_fini(struct reload_job *job);
/* The settings by which a listener of start is read: those of its namesake in c, with what needs a restart as it was
 * at the start. */
struct config_listener reload_listener(const struct config *c, const struct config_listener *start);
