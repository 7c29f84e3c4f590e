/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where lines go: a descriptor or syslog. Lines are collected and written in pieces that a
 * pipe takes whole once poll says that it has room; so the log thread waits in poll, where
 * it can be told to give up, and not in write. What can't be written is counted, never an
 * error of anybody else. Used by the log thread only. Part of the log.
 */
#pragma once

#include <stdatomic.h>

#include "sotto/base/log_record.h"

struct log_sink {
    enum log_target target;
    enum log_format format;
    int fd;
    char *path;
    bool regular;                /* a file: no polling, larger pieces */
    bool torn;                   /* the last line was written in part only */
    const atomic_bool *stopping; /* once true, a reader that takes nothing is waited for at most patience_ms more */
    int patience_ms;
    size_t n;
    char pending[LOG_LINE_MAX + 1];
};

/* 0, or an errno value. c->path is copied. */
int log_sink_open(struct log_sink *s, const struct log_config *c, const atomic_bool *stopping);
/* What is pending must be flushed before. */
void log_sink_close(struct log_sink *s);
/* Opens the file anew; when that fails, goes on with the old one and returns an errno value. */
int log_sink_reopen(struct log_sink *s);
/* Adds a line (n <= LOG_LINE_MAX, no end of line); may flush. Returns how many lines were lost doing so. */
unsigned log_sink_line(struct log_sink *s, enum log_level level, const char *line, size_t n);
/* Writes what is pending; returns how many lines were lost. */
unsigned log_sink_flush(struct log_sink *s);
/* One line (n bytes, ending in \n) to a descriptor without a sink, waiting 100 ms at most. False: not written whole. */
bool log_sink_direct(int fd, const char *line, size_t n);

/* syslog(3), in a file of its own because its names clash with ours. */
void log_syslog_open(void);
void log_syslog_close(void);
/* level as in enum log_level; text ends in a zero byte. */
void log_syslog_write(int level, const char *text);
