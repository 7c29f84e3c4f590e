/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <unistd.h>

#include "fail.h"
#include "idle.h"
#include "net.h"
#include "probe.h"

#define SETTLE_TURNS 50 /* of 20 ms: memory of what is finished goes home */

static void on_packet(struct net_conn *conn, const struct packet_frame *frame)
{
    (void)frame;
    net_broken(conn, "a packet to a client that only connected");
}

static struct net_handler handler = {.kind = 'i', .packet = on_packet};

static void settle(struct probe *probe, long pid)
{
    for (int i = 0; i < SETTLE_TURNS; i++) {
        net_turn(20);
        usleep(1000);
    }
    probe_take(probe, pid);
}

bool idle_run(const struct options *options, struct report *report)
{
    struct probe start, first, second;
    uint32_t low = (uint32_t)options->first, high = (uint32_t)options->second;
    struct net_conn *conns = fail_alloc(high, sizeof conns[0]);
    handler.v5 = options->pub_v5;
    net_init(options, high, high);
    probe_take(&start, options->pid);
    net_open_all(conns, sizeof conns[0], 0, low, &handler);
    settle(&first, options->pid);
    net_open_all(conns + low, sizeof conns[0], low, high - low, &handler);
    settle(&second, options->pid);
    double grown = (double)second.broker_rss - (double)first.broker_rss;
    report_count(report, "first", low);
    report_count(report, "second", high);
    report_count(report, "rss_start", start.broker_rss);
    report_count(report, "rss_first", first.broker_rss);
    report_count(report, "rss_second", second.broker_rss);
    report_figure(report, "rss_per_connection", grown / (double)(high - low));
    report_figure(report, "broker_cpu_us", (double)(second.broker_cpu - start.broker_cpu) / 1e3 / (double)high);
    for (uint32_t i = 0; i < high; i++)
        net_close(&conns[i]);
    free(conns);
    return net_counts.up == high;
}
