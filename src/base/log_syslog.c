/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Apart from the rest of the log: <syslog.h> defines LOG_INFO and LOG_DEBUG as well, so this file must not see ours. */
#include <syslog.h>

/* The same declarations as in log_sink.h. */
void log_syslog_open(void);
void log_syslog_close(void);
void log_syslog_write(int level, const char *text);

void log_syslog_open(void)
{
    openlog("sotto", LOG_PID, LOG_DAEMON);
}

void log_syslog_close(void)
{
    closelog();
}

void log_syslog_write(int level, const char *text)
{
    static const int priorities[] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};
    syslog(level >= 0 && level < 4 ? priorities[level] : LOG_INFO, "%s", text);
}
