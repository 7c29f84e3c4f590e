/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stdbool.h>

enum options_mode { MODE_IN, MODE_OUT, MODE_PAIRS, MODE_IDLE, MODE_HANDS, MODE_KEPT, MODE_AWAY, MODE_DRAIN };

/* The command line; numbers are long so that one table reads them all. */
struct options {
    const char *mode_name;
    enum options_mode mode;
    const char *host;
    long port;
    long pid;
    const char *cafile;      /* not NULL: TLS, and the chain is verified */
    const char *tls_version; /* 1.2 or 1.3; NULL: what the broker prefers */
    int tls_minor;           /* the same as a number: 2, 3 or 0 */
    bool resume;             /* hands: take up a session */
    long count;              /* hands: connections in all */
    const char *user;
    const char *password;
    const char *prefix;
    const char *mqtt;     /* of publishers and idle connections, and of subscribers too without sub_mqtt */
    const char *sub_mqtt; /* NULL: as mqtt */
    bool pub_v5;          /* what the two words mean */
    bool sub_v5;
    bool alias;     /* both of the following */
    bool pub_alias; /* publishers set a topic alias, and send it instead of the topic */
    bool sub_alias; /* subscribers let the broker use aliases */
    bool any_host;
    bool json;
    long pubs;
    long subs;
    long qos;
    long size;        /* payload bytes */
    long millis;      /* how long to publish */
    long messages;    /* or how many; 0: by time */
    long warmup;      /* messages before the clock starts */
    long window;      /* QoS 1 and 2: in flight per publisher */
    long sub_window;  /* QoS 1 and 2: in flight the broker allows per subscriber */
    long outstanding; /* published and not delivered, in deliveries; 0: a bound that fits the mode */
    long queue;       /* the same at QoS 1 and 2 for one subscriber */
    long burst;       /* messages in one write */
    bool lock_step;   /* publish only when all has arrived */
    long nap;         /* longest nap between reads, us */
    long first;       /* idle: connections at the first measurement */
    long second;      /* idle: at the second */
    long concurrent;  /* connections in progress at once */
};

/* Reads the arguments; ends the program on a wrong one, and after --help. */
void options_read(struct options *options, int count, char **words);

#endif
