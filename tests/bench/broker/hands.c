/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a TLS connection costs from its first byte to its last. Each slot has one client at a time; the next one starts
 * when its forerunner has its CONNACK and has gone. The session to take up is the same for all: one that a client got
 * before the clock was started, so that no client is the two-hundredth in a chain and has to begin anew.
 */
#include <stdlib.h>
#include <unistd.h>

#include "fail.h"
#include "hands.h"
#include "net.h"
#include "probe.h"
#include "tls.h"

#define WARM_UP 200u
#define SETTLE_US 100000 /* the broker sees the last one go */
#define STILL_TURNS 100  /* of 100 ms without a client that gets in */

struct slots {
    struct net_conn *conns;
    uint32_t count;  /* clients at once */
    uint32_t opened; /* so far, of all runs: each has its own name */
    uint64_t resumed;
};

static void on_packet(struct net_conn *conn, const struct packet_frame *frame)
{
    (void)frame;
    net_broken(conn, "a packet to a client that only connected");
}

static struct net_handler handler = {.kind = 'h', .packet = on_packet};

static void leave(struct slots *s, struct net_conn *conn)
{
    s->resumed += conn->tls != NULL && tls_resumed(conn->tls);
    net_close(conn);
}

/* `total` clients, one after the other in each slot. */
static void come_and_go(struct slots *s, uint32_t total)
{
    uint32_t started = 0, done = 0, still = 0;
    while (done < total) {
        uint32_t before = done;
        for (uint32_t i = 0; i < s->count; i++) {
            struct net_conn *conn = &s->conns[i];
            if (conn->state == NET_UP) {
                leave(s, conn);
                done++;
            }
            if (conn->state == NET_CLOSED && started < total) {
                net_open(conn, s->opened++, &handler);
                started++;
            }
        }
        still = done == before ? still + 1 : 0;
        if (still > STILL_TURNS)
            fail(FAIL_CONNECTION, "10 s without a CONNACK (%u of %u)", done, total);
        if (done < total)
            net_turn(100);
    }
    usleep(SETTLE_US);
}

/* One client gets a session for all that follow. */
static void fetch_session(struct slots *s)
{
    struct net_conn *conn = &s->conns[0];
    uint64_t before = net_counts.up;
    net_open(conn, s->opened++, &handler);
    net_wait(&net_counts.up, before + 1, "CONNACK");
    if (!tls_keep_session(conn->tls))
        fail(FAIL_CONNECTION, "--resume: the broker gave no TLS session that can be taken up");
    net_close(conn);
}

bool hands_run(const struct options *options, struct report *report)
{
    struct probe first, second;
    uint32_t total = (uint32_t)options->count;
    struct slots s = {.count = (uint32_t)options->concurrent};
    s.conns = fail_alloc(s.count, sizeof s.conns[0]);
    handler.v5 = options->pub_v5;
    net_init(options, s.count, total + WARM_UP + 1);
    if (options->resume)
        fetch_session(&s);
    come_and_go(&s, WARM_UP);
    s.resumed = 0;
    probe_take(&first, options->pid);
    come_and_go(&s, total);
    probe_take(&second, options->pid);
    double seconds = (double)(second.time - first.time) / 1e9 - SETTLE_US / 1e6;
    report_count(report, "count", total);
    report_count(report, "resumed", s.resumed);
    report_figure(report, "seconds", seconds);
    report_figure(report, "per_second", total / seconds);
    report_figure(report, "broker_cpu_us", (double)(second.broker_cpu - first.broker_cpu) / 1e3 / total);
    report_figure(report, "load_cpu_us", (double)(second.own_cpu - first.own_cpu) / 1e3 / total);
    report_count(report, "broker_rss", second.broker_rss);
    free(s.conns);
    return s.resumed == (options->resume ? total : 0);
}
