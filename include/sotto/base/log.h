/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The log. One line an event: time, level, event name, then key=value.
 *
 *   2026-01-02T03:04:05.678Z warn connect.refused peer=10.0.0.7:51234 listener=tls client="kitchen" reason="..."
 *
 * Threads format an event into their own bounded ring and go on; one log
 * thread writes. What doesn't fit is counted and said later: a full pipe never stops the
 * broker. Text from a peer is escaped by the writer (quotes, backslashes, control characters,
 * bytes that are not UTF-8). Events that carry a field LF_PEER (gathered by its address, without the port) are
 * gathered: equal event, address and reason within 10 s become one line with repeated=N.
 * Before log_start and after log_stop, lines are written at once to standard error.
 * This is one of two modules with file-scope state (the other: signals).
 */
#pragma once

#include "sotto/base/bytes.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON };
enum log_target { LOG_TO_STDERR, LOG_TO_STDOUT, LOG_TO_SYSLOG, LOG_TO_FILE };

struct log_field {
    const char *key; /* NULL ends the list */
    enum { LOG_F_STR, LOG_F_BYTES, LOG_F_INT, LOG_F_PEER } type;
    const char *str; /* LOG_F_STR, LOG_F_PEER ("address:port", gathered by its address part) */
    struct bytes bytes;
    int64_t num;
};

#define LF_STR(k, s) ((struct log_field){.key = (k), .type = LOG_F_STR, .str = (s)})
#define LF_BYTES(k, b) ((struct log_field){.key = (k), .type = LOG_F_BYTES, .bytes = (b)})
#define LF_INT(k, v) ((struct log_field){.key = (k), .type = LOG_F_INT, .num = (int64_t)(v)})
#define LF_PEER(k, s) ((struct log_field){.key = (k), .type = LOG_F_PEER, .str = (s)})

struct log_config {
    enum log_level level;
    enum log_format format;
    enum log_target target;
    const char *path;   /* LOG_TO_FILE; copied */
    unsigned gather_ms; /* equal events of one address within this time become one line; 0: 10,000 */
};

/*
 * Starts the log thread; 0, or an errno value: the file can't be opened, or EBUSY when it runs already. Start, stop and
 * reopen are called by one thread, and the program ignores SIGPIPE.
 */
int log_start(const struct log_config *c);
/* Writes what is left (a stuck reader is waited for 3 s at most) and ends the thread. Others should be quiet by then.
 */
void log_stop(void);
/* Opens the file again (after a rotation). */
void log_reopen(void);
/* From now on; any thread. */
void log_set_level(enum log_level level);
/* Before log_start: errors, warnings and info. */
bool log_enabled(enum log_level level);
/* event: lower case words with dots, a constant. f: n fields; copied before it returns. NULL strings print as "". */
void log_event_fields(enum log_level level, const char *event, const struct log_field *f, size_t n);
/* log_event(LOG_INFO, "listener.open", LF_STR("name", n), LF_INT("port", p)) */
#define log_event(level, event, ...)                                                                                   \
    (log_enabled(level) ? log_event_fields(level, event, (const struct log_field[]){__VA_ARGS__},                      \
                                           sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field)) \
                        : (void)0)
